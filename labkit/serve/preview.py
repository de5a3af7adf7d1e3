"""A server in the background, as a notebook shows it."""

import html
import threading

from labkit.widgets.panel import Panel, status

_HEIGHT = 560  # pixels


def panel(serving) -> Panel:
    """The first page in a frame, with a button that stops the server.

    Args:
        serving: a :class:`labkit.serve.process.Serving`.
    """
    import ipywidgets as w

    name = ", ".join(serving.names)
    page = f"{serving.url}models/{serving.names[0]}" if len(serving.names) == 1 else serving.url
    address = html.escape(page)
    frame = w.HTML(
        f'<iframe src="{address}" title="The page of {html.escape(name)}" width="100%" '
        f'height="{_HEIGHT}" style="border: 1px solid #8888"></iframe>'
    )
    stop = w.Button(description="Stop the server", button_style="warning")
    said = w.HTML(status(f"Serving {name} at {page}"))

    def end():
        serving.stop()
        frame.value = ""
        said.value = status("The server has stopped. Run the cell again to start it.")

    def pressed(_):
        stop.disabled = True
        said.value = status("Answering what is under way, then stopping.")
        threading.Thread(target=end, daemon=True).start()

    stop.on_click(pressed)
    view = w.VBox([w.HBox([stop, said]), frame])
    return Panel(view, lambda: f"<p>{html.escape(repr(serving))}</p>", "The model's page")
