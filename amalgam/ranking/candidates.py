"""From what a user names to what is ranked: the target, data sets, teachers and what these were trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from amalgam import datasets, registry
from amalgam.datasets import DataOptions, Loaded
from amalgam.errors import RequestError, listed
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

TARGET = "target"
"""What the target is called where something is said of it alone."""


@dataclass(frozen=True)
class Reader:
    """How data sets are read that are compared with each other.

    Attributes:
        told: what the user says of all; of each data set what means something for it counts.
        progress: who shows how many images were opened.
        size: height and width that images of files are brought to where nobody says it.
        own: name → what the user says of one data set alone.
    """

    told: DataOptions
    progress: Progress
    size: tuple[int, int] = (SIDE, SIDE)
    own: Mapping[str, DataOptions] = field(default_factory=dict)

    def options(self, name: str, spec: str) -> DataOptions:
        """What the user says that counts for a data set.

        Raises:
            RequestError: options that contradict each other.
        """
        own = _said(self.own.get(name, DataOptions()))
        known = datasets.meaning(spec, self._both(name)) | own.keys()
        every = {key: value for key, value in _said(self._both(name)).items() if key in known}
        return parse(DataOptions, every, f"the data options of {name}")

    def read(self, name: str, spec: str) -> Loaded:
        """A data set, see `datasets.load`.

        Raises:
            RequestError: no such data.
        """
        options = self.options(name, spec)
        if "size" in datasets.meaning(spec, options) and options.size is None:
            options = options.model_copy(update={"size": self.size})
        return datasets.load(spec, options, self.progress)

    def like(self, name: str, spec: str, target: Loaded) -> Loaded:
        """A data set whose columns are the target's, by name; others, such as its labels, are left out."""
        found = self.read(name, spec)
        return replace(found, rows=by_name(found, target.features, spec))

    def refuse_idle(self, specs: Mapping[str, str]) -> None:
        """RequestError for an option that means nothing for any of the data sets, by name, or is of none of them."""
        for name in self.own:
            if name not in specs:
                files = listed(specs) if specs else "there is none"
                raise RequestError(f"data options are given for {name!r}, and no file is called so ({files})")
        known = set[str]().union(*(datasets.meaning(spec, self._both(name)) for name, spec in specs.items()))
        idle = sorted(_said(self.told).keys() - known)
        if idle:
            of = f"any of {', '.join(specs.values())}" if specs else "rows in memory"
            raise RequestError(f"the data option `{idle[0]}` means nothing for {of}; leave it out")

    def _both(self, name: str) -> DataOptions:
        """What is said of all, and of one."""
        return self.told.model_copy(update=_said(self.own.get(name, DataOptions())))


def rank_named(
    target: str | Rows,
    sources: Sequence[tuple[str, str | Rows]],
    teachers: Sequence[Any],
    *,
    reference: Any = None,
    told: DataOptions | None = None,
    own: Mapping[str, DataOptions] | None = None,
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
        told: what data sets do not say themselves, counted for each for which it means something.
        own: name, or `target` → the same of one alone.
        trust: the user's word that code which cards name may run.
        progress: who shows the steps.
        how: the other arguments of `rank`.

    Raises:
        RequestError: something of that cannot be found, read or compared.
    """
    check_settings(**how)
    read = Reader(told or DataOptions(), progress, own=own or {})
    read.refuse_idle({name: one for name, one in ((TARGET, target), *sources) if isinstance(one, str)})
    reader = reader_of(reference, trust, progress)
    seated = seats_of(teachers, trust, progress)
    sizes = [size_of(seat) for seat, _ in seated] if reader is None else [reader.size]
    read = replace(read, size=max([one for one in sizes if one] or [read.size]))
    goal = read.read(TARGET, target) if isinstance(target, str) else Loaded(target, ())
    notes = [f"{goal.rows.name}: {note}" for note in goal.notes]
    candidates = list[Candidate]()
    for name, source in sources:
        loaded = read.like(name, source, goal) if isinstance(source, str) else Loaded(source, ())
        notes += [f"{name}: {note}" for note in loaded.notes]
        candidates.append(Candidate(name, loaded.rows))
    candidates += [Candidate(seat.name, rows, seat) for seat, rows in seated]
    found = rank(goal.rows, candidates, reference=reader, progress=progress, **how)
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


def called(given: str) -> tuple[str, str]:
    """The name and the SPEC of a teacher in `NAME=SPEC`; of a SPEC alone its card's name."""
    name, spec = named(given)
    return (registry.find_card(spec)[0].name if spec == given else name), spec


def seats_of(given: Sequence[Any], trust: bool, progress: Progress) -> list[tuple[Seat, Rows | None]]:
    """Teachers, each with the rows it was trained on where its card tells how it was."""
    found = list[tuple[Seat, Rows | None]]()
    for number, one in enumerate(given, 1):
        if not isinstance(one, str | Path):
            found.append((registry.seat_of(one, number, processes(), trust=trust, progress=progress), None))
            continue
        name, spec = called(str(one))
        seat = registry.load(spec, processes(), trust=trust, progress=progress)
        card, _ = registry.find_card(spec)
        rows = None if card.schooling is None else own_rows(card, card.schooling)
        found.append((replace(seat, name=name), rows))
    return found


def _said(told: DataOptions) -> dict[str, Any]:
    """The options that somebody gave."""
    return {name: getattr(told, name) for name in told.model_fields_set}
