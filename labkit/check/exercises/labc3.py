"""The exercises of lab c3: sums, sizes, pooling, parameters, the receptive field."""

from labkit.check.judging import (
    Verdict,
    Wrong,
    a_function,
    an_array,
    called,
    exercise,
    kind_of,
    one_number,
    plain,
)


@exercise("c3-position", "Compute one number of a convolution")
def _position(answer):
    yield one_number(
        answer,
        28,
        "28: the products of the three rows are 7, 14 and 7",
        {
            21: "is the number in row 2 and column 1, which the lab spelled out; go one row down",
            -28: "has the sign of the kernel turned round: its right column is the positive one",
            0: "is what stands where all pixels under the kernel are alike",
            32: "leaves out the left column of the kernel, which is negative",
            30: "adds up the pixels; multiply each by the number of the kernel on it first",
        },
        "is not it; the kernel lies on rows 3 to 5 and columns 1 to 3",
    )


@exercise("c3-size", "Follow the side of a map through several layers")
def _size(answer):
    a_function(answer)
    for name, side, layers in (
        ("two kernels of 3", 28, [(3, 1, 0), (3, 1, 0)]),
        ("a kernel of 5, padding 2", 10, [(5, 1, 2)]),
        ("the maps of lab 03", 28, [(3, 1, 0), (2, 2, 0), (3, 1, 0), (2, 2, 0), (3, 1, 0)]),
        ("a kernel of 7, stride 2, padding 3, and a pooling", 224, [(7, 2, 3), (3, 2, 1)]),
        ("no layer at all", 9, []),
    ):
        right = _through(side, layers)
        found = _one_value(called(answer, side, list(layers)))
        if found == right:
            text = f"{name}: {side} → {right}"
        elif not found.is_integer():
            text = f"{name}: {plain(round(found, 3))} is no whole number; round down with //"
        elif found == _through(side, layers, padded=1):
            text = f"{name}: it is {right}; padding is added on both sides, so count it twice"
        elif found == _through(side, layers[:1]):
            text = f"{name}: {plain(found)} is the side after the first layer; go on with it"
        elif found == _through(side, layers, more=0):
            text = f"{name}: it is {right}; the place where the window starts counts as well, + 1"
        else:
            text = f"{name}: it is {right}, and yours {plain(found)}"
        yield Verdict(found == right, text)
        if found != right:
            return


def _through(side, layers, *, padded=2, more=1):
    for kernel, stride, padding in layers:
        side = (side + padded * padding - kernel) // stride + more
    return side


def _one_value(found):
    if isinstance(found, str | bool) or getattr(found, "shape", ()) != ():
        raise Wrong(f"what your function returns is {kind_of(found)}; a number is asked for")
    try:
        return float(found)
    except (TypeError, ValueError):
        raise Wrong(
            f"what your function returns is {kind_of(found)}; a number is asked for"
        ) from None


@exercise("c3-pool", "Write average pooling")
def _pool(answer):
    import numpy as np

    a_function(answer)
    for rows, columns, channels in ((4, 6, 1), (6, 4, 3), (5, 7, 2)):
        generator = np.random.default_rng(rows)
        maps = generator.integers(0, 20, (rows, columns, channels)).astype(float)
        blocks = maps[: rows // 2 * 2, : columns // 2 * 2]
        blocks = blocks.reshape(rows // 2, 2, columns // 2, 2, channels)
        right = blocks.mean(axis=(1, 3))
        found = an_array(called(answer, maps.copy()))
        name = f"maps of {rows} × {columns} × {channels}"
        shape = " × ".join(map(str, right.shape))
        if found.shape != right.shape:
            given = " × ".join(map(str, found.shape)) or "a single number"
            raise Wrong(f"{name} become {given} in yours; {shape} is asked for")
        fits = bool(np.allclose(found, right))
        if fits:
            text = f"{name} become {shape}"
        elif np.allclose(found, blocks.max(axis=(1, 3))):
            text = f"{name}: yours keeps the largest number of a block; its mean is asked for"
        elif np.allclose(found, blocks.sum(axis=(1, 3))):
            text = f"{name}: yours is the sum of a block; divide it by 4"
        else:
            at = tuple(map(int, np.argwhere(~np.isclose(found, right))[0]))
            text = (
                f"{name}: block {at[:2]} of channel {at[2]} has the mean {plain(right[at])}, and "
                f"yours is {plain(round(float(found[at]), 4))}"
            )
        yield Verdict(fits, text)


@exercise("c3-parameters", "Count the parameters for larger pictures in colour")
def _parameters(answer):
    yield one_number(
        answer,
        158_664,
        "158,664: 840 + 16,260 + 48,690 + 92,224 + 650",
        {
            117_804: "is lab 03's network on grey pictures of 28 × 28",
            118_344: "has the three colours and the maps of 28 × 28 pictures; the last map of "
            "32 × 32 ones is larger, which the dense layer feels",
            158_124: "has the larger maps and one channel; the first filters look at three",
            158_410: "leaves out the biases; each filter and each neuron has one",
            65_790: "leaves out the two dense layers",
            89_544: "has a pooling after the last convolution, too; lab 03 has two in all",
            895_944: "has one pooling; lab 03 has two, after the first and second convolution",
        },
        "is not it; follow 32 through the layers first, and print the five parts",
    )


@exercise("c3-field", "Count the convolutions that see a whole picture")
def _field(answer):
    yield one_number(
        answer,
        14,
        "14: each adds 2 pixels to the first one, and 1 + 14 × 2 = 29 is the first to reach 28",
        {
            13: "see 1 + 13 × 2 = 27 pixels, one too few",
            13.5: "is where the formula meets 28; there are no half layers",
            9: "would be 28 ÷ 3; neighbouring fields overlap, so each layer adds only 2",
            10: "would be 28 ÷ 3, rounded up; neighbouring fields overlap, so each layer adds only "
            "2",
            28: "would add one pixel each; a kernel of 3 adds one on either side, so 2",
            3: "are enough together with two poolings, and then see 18; here there are none",
        },
        "is not it; how many pixels do one, two, three such layers see? 3, 5, 7, …",
    )
