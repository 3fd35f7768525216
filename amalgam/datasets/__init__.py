"""Data: named sets, tables, series, and the arrays of the Python API; `split.py` divides them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from amalgam.datasets import archive, digits, mulan, table
from amalgam.datasets.compressed import plain_name
from amalgam.datasets.loaded import DataOptions, Loaded, finish
from amalgam.errors import RequestError, listed, nearest
from amalgam.labels import canonical
from amalgam.signals import TensorRows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["DataOptions", "Loaded", "ambiguous", "files", "from_arrays", "load", "names"]

_OPTIONS: dict[str, set[str]] = {
    ".arff": {"labels", "label_count", "label_position", "xml", "drop", "missing"},
    ".csv": {"labels", "drop", "missing"},
    ".tsv": {"labels", "drop", "missing"},
    ".parquet": {"labels", "drop", "missing"},
    ".npz": {"missing"},
    ".npy": {"missing"},
    "series": {"series"},
}
"""The kinds of files, by what their names end with, and series; and the options that mean something for each."""
_COMPRESSIBLE = {".arff", ".csv", ".tsv", ".ts", ".txt"}


def load(spec: str, options: DataOptions | None = None) -> Loaded:
    """The data that a SPEC names.

    Args:
        spec: `digits`; the name of a data set under `$AMALGAM_DATA`; `tslearn:Trace`, or another of tslearn's sets; a
            path to an `.arff`, `.csv`, `.tsv`, `.ts` or `.txt` file (also `.xz`, `.bz2`, `.gz`), to an `.npz`, `.npy`
            or `.parquet` file, or to a folder of series (NAME_TRAIN and NAME_TEST, or as HAR's). `.ts` files, folders
            and tslearn's sets are series; `.txt` files are with the option `series`, and others can be.
        options: what the file does not say itself.

    Returns:
        The rows (in memory; those of a bare `.npy` file stay on disk), feature names, and notes for the report. Series
        are (N, T, C), with NaN where a value is missing; their labels are classes, of which a row has one.

    Raises:
        RequestError: an unknown SPEC, an option that means nothing for it, or a file that cannot be read as it is.
    """
    options = options or DataOptions()
    kind, paths = _found(spec, options)
    if kind == "series" and options.missing != "refuse":
        raise RequestError(
            f"the data option `missing` means nothing for {spec}: missing values of series are masked, neither filled "
            "nor left out; leave it out"
        )
    _refuse_idle_options(spec, options, _OPTIONS.get(kind, set()))
    if kind == "series":
        return archive.read(Path(spec).name, paths) if paths else archive.read_tslearn(spec)
    if not paths:
        return finish(digits.read(), options.missing)
    if kind == ".npy":
        return table.read_npy(paths[0], options)
    if kind == ".arff":
        return finish(mulan.read(paths, Path(spec).name, options), options.missing)
    if kind == ".npz":
        return finish(table.read_npz(paths[0]), options.missing)
    reader = table.read_parquet if kind == ".parquet" else table.read_csv
    return finish(reader(paths[0], options), options.missing)


def files(spec: str, options: DataOptions | None = None) -> list[Path]:
    """The files that `load` reads; none for what is built in. They need not be there.

    Raises:
        RequestError: an unknown SPEC.
    """
    kind, paths = _found(spec, options or DataOptions())
    xml = mulan.label_file(paths[0], options or DataOptions()) if kind == ".arff" else None
    return paths if xml is None else [*paths, xml]


def ambiguous(spec: str) -> bool:
    """Whether a SPEC is a file that may be a table or hold series: the option `series` says which."""
    kind = Path(plain_name(Path(spec))).suffix
    return kind in archive.KINDS and kind != ".ts" and Path(spec).expanduser().is_file() and not _named(spec)


def names() -> list[str]:
    """The data that can be named: what is built in, and what is found under `$AMALGAM_DATA`, in alphabetical order."""
    return sorted({"digits", *(archive.TSLEARN + name for name in archive.BUNDLED), *_folders(), *archive.folders()})


def from_arrays(
    inputs: ArrayLike | torch.Tensor,
    annotated: ArrayLike | torch.Tensor | None = None,
    labels: Sequence[str] = (),
) -> TensorRows:
    """Rows of arrays in memory; nothing is copied that is float32 already.

    Args:
        inputs: (N, ...), finite numbers; in series (N, T, C) NaN is a missing value, or one beyond a series' end.
        annotated: (N, L) of 0, 1, and NaN where nobody annotated; None for unlabelled data.
        labels: L names.

    Raises:
        RequestError: says which argument, and which row, is not so.
    """
    values = _tensor(inputs, "inputs")
    if values.ndim < 2 or 0 in values.shape:
        raise RequestError(
            f"inputs have the shape {tuple(values.shape)}, expected (rows, columns, …) and at least a row"
        )
    series = values.ndim == 3
    wrong = (values.isinf() | (values.isnan() & (not series))).flatten(1).any(1)
    if bool(wrong.any()):
        what = "infinite" if series else "NaN or infinite"
        raise RequestError(f"row {int(wrong.nonzero()[0])} of the inputs is {what}; fill or drop such rows first")
    wrong = values.isnan().flatten(1).all(1)
    if bool(wrong.any()):
        raise RequestError(f"row {int(wrong.nonzero()[0])} of the inputs has no value at all; drop such rows first")
    if annotated is None:
        if labels:
            raise RequestError("labels are named but nothing is annotated; give `annotated`, or leave `labels` out")
        return TensorRows(values=values, name="arrays")
    known = canonical(labels, {}, "`labels`")
    marks = _tensor(annotated, "annotated")
    if marks.shape != (len(values), len(known)):
        raise RequestError(
            f"annotated has the shape {tuple(marks.shape)}, expected {(len(values), len(known))}: a row for each row "
            "of the inputs, a column for each label"
        )
    wrong = ~(marks.isnan() | (marks == 0) | (marks == 1)).all(1)
    if bool(wrong.any()):
        raise RequestError(
            f"row {int(wrong.nonzero()[0])} of annotated holds something else than 0, 1, and NaN for not annotated"
        )
    return TensorRows(labels=known, annotated=marks, values=values, name="arrays")


def _tensor(values: Any, what: str) -> torch.Tensor:
    try:
        return (
            torch.as_tensor(values if isinstance(values, torch.Tensor) else np.asarray(values)).detach().cpu().float()
        )
    except (TypeError, ValueError, RuntimeError) as error:
        raise RequestError(f"{what} are no array of numbers: {' '.join(str(error).split())}") from None


def _found(spec: str, options: DataOptions) -> tuple[str, list[Path]]:
    """The kind of data that a SPEC names, and its files; none for what is built in or not yet downloaded."""
    if spec == "digits":
        return "", []
    if spec.startswith(archive.TSLEARN):
        return "series", archive.cached(spec)
    if named := _named(spec):
        return named
    path = Path(spec).expanduser()
    if path.is_dir():
        return "series", archive.find(path)
    kind = Path(plain_name(path)).suffix
    if kind in archive.KINDS | {*_OPTIONS} and (path.suffix == kind or kind in _COMPRESSIBLE):
        if kind == ".ts" or (options.series and kind in archive.KINDS):
            return "series", [path]
        if kind == ".txt":
            raise RequestError(f"data {spec!r} can be read as series only; {table.SERIES}")
        return kind, [path]
    raise _unknown(spec, path)


def _named(spec: str) -> tuple[str, list[Path]] | None:
    """What a name means under `$AMALGAM_DATA`, if it means anything."""
    tables, series = _folders(), archive.folders().get(spec, [])
    if len(series) > 1 or (series and spec in tables):
        places = [*series, *([tables[spec]] if spec in tables else [])]
        raise RequestError(f"{spec!r} names several data sets, {listed(places)}; give the path of the one you mean")
    if series:
        return "series", archive.find(series[0])
    return (".arff", mulan.find(tables[spec])) if spec in tables else None


def _folders() -> dict[str, Path]:
    """Name → folder of the MULAN data sets under `$AMALGAM_DATA`, which is read anew at each call."""
    home = os.environ.get("AMALGAM_DATA")
    found: dict[str, Path] = {}
    for root in (Path(home).expanduser() / "multilabel", Path(home).expanduser()) if home else ():
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if folder.is_dir() and any(folder.glob(f"{folder.name}*.arff*")):
                found.setdefault(folder.name, folder)
    return found


def _refuse_idle_options(spec: str, options: DataOptions, known: set[str]) -> None:
    idle = [name for name, value in options if value != type(options).model_fields[name].default and name not in known]
    if idle:
        means = ", ".join(sorted(known)) or "none"
        raise RequestError(f"the data option `{idle[0]}` means nothing for {spec}; leave it out (known here: {means})")


def _unknown(spec: str, path: Path) -> RequestError:
    if path.exists():
        return RequestError(
            f"data {spec!r} is of no kind that can be read; expected a file named .arff, .csv, .tsv, .ts, .txt (also "
            ".xz, .bz2, .gz), .npz, .npy or .parquet, or a folder of series"
        )
    known = names()
    hint = "" if os.environ.get("AMALGAM_DATA") else "; set AMALGAM_DATA to a folder of MULAN or UCR data sets for more"
    return RequestError(
        f"unknown data {spec!r}{nearest(spec, known)} (known: {', '.join(known)}, or the path of a file{hint})"
    )
