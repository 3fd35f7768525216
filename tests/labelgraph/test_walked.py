"""Decoded paths through augmented nodes: counted, held against annotations, and never taken for deterministic."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
import torch

from amalgam.costs import Cost
from amalgam.evaluation import evaluate
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.walked import MOST_EXAMPLES, Example, Footprints, Passing, Walked
from amalgam.panel import Ballots, seat
from amalgam.signals import TensorRows
from tests.labelgraph.drawn import BRITISH, drawn
from tests.reference import label_graph as slow
from tests.students.test_path_decoder import SMALL, PathDecoder

NAN = math.nan
LABELS = ("Dog", "Tabby-Color", "Longhair", "Shorthair")


def prefix(graph: LabelGraph, *names: str) -> int:
    """The number of a path, by its nodes after the root."""
    return next(number for number in range(len(graph.paths)) if graph.paths.names(number) == list(names))


def counted(graph: LabelGraph, labels: tuple[str, ...], ends: list[int], annotated: Any, batch: int = 10_000) -> Any:
    found, numbers = Footprints(graph, labels), torch.arange(len(ends)) + 100
    every = (torch.tensor(ends), torch.tensor(annotated), numbers)
    for some in zip(*(one.split(batch) for one in every), strict=True):
        found.update(*some)
    return found.walked()


WALKS = [
    (("Cat", "Tabby-Color", "Abyssinian"), (0, 1, 0, NAN)),  # the only colour that leads there: deterministic
    (("Cat", "Tabby-Color", "British-Shorthair"), (0, 1, 0, NAN)),
    (("Cat", "Tabby-Color", "British-Shorthair"), (0, 0, 0, NAN)),
    (("Cat", "Tabby-Color", "Maine-Coon"), (0, NAN, 0, NAN)),
    (("Cat", "Shorthair", "British-Shorthair"), (0, 1, 0, NAN)),
    (("Cat", "Solid-Color", "British-Shorthair"), (0, 0, 0, NAN)),
    (("Dog",), (1, NAN, NAN, NAN)),
]


@pytest.mark.parametrize("batch", [100, 2, 1])
def test_rows_are_counted_by_the_kind_of_their_path_and_by_what_is_known(batch: int) -> None:
    ends = [prefix(BRITISH, *names) for names, _ in WALKS]
    tabby, short, solid, long = counted(BRITISH, LABELS, ends, [truth for _, truth in WALKS], batch)
    # Of four rows one is deterministic, and of one nobody knows the colour.
    assert tabby == Walked(
        "Tabby-Color", Passing(4, 3, 2 / 3), Passing(3, 2, 1 / 2),
        (Example(100, True), Example(101, False), Example(102, False), Example(103, False)),
    )  # fmt: skip
    # Nobody is asked about short hair, and no row is annotated with a solid colour.
    assert repr(short) == repr(Walked("Shorthair", Passing(1, 0, NAN), Passing(0, 0, NAN), (Example(104, True),)))
    assert repr(solid) == repr(Walked("Solid-Color", Passing(1, 0, NAN), Passing(1, 0, NAN), (Example(105, False),)))
    # No path goes through long hair, but rows are annotated with it; nothing is known of a point colour.
    assert repr(long) == repr(Walked("Longhair", Passing(0, 0, NAN), Passing(0, 0, NAN)))


def test_both_kinds_of_paths_are_shown_where_there_are_both() -> None:
    sure, unsure = (prefix(BRITISH, "Cat", "Tabby-Color", name) for name in ("Abyssinian", "Maine-Coon"))

    def shown(*kinds: bool) -> list[int]:
        ends = [sure if kind else unsure for kind in kinds]
        (found,) = counted(BRITISH, (), ends, [[]] * len(ends), 3)
        assert all(one.deterministic == kinds[one.row - 100] for one in found.examples)
        return [one.row - 100 for one in found.examples]

    assert MOST_EXAMPLES == 8
    assert shown(*[True] * 20, *[False] * 20) == [0, 1, 2, 3, 20, 21, 22, 23]
    assert shown(*[True] * 20, False) == [0, 1, 2, 3, 4, 5, 6, 20]
    assert shown(True, *[False] * 20) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert shown(False, True) == [1, 0]


@pytest.mark.parametrize("seed", range(5))
def test_counts_equal_slow(seed: int) -> None:
    graph, chance = drawn(seed), random.Random(seed)
    known = [node for node in graph.augmented if node in graph.paths.nodes]
    labels = tuple(chance.sample(known, len(known) // 2))
    ends = [chance.randrange(len(graph.paths)) for _ in range(60)]
    annotated = [[chance.choice([0.0, 1.0, NAN]) for _ in labels] for _ in ends]
    found = {one.node: one for one in counted(graph, labels, ends, annotated, 7)}
    groups, edges = graph.groups, [edge for edge in graph.edges if set(edge) <= set(graph.paths.nodes)]
    for node in known:
        every, unsure = [], []
        for end, truth in zip(ends, annotated, strict=True):
            path = (graph.root, *graph.paths.names(end))
            if node in path[1:]:
                said = truth[labels.index(node)] if node in labels else NAN
                every.append(said)
                if not slow.is_deterministic(path, slow.all_paths(graph.root, edges, path[-1]), groups):
                    unsure.append(said)
        for rows, passing in ((every, found[node].every), (unsure, found[node].nondeterministic)):
            judged = [one for one in rows if not math.isnan(one)]
            share = sum(judged) / len(judged) if judged else NAN
            assert (passing.rows, passing.judged) == (len(rows), len(judged))
            assert passing.share == pytest.approx(share, nan_ok=True)


def test_evaluation_counts_the_very_paths_and_asks_the_encoder_once_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    student = PathDecoder((6,), BRITISH.outputs, PathDecoder.Settings(graph=BRITISH, **SMALL)).eval()
    student.tasks = BRITISH.tasks
    values, labels = torch.randn(50, 6), ("Abyssinian", "Tabby-Color")
    annotated = (torch.rand(50, 2) > 0.5).float()
    annotated[::3, 1] = NAN
    rows = TensorRows(labels=labels, annotated=annotated, values=values)
    panel, asked = seat([], {}, BRITISH.outputs, "the graph"), list[int]()
    plain = student.encoder.represent
    monkeypatch.setattr(student.encoder, "represent", lambda some: asked.append(len(some)) or plain(some))
    monkeypatch.setattr("amalgam.evaluation.costs_of", lambda *_: [Cost()])
    found = evaluate(student, panel, rows, Ballots(panel, len(rows), ()), chunk=16, seconds=0)
    assert sum(asked) == 50
    ends = student.decode(values).ends.tolist()
    assert repr(found.walked) == repr(
        tuple(
            Walked(
                one.node,
                one.every,
                one.nondeterministic,
                tuple(Example(e.row - 100, e.deterministic) for e in one.examples),
            )
            for one in counted(BRITISH, labels, ends, annotated.tolist())
        )
    )
    assert sum(one.every.rows for one in found.walked) > 0
