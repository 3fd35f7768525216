"""From what a user names to candidates: data sets, teachers and what these were trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accelerate import Accelerator

from amalgam import datasets, registry
from amalgam.datasets import DataOptions
from amalgam.errors import RequestError
from amalgam.progress import Progress
from amalgam.ranking.rank import Candidate
from amalgam.ranking.reference import SIDE, Reference
from amalgam.schooling import own_rows
from amalgam.signals import Rows


def read(spec: str, options: DataOptions, reference: Reference | None, progress: Progress) -> Rows:
    """The rows of a data set; images of files come as the reference reads them, where nothing says their size.

    Raises:
        RequestError: no such data.
    """
    size = (SIDE, SIDE) if reference is None or reference.size is None else reference.size
    return datasets.load(spec, datasets.fitted(spec, options, (3, *size)), progress).rows


def named(given: str) -> tuple[str, str]:
    """The name and the SPEC in `NAME=SPEC`; of a SPEC alone its file's name."""
    name, equals, spec = given.partition("=")
    if equals and name and not {"/", "?", ":"} & set(name):
        return name, spec
    return Path(given).name or given, given


def source(given: str, options: DataOptions, reference: Reference | None, progress: Progress) -> Candidate:
    """The data set of `[NAME=]SPEC` as a candidate."""
    name, spec = named(given)
    return Candidate(name, read(spec, options, reference, progress))


def teacher(given: Any, number: int, accelerator: Accelerator, *, trust: bool, progress: Progress) -> Candidate:
    """A teacher as a candidate, with the rows it was trained on where its card tells how it was.

    Args:
        given: see `registry.seat_of`.
        number: its place among the teachers.
        accelerator: where torch teachers live, and built-in ones are trained.
        trust: the user's word that code which a card names may run.
        progress: who shows the training.
    """
    seat = registry.seat_of(given, number, accelerator, trust=trust, progress=progress)
    rows = None
    if isinstance(given, str | Path):
        card, _ = registry.find_card(str(given))
        rows = None if card.schooling is None else own_rows(card, card.schooling)
    return Candidate(seat.name, rows, seat)


def meant(spec: str, told: DataOptions) -> DataOptions:
    """The options, of some for several data sets, that mean something for one."""
    known = datasets.meaning(spec, told)
    return DataOptions(**{name: getattr(told, name) for name in told.model_fields_set if name in known})


def refuse_idle(specs: list[str], told: DataOptions) -> None:
    """RequestError for an option that means nothing for any of the data sets."""
    known = set[str]().union(*(datasets.meaning(spec, told) for spec in specs))
    idle = sorted(told.model_fields_set - known)
    if idle:
        raise RequestError(f"the data option `{idle[0]}` means nothing for any of {', '.join(specs)}; leave it out")
