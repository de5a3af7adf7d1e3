"""The exercises of lab 04."""

from dataclasses import replace

from labkit.check.judging import (
    Unattempted,
    Verdict,
    Wrong,
    exercise,
    kind_of,
    one_number,
    reason,
    test_accuracy,
)


@exercise("04-parameters", "Count the parameters of the multi-layer network")
def _parameters(answer):
    yield one_number(
        answer,
        239_490,
        "239,490 = 128 × (784 + 1) + 1,000 × (128 + 1) + 10 × (1,000 + 1)",
        {
            238_352: "counts the weights alone; each of the 1,138 neurons also has a bias",
            238_355: "has one bias for each layer; every neuron has its own",
            229_480: "stops after two layers; the ten neurons at the end have parameters too",
            100_480: "is the first hidden layer alone; there are two more dense layers",
            129_000: "is the second hidden layer alone; there are two more dense layers",
            110_490: "leaves out the weights between the two hidden layers",
            7_850: "is the network of lab 02, without hidden layers",
        },
        "is not it; each dense layer has (inputs + 1) parameters for each of its neurons, and its "
        "inputs are the neurons of the layer before",
    )


@exercise("04-confused", "Find the most frequent mistake in a confusion matrix")
def _confused(answer):
    import numpy as np

    if not callable(answer):
        raise Wrong("hand over the function itself: its name, without brackets after it")
    for kind, counts in _hidden_matrices():
        try:
            found = answer(counts.copy())
        except Exception as error:
            raise Wrong(f"your function stopped with {reason(error)}") from error
        if found is None or found is ...:
            raise Unattempted
        wrong = np.where(np.eye(len(counts), dtype=bool), -1, counts)
        right = tuple(int(i) for i in np.unravel_index(wrong.argmax(), wrong.shape))
        said = _what_differs(found, right, len(counts))
        yield Verdict(not said, f"{kind}: {said or f'row {right[0]}, column {right[1]}'}")


def _hidden_matrices():
    """Confusion matrices, each with one most frequent mistake and a trap of its own."""
    import numpy as np

    rng = np.random.default_rng(4)

    def matrix(k, row, column):
        counts = rng.integers(0, 20, (k, k))
        counts[np.arange(k), np.arange(k)] = rng.integers(200, 900, k)
        counts[row, column], counts[column, row] = 70, 30
        return counts

    yield "ten classes", matrix(10, 2, 6)
    yield "a mistake below the diagonal", matrix(10, 8, 3)
    yield "four classes", matrix(4, 0, 3)
    never = np.ones((3, 3), int) - np.eye(3, dtype=int)
    never[2, 1] = 5
    yield "no class is ever right", never


def _what_differs(found, right, classes) -> str:
    """What is wrong with the place that a function found; empty when nothing is."""
    import numpy as np

    place = np.asarray(found).reshape(-1)
    if place.dtype.kind not in "iuf" or (place != np.round(place)).any():
        return f"return two whole numbers, (row, column), and not {found!r:.60}"
    numbers = tuple(int(i) for i in place)
    if numbers == right:
        return ""
    if len(numbers) == 1:
        return (
            f"your function returns one number, {numbers[0]}, which counts the cells row by row; "
            f"divmod({numbers[0]}, {classes}) makes a row and a column of it"
        )
    if len(numbers) != 2:
        return f"your function returns {len(numbers)} numbers; return (row, column)"
    if numbers == right[::-1]:
        return f"{numbers} is turned round; the row, the true class, comes first"
    if numbers[0] == numbers[1]:
        return (
            f"{numbers} lies on the diagonal, where the right answers are counted; put -1 there "
            "before you look for the largest"
        )
    return f"at {numbers} stands another number than the largest mistake, which is at {right}"


@exercise("04-mirrored", "Let the network read mirrored pictures")
def _mirrored(answer, *, model, data):
    import numpy as np

    labels, n = np.asarray(answer), len(data.x_test)
    if labels.shape == (n, data.num_classes):
        raise Wrong(
            f"your answer has {data.num_classes} probabilities for each picture; take the place of "
            "the largest in each row"
        )
    if labels.shape == (n, *data.input_shape):
        raise Wrong("these are the mirrored pictures; let the model predict their classes")
    if labels.shape != (n,):
        raise Wrong(
            f"your answer has the shape {labels.shape}; one class for each of the {n:,} test "
            f"pictures has the shape {(n,)}"
        )

    def agree(pictures):
        read = model.predict(pictures, batch_size=256, verbose=0).argmax(axis=1)
        # Batches of another size may turn a class where two are as good as equal.
        return (labels == read).mean() > 0.995

    if agree(data.x_test[:, :, ::-1]):
        yield Verdict(True, f"these are the classes of the {n:,} mirrored pictures")
    elif np.array_equal(labels, data.y_test):
        yield Verdict(False, "these are the true labels; what the model predicts is asked for")
    elif agree(data.x_test):
        yield Verdict(False, "these are the predictions for the pictures as they are")
    elif agree(data.x_test[:, ::-1]):
        yield Verdict(
            False,
            "these pictures stand on their heads: axis 1 counts the rows, axis 2 the columns",
        )
    elif agree(data.x_test[::-1]):
        yield Verdict(
            False,
            "these are the pictures in reverse order, the last one first: axis 0 counts the "
            "pictures, axis 2 the columns",
        )
    else:
        yield Verdict(False, "these are not the model's predictions for the mirrored test pictures")


@exercise("04-free-space", "Raise the balanced accuracy")
def _free_space(model, *, data, baseline):
    import numpy as np

    if not hasattr(model, "count_params"):
        raise Wrong(f"your answer is {kind_of(model)}; hand over the trained model itself")
    present = np.unique(data.y_test)
    accuracies = []
    for label in present:
        mine = data.y_test == label
        one_class = replace(data, x_test=data.x_test[mine], y_test=data.y_test[mine])
        accuracies.append(test_accuracy(model, one_class))
    balanced, worst = np.mean(accuracies), int(np.argmin(accuracies))
    above = bool(balanced > baseline)
    yield Verdict(
        above,
        f"balanced accuracy {balanced:.4f} is {'above' if above else 'not above'} {baseline:.4f}; "
        f"the hardest class is {data.class_names[present[worst]]}, {accuracies[worst]:.2f} right",
    )
    parameters = model.count_params()
    small = parameters < 500_000
    relation = "fewer than" if small else "not fewer than"
    yield Verdict(small, f"{parameters:,} parameters are {relation} 500,000")
