"""A cell: reproducible, blind to what no method may see, matched by name; and what is refused before any work."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from amalgam import collect, datasets, schooling, student
from amalgam.bench import cell, ground
from amalgam.bench.checks import ready
from amalgam.bench.folder import packed, unpacked
from amalgam.bench.ground import Ground, bounds, lessons, prepared
from amalgam.bench.origin import Origin
from amalgam.bench.scores import Cell, Score
from amalgam.bench.table import Table, read_table
from amalgam.datasets.digits import LABELS
from amalgam.errors import AmalgamError, RequestError, WorkError
from amalgam.fingerprint import of_each_row
from amalgam.journal import Journal
from amalgam.panel import Panel
from amalgam.processes import processes
from amalgam.progress import Silent
from amalgam.signals import ProbabilityTargets, Rows, stepwise
from amalgam.strategies.kd import KD
from amalgam.strategy import Strategy
from amalgam.students.mlp import MLP
from amalgam.training.settings import Training
from amalgam.training.together import Member, fit_together
from tests.conftest import Cli

METHODS: dict[str, Any] = {
    "ant": {"strategy": {"name": "ant", "indicator": "confidence", "clamp": True, "contradiction": "mean"}},
    "ant-final": {"strategy": {"name": "ant", "supervise": "final"}},
    "bl": "bl",
    "kd": "kd",
    "cfl": "cfl",
    "fka": "fka",
    "supervised": {"strategy": "supervised", "role": "bound"},
}
TABLE: dict[str, Any] = {
    "name": "small",
    "title": "a small table",
    "protocol": "as it comes",
    "headline": "ant",
    "teacher": {"name": "label_chain", "hidden": 6},
    "teacher_training": {"epochs": 3, "batch_size": 64, "learning_rate": 0.01, "threads": 1},
    "student": {"name": "label_chain", "hidden": 5},
    "training": {"epochs": 3, "batch_size": 64, "learning_rate": 0.01, "threads": 1},
    "methods": METHODS,
    "settings": {
        "one": {
            "data": "digits",
            "teachers": [
                {"labels": ["square", "even", 1], "student": {"hidden": 7}},
                {"labels": ["prime", 4, "square"]},
            ],
        }
    },
}
NAMES = tuple(LABELS)


def table(methods: str = "ant", **changes: Any) -> Table:
    """The small table with some of its methods; what is changed in its one setting is given as `setting`."""
    setting = {**TABLE["settings"]["one"], **changes.pop("setting", {})}
    chosen = {key: METHODS[key] for key in methods.split()} | changes.pop("METHODS", {})
    return Table.model_validate(
        {**TABLE, "headline": methods.split()[0], "methods": chosen, "settings": {"one": setting}, **changes}
    )


def run(of: Table, seed: int = 0) -> Cell:
    return cell.run(of, "one", seed, lambda share, note: None)


def ground_of(of: Table, seed: int = 0, features: bool = False) -> Ground:
    journal = Journal(Silent(), "once", ExitStack())
    return prepared(of, of.settings["one"], seed, "a test", journal, features, lambda share, note: None)


def timeless(one: Cell) -> str:
    """Everything of a cell but its clock, to the last digit."""
    scores = {key: replace(score, seconds=0.0) for key, score in one.scores.items()}
    return repr(replace(one, scores=scores, seconds=0.0))


@pytest.fixture
def schooled_now(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The teachers that were trained, not found in the store."""
    names, train = list[str](), schooling._train

    def noted(name: str, *rest: Any) -> Any:
        names.append(name)
        return train(name, *rest)

    monkeypatch.setattr(schooling, "_train", noted)
    return names


def test_a_cell_is_a_function_of_its_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schooled_now: list[str]
) -> None:
    of, cells = table(" ".join(METHODS)), list[Cell]()
    for before, home in enumerate(("a", "b", "a")):
        monkeypatch.setenv("AMALGAM_HOME", str(tmp_path / home))
        torch.manual_seed(before)  # what a caller drew does not matter
        cells.append(run(of))
    assert schooled_now == ["teacher 0", "teacher 1"] * 2, "the third run finds its teachers in the store"
    assert timeless(cells[0]) == timeless(cells[1]) == timeless(cells[2])
    assert timeless(run(table("bl"))) != timeless(run(table("bl"), 1)).replace("seed=1", "seed=0")
    first = cells[0]
    assert (first.setting, first.seed, first.labels) == ("one", 0, 4)
    assert sorted(first.names) == ["even", "prime", "square", "straight_strokes"]
    assert len({one.test for one in cells}) == 1
    assert list(first.scores) == [*METHODS, "teacher 0", "teacher 1", "oracle"]
    assert [score.labels for score in first.scores.values()] == [4] * len(METHODS) + [3, 3, 4]
    assert [score.epochs for score in first.scores.values()] == [3] * len(METHODS) + [0, 0, 0]
    assert {score.measures.rows for score in first.scores.values()} == {first.rows["test"]}
    assert all(score.seconds > 0 for key, score in first.scores.items() if key in METHODS)
    assert len({repr(first.scores[key].measures) for key in METHODS}) == len(METHODS), "every method is another"
    facts = set(first.scores["ant"].facts)
    assert {"contradicted labels", "transfers", "targets wrong", "transfers right", "changed labels right"} <= facts
    assert set(first.scores["bl"].facts) == {"targets wrong"}
    assert not first.scores["supervised"].facts


def test_the_same_table_gives_the_same_numbers_in_other_processes_and_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, schooled_now: list[str]
) -> None:
    rows = datasets.load("digits").rows
    assert rows.annotated is not None
    inputs, annotated = (one.numpy() for one in (rows.inputs(slice(None)), rows.annotated))
    (tmp_path / "tables").mkdir()
    np.savez(tmp_path / "tables" / "rows.npz", inputs=inputs, annotated=annotated, labels=np.array(rows.labels))
    path = tmp_path / "tables" / "small.yaml"
    content = table("ant bl cfl supervised", setting={"data": "rows.npz"}).model_dump(mode="json")
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    of = read_table(str(path))
    found = list[list[str]]()
    for home in ("a", "b"):
        monkeypatch.setenv("AMALGAM_HOME", str(tmp_path / home))
        found.append([timeless(unpacked(packed(run(of, seed), Origin("", "", "")))[0]) for seed in (0, 1)])
    monkeypatch.setenv("AMALGAM_HOME", str(tmp_path / "c"))
    code, _, err = cli("bench", path, "--seeds", 2, "--jobs", 2, "--out", tmp_path / "out")
    assert (code, "2 at a time" in err) == (0, True), err
    kept = [tmp_path / "out" / "cells" / f"one-{seed}.json" for seed in (0, 1)]
    found.append([timeless(unpacked(one.read_text(encoding="utf-8"))[0]) for one in kept])
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == 2
    assert schooled_now == ["teacher 0", "teacher 1"] * 4
    assert len(list((tmp_path / "c" / "teachers").glob("*/config.json"))) == 4, "the processes had their own store"


def test_teachers_are_trained_and_asked_once_for_all_methods(
    monkeypatch: pytest.MonkeyPatch, schooled_now: list[str]
) -> None:
    asked, vote = list[tuple[int, int]](), Panel.vote

    def noted(panel: Panel, teacher: int, inputs: Tensor, *rest: Any) -> Any:
        asked.append((teacher, len(inputs)))
        return vote(panel, teacher, inputs, *rest)

    monkeypatch.setattr(Panel, "vote", noted)
    rows = run(table(" ".join(METHODS))).rows
    assert schooled_now == ["teacher 0", "teacher 1"]
    each = rows["students"] + rows["test"]
    assert [sum(count for teacher, count in asked if teacher == k) for k in (0, 1)] == [each, each]
    asked.clear()
    run(table("ant bl cfl kd"))  # another table of the same teachers
    assert (schooled_now[2:], asked) == ([], [])
    run(table("ant"), seed=1)
    assert schooled_now[2:] == ["teacher 0", "teacher 1"], "another seed has teachers of its own"
    assert sum(count for _, count in asked) == 2 * each


def test_the_share_that_is_done_only_grows() -> None:
    told = list[tuple[float, str]]()
    cell.run(table("ant bl"), "one", 0, lambda share, note: told.append((share, note)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert [note for _, note in told] == [
        "data", "teacher 1 of 2", "teacher 2 of 2", "votes", "targets of ant", "targets of bl",
        *[f"epoch {epoch}, 2 of 2 students" for epoch in (1, 2, 3)],
    ]  # fmt: skip


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
            assert torch.equal(votes.scores[number][:, names.index(name)], said[:, column])


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


def test_no_method_sees_annotations_and_the_bound_does(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, members = list[Rows](), list[Member]()
    surrogate, together = collect.surrogate, fit_together

    def noted(panel: Any, rows: Rows, *rest: Any) -> Any:
        shown.append(rows)
        return surrogate(panel, rows, *rest)

    def trained(some: Any, rows: Rows, *rest: Any, **more: Any) -> Any:
        members.extend(some)
        shown.append(rows)
        return together(some, rows, *rest, **more)

    monkeypatch.setattr(cell, "surrogate", noted)
    monkeypatch.setattr(cell, "fit_together", trained)
    methods = "ant ant-final bl supervised"
    run(table(methods))
    ground = ground_of(table(methods))
    assert len(shown) == 4
    assert all(rows.annotated is None and rows.labels == () for rows in shown)
    assert ground.learn.annotated is None
    assert ground.test.annotated is None
    assert [one.name for one in members] == [f"the student of {key}" for key in methods.split()]
    targets = [one.targets for one in members]
    assert all(isinstance(one, ProbabilityTargets) for one in targets)
    assert [torch.equal(one.arrays()["probabilities"], ground.truth) for one in targets] == [False, False, False, True]
    assert [one.loss is stepwise for one in members] == [True, False, True, True]  # what is shared is faster


def test_a_label_nobody_annotated_is_not_learned() -> None:
    ground = ground_of(table())
    ground.truth[::2, 1] = math.nan
    task = cell.supervised(ground, {"name": "mlp", "hidden": [4]}, 0, "a test")
    arrays = task.targets.arrays()
    assert torch.equal(arrays["weights"], (~ground.truth.isnan()).float())
    assert bool((arrays["weights"][::2, 1] == 0).all())
    assert torch.equal(arrays["probabilities"], ground.truth.nan_to_num())


def slow_f1(predicted: list[bool], truth: list[float]) -> float:
    pairs = list(zip(predicted, truth, strict=True))
    hits = sum(said and true == 1 for said, true in pairs)
    wrong = sum(said != (true == 1) for said, true in pairs)
    return 2 * hits / (2 * hits + wrong) if hits + wrong else 0.0


def check(score: Score, predicted: list[list[bool]], truth: list[list[float]]) -> list[float]:
    """A score against its measures in plain loops; the F1 of each label."""
    rows, labels = len(predicted), len(predicted[0])
    each = [slow_f1([row[j] for row in predicted], [row[j] for row in truth]) for j in range(labels)]
    differ = [
        [said != (true == 1) for said, true in zip(*pair, strict=True)] for pair in zip(predicted, truth, strict=True)
    ]
    flat = slow_f1([one for row in predicted for one in row], [one for row in truth for one in row])
    found = score.measures
    assert (score.labels, found.rows) == (labels, rows)
    assert found.subset_loss == pytest.approx(sum(any(row) for row in differ) / rows, abs=1e-6)
    assert found.hamming_loss == pytest.approx(sum(map(sum, differ)) / rows / labels, abs=1e-6)
    assert found.f1_micro == pytest.approx(flat, abs=1e-6)
    assert found.f1_macro == pytest.approx(sum(each) / labels, abs=1e-6)
    assert list(found.f1_per_label) == pytest.approx(each, abs=1e-6)
    return each


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


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, cell.Task]]:
    """The tasks of every cell, with the students that learned them."""
    found, taught = list[Mapping[str, cell.Task]](), cell.taught

    def noted(tasks: Mapping[str, cell.Task], *rest: Any) -> Any:
        found.append(tasks)
        return taught(tasks, *rest)

    monkeypatch.setattr(cell, "taught", noted)
    return found


def weights(task: cell.Task) -> Tensor:
    return torch.cat([one.detach().flatten() for one in task.student.parameters()])


@pytest.mark.parametrize(
    ("methods", "epochs", "batch_size"),
    [
        ("ant ant-final bl kd fka supervised", 3, 64),
        ("ant cfl fka", 2, 2000),  # CFL's narrow kernels enlarge rounding a hundredfold in a few steps
    ],
)
def test_students_learn_together_what_each_learns_alone(
    methods: str,
    epochs: int,
    batch_size: int,
    monkeypatch: pytest.MonkeyPatch,
    learned: list[Mapping[str, cell.Task]],
) -> None:
    of = table(methods, training={**TABLE["training"], "epochs": epochs, "batch_size": batch_size})
    together = run(of)
    monkeypatch.setattr(cell, "stackable", lambda *_: False)
    alone = run(of)
    begun = weights(cell.supervised(ground_of(of), {"name": "label_chain", "hidden": 5}, 0, "a test"))
    for key in methods.split():
        one, other = (weights(tasks[key]) for tasks in learned)
        assert torch.allclose(one, other, atol=5e-5), key
        assert float((one - begun).abs().max()) > 0.01, "nothing was learned"
        scores = together.scores[key], alone.scores[key]
        assert [score.epochs for score in scores] == [epochs, epochs]
        assert scores[0].measures.f1_micro == pytest.approx(scores[1].measures.f1_micro, abs=2e-3)


def test_students_that_cannot_be_stacked_are_trained_all_the_same() -> None:
    assert run(table("ant bl", student={"name": "mlp", "hidden": [4], "dropout": 0.2})).scores["ant"].epochs == 3


def test_the_supervised_bound_is_a_student_taught_the_truth_alone(learned: list[Mapping[str, cell.Task]]) -> None:
    """Trained here on the annotations, label by label as teachers are, and measured in plain loops."""
    of = table("bl supervised")
    score, ground = run(of).scores["supervised"], ground_of(of)
    rows = replace(ground.learn, annotated=ground.truth, labels=ground.panel.space.names)
    settings = Training.model_validate(of.training)
    folder = schooling.trained(
        "alone", rows, {"name": "label_chain", "hidden": 5}, settings, 0,
        accelerator=processes(settings), progress=Silent(), where="a test",
    )  # fmt: skip
    alone = student.load(folder)
    bound = learned[0]["supervised"].student
    inputs = ground.test.inputs(slice(None))
    assert torch.allclose(bound.logits(inputs), alone.logits(inputs), atol=1e-3)
    check(score, [[one > 0 for one in row] for row in bound.logits(inputs).tolist()], ground.annotated.tolist())


NAN = (
    "loss of the student of kd is nan in epoch 1; lower training.learning_rate (now 0.01) or set training.clip_norm, "
    "and look for extreme input values"
)


@pytest.mark.parametrize(
    ("together", "says"),
    [
        (True, f"the validation {NAN}"),
        (False, "the student of kd: the training " + NAN.replace(" of the student of kd", "")),
    ],
)
def test_a_student_that_fails_names_itself(together: bool, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    distilled = cell.distilled

    def poisoned(ground: Ground, strategy: Strategy[Any], *rest: Any) -> cell.Task:
        task = distilled(ground, strategy, *rest)
        if isinstance(strategy, KD):
            assert isinstance(task.targets, ProbabilityTargets)
            torch.as_tensor(task.targets.probabilities).fill_(math.nan)
        return task

    monkeypatch.setattr(cell, "distilled", poisoned)
    if not together:
        monkeypatch.setattr(cell, "stackable", lambda *_: False)
    with pytest.raises(WorkError) as failure:
        run(table("ant bl kd"))
    assert str(failure.value) == says


@pytest.mark.parametrize("kind", [WorkError, RequestError])
def test_a_method_that_fails_names_itself(kind: type[AmalgamError], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise kind("the votes differ")

    monkeypatch.setattr(KD, "targets", fail)
    with pytest.raises(kind) as failure:
        run(table("bl", METHODS={"mine": {"strategy": "kd"}}))
    assert str(failure.value) == "method mine: the votes differ"


def test_what_nobody_foresaw_is_told_with_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("as it was")

    monkeypatch.setattr(KD, "targets", fail)
    with pytest.raises(ZeroDivisionError) as failure:
        run(table("bl", METHODS={"mine": {"strategy": "kd"}}))
    assert (str(failure.value), failure.value.__notes__) == ("as it was", ["method mine"])


def test_drawn_label_sets_are_the_seeds() -> None:
    of = table(setting={"teachers": {"teachers": 3, "students": [{"hidden": 4}]}})
    drawn = [lessons(of.settings["one"], NAMES, seed, "a test") for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {label for one in drawn[0] for label in one.labels} == set(NAMES)
    assert [one.student for one in drawn[0]] == [{"hidden": 4}, {}, {}]
    assert [tuple(one.teacher.labels) for one in ground_of(of, 1).panel.seats] == [one.labels for one in drawn[2]]


KNOWN = (
    "'even', 'prime', 'at_least_five', 'closed_loop', 'straight_strokes', 'square', 'multiple_of_three', 'power_of_two'"
)
STRATEGIES = "aka, ant, bl, cfl, fka, kd, tc_mean, supervised"
CHAIN = "(known: accept, hidden, steps, unchosen)"


def taught(*labels: object, **more: Any) -> dict[str, Any]:
    return {"setting": {"teachers": [{"labels": ["even", "prime"]}, {"labels": list(labels), **more}]}}


def mine(**spec: Any) -> dict[str, Any]:
    """A method after the table's others."""
    role = "bound" if spec["name"] == "supervised" else "compared"
    return {"METHODS": {"mine": {"strategy": spec, "role": role}}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            taught("even", "prim"),
            ", setting one: teacher 1 should know the label 'prim', which digits does not have; did you mean 'prime'? "
            f"(its labels: {KNOWN})",
        ),
        (
            taught(7, 8),
            ", setting one: teacher 1 should know label number 8, but digits has 8 labels, numbered from 0 to 7",
        ),
        (
            taught("even", 0),
            ", setting one: teacher 1 should know the label 'even' once, but has it by name and by number",
        ),
        (
            {"setting": {"data": "digit"}},
            ", setting one: unknown data 'digit'; did you mean 'digits'? (known: digits, or the path of a file; set "
            "AMALGAM_DATA to a folder of MULAN data sets for more)",
        ),
        (
            {"setting": {"options": {"label_count": 3}}},
            ", setting one: the data option `label_count` means nothing for digits; leave it out (known here: none)",
        ),
        (
            {"setting": {"teachers": {"teachers": 9}}},
            ", setting one: 9 teachers cannot be drawn from 8 labels; draw fewer teachers",
        ),
        (
            taught(1, student={"hiden": 3}),
            f", setting one, teacher 1: unknown key 'hiden'; did you mean 'hidden'? {CHAIN}",
        ),
        (
            taught(1, student={"name": "chain"}),
            ", setting one, teacher 1: unknown student 'chain'; did you mean 'label_chain'? (known: label_chain, mlp)",
        ),
        (
            {"setting": {"teachers": {"teachers": 2, "students": [{}, {"hidden": 0}]}}},
            ", setting one, teacher 1: hidden is 0, expected greater than 0",
        ),
        ({"teacher": {"name": "tree"}}, ", setting one, teacher 0: unknown student 'tree' (known: label_chain, mlp)"),
        (
            {"student": {"name": "label_chan"}},
            ", setting one, student: unknown student 'label_chan'; did you mean 'label_chain'? (known: label_chain, "
            "mlp)",
        ),
        ({"setting": {"student": {"hidden": 0}}}, ", setting one, student: hidden is 0, expected greater than 0"),
        (
            mine(name="kd", temperatur=2.0),
            ", method mine: unknown key 'strategy.temperatur'; did you mean 'temperature'? (known: temperature)",
        ),
        (
            mine(name="kd", temperature="warm"),
            ", method mine: strategy.temperature is 'warm', expected a valid number",
        ),
        (
            mine(name="supervise"),
            f", method mine: unknown strategy 'supervise'; did you mean 'supervised'? (known: {STRATEGIES})",
        ),
        (
            mine(name="supervised", temperature=2.0),
            ", method mine: unknown key 'strategy.temperature'; supervised has no hyperparameters",
        ),
        (
            {"test": 0.5, "apart": 0.5},
            ": test 0.5 and apart 0.5 leave no rows for the teachers; lower one of them",
        ),
    ],
    ids=["label", "number", "twice", "data", "option", "draw", "teacher", "teacher's kind", "drawn teacher",
         "unknown teacher", "unknown student", "student", "hyperparameter", "value", "strategy", "bound", "shares"],
)  # fmt: skip
def test_what_is_wrong_is_refused_before_any_cell(
    changes: dict[str, Any], says: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AMALGAM_DATA", raising=False)
    monkeypatch.setattr("amalgam.bench.conduct.conduct", pytest.fail)
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(table("ant bl", **changes).model_dump(mode="json")), encoding="utf-8")
    code, told, err = cli("bench", path, "--out", tmp_path / "out")
    assert (code, told, err) == (2, "", f"amalgam: error: table small{says}\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"setting": {"training": {"epoch": 3}}},
            ", setting one, teacher_training: unknown key 'epoch'; did you mean 'epochs'? (known: "
            f"{', '.join(sorted(Training.model_fields))})",
        ),
        (
            {"training": {"batch_size": 0}},
            ", setting one, training: batch_size is 0, expected greater than 0",
        ),
    ],
)
def test_a_wrong_training_of_a_table_that_no_file_holds_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError) as refusal:
        ready(table(**changes))
    assert str(refusal.value) == f"table small{says}"


@pytest.mark.parametrize("kind", ["teacher_training", "training"])
def test_a_precision_that_is_not_to_be_had_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **more: Any) -> None:
        if more["mixed_precision"] == "fp16":
            raise ValueError("no GPU")

    monkeypatch.setattr("amalgam.processes.Accelerator", refuse)
    with pytest.raises(RequestError) as refusal:
        ready(Table.model_validate({**table().model_dump(), kind: {"precision": "fp16"}}))
    assert str(refusal.value) == (
        f"table small, setting one, {kind}: training.precision 'fp16' cannot be had here: no GPU"
    )


def test_a_method_that_the_teachers_cannot_serve_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(MLP, "score_and_features")
    wrong = table("ant kd cfl", teacher={"name": "mlp"}, setting={"teachers": [{"labels": [0, 1]}]})
    with pytest.raises(RequestError) as refusal:
        ready(wrong)
    assert str(refusal.value) == (
        "table small, setting one, method cfl: strategy 'CFL' needs every teacher to show its features: "
        "`score_and_features(inputs)`; teacher 'teacher 0' cannot; choose another teacher or another strategy"
    )


def test_a_good_table_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schooling, "trained", pytest.fail)
    ready(table(" ".join(METHODS)))
    ready(table(setting={"teachers": {"teachers": 3}}))


def test_data_without_annotations_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((5, 2), dtype=np.float32))
    wrong = table(setting={"data": str(tmp_path / "rows.npy"), "teachers": [{"labels": [0]}]})
    tries: list[Callable[[], object]] = [lambda: ready(wrong), lambda: cell.cost(wrong, "one"), lambda: run(wrong)]
    for work in tries:
        with pytest.raises(RequestError) as refusal:
            work()
        assert str(refusal.value) == (
            f"table small, setting one: data {str(tmp_path / 'rows.npy')!r} has no annotations, which teachers are "
            "trained on; name its label columns with `options: {labels: …}`, or take other data"
        )


@pytest.fixture
def made(tmp_path: Path) -> Callable[[int, int, int], str]:
    """Annotated data of some rows, inputs and labels."""

    def make(rows: int, width: int, labels: int) -> str:
        path = tmp_path / f"{rows}-{width}-{labels}.npz"
        chance = np.random.default_rng(0)
        np.savez(
            path,
            inputs=chance.random((rows, width), dtype=np.float32),
            annotated=(chance.random((rows, labels)) > 0.5).astype(np.float32),
            labels=np.array([f"label {number}" for number in range(labels)]),
        )
        return str(path)

    return make


def test_longer_cells_cost_more(made: Callable[[int, int, int], str]) -> None:
    def cost(rows: int = 100, width: int = 10, labels: int = 4, methods: str = "ant bl", **setting: Any) -> float:
        of = table(methods, setting={"data": made(rows, width, labels), "teachers": [{"labels": [0]}], **setting})
        return cell.cost(of, "one")

    small = cost()
    assert cost(rows=200) == pytest.approx(2 * small)
    assert cost(methods="ant bl kd cfl") == pytest.approx(2 * small)
    for longer in (
        cost(width=500),
        cost(labels=8),
        cost(student={"hidden": 64}),
        cost(training={"batch_size": 8}),
    ):
        assert longer > small > 0
    assert cost(student={"steps": 2}) < small
    like_emotions = cost(474, 72, 6, student={"hidden": 16}, training={"batch_size": 8})
    like_tmc = cost(4000, 500, 22, student={"hidden": 64}, training={"batch_size": 128})
    assert like_tmc > 3 * like_emotions


def test_a_student_begins_the_same_for_every_method() -> None:
    ground = ground_of(table())
    spec = {"name": "mlp", "hidden": [4]}
    states = list[dict[str, Tensor]]()
    for before, seed in ((1, 0), (2, 0), (3, 1)):
        torch.manual_seed(before)
        states.append(cell.untrained(ground, spec, seed, "a test").state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])
