"""Where series lie: files, folders as the UCR archive and UCI's HAR lay them out, named sets, and tslearn's."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from amalgam.datasets import series, ts, ucr
from amalgam.datasets.compressed import opened_text, plain_name
from amalgam.datasets.loaded import Loaded, as_float32
from amalgam.datasets.series import Part
from amalgam.errors import RequestError, listed, nearest

TSLEARN = "tslearn:"
"""What the SPEC of one of tslearn's sets begins with."""
BUNDLED = ("Trace",)
"""The sets that tslearn carries."""

_READERS: dict[str, Callable[[Path], Part]] = {
    ".ts": ts.read,
    ".tsv": ucr.read_text,
    ".txt": ucr.read_text,
    ".csv": ucr.read_text,
    ".arff": ucr.read_arff,
    ".npz": ucr.read_npz,
}
"""The kinds of files that can hold series, by what their names end with; of a folder's the first that is whole."""
KINDS = frozenset(_READERS)
_CLASSES = "activity_labels.txt"


def find(folder: Path) -> list[Path]:
    """The files that make up the set in a folder: NAME_TRAIN and NAME_TEST, or those of HAR.

    Raises:
        RequestError: the folder holds neither.
    """
    name = folder.resolve().name
    for kind in _READERS:
        parts = [_one(folder, f"{name}_{part}{kind}") for part in ("TRAIN", "TEST")]
        if all(parts):
            return [path for path in parts if path]
    pairs = [[_one(folder / part, f"{kind}_{part}.txt") for kind in "Xy"] for part in ("train", "test")]
    if all(pairs[0]):
        tested = [*pairs[0], *(pairs[1] if any(pairs[1]) else [])]
        return [path for path in (*tested, _one(folder, _CLASSES)) if path]
    raise RequestError(
        f"{folder} holds no series that can be read; expected {name}_TRAIN and {name}_TEST ({', '.join(_READERS)}), or "
        "train/X_train.txt and train/y_train.txt"
    )


def holds_series(folder: Path) -> bool:
    """Whether `find` finds a set in a folder."""
    try:
        return folder.is_dir() and bool(find(folder))
    except RequestError:
        return False


def folders() -> dict[str, list[Path]]:
    """Name → folders of the series under `$AMALGAM_DATA`, which is read anew at each call."""
    home = os.environ.get("AMALGAM_DATA")
    found: dict[str, list[Path]] = {}
    for root in (Path(home).expanduser() / "timeseries", Path(home).expanduser()) if home else ():
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if holds_series(folder):
                found.setdefault(folder.name, []).append(folder)
    return found


def read(name: str, paths: Sequence[Path]) -> Loaded:
    """The series of one file, or of the files of one set, one after the other.

    Raises:
        RequestError: names file and line of what is wrong.
    """
    if plain_name(paths[0]) == "X_train.txt" and len(paths) > 1:
        labels = [path for path in paths if plain_name(path) == _CLASSES]
        pairs = [path for path in paths if plain_name(path) != _CLASSES]
        if len(pairs) % 2:
            raise RequestError(f"{pairs[2].parent} holds only {pairs[2].name}, expected X_test.txt and y_test.txt")
        paths = pairs[::2]
        parts = [_har(values, classes, labels) for values, classes in zip(paths, pairs[1::2], strict=True)]
    else:
        parts = [_READERS[Path(plain_name(path)).suffix](path) for path in paths]
    return series.finish(name, parts, _origins([path.name for path in paths], parts))


def _origins(names: Sequence[str], parts: Sequence[Part]) -> list[str]:
    each = [f"{len(part.values)} rows from {name}" for name, part in zip(names, parts, strict=True)]
    return [", ".join(each)] if len(each) > 1 else []


def _one(folder: Path, name: str) -> Path | None:
    """A file of a folder, plain or compressed."""
    return next((path for end in ("", ".bz2", ".gz", ".xz") if (path := folder / f"{name}{end}").is_file()), None)


def _har(values: Path, classes: Path, labels: Sequence[Path]) -> Part:
    """Series in one file and the numbers of their classes in another; a third may name the classes."""
    part = ucr.read_text(values, classes=False)
    lines, said = _words(classes, 1)
    if len(said) != len(part.values):
        raise RequestError(
            f"{classes} has {len(said)} classes, expected {len(part.values)}, one for each row of {values}"
        )
    spelt = series.named(word for (word,) in said)
    if not labels:
        return replace(part, classes=spelt)
    numbers, names = zip(*_words(labels[0], 2)[1], strict=True)
    for what, told in (("number", numbers), ("class", names)):
        if len({*told}) < len(told):
            raise RequestError(f"{labels[0]} has the same {what} twice ({listed(told)}); leave one")
    distinct, place = np.unique(spelt, return_inverse=True)
    wrong = ~np.isin(distinct, ["", *numbers])
    if wrong.any():
        row = int(np.argmax(wrong[place]))
        raise RequestError(
            f"{classes} line {lines[row]}: the class {str(spelt[row])!r} is not among those of {labels[0]} "
            f"({listed(numbers)})"
        )
    meaning = dict(zip(numbers, names, strict=True)) | {"": ""}
    return replace(part, classes=np.array([meaning[str(one)] for one in distinct])[place], declared=names)


def _words(path: Path, count: int) -> tuple[list[int], list[list[str]]]:
    """The words of each line that is not empty, and the lines' numbers."""
    with opened_text(path) as text:
        told = [(number, line.split()) for number, line in enumerate(text, start=1) if line.strip()]
    for number, words in told:
        if len(words) != count:
            expected = "a class" if count == 1 else "a number and the class it stands for"
            raise RequestError(f"{path} line {number}: expected {expected}, found {' '.join(words)[:40]!r}")
    if not told:
        raise RequestError(f"{path} has no rows: it is empty or cut short")
    return [number for number, _ in told], [words for _, words in told]


def cached(spec: str) -> list[Path]:
    """The files of one of tslearn's sets: none for those it carries, nor for those it has not yet downloaded.

    Raises:
        RequestError: the SPEC names no set.
    """
    name = spec.removeprefix(TSLEARN)
    if not re.fullmatch(r"\w[\w-]*", name):  # tslearn would make, and empty, a folder of that name
        raise RequestError(f"data {spec!r} names no set of tslearn's; expected its name, such as {TSLEARN}{BUNDLED[0]}")
    folder = _cache() / name
    return find(folder) if name not in BUNDLED and holds_series(folder) else []


def read_tslearn(spec: str) -> Loaded:
    """One of tslearn's sets that is not `cached`, its training and test rows: bundled, else downloaded by tslearn.

    Source: https://tslearn.readthedocs.io/en/stable/gen_modules/tslearn.datasets.html.

    Raises:
        RequestError: no such set, or it cannot be downloaded.
    """
    name = spec.removeprefix(TSLEARN)
    if name in BUNDLED:
        return _bundled(spec, name)
    why = _downloaded(name)
    paths = cached(spec)
    if not paths:
        known = [*BUNDLED, *(path.name for path in sorted(_cache().glob("*")) if holds_series(path))]
        raise RequestError(
            f"data {spec!r} is neither bundled with tslearn ({', '.join(BUNDLED)}) nor in its cache {_cache()}, and "
            f"downloading it failed ({why}){nearest(name, known)}; check the name, or fetch the set's archive from "
            f"timeseriesclassification.com, unpack it into a folder named {name}, and give that folder's path"
        )
    return read(spec, paths)


def _bundled(spec: str, name: str) -> Loaded:
    from tslearn.datasets import CachedDatasets

    train, train_classes, test, test_classes = CachedDatasets().load_dataset(name)
    parts = [
        Part(
            path=f"{spec} {part}",
            values=as_float32(values),
            lengths=series.ends(values),
            classes=series.named(classes.astype(np.str_)),
            declared=None,
            lines=np.arange(len(values)),
            unit="row",
        )
        for part, values, classes in (("train", train, train_classes), ("test", test, test_classes))
    ]
    return series.finish(spec, parts, _origins(["its training part", "its test part"], parts))


def _cache() -> Path:
    """Where tslearn keeps what it downloads."""
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) / "tslearn" if home else Path.home() / ".tslearn" / "datasets") / "UCR_UEA"


def _downloaded(name: str) -> str:
    """Have tslearn download a set into its cache, and what it says about it: it hides some failures."""
    from tslearn.datasets import UCR_UEA_datasets

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            UCR_UEA_datasets().load_dataset(name)
        except (OSError, AttributeError, ValueError, EOFError) as error:
            return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return "; ".join(" ".join(str(one.message).split()) for one in said) or "tslearn gives no reason"
