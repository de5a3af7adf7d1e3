"""Model builders: data in, compiled Keras model out.

Every model takes raw pictures (``uint8``, 0 to 255): what its network wants done to
them first is part of it, so that a saved model needs no preparation around it. Every
classifier ends in a softmax and so returns probabilities, and is compiled with Adam,
sparse categorical cross-entropy (labels are whole numbers) and the metric ``accuracy``.
"""

from labkit.models.builders import cnn, mlp, softmax_regression
from labkit.models.explain import grad_cam
from labkit.models.transfer import classifier, decode, fine_tune, transfer

__all__ = [
    "classifier",
    "cnn",
    "decode",
    "fine_tune",
    "grad_cam",
    "mlp",
    "softmax_regression",
    "transfer",
]
