"""The exercises of lab 05: what passes, and what is said of an answer that does not."""

import numpy as np
import pytest

from labkit.check import check
from labkit.data import Dataset, Source

NOT_ATTEMPTED = "not attempted yet: replace the dots in the cell above and run it again"


@pytest.fixture(autouse=True)
def progress_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.json"))


def failed_lines(result):
    return [line.text for line in result.lines if not line.passed]


# Parameters


@pytest.mark.parametrize("answer", [896, 896.0, np.int64(896), np.array([896])])
def test_05_parameters_passes_in_any_form(answer):
    assert repr(check("05-parameters", answer)) == "passed: 896 = 32 × (3 × 3 × 3 + 1)"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (864, "864 counts the weights alone; each of the 32 kernels also has a bias"),
        (320, "320 is right for one channel"),
        (288, "288 is right for one channel and leaves out the biases"),
        (960, "960 gives each kernel a bias for each channel"),
        (28, "28 is a single kernel with its bias"),
        (1, "each kernel has 3 × 3 numbers for each of three channels"),
        ("896", "write the number without quotation marks"),
    ],
)
def test_05_parameters_gives_each_mistake_its_own_hint(answer, hint):
    result = check("05-parameters", answer)
    assert result.passed is False
    assert hint in repr(result)


# Flips

RIGHT = ("horizontal", "", "vertical", "horizontal_and_vertical")


@pytest.mark.parametrize("kind", [tuple, list])
def test_05_augment_passes(kind):
    result = check("05-augment", kind(RIGHT))
    assert result.passed
    assert [line.text.split(":")[0] for line in result.lines] == [
        "photographs",
        "digits",
        "arrows",
        "leaves",
    ]


@pytest.mark.parametrize(
    ("place", "said", "feedback"),
    [
        (0, "vertical", "photographs: nobody will show it a car on its roof"),
        (0, "horizontal_and_vertical", "photographs: nobody will show it a car on its roof"),
        (0, "", "photographs: there is a flip that leaves the class as it is"),
        (1, "horizontal", "digits: a mirrored 2 is no 2"),
        (1, "horizontal_and_vertical", "a mirrored 2 is no 2, and a 6 on its head is nearly a 9"),
        (
            2,
            "horizontal_and_vertical",
            "arrows: mirrored, an arrow to the left points to the right",
        ),
        (2, "", "arrows: there is a flip"),
        (3, "vertical", "leaves: there is a flip"),
    ],
)
def test_05_augment_says_which_flip_does_harm(place, said, feedback):
    answer = [*RIGHT]
    answer[place] = said
    failed = failed_lines(check("05-augment", answer))
    assert len(failed) == 1 and feedback in failed[0]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("horizontal", "hand over four texts"),
        (("horizontal", ""), "hand over four texts"),
        (("horizontal", "", "sideways", ""), 'arrows: \'sideways\' is none of "", "horizontal"'),
        (("horizontal", 0, "vertical", ""), "digits: 0 is none of"),
        ((["horizontal"], "", "", ""), "photographs: ['horizontal'] is none of"),
    ],
)
def test_05_augment_says_what_an_answer_should_look_like(answer, says):
    result = check("05-augment", answer)
    assert result.passed is False
    assert says in repr(result)


def test_05_augment_with_a_gap_is_no_attempt():
    assert repr(check("05-augment", ("horizontal", "", ..., ...))) == NOT_ATTEMPTED


# Batch normalisation


def normalise(batch, *, axis=0, more=0.001, **options):
    mean, variance = batch.mean(axis, keepdims=True), batch.var(axis, keepdims=True, **options)
    return (batch - mean) / np.sqrt(variance + more)


def by_keras(batch):
    from labkit import keras

    layer = keras.layers.BatchNormalization()
    return keras.ops.convert_to_numpy(layer(batch.astype("float32"), training=True))


@pytest.mark.parametrize(
    "function",
    [
        normalise,
        lambda batch: normalise(batch, ddof=1),
        lambda batch: normalise(batch).tolist(),
        by_keras,
    ],
    ids=["NumPy", "a sample's variance", "a list", "Keras"],
)
def test_05_batch_norm_passes(function):
    result = check("05-batch-norm", function)
    assert result.passed and len(result.lines) == 3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda b: normalise(b, axis=None), "you took one mean of the whole batch"),
        (lambda b: normalise(b, axis=1), "you normalised each picture, a row"),
        (lambda b: normalise(b, more=0), "add 0.001 to the variance before the root"),
        (lambda b: normalise(b, more=0), "nearly: the 0.001 is missing"),
        (lambda b: b - b.mean(axis=0), "not yet the same spread"),
        (lambda b: (b - b.mean(axis=0)) / (b.var(axis=0) + 0.001), "you divide by the variance"),
        (lambda b: (b - b.mean(axis=0)) / (b.std(axis=0) + 0.001), "and take the root of the sum"),
        (lambda b: b, "these are other numbers"),
        (lambda b: b[0], "the shape (64, 3) became (3,); the shape stays"),
        (lambda b: b[99], "your function stopped with IndexError"),
        (lambda b: "done", "what your function returns is of the type str; return an array"),
        (np.ones((4, 2)), "hand over the function itself"),
    ],
)
def test_05_batch_norm_says_what_goes_wrong(function, says):
    result = check("05-batch-norm", function)
    assert result.passed is False
    assert says in repr(result)


def test_05_batch_norm_finds_a_division_by_zero_where_there_is_one():
    failed = failed_lines(check("05-batch-norm", lambda b: normalise(b, more=0)))
    assert failed[-1].startswith("a map that is the same for all pictures: ")
    assert "no numbers" in failed[-1]


def test_05_batch_norm_does_not_let_an_answer_change_the_batch():
    def in_place(batch):
        batch -= batch.mean(axis=0)
        return batch / np.sqrt(batch.var(axis=0) + 0.001)

    assert check("05-batch-norm", in_place).passed


def test_05_batch_norm_with_dots_for_a_body_is_no_attempt():
    def answer(batch): ...

    assert repr(check("05-batch-norm", answer)) == NOT_ATTEMPTED


# Free space


class Redness:
    """Tells pictures with much red from those with little: class 0 is the redder."""

    def __init__(self, parameters=99):
        self.parameters = parameters

    def count_params(self):
        return self.parameters

    def predict(self, pictures, **options):
        red = pictures[..., 0].mean(axis=(1, 2)) / 255
        return np.stack([red, 1 - red], axis=1)


@pytest.fixture(scope="module")
def lights():
    """Ten red pictures and two blue ones."""
    y = np.r_[np.zeros(10, int), np.ones(2, int)]
    x = np.zeros((12, 4, 4, 3), np.uint8)
    x[y == 0, ..., 0], x[y == 1, ..., 2] = 250, 250
    source = Source("sample", "this test")
    return Dataset("lights", "Lights", x, y, x, y, source, class_names=("red", "blue"))


def test_05_free_space_gives_both_numbers(lights):
    assert repr(check("05-free-space", Redness(), data=lights, baseline=0.9)) == (
        "passed:\n"
        "  ✓ balanced accuracy 1.0000 is above 0.9000; the hardest class is red, 1.00 right\n"
        "  ✓ 99 parameters are fewer than 500,000"
    )
    assert failed_lines(check("05-free-space", Redness(500_000), data=lights, baseline=1.0)) == [
        "balanced accuracy 1.0000 is not above 1.0000; the hardest class is red, 1.00 right",
        "500,000 parameters are not fewer than 500,000",
    ]
    assert "hand over the trained model itself" in repr(
        check("05-free-space", "cnn", data=lights, baseline=0.5)
    )
