"""What a cell stands on: rows, teachers and bounds; everything by name."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amalgam import datasets, schooling
from amalgam.bench import cell, ground
from amalgam.bench.ground import Ground, bounds, lessons, prepared
from amalgam.fingerprint import of_each_row
from amalgam.signals import Rows
from tests.bench.small import NAMES, check, ground_of, run, table


@pytest.mark.parametrize("apart", [0.0, 0.3])
def test_teachers_students_and_test_have_rows_of_their_own(apart: float) -> None:
    ground = ground_of(table(apart=apart))
    seen = [set(one.seen.tolist()) for one in ground.panel.seats if one.seen is not None]
    learn, test = (set(of_each_row(rows).tolist()) for rows in (ground.learn, ground.test))
    assert len(seen) == 2
    assert not seen[0] & seen[1]
    assert not test & (learn | seen[0] | seen[1])
    assert not learn & (seen[0] | seen[1]) if apart else learn == seen[0] | seen[1]
    whole = datasets.load("digits").rows
    assert len(ground.test) == pytest.approx(0.2 * len(whole), abs=12)
    assert len(ground.learn) == pytest.approx((apart or 0.8) * len(whole), abs=12)
    assert len(set(ground.learn.ids.tolist()) | set(ground.test.ids.tolist())) == len(ground.learn) + len(ground.test)
    assert all(one < other for one, other in pairwise(ground.learn.ids.tolist()))
    found = run(table("bl", apart=apart)).rows
    assert found == {"teachers": len(seen[0]) + len(seen[1]), "students": len(ground.learn), "test": len(ground.test)}


def test_a_cell_says_which_rows_it_was_measured_on(tmp_path: Path) -> None:
    rows = datasets.load("digits").rows
    assert rows.annotated is not None
    whole = rows.annotated

    def measured(
        *sets: list[str], seed: int = 0, unknown: int | None = None, brighter: int | None = None
    ) -> tuple[str, tuple[str, ...]]:
        """Of digits in which one annotation, or one pixel, of a row is another; the split stays as it is."""
        inputs, annotated = rows.inputs(slice(None)).clone(), whole.clone()
        if unknown is not None:
            annotated[unknown, annotated[unknown] == 0] = torch.nan
        if brighter is not None:
            inputs[brighter, 0] += 0.5
        path = tmp_path / "digits.npz"
        np.savez(path, inputs=inputs.numpy(), annotated=annotated.numpy(), labels=list(rows.labels))
        ground._loaded.cache_clear()
        setting = {"data": str(path), "teachers": [{"labels": one} for one in sets]}
        found = cell.run(table("bl", setting=setting, teacher_training={"epochs": 1}, training={"epochs": 1}),
                         "one", seed, lambda share, note: None)  # fmt: skip
        return found.test, found.names

    two = ["even", "prime"], ["prime", "square"]
    test, names = measured(*two)
    assert sorted(names) == ["even", "prime", "square"]
    assert measured(*two) == (test, names)
    others = measured(["even", "prime"], ["prime", "closed_loop"])
    assert others[0] == test, "the same rows, whatever labels the panel knows"
    assert sorted(others[1]) == ["closed_loop", "even", "prime"]
    assert measured(*two, ["square"])[0] != test, "rows are split otherwise for three teachers"
    assert measured(*two, seed=1)[0] != test
    one = int(ground_of(table("bl", setting={"teachers": [{"labels": ["even"]}, {"labels": ["prime"]}]})).test.ids[0])
    assert measured(*two, unknown=one)[0] != test
    assert measured(*two, brighter=one)[0] != test


def test_columns_meet_by_name() -> None:
    """The truth, the annotations and the votes are in the panel's order of labels, which is not the data's."""
    whole, ground = datasets.load("digits").rows, ground_of(table())
    assert whole.annotated is not None
    names = ground.panel.space.names
    assert [list(one.teacher.labels) for one in ground.panel.seats] == [
        ["square", "even", "prime"],
        ["prime", "straight_strokes", "square"],
    ]
    assert names == ("even", "prime", "square", "straight_strokes")
    for column, name in enumerate(names):
        of_data = whole.annotated[:, whole.labels.index(name)]
        assert torch.equal(ground.truth[:, column], of_data[ground.learn.ids])
        assert torch.equal(ground.annotated[:, column], of_data[ground.test.ids])
    assert [one.teacher.module.settings.hidden for one in ground.panel.seats] == [7, 6]
    for rows in (ground.learn, ground.test):
        assert np.array_equal(of_each_row(whole.take(rows.ids)), of_each_row(rows))
    votes = ground.judged.at(slice(0, 5))
    for number, one in enumerate(ground.panel.seats):
        said = one.teacher.score(ground.test.inputs(slice(0, 5)))
        for column, name in enumerate(one.teacher.labels):
            # Five rows at once and all of them are different products to some processors, by a rounding.
            assert torch.allclose(votes.scores[number][:, names.index(name)], said[:, column], atol=1e-5)


def test_a_teacher_learns_its_own_labels_from_its_own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    given, trained = list[Rows](), schooling.trained

    def noted(name: str, rows: Rows, *rest: Any, **more: Any) -> Path:
        given.append(rows)
        return trained(name, rows, *rest, **more)

    monkeypatch.setattr(schooling, "trained", noted)
    ground_of(table())
    whole = datasets.load("digits").rows
    assert whole.annotated is not None
    assert [rows.labels for rows in given] == [("square", "even", "prime"), ("prime", "straight_strokes", "square")]
    for rows in given:
        columns = [NAMES.index(label) for label in rows.labels]
        assert torch.equal(rows.annotated, whole.annotated[rows.ids][:, columns])  # type: ignore[arg-type]


def test_the_bounds_are_those_of_plain_loops() -> None:
    of = table("bl")
    ground, scores = ground_of(of), run(of).scores
    assert {key: repr(score) for key, score in bounds(ground).items()} == {
        key: repr(score) for key, score in scores.items() if key != "bl"
    }
    names = list(ground.panel.space.names)
    truth = ground.annotated.tolist()
    best: dict[str, tuple[float, list[bool]]] = {}
    for one in ground.panel.seats:
        said = [[score > 0 for score in row] for row in one.teacher.score(ground.test.inputs(slice(None))).tolist()]
        own = [[row[names.index(label)] for label in one.teacher.labels] for row in truth]
        for place, f1 in enumerate(check(scores[one.name], said, own)):
            label = one.teacher.labels[place]
            if label not in best or f1 > best[label][0] + 1e-9:
                best[label] = f1, [row[place] for row in said]
    chosen = [[best[label][1][row] for label in names] for row in range(len(truth))]
    check(scores["oracle"], chosen, truth)
    alone = [dict(zip(one.teacher.labels, scores[one.name].measures.f1_per_label, strict=True))
             for one in ground.panel.seats]  # fmt: skip
    assert alone[0]["square"] != alone[1]["square"], "the test wants a label that one teacher knows better"


@pytest.mark.parametrize(("methods", "wanted"), [("ant bl", False), ("ant cfl", True), ("bl fka supervised", True)])
def test_the_panel_shows_its_features_when_a_method_needs_them(
    methods: str, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = list[Ground]()

    def noted(*given: Any) -> Ground:
        found.append(prepared(*given))
        return found[0]

    monkeypatch.setattr(cell, "prepared", noted)
    run(table(methods))
    shown = found[0].ballots.at(slice(0, 3)).features
    assert [one.shape for one in shown] == ([(3, 7), (3, 6)] if wanted else [])
    assert found[0].judged.features == ()


def test_drawn_label_sets_are_the_seeds() -> None:
    of = table(setting={"teachers": {"teachers": 3, "students": [{"hidden": 4}]}})
    drawn = [lessons(of.settings["one"], NAMES, seed, "a test") for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {label for one in drawn[0] for label in one.labels} == set(NAMES)
    assert [one.student for one in drawn[0]] == [{"hidden": 4}, {}, {}]
    assert [tuple(one.teacher.labels) for one in ground_of(of, 1).panel.seats] == [one.labels for one in drawn[2]]
