"""Figures of the three nouns: data, model, history.

Every function takes ``ax=None``, a matplotlib ``Axes`` to draw in (None makes a new
figure at the width of a notebook), and returns the ``Axes`` it drew in. Every figure
carries a text for readers who cannot see it, computed from what it shows:
:func:`alt_text` reads it and :func:`describe` sets your own.

In a notebook that text becomes the ``alt`` of the picture. JupyterLab 4.6 and the
default template of nbconvert 7.17 leave out ``alt`` when an output is ``image/png``,
even where its metadata has one. So a figure is sent as an HTML ``<img>`` instead, as
WebP: the same pixels in half the bytes of PNG, which keeps notebooks small.
"""

import math
import re
import sys
import textwrap
from base64 import b64decode, b64encode
from html import escape
from io import BytesIO

import numpy as np

from labkit import models, palette
from labkit.errors import LabError

_WIDTH = 9  # inches: 900 pixels in a notebook, the width of its page
_TITLE, _LABEL, _TEXT, _SMALL = 13, 11, 10, 9  # points
_LARGEST = 70_000  # bytes of a picture: under 100 kB as text in a notebook

_LEGEND = {"fontsize": _TEXT, "frameon": False, "labelcolor": palette.INK}


# --- data ---------------------------------------------------------------------------


def samples(data, *, rows=4, columns=8, split="train", seed=0, ax=None):
    """A grid of examples with their class names, as many of each class as fit.

    Args:
        data: a :class:`labkit.data.Dataset` of pictures.
        rows, columns: the size of the grid.
        split: "train" or "test".
        seed: which examples; the same seed shows the same ones.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: the data are not pictures with classes, or there is no such split.

    Example:
        >>> labkit.plot.samples(data, rows=2);
    """
    _need_classes(data)
    _need_pictures(data)
    parts = {
        "train": (data.x_train, data.y_train, "training"),
        "test": (data.x_test, data.y_test, "test"),
    }
    if split not in parts:
        raise LabError(f'There is no split {split!r}. Use split="train" or split="test".')
    x, y, kind = parts[split]
    shuffled = np.random.default_rng(seed).permutation(len(y))
    # How often its class came before: sorting by that takes one of each class in turn.
    turn = np.empty(len(y), dtype=int)
    for label in range(data.num_classes):
        (mine,) = np.nonzero(y[shuffled] == label)
        turn[mine] = np.arange(len(mine))
    chosen = shuffled[np.lexsort((y[shuffled], turn))][: rows * columns]
    names = [data.class_names[label] for label in y[chosen]]
    note = " (sample data)" if data.is_sample else ""
    ax, _ = _mosaic(x[chosen], names, columns, ax)
    height, width = data.input_shape[:2]
    return _finish(
        ax,
        f"{data.title}: {len(chosen)} of {len(x):,} {kind} pictures{note}",
        f"{len(chosen)} {kind} pictures of {data.title}{note}, {width} by {height} pixels "
        f"each, under their class names: {_listed(dict.fromkeys(names))}.",
    )


def pictures(images, titles=None, *, columns=8, ax=None):
    """One picture with a ruler of its pixels, or several in a grid.

    Args:
        images: one picture of shape ``(height, width)`` or ``(height, width, channels)``,
            or several, ``(n, height, width[, channels])``; ``uint8`` 0 to 255, or
            floats 0 to 1. One channel is grey, 0 black; three are red, green, blue.
        titles: one text for one picture, a list of n for several.
        columns: how many stand side by side at most.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: the shape is none of these, or there are not as many titles as pictures.

    Example:
        >>> labkit.plot.pictures(data.x_test[0], "a seven");
    """
    images = np.asarray(images)
    single = images.ndim == 2 or (images.ndim == 3 and images.shape[-1] in (1, 3))
    if single:
        images, titles = images[None], None if titles is None else [str(titles)]
    if images.ndim not in (3, 4) or not len(images) or images.shape[3:] not in ((), (1,), (3,)):
        raise LabError(
            f"An array of shape {images.shape} is not pictures. Give (height, width) for "
            "one, (n, height, width) for several, with 1 or 3 channels at the end if any."
        )
    if titles is not None and len(titles) != len(images):
        raise LabError(
            f"{len(images)} pictures came with {len(titles)} titles. Give one title each, or none."
        )
    height, width = images.shape[1:3]
    size = f"{width} by {height} pixels"
    if single:
        ax = _axes(ax, 3.6, 3.6 * height / width + 0.4)
        ax.imshow(_rgb(images[0]), extent=(-0.5, width - 0.5, height - 0.5, -0.5))
        ax.locator_params(integer=True, nbins=6)
        ax.set(xlabel="column (pixel)", ylabel="row (pixel)")
        title = titles[0] if titles else f"A picture of {size}"
        return _finish(ax, title, f"A picture of {size}{f': {titles[0]}' if titles else ''}.")
    names = None if titles is None else [str(title) for title in titles]
    ax, _ = _mosaic(images, names, columns, ax)
    said = f": {_listed(names)}" if names else ""
    return _finish(
        ax, f"{len(images)} pictures of {size}", f"{len(images)} pictures of {size}{said}."
    )


def scatter_columns(data, *, ax=None):
    """Every feature of a table against the target, a small panel each.

    Args:
        data: a :class:`labkit.data.Dataset` with ``feature_names``.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes`` that holds the panels (``ax.child_axes``).

    Raises:
        LabError: the data are not a table.

    Example:
        >>> labkit.plot.scatter_columns(labkit.load("linear_regression"));
    """
    if not data.feature_names:
        raise LabError(
            f"{data.name} is not a table: it has no named columns. "
            "Use plot.samples(data) to look at pictures."
        )
    columns = min(3, len(data.feature_names))
    rows = math.ceil(len(data.feature_names) / columns)
    ax = _axes(ax, _WIDTH, 2.8 * rows + 0.4)
    ax.set_axis_off()
    said = []
    for i, name in enumerate(data.feature_names):
        row, column = divmod(i, columns)
        panel = ax.inset_axes(
            [column / columns + 0.02, 1 - (row + 0.82) / rows, 0.92 / columns, 0.74 / rows]
        )
        _clean(panel)
        panel.scatter(data.x_train[:, i], data.y_train, s=14, color=palette.BLUE, alpha=0.5, lw=0)
        panel.locator_params(nbins=5)
        panel.set_xlabel(name, fontsize=_LABEL, color=palette.INK)
        if column == 0:
            panel.set_ylabel(data.target_name, fontsize=_LABEL, color=palette.INK)
        else:
            panel.tick_params(labelleft=False)
        r = np.corrcoef(data.x_train[:, i], data.y_train)[0, 1]
        panel.set_title(f"r = {r:.2f}", loc="right", fontsize=_TEXT, color=palette.GREY)
        said.append(f"{name}: {r:.2f}")
    return _finish(
        ax,
        f"Each feature against {data.target_name}, with the correlation r",
        f"{len(data.feature_names)} scatter plots of {data.target_name} against one feature "
        f"each, {len(data.y_train):,} training rows. The correlations are {_listed(said)}.",
    )


# --- history ------------------------------------------------------------------------


def learning_curves(histories, *, metric="accuracy", ax=None):
    """How a metric changes from epoch to epoch: training solid, validation dashed.

    A run has one colour, given by its place in the list, so that adding a run leaves
    the others as they were. The design follows ``HistoryPlotter`` of
    https://github.com/tensorflow/docs/tree/master/tools/tensorflow_docs/plots.

    Args:
        histories: one :class:`labkit.training.History`, or a list of at most seven.
        metric: "accuracy" or "loss".
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: there is no run, there are more runs than colours, or a run has no
            such metric or no finished epoch.

    Example:
        >>> labkit.plot.learning_curves([classic, fast], metric="loss");
    """
    from matplotlib.lines import Line2D

    runs = list(histories) if isinstance(histories, list | tuple) else [histories]
    if not 1 <= len(runs) <= len(palette.SERIES):
        raise LabError(
            f"{len(runs)} runs cannot be told apart in one figure. "
            f"Give 1 to {len(palette.SERIES)} of them."
        )
    for run in runs:
        if not run.metrics.get(metric):
            raise LabError(
                f"The run {run.name!r} has no finished epoch with the metric {metric!r}; it has "
                f"{', '.join(run.metrics) or 'none'}. Choose one of those, or train an epoch."
            )
    ax = _axes(ax, _WIDTH, 4.4)
    ax.grid(color=palette.LINE, lw=0.8)
    said, validated = [], False
    for run, colour in zip(runs, palette.SERIES, strict=False):
        for key, style in ((metric, "-"), (f"val_{metric}", "--")):
            values = run.metrics.get(key)
            if values:
                epochs = range(1, len(values) + 1)
                ax.plot(epochs, values, style, color=colour, marker="o", ms=4, lw=1.8)
        validation = run.metrics.get(f"val_{metric}")
        validated = validated or bool(validation)
        said.append(
            f"{run.name}: training {_change(run.metrics[metric])}"
            + (f", validation {_change(validation)}" if validation else "")
        )
    handles = [
        Line2D([], [], color=colour, lw=3, label=run.name)
        for run, colour in zip(runs, palette.SERIES, strict=False)
    ]
    colour = palette.SERIES[0] if len(runs) == 1 else palette.GREY
    styles = [Line2D([], [], color=colour, lw=1.8, label="training")]
    if validated:
        styles.append(Line2D([], [], color=colour, lw=1.8, ls="--", label="validation"))
    ax.legend(handles=styles if len(runs) == 1 else handles + styles, **_LEGEND)
    last = max(len(run.metrics[metric]) for run in runs)
    ax.set_xlim(0.8, last + 0.2)
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    units = {"accuracy": "accuracy (share that is right)", "loss": "loss (cross-entropy)"}
    ax.set(xlabel="epoch", ylabel=units.get(metric, metric))
    return _finish(
        ax,
        f"Learning curve of {runs[0].name}" if len(runs) == 1 else "Learning curves",
        f"Learning curves of {_count(len(runs), 'run')}, {metric} after each of "
        f"{_count(last, 'epoch')}. {'; '.join(said)}.",
    )


# --- what the model gets right and wrong --------------------------------------------


def confusion_matrix(model, data, *, normalize=False, ax=None):
    """How often each true class (row) was taken for each class (column), on test data.

    Args:
        model: a classifier; takes ``data.x_test``, returns probabilities.
        data: a :class:`labkit.data.Dataset` with classes.
        normalize: show shares of the row instead of counts.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: the data have no classes, or the model does not fit them.

    Example:
        >>> labkit.plot.confusion_matrix(model, data);
    """
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    predicted = _predict(model, data).argmax(axis=1)
    k, names = data.num_classes, data.class_names
    counts = np.bincount(data.y_test * k + predicted, minlength=k * k).reshape(k, k)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    # Two hues: on one scale the diagonal would leave every mistake white.
    right = np.eye(k, dtype=bool)
    most = shares[~right].max(initial=0) or 1
    strength = np.where(right, shares, np.where(counts > 0, 0.1 + 0.75 * shares / most, 0))
    hue = np.where(right[..., None], to_rgb(palette.BLUE), to_rgb(palette.VERMILLION))
    image = 1 - strength[..., None] * (1 - hue)

    wide = max(len(name) for name in names)
    labels = 0.09 * wide  # inches
    side = min(max(0.5 * k, 3), _WIDTH - labels - 0.6)
    ax = _axes(ax, side + labels + 0.6, side + 0.7 * labels + 1.3)
    ax.imshow(image, extent=(-0.5, k - 0.5, k - 0.5, -0.5))
    for row in range(k):
        for column in range(k):
            n = counts[row, column]
            ax.text(
                column,
                row,
                f"{shares[row, column]:.2f}" if normalize and n else str(n),
                ha="center",
                va="center",
                color=_text_on(image[row, column]) if n else palette.GREY,
                fontsize=_SMALL + 0.5,
            )
    slant = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if wide > 4 else {}
    ax.set_xticks(range(k), names, **slant)
    ax.set_yticks(range(k), names)
    ax.tick_params(length=0)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.legend(
        handles=[
            Patch(color=palette.BLUE, label="right"),
            Patch(color=palette.VERMILLION, label="wrong"),
        ],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        borderaxespad=0.2,
        borderpad=0,
        **_LEGEND,
    )
    accuracy = np.trace(counts) / max(counts.sum(), 1)
    wrong = np.where(right, 0, counts)
    row, column = np.unravel_index(wrong.argmax(), wrong.shape)
    worst = (
        f"The most frequent mistake is {names[row]} taken for {names[column]}, "
        f"{_count(wrong.max(), 'time')}."
        if wrong.max()
        else "There is no mistake."
    )
    return _finish(
        ax,
        f"Confusion matrix{', shares of each row' if normalize else ''}: {accuracy:.1%} right",
        f"Confusion matrix of {k} classes: {accuracy:.1%} of {counts.sum():,} test examples "
        f"lie on the diagonal, which means right. {worst}",
        pad=28,  # leaves room for the legend
    )


def per_class_accuracy(model, data, *, ax=None):
    """The share of each class's test examples that the model gets right, best first.

    Args:
        model: a classifier; takes ``data.x_test``, returns probabilities.
        data: a :class:`labkit.data.Dataset` with classes.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: the data have no classes, or the model does not fit them.

    Example:
        >>> labkit.plot.per_class_accuracy(model, data);
    """
    right = _predict(model, data).argmax(axis=1) == data.y_test
    overall = right.mean()
    present = np.unique(data.y_test)
    accuracy = np.array([right[data.y_test == label].mean() for label in present])
    order = np.argsort(-accuracy, kind="stable")
    names = [data.class_names[present[i]] for i in order]
    accuracy = accuracy[order]
    ax = _axes(ax, _WIDTH, 0.36 * len(names) + 1.3)
    ax.barh(names, accuracy, color=palette.BLUE, height=0.72)
    for i, value in enumerate(accuracy):
        long = value > 0.15  # bars start with their number, clear of the dashed line
        _number(ax, f"{value:.3f}", 0 if long else value, i, palette.PAPER if long else palette.INK)
    ax.axvline(overall, color=palette.INK, lw=1.4, ls="--")
    ax.set(xlim=(0, 1), xlabel="accuracy (share that is right)", ylabel="true class")
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    return _finish(
        ax,
        f"Accuracy by class; all together {overall:.3f} (dashed line)",
        f"Bars of the accuracy of {len(names)} classes, from {accuracy[0]:.3f} for {names[0]} down "
        f"to {accuracy[-1]:.3f} for {names[-1]}; all together {overall:.3f}.",
    )


def confident_mistakes(model, data, *, count=12, ax=None):
    """The wrong predictions on test data that the model was surest of, surest first.

    Args:
        model: a classifier; takes ``data.x_test``, returns probabilities.
        data: a :class:`labkit.data.Dataset` of pictures.
        count: how many to show at most.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``. It says so where there is no mistake to show.

    Raises:
        LabError: the data are not pictures with classes, or the model does not fit them.

    Example:
        >>> labkit.plot.confident_mistakes(model, data, count=6);
    """
    _need_pictures(data)
    probabilities = _predict(model, data)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    (wrong,) = np.nonzero(predicted != data.y_test)
    tested = f"{len(predicted):,} test pictures"
    if not len(wrong):
        ax = _axes(ax, _WIDTH, 1.2)
        ax.set_axis_off()
        text = f"No mistakes: all {tested} are right"
        ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=_TITLE, color=palette.INK)
        return _finish(ax, "The most confident mistakes", f"{text}.")
    shown = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    names = data.class_names
    titles = [
        f"predicted {names[predicted[i]]} ({confidence[i]:.2f}),\nis {names[data.y_test[i]]}"
        for i in shown
    ]
    ax, _ = _mosaic(data.x_test[shown], titles, 6, ax)
    return _finish(
        ax,
        f"The most confident mistakes: {len(shown)} of {len(wrong):,} in {tested}",
        f"{len(shown)} of {_count(len(wrong), 'mistake')} in {tested}, the most confident first, "
        f"with the model's probability: {'; '.join(titles)}.",
    )


def probabilities(probabilities, class_names, *, truth=None, ax=None):
    """What the model says about one example: a bar for each class.

    Args:
        probabilities: one prediction, shape ``(classes,)`` or ``(1, classes)``.
        class_names: the classes in label order.
        truth: the true label, if you know it.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``. The prediction is blue, or vermillion if it is known to be wrong.

    Raises:
        LabError: there are not as many probabilities as names.

    Example:
        >>> said = model.predict(data.x_test[:1])
        >>> labkit.plot.probabilities(said, data.class_names, truth=data.y_test[0]);
    """
    values = np.squeeze(np.asarray(probabilities))
    if values.shape != (len(class_names),):
        raise LabError(
            f"Probabilities of shape {np.shape(probabilities)} do not match {len(class_names)} "
            "class names. Give one prediction: model.predict(pictures)[0]."
        )
    best = int(values.argmax())
    wrong = truth is not None and int(truth) != best
    colours = [palette.GREY] * len(values)
    colours[best] = palette.VERMILLION if wrong else palette.BLUE
    ax = _axes(ax, 6, 0.34 * len(values) + 1.1)
    ax.barh(range(len(values)), values, color=colours, height=0.72)
    for i, value in enumerate(values):
        _number(ax, f"{value:.3f}", value, i)
    ax.set_yticks(range(len(values)), class_names)
    title = f"Predicted {class_names[best]} ({values[best]:.2f})"
    if truth is not None:
        ax.get_yticklabels()[int(truth)].set_fontweight("bold")
        title += f", is {class_names[int(truth)]}"
    ax.set(xlim=(0, 1.1), xticks=np.linspace(0, 1, 6), xlabel="probability", ylabel="class")
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    top = [f"{class_names[i]}: {values[i]:.2f}" for i in np.argsort(-values, kind="stable")[:3]]
    return _finish(ax, title, f"{title}. The largest probabilities are {_listed(top)}.")


# --- inside the model ---------------------------------------------------------------


def weights(model, *, ax=None):
    """What a one-layer model has learned: the weight of every pixel, a picture a class.

    A pixel that is bright in the input speaks for the class where its weight is blue,
    against it where its weight is orange. Colour pictures show the mean over red, green and blue.

    Args:
        model: a model whose only layer with weights is dense and reads the pixels,
            such as :func:`labkit.models.softmax_regression`.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: the model has another form.

    Example:
        >>> labkit.plot.weights(models.softmax_regression(data));
    """
    trained = [layer for layer in model.layers if layer.weights]
    shape = model.input_shape[1:]
    kernel = np.asarray(trained[0].get_weights()[0]) if len(trained) == 1 else None
    if kernel is None or len(shape) != 3 or kernel.ndim != 2 or len(kernel) != math.prod(shape):
        raise LabError(
            f"{model.name} is not one dense layer on pictures, so its weights are not pictures. "
            "Use models.softmax_regression(data), or plot.filters(model) for convolutions."
        )
    kernels = kernel.T.reshape(-1, *shape).mean(axis=-1)
    largest = np.abs(kernels).max()
    names = [f"class {i}" for i in range(len(kernels))]
    ax, image = _mosaic(kernels, names, 5, ax, palette.diverging(), (-largest, largest))
    _colour_bar(ax, image, "weight (no unit)")
    return _finish(
        ax,
        f"Weights of {model.name}: blue for the class, orange against",
        f"The weights of {model.name} as {len(kernels)} pictures of {shape[1]} by {shape[0]} "
        f"pixels, one for each class, from {-largest:.2f} (against the class) through white "
        f"(no say) to {largest:.2f} (for it).",
    )


def filters(model, *, layer=None, ax=None):
    """The kernels of a convolution: the small patterns that it looks for.

    Kernels that read one channel run from orange (negative) to blue (positive);
    those that read a colour picture are shown in its colours, grey being zero; those
    that read more channels show their mean.

    Args:
        model: a model with a ``Conv2D`` layer.
        layer: the name of the layer; None takes the first ``Conv2D``.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: there is no such layer, or it is no convolution.

    Example:
        >>> labkit.plot.filters(model);
    """
    chosen = _layer(model, layer)
    kernels = chosen.get_weights()[0] if chosen.weights else np.empty(0)
    if kernels.ndim != 4:
        raise LabError(
            f"The layer {chosen.name!r} is no convolution of pictures and has no kernels to show. "
            "Leave layer out to take the first Conv2D."
        )
    height, width, channels, n = kernels.shape
    kernels = np.moveaxis(kernels, -1, 0)
    largest = np.abs(kernels).max()
    what = f"{n} kernels of {height} by {width} pixels in layer {chosen.name}"
    numbers = [str(i + 1) for i in range(n)]
    if channels == 3:
        ax, _ = _mosaic(0.5 + kernels / largest / 2, numbers, 10, ax)
        said = "in the colours they look for; grey is no weight"
    else:
        kernels = kernels.mean(axis=-1)
        largest = np.abs(kernels).max()
        ax, image = _mosaic(kernels, numbers, 10, ax, palette.diverging(), (-largest, largest))
        _colour_bar(ax, image, "weight (no unit)" if channels == 1 else "mean weight (no unit)")
        said = f"with weights from {kernels.min():.2f} to {kernels.max():.2f}"
    return _finish(ax, what[0].upper() + what[1:], f"{what}, {said}.")


def activation_maps(model, picture, *, layer=None, ax=None):
    """What a layer makes of one picture: the picture, then a map for each filter.

    Bright is where the filter found its pattern. All maps share one scale.

    Args:
        model: a model with a ``Conv2D`` layer.
        picture: one input, shape ``(height, width, channels)``, as the model takes it.
        layer: the name of the layer; None takes the first ``Conv2D``.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: there is no such layer, its output is no set of maps, or the picture
            has another shape than the model's input.

    Example:
        >>> labkit.plot.activation_maps(model, data.x_test[0], layer="max_pooling2d");
    """
    from keras import Model, ops

    chosen = _layer(model, layer)
    picture = np.asarray(picture)
    if picture.shape != model.input_shape[1:]:
        raise LabError(
            f"The picture has shape {picture.shape}, {model.name} takes {model.input_shape[1:]}. "
            "Give one example, such as data.x_test[0]."
        )
    if len(chosen.output.shape) != 4:
        raise LabError(
            f"The layer {chosen.name!r} gives {_by(chosen.output.shape[1:])} numbers and no maps. "
            "Choose a convolution or pooling layer, or leave layer out."
        )
    maps = Model(model.inputs, chosen.output)([picture[None]])
    maps = np.moveaxis(ops.convert_to_numpy(maps)[0], -1, 0)
    height, width = maps.shape[1:]
    numbers = ["input", *(str(i + 1) for i in range(len(maps)))]
    scale = (min(0.0, float(maps.min())), float(maps.max()) or 1.0)
    ax, image = _mosaic([picture, *maps], numbers, 9, ax, "viridis", scale)
    _colour_bar(ax, image, "activation (no unit)")
    silent = int((maps.max(axis=(1, 2)) <= 0).sum())
    return _finish(
        ax,
        f"What layer {chosen.name} makes of the picture: {len(maps)} maps of {width} by {height}",
        f"One picture and its {len(maps)} activation maps of {width} by {height} after layer "
        f"{chosen.name}, from {scale[0]:.2f} (dark) to {scale[1]:.2f} (bright); "
        f"{_count(silent, 'map')} found nothing.",
    )


def heat_maps(images, heats, titles=None, *, ax=None):
    """Pictures, and under each the same one with a heat map laid over it.

    Args:
        images: pictures, ``(n, height, width, channels)``, as :func:`pictures` takes them.
        heats: one map for each, ``(n, height, width)`` from 0 (nothing, the picture in pale
            grey) to 1 (red), such as those of :func:`labkit.models.grad_cam`.
        titles: one text for each picture.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: there are not as many maps or titles as pictures, or the maps have
            another size.

    Example:
        >>> shown = data.x_test[:6]
        >>> labkit.plot.heat_maps(shown, [models.grad_cam(model, x) for x in shown]);
    """
    from matplotlib import colormaps

    images, heats = np.asarray(images), np.asarray(heats)
    if images.ndim != 4 or heats.shape != images.shape[:3]:
        raise LabError(
            f"Heat maps of shape {heats.shape} do not lie on pictures of shape {images.shape}. "
            "Give (n, height, width) for pictures of (n, height, width, channels)."
        )
    names = [""] * len(images) if titles is None else [str(title) for title in titles]
    if len(names) != len(images):
        raise LabError(
            f"{len(images)} pictures came with {len(names)} titles. Give one title each, or none."
        )
    # Pale grey below, so that the only colours are the map's.
    grey = [0.35 + 0.65 * _rgb(picture).mean(axis=-1, keepdims=True) for picture in images]
    hot = colormaps["YlOrRd"](heats)[..., :3]
    strength = 0.85 * heats[..., None]
    laid_over = [(1 - s) * g + s * h for g, h, s in zip(grey, hot, strength, strict=True)]
    shown = [*map(_rgb, images), *laid_over]
    ax, _ = _mosaic(shown, [*names, *[""] * len(images)], len(images), ax)
    height, width = heats.shape[1:]
    said = []
    for i, heat in enumerate(heats):
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        where = f"row {row}, column {column}" if heat.max() > 0 else "nowhere"
        said.append(f"{names[i].splitlines()[0]}: {where}" if names[i] else where)
    return _finish(
        ax,
        "Above the picture, below where it is hot",
        f"{_count(len(images), 'picture')} of {width} by {height} pixels, and under each a heat "
        f"map laid over it. It is hottest at {'; '.join(said)}.",
    )


def model_diagram(model, *, ax=None):
    """The layers of a model from input to output, with their shapes and sizes.

    Args:
        model: a built Keras model.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: the model does not know its shapes yet.

    Example:
        >>> labkit.plot.model_diagram(models.cnn(data));
    """
    from matplotlib.patches import FancyBboxPatch

    if not model.built:
        raise LabError(
            "The model does not know its shapes yet. Start it with keras.layers.Input(shape), "
            "or call it once on data."
        )
    tints = (
        ("Conv", palette.BLUE),
        ("Pool", palette.GREEN),
        ("Dense", palette.VERMILLION),
        ("Dropout", palette.PURPLE),
    )
    rows = [("input", "", model.input_shape[1:], None, palette.GREY)]
    for layer in model.layers:
        kind = type(layer).__name__
        colour = next((tint for word, tint in tints if word in kind), palette.GREY)
        rows.append((layer.name, kind, layer.output.shape[1:], layer.count_params(), colour))

    ax = _axes(ax, 7.6, 0.55 * len(rows) + 0.8)
    ax.set_axis_off()
    ax.set(xlim=(0, 10), ylim=(len(rows) - 0.4, -0.85))
    heads = {"va": "center", "fontsize": _TEXT, "color": palette.GREY}
    ax.text(0.3, -0.55, "layer", **heads)
    ax.text(6.9, -0.55, "output shape", ha="right", **heads)
    ax.text(9.7, -0.55, "parameters", ha="right", **heads)
    for i, (name, kind, shape, size, colour) in enumerate(rows):
        if i:
            ax.annotate(
                "",
                (5, i - 0.33),
                xytext=(5, i - 0.67),
                arrowprops={"arrowstyle": "-|>", "color": palette.GREY, "lw": 1.2},
            )
        ax.add_patch(
            FancyBboxPatch(
                (0.1, i - 0.31),
                9.8,
                0.62,
                boxstyle="round,pad=0,rounding_size=0.12",
                facecolor=(colour, 0.13),
                edgecolor=colour,
                lw=1.3,
            )
        )
        text = {"va": "center", "fontsize": _LABEL, "color": palette.INK}
        ax.text(0.3, i, name, weight="bold", **text)
        ax.text(4.6, i, kind, ha="right", **{**text, "fontsize": _TEXT})
        ax.text(6.9, i, _by(shape), ha="right", **text)
        ax.text(9.7, i, "" if size is None else f"{size:,}", ha="right", **text)
    total = model.count_params()
    said = [
        f"{name} ({kind}), output {_by(shape)}, {_count(size, 'parameter')}"
        for name, kind, shape, size, _ in rows[1:]
    ]
    return _finish(
        ax,
        f"{model.name}: {_count(len(model.layers), 'layer')}, {total:,} parameters",
        f"The layers of {model.name}, from an input of {_by(rows[0][2])}: {'; '.join(said)}. "
        f"In all {_count(total, 'parameter')}.",
    )


# --- regression ---------------------------------------------------------------------


def predicted_vs_actual(y_true, y_pred, *, ax=None):
    """Predictions of a regression against the truth; a perfect one lies on the line.

    Args:
        y_true: the true values, shape ``(n,)``.
        y_pred: the predictions, shape ``(n,)`` or ``(n, 1)``, in the same unit.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``. Its title has R², the share of the variance that is explained
        (scikit-learn's ``r2_score``).

    Raises:
        LabError: the two have different lengths, or fewer than two values.

    Example:
        >>> labkit.plot.predicted_vs_actual(y_test, model.predict(x_test));
    """
    y_true, y_pred = np.ravel(y_true).astype(float), np.ravel(y_pred).astype(float)
    if len(y_true) != len(y_pred) or len(y_true) < 2:
        raise LabError(
            f"There are {len(y_true)} true values and {len(y_pred)} predictions. Give one "
            "prediction for each true value, and at least two."
        )
    spread = ((y_true - y_true.mean()) ** 2).sum()
    r2 = 1 - ((y_true - y_pred) ** 2).sum() / spread if spread else math.nan
    ax = _axes(ax, 5.4, 5.2)
    ax.grid(color=palette.LINE, lw=0.8)
    low, high = min(y_true.min(), y_pred.min()), max(y_true.max(), y_pred.max())
    margin = 0.04 * (high - low) or 1
    low, high = low - margin, high + margin
    ax.plot([low, high], [low, high], color=palette.INK, lw=1.2, ls="--", label="perfect")
    ax.scatter(y_true, y_pred, s=22, color=palette.BLUE, alpha=0.6, lw=0, label="prediction")
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    ax.set(xlabel="actual value", ylabel="predicted value (same unit)")
    ax.legend(**_LEGEND, loc="upper left")
    return _finish(
        ax,
        f"Predicted against actual, R² = {r2:.3f}",
        f"Scatter plot of {len(y_true):,} predictions against the actual values, from "
        f"{y_true.min():.3g} to {y_true.max():.3g}. R squared is {r2:.3f}: 1 is perfect, "
        "0 no better than always saying the mean.",
    )


def coefficients(names, values, *, ax=None):
    """The coefficients of a linear model as bars, the largest first.

    Args:
        names: the features.
        values: a coefficient each, shape ``(features,)``.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: there are not as many names as values.

    Example:
        >>> labkit.plot.coefficients(data.feature_names, model.coef_);
    """
    values = np.ravel(values).astype(float)
    if len(names) != len(values) or not len(values):
        raise LabError(
            f"There are {len(names)} names and {len(values)} coefficients. Give one name each."
        )
    order = np.argsort(-np.abs(values), kind="stable")
    names, values = [str(names[i]) for i in order], values[order]
    texts = [_plain(value) for value in values]
    colours = [palette.BLUE if value >= 0 else palette.VERMILLION for value in values]
    ax = _bars(names, values, texts, colours, ax)
    ax.axvline(0, color=palette.INK, lw=1)
    ax.margins(x=0.14)
    ax.set_xlabel("coefficient (change of the prediction when the feature grows by 1)")
    said = [f"{name}: {text}" for name, text in zip(names, texts, strict=True)]
    return _finish(
        ax,
        "Coefficients",
        f"Bars of {len(names)} coefficients, the largest first: {_listed(said)}.",
    )


# --- studies --------------------------------------------------------------------------


def optimization_history(studies, *, ax=None):
    """What each trial of a sweep reached, and the best so far as a line.

    Args:
        studies: one :class:`labkit.sweep.study.Study`, or a list of at most seven to compare.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: a study has no finished trial, or there are more studies than colours.

    Example:
        >>> labkit.plot.optimization_history([grid, random, tpe]);
    """
    studies = list(studies) if isinstance(studies, list | tuple) else [studies]
    if not 1 <= len(studies) <= len(palette.SERIES):
        raise LabError(
            f"{len(studies)} studies cannot be told apart in one figure. "
            f"Give 1 to {len(palette.SERIES)} of them."
        )
    ax = _axes(ax, _WIDTH, 4.4)
    ax.grid(color=palette.LINE, lw=0.8)
    said = []
    for study, colour in zip(studies, palette.SERIES, strict=False):
        trials = _finished(study)
        values = np.array([trial.value for trial in trials])
        numbers = np.array([trial.number for trial in trials])
        best = np.maximum.accumulate(values)
        ax.plot(numbers, values, "o", color=colour, ms=5, alpha=0.45, mec="none")
        ax.step(numbers, best, where="post", color=colour, lw=2.2, label=study.name)
        pruned = [t for t in study.trials if t.state.name == "PRUNED"]
        if pruned:
            last = [t.intermediate_values[t.last_step] for t in pruned]
            ax.plot([t.number for t in pruned], last, "x", color=colour, ms=5, alpha=0.45)
        said.append(
            f"{study.name}: {_count(len(trials), 'finished trial')} and {len(pruned)} pruned, "
            f"the best {best[-1]:.3g} in trial {numbers[values.argmax()]}"
        )
    if len(studies) > 1:
        ax.legend(**_LEGEND)
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    ax.set(xlabel="trial (dots finished, crosses pruned, line: best so far)")
    ax.set_ylabel("validation accuracy")
    return _finish(
        ax,
        f"Trials of {studies[0].name}" if len(studies) == 1 else "Searches compared",
        f"Validation accuracy of each trial, and the best so far. {'; '.join(said)}.",
    )


def param_importances(study, *, ax=None):
    """How much each parameter of a sweep matters, as bars; see ``Study.importances``.

    Args:
        study: a :class:`labkit.sweep.study.Study` with at least twenty finished trials.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        SweepError: there are fewer.

    Example:
        >>> labkit.plot.param_importances(study);
    """
    shares = study.importances()
    names, values = list(shares), list(shares.values())
    texts = [f"{value:.0%}" for value in values]
    ax = _bars(names, values, texts, palette.BLUE, ax)
    ax.margins(x=0.1)
    ax.set_xlim(left=0)
    ax.set_xlabel("share of the differences in accuracy")
    said = [f"{name}: {text}" for name, text in zip(names, texts, strict=True)]
    return _finish(
        ax,
        "What mattered most",
        f"Bars of the importance of {_count(len(names), 'parameter')}: {_listed(said)}.",
    )


def parallel_coordinate(study, *, ax=None):
    """Each finished trial of a sweep as a line through its parameters to its accuracy.

    Args:
        study: a :class:`labkit.sweep.study.Study`.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: no trial has finished.

    Example:
        >>> labkit.plot.parallel_coordinate(study);
    """
    trials = sorted(_finished(study), key=lambda trial: trial.value)
    names = list(trials[-1].params)
    values = np.array([trial.value for trial in trials])
    low, high = values.min(), values.max()
    heights = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    ax = _axes(ax, _WIDTH, 4.8)
    from matplotlib import colormaps

    for trial, height in zip(trials, heights, strict=True):
        ys = [_height(trial.distributions[name], trial.params[name]) for name in names]
        best = trial is trials[-1]
        ax.plot(
            range(len(names) + 1),
            [*ys, height],
            color=palette.VERMILLION if best else colormaps["cividis"](0.9 - 0.9 * height),
            lw=2.6 if best else 1.2,
            alpha=1 if best else 0.6,
            zorder=3 if best else 2,
        )
    ends = [_ends(trials[-1].distributions[name]) for name in names]
    for x, (bottom, top) in enumerate([*ends, (f"{low:.3g}", f"{high:.3g}")]):
        ax.axvline(x, color=palette.GREY, lw=0.8)
        for y, text, vertical in ((-0.03, bottom, "top"), (1.03, top, "bottom")):
            ax.text(x, y, text, ha="center", va=vertical, fontsize=_SMALL, color=palette.GREY)
    ax.set_xticks(range(len(names) + 1), [*names, "accuracy"], fontsize=_TEXT)
    ax.tick_params(axis="x", length=0, pad=16)
    ax.set_yticks([])
    ax.set_ylim(-0.02, 1.02)
    ax.spines[["left", "bottom"]].set_visible(False)
    best = _listed([f"{name} {_value(trials[-1].params[name])}" for name in names])
    return _finish(
        ax,
        f"{_count(len(trials), 'trial')} of {study.name}; the best is drawn thick",
        f"{_count(len(trials), 'line')} through {_count(len(names), 'parameter')} to the "
        f"validation accuracy, from {low:.3g} to {high:.3g}. The best has {best}.",
        pad=24,
    )


def intermediate_values(study, *, ax=None):
    """The learning curves of all trials of a sweep: validation accuracy after each epoch.

    Args:
        study: a :class:`labkit.sweep.study.Study`.
        ax: where to draw; None makes a new figure.

    Returns:
        The ``Axes``.

    Raises:
        LabError: no trial has finished an epoch.

    Example:
        >>> labkit.plot.intermediate_values(study);
    """
    trials = [trial for trial in study.trials if trial.intermediate_values]
    if not trials:
        raise LabError(f"No trial of {study.name!r} has finished an epoch yet. Let it go on.")
    best = max(trials, key=lambda trial: -1 if trial.value is None else trial.value)
    ax = _axes(ax, _WIDTH, 4.4)
    ax.grid(color=palette.LINE, lw=0.8)
    kinds = {
        "pruned": ([t for t in trials if t.state.name == "PRUNED"], palette.GREY, 1.2),
        "finished": ([t for t in trials if t.value is not None], palette.BLUE, 1.4),
        "the best": ([best] if best.value is not None else [], palette.VERMILLION, 2.6),
    }
    for label, (some, colour, width) in kinds.items():
        for i, trial in enumerate(some):
            steps = sorted(trial.intermediate_values)
            values = [trial.intermediate_values[step] for step in steps]
            name = label if i == 0 else None
            ax.plot(steps, values, color=colour, lw=width, marker="o", ms=3, label=name)
    ax.legend(**_LEGEND)
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    ax.set(xlabel="epoch", ylabel="validation accuracy")
    pruned = len(kinds["pruned"][0])
    return _finish(
        ax,
        f"Learning curves of {_count(len(trials), 'trial')}",
        f"Validation accuracy after each epoch of {_count(len(trials), 'trial')}, {pruned} of them "
        f"pruned. The best is trial {best.number}.",
    )


# --- text for readers who cannot see the figure -------------------------------------


def alt_text(ax_or_figure) -> str:
    """The text that stands for a figure, or one of its axes, where it cannot be seen.

    For axes it is what :func:`describe` or a function of this module set, else their
    title. For a figure it is its own text, else those of its axes in order, else its
    title.

    Example:
        >>> labkit.plot.alt_text(labkit.plot.pictures(data.x_test[0], "a seven"))
        'A picture of 28 by 28 pixels: a seven.'
    """
    text = getattr(ax_or_figure, "labkit_alt", "")
    if text:
        return text
    if hasattr(ax_or_figure, "get_title"):
        return _title(ax_or_figure)
    texts = filter(None, map(alt_text, ax_or_figure.axes))
    return " ".join(texts) or ax_or_figure.get_suptitle() or "A figure without a description."


def describe(ax_or_figure, text):
    """Set the text that stands for a figure, or one of its axes; return what was given.

    Example:
        >>> ax = prices.plot()
        >>> labkit.plot.describe(ax, "House prices rise from 100,000 to 180,000 euros.");
    """
    ax_or_figure.labkit_alt = " ".join(str(text).split())
    _send_alt_texts()
    return ax_or_figure


def lacking(figure) -> list[str]:
    """What a figure needs to be understood, and does not have.

    That is a text for readers who cannot see it, a title (its own, or one over each of its
    axes), and a name for every axis that has numbers on it: names of things speak for
    themselves. Pictures without axes need no more than a title.

    Args:
        figure: a matplotlib ``Figure``; it need not be pyplot's.

    Example:
        >>> ax = labkit.plot.learning_curves(history)
        >>> labkit.plot.lacking(ax.figure)
        []
    """
    figure.draw_without_rendering()  # the numbers on axes are made only now
    inner = [ax for outer in figure.axes for ax in outer.child_axes]
    # A colour bar belongs to the axes that it explains, and needs no title.
    outer = [ax for ax in figure.axes if not hasattr(ax, "_colorbar")]
    missing = []
    if not any(getattr(one, "labkit_alt", "") for one in (figure, *figure.axes)):
        missing.append("a text for readers who cannot see it: labkit.plot.describe sets one")
    if not figure.get_suptitle() and not all(map(_title, outer)):
        missing.append("a title")
    for ax in (*figure.axes, *inner):
        for axis in (ax.xaxis, ax.yaxis) if ax.axison and ax.get_visible() else ():
            if _has_numbers(axis) and not axis.get_label_text():
                called = repr(" ".join(_title(ax).split())) if _title(ax) else "one without a title"
                missing.append(f"a label of the {axis.axis_name} axis of {called}")
    return missing


def _has_numbers(axis):
    """Whether an axis shows numbers, rather than names, or nothing."""
    texts = [label.get_text() for label in axis.get_ticklabels() if label.get_visible()]
    texts = [text.replace("mathdefault", "") for text in texts if text]
    return axis.get_visible() and any(not re.search("[A-Za-z]{2}", text) for text in texts)


def _title(ax):
    return next(filter(None, map(ax.get_title, ("left", "center", "right"))), "")


def _send_alt_texts():
    """Inside a notebook, let figures be shown as HTML pictures with their alt text.

    IPython forgets formatters of figures whenever it (re)configures matplotlib, so this
    runs at every figure; it finds nothing to do when it has done it.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return
    from matplotlib.figure import Figure

    formatters = shell.display_formatter.formatters
    draw = formatters["image/png"].pop(Figure, None)
    if draw is not None:
        formatters["text/html"].for_type(Figure, lambda figure: _html(figure, draw(figure)))


def as_html(figure) -> str:
    """A figure as an HTML picture with its alt text, for pages and panels.

    Args:
        figure: a matplotlib ``Figure``; it need not be pyplot's.

    Example:
        >>> as_html(labkit.plot.pictures(data.x_test[0]).figure)[:9]
        '<img alt='
    """
    png = BytesIO()
    figure.savefig(png, format="png")
    return _html(figure, b64encode(png.getvalue()).decode())


def _html(figure, drawn):
    """A drawn figure as an ``<img>``: ``drawn`` is base64 text, maybe with its size."""
    from PIL import Image

    if drawn is None:  # an empty figure
        return None
    png, size = drawn if isinstance(drawn, tuple) else (drawn, {})
    webp = BytesIO()
    with Image.open(BytesIO(b64decode(png))) as picture:
        picture.save(webp, "WEBP", lossless=True)
        if webp.tell() > _LARGEST:  # many photographs: no eye sees the loss
            webp = BytesIO()
            picture.save(webp, "WEBP", quality=85)
    attributes = "".join(f' {name}="{size[name]}"' for name in ("width", "height") if name in size)
    source = f"data:image/webp;base64,{b64encode(webp.getvalue()).decode()}"
    return f'<img alt="{escape(alt_text(figure))}"{attributes} src="{source}">'


# --- shared parts -------------------------------------------------------------------


def _axes(ax, width, height):
    """Clean axes: those given, or new ones in a figure of this size in inches."""
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(width, height), dpi=100, layout="constrained")
    _clean(ax)
    return ax


def _clean(ax):
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set(color=palette.GREY, linewidth=0.8)
    ax.tick_params(labelsize=_TEXT, color=palette.GREY, labelcolor=palette.INK, width=0.8)
    ax.set_axisbelow(True)


def _finish(ax, title, alt, pad=10):
    """Title, text styles and alt text, the same for every figure."""
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set(fontsize=_LABEL, color=palette.INK)
    letters = max(20, int(_inches(ax)[0] * 72 / (0.52 * _TITLE)))
    title = textwrap.fill(title, letters, break_on_hyphens=False)
    ax.set_title(title, loc="left", fontsize=_TITLE, color=palette.INK, pad=pad)
    return describe(ax, alt[0].upper() + alt[1:])


def _inches(ax):
    """How wide and high axes are on the page, once the figure has been laid out."""
    figure = ax.get_figure(root=True)
    figure.draw_without_rendering()
    box = ax.get_window_extent()
    return box.width / figure.dpi, box.height / figure.dpi


def _mosaic(images, titles, columns, ax, cmap=None, limits=None):
    """Pictures side by side in one axes, with titles over them.

    A cell is one unit wide. With ``limits``, pictures of shape ``(height, width)`` are
    numbers to colour by ``cmap``. Returns the axes and the last image, for a colour bar.
    """
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    aspect = images[0].shape[0] / images[0].shape[1]
    if ax is None:
        cell = _WIDTH / max(columns, 4)
    else:
        width, height = _inches(ax)
        cell = min(width / columns, height / rows / (aspect + 0.35))
    size = min(_SMALL, max(5, 8 * cell))
    letters = max(4, int(cell * 72 / (0.6 * size)))
    lines = [
        "\n".join(textwrap.fill(part, letters) for part in title.splitlines())
        for title in titles or ()
    ]
    line = 1.2 * size / 72 / cell
    header = max((text.count("\n") + 1.5 for text in lines), default=0) * line
    gap = 0.08
    pitch = header + aspect + gap
    ax = _axes(ax, columns * cell, rows * pitch * cell + 0.4)
    for i, picture in enumerate(images):
        row, column = divmod(i, columns)
        top = row * pitch + header
        place = (column + gap / 2, column + 1 - gap / 2, top + aspect - gap * aspect, top)
        if limits and picture.ndim == 2:
            image = ax.imshow(
                picture,
                cmap=cmap,
                vmin=limits[0],
                vmax=limits[1],
                extent=place,
                interpolation="nearest",
            )
        else:
            image = ax.imshow(_rgb(picture), extent=place, interpolation="nearest")
        if lines:
            # On a common base line; "bottom" would lift the names that have a g or p.
            ax.text(
                column + 0.5,
                top - 0.45 * line,
                lines[i],
                ha="center",
                va="baseline",
                fontsize=size,
                color=palette.INK,
            )
    ax.set(xlim=(0, columns), ylim=(rows * pitch - gap, 0), aspect="equal")
    ax.set_axis_off()
    return ax, image


def _rgb(picture):
    """A picture of one or three channels as floats 0 to 1 of red, green and blue."""
    picture = np.asarray(picture)
    scale = 255 if picture.dtype == np.uint8 else 1
    picture = np.atleast_3d(picture) / scale
    return np.clip(np.broadcast_to(picture, (*picture.shape[:2], 3)), 0, 1)


def _text_on(colour):
    """Black or white, whichever stands out more from a colour: by 4.5 to 1 at least."""
    # Where its luminance is 0.18, both have the same contrast.
    return "black" if palette.luminance(*colour) > 0.18 else palette.PAPER


def _bars(names, values, texts, colours, ax):
    """A bar for each name, the first at the top, with its number at its end."""
    ax = _axes(ax, _WIDTH, 0.4 * len(names) + 1.2)
    ax.barh(names, values, color=colours, height=0.66)
    for i, (value, text) in enumerate(zip(values, texts, strict=True)):
        _number(ax, text, value, i)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    return ax


def _colour_bar(ax, image, label):
    bar = ax.figure.colorbar(image, cax=ax.inset_axes([1.015, 0.1, 0.018, 0.8]))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=_TEXT, color=palette.GREY, labelcolor=palette.INK)
    bar.set_label(label, fontsize=_TEXT, color=palette.INK)


def _number(ax, text, x, y, colour=palette.INK):
    """Write a number beside the end of a horizontal bar."""
    ax.annotate(
        text,
        (x, y),
        xytext=(4 if x >= 0 else -4, 0),
        textcoords="offset points",
        ha="left" if x >= 0 else "right",
        va="center",
        fontsize=_TEXT,
        color=colour,
    )


def _predict(model, data):
    """The model's probabilities for the test examples, shape ``(n, classes)``."""
    _need_classes(data)
    if tuple(model.input_shape[1:]) != data.input_shape:
        raise LabError(
            f"{model.name} takes {_by(model.input_shape[1:])} and {data.name} has "
            f"{_by(data.input_shape)}. Build the model from the same data."
        )
    if model.output_shape[1:] != (data.num_classes,) and (
        model.output_shape[1:] != (1,) or data.num_classes != 2
    ):
        raise LabError(
            f"{model.name} gives {_by(model.output_shape[1:])} numbers and {data.name} has "
            f"{data.num_classes} classes. End the model in Dense(data.num_classes, "
            'activation="softmax").'
        )
    return models.probabilities(model, data.x_test)


def _layer(model, name):
    """The layer of that name, or the first convolution."""
    from keras.layers import Conv2D

    for layer in model.layers:
        if layer.name == name if name else isinstance(layer, Conv2D):
            return layer
    raise LabError(
        f"{model.name} has no {f'layer {name!r}' if name else 'Conv2D layer'}; its layers are "
        f"{', '.join(layer.name for layer in model.layers)}. Name one of them with layer=, or "
        "build one with models.cnn(data)."
    )


def _finished(study):
    """The trials of a study that ran to the end."""
    trials = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    if not trials:
        raise LabError(f"No trial of {study.name!r} has finished yet. Let it go on.")
    return trials


def _height(distribution, value):
    """Where a value lies in its range, from 0 to 1."""
    if hasattr(distribution, "choices"):
        return distribution.choices.index(value) / max(1, len(distribution.choices) - 1)
    scale = math.log if distribution.log else float
    low, high = scale(distribution.low), scale(distribution.high)
    return (scale(value) - low) / (high - low)


def _ends(distribution):
    """The two ends of a range, in words."""
    if hasattr(distribution, "choices"):
        return str(distribution.choices[0]), str(distribution.choices[-1])
    return _value(distribution.low), _value(distribution.high)


def _value(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _need_classes(data):
    if not data.num_classes:
        raise LabError(
            f"{data.name} has no classes: its {data.target_name} is a number. "
            "Use plot.predicted_vs_actual(y_test, model.predict(x_test))."
        )


def _need_pictures(data):
    if len(data.input_shape) != 3:
        raise LabError(
            f"{data.name} has examples of shape {data.input_shape}, which are not pictures. "
            "Use plot.scatter_columns(data) for a table."
        )


def _listed(words):
    """``a, b and c``."""
    *head, last = words
    return f"{', '.join(head)} and {last}" if head else last


def _count(n, noun):
    """``1 run``, ``2 runs``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _by(shape):
    return " × ".join(str(n) for n in shape)


def _change(values):
    """How a curve runs, in words."""
    if len(values) == 1:
        return f"is {values[0]:.3g}"
    word = "rises" if values[-1] > values[0] else "falls" if values[-1] < values[0] else "goes"
    return f"{word} from {values[0]:.3g} to {values[-1]:.3g}"


def _plain(value):
    """A number with three significant digits and no exponent."""
    text = np.format_float_positional(value, 3, unique=False, fractional=False, trim="-")
    return text.replace("-", "\N{MINUS SIGN}")
