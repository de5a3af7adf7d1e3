"""Keras, imported the same way everywhere."""

import os
import sys
import tempfile


def keras():
    """The Keras package, imported without TensorFlow's start-up messages.

    TensorFlow's libraries write a page of notes about the processor to standard
    error before any log level applies. What they write is shown after all when the
    import fails.

    Raises:
        ImportError: Keras or TensorFlow is not installed, or does not start here.

    Example:
        >>> from labkit import keras    # the same as `import keras`, but quiet
    """
    if "keras" in sys.modules:
        return sys.modules["keras"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no "failed call to cuInit" without a GPU
    with tempfile.TemporaryFile() as notes:
        sys.stderr.flush()
        stderr = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            import keras
            import tensorflow as tf
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    # Without its remarks on "retracing", which a learner can do nothing about.
    tf.get_logger().setLevel("ERROR")
    return keras
