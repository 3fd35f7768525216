"""A cell: reproducible, blind to what no method may see; and a failure that names itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from amalgam import collect, datasets, schooling, student
from amalgam.bench import cell
from amalgam.bench.folder import packed, unpacked
from amalgam.bench.ground import Ground
from amalgam.bench.origin import Origin
from amalgam.bench.scores import Cell
from amalgam.bench.tables import read_table
from amalgam.errors import AmalgamError, RequestError, WorkError
from amalgam.losses import stepwise
from amalgam.panel import Panel
from amalgam.processes import processes
from amalgam.progress import Silent
from amalgam.signals import ProbabilityTargets, Rows
from amalgam.strategies.kd import KD
from amalgam.strategy import Strategy
from amalgam.training.settings import Training
from amalgam.training.together import Member, fit_together
from tests.bench.small import METHODS, TABLE, check, ground_of, run, table, timeless
from tests.conftest import Cli


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
    task = cell.supervised(ground, {"name": "mlp", "hidden": [4]}, Training(), 0, "a test")
    arrays = task.targets.arrays()
    assert torch.equal(arrays["weights"], (~ground.truth.isnan()).float())
    assert bool((arrays["weights"][::2, 1] == 0).all())
    assert torch.equal(arrays["probabilities"], ground.truth.nan_to_num())


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
    begun = weights(cell.supervised(ground_of(of), {"name": "label_chain", "hidden": 5}, Training(), 0, "a test"))
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
        states.append(cell.untrained(ground, spec, seed, "a test", False).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])
