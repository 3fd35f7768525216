"""What a SPEC names: built-in data, files and folders by their kind, and what lies under `$AMALGAM_DATA`."""

from __future__ import annotations

import os
from pathlib import Path

from amalgam.datasets import archive, image_folder, mulan, packed, pixels, table, vision
from amalgam.datasets.compressed import archive_of, plain_name
from amalgam.datasets.loaded import DataOptions
from amalgam.errors import RequestError, listed, nearest

BUILT_IN = ("digits", "digits-images", "digits-numerals", "shapes3d")
"""What needs no file: it comes with scikit-learn, or is drawn."""
TABLES = frozenset({".arff", ".csv", ".tsv", ".parquet", ".npz", ".npy"})
"""The kinds of files that hold a row a row, by what their names end with."""
_ELSEWHERE = {
    "cifar-100": ("the files of CIFAR-100's binary version", "https://www.cs.toronto.edu/~kriz/cifar.html"),
    "dogs-vs-cats": ("its images, in sub-folders cat and dog,", "https://www.kaggle.com/c/dogs-vs-cats"),
    "flowers-17": (
        "its images, in a sub-folder for each class,", "https://www.robots.ox.ac.uk/~vgg/data/flowers/17",
    ),
}  # fmt: skip
"""What recipes on the shelf read below `$AMALGAM_DATA/images`, and where it can be had."""
_COMPRESSIBLE = {".arff", ".csv", ".tsv", ".ts", ".txt"}


def names() -> list[str]:
    """The data that can be named: what is built in, and what is found under `$AMALGAM_DATA`, in alphabetical order."""
    bundled = (archive.TSLEARN + name for name in archive.BUNDLED)
    return sorted({*BUILT_IN, *bundled, *vision.names(), *_folders(), *archive.folders(), *_image_folders()})


def ambiguous(spec: str) -> bool:
    """Whether a SPEC is a file that may be a table or hold series: the option `series` says which."""
    kind = Path(plain_name(Path(spec))).suffix
    return kind in archive.KINDS and kind != ".ts" and Path(spec).expanduser().is_file() and not _named(spec)


def found(spec: str, options: DataOptions) -> tuple[str, list[Path]]:
    """The kind of data that a SPEC names, and its files; none for what is built in or not yet downloaded."""
    if spec in BUILT_IN:
        return spec, []
    if spec.startswith(archive.TSLEARN):
        return "series", archive.cached(spec)
    if spec.startswith(vision.PREFIX):
        return "torchvision files" if vision.of_files(spec) else "torchvision", []
    if named := _named(spec):
        return named
    path = _placed(spec)
    if path.is_dir():
        return _in_folder(path)
    if pixels.is_pixels(path):
        return "pixels", [path]
    if path.is_file() and image_folder.is_image(path):
        return "images", [path]
    if path.suffix == ".h5":
        return ".h5", [path]
    if packed.leads_to_images(path):
        return "packed images", [path]
    kind = Path(plain_name(path)).suffix
    if kind in archive.KINDS | TABLES and (path.suffix == kind or kind in _COMPRESSIBLE):
        if kind == ".ts" or (options.series and kind in archive.KINDS):
            return "series", [path]
        if archive_of(path) is not None and (path.suffix != kind or kind in (".npz", ".npy", ".parquet")):
            raise RequestError(
                f"data {spec!r} is in a ZIP archive, of which only text files that are not compressed by themselves "
                "are read; unpack it"
            )
        return _of_table(spec, kind, options), [path]
    raise _unknown(spec, path)


def _placed(spec: str) -> Path:
    """The path of a file, or of one in a ZIP archive, here or below the folder that `AMALGAM_DATA` names."""
    home, path = os.environ.get("AMALGAM_DATA"), Path(spec).expanduser()
    below = Path(home).expanduser() / path if home else path
    inside = archive_of(path) or packed.archive_in(path)
    return path if path.exists() or inside or not (below.is_file() or packed.archive_in(below)) else below


def _of_table(spec: str, kind: str, options: DataOptions) -> str:
    """The kind of data in a file whose lines are rows."""
    if kind in (".csv", ".tsv") and options.image is not None:
        return "table of images"
    if kind in (".csv", ".tsv") and options.columns_of_text:
        return "table of texts"
    if kind == ".txt" and options.text in ("lines", "plain"):
        return "lines of texts"
    if kind == ".txt":
        raise RequestError(
            f"data {spec!r} can be read as series, or as texts; {table.SERIES}, or the data option `text` to `lines` "
            "for a text a line after its class, `plain` for a text a line"
        )
    return kind


def _in_folder(folder: Path) -> tuple[str, list[Path]]:
    """The kind of data in a folder: series, or else the files of MNIST or CIFAR, or else images."""
    try:
        return "series", archive.find(folder)
    except RequestError as error:
        if pixels.holds_pixels(folder):
            return "pixels", [folder]
        if image_folder.holds_images(folder):
            return "images", [folder]
        if one := packed.in_folder(folder):
            return "packed images", [one]
        raise RequestError(
            f"{error}; nor does it hold {image_folder.EXPECTED}, or MNIST's (…-images-idx3-ubyte) or "
            "CIFAR's binary files (train.bin, fine_label_names.txt)"
        ) from None


def _named(spec: str) -> tuple[str, list[Path]] | None:
    """What a name means under `$AMALGAM_DATA`, if it means anything."""
    tables, pictures, series = _folders().get(spec), _image_folders().get(spec), archive.folders().get(spec, [])
    places = [*series, *(one for one in (tables, pictures) if one is not None)]
    if len(places) > 1:
        raise RequestError(f"{spec!r} names several data sets, {listed(places)}; give the path of the one you mean")
    if tables is not None:
        return ".arff", mulan.find(tables)
    return _in_folder(places[0]) if places else None


def _image_folders() -> dict[str, Path]:
    """Name → folder of the images in `$AMALGAM_DATA/images`, which is read anew at each call."""
    home = os.environ.get("AMALGAM_DATA")
    root = Path(home).expanduser() / "images" if home else None
    folders = sorted(root.iterdir()) if root is not None and root.is_dir() else []
    return {
        one.name: one
        for one in folders
        if one.is_dir()
        and (pixels.holds_pixels(one) or image_folder.holds_images(one) or packed.in_folder(one) is not None)
    }


def _folders() -> dict[str, Path]:
    """Name → folder of the MULAN data sets under `$AMALGAM_DATA`, which is read anew at each call."""
    home = os.environ.get("AMALGAM_DATA")
    found: dict[str, Path] = {}
    for root in (Path(home).expanduser() / "multilabel", Path(home).expanduser()) if home else ():
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if folder.is_dir() and any(folder.glob(f"{folder.name}*.arff*")):
                found.setdefault(folder.name, folder)
    return found


def _unknown(spec: str, path: Path) -> RequestError:
    if path.exists():
        return RequestError(
            f"data {spec!r} is of no kind that can be read; expected a file named .arff, .csv, .tsv, .ts, .txt (also "
            ".xz, .bz2, .gz), .npz, .npy, .parquet or .h5, an image, an archive of images (.tar, .zip), or a folder of "
            "series or of images"
        )
    if spec in _ELSEWHERE:
        what, where = _ELSEWHERE[spec]
        home = os.environ.get("AMALGAM_DATA")
        folder = f"{Path(home).expanduser() / 'images' / spec}" if home else f"images/{spec} in a folder that you make"
        named = "" if home else ", and let the environment variable AMALGAM_DATA name that"
        return RequestError(f"data {spec!r} is not there: fetch {what} from {where} and put them into {folder}{named}")
    known = names()
    hint = (
        "" if os.environ.get("AMALGAM_DATA") else "; set AMALGAM_DATA to a folder of MULAN, UCR or image sets for more"
    )
    return RequestError(
        f"unknown data {spec!r}{nearest(spec, known)} (known: {', '.join(known)}, or the path of a file{hint})"
    )
