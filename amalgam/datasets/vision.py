"""Sets that torchvision knows, `torchvision:NAME` or `torchvision:NAME/part`, read from where torchvision puts them.

Files are read here, not by torchvision, whose own readers want all of them whole and load some with pickle. It is asked
to download, and for names of classes.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from amalgam.datasets import breeds, pixels, tagged
from amalgam.datasets.compressed import opened
from amalgam.datasets.images import Album
from amalgam.datasets.images import finish as finish_images
from amalgam.datasets.loaded import DataOptions, Loaded, finish
from amalgam.datasets.pixels import Batch
from amalgam.errors import RequestError, listed, nearest
from amalgam.progress import Progress

PREFIX = "torchvision:"
"""What the SPEC of one of torchvision's sets begins with."""
_PARTS: dict[str, tuple[str, ...]] = {
    "MNIST": ("train", "test"),
    "FashionMNIST": ("train", "test"),
    "KMNIST": ("train", "test"),
    "CIFAR10": ("train", "test"),
    "CIFAR100": ("train", "test"),
    "VOC2007": ("trainval", "test"),
    "VOC2012": ("trainval",),
    "CelebA": ("train", "valid", "test"),
    "OxfordIIITPet": ("trainval", "test"),
    "Flowers102": ("train", "val", "test"),
}
"""The sets and their parts, of which all are read by default."""
_OF_FILES = {"VOC2007", "VOC2012", "CelebA", "OxfordIIITPet", "Flowers102"}
_COARSE = ("CIFAR100", "OxfordIIITPet")  # the sets whose rows have a coarse class, too


def of_files(spec: str) -> bool:
    """Whether the images of a set are files, not arrays."""
    return _meant(spec)[0] in _OF_FILES


def names() -> list[str]:
    """The SPECs of the sets that are there under `$AMALGAM_DATA`."""
    if not os.environ.get("AMALGAM_DATA"):
        return []
    return [PREFIX + name for name, parts in _PARTS.items() if not _missing(_root(), _needed(name, parts))]


def files(spec: str) -> list[Path]:
    """The files that `read` reads; those of a list of images are known only if the list is there."""
    name, parts = _meant(spec)
    root, needed = _root(), _needed(name, parts)
    there = [_there(root / one) or root / one for one in needed]
    if name not in _OF_FILES or _missing(root, needed):
        return [path for path in there if not path.is_dir()]
    images = tagged.voc_paths(_voc(root, name), parts) if name.startswith("VOC") else _album(name, parts, root).paths()
    return [*(path for path in there if path.is_file()), *images]


def read(spec: str, options: DataOptions, progress: Progress) -> Loaded:
    """A set, all of its parts one after the other, or the one that is named.

    Raises:
        RequestError: no such set or part, files that are not there (and are not to be downloaded) or damaged, or
            coarse classes asked of a set that has none.
    """
    name, parts = _meant(spec)
    if options.coarse and name not in _COARSE:
        raise RequestError(
            f"the data option `coarse` means nothing for {spec}: of torchvision's sets {' and '.join(_COARSE)} alone "
            "have coarse classes; leave it out"
        )
    root, needed = _root(), _needed(name, parts)
    if options.download and _missing(root, needed):
        _download(spec, name, parts, root)
    if missing := _missing(root, needed):
        raise RequestError(
            f"data {spec!r} is not there: {root} lacks {listed(missing)}; put the set's files there (the environment "
            "variable AMALGAM_DATA names another folder), or set the data option `download` to true"
        )
    if name in _OF_FILES:
        return finish_images(_album(name, parts, root, options.coarse), options, progress)
    there = [path for one in needed if (path := _there(root / one)) is not None]
    classes: list[str] | None = None
    coarse: list[str] | None = None
    if name.startswith("CIFAR"):
        classes = _cifar_classes(there[0])
        coarse = _cifar_classes(there[0], coarse=True) if options.coarse else None
        batches = [_cifar(path, options.coarse) for path in there[1:]]
    else:
        classes = None if name == "MNIST" else _classes(name)
        batches = [pixels.read_idx(path) for path in there if pixels.is_pixels(path)]
    return finish(pixels.table(spec, batches, classes, options.channels, coarse), options.missing)


def _album(name: str, parts: Sequence[str], root: Path, coarse: bool = False) -> Album:
    """The images of a set of files."""
    match name:
        case "CelebA":
            return tagged.celeba(root / "celeba", parts)
        case "OxfordIIITPet":
            return breeds.pets(root / "oxford-iiit-pet", parts, coarse)
        case "Flowers102":
            return breeds.flowers(root / "flowers-102", parts, _classes(name))
        case _:
            return tagged.voc(_voc(root, name), parts)


def _meant(spec: str) -> tuple[str, tuple[str, ...]]:
    """The name of a set, and the parts that are wanted."""
    name, _, part = spec.removeprefix(PREFIX).partition("/")
    if name not in _PARTS:
        raise RequestError(
            f"data {spec!r} names no set of torchvision's that can be read{nearest(name, _PARTS)} (known: "
            f"{', '.join(_PARTS)})"
        )
    if part and part not in _PARTS[name]:
        raise RequestError(f"data {spec!r} names no part of {name}; it has {listed(_PARTS[name])}")
    return name, (part,) if part else _PARTS[name]


def _root() -> Path:
    """The folder of torchvision's sets."""
    home = os.environ.get("AMALGAM_DATA")
    return Path(home).expanduser() if home else user_cache_path("amalgam") / "datasets"


def _voc(root: Path, name: str) -> Path:
    return root / "VOCdevkit" / name


def _needed(name: str, parts: Sequence[str]) -> list[str]:
    """What a set's parts are read from, below the root, as torchvision lays it out."""
    if name == "CelebA":
        return [f"celeba/{one}" for one in ("list_attr_celeba.txt", "list_eval_partition.txt", "img_align_celeba")]
    if name == "OxfordIIITPet":
        return [f"oxford-iiit-pet/{one}" for one in (*(f"annotations/{part}.txt" for part in parts), "images")]
    if name == "Flowers102":
        return [f"flowers-102/{one}" for one in ("imagelabels.mat", "setid.mat", "jpg")]
    if name in _OF_FILES:
        lists = [f"ImageSets/Main/{part}.txt" for part in parts]
        return [f"VOCdevkit/{name}/{one}" for one in (*lists, "Annotations", "JPEGImages")]
    if name == "CIFAR100":
        return [f"cifar-100-python/{one}" for one in ("meta", *parts)]
    if name == "CIFAR10":
        batches = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
        return [
            f"cifar-10-batches-py/{one}" for one in ("batches.meta", *(one for part in parts for one in batches[part]))
        ]
    short = {"train": "train", "test": "t10k"}
    kinds = ("images-idx3-ubyte", "labels-idx1-ubyte")
    return [f"{name}/raw/{short[part]}-{kind}" for part in parts for kind in kinds]


def _there(path: Path) -> Path | None:
    """A file, plain or as it was downloaded; or a folder."""
    return next((one for one in (path, path.with_name(f"{path.name}.gz")) if one.exists()), None)


def _missing(root: Path, needed: Sequence[str]) -> list[str]:
    return [one for one in needed if _there(root / one) is None]


def _classes(name: str) -> list[str]:
    from torchvision import datasets

    return list(getattr(datasets, name).classes)


def _download(spec: str, name: str, parts: Sequence[str], root: Path) -> None:
    from torchvision import datasets

    try:
        if name == "CelebA":
            datasets.CelebA(root, split="all", download=True)
        for part in () if name == "CelebA" else parts:
            if name in ("OxfordIIITPet", "Flowers102"):
                getattr(datasets, name)(root, split=part, download=True)
            elif name in _OF_FILES:
                datasets.VOCDetection(root, year=name.removeprefix("VOC"), image_set=part, download=True)
            else:
                getattr(datasets, name)(root, train=part == "train", download=True)
    except (OSError, RuntimeError, ImportError) as error:
        raise RequestError(
            f"data {spec!r} could not be downloaded ({' '.join(str(error).split())}); fetch the set's files yourself "
            f"and put them into {root}: {listed(_needed(name, parts))}"
        ) from None


class _Held:
    """Stands for numpy's array, or its type, while a pickle is read: it keeps what it is told and does nothing."""

    state: Any = None

    def __init__(self, *told: Any) -> None:
        self.told = told

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Plain(pickle.Unpickler):
    """Reads numbers, texts, lists and mappings, and the bytes of arrays; whatever else a pickle asks for is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in for one of the three things that an array is made with."""
        numpys = module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
        if numpys and name in ("_reconstruct", "ndarray", "dtype"):
            return _Held
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no file of this set needs")


_DAMAGED = (
    pickle.UnpicklingError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, EOFError, MemoryError,
)  # fmt: skip


def _unpickled(path: Path) -> dict[str, Any]:
    """The mapping in one of CIFAR's files for Python."""
    with opened(path) as stream:
        try:
            content = _Plain(stream, encoding="latin1").load()
        except _DAMAGED as error:
            raise RequestError(f"{path} is damaged or none of CIFAR's files ({error}); fetch it again") from None
    return content if isinstance(content, dict) else {}


def _cifar_classes(path: Path, coarse: bool = False) -> list[str]:
    content = _unpickled(path)
    found = content.get("coarse_label_names") if coarse else content.get("label_names", content.get("fine_label_names"))
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise RequestError(f"{path} names no {'coarse ' if coarse else ''}classes; fetch it again")
    return found


def _cifar(path: Path, coarse: bool = False) -> Batch:
    content = _unpickled(path)
    pixels_of, classes = _bytes(content.get("data")), _numbers(content.get("labels", content.get("fine_labels")))
    if not len(classes) or len(pixels_of) != len(classes) * 3072:
        raise RequestError(f"{path} holds no 32×32 images and their classes; fetch it again")
    upper = _numbers(content.get("coarse_labels")) if coarse else None
    if upper is not None and len(upper) != len(classes):
        raise RequestError(f"{path} has {len(upper)} coarse classes, expected {len(classes)}; fetch it again")
    return Batch(path, np.frombuffer(pixels_of, np.uint8).reshape(-1, 3, 32, 32), classes, upper)


def _numbers(told: object) -> NDArray[np.uint8]:
    """Classes (n,) as a file lists them; none where the list holds anything else."""
    whole = isinstance(told, list) and all(type(one) is int and 0 <= one < 256 for one in told)
    return np.array(told if whole else [], np.uint8)


def _bytes(held: object) -> bytes:
    """The content of an array (n, 3072) of bytes; nothing of any other."""
    state = held.state if isinstance(held, _Held) else None
    match state:
        case (_, (int(), 3072), _Held(told=("u1", *_)), False, bytes() as content):
            return content
        case (_, (int(), 3072), _Held(told=("u1", *_)), False, str() as content):  # as Python 2 wrote them
            return content.encode("latin1")
    return b""
