"""Pretrained weights: which the workshop knows, and where a machine has them.

What a network has learned from ImageNet's 1.3 million photographs comes as a file of
arrays, from the same sources as the data sets and checked like them.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from labkit import settings
from labkit.data import sources
from labkit.data.bucket import is_address
from labkit.data.download import PATIENCE, HostSilent, checksum, download, write_atomically
from labkit.data.sources import Availability
from labkit.errors import DataError

BACKBONES = (
    "MobileNet-0.25",
    "MobileNet",
    "MobileNetV2",
    "Xception",
    "InceptionV3",
    "ResNet50",
    "VGG16",
)
"""Networks by Keras's names, from small to large; "-0.25" is MobileNet with a quarter of its
filters (alpha=0.25)."""


class MissingWeights(DataError):
    """A file of pretrained weights is not on this machine and cannot be downloaded now."""


@dataclass(frozen=True)
class Weights:
    """A file of weights that was found."""

    path: Path
    backbone: str
    top: bool
    """Whether it holds ImageNet's classifier on top of the network."""
    kind: str
    """"folder", "mirror", "keras cache" or "download"."""
    verified: bool
    """Whether a checksum that we hold, or that lies beside the file, agreed."""


@dataclass(frozen=True)
class WeightsFile:
    """A file on its official host."""

    title: str
    url: str
    checksum: str
    """In hexadecimal: SHA-256 where the host's makers publish it, MD5 where they do not."""
    size: int | None
    """In bytes, when it is known."""
    other_names: tuple[str, ...] = ()
    """Under which it may lie in a ``LABKIT_DATA`` folder, besides the name in ``url``."""

    @property
    def filename(self) -> str:
        return self.url.rsplit("/", 1)[-1]

    @property
    def algorithm(self) -> str:
        """ "sha256" or "md5"."""
        return "sha256" if len(self.checksum) == 64 else "md5"

    def is_official(self, path: Path) -> bool:
        """Whether ``path`` holds what the official host offers."""
        return checksum(path, self.algorithm) == self.checksum


# Addresses and checksums: Keras 3.15 (keras/src/applications); those of MobileNet: Keras's
# development branch of 2026, which has taken to SHA-256. Keras has none for MobileNetV2: these
# are what MIA (https://github.com/MIAnalyzer/MIA) checks, whose others are the same as Keras's.
# An MD5 guards against damage and mix-ups; against worse, there is the https of the host.
_HOST = "https://storage.googleapis.com/tensorflow/keras-applications/"
_CLASSES = "imagenet_classes"
_OFFICIAL = (
    ("MobileNet-0.25", "mobilenet/mobilenet_2_5_224_tf",
     ("_no_top.h5", 2108140,
      "dbdb03ee2a22fd895301636cd328b234bb3a9952358f436d82f46b81e0d5b0bf"),
     (".h5", None,
      "98d047950e59f478af63681720906940efc8ce8cecb95bce5c7b47394f8bd63d")),
    ("MobileNet", "mobilenet/mobilenet_1_0_224_tf",
     ("_no_top.h5", 17225924,
      "9f9cfd8c925431c06ce96744e1d201575f6a681bf38ae2de38e2ae8f7d7829d3"),
     (".h5", 17225924,
      "006a2d9484fbea625dd4e6518652c101a3eca052671671c56265fc84f2e1181f")),
    ("MobileNetV2", "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224",
     ("_no_top.h5", 9406464, "f1a68526548f7541cda07e19ba6c85f4"),
     (".h5", 14536120, "321911b381f6fd09b744356f6796ee18")),
    ("Xception", "xception/xception_weights_tf_dim_ordering_tf_kernels",
     ("_notop.h5", 83683744, "b0042744bf5b25fce3cb969f33bebb97"),
     (".h5", 91884032, "0a58e3b7378bc2990ea3b43d5981f1f6")),
    ("InceptionV3", "inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels",
     ("_notop.h5", 87910968, "bcbd6486424b2319ff4ef7d526e38f63"),
     (".h5", 96112376, "9a0d58056eeedaa3f26cb7ebd46da564")),
    ("ResNet50", "resnet/resnet50_weights_tf_dim_ordering_tf_kernels",
     ("_notop.h5", 94765736, "4d473c1dd8becc155b73f8504c6f6626"),
     (".h5", 102967424, "2cb95161c43110f7111970584f804107")),
    ("VGG16", "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels",
     ("_notop.h5", 58889256, "6d6bbae143d832006294945121d1f1fc"),
     (".h5", 553467096, "64373286793e3c8b2b4e3219cbf3544b")),
)  # fmt: skip
_OTHER_NAMES = {"MobileNet-0.25": ("mobilenet_0.25_224_imagenet_notop.h5",)}


def _files():
    for backbone, stem, (bare, size, known), (topped, top_size, top_known) in _OFFICIAL:
        yield (
            backbone,
            WeightsFile(
                f"The weights of {backbone} without its top",
                _HOST + stem + bare,
                known,
                size,
                _OTHER_NAMES.get(backbone, ()),
            ),
        )
        yield (
            f"{backbone}-top",
            WeightsFile(
                f"The weights of {backbone} with its top",
                _HOST + stem + topped,
                top_known,
                top_size,
            ),
        )
    yield (
        _CLASSES,
        WeightsFile(
            "The list of ImageNet's class names",
            "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
            "c2c37ea517e94d9795004a39431a14cb",
            35363,
        ),
    )


WEIGHTS = dict(_files())
"""The files by the names that ``labkit data fetch`` takes: a backbone's for its convolutions
alone, with "-top" for the whole classifier, and ``imagenet_classes``."""


def find_weights(backbone: str, *, top: bool = False) -> Weights:
    """The weights that a backbone learned from ImageNet, from the first source that has them.

    1. ``LABKIT_DATA``: a folder that holds the file under Keras's name, or the address of a
       mirror with such a folder. A ``SHA256SUMS`` beside it must agree.
    2. Keras's cache (``~/.keras/models``), where the file is the official one.
    3. A download from the official host into labkit's own cache, unless
       ``LABKIT_OFFLINE=1``. A host that is silent for three seconds is left alone
       for twelve hours.

    With ``LABKIT_DATA=sample`` nothing is found, on every machine alike: no sample
    can stand in for weights.

    Args:
        backbone: one of :data:`BACKBONES`.
        top: with ImageNet's classifier of 1,000 classes on top.

    Returns:
        A :class:`Weights`, whose ``path`` can be read.

    Raises:
        MissingWeights: no source has the file; the text says where to put it and which
            command brings it.
        DataError: the name is unknown, or a file is there but damaged.

    Example:
        >>> find_weights("MobileNet-0.25").path.name
        'mobilenet_2_5_224_tf_no_top.h5'
    """
    if backbone not in BACKBONES:
        raise DataError(
            f"There is no backbone {backbone!r}. Choose one of: {', '.join(BACKBONES)}."
        )
    path, kind, verified = _find(f"{backbone}-top" if top else backbone)
    if not verified:
        print(
            f"Note: {path} is not the official file and no SHA256SUMS vouches for it. "
            "It is used, not verified."
        )
    return Weights(path, backbone, top, kind, verified)


def imagenet_classes() -> tuple[str, ...]:
    """The names of ImageNet's classes, in the order of a classifier's outputs.

    Raises:
        MissingWeights: no source has the list; see :func:`find_weights`.
        DataError: the file is there but damaged.

    Example:
        >>> imagenet_classes()[281]
        'tabby'
    """
    path, _, _ = _find(_CLASSES)
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        return tuple(str(index[str(i)][1]).replace("_", " ") for i in range(len(index)))
    except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path} is not ImageNet's list of classes ({error!r}). Delete it, then run "
            f"`labkit data fetch {_CLASSES}`."
        ) from error


def available_weights() -> tuple[Availability, ...]:
    """Which of the files are on this machine, without touching the network.

    Returns:
        For each of :data:`WEIGHTS` where it is; ``kind`` is "missing" and ``where`` says
        how to get it when it is nowhere.

    Raises:
        DataError: LABKIT_DATA names a folder that does not exist.

    Example:
        >>> [found.name for found in available_weights() if found.kind != "missing"]
        ['MobileNet-0.25']
    """
    return tuple(_availability(name) for name in WEIGHTS)


def fetch_weights(name: str, *, patience: float = PATIENCE) -> list[Path]:
    """Download official files into labkit's cache, unless they are there.

    Args:
        name: one of :data:`WEIGHTS`. With a classifier comes the list of its classes.
        patience: seconds to wait for the host's first answer.

    Raises:
        DataError: the name is unknown, or the download failed.

    Example:
        >>> fetch_weights("ResNet50")
        [PosixPath('…/downloads/weights/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5')]
    """
    names = [name, _CLASSES] if name.endswith("-top") else [name]
    return [_fetch(_file(each), patience) for each in names]


def mirror_weights(folder: Path | str, names: tuple[str, ...] = ()) -> dict[str, str]:
    """Put weights into a ``LABKIT_DATA`` folder, and their checksums into its ``SHA256SUMS``.

    Args:
        folder: made when missing, or the address of a bucket; what it holds already is kept.
        names: of :data:`WEIGHTS`; by default those that are on this machine already,
            because all of them together are over a gigabyte.

    Returns:
        For each name "mirrored" or the reason why it was left out.

    Example:
        >>> mirror_weights(Path("share"), ("ResNet50",))
        {'ResNet50': 'mirrored'}
    """
    outcome = {}
    used = {n for file in WEIGHTS.values() for n in (file.filename, *file.other_names)}
    with sources.mirror_at(folder, used) as here:
        for name in names or WEIGHTS:
            file = _file(name)
            try:
                path, _, _ = _find(name, offline=not names)
                if path.parent.resolve() != here.resolve():
                    with open(path, "rb") as original:
                        write_atomically(
                            here / file.filename,
                            lambda copy, original=original: shutil.copyfileobj(original, copy),
                        )
                outcome[name] = "mirrored"
            except DataError as error:
                if names or not isinstance(error, MissingWeights):
                    outcome[name] = f"left out: {error}"
        sources.write_sums(here, [here / name for name in used if (here / name).is_file()])
    return outcome


def _file(name):
    if name not in WEIGHTS:
        raise DataError(f"There are no weights {name!r}. Choose one of: {', '.join(WEIGHTS)}.")
    return WEIGHTS[name]


def _find(name, *, offline=False):
    """The path of a file, the kind of its source, and whether a checksum agreed."""
    file = _file(name)
    now = settings.read()
    offline = offline or now.offline
    reasons = []
    if now.data == "sample":
        raise _missing(name, ["LABKIT_DATA=sample allows nothing but the sample"])
    for candidate in (file.filename, *file.other_names):
        try:
            found = _in_labkit_data(candidate, file, now.data, offline)
        except (HostSilent, LookupError) as error:
            reasons.append(str(error).rstrip("."))
            continue
        if found:
            return found
    keras = sources.keras_home() / "models"
    for kind, path in (("keras cache", keras / file.filename), ("download", _download_path(file))):
        if path.is_file():
            if file.is_official(path):
                return path, kind, True
            reasons.append(f"{path} is damaged or not the official file, delete it")
    if offline:
        reasons.append("LABKIT_OFFLINE=1" if now.offline else "not downloaded yet")
    else:
        try:
            return _fetch(file, PATIENCE), "download", True
        except HostSilent as error:
            reasons.append(str(error).rstrip("."))
    raise _missing(name, reasons)


def _in_labkit_data(filename, file, data, offline):
    """The same as :func:`_find`, from LABKIT_DATA alone; None when it is not set.

    Raises:
        LookupError: it has no such file.
        HostSilent: the mirror does not answer.
        DataError: the file is there but damaged.
    """
    if not data:
        return None
    if is_address(data):
        kind, folder = "mirror", sources.copy_of_mirror(data, filename, offline=offline)
    else:
        kind, folder = "folder", sources.named_folder(data)
    path = folder / filename
    if not path.is_file():
        raise LookupError(f"{settings.shown(data)} has no {filename}")
    verified = sources.verify(folder, filename) or file.is_official(path)
    return path, kind, verified


def _fetch(file, patience):
    path = _download_path(file)
    if path.exists() and not file.is_official(path):
        path.unlink()  # our own cache: fetch it anew
    known = {file.algorithm: file.checksum}
    return download(file.url, path, **known, size=file.size, patience=patience)


def _download_path(file):
    return settings.read().cache / "downloads" / "weights" / file.filename


def _availability(name):
    try:
        path, kind, verified = _find(name, offline=True)
        return Availability(name, kind, str(path), verified)
    except MissingWeights:
        return Availability(name, "missing", f"run {_command(name)}", False)
    except DataError as error:
        return Availability(name, "missing", f"run {_command(name)}", False, str(error))


def _missing(name, reasons):
    file = WEIGHTS[name]
    data = settings.read().data
    folder = data if data and Path(data).is_dir() else "a folder, and set LABKIT_DATA to it"
    return MissingWeights(
        f"{file.title} ({file.filename}) cannot be found: {'; '.join(reasons)}. Run "
        f"{_command(name)} with internet access, or put {file.url} into {folder}."
    )


def _command(name):
    size = WEIGHTS[name].size
    megabytes = f" ({max(size / 1e6, 0.1):.1f} MB)" if size else ""
    return f"`labkit data fetch {name}`{megabytes}"
