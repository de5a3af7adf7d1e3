"""Model builders: data in, compiled Keras model out.

Every model takes raw pictures (``uint8``, 0 to 255): what its network wants done to
them first is part of it, so that a saved model needs no preparation around it. Every
classifier returns probabilities, never logits: it ends in a softmax, or on request in
one sigmoid unit for two classes. It is compiled with Adam, cross-entropy for labels that
are whole numbers, and the metric ``accuracy``.
"""

from labkit.models.builders import cnn, cnn_bn, mlp, probabilities, softmax_regression
from labkit.models.explain import grad_cam
from labkit.models.transfer import classifier, decode, fine_tune, transfer

__all__ = [
    "classifier",
    "cnn",
    "cnn_bn",
    "decode",
    "fine_tune",
    "grad_cam",
    "mlp",
    "probabilities",
    "softmax_regression",
    "transfer",
]
