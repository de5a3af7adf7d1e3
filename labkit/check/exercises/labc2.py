"""The exercises of lab c2: a neuron by hand, weights for NAND, slopes, a learning rate."""

from labkit.check.judging import (
    Unattempted,
    Verdict,
    Wrong,
    a_function,
    a_number,
    called,
    exercise,
    kind_of,
    plain,
)


@exercise("c2-output", "Work out a neuron")
def _output(answer):
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        raise Wrong("two numbers are asked for: (net input, output)")
    if any(one is ... for one in answer):
        raise Unattempted
    net_input, output = map(a_number, answer)
    sums = {
        0.7: "has lost its minus sign",
        -1.0: "has no bias yet",
        0.3: "is the bias alone; the products belong to the sum too",
    }
    yield _compared("net input", net_input, -0.7, sums, "multiply pair by pair, add up, add 0.3")
    outputs = {
        -0.7: "is the net input; what does ReLU make of a number below 0?",
        0.7: "is above 0, and what goes into ReLU here is not",
        0.3318: "is what sigmoid makes of it; this neuron has ReLU",
    }
    yield _compared("output", output, 0.0, outputs, "look at what ReLU does with the net input")


def _compared(name, value, right, hints, otherwise):
    """Whether a number is right; else the usual mistake that leads to it."""
    said = f"the {name} is {plain(round(value, 4))}"
    if abs(value - right) < 0.005:
        return Verdict(True, said)
    known = [hint for number, hint in hints.items() if abs(value - number) < 0.005]
    hint = known[0] if known else f"is not the {name}; {otherwise}"
    return Verdict(False, f"{plain(round(value, 4))} {hint}")


@exercise("c2-nand", "Choose the weights of a NAND")
def _nand(answer):
    try:
        *weights, bias = [float(number) for number in answer]
    except (TypeError, ValueError):
        weights = []
    if len(weights) != 2 or isinstance(answer, str):
        raise Wrong("three numbers are asked for: (weight 1, weight 2, bias)")
    for first in (0, 1):
        for second in (0, 1):
            net_input = weights[0] * first + weights[1] * second + bias
            target, output = int(not (first and second)), int(net_input > 0)
            text = f"({first}, {second}): net input {plain(net_input)}, so the output is {output}"
            wrong = "" if output == target else f"; it should be {target}"
            if wrong and net_input == 0:
                wrong += ", and the step says 1 only above 0"
            yield Verdict(not wrong, text + wrong)


@exercise("c2-gradient", "Go backward through one neuron")
def _gradient(answer):
    import numpy as np

    a_function(answer)
    cases = (
        ([1.0, 2.0], [0.5, -0.1], 0.1, 1.0),
        ([3.0, -1.0, 0.5], [0.2, 0.4, -0.6], -0.3, 0.0),
        ([-2.0], [1.5], 0.5, 1.0),
    )
    for inputs, weights, bias, target in cases:
        inputs, weights = np.array(inputs), np.array(weights)
        slopes = _two(answer, inputs, weights, bias, target)
        prediction = float(1 / (1 + np.exp(-(inputs @ weights + bias))))
        error = prediction - target
        right = np.append(error * inputs, error)
        if slopes.shape != right.shape:
            raise Wrong(
                f"for {len(inputs)} weights your function gives {slopes.size - 1} slopes and one "
                "for the bias; one for each weight is asked for"
            )
        fits = bool(np.allclose(slopes, right, atol=1e-4))
        said = f"{len(inputs)} inputs, target {target:.0f}"
        if fits:
            text = f"{said}: error {error:.3f}, and every slope is right"
        elif np.allclose(slopes, -right, atol=1e-4):
            text = f"{said}: the signs are the wrong way round; the error is prediction − target"
        elif np.allclose(slopes, right * prediction * (1 - prediction), atol=1e-4):
            text = (
                f"{said}: sigmoid's own slope is in it once more; together with the slope of the "
                "cross-entropy it leaves just prediction − target"
            )
        elif np.allclose(slopes[-1], error, atol=1e-4):
            text = f"{said}: the bias is right; a weight's slope is the error × its own input"
        else:
            text = f"{said}: they are {_listed(right)}, and yours {_listed(slopes)}"
        yield Verdict(fits, text)


def _two(answer, inputs, weights, bias, target):
    """The slopes by the weights and by the bias that the answer gives, in one row."""
    import numpy as np

    found = called(answer, inputs.copy(), weights.copy(), bias, target)
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Wrong(
            f"what your function returns is {kind_of(found)}; a pair is asked for: the slopes "
            "by the weights, the slope by the bias"
        )
    try:
        by_weights, by_bias = np.asarray(found[0], float), float(found[1])
    except (TypeError, ValueError):
        raise Wrong("the pair has to be an array of numbers and one number") from None
    return np.append(by_weights, by_bias)


def _listed(values):
    return "[" + ", ".join(plain(round(float(value), 3)) for value in values) + "]"


@exercise("c2-rate", "Find a good learning rate")
def _rate(answer, *, descend, loss):
    rate = a_number(answer)
    if rate <= 0:
        raise Wrong(f"with {plain(rate)} nothing goes downhill; a learning rate is above 0")
    path = descend(rate, 6)
    start, end = float(loss(*path[0])), float(loss(*path[-1]))
    said = f"after six steps at {plain(rate)} the loss is {end:.3f}"
    if end < 0.05:
        yield Verdict(True, said)
    elif not end <= start:  # nan, too
        yield Verdict(False, f"{said}, more than at the start; the steps are far too large")
    elif float(loss(*descend(0.9 * rate, 6)[-1])) < end:
        yield Verdict(False, f"{said}; it swings from side to side, try smaller steps")
    else:
        yield Verdict(False, f"{said}; it is still on its way, try larger steps")
