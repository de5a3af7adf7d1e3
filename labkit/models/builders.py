"""Networks that start from nothing."""

import numpy as np

from labkit import backend
from labkit.errors import LabError


def softmax_regression(data, *, learning_rate: float = 0.001, seed: int = 42):
    """One dense layer with softmax: the smallest network that classifies.

    Lab 02 builds it. It is the classic first program for MNIST, also known as
    multinomial logistic regression.

    Args:
        data: a :class:`labkit.data.Dataset` of pictures, or a pair ``(input_shape,
            num_classes)``.
        learning_rate: Adam's step size.
        seed: of the weights that it starts with.

    Returns:
        A compiled ``keras.Sequential``: ``(n, height, width, channels)`` to
        probabilities ``(n, num_classes)``.

    Raises:
        LabError: the data has no classes.

    Example:
        >>> models.softmax_regression(((28, 28, 1), 10)).count_params()
        7850
    """
    input_shape, num_classes = prepare(data, seed)
    from keras import Sequential, layers

    model = Sequential(
        [
            layers.Input(input_shape),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(num_classes, activation="softmax"),
        ],
        name="softmax_regression",
    )
    return compile_classifier(model, learning_rate)


def mlp(
    data,
    *,
    units=(128, 1000),
    dropout: float = 0.5,
    learning_rate: float = 0.001,
    seed: int = 42,
):
    """Dense layers only: a multi-layer perceptron.

    The default is the classic program for Fashion-MNIST, lab 04: 128 and 1,000
    units, dropout 0.5, softmax.

    Args:
        data: a :class:`labkit.data.Dataset` of pictures, or ``(input_shape, num_classes)``.
        units: how many neurons each hidden layer has.
        dropout: the share of the last hidden layer's outputs that training silences
            at random (Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html).
        learning_rate: Adam's step size.
        seed: of the weights that it starts with.

    Returns:
        A compiled ``keras.Sequential``, pictures to probabilities.

    Raises:
        LabError: the data has no classes.

    Example:
        >>> models.mlp(((28, 28, 1), 10)).output_shape
        (None, 10)
    """
    input_shape, num_classes = prepare(data, seed)
    from keras import Sequential, layers

    model = Sequential(
        [
            layers.Input(input_shape),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            *[layers.Dense(n, activation="relu") for n in units],
            layers.Dropout(dropout),
            layers.Dense(num_classes, activation="softmax"),
        ],
        name="mlp",
    )
    return compile_classifier(model, learning_rate)


def cnn(
    data,
    *,
    filters=(30, 60, 90),
    kernel_size: int = 3,
    dense: int = 64,
    dropout: float = 0.5,
    sigmoid: bool = False,
    learning_rate: float = 0.001,
    seed: int = 42,
):
    """A convolutional network: convolutions and poolings, then a dense layer.

    The default is the classic program for MNIST, lab 03: 30, 60 and 90 filters of
    3 × 3 with a 2 × 2 max pooling after all but the last, dense 64, dropout 0.5,
    softmax. The one for Fashion-MNIST, lab 04, is
    ``cnn(data, filters=(32, 64, 64), dropout=0)``, and the one for cats and dogs, lab 06,
    ``cnn(data, filters=(64, 64, 64), dense=128, dropout=0, sigmoid=True)``. The idea is
    LeCun et al., 1998, "Gradient-based learning applied to document recognition".

    Args:
        data: a :class:`labkit.data.Dataset` of pictures, or ``(input_shape, num_classes)``.
        filters: how many filters each convolution has.
        kernel_size: their height and width in pixels.
        dense: neurons of the dense layer.
        dropout: the share of its outputs that training silences at random.
        sigmoid: end in a single sigmoid unit where there are two classes: it gives the
            probability of the second one. With more classes the end is a softmax all the
            same. :func:`probabilities` gives one for each class in either case.
        learning_rate: Adam's step size.
        seed: of the weights that it starts with.

    Returns:
        A compiled ``keras.Sequential``, pictures to probabilities.

    Raises:
        LabError: the data has no classes, or the pictures are too small for so many
            layers.

    Example:
        >>> models.cnn(((28, 28, 1), 10)).count_params()
        117804
    """
    input_shape, num_classes = prepare(data, seed)
    from keras import Sequential, layers

    model = Sequential([layers.Input(input_shape), layers.Rescaling(1 / 255)], name="cnn")
    _check_size(input_shape, len(filters), kernel_size)
    for n in filters[:-1]:
        model.add(layers.Conv2D(n, kernel_size, activation="relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Conv2D(filters[-1], kernel_size, activation="relu"))
    model.add(layers.Flatten())
    model.add(layers.Dense(dense, activation="relu"))
    model.add(layers.Dropout(dropout))
    if sigmoid and num_classes == 2:
        model.add(layers.Dense(1, activation="sigmoid"))
    else:
        model.add(layers.Dense(num_classes, activation="softmax"))
    return compile_classifier(model, learning_rate)


def cnn_bn(
    data,
    *,
    filters=(32, 48, 64, 96),
    learning_rate: float = 0.001,
    seed: int = 42,
):
    """A convolutional network with batch normalisation: more accuracy for the same work.

    Each convolution of 3 × 3 is followed by batch normalisation (Ioffe and Szegedy, 2015,
    https://arxiv.org/abs/1502.03167) and ReLU. The first one moves in steps of two, which
    saves three quarters of the work where maps are largest. Those between the first and the
    last are followed by a 2 × 2 max pooling, which comes before the normalisation: that has
    a quarter of the numbers left to do, and the accuracy stays. In the end each map becomes
    one number, its mean (global average pooling; Lin et al., 2013,
    https://arxiv.org/abs/1312.4400), so that no large dense layer is needed.

    Args:
        data: a :class:`labkit.data.Dataset` of pictures, or ``(input_shape, num_classes)``.
        filters: how many filters each convolution has.
        learning_rate: Adam's step size.
        seed: of the weights that it starts with.

    Returns:
        A compiled ``keras.Sequential``, pictures to probabilities.

    Raises:
        LabError: the data has no classes, or the pictures are too small for so many
            layers.

    Example:
        >>> models.cnn_bn(((32, 32, 3), 10)).count_params()
        99562
    """
    input_shape, num_classes = prepare(data, seed)
    from keras import Sequential, layers

    if min(input_shape[:2]) < 2 ** (len(filters) - 1):
        raise LabError(
            f"Pictures of {input_shape[0]} × {input_shape[1]} are too small to be halved "
            f"{len(filters) - 1} times. Use fewer filters in the list, or larger pictures."
        )
    model = Sequential([layers.Input(input_shape), layers.Rescaling(1 / 127.5, -1)], name="cnn_bn")
    for i, n in enumerate(filters):
        strides = 2 if i == 0 else 1
        model.add(layers.Conv2D(n, 3, strides=strides, padding="same", use_bias=False))
        if 0 < i < len(filters) - 1:
            model.add(layers.MaxPooling2D())
        # The usual momentum of 0.99 needs more steps than a short training has.
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(num_classes, activation="softmax"))
    return compile_classifier(model, learning_rate)


def probabilities(model, pictures):
    """What a classifier says of pictures: a probability for each class.

    A model that ends in a single sigmoid unit gives one number a picture, the probability
    of the second class; here it gets a column for the first class, too.

    Args:
        model: a Keras classifier that ends in softmax, or in one sigmoid unit.
        pictures: ``(n, height, width, channels)``, as the model takes them.

    Returns:
        ``float32`` of shape ``(n, classes)``; each row adds up to 1.

    Example:
        >>> models.probabilities(model, data.x_test[:1])
        array([[0.97, 0.03]], dtype=float32)
    """
    said = model.predict(pictures, batch_size=64, verbose=0)
    return np.concatenate([1 - said, said], axis=1) if said.shape[1:] == (1,) else said


def prepare(data, seed):
    """Seed Keras; ``(input_shape, num_classes)`` of a Dataset, or such a pair itself."""
    input_shape, num_classes = (
        data if isinstance(data, tuple) else (data.input_shape, data.num_classes)
    )
    if num_classes < 2:
        raise LabError(
            f"{getattr(data, 'name', 'The data')} has {num_classes} classes; a classifier needs at "
            "least 2. Use scikit-learn's LinearRegression for a table of numbers (lab 01)."
        )
    backend.keras().utils.set_random_seed(seed)
    return input_shape, num_classes


def _check_size(input_shape, convolutions, kernel_size):
    """Raise when a convolution would get a map smaller than its kernel."""
    side = min(input_shape[:2])
    for i in range(convolutions):
        if side < kernel_size:
            raise LabError(
                f"Pictures of {input_shape[0]} × {input_shape[1]} are too small: nothing is left "
                f"for convolution {i + 1} of {kernel_size} × {kernel_size}. Use fewer filters in "
                "the list, a smaller kernel, or larger pictures."
            )
        side = (side - kernel_size + 1) // 2


def compile_classifier(model, learning_rate):
    """The model, compiled as every classifier here is."""
    from keras import optimizers

    one_unit = model.output_shape[-1] == 1
    model.compile(
        optimizer=optimizers.Adam(learning_rate),
        loss="binary_crossentropy" if one_unit else "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model
