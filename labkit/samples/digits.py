"""Real handwritten digits, brought to the size and the convention of MNIST."""

import numpy as np

from labkit.samples.drawing import between
from labkit.samples.sample import Sample

SIZE, BOX = 28, 20
TRAIN, TEST = 2000, 497


def draw(seed: int) -> Sample:
    """The 1,797 digits that come with scikit-learn, as 28 × 28 pictures, white on black.

    The originals are 8 × 8 (``sklearn.datasets.load_digits``: the test part of
    "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI
    Machine Learning Repository, 1998). Each is enlarged, sharpened, fitted into a
    20 × 20 box and placed with its centre of mass in the middle, as LeCun and
    others did for MNIST ("Gradient-based learning applied to document
    recognition", Proceedings of the IEEE, 1998).

    The test set is 497 originals. The training set is the other 1,300 and 700
    slightly turned, sheared and stretched copies of them, so no original, nor
    a copy of it, is on both sides.
    """
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(seed)
    originals, labels = load_digits(return_X_y=True)
    originals = originals.reshape(-1, 8, 8)
    rest, test, copied = split(labels, seed)
    train = np.concatenate([rest, copied])
    x_train = [_to_mnist(originals[i]) for i in rest]
    x_train += [_to_mnist(originals[i], _deformation(rng)) for i in copied]
    order = rng.permutation(TRAIN)
    return Sample(
        x_train=np.stack(x_train)[order],
        y_train=labels[train][order].astype(np.int64),
        x_test=np.stack([_to_mnist(originals[i]) for i in test]),
        y_test=labels[test].astype(np.int64),
        class_names=tuple("0123456789"),
    )


def split(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which originals are for training, which for testing, and which get a copy.

    Training and testing keep the shares of the ten digits; the third array is
    part of the first.
    """
    from sklearn.model_selection import train_test_split

    rest, test = train_test_split(
        np.arange(len(labels)), test_size=TEST, stratify=labels, random_state=seed
    )
    return rest, test, np.random.default_rng(seed).permutation(rest)[: TRAIN - len(rest)]


def _deformation(rng) -> np.ndarray:
    """A small turn (up to 15°), shear and stretch, as a 2 × 2 matrix."""
    angle = np.radians(between(rng, -15, 15))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ [[between(rng, 0.8, 1.2), between(rng, -0.2, 0.2)], [0, 1]]


def _to_mnist(digit: np.ndarray, deformation=None) -> np.ndarray:
    """One 8 × 8 digit with values 0 to 16 as uint8 of shape (28, 28, 1)."""
    from PIL import Image

    # A black margin, so that strokes that touch the edge are closed there.
    small = np.zeros((12, 12), np.uint8)
    small[2:10, 2:10] = digit * (255 / 16)
    large = Image.fromarray(small).resize((72, 72), Image.Resampling.BICUBIC)
    if deformation is not None:
        centre = np.array([36, 36])
        (a, b), (c, d) = deformation
        e, f = centre - deformation @ centre
        large = large.transform(
            large.size, Image.Transform.AFFINE, (a, b, e, c, d, f), Image.Resampling.BILINEAR
        )
    # Sharpen: what is darker than 90 becomes black, what is lighter than 217 white.
    large = Image.fromarray(np.clip(np.asarray(large) * 2.0 - 180, 0, 255).astype(np.uint8))
    large = large.crop(large.getbbox())
    zoom = BOX / max(large.size)
    width, height = (max(1, round(side * zoom)) for side in large.size)
    ink = np.asarray(large.resize((width, height), Image.Resampling.BOX))

    down, across = np.indices(ink.shape)
    top = round(SIZE / 2 - 0.5 - np.average(down, weights=ink))
    left = round(SIZE / 2 - 0.5 - np.average(across, weights=ink))
    top, left = np.clip([top, left], 0, [SIZE - height, SIZE - width])
    picture = np.zeros((SIZE, SIZE, 1), np.uint8)
    picture[top : top + height, left : left + width, 0] = ink
    return picture
