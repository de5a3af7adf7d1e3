"""The exercises of lab 02."""

from labkit.check.judging import (
    Unattempted,
    Verdict,
    Wrong,
    above_baseline,
    exercise,
    one_number,
    reason,
    test_accuracy,
)


@exercise("02-weights", "Count the parameters of the one-layer network")
def _weights(answer):
    yield one_number(
        answer,
        7850,
        "7,850 = 784 × 10 weights + 10 biases",
        {
            7840: "counts the weights alone; each of the ten neurons also has a bias",
            7841: "has one bias for the whole layer; each of the ten neurons has its own",
            784: "is the weights of one neuron; there are ten neurons, each with a bias too",
            785: "is one neuron with its bias; there are ten of them",
            794: "joins the inputs and the neurons; each input has a weight to every neuron",
        },
        "is not it; count one weight for each of the 28 × 28 pixels in each of the ten neurons, "
        "then one bias for each neuron",
    )


@exercise("02-argmax", "Turn probabilities into labels")
def _argmax(answer):
    import numpy as np

    if not callable(answer):
        raise Wrong("hand over the function itself: its name, without brackets after it")
    for rows, probabilities in _hidden_probabilities():
        try:
            labels = answer(probabilities.copy())
        except Exception as error:
            raise Wrong(f"your function stopped with {reason(error)}") from error
        if labels is None or labels is ...:
            raise Unattempted
        labels, n = np.asarray(labels), len(probabilities)
        if labels.shape == probabilities.shape:
            raise Wrong(
                "your function returns ten numbers for each row; one label for each is asked for"
            )
        if labels.shape != (n,):
            raise Wrong(
                f"for {n} rows your function returns the shape {labels.shape}; one label for each "
                f"row has the shape {(n,)}; look along each row, which is axis=1"
            )
        right = probabilities.argmax(axis=1)
        missed = np.flatnonzero(labels != right)
        if len(missed) == 0:
            yield Verdict(True, f"{rows}: all {n} labels are right")
            continue
        row = missed[0]
        numbers = " ".join(f"{p:.2f}" for p in probabilities[row])
        yield Verdict(
            False,
            f"{rows}: for [{numbers}] your label is {labels[row]}; "
            f"the largest value stands at position {right[row]}, counted from 0",
        )


def _hidden_probabilities():
    """Rows on which rounding works, and two kinds on which it does not."""
    import numpy as np

    rng = np.random.default_rng(2)
    labels = np.arange(30) % 10
    sure = np.full((30, 10), 0.01)
    sure[np.arange(30), labels] = 0.91
    yield "rows where the network is sure", sure
    unsure = rng.uniform(0.02, 0.08, (30, 10))
    unsure[np.arange(30), labels] = 0.4
    yield "rows with no probability over 0.5", unsure / unsure.sum(axis=1, keepdims=True)
    # Ten separate yes-or-no outputs need not sum to 1.
    both = rng.uniform(0.0, 0.1, (12, 10))
    first = np.arange(12) % 9
    both[np.arange(12), first] = 0.6
    both[np.arange(12), first + 1] = 0.9
    yield "rows where two values round to 1", both


@exercise("02-better", "Beat the first network")
def _better(model, *, data, baseline):
    yield above_baseline(test_accuracy(model, data), baseline)
