"""From what a user names to what is ranked: the target, data sets, teachers and what these were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amalgam import datasets, registry
from amalgam.datasets import DataOptions, Loaded
from amalgam.errors import RequestError
from amalgam.panel import Seat
from amalgam.parts import by_name
from amalgam.processes import processes
from amalgam.progress import Progress
from amalgam.ranking.checks import check_settings
from amalgam.ranking.entries import Candidate, Ranking
from amalgam.ranking.rank import rank
from amalgam.ranking.reference import SIDE, Reference, network, size_of
from amalgam.schema import parse
from amalgam.schooling import own_rows
from amalgam.signals import Rows


@dataclass(frozen=True)
class Reader:
    """How data sets are read that are compared with each other.

    Attributes:
        told: what the user says of them; of each data set what means something for it counts.
        progress: who shows how many images were opened.
        size: height and width that images of files are brought to where nobody says it.
    """

    told: DataOptions
    progress: Progress
    size: tuple[int, int] = (SIDE, SIDE)

    def read(self, spec: str, labels: Sequence[str] | None = None) -> Loaded:
        """A data set.

        Args:
            spec: see `datasets.load`.
            labels: its label columns, where it is the target.

        Raises:
            RequestError: no such data.
        """
        options = meant(spec, self.told)
        if labels is not None:
            options = parse(DataOptions, {**_said(options), "labels": list(labels)}, "the target's labels")
        if "size" in datasets.meaning(spec, options) and options.size is None:
            options = options.model_copy(update={"size": self.size})
        return datasets.load(spec, options, self.progress)

    def like(self, spec: str, target: Loaded) -> Loaded:
        """A data set whose columns are the target's, by name; others, such as its labels, are left out."""
        found = self.read(spec)
        return replace(found, rows=by_name(found, target.features, spec))


def rank_named(
    target: str | Rows,
    sources: Sequence[tuple[str, str | Rows]],
    teachers: Sequence[Any],
    *,
    reference: Any = None,
    labels: Sequence[str] | None = None,
    told: DataOptions | None = None,
    trust: bool = False,
    progress: Progress,
    **how: Any,
) -> Ranking:
    """Rank what a user names.

    Args:
        target: a SPEC, or rows.
        sources: names, each with a SPEC or rows.
        teachers: what `registry.seat_of` takes, or `NAME=SPEC`.
        reference: a teacher whose last representation reads the rows.
        labels: the target's label columns.
        told: what data sets do not say themselves, counted for each for which it means something.
        trust: the user's word that code which cards name may run.
        progress: who shows the steps.
        how: the other arguments of `rank`.

    Raises:
        RequestError: something of that cannot be found, read or compared.
    """
    check_settings(**how)
    specs = [one for one in (target, *(given for _, given in sources)) if isinstance(one, str)]
    refuse_idle(specs, told or DataOptions())
    reader = reader_of(reference, trust, progress)
    seated = seats_of(teachers, trust, progress)
    sizes = [size_of(seat) for seat, _ in seated] if reader is None else [reader.size]
    read = Reader(told or DataOptions(), progress, max([one for one in sizes if one] or [(SIDE, SIDE)]))
    if labels is not None and not isinstance(target, str):
        raise RequestError(f"labels names columns of a file, and the target is {target.name}; leave it out")
    own = read.read(target, labels) if isinstance(target, str) else Loaded(target, ())
    notes = [f"{own.rows.name}: {note}" for note in own.notes]
    candidates = list[Candidate]()
    for name, source in sources:
        loaded = read.like(source, own) if isinstance(source, str) else Loaded(source, ())
        notes += [f"{name}: {note}" for note in loaded.notes]
        candidates.append(Candidate(name, loaded.rows))
    candidates += [Candidate(seat.name, rows, seat) for seat, rows in seated]
    found = rank(own.rows, candidates, reference=reader, progress=progress, **how)
    return replace(found, notes=(*notes, *found.notes))


def reader_of(given: Any, trust: bool, progress: Progress) -> Reference | None:
    """A teacher as the reader of rows; None of nothing. Raises what `network` and the registry do."""
    if given is None:
        return None
    return network(registry.seat_of(given, 1, processes(), trust=trust, progress=progress))


def named(given: str) -> tuple[str, str]:
    """The name and the SPEC in `NAME=SPEC`; of a SPEC alone its file's name."""
    name, equals, spec = given.partition("=")
    if equals and spec and name and not {"/", "?", ":"} & set(name):
        return name, spec
    return Path(given).name or given, given


def seats_of(given: Sequence[Any], trust: bool, progress: Progress) -> list[tuple[Seat, Rows | None]]:
    """Teachers, each with the rows it was trained on where its card tells how it was."""
    found = list[tuple[Seat, Rows | None]]()
    for number, one in enumerate(given, 1):
        if not isinstance(one, str | Path):
            found.append((registry.seat_of(one, number, processes(), trust=trust, progress=progress), None))
            continue
        name, spec = named(str(one))
        seat = registry.load(spec, processes(), trust=trust, progress=progress)
        card, _ = registry.find_card(spec)
        rows = None if card.schooling is None else own_rows(card, card.schooling)
        found.append((seat if spec == str(one) else replace(seat, name=name), rows))
    return found


def meant(spec: str, told: DataOptions) -> DataOptions:
    """The options, of some for several data sets, that mean something for one."""
    known = datasets.meaning(spec, told)
    return DataOptions(**{name: value for name, value in _said(told).items() if name in known})


def refuse_idle(specs: Sequence[str], told: DataOptions) -> None:
    """RequestError for an option that means nothing for any of the data sets."""
    known = set[str]().union(*(datasets.meaning(spec, told) for spec in specs))
    idle = sorted(_said(told).keys() - known)
    if idle:
        of = f"any of {', '.join(specs)}" if specs else "rows in memory"
        raise RequestError(f"the data option `{idle[0]}` means nothing for {of}; leave it out")


def _said(told: DataOptions) -> dict[str, Any]:
    return {name: getattr(told, name) for name in told.model_fields_set}
