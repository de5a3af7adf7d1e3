"""Which data sets the workshop knows, and where the real ones come from."""

from dataclasses import dataclass

from labkit.errors import DataError
from labkit.samples import clothing, pets, scenes, seedlings, table


@dataclass(frozen=True)
class Remote:
    """A file on its official host."""

    url: str
    sha256: str
    size: int
    """In bytes."""

    @property
    def filename(self) -> str:
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Entry:
    """One data set of the catalogue."""

    name: str
    title: str
    form: str
    """How it lies in a ``LABKIT_DATA`` folder, "npz", "pictures" or "csv"."""
    input_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    homepage: str
    remotes: tuple[Remote, ...] = ()
    """What ``load`` downloads; empty when the host has no file that we can verify."""
    keras_cache: tuple[str, ...] = ()
    """Where Keras keeps the same files, below its ``datasets`` folder."""
    feature_names: tuple[str, ...] = ()
    target_name: str = "label"

    @property
    def path(self) -> str:
        """Its file or folder name in a ``LABKIT_DATA`` folder."""
        return {"npz": f"{self.name}.npz", "csv": f"{self.name}.csv"}.get(self.form, self.name)

    @property
    def how_to_get(self) -> str:
        """What a user does to have the real data."""
        if self.remotes:
            return f"run `labkit data fetch {self.name}` with internet access"
        if self.form == "csv":
            return f"put {self.path} into a folder and set LABKIT_DATA to it"
        return (
            f"get the pictures from {self.homepage}, lay them out as "
            f"{self.path}/train/<class>/ and {self.path}/validation/<class>/ in a folder, "
            "and set LABKIT_DATA to it"
        )


# Addresses and checksums: Keras 3.15 (keras/src/datasets) and TensorFlow Datasets
# (url_checksums/fashion_mnist.txt, url_checksums/cifar10.txt).
_KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_FASHION = (
    ("train-images-idx3-ubyte.gz", 26421880,
     "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    ("train-labels-idx1-ubyte.gz", 29515,
     "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    ("t10k-images-idx3-ubyte.gz", 4422102,
     "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    ("t10k-labels-idx1-ubyte.gz", 5148,
     "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)  # fmt: skip

CATALOGUE = {
    entry.name: entry
    for entry in (
        Entry(
            name="mnist",
            title="MNIST: handwritten digits",
            form="npz",
            input_shape=(28, 28, 1),
            class_names=tuple("0123456789"),
            homepage="http://yann.lecun.com/exdb/mnist/",
            remotes=(
                Remote(
                    _KERAS + "mnist.npz",
                    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
                    11490434,
                ),
            ),
            keras_cache=("mnist.npz",),
        ),
        Entry(
            name="fashion_mnist",
            title="Fashion-MNIST: clothes",
            form="npz",
            input_shape=(28, 28, 1),
            class_names=clothing.CLASS_NAMES,
            homepage="https://github.com/zalandoresearch/fashion-mnist",
            remotes=tuple(Remote(_KERAS + file, sha, size) for file, size, sha in _FASHION),
            keras_cache=tuple(f"fashion-mnist/{file}" for file, _, _ in _FASHION),
        ),
        Entry(
            name="cifar10",
            title="CIFAR-10: small colour photographs",
            form="npz",
            input_shape=(32, 32, 3),
            class_names=scenes.CLASS_NAMES,
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
            # The binary form: Keras's own cache holds pickles, which labkit does not open.
            remotes=(
                Remote(
                    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                    170052171,
                ),
            ),
        ),
        Entry(
            name="cats_and_dogs",
            title="Cats and dogs: photographs",
            form="pictures",
            input_shape=(64, 64, 3),
            class_names=pets.CLASS_NAMES,
            homepage="https://www.tensorflow.org/tutorials/images/transfer_learning",
        ),
        Entry(
            name="plant_seedlings",
            title="Plant seedlings: photographs of twelve species",
            form="pictures",
            input_shape=(64, 64, 3),
            class_names=seedlings.CLASS_NAMES,
            homepage="https://vision.eng.au.dk/plant-seedlings-dataset/",
        ),
        Entry(
            name="linear_regression",
            title="Linear regression: a table of five variables and an output",
            form="csv",
            input_shape=(5,),
            class_names=(),
            homepage="",
            feature_names=table.FEATURES,
            target_name="output",
        ),
    )
}
"""The data sets that :func:`labkit.load` knows, by their names."""


def entry(name: str) -> Entry:
    """The catalogue's entry of that name.

    Raises:
        DataError: there is none.
    """
    if name not in CATALOGUE:
        raise DataError(f"There is no data set {name!r}. Choose one of: {', '.join(CATALOGUE)}.")
    return CATALOGUE[name]
