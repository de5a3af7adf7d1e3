"""The figures and panels of lab c2. What they draw is computed by the functions of the lab."""

import numpy as np

from labkit import palette, plot
from labkit.widgets.panel import Panel
from labkit.widgets.slider_view import slider

_EDGE = (-0.6, 1.6)  # a plane of inputs that are 0 or 1, with room around them
_MAP = ((-2.2, 3.8), (-2.6, 3.4))  # weights and biases on the map of the losses
_LEVELS = (0, 0.1, 0.3, 0.7, 1.5, 3, 6, 12, 24, 48, 200)

_HEADING = {"x": 0.01, "ha": "left", "fontsize": 13, "color": palette.INK}


def activation_viewer(*activations) -> Panel:
    """A neuron with one input; sliders for the input, its weight and the bias.

    Args:
        *activations: functions of a net input, a number or an array of them; two to four.

    Example:
        >>> activation_viewer(relu, sigmoid)
    """

    def draw(figure, input=1.0, weight=1.0, bias=0.0):
        net_input, x = weight * input + bias, np.linspace(-3, 3, 301)
        said = []
        axes = figure.subplots(1, len(activations), squeeze=False)[0]
        for ax, activation in zip(axes, activations, strict=True):
            name, output = activation.__name__, float(activation(net_input))
            ax.axhline(0, color=palette.LINE, lw=1)
            ax.axvline(0, color=palette.LINE, lw=1)
            ax.plot(x, activation(weight * x + bias), color=palette.GREEN, lw=2.5)
            ax.plot(input, output, "o", ms=9, color=palette.BLUE, zorder=3)
            # One scale, so that a larger weight looks steeper; ReLU alone goes above 1.
            ax.set(xlim=(-3.2, 3.2), ylim=(-0.4, 5.2) if name == "relu" else (-0.1, 1.1))
            _finish(ax, name, "input", "output")
            said.append(f"{name} {output:.2f}")
        plot.describe(
            figure,
            f"Input {input:.1f} × weight {weight:.1f} + bias {bias:.1f} = net input "
            f"{net_input:.2f}. Output: {', '.join(said)}.",
        )

    tenths = _steps(-3, 3, 0.1)
    return slider(draw, size=(9, 3.1), input=tenths, weight=tenths, bias=tenths)


def softmax_viewer(softmax) -> Panel:
    """Three scores to move, and the probabilities that softmax makes of them.

    Args:
        softmax: a function from an array of scores to as many probabilities.

    Example:
        >>> softmax_viewer(softmax)
    """

    def draw(figure, score_a=2.0, score_b=1.0, score_c=-1.0):
        scores = np.array([score_a, score_b, score_c])
        shares = softmax(scores)
        left, right = figure.subplots(1, 2)
        for ax, values, colour in ((left, scores, palette.BLUE), (right, shares, palette.GREEN)):
            ax.bar(["a", "b", "c"], values, color=colour, width=0.6)
            ax.axhline(0, color=palette.GREY, lw=1)
            for place, value in enumerate(values):
                above = (0, 4 if value >= 0 else -14)
                text = f"{value:.1f}" if ax is left else f"{value:.2f}"
                ax.annotate(text, (place, value), above, textcoords="offset points", ha="center")
        left.set_ylim(-4.8, 4.8)
        right.set_ylim(0, 1.1)
        _finish(left, "Scores", "class", "score")
        _finish(right, "Probabilities", "class", "probability")
        listed = [
            " ".join(f"{v:{form}}" for v in values)
            for values, form in ((scores, ".1f"), (shares, ".2f"))
        ]
        text = f"Scores {listed[0]} become probabilities {listed[1]}, together 1."
        plot.describe(figure, text)

    tenths = _steps(-4, 4, 0.1)
    return slider(draw, size=(9, 3.1), score_a=tenths, score_b=tenths, score_c=tenths)


def boundaries(passes, x, y):
    """What a neuron with a step says of every place of the plane, after each of several passes.

    Args:
        passes: a list of pairs, weights of shape ``(2,)`` and a bias.
        x: inputs of 0 and 1, ``(n, 2)``.
        y: their targets, 0 or 1, ``(n,)``.

    Returns:
        The ``Axes``, one for each pass.

    Example:
        >>> boundaries([(np.array([1.0, 1.0]), -1.5)], x, y);
    """
    columns = min(len(passes), 6)
    rows = -(-len(passes) // columns)
    size = 1.4 * columns + 0.5, 2.1 * rows + 0.4
    figure, axes = _figure(rows, columns, size, sharex=True, sharey=True)
    said = []
    for k, (ax, (weights, bias)) in enumerate(zip(axes.flat, passes, strict=False), 1):
        outputs = x @ weights + bias > 0
        _plane(ax, lambda places, w=weights, b=bias: places @ w + b > 0, (weights, bias))
        _points(ax, x, y, outputs == y)
        right = f"{(outputs == y).sum()} of {len(y)} right"
        _finish(ax, f"pass {k}\n{right}", "input 1", "input 2" if k % columns == 1 else "", size=11)
        said.append(f"after pass {k}: {right}")
    figure.suptitle("One neuron’s boundary after each pass", **_HEADING)
    plot.describe(
        figure,
        f"{len(passes)} pictures of a plane with {len(y)} points, cut in two by a neuron's "
        f"straight boundary. {'; '.join(said).capitalize()}.",
    )
    return axes


def two_planes(x, y, hidden, output):
    """A network with two hidden neurons, seen in the plane of its inputs and of its hidden layer.

    All its neurons have a step.

    Args:
        x: inputs of 0 and 1, ``(n, 2)``.
        y: their targets, 0 or 1, ``(n,)``.
        hidden: weights ``(2, 2)``, a row for each hidden neuron, and biases ``(2,)``.
        output: weights ``(2,)`` and a bias.

    Returns:
        The two ``Axes``.

    Example:
        >>> two_planes(x, y, (w, b), (v, c));
    """
    (w, b), (v, c) = hidden, output

    def inside(places):
        return (places @ w.T + b > 0).astype(float)

    def answer(places):
        return places @ v + c > 0

    figure, (left, right) = _figure(1, 2, (9, 4.1))
    _plane(left, lambda places: answer(inside(places)), *zip(w, b, strict=True))
    _points(left, x, y)
    _finish(left, "The plane of the inputs: two lines", "input 1", "input 2")
    _plane(right, answer, output)
    _points(right, inside(x), y)
    for place, count in zip(*np.unique(inside(x), axis=0, return_counts=True), strict=True):
        if count > 1:
            right.annotate(f"{count} points", place, (10, 8), textcoords="offset points")
    _finish(right, "The plane of the hidden layer: one line", "hidden neuron 1", "hidden neuron 2")
    where = ", ".join(
        f"{p.astype(int)} to {h.astype(int)}" for p, h in zip(x, inside(x), strict=True)
    )
    plot.describe(
        figure,
        "Left the plane of the inputs, where two parallel lines enclose the points of class 1. "
        "Right the plane of the two hidden neurons, where one line parts the classes. The hidden "
        f"layer moves the points: {where}.",
    )
    return left, right


def slopes(names, numbers, loss, gradient):
    """The loss when one number at a time is changed, and the gradient as a tangent.

    Args:
        names: of the numbers.
        numbers: of shape ``(n,)``, nine at most.
        loss: a function of such an array.
        gradient: the slope of the loss by each of them, ``(n,)``.

    Returns:
        The ``Axes``, one for each number.

    Example:
        >>> slopes(["w", "b"], np.array([1.0, 0.0]), loss, gradient);
    """
    figure, axes = _figure(
        -(-len(names) // 3), 3, (9, 2.0 * -(-len(names) // 3) + 0.4), sharey=True
    )
    here, change = loss(numbers), np.linspace(-1, 1, 81)
    for k, (ax, name, slope) in enumerate(zip(axes.flat, names, gradient, strict=False)):
        nudges = change[:, None] * (np.arange(len(numbers)) == k)
        ax.plot(numbers[k] + change, [loss(numbers + nudge) for nudge in nudges], color=palette.INK)
        near = np.array([-0.5, 0.5])
        ax.plot(numbers[k] + near, here + slope * near, color=palette.PURPLE, lw=3, alpha=0.8)
        ax.plot(numbers[k], here, "o", color=palette.VERMILLION, ms=7)
        _finish(ax, f"{name}: slope {_number(slope)}", name, "loss" if k % 3 == 0 else "", size=11)
    figure.suptitle("The loss along each number, and its tangent", **_HEADING)
    listed = ", ".join(f"{name} {slope:.2f}" for name, slope in zip(names, gradient, strict=True))
    plot.describe(
        figure,
        f"{len(names)} curves of the loss, one for each number of the network, with a tangent at "
        f"the number's value. Its slope is the gradient: {listed}.",
    )
    return axes


def descent_viewer(descend, loss, x, y) -> Panel:
    """Gradient descent of a neuron with one weight and a bias, to be stepped through.

    Args:
        descend: a function of a learning rate and a number of steps; it returns weight and
            bias at the start and after each step.
        loss: a function of weight and bias; they may be arrays of one shape.
        x, y: the points that the neuron is to fit, ``(n,)`` each.

    Example:
        >>> descent_viewer(descend, loss, x, y)
    """

    def draw(figure, learning_rate=0.2, step=3):
        path = np.array(descend(learning_rate, step))
        weight, bias = path[-1]
        left, right = figure.subplots(1, 2)
        _map(left, loss, path)
        _finish(left, f"On the map, step {step}", "weight", "bias")
        ends = np.array([x.min() - 0.4, x.max() + 0.4])
        right.plot(ends, weight * ends + bias, color=palette.GREEN, lw=2.5)
        right.vlines(x, y, weight * x + bias, color=palette.PURPLE, lw=2)
        right.plot(x, y, "o", color=palette.BLUE, ms=8)
        right.set(xlim=ends, ylim=(y.min() - 1.5, y.max() + 1.5))
        _finish(right, "The neuron there", "input", "output")
        plot.describe(
            figure,
            f"Learning rate {learning_rate:.2f}, step {step}: weight {weight:.2f}, "
            f"bias {bias:.2f}, loss {loss(weight, bias):.3f}.",
        )

    return slider(draw, size=(9, 4), learning_rate=_steps(0.01, 0.7, 0.01), step=range(21))


def three_descents(paths, loss):
    """Paths of gradient descent on maps of the same losses, side by side.

    Args:
        paths: a dictionary from a title to weight and bias after each step, ``(n, 2)``.
        loss: a function of weight and bias; they may be arrays of one shape.

    Returns:
        The ``Axes``, one for each path.

    Example:
        >>> three_descents({"0.2": descend(0.2, 12)}, loss);
    """
    figure, axes = _figure(1, len(paths), (9, 3.5), sharey=True)
    said = []
    for k, (ax, (title, path)) in enumerate(zip(np.atleast_1d(axes), paths.items(), strict=True)):
        path = np.array(path)
        _map(ax, loss, path)
        end = loss(*path[-1])
        _finish(ax, f"{title}\nloss {end:.2f}", "weight", "" if k else "bias", size=11)
        said.append(f"{title}: the loss goes from {loss(*path[0]):.2f} to {end:.2f}")
    steps = len(path) - 1
    figure.suptitle(f"{steps} steps at each learning rate", **_HEADING)
    plot.describe(
        figure, f"{len(paths)} maps of the loss with a path of {steps} steps. {'. '.join(said)}."
    )
    return axes


def _steps(lowest, highest, step):
    """From lowest to highest, without the crumbs of floating point that a label would show."""
    return [round(lowest + k * step, 2) for k in range(round((highest - lowest) / step) + 1)]


def _figure(rows, columns, size, **options):
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=size, dpi=100, layout="constrained", **options)


def _finish(ax, title, across, up, *, size=12):
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(title, loc="left", fontsize=size, color=palette.INK)
    ax.set_xlabel(across, color=palette.INK)
    ax.set_ylabel(up, color=palette.INK)
    ax.tick_params(color=palette.GREY, labelcolor=palette.INK)


def _number(value):
    """Two digits, with a true minus sign."""
    return f"{value:.2f}".replace("-", "−")


def _plane(ax, says, *neurons):
    """Tint every place by what is said of it, and draw the line where each neuron is at 0."""
    axis = np.linspace(*_EDGE, 441)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    said = np.asarray(says(grid), float)
    ax.imshow(
        palette.diverging()(0.5 + 0.28 * (said - 0.5), bytes=True),
        extent=(*_EDGE, *_EDGE),
        origin="lower",
    )
    for weights, bias in neurons:
        if weights.any():
            nearest = -bias * weights / (weights @ weights)
            along = np.array([[-9], [9]]) * np.array([-weights[1], weights[0]])
            ax.plot(*(nearest + along).T, color=palette.INK, lw=1.5)
    ax.set(xticks=(0, 1), yticks=(0, 1), xlim=_EDGE, ylim=_EDGE)


def _points(ax, x, y, right=None):
    """The points with their class as shape and colour; a cross over those that are wrong."""
    for label, (colour, marker) in enumerate(((palette.VERMILLION, "o"), (palette.BLUE, "s"))):
        mine = x[y == label]
        ax.scatter(*mine.T, s=70, marker=marker, color=colour, edgecolor=palette.PAPER, zorder=3)
    if right is not None:
        ax.scatter(*x[~right].T, s=150, marker="x", color=palette.INK, lw=1.8, zorder=4)


def _map(ax, loss, path):
    """A map of the losses, darker where they are high, and a path on it."""
    from matplotlib.colors import to_rgb

    weights, biases = np.meshgrid(*(np.linspace(*ends, 161) for ends in _MAP))
    depth = np.linspace(0.05, 0.8, len(_LEVELS) - 1)[:, None]
    tints = depth * to_rgb(palette.PURPLE) + (1 - depth) * np.array(to_rgb(palette.PAPER))
    losses = loss(weights, biases)
    ax.contourf(weights, biases, losses, levels=_LEVELS, colors=tints.tolist())
    ax.plot(*path.T, "-o", color=palette.INK, ms=4, lw=1.5)
    ax.plot(*path[-1], "o", color=palette.VERMILLION, ms=9)
    ax.set(xlim=_MAP[0], ylim=_MAP[1])
