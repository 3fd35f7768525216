"""Data: named sets, tables, series, images, and the arrays of the Python API; `split.py` divides them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amalgam.datasets import (
    archive,
    digits,
    image_folder,
    image_table,
    images,
    mulan,
    packed,
    pixels,
    shapes3d,
    specs,
    table,
    texts,
    vision,
)
from amalgam.datasets.arrays import from_arrays
from amalgam.datasets.compressed import archive_of
from amalgam.datasets.loaded import DataOptions, Loaded, finish, narrowed
from amalgam.datasets.specs import ambiguous, names
from amalgam.errors import RequestError
from amalgam.progress import Progress, Silent

__all__ = ["DataOptions", "Loaded", "ambiguous", "files", "fitted", "from_arrays", "load", "meaning", "names"]

_FILES = {"size", "channels", "fit", "missing"}
_COLUMNS = {"labels", "tasks", "primary", "drop", "missing"}
_OPTIONS: dict[str, set[str]] = {
    ".arff": {"labels", "label_count", "label_position", "xml", "drop", "missing"},
    ".csv": {"image", "text", *_COLUMNS},
    ".tsv": {"image", "text", *_COLUMNS},
    ".parquet": _COLUMNS,
    "table of texts": {"text", "longest", "tokenizer", *_COLUMNS},
    "lines of texts": {"text", "longest", "tokenizer", "missing"},
    ".npz": {"missing", "channels"},
    ".npy": {"missing"},
    "series": {"series"},
    "shapes3d": {"count", "seed", "size", "tasks"},
    ".h5": {"count", "seed", "tasks"},
    "images": _FILES,
    "packed images": _FILES,
    "table of images": {"image", *_COLUMNS, *_FILES},
    "pixels": {"channels", "coarse"},
    "torchvision": {"channels", "coarse", "download"},
    "torchvision files": {"coarse", "download", *_FILES},
}
"""The kinds of files, by what their names end with, series and images; and the options that mean something for each."""


def load(spec: str, options: DataOptions | None = None, progress: Progress | None = None) -> Loaded:
    """The data that a SPEC names.

    Args:
        spec: `digits`, `digits-images`, `digits-numerals` or `shapes3d`; the name of a data set under
            `$AMALGAM_DATA`; `tslearn:Trace` or `torchvision:MNIST`, or another of their sets; a path to an `.arff`,
            `.csv`, `.tsv`, `.ts` or `.txt` file (also `.xz`, `.bz2`, `.gz`), to an `.npz`, `.npy`, `.parquet` or (3D
            Shapes) `.h5` file, to an IDX file of images, to a folder of series (NAME_TRAIN and NAME_TEST, or as
            HAR's), of images, or of MNIST's or CIFAR's files; to a `.tar` or `.zip` archive of images, or to a folder
            in one. `.ts` files and tslearn's sets are series; `.txt` files are with the option `series`, and others
            can be. With the option `text` a file holds texts. A file may lie in a `.zip`: `texts.zip/train.txt`.
        options: what the file does not say itself.
        progress: who shows how many images were opened.

    Returns:
        The rows (in memory; those of a bare `.npy` file and images in files stay on disk), feature names, and notes for
        the report. Series are (N, T, C), with NaN where a value is missing, texts series of their words' numbers;
        images are (N, C, H, W) from 0 to 1. Their labels are classes, of which a row has one, where the data says
        nothing else.

    Raises:
        RequestError: an unknown SPEC, an option that means nothing for it, or a file that cannot be read as it is.
    """
    options = options or DataOptions()
    kind, paths = specs.found(spec, options)
    if kind == "series" and options.missing != "refuse":
        raise RequestError(
            f"the data option `missing` means nothing for {spec}: missing values of series are masked, neither filled "
            "nor left out; leave it out"
        )
    if options.missing == "mean" and kind.endswith("of texts"):
        raise RequestError(f"the data option `missing` can be `refuse` or `drop_rows` for the texts of {spec}")
    _refuse_idle_options(spec, options, _OPTIONS.get(kind, set()))
    found = _read(kind, paths, spec, options, progress or Silent())
    return narrowed(found, options.only, spec) if options.only else found


def _read(kind: str, paths: list[Path], spec: str, options: DataOptions, progress: Progress) -> Loaded:
    match kind:
        case "series":
            return archive.read(Path(spec).name, paths) if paths else archive.read_tslearn(spec)
        case "torchvision" | "torchvision files":
            return vision.read(spec, options, progress)
        case "images":
            return images.finish(image_folder.read(paths[0]), options, progress)
        case "table of images":
            return images.finish(image_table.read(paths[0], options), options, progress)
        case "table of texts":
            return texts.read_table(paths[0], options)
        case "lines of texts":
            return texts.read_lines(paths[0], options)
        case "packed images":
            found = packed.read(paths[0], options, progress)
        case "pixels":
            found = pixels.read(paths[0], options)
        case ".npy":
            return table.read_npy(paths[0], options)
        case ".npz":
            found = table.read_npz(paths[0], options.channels)
            if found.inputs.ndim != 4:  # whether it holds images is only known now
                _refuse_idle_options(spec, options, {"missing"})
        case ".arff":
            found = mulan.read(paths, Path(spec).name, options)
        case ".parquet":
            found = table.read_parquet(paths[0], options)
        case ".csv" | ".tsv":
            found = table.read_csv(paths[0], options)
        case "shapes3d":
            found = shapes3d.read(options.count, options.seed, _square(spec, options.size), options.tasks)
        case ".h5":
            found = shapes3d.read_h5(paths[0], options.count, options.seed, options.tasks)
        case "digits-images":
            found = digits.read_images()
        case "digits-numerals":
            found = digits.read_numerals()
        case _:
            found = digits.read()
    return finish(found, options.missing)


def _square(spec: str, size: tuple[int, int] | None) -> int:
    height, width = size or (64, 64)
    if height != width:
        raise RequestError(
            f"{spec} draws square pictures, and the data option `size` is {[height, width]}; give one number"
        )
    return height


def files(spec: str, options: DataOptions | None = None) -> list[Path]:
    """The files that `load` reads; none for what is built in. They need not be there.

    Raises:
        RequestError: an unknown SPEC.
    """
    options = options or DataOptions()
    kind, paths = specs.found(spec, options)
    if kind.startswith("torchvision"):
        return vision.files(spec)
    if kind == "images":
        return image_folder.paths(paths[0])
    if kind == "table of images":
        return image_table.paths(paths[0], options)
    if kind == "pixels":
        return pixels.paths(paths[0], options.coarse)
    if kind == "packed images":
        return [packed.archive_in(paths[0]) or paths[0]]
    xml = mulan.label_file(paths[0], options) if kind == ".arff" else None
    return [archive_of(path) or path for path in (paths if xml is None else [*paths, xml])]


def fitted(spec: str, options: DataOptions, shape: Sequence[int]) -> DataOptions:
    """The options by which images come as (C, H, W), where the data has such options and they are not told."""
    means = meaning(spec, options)
    wanted = {"channels": shape[0], "size": tuple(shape[1:])}
    told = {name: value for name, value in wanted.items() if name in means and getattr(options, name) is None}
    return options.model_copy(update=told)


def meaning(spec: str, options: DataOptions | None = None) -> set[str]:
    """The names of the data options that mean something for the data of a SPEC."""
    return {"only", *_OPTIONS.get(specs.found(spec, options or DataOptions())[0], set())}


def _refuse_idle_options(spec: str, options: DataOptions, known: set[str]) -> None:
    every = {"only", *known}  # which goes for all data
    idle = [name for name, value in options if value != type(options).model_fields[name].default and name not in every]
    if idle:
        means = ", ".join(sorted(known)) or "none"
        raise RequestError(f"the data option `{idle[0]}` means nothing for {spec}; leave it out (known here: {means})")
