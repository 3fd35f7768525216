"""What a tracker is told of a training, by Accelerate: in TensorBoard's event files where that is installed.

Elsewhere a class that Accelerate knows by the same name writes what it is told, and no more, so that all but the form
of the files is tested.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate import tracking
from accelerate.tracking import GeneralTracker

import amalgam
from amalgam import recipe, transferring
from amalgam.processes import tracked
from amalgam.training.settings import Training

Scalars = Callable[[Path], dict[str, dict[int, float]]]
SETTINGS = Training(tracker="tensorboard")


class Written(GeneralTracker):
    """A line of JSON for everything it is told, and one at its end."""

    name = "tensorboard"
    requires_logging_directory = True

    def __init__(self, run_name: str, logging_dir: str | Path) -> None:
        super().__init__()
        folder = Path(logging_dir) / run_name
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "told.jsonl"

    def start(self) -> None:
        """Accelerate calls it before anything is told."""
        self.path.touch()

    @property
    def tracker(self) -> Path:
        return self.path

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        raise AssertionError("nobody asked for it")

    def log(self, values: dict[str, Any], step: int | None, **kwargs: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([step, values]) + "\n")

    def finish(self) -> None:
        with self.path.open("a") as file:
            file.write("[]\n")


def of_events(folder: Path) -> dict[str, dict[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {tag: {one.step: one.value for one in read.Scalars(tag)} for tag in read.Tags()["scalars"]}


def of_lines(folder: Path) -> dict[str, dict[int, float]]:
    *lines, last = [json.loads(line) for line in (folder / "told.jsonl").read_text().splitlines()]
    assert last == [], "it was closed in the end"
    return {tag: {step: values[tag] for step, values in lines} for tag in lines[0][1]} if lines else {}


@pytest.fixture
def scalars(monkeypatch: pytest.MonkeyPatch) -> Scalars:
    """Reads what the tracker was told: tag → epoch → value."""
    if find_spec("tensorboard") is not None:
        return of_events
    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "tensorboard", Written)
    monkeypatch.setattr(tracking, "_available_trackers", [tracking.LoggerType.TENSORBOARD])
    return of_lines


def series(history: tuple[dict[str, Any], ...], *besides: str) -> dict[str, Any]:
    return {
        tag: pytest.approx({place: one[tag] for place, one in enumerate(history, 1)}, rel=1e-5)
        for tag in ("loss", "validation", "learning_rate", *besides)
    }


def test_a_tracker_is_told_of_the_policy_in_every_epoch(scalars: Scalars, tmp_path: Path) -> None:
    """While it learns, what it was rewarded by; then, of all labelled rows, what it weighed the source with."""
    short = ("training.epochs=4", "strategy.pretraining=2", "export=false", "training.tracker=tensorboard")
    asked = recipe.read("l2tl", {}, short)
    assert isinstance(asked, recipe.TransferRecipe)
    _, report = transferring.distill(asked, out=tmp_path / "run")
    logs = tmp_path / "run" / "logs"
    assert sorted(one.name for one in logs.iterdir()) == ["l2tl-again", "l2tl-policy"]
    learned, again = scalars(logs / "l2tl-policy"), scalars(logs / "l2tl-again")
    assert report.transfer is not None
    ends = {f"weight/{one.name}": one.weight for one in report.transfer.classes}
    ends["weight of the source"] = report.transfer.alpha
    for told, frozen in ((learned, False), (again, True)):  # the policy, as it is after each epoch
        policy = {tag: told.pop(tag) for tag in ends}
        assert {tag: values[4] for tag, values in policy.items()} == pytest.approx(ends)
        assert all((len(set(values.values())) == 1) == frozen for values in policy.values())
    assert learned == series(report.policy, "reward", "alpha", "source_weight")
    assert again == series(report.history, "alpha", "source_weight")
    assert list(learned["reward"]) == [1, 2, 3, 4]
    assert all(0 < value <= 1 for tag in ("alpha", "source_weight") for value in learned[tag].values())
    assert all(value < 0 for value in learned["reward"].values()), "a log-likelihood"


def test_a_tracker_is_told_of_a_student_of_teachers(scalars: Scalars, tmp_path: Path) -> None:
    class Teacher:
        name, labels = "signs", ("first", "second")

        def score(self, inputs: Any) -> Any:
            return inputs[:, :2]

    rows = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    student = amalgam.distill(
        [Teacher()], rows, "kd", student={"name": "mlp", "hidden": [4]},
        training={"epochs": 3, "tracker": "tensorboard"}, out=tmp_path / "run",
    )  # fmt: skip
    assert student.report is not None
    assert scalars(tmp_path / "run" / "logs" / "kd") == series(student.report.history)


def test_a_tracker_is_closed_where_a_training_fails(scalars: Scalars, tmp_path: Path) -> None:
    def fail() -> None:
        with tracked(SETTINGS, "some", tmp_path) as accelerator:
            accelerator.log({"loss": 0.5}, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert scalars(tmp_path / "some") == {"loss": {1: 0.5}}


def test_without_a_folder_or_a_tracker_nothing_is_told(scalars: Scalars, tmp_path: Path) -> None:
    for settings, folder in ((SETTINGS, None), (Training(), tmp_path)):
        with tracked(settings, "some", folder) as accelerator:
            accelerator.log({"loss": 0.5}, 1)
    assert list(tmp_path.iterdir()) == []
