"""What all widgets share: how they are shown, and what stands for them elsewhere."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from labkit import settings

_LIVE = "Open this notebook in JupyterLab and run the cell above to use it."
_HERE = Path(__file__).parent


@dataclass(repr=False)
class Panel:
    """Something to play with in a notebook.

    Where widgets are not available, on GitHub, in a page of nbconvert or headless, a picture
    stands for it, with a sentence on how to go live.
    """

    view: object
    """The ipywidget."""
    picture: Callable[[], str]
    """The static picture, as HTML."""
    title: str

    def __repr__(self):
        return f"{self.title}. {_LIVE}"

    def _repr_mimebundle_(self, **_):
        static = f"{self.picture()}<p><em>{html.escape(self.title)}. {_LIVE}</em></p>"
        bundle = {"text/plain": repr(self), "text/html": static}
        if settings.read().headless:
            return bundle
        return bundle | self._whole._repr_mimebundle_()

    @cached_property
    def _whole(self):
        """The view, and beside it what ipywidgets leaves undone: see panel.js."""
        import anywidget
        import ipywidgets as w

        class Helper(anywidget.AnyWidget):
            _esm = _HERE / "panel.js"
            _css = _HERE / "panel.css"

        whole = w.VBox([self.view, Helper()])
        whole.add_class("labkit-panel")
        return whole


def status(text: str) -> str:
    """A line that screen readers read out when it changes: the value of a ``w.HTML``."""
    return f'<div class="labkit-status">{html.escape(text)}</div>'


def copyable(text: str) -> str:
    """Lines of code with a button that copies them: the value of a ``w.HTML``."""
    return (
        f'<div class="labkit-code"><pre tabindex="0">{html.escape(text)}</pre>'
        '<button type="button" class="labkit-copy">Copy</button></div>'
    )
