"""Where a network looks."""

import numpy as np

from labkit import backend
from labkit.errors import LabError


def grad_cam(model, picture, label: int | None = None) -> np.ndarray:
    """Where in a picture a network sees a class: Grad-CAM.

    The network's last maps each answer to a pattern somewhere in the picture. Grad-CAM
    adds them up, each weighted by how much the class's score grows with it, and keeps
    what speaks for the class (Selvaraju et al., 2017, https://arxiv.org/abs/1610.02391).

    Args:
        model: a classifier with convolutions: what ``models.cnn``, ``models.transfer`` or
            ``models.classifier`` made, or one of your own.
        picture: one picture as the model takes it, ``(height, width, channels)``.
        label: the class's number; by default the one that the model finds most probable.

    Returns:
        ``float32`` of shape ``(height, width)``, from 0 to 1; 1 is where most speaks for
        the class. All 0 when nothing does.

    Raises:
        LabError: the model has no convolution, or the picture or label does not fit it.

    Example:
        >>> heat = models.grad_cam(model, data.x_test[0])
        >>> plt.imshow(data.x_test[0]); plt.imshow(heat, alpha=0.5)
    """
    keras = backend.keras()
    import tensorflow as tf

    picture = np.asarray(picture)
    if picture.shape != model.input_shape[1:]:
        raise LabError(
            f"The picture has the shape {picture.shape}, the model takes "
            f"{model.input_shape[1:]}. Give one picture of that shape, such as data.x_test[0]."
        )
    classes = max(2, model.output_shape[-1])
    if label is not None and not 0 <= label < classes:
        raise LabError(
            f"label is {label}; the model has the classes 0 to {classes - 1}. Give one of those, "
            "or leave it out."
        )
    inputs, outputs = _tensors(model)
    last = model.layers[-1]
    squashing = (keras.activations.softmax, keras.activations.sigmoid)
    squashed = getattr(last, "activation", None) in squashing
    before = outputs[-2] if squashed else outputs[-1]
    probe = keras.Model(inputs, [outputs[_last_maps(model, outputs)], before])
    pixels = tf.convert_to_tensor(picture[None], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(pixels)  # frozen layers are recorded, too
        maps, scores = probe(pixels, training=False)
        # The paper takes the score before the softmax, which flattens out where a network is sure.
        if squashed and isinstance(last, keras.layers.Dense):
            scores = keras.ops.matmul(scores, last.kernel)
            scores = scores + last.bias if last.use_bias else scores
        if scores.shape[-1] == 1:  # of the second class; what speaks against it is the first's
            scores = keras.ops.concatenate([-scores, scores], axis=-1)
        label = int(np.argmax(scores[0])) if label is None else label
        score = scores[0, label]
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1, keepdims=True))
    heat = tf.image.resize(heat, picture.shape[:2]).numpy()[0, :, :, 0]
    return heat / (heat.max() or 1)


def up_to_the_maps(model):
    """The part of a model that turns pictures into its last maps, sharing its layers.

    Raises:
        LabError: the model has no convolution.
    """
    inputs, outputs = _tensors(model)
    return backend.keras().Model(inputs, outputs[_last_maps(model, outputs)])


def _tensors(model):
    """The input of a model, and the output of each of its layers, in one connected graph."""
    from keras import Model, Sequential, layers

    if isinstance(model, Sequential):
        # Its layers' own tensors are from when they were added, each in a graph of its own.
        x = inputs = layers.Input(model.input_shape[1:])
        return inputs, [x := layer(x) for layer in model.layers]
    outputs = [layer.output for layer in model.layers]
    for i, layer in enumerate(model.layers[:-1]):
        if isinstance(
            layer, Model
        ):  # it knows its own tensors only; the layer after it, this one's
            outputs[i] = model.layers[i + 1].input
    return model.input, outputs


def _last_maps(model, outputs):
    """Which layer makes the last maps of features, before they are pooled."""
    from keras import Model, layers

    convolutions = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, Model)
    poolings = (layers.MaxPooling2D, layers.AveragePooling2D)
    found, features = None, False
    for i, (layer, output) in enumerate(zip(model.layers, outputs, strict=True)):
        shape = getattr(output, "shape", ())
        # Maps of one pixel are a classifier in the shape of a convolution.
        maps = len(shape) == 4 and tuple(shape[1:3]) != (1, 1)
        features = features or (maps and isinstance(layer, convolutions))
        if features and maps and not isinstance(layer, poolings):
            found = i
    if found is None:
        raise LabError(
            f"{model.name} has no convolution whose maps could be shown. Build one with "
            "models.cnn(data) or models.transfer(data)."
        )
    return found
