"""The exercises of lab c1: a hidden picture, pictures on their side, traces, a slope."""

from labkit.check.judging import (
    Verdict,
    Wrong,
    a_function,
    a_number,
    an_array,
    called,
    exercise,
    one_number,
    plain,
)

_HEIGHT, _WIDTH = 50, 53  # of the hidden picture


def hidden_picture():
    """A grey picture whose numbers were laid end to end, 0 to 255; its width is to be found.

    Returns:
        ``uint8`` of shape ``(2650,)``.
    """
    from labkit import samples

    dog = samples.draw("cats_and_dogs").x_train[0]
    return dog[:_HEIGHT, :_WIDTH].mean(axis=-1).astype("uint8").reshape(-1)


@exercise("c1-width", "Find the width of a hidden picture")
def _width(answer):
    yield one_number(
        answer,
        _WIDTH,
        f"{_HEIGHT} rows of {_WIDTH}: a dog looks at you",
        {
            _HEIGHT: "is how many rows there are; the width is how many numbers stand in a row",
            2 * _WIDTH: "puts two rows into one, so that there are two dogs side by side",
            _HEIGHT * _WIDTH: "is all of its numbers in one row; no picture is that wide",
        },
        "is not it: as long as the picture leans, each row begins too early or too late; move "
        "the slider until upright lines stand upright",
    )


@exercise("c1-sideways", "Turn a batch of pictures on their side")
def _sideways(answer):
    import numpy as np

    a_function(answer)
    for count, height, width, channels in ((2, 3, 5, 3), (4, 4, 4, 3), (1, 6, 2, 1)):
        numbers = np.arange(count * height * width * channels, dtype="float32")
        batch = numbers.reshape(count, height, width, channels)
        found = an_array(called(answer, batch.copy()), "a tensor or an array")
        right = np.swapaxes(batch, 1, 2)
        given = f"{_count(count, 'picture')} of {height} × {width} × {channels}"
        if found.shape != right.shape:
            whole = found.shape == batch.T.shape and np.array_equal(found, batch.T)
            more = "; it turned all four axes around, and the first and last are to stay" * whole
            raise Wrong(
                f"{given}: your result has the shape {found.shape}, and {right.shape} is asked "
                f"for{more}"
            )
        fits = bool(np.array_equal(found, right))
        if fits:
            text = f"{given}: every row has become a column"
        elif np.array_equal(found.reshape(-1), numbers):
            text = (
                f"{given}: the shape is right, but the numbers are in their old order, as reshape "
                "leaves them; the axes have to change places"
            )
        else:
            text = (
                f"{given}: what stood in row 0, column 1 of picture 0 does not stand in row 1, "
                "column 0"
                if not np.array_equal(found[0, 1, 0], batch[0, 0, 1])
                else f"{given}: some numbers are in the wrong place"
            )
        yield Verdict(fits, text)


@exercise("c1-traces", "Count the traces")
def _traces(answer):
    yield one_number(
        answer,
        4,
        "four: float32 in the shapes (2,), (1, 2) and (), and int32 in the shape (2,)",
        {
            6: "counts every call; a call with a shape and dtype seen before uses the old graph",
            5: "counts one twice; look again at the second call and at the last",
            3: "takes two that differ for the same; [1, 2] and [1.0, 2.0] are of another dtype, "
            "[1.0, 2.0] and [[1.0, 2.0]] of another rank",
            2: "counts shapes or dtypes alone; both have to agree for a graph to be used again",
            1: "would do if all calls had the same shape and dtype; look at each of them",
        },
        "is not it; go through the calls and write down shape and dtype of each",
    )


@exercise("c1-slope", "Work out a gradient by hand")
def _slope(answer):
    a_function(answer)
    for w, x, b, y in ((2.0, 3.0, 1.0, 2.0), (0.5, -4.0, 1.0, 3.0), (3.0, 2.0, 1.0, 5.0)):
        error = w * x + b - y
        right, found = 2 * error * x, a_number(called(answer, w, x, b, y))
        at = f"w = {plain(w)}, x = {plain(x)}, b = {plain(b)}, y = {plain(y)}"
        known = {
            2 * error: "is the slope by b; when w grows by 1, the prediction grows by x",
            error * x: "is half of it; the slope of a square, u², is 2 · u",
            error**2: "is the loss itself; its slope is asked for",
            -right: "has the wrong sign; the error is prediction minus target",
            error: "is the error; the loss is its square, and w stands beside x",
        }
        fits = abs(found - right) < 1e-4 * max(1, abs(right))
        near = [hint for value, hint in known.items() if abs(found - value) < 1e-4]
        hint = near[0] if near else f"is not it; the slope is {plain(right)} there"
        yield Verdict(fits, f"{at}: {plain(found)}" if fits else f"{at}: {plain(found)} {hint}")
        if not fits:
            return


def _count(n, noun):
    return f"{n} {noun}{'' if n == 1 else 's'}"
