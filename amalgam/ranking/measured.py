"""k as measured transfers teach it (§3.1): a table of targets, sources and gains, and how well each k orders these."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amalgam.datasets import Loaded
from amalgam.errors import RequestError, listed, nearest
from amalgam.parts import by_name
from amalgam.progress import Progress
from amalgam.ranking import p2l
from amalgam.ranking.candidates import Reader, named
from amalgam.ranking.checks import check_settings, require_comparable
from amalgam.ranking.distances import Clock, Look, Summed, distances, drawn
from amalgam.ranking.reference import Reference, plain
from amalgam.signals import Rows

_COLUMNS = ("target", "source", "gain")
_FEWEST = 2  # sources of a target that there is an order of


@dataclass(frozen=True)
class Transfer:
    """A line of the table.

    Attributes:
        line: its number in the file.
        target: a SPEC.
        source: a SPEC.
        gain: I(t, s) of Eq. (1), in any unit.
        size: |s|, where it is not the rows that the SPEC has.
    """

    line: int
    target: str
    source: str
    gain: float
    size: int | None = None


@dataclass(frozen=True)
class Fit:
    """What measured transfers teach.

    Attributes:
        k: that orders the sources best.
        rho: the mean Spearman ρ over targets at that k.
        by_size: at k = 0.
        by_divergence: of the divergence alone.
        left_out: where each target is ranked by the k of the others; None of one target.
        targets: how many.
        transfers: how many.
        divergence: which D.
        grid: the values of k that were tried.
        curve: the mean ρ at each of them (Fig. 1).
        notes: what a reader must know.
    """

    k: float
    rho: float
    by_size: float
    by_divergence: float
    left_out: float | None
    targets: int
    transfers: int
    divergence: str
    grid: tuple[float, ...]
    curve: tuple[float, ...]
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Target:
    """What was measured of a target's M sources: sizes, divergences and gains, (M,) each."""

    sizes: NDArray[np.float64]
    far: NDArray[np.float64]
    gains: NDArray[np.float64]


def transfers(path: Path) -> tuple[list[Transfer], tuple[str, ...]]:
    """The lines of a CSV file with the columns target, source, gain and, where wanted, size; and notes.

    Raises:
        RequestError: names file and line: no such file or column, a cell that is none, a pair that comes twice, a
            target with less than two sources.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise RequestError(f"--fit-k {path}: no such file; expected a CSV file of {', '.join(_COLUMNS)}") from None
    except UnicodeDecodeError:
        raise RequestError(f"--fit-k {path} is no UTF-8 text; expected a CSV file of {', '.join(_COLUMNS)}") from None
    lines = csv.DictReader(text.splitlines())
    there = [*(lines.fieldnames or ())]
    if lacking := [name for name in _COLUMNS if name not in there]:
        raise RequestError(
            f"{path} line 1 has no column {lacking[0]!r}{nearest(lacking[0], there)} (columns: {listed(there)}); "
            f"expected {', '.join(_COLUMNS)} and, where it is not the rows of the data, size"
        )
    found, met = list[Transfer](), dict[tuple[str, str], int]()
    for cells in lines:
        where = f"{path} line {lines.line_num}"
        one = _transfer(cells, lines.line_num, where)
        first = met.setdefault((one.target, one.source), one.line)
        if first != one.line:
            raise RequestError(f"{where} has the target and the source of line {first}; write one line, of their mean")
        found.append(one)
    if not found:
        raise RequestError(f"{path} has no lines below its names; write one for each measured transfer")
    for one in found:
        if sum(other.target == one.target for other in found) < _FEWEST:
            raise RequestError(
                f"{path} line {one.line}: the target {one.target!r} has no other source, so there is no order to learn "
                "from; add transfers to it, or leave it out"
            )
    idle = [name for name in there if name not in (*_COLUMNS, "size")]
    return found, (f"{path} has the columns {listed(idle)} besides, which are not read",) if idle else ()


def _transfer(cells: dict[str | Any, str | Any], line: int, where: str) -> Transfer:
    for name in ("target", "source"):
        if not (cells[name] or "").strip():
            raise RequestError(f"{where} names no {name}; write a data SPEC, such as digits or a file's path")
    gain, size = _number(cells["gain"]), _number(cells["size"]) if cells.get("size") else None
    if gain is None:
        raise RequestError(
            f"{where}: gain is {cells['gain']!r}, expected a number: what the transfer added to a measure"
        )
    if cells.get("size") and (size is None or size < 1 or size != int(size)):
        raise RequestError(f"{where}: size is {cells['size']!r}, expected a number of rows, or nothing")
    return Transfer(line, cells["target"].strip(), cells["source"].strip(), gain, None if size is None else int(size))


def _number(cell: str | None) -> float | None:
    try:
        found = float(cell or "")
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def fit(path: Path, read: Reader, reference: Reference | None, look: Look, progress: Progress) -> Fit:
    """Learn k from measured transfers.

    Args:
        path: see `transfers`.
        read: reads the data, each SPEC once.
        reference: the reader of rows; `reference.plain` of each target by default.
        look: how data sets are looked at; nothing is resampled.
        progress: who shows the steps.

    Raises:
        RequestError: names file and line, of what is wrong with the file or with data that it names.
    """
    found, notes = transfers(path)
    check_settings(divergence=look.divergence, trim=look.trim, most=look.most)
    loaded = dict[str, Loaded]()
    for one in found:
        for spec in (one.target, one.source):
            if spec not in loaded:
                with _at(path, one):
                    loaded[spec] = read.read(named(spec)[0], spec)
    read.refuse_idle({named(spec)[0]: spec for spec in loaded})
    targets = _measured(path, found, loaded, reference, look, progress)
    each = np.stack([p2l.agreement([one.sizes], [one.far], [one.gains]) for one in targets])  # (targets, grid)
    curve, grid = each.mean(0), p2l.GRID
    k = p2l.best_k(curve)
    others = [np.delete(each, place, 0).mean(0) for place in range(len(each))] if len(each) > 1 else []
    held_out = [each[place, grid.index(p2l.best_k(one))] for place, one in enumerate(others)]
    return Fit(
        k=k,
        rho=float(curve[grid.index(k)]),
        by_size=float(curve[grid.index(0.0)]),
        by_divergence=float(np.mean([p2l.spearman(-one.far, one.gains) for one in targets])),
        left_out=float(np.mean(held_out)) if held_out else None,
        targets=len(targets),
        transfers=len(found),
        divergence=look.divergence,
        grid=grid,
        curve=tuple(curve.tolist()),
        notes=notes,
    )


def _measured(
    path: Path,
    found: Sequence[Transfer],
    loaded: Mapping[str, Loaded],
    reference: Reference | None,
    look: Look,
    progress: Progress,
) -> list[_Target]:
    """What was measured of each target."""
    looked, known = dict[object, Rows](), dict[int, Summed]()

    def like(spec: str, target: Loaded) -> Rows:
        """The rows of data that are looked at, with the target's columns."""
        key = (spec, target.features)
        if key not in looked:
            looked[key] = drawn(by_name(loaded[spec], target.features, spec), look.most, look.seed)
        return looked[key]

    targets = list[_Target]()
    for name in dict.fromkeys(one.target for one in found):
        target, own = loaded[name], [one for one in found if one.target == name]
        rows, sources = like(name, target), list[Rows]()
        for one in own:
            with _at(path, one):
                sources.append(like(one.source, target))
                require_comparable(one.source, sources[-1], rows)
        reader = reference or plain(rows)
        memory = None if reader.fitted else known
        far = distances(rows, sources, reader, replace(look, times=0), Clock(), progress, memory).value
        sizes = [one.size or len(loaded[one.source].rows) for one in own]
        targets.append(_Target(np.array(sizes, np.float64), far, np.array([one.gain for one in own])))
    return targets


@contextmanager
def _at(path: Path, one: Transfer) -> Iterator[None]:
    """What is wrong with data is told with the line that names it."""
    try:
        yield
    except RequestError as error:
        raise RequestError(f"{path} line {one.line}: {error}") from None
