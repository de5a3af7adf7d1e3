"""``labkit.serve``: a model on a page and behind the protocols that platforms speak."""

import tempfile
from pathlib import Path

__all__ = ["serve"]


def serve(
    model,
    *,
    data=None,
    metrics=None,
    name: str = "model",
    store: str | Path | None = None,
    port: int = 8080,
):
    """Serve a model in the background, on this machine only.

    It answers on a page for people, under KServe's V1 and V2 protocols for programs, and
    tells Prometheus at ``/metrics``; ``/docs`` lists all of it. `labkit serve` in a terminal
    does the same as a process of its own.

    Args:
        model: a Keras or scikit-learn model; or the name of one in the store, such as
            "mnist-cnn" or "mnist-cnn/3", or a list of names.
        data: what the model was trained on, so that the page knows classes and columns.
        metrics: what the model reached, for the page.
        name: what a model that is not from the store is called.
        store: the store that names are looked up in; ``None``: the setting LABKIT_STORE.
        port: the port, or the first free one after it.

    Returns:
        A :class:`~labkit.serve.process.Serving` with ``url`` and ``stop()``.

    Raises:
        StoreError: the model cannot be saved, or is not in the store.
        ServeError: it cannot be served, or no port is free.

    Example:
        >>> serving = labkit.serve(model, data=data)
        >>> serving.stop()
    """
    from labkit import store as models
    from labkit.serve.process import background

    if isinstance(model, str | list | tuple):
        names = [model] if isinstance(model, str) else [*model]
        return background(names, store=store, port=port)
    folder = tempfile.TemporaryDirectory(prefix="labkit-serve-")
    try:
        models.save(model, name, data=data, metrics=metrics, url=folder.name)
        serving = background([name], store=folder.name, port=port)
    except BaseException:
        folder.cleanup()
        raise
    serving._folder = folder
    return serving
