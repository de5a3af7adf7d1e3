"""Pictures on their way into training: shuffled, changed a little, in batches."""

from dataclasses import dataclass

import numpy as np

from labkit import backend, machine
from labkit.errors import DataError

_FLIPS = {"": (0, 0), "horizontal": (1, 0), "vertical": (0, 1), "horizontal_and_vertical": (1, 1)}
_DRAWS = 9  # random numbers for one picture


@dataclass(frozen=True)
class Augment:
    """Random changes of pictures that leave their class as it is.

    Every picture is changed anew each time it is shown, so that learning by heart
    does not pay. Flip, zoom, shear, rotation and shift are put together into one affine
    map before any pixel moves: a chain of ``keras.layers.RandomFlip``, ``RandomZoom`` and
    ``RandomShear`` moves them three times, and blurs them twice more
    (``benchmarks/pipeline.py`` compares the speed). What comes in from outside is
    the picture's own mirror image.

    A survey: Shorten and Khoshgoftaar, 2019, "A survey on image data augmentation for
    deep learning", https://doi.org/10.1186/s40537-019-0197-0.

    Example:
        >>> augment = Augment(shift=4, flip="horizontal")
        >>> augment(data.x_train[:8], seed=1).shape
        TensorShape([8, 32, 32, 3])
    """

    shift: int = 0
    """How far pictures move at most, down or up, left or right, in whole pixels."""
    flip: str = ""
    """"horizontal", "vertical" or "horizontal_and_vertical", each for every second
    picture; nothing by default, because a mirrored 7 is no 7."""
    zoom: float = 0.0
    """0.2 makes pictures up to 20 % smaller or larger."""
    shear: float = 0.0
    """0.2 slants them by up to 0.2 pixels to the side for each pixel down."""
    rotation: float = 0.0
    """How far they turn either way, as a share of a full turn; 0.5 is any angle."""
    brightness: float = 0.0
    """0.2 makes them up to 20 % darker or brighter."""

    def __post_init__(self):
        if self.flip not in _FLIPS:
            raise DataError(
                f"flip is {self.flip!r}. Use one of: {', '.join(k for k in _FLIPS if k)}."
            )
        for name in ("shift", "zoom", "shear", "rotation", "brightness"):
            value = getattr(self, name)
            most = {"shift": np.inf, "shear": np.inf, "rotation": 0.5}.get(name, 0.9)
            if not 0 <= value <= most:
                raise DataError(f"{name} is {value}; give a number from 0 to {most:g}.")

    def __call__(self, pictures, *, seed):
        """Changed pictures.

        Args:
            pictures: ``(n, height, width, channels)``, ``uint8``.
            seed: a whole number, or two of them: the same ones change the same
                pictures in the same way.

        Returns:
            A tensor of the same shape and dtype.

        Raises:
            DataError: ``shift`` would push pictures of this size out altogether.
        """
        backend.keras()  # before TensorFlow, which it keeps quiet
        import tensorflow as tf

        pictures = tf.convert_to_tensor(pictures)
        height, width = pictures.shape[1:3]
        if self.shift >= min(height, width):
            raise DataError(
                f"shift is {self.shift}, and the pictures are {height} × {width} pixels: nothing "
                "would be left of them. Give a smaller shift; a tenth of the side is a lot."
            )
        seeds = tf.cast(seed if np.ndim(seed) else (seed, 0), "int32")
        # From −1 to 1, a row for each kind of change.
        draws = tf.unstack(
            2 * tf.random.stateless_uniform([_DRAWS, tf.shape(pictures)[0]], seeds) - 1, _DRAWS
        )
        if self.zoom or self.shear or self.rotation:
            pictures = self._transformed(pictures, draws)
        elif self.shift or self.flip:
            pictures = self._moved(pictures, draws)
        if self.brightness:
            factor = (1 + self.brightness * draws[8])[:, None, None, None]
            bright = tf.round(tf.cast(pictures, "float32") * factor)
            pictures = tf.cast(tf.clip_by_value(bright, 0, 255), "uint8")
        return pictures

    def _moved(self, pictures, draws):
        """Flipped, and shifted by whole pixels: rows and columns are picked, not computed."""
        import tensorflow as tf

        def places(side, move, mirrored):
            place = tf.range(side)[None] - move[:, None]
            place = tf.where(place < 0, -1 - place, place)  # outside: the mirror image
            place = tf.where(place < side, place, 2 * side - 1 - place)
            return tf.where(mirrored[:, None], side - 1 - place, place)

        n, height, width, channels = tf.unstack(tf.shape(pictures))
        mirror_x, mirror_y, move_x, move_y = self._flips_and_shifts(draws)
        rows = places(height, tf.cast(move_y, "int32"), mirror_y)
        columns = places(width, tf.cast(move_x, "int32"), mirror_x)
        flat = tf.reshape(pictures, [n, height, width * channels])
        picked = tf.reshape(tf.gather(flat, rows, batch_dims=1), tf.shape(pictures))
        return tf.gather(picked, columns, axis=2, batch_dims=1)

    def _flips_and_shifts(self, draws):
        """Whether each picture is mirrored (x, y), and how far it moves (x, y)."""
        import tensorflow as tf

        sideways, upright = _FLIPS[self.flip]
        steps = 2 * self.shift + 1  # all from −shift to shift are as likely
        move_x, move_y = (tf.floor((d + 1) / 2 * steps) - self.shift for d in draws[:2])
        return (draws[2] < 0) & bool(sideways), (draws[3] < 0) & bool(upright), move_x, move_y

    def _transformed(self, pictures, draws):
        """All changes of place as one affine map, x' = a0 x + a1 y + a2, y' = b0 x + b1 y + b2.

        It says for each pixel of the result where it comes from, as TensorFlow wants it.
        """
        import tensorflow as tf

        mirror_x, mirror_y, move_x, move_y = self._flips_and_shifts(draws)
        scale_x = tf.where(mirror_x, -1.0, 1.0) * (1 + self.zoom * draws[4])
        scale_y = tf.where(mirror_y, -1.0, 1.0) * (1 + self.zoom * draws[5])
        slant, angle = self.shear * draws[6], 2 * np.pi * self.rotation * draws[7]
        cos, sin = tf.cos(angle), tf.sin(angle)
        a0, a1 = cos * scale_x, (cos * slant - sin) * scale_y
        b0, b1 = sin * scale_x, (sin * slant + cos) * scale_y
        height, width = pictures.shape[1:3]
        x, y = (width - 1) / 2, (height - 1) / 2  # they turn about the middle
        a2, b2 = x - a0 * x - a1 * y + move_x, y - b0 * x - b1 * y + move_y
        zero = tf.zeros_like(a0)
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=pictures,
            transforms=tf.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1),
            output_shape=[height, width],
            interpolation="BILINEAR",
            fill_mode="REFLECT",
            fill_value=0.0,
        )


def batches(x, y, *, batch_size: int = 32, augment=None, seed: int = 0, first_epoch: int = 0):
    """An endless stream of shuffled batches, changed by ``augment``, as a tf.data pipeline.

    An epoch is ``len(x) // batch_size`` batches in an order of its own; what is left over
    of it comes up in another epoch. Order and changes follow from ``seed`` and the
    number of the batch alone, so that training which goes on at ``first_epoch`` sees what
    it would have seen. For pictures that are not changed ``single_pass`` is faster.

    Args:
        x: pictures, ``(n, height, width, channels)``, ``uint8``.
        y: one label, or one row, for each.
        batch_size: how many pictures a batch has.
        augment: an :class:`Augment`, a Keras layer (or a ``keras.Sequential`` of them),
            which is called with ``training=True``, or nothing.
        seed: of order and changes. A Keras layer has its own.
        first_epoch: where the stream begins.

    Returns:
        A ``tf.data.Dataset`` of pairs ``(pictures, labels)``.

    Raises:
        DataError: there are fewer pictures than one batch needs.

    Example:
        >>> pictures, labels = next(iter(batches(data.x_train, data.y_train)))
        >>> pictures.shape, labels.shape
        (TensorShape([32, 32, 32, 3]), TensorShape([32]))
    """
    backend.keras()
    import tensorflow as tf

    if len(x) < batch_size:
        raise DataError(
            f"{len(x)} pictures do not fill a batch of {batch_size}. Use more pictures, or a "
            "smaller batch_size."
        )
    steps = len(x) // batch_size
    with tf.device("CPU"):
        # As a constant, TensorFlow holds the pictures twice, and copies them again at the start.
        x, y = tf.Variable(x, trainable=False), tf.constant(y)

    def batch(step):
        epoch = step // steps
        places = step % steps * batch_size + tf.range(batch_size, dtype="int64")
        # An order that is computed place by place: nothing to shuffle, nothing to store.
        order = tf.stack([tf.constant(seed, "int64"), epoch])
        chosen = tf.random.experimental.index_shuffle(places, order, len(x) - 1)
        pictures = tf.gather(x, chosen)
        if isinstance(augment, Augment):
            pictures = augment(pictures, seed=tf.stack([tf.constant(seed, "int64"), step]))
        elif augment is not None:
            pictures = augment(pictures, training=True)
        return pictures, tf.gather(y, chosen)

    stream = tf.data.Dataset.counter(start=first_epoch * steps)
    stream = stream.map(batch, num_parallel_calls=machine.cores()).prefetch(2)
    return stream.with_options(_untuned())


def single_pass(x, y, *, batch_size: int, shuffle: bool):
    """What Keras makes of arrays, in the same order, but without tuning the pipeline.

    ``benchmarks/passes.py`` compares the speed.

    Args:
        x: examples, ``(n, …)``.
        y: one label, or one row, for each.
        batch_size: how many examples a batch has; the last one has what is left over.
        shuffle: an order that follows from ``keras.utils.set_random_seed``, the same each time
            that the dataset is iterated over; another one each time where no seed was set.

    Returns:
        A ``tf.data.Dataset`` of pairs ``(examples, labels)`` that ends after ``n`` examples.

    Example:
        >>> data = single_pass(data.x_test, data.y_test, batch_size=100, shuffle=False)
        >>> len(data)
        100
    """
    floats = backend.keras().config.floatx()
    import tensorflow as tf

    whole, rest = divmod(len(x), batch_size)
    with tf.device("CPU"):
        arrays = tuple(tf.constant(a, floats if a.dtype.kind == "f" else None) for a in (x, y))

    def order(_):
        places = tf.range(len(x), dtype="int64")
        return tf.random.shuffle(places) if shuffle else places

    def cut(places):
        full = tf.reshape(places[: whole * batch_size], [whole, batch_size])
        batches = tf.data.Dataset.from_tensor_slices(full)
        if rest:
            left = tf.data.Dataset.from_tensors(places[whole * batch_size :])
            batches = batches.concatenate(left)
        return batches

    def gather(places, arrays):
        return tuple(tf.gather(array, places) for array in arrays)

    places = tf.data.Dataset.range(1).map(order).flat_map(cut)
    data = tf.data.Dataset.zip(places, tf.data.Dataset.from_tensors(arrays).repeat()).map(gather)
    size = tf.data.experimental.assert_cardinality(whole + bool(rest))
    return data.apply(size).prefetch(2).with_options(_untuned())


def _untuned():
    """Options for a pipeline that TensorFlow does not tune while it runs.

    The thread that would do so is woken when the pipeline ends, looks whether it is to stop a
    moment before it is told, and then sleeps out its time, which grows with that of the
    pipeline. On two busy cores this is often a quarter of an epoch.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    # As Keras does for arrays: what can be rewritten here is not worth the time.
    options.experimental_optimization.apply_default_optimizations = False
    return options
