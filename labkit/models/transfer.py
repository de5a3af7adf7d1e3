"""Networks that start from what others have learned.

Sources: the Keras documentation, https://keras.io/api/applications/ and
https://keras.io/guides/transfer_learning/.
"""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labkit import backend
from labkit.data.weights import BACKBONES, find_weights, imagenet_classes
from labkit.errors import DataError, LabError
from labkit.models.builders import compile_classifier, prepare
from labkit.models.explain import up_to_the_maps


@dataclass(frozen=True)
class _Network:
    """What has to be known of a network of ``keras.applications``."""

    application: str
    """The function that builds it."""
    side: int
    """The side of the pictures that its ImageNet classifier takes, in pixels."""
    subtracts_mean: bool = False
    """Whether it was trained on blue, green, red less their means, rather than on -1 … 1."""
    options: dict = field(default_factory=dict)


_NETWORKS = {
    "MobileNet-0.25": _Network("MobileNet", 224, options={"alpha": 0.25}),
    "MobileNet": _Network("MobileNet", 224),
    "MobileNetV2": _Network("MobileNetV2", 224),
    "Xception": _Network("Xception", 299),
    "InceptionV3": _Network("InceptionV3", 299),
    "ResNet50": _Network("ResNet50", 224, subtracts_mean=True),
    "VGG16": _Network("VGG16", 224, subtracts_mean=True),
}
# The mean of ImageNet's pictures in blue, green and red, from 0 to 255, which those two networks
# were trained without (keras.applications.imagenet_utils, mode "caffe").
_MEAN_BGR = (103.939, 116.779, 123.68)
# Pictures below this side are enlarged to it: the networks know things at the size that they have
# in photographs of 224 pixels. On 1,000 cats and dogs of 64 pixels it lifts MobileNet-0.25 from
# 0.80 to 0.94. It is also more than the least that any of the networks takes, 75 pixels.
_SMALLEST = 128


def transfer(
    data,
    *,
    backbone="MobileNet",
    weights: str | Path | None = "imagenet",
    train_backbone: bool = False,
    dropout: float = 0.2,
    learning_rate: float = 0.001,
    seed: int = 42,
):
    """A network that has learned to see elsewhere, with a new classifier for your classes.

    The network, called the backbone, turns a picture into features; its own last
    layers, which told other classes apart, are replaced by one dense layer. Only that
    layer is trained, which takes few pictures and little time. The backbones below have
    learned from ImageNet; any network of yours with convolutions can be one, too.

    | backbone | parameters | paper |
    | --- | --- | --- |
    | MobileNet-0.25 | 0.2 million | https://arxiv.org/abs/1704.04861 |
    | MobileNet | 3.2 million | https://arxiv.org/abs/1704.04861 |
    | MobileNetV2 | 2.3 million | https://arxiv.org/abs/1801.04381 |
    | Xception | 21 million | https://arxiv.org/abs/1610.02357 |
    | InceptionV3 | 22 million | https://arxiv.org/abs/1512.00567 |
    | ResNet50 | 24 million | https://arxiv.org/abs/1512.03385 |
    | VGG16 | 15 million | https://arxiv.org/abs/1409.1556 |

    Args:
        data: a :class:`labkit.data.Dataset` of pictures, or a pair ``(input_shape,
            num_classes)``. Grey pictures are given three equal channels, and pictures
            below 128 pixels are enlarged to that, both inside the model.
        backbone: a name of the table; or a Keras model of your own that takes one picture,
            0 to 255, such as a trained :func:`cnn_bn`. Of that, what comes after its last
            maps is left out, and pictures are resized to those that it takes. A copy is
            used: your model stays as it is.
        weights: "imagenet", found by :func:`labkit.data.find_weights`; the path of a
            weights file of the backbone without its top (``.h5`` or ``.weights.h5``);
            None for a random start, to compare with. A model of your own brings its own:
            leave this out, or give None.
        train_backbone: train the backbone, too. :func:`fine_tune` does so later, once
            the dense layer has learned something, which works better.
        dropout: the share of the features that training silences at random.
        learning_rate: Adam's step size.
        seed: of the weights that are not loaded.

    Returns:
        A compiled ``keras.Model``: pictures ``(n, height, width, channels)``, 0 to 255,
        to probabilities, not logits, ``(n, num_classes)``. The backbone is its layer
        "backbone". Batch normalisation that was learned stays as it is even when the
        backbone is trained, because few batches would spoil it; :func:`fine_tune` can
        train it, too.

    Raises:
        MissingWeights: the weights are not on this machine; the text says how to get them.
        DataError: the weights file belongs to another network, or is damaged.
        LabError: there is no such backbone, it does not fit, or the data is no pictures
            with classes.

    Example:
        >>> data = labkit.load("cats_and_dogs")
        >>> model = models.transfer(data, backbone="MobileNet-0.25")
        >>> history = labkit.fit(model, data, epochs=3)
        >>> model.predict(data.x_test).sum(axis=1).round(3)    # probabilities
        array([1., 1., 1., …])
    """
    input_shape, num_classes = prepare(data, seed)
    if len(input_shape) != 3 or input_shape[-1] not in (1, 3):
        raise LabError(
            f"The data has examples of shape {input_shape}; a backbone takes pictures (height, "
            "width, 1 or 3). Use models.mlp for anything else."
        )
    if isinstance(backbone, str):
        name = backbone
        preprocessing, features = _from_imagenet(backbone, weights, input_shape)
    else:
        preprocessing, features = _from_a_model(backbone, weights, input_shape)
        name = backbone.name
    features.trainable = train_backbone
    if weights is not None:
        _keep_batch_normalization(features)
    keras = backend.keras()
    from keras import layers

    pictures = layers.Input(input_shape)
    maps = features(preprocessing(pictures))
    outputs = layers.GlobalAveragePooling2D(name="pooling")(maps)
    outputs = layers.Dropout(dropout)(outputs)
    outputs = layers.Dense(num_classes, activation="softmax")(outputs)
    start = "_random" if weights is None else ""
    model = keras.Model(pictures, outputs, name=f"transfer_{name}{start}")
    return compile_classifier(model, learning_rate)


def fine_tune(
    model,
    *,
    learning_rate: float = 1e-5,
    layers: int | None = None,
    batch_normalization: bool = False,
):
    """Let training change the backbone of a :func:`transfer` model, too.

    Do it when the new classifier has been trained: before that, its large errors would
    spoil what the backbone knows. The steps have to be small for the same reason.

    Args:
        model: what :func:`transfer` made, trained.
        learning_rate: Adam's step size.
        layers: how many of the backbone's last layers are trained; all by default.
        batch_normalization: train batch normalisation among them, too. It helps with
            thousands of pictures unlike those that the backbone knows, such as seedlings;
            with few pictures it spoils what was learned.

    Returns:
        The same model, compiled anew.

    Raises:
        LabError: the model has no backbone, or ``layers`` is below 1.

    Example:
        >>> labkit.fit(model, data, epochs=3)
        >>> labkit.fit(models.fine_tune(model, layers=20), data, epochs=2)
    """
    names = [layer.name for layer in model.layers]
    if "backbone" not in names:
        raise LabError(
            f"{model.name} has no layer called backbone; its layers are {', '.join(names)}. "
            "Build the model with models.transfer(data)."
        )
    if layers is not None and layers < 1:
        raise LabError(f"layers is {layers}; give a whole number of at least 1, or leave it out.")
    network = model.get_layer("backbone")
    network.trainable = True
    frozen = 0 if layers is None else len(network.layers) - layers
    for i, layer in enumerate(network.layers):
        layer.trainable = i >= frozen
    if not batch_normalization:
        _keep_batch_normalization(network)
    return compile_classifier(model, learning_rate)


def classifier(backbone: str = "ResNet50", *, weights: str | Path = "imagenet"):
    """A network with its own classifier: it tells ImageNet's 1,000 classes apart.

    Args:
        backbone: a name of the table in :func:`transfer`.
        weights: "imagenet", found by :func:`labkit.data.find_weights`, or the path of a
            weights file of the network with its top.

    Returns:
        A ``keras.Model`` to predict with: pictures ``(n, 224, 224, 3)``, 0 to 255 (299
        instead of 224 for Xception and InceptionV3), to probabilities, not logits,
        ``(n, 1000)``. :func:`decode` names them.

    Raises:
        MissingWeights: the weights are not on this machine; the text says how to get them.
        DataError: the weights file belongs to another network, or is damaged.
        LabError: there is no such network.

    Example:
        >>> model = models.classifier("ResNet50")
        >>> models.decode(model.predict(picture[None]), top=2)
        [('tabby', 0.61), ('Egyptian cat', 0.17)]
    """
    network = _network(backbone)
    path = _path(weights, backbone, top=True)
    keras = backend.keras()
    shape = (network.side, network.side, 3)
    pictures = keras.layers.Input(shape)
    # Built around the preprocessing, not nested as in transfer: grad_cam looks inside.
    whole = _application(network)(
        include_top=True,
        weights=None,
        input_tensor=_preprocessing(network, shape)(pictures),
        **network.options,
    )
    model = keras.Model(pictures, whole.outputs[0], name=f"classifier_{backbone}")
    _load(model, path)
    return model


def decode(probabilities, top: int = 5) -> list[tuple[str, float]]:
    """The names of the classes that a :func:`classifier` finds most probable.

    Args:
        probabilities: of one picture, ``(1000,)`` or ``(1, 1000)``.
        top: how many classes.

    Returns:
        Pairs of a class name and its probability, the most probable first.

    Raises:
        MissingWeights: the list of names is not on this machine.
        LabError: that is no array of one picture's probabilities.

    Example:
        >>> models.decode(model.predict(picture[None]), top=1)
        [('tabby', 0.61)]
    """
    names = imagenet_classes()
    values = np.asarray(probabilities, dtype=float)
    if values.shape not in ((len(names),), (1, len(names))):
        raise LabError(
            f"The probabilities have the shape {values.shape}; there are {len(names):,} class "
            "names. Give those of one picture: decode(probabilities[0])."
        )
    values = values.reshape(-1)
    return [(names[i], float(values[i])) for i in np.argsort(-values, kind="stable")[:top]]


def _from_imagenet(backbone, weights, input_shape):
    """The preprocessing and the backbone of that name, with the weights asked for."""
    network = _network(backbone)
    path = None if weights is None else _path(weights, backbone, top=False)
    preprocessing = _preprocessing(network, input_shape)
    features = _application(network)(
        include_top=False,
        weights=None,
        input_shape=preprocessing.output_shape[1:],
        name="backbone",
        **network.options,
    )
    if path:
        _load(features, path)
    return preprocessing, features


def _from_a_model(model, weights, input_shape):
    """The same of a learner's own model, which prepares its pictures itself."""
    keras = backend.keras()
    if weights not in ("imagenet", None):
        raise LabError(
            f"weights is {str(weights)!r}, and a model of your own brings its own. Leave weights "
            "out, or give None for a random start."
        )
    takes = model.input_shape[1:] if isinstance(model, keras.Model) and model.built else ()
    if len(takes) != 3 or takes[-1] not in (3, input_shape[-1]):
        raise LabError(
            f"The backbone takes {takes or 'nothing that is known'}, and the pictures are "
            f"{input_shape}. Give a name such as 'MobileNet', or a built Keras model for pictures "
            "of as many channels."
        )
    maps = up_to_the_maps(model)
    features = keras.models.clone_model(maps)
    if weights is not None:
        features.set_weights(maps.get_weights())
    features.name = "backbone"
    pictures = keras.layers.Input(input_shape)
    x = _in_channels(pictures, takes[-1])
    if None not in takes and takes[:2] != input_shape[:2]:
        x = keras.layers.Resizing(*takes[:2])(x)
    return keras.Model(pictures, x, name="preprocessing"), features


def _in_channels(pictures, channels):
    from keras.layers import Concatenate

    return pictures if pictures.shape[-1] == channels else Concatenate()([pictures] * channels)


def _network(backbone):
    if backbone not in _NETWORKS:
        raise LabError(f"There is no backbone {backbone!r}. Choose one of: {', '.join(BACKBONES)}.")
    return _NETWORKS[backbone]


def _application(network):
    return getattr(backend.keras().applications, network.application)


def _keep_batch_normalization(network):
    """Freeze the layers that would take on the mean and variance of a few batches of pictures.

    Calling the network with ``training=False``, as the guide does, is not enough: ``fit``
    overrides it (https://github.com/keras-team/keras/issues/20285).
    """
    from keras import Model
    from keras.layers import BatchNormalization

    for layer in network.layers:
        if isinstance(layer, BatchNormalization):
            layer.trainable = False
        elif isinstance(layer, Model):
            _keep_batch_normalization(layer)


def _preprocessing(network, input_shape):
    """A model from pictures, 0 to 255, to what the network was trained on.

    Of layers and operations that Keras saves by name: a Lambda layer would hold code,
    which Keras refuses to load.
    """
    keras = backend.keras()
    from keras import layers

    height, width, _ = input_shape
    pictures = layers.Input(input_shape)
    x = _in_channels(pictures, 3)
    if min(height, width) < _SMALLEST:
        x = layers.Resizing(max(height, _SMALLEST), max(width, _SMALLEST))(x)
    if network.subtracts_mean:
        x = keras.ops.flip(x, axis=-1)  # red, green, blue to blue, green, red
        x = layers.Normalization(mean=_MEAN_BGR, variance=(1, 1, 1))(x)
    else:
        x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    return keras.Model(pictures, x, name="preprocessing")


def _path(weights, backbone, *, top):
    """Where the weights file is that a learner asked for."""
    if weights == "imagenet":
        return find_weights(backbone, top=top).path
    path = Path(weights)
    if not path.is_file() or path.suffix != ".h5":
        raise DataError(
            f"{path} is {'not a .h5 file' if path.is_file() else 'not there'}. Give a weights file "
            f"of {backbone} {'with' if top else 'without'} its top, or weights='imagenet'."
        )
    return path


def _load(network, path):
    """Load a weights file, from which Keras takes arrays and nothing else."""
    import h5py

    largest = 8 * network.count_params()  # bytes, with room for float64
    try:
        with h5py.File(path) as file:
            # A few bytes can claim to hold an array that fills the memory.
            file.visititems(lambda name, item: _check_size(name, item, largest))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one for each layer, before the error that says it all
            network.load_weights(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path} does not hold the weights of this network, or is damaged ({reason}). A "
            "backbone needs a file without the classifier on top, a classifier one with it. Give "
            "the right file, or weights='imagenet'."
        ) from error


def _check_size(name, item, largest):
    if getattr(item, "nbytes", 0) > largest:
        raise ValueError(f"{name} is larger than the whole network")
