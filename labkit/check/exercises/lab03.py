"""The exercises of lab 03."""

from labkit.check.judging import (
    Verdict,
    Wrong,
    above_baseline,
    all_layers,
    exercise,
    kind_of,
    one_number,
    reason,
    test_accuracy,
)


@exercise("03-shape", "Work out the height after a convolution")
def _height(answer):
    yield one_number(
        answer,
        24,
        "24 = 28 − 5 + 1: so many places hold the kernel",
        {
            28: 'is the height with padding="same"; without it the kernel stays inside',
            23: "is one too few; from the top row down the kernel fits in 28 − 5 + 1 places",
            26: "is the height after a 3 × 3 kernel; this one is 5 × 5",
            12: "is the height after a 2 × 2 pooling as well; stop before it",
            5: "is the height of the kernel; the height of what it produces is asked for",
        },
        "is not it; count the rows on which the top of a 5-pixel kernel can lie in 28 pixels",
    )


@exercise("03-parameters", "Count the parameters of a convolution")
def _parameters(answer):
    yield one_number(
        answer,
        16260,
        "16,260 = 60 filters × (3 × 3 × 30 weights + 1 bias)",
        {
            16200: "counts the weights alone; each of the 60 filters also has a bias",
            16230: "has 30 biases; a bias belongs to a filter, and there are 60 filters",
            16201: "has one bias for the whole layer; each of the 60 filters has its own",
            540: "leaves out the channels: each of the 60 filters looks at all 30 of them, "
            "and has a bias",
            600: "leaves out the channels: each of the 60 filters looks at all 30 of them",
            270: "is the weights of one filter; there are 60, each with a bias too",
            271: "is one filter with its bias; there are 60 of them",
            8130: "has 30 filters; 30 is the number of channels that come in, and 60 filters look "
            "at them",
        },
        "is not it; each of the 60 filters has 3 × 3 weights for each of the 30 channels "
        "that come in, and one bias",
    )


@exercise("03-kernel", "Build a network of 3 × 3 convolutions")
def _kernel(model, *, data):
    if not hasattr(model, "layers"):
        raise Wrong(f"your answer is {kind_of(model)}; the exercise asks for a Keras model")
    convolutions = [x for x in all_layers(model) if type(x).__name__.endswith("Conv2D")]
    n = len(convolutions)
    found = f"the model has {n} convolution{'' if n == 1 else 's'}"
    yield Verdict(n >= 2, found if n >= 2 else f"{found}; the exercise asks for at least two")
    if convolutions:
        size = " × ".join(map(str, convolutions[0].kernel_size))
        fits = tuple(convolutions[0].kernel_size) == (3, 3)
        wrong = f"your kernel is {size}; the exercise asks for 3 × 3"
        yield Verdict(fits, "the first kernel is 3 × 3" if fits else wrong)
    shape = " × ".join(map(str, data.input_shape))
    try:
        outputs = model.predict(data.x_test[:2], verbose=0)
    except Exception as error:
        raise Wrong(f"the model does not take {shape} pictures: {reason(error)}") from error
    given = f"{shape} pictures give outputs of shape {tuple(outputs.shape[1:])}"
    fits = outputs.shape[1:] == (data.num_classes,)
    wrong = f"{given}; one number for each of the {data.num_classes} classes is asked for"
    yield Verdict(fits, given if fits else wrong)


@exercise("03-free-space", "Build a better network")
def _free_space(model, *, data, baseline):
    if not hasattr(model, "count_params"):
        raise Wrong(f"your answer is {kind_of(model)}; hand over the trained model itself")
    accuracy, parameters = test_accuracy(model, data), model.count_params()
    small = parameters < 500_000
    relation = "fewer than" if small else "not fewer than"
    yield above_baseline(accuracy, baseline)
    yield Verdict(small, f"{parameters:,} parameters are {relation} 500,000")
