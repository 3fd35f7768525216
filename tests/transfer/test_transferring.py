"""Whole runs from a source to a target, by Python and by the command line."""

from __future__ import annotations

import json
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import amalgam
from amalgam import recipe, run, transferring
from amalgam.errors import RequestError, WorkError
from amalgam.fingerprint import of_each_row
from amalgam.journal import Journal
from amalgam.progress import Silent
from amalgam.report import card, page
from amalgam.signals import Rows, TensorRows
from amalgam.tokens import Reading
from amalgam.transfer.method import Beside
from amalgam.transfer.policy import Policy
from tests.conftest import Cli

WAYS = ("l2tl", "joint", "random_search", "fine_tuning", "datl")
SHORT = ("training.epochs=6", "strategy.pretraining=3", "export=false")


def digits(only: range) -> TensorRows:
    inputs, classes = load_digits(return_X_y=True)
    some = np.isin(classes, only)
    said = torch.tensor(classes[some][:, None] == np.array(only)).float()
    return TensorRows(values=torch.tensor(inputs[some]).float(), labels=tuple(map(str, only)), annotated=said)


def read(strategy: str = "l2tl", *assignments: str) -> recipe.TransferRecipe:
    found = recipe.read("l2tl", {"strategy": {"name": strategy}}, (*SHORT, *assignments))
    assert isinstance(found, recipe.TransferRecipe)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_every_way_learns_the_target(way: str) -> None:
    student, report = transferring.distill(read(way, "training.epochs=60", "data.shots=20"), keep=False)
    assert student.labels == ("six", "seven", "eight", "nine")
    assert report.evaluation is not None
    assert report.evaluation.student.measures.accuracy > 0.85
    assert report.data["learnt from"] == 80
    assert report.data["source"] == 1083
    assert report.transfer is not None
    assert len(report.transfer.classes) == 6
    weighed = way in ("l2tl", "joint", "random_search")
    assert np.isnan(report.transfer.alpha) == (not weighed)
    assert not any("cifar" in name or "head.s" in name for name in student.state_dict())


def test_a_run_is_the_same_twice() -> None:
    first, _ = transferring.distill(read(), keep=False)
    second, _ = transferring.distill(read(), keep=False)
    for one, other in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_student_has_the_numbers_of_the_rows_behind_it() -> None:
    """So that nobody measures it on those of the source either."""
    source = digits(range(2))
    student, report = transferring.distill(read("fine_tuning"), sources={"some": source}, keep=False)
    assert student.seen is not None
    theirs = set(of_each_row(source).tolist())
    assert theirs < set(student.seen.tolist())
    assert len(set(student.seen.tolist()) - theirs) == report.data["learnt from"]


def test_all_labelled_rows_are_learned_from_where_the_policy_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anew (§5): not from where the student was that the policy learned beside."""
    real, began = transferring.fit, []

    def noted(student: torch.nn.Module, *args: Any, **given: Any) -> Any:
        began.append(deepcopy(student.state_dict()))
        return real(student, *args, **given)

    monkeypatch.setattr(transferring, "fit", noted)
    student, _ = transferring.distill(read(), keep=False)
    first, second = began
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not all(torch.equal(value, first[name]) for name, value in student.state_dict().items())


def test_unless_again_the_student_is_the_one_that_the_policy_learned_beside() -> None:
    _, report = transferring.distill(read("l2tl", "strategy.again=false"), keep=False)
    assert not report.policy
    assert "reward" in report.history[0]


def test_a_killed_run_is_resumed_as_it_would_have_gone_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the second stage: all labelled rows by the policy of the first."""
    asked = read("l2tl", "training.checkpoint_seconds=0")
    wanted, whole = transferring.distill(asked, out=tmp_path / "whole")
    real, stages = transferring.fit, []

    def killed(*args: Any, **given: Any) -> Any:
        stages.append(given["name"])
        if len(stages) == 2:
            raise WorkError("killed")
        return real(*args, **given)

    monkeypatch.setattr(transferring, "fit", killed)
    with pytest.raises(WorkError, match="killed"):
        transferring.distill(asked, out=tmp_path / "run")
    monkeypatch.setattr(transferring, "fit", real)
    student, report = transferring.distill(asked, out=tmp_path / "run", resume=True)
    assert report.transfer == whole.transfer
    for one, other in zip(student.state_dict().values(), wanted.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_teachers_label_a_source_that_nobody_annotated() -> None:
    """Two teachers of the same rows: what the one that knows says is worth more to the target than noise."""
    source = digits(range(6))
    flat = torch.nn.Linear(64, 6)
    with torch.no_grad():  # nearest mean
        means = torch.stack([source.values[source.annotated[:, k] == 1].mean(0) for k in range(6)])
        flat.weight.copy_(means / 16)
        flat.bias.copy_(-means.square().sum(1) / 32)
    knows = amalgam_teacher("knows", source.labels, flat)
    guesses = amalgam_teacher("guesses", ("x", "y", "z"), torch.nn.Linear(64, 3))
    student = amalgam.distill(
        [knows, guesses], (digits(range(6, 10)).values.numpy(), digits(range(6, 10)).annotated.numpy(), list("6789")),
        {"name": "l2tl", "pretraining": 3, "source_batch": 32}, student={"name": "mlp", "hidden": [32]}, shots=10,
        training={"epochs": 5, "batch_size": 16}, sources={"numerals": source.values.numpy()},
    )  # fmt: skip
    assert student.report is not None
    told = student.report.transfer
    assert told is not None
    assert {one.name.partition(": ")[0] for one in told.classes} == {"knows", "guesses"}
    assert student.labels == ("6", "7", "8", "9")
    assert [one.name for one in student.report.teachers] == ["knows", "guesses"]
    assert "| `knows` | in memory | unknown |" in card(student.report)
    assert "How many labels each pair of teachers shares" in page(student.report)


def test_teachers_of_one_name_are_told_apart() -> None:
    """Neither names its classes, nor its votes in the store, as the other does."""
    source = digits(range(6))
    one, other = (
        amalgam_teacher("lab", labels, torch.nn.Linear(64, 3)) for labels in (("a", "b", "c"), ("x", "y", "z"))
    )
    _, report = transferring.distill(read(), sources={"numerals": source}, teachers=[one, other], keep=False)
    assert report.transfer is not None
    assert sorted(one.name for one in report.transfer.classes) == [
        "lab-2: x", "lab-2: y", "lab-2: z", "lab: a", "lab: b", "lab: c"
    ]  # fmt: skip
    assert [one.name for one in report.teachers] == ["lab", "lab-2"]


def amalgam_teacher(name: str, labels: tuple[str, ...], network: torch.nn.Module) -> Any:
    class Teacher:
        exclusive = True

        def score(self, inputs: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                scores: torch.Tensor = network(inputs)
            return scores

    one = Teacher()
    one.name, one.labels = name, labels  # type: ignore[attr-defined]
    return one


def test_a_run_by_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.chdir(tmp_path)
    changes = [part for one in SHORT for part in ("--set", one)]
    status, said, err = cli("distill", "--strategy", "l2tl", *changes, "--out", "run")
    assert status == 0, err
    assert "accuracy" in said
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert {"reward", "alpha", "source_weight"} <= set(report["policy"][0])
    assert report["transfer"]["pretraining"]["source"] > 0
    assert "What the student begins with took" in (tmp_path / "run" / "report.html").read_text()
    status, said, err = cli("evaluate", "run")
    assert status == 0, err
    status, said, err = cli("explain", "run", "--row", "0")
    assert status == 2
    assert "is a transfer: its student learned annotations" in err
    assert run.finished(tmp_path / "run")
    status, _, err = cli("distill", "--strategy", "kd", "--source", "digits")
    assert status == 2
    assert "strategy 'kd' takes no source" in err


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (("student={name: label_chain}",), "the student label_chain has no last layer of its own"),
        (("sources=[]",), "learns from a source beside the target, and there is none; name one with --source"),
        (("data.shots=1", "strategy.validation=0.3"), "leave none to tell the reward by"),
        (("data.options.only=[six]",), "of one class"),
        (("data.labelled=0.5",), "labelled or shots, not both"),
        (("live=true",), "recipe l2tl: live asks teachers about random views, and no teacher is asked here; leave it"),
        (("contributions=true",), "recipe l2tl: contributions distils again without each teacher, and this student"),
        (("labels.names=[nine, six]",), "labels.names chooses among the teachers' labels, .*the data option `only`"),
        (("data.join=[{source: digits-numerals}]",), "data.join adds rows whose labels a label graph .*with --source"),
        (("data.parts={a: 0.5, test: 0.5}", "data.shows={a: [six]}"), "data.shows says what parts .*data.shots=5"),
        (("training.augment.flip=0.5",), r"training.augment.flip is for images .* these inputs have the shape \(64,\)"),
        (("training.tracker=nonsense",), "recipe l2tl: training.tracker is 'nonsense', which is unknown or not"),
        (("strategy.actions=1",), "strategy.actions is 1"),
        (
            ("sources=[{source: shapes3d, options: {tasks: [shape], count: 50}}]",),
            "source shapes3d has rows of the shape",
        ),
        (("sources=[{source: cifar-100}]",), "no such file|bring both data sets to one shape|is not there"),
    ],
)
def test_what_is_refused(assignments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transferring, "begun", None)  # before anything is learned
    with pytest.raises(RequestError, match=message):
        transferring.distill(read("l2tl", *assignments), keep=False)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (
            {"none": digits(range(2)).take(torch.arange(0))},
            "the source none has no rows; name one that has",
        ),
        (
            {"short": replace(digits(range(2)), values=torch.zeros(360, 9))},
            r"source short has rows of the shape \(9,\), and",
        ),
        (
            {"said": replace(digits(range(2)), texts=Reading())},
            "said has rows of texts, and the student mlp reads numbers",
        ),
        ({"plain": digits(range(2)).unlabelled()}, "the source plain has no annotated rows; name its label columns"),
        ({"many": replace(digits(range(2)), annotated=torch.ones(360, 2))}, "row 0 of the source many has 2 labels"),
        ({"one": digits(range(1))}, "the source one has rows of 1 class; it needs at least two"),
        ({"same": digits(range(6, 8))}, "test rows are among the rows that the student learns from"),
    ],
)
def test_what_is_no_source_is_refused_before_anything_is_learned(
    sources: dict[str, Rows], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transferring, "begun", None)
    with pytest.raises(RequestError, match=message):
        transferring.distill(read(), sources=sources, keep=False)


def test_one_image_of_each_class_is_enough_without_a_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy needs one more, which its reward is told by."""

    def images(only: range) -> TensorRows:
        found = digits(only)
        return replace(found, values=found.values.reshape(-1, 1, 8, 8) / 16)

    rows, network = images(range(6, 10)), {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]}
    told = ("data.shots=1", f"student={{name: timm, model: resnet18, task_units: null, arguments: {network}}}")
    given: Any = {"rows": rows, "sources": {"some": images(range(2)).take(torch.arange(20))}, "keep": False}
    student, report = transferring.distill(read("fine_tuning", "data.options={}", *told), **given)
    assert report.data["learnt from"] == 4
    assert student.shape == (1, 8, 8)
    monkeypatch.setattr(transferring, "begun", None)  # nothing is learned of the source before
    with pytest.raises(RequestError, match="the 4 labelled rows of the target leave none to tell the reward by"):
        transferring.distill(read("l2tl", "data.options={}", *told), **given)


def test_classes_that_no_source_has_are_noted_where_some_have() -> None:
    source = replace(digits(range(4)), labels=("six", "seven", "b", "c"))
    _, report = transferring.distill(read("fine_tuning"), sources={"some": source}, keep=False)
    note = "no source has a class named 'eight', 'nine': what it is learned from is the target alone"
    assert note in report.notes
    _, report = transferring.distill(read("fine_tuning"), sources={"some": digits(range(4))}, keep=False)
    assert not any("no source has" in one for one in report.notes), "sources have other classes as a rule"


def test_a_run_whose_weights_collapse_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Beside.policy

    def collapsed(method: Beside, classes: int) -> Policy:
        policy = real(method, classes)
        with torch.no_grad():
            policy.logits[:, 0] = 50.0
        return policy

    monkeypatch.setattr(Beside, "policy", collapsed)
    student, report = transferring.distill(read(), keep=False)
    assert "the policy weighs every class of the source at nearly 0: it does not help this target" in report.notes
    assert report.transfer is not None
    assert [one.weight for one in report.transfer.classes] == pytest.approx([0.0] * 6, abs=1e-6)
    assert {one["source_weight"] for one in (*report.policy, *report.history)} == {0.0}
    assert all(bool(value.isfinite().all()) for value in student.state_dict().values())


def test_auc_of_one_class_is_refused_before_anything_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transferring, "begun", None)
    inputs = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32)
    annotated = np.zeros((40, 2), dtype=np.float32)
    annotated[0] = 1
    with pytest.raises(RequestError, match="the reward `auc` is not defined on the"):
        amalgam.distill(
            [], (inputs, annotated, ["a", "b"]), {"name": "l2tl", "reward": "auc", "pretraining": 0},
            student={"name": "mlp"}, sources={"s": (digits(range(6)).values.numpy(), digits(range(6)).annotated.numpy(),
                                                     list("012345"))},
        )  # fmt: skip


def test_weights_that_collapse_are_told_and_training_goes_on() -> None:
    journal = Journal(Silent(), "test", ExitStack())
    policy = Policy(3, 5, 7, 0.5, 0.05, 0.01, "learned")
    transferring.warn(policy, journal)
    assert journal.notes == []
    with torch.no_grad():
        policy.logits[:, 0] = 50.0
    transferring.warn(policy, journal)
    assert journal.notes == ["the policy weighs every class of the source at nearly 0: it does not help this target"]
    with torch.no_grad():
        policy.logits.zero_()
        policy.scale[0] = 50.0
    transferring.warn(policy, journal)
    assert journal.notes[1] == "the policy weighs the source as a whole at nearly 0: it does not help this target"
    assert policy.act().weights.shape == (3,)
