"""A cell of classes: teachers choose among their own, methods see the few labels they may, bounds are plain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amalgam.bench import cell
from amalgam.bench.checks import ready
from amalgam.bench.draw import Draw
from amalgam.bench.ground import bounds
from amalgam.bench.row_table import RowTable
from amalgam.bench.scores import Cell
from amalgam.classes import truth_of
from amalgam.signals import Rows
from amalgam.strategies.sup import Sup
from tests.bench.small import ground_of, timeless

TRAINING = {"epochs": 3, "batch_size": 32, "learning_rate": 0.01, "threads": 1}
PERIODS = {"a": 4.0, "b": 7.0, "c": 12.0, "d": 20.0}
METHODS: dict[str, Any] = {
    "kd": "kd",
    "sup": "sup",
    "self_train": {"strategy": {"name": "self_train", "rounds": 1}},
    "uhc": "uhc",
    "sup_kd": "sup_kd",
    "sup_uhc": "sup_uhc",
    "single": "single",
    "tc": {"strategy": {"name": "tc", "evidence": "rocket", "judged": "classes", "normalise": "none", "features": 84}},
    "tc-paper": {"strategy": {"name": "tc", "epochs": 5}, "role": "variant"},
    "supervised": {"strategy": "supervised", "role": "bound"},
}


@pytest.fixture
def waves(tmp_path: Path) -> RowTable:
    """Waves of four periods, in an NPZ file; two teachers of three classes each."""
    chance = np.random.default_rng(0)
    classes = chance.permutation(np.arange(160) % 4)
    period = np.array(list(PERIODS.values()))[classes][:, None]
    series = np.sin(2 * np.pi * np.arange(24) / period + 6 * chance.random((160, 1))) + 0.1 * chance.normal(
        size=(160, 24)
    )
    np.savez(tmp_path / "waves.npz", X=series[..., None], y=np.array(list(PERIODS))[classes])
    return RowTable.model_validate(
        {
            "name": "waves",
            "title": "a small table of classes",
            "protocol": "as it comes",
            "headline": "tc",
            "exclusive": True,
            "measures": ["accuracy"],
            "teacher": {"name": "convolutional", "channels": 8, "kernels": [3]},
            "teacher_training": TRAINING,
            "student": {"name": "convolutional", "channels": 8, "kernels": [3]},
            "training": TRAINING,
            "methods": METHODS,
            "settings": {
                "one": {
                    "data": str(tmp_path / "waves.npz"),
                    "options": {"series": True},
                    "teachers": [{"labels": ["a", "b", "c"]}, {"labels": ["b", "c", "d"]}],
                    "labelled": 0.1,
                }
            },
        }
    )


def run(of: RowTable) -> Cell:
    return cell.run(of, "one", 0, lambda share, note: None)


def test_every_method_of_classes_has_its_row(waves: RowTable) -> None:
    ready(waves)
    found = run(waves)
    assert list(found.scores) == [*METHODS, "teacher 0", "teacher 1", "oracle"]
    assert all(0 <= score.measures.accuracy <= 1 for score in found.scores.values())
    assert found.scores["tc"].measures.accuracy == pytest.approx(1 - found.scores["tc"].measures.subset_loss)
    assert "rows whose target is a" in found.scores["tc"].facts
    assert found.scores["self_train"].facts.keys() >= {"rows it labelled itself"}
    assert timeless(replace(found, notes=())) == timeless(replace(run(waves), notes=()))


def test_teachers_learn_from_rows_of_their_own_classes(waves: RowTable, monkeypatch: pytest.MonkeyPatch) -> None:
    from amalgam import schooling

    given, train = list[Rows](), schooling._train

    def noted(name: str, rows: Rows, *rest: Any) -> Any:
        given.append(rows)
        return train(name, rows, *rest)

    monkeypatch.setattr(schooling, "_train", noted)
    ground = ground_of(waves)
    assert [rows.labels for rows in given] == [("a", "b", "c"), ("b", "c", "d")]
    assert all(bool((truth_of(rows.annotated) >= 0).all()) for rows in given)  # type: ignore[arg-type]
    assert all(seat.exclusive for seat in ground.panel.seats)
    assert ground.panel.space.names == ("a", "b", "c", "d")


def test_only_methods_of_a_few_labels_see_them_and_only_those(waves: RowTable, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = dict[str, int]()

    def noted(panel: Any, rows: Rows, *rest: Any) -> Any:
        name = type(rest[2]).__name__
        seen[name] = -1 if rows.annotated is None else int((truth_of(rows.annotated) >= 0).sum())
        return collect(panel, rows, *rest)

    collect = cell.surrogate
    monkeypatch.setattr(cell, "surrogate", noted)
    run(waves)
    assert {name for name, count in seen.items() if count == -1} == {"KD", "UHC", "Single"}
    assert set(seen.values()) - {-1} == {12}, "a tenth of 128 rows"
    assert seen["Sup"] == 12
    assert Sup.sees_labels


def test_the_bounds_of_classes_are_those_of_plain_loops(waves: RowTable) -> None:
    ground = ground_of(waves)
    found, votes = bounds(ground), ground.judged.at(slice(0, ground.judged.rows))
    truth = truth_of(ground.annotated).tolist()
    names, right = ground.panel.space.names, {"teacher 0": 0, "teacher 1": 0, "oracle": 0}
    for row, label in enumerate(truth):
        mean = dict.fromkeys(names, 0.0)
        for k, own in enumerate(ground.panel.space.columns):
            said = torch.tensor([float(votes.scores[k, row, column]) for column in own]).softmax(0).tolist()
            best = own[said.index(max(said))]
            right[f"teacher {k}"] += best == label
            if label in own:
                for column, one in zip(own, said, strict=True):
                    mean[names[column]] += one
        right["oracle"] += max(mean, key=lambda name: mean[name]) == names[label]
    for name, count in right.items():
        assert found[name].measures.accuracy == pytest.approx(count / len(truth), abs=1e-6), name
        assert found[name].labels == 4


def test_class_sets_may_be_drawn_for_every_seed(waves: RowTable) -> None:
    setting = waves.settings["one"].model_copy(update={"teachers": Draw(teachers=2, shared=0.5)})
    drawn = waves.model_copy(update={"settings": {"one": setting}})
    ready(drawn)
    known = {seed: [set(one.teacher.labels) for one in ground_of(drawn, seed).panel.seats] for seed in (0, 1, 2)}
    assert all(len(own) == 3 for sets in known.values() for own in sets)
    assert all(first | last == set("abcd") for first, last in known.values())
    assert len({frozenset(map(frozenset, sets)) for sets in known.values()}) > 1
    assert run(drawn).scores.keys() == run(waves).scores.keys()


def test_lstms_of_the_same_rows_are_trained_together(waves: RowTable, monkeypatch: pytest.MonkeyPatch) -> None:
    together, alone = list[list[str]](), list[int]()

    def noted(members: Any, *rest: Any, **more: Any) -> Any:
        together.append([one.name.removeprefix("the student of ") for one in members])
        return fit_together(members, *rest, **more)

    def fitted(student: Any, rows: Rows, *rest: Any, **more: Any) -> Any:
        alone.append(len(rows))
        return fit(student, rows, *rest, **more)

    fit_together, fit = cell.fit_together, cell.fit
    monkeypatch.setattr(cell, "fit_together", noted)
    monkeypatch.setattr(cell, "fit", fitted)
    found = run(waves.model_copy(update={"student": {"name": "recurrent", "hidden": 4}}))
    every = [name for name in METHODS if not name.startswith("su") and name != "self_train"]
    assert [set(names) - {"self_train"} for names in together] == [{*every, "supervised"}]
    assert all(rows < 128 for rows in alone), "only students of fewer rows are trained alone"
    assert all(score.epochs == 3 for name, score in found.scores.items() if name in METHODS)
