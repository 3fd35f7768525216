"""`amalgam explain`: what is shown is what the run's target was made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from amalgam import finished as runs
from amalgam import pipeline
from amalgam.errors import RequestError
from amalgam.explain import Explanation, sheets
from amalgam.panel import Ballots, Seat, seat
from amalgam.parts import apportion
from amalgam.progress import Silent
from amalgam.recipe import read, resolve
from amalgam.signals import ProbabilityTargets
from amalgam.strategy import Account
from tests.class_laws import Chooses
from tests.conftest import Cli

PERIODS = {"a": 4.0, "b": 7.0, "c": 12.0}


@pytest.fixture
def finished(tmp_path: Path, home: Path) -> Path:
    """A run of TC on waves in a file, of teachers in the folder of an own run each."""
    chance = np.random.default_rng(0)
    classes = chance.permutation(np.arange(90) % 3)
    period = np.array(list(PERIODS.values()))[classes][:, None]
    series = np.sin(2 * np.pi * np.arange(24) / period + 6 * chance.random((90, 1)))
    np.savez(tmp_path / "waves.npz", X=series[..., None], y=np.array(list(PERIODS))[classes])
    for name, own in (("first", ["a", "b"]), ("last", ["b", "c"])):
        (tmp_path / f"{name}.yaml").write_text(
            f"{{name: {name}, adapter: torch, labels: {own}, exclusive: true, source: {name}}}"
        )
        from amalgam.student import build

        torch.manual_seed(len(own[0]) + ord(own[0]))
        spec = {"name": "convolutional", "channels": 4, "kernels": [3]}
        build(spec, (24, 1), own, "a test").save(tmp_path / name)
    recipe = resolve(
        {
            "name": "waves",
            "strategy": {"name": "tc", "evidence": "rocket", "judged": "classes", "normalise": "none", "features": 84},
            "teachers": [str(tmp_path / "first.yaml"), str(tmp_path / "last.yaml")],
            "data": {"source": str(tmp_path / "waves.npz"), "options": {"series": True}, "labelled": 0.2},
            "student": {"name": "convolutional", "channels": 4, "kernels": [3]},
            "training": {"epochs": 2, "threads": 1},
            "export": False,
        },
        "a test",
    )
    pipeline.distill(recipe, out=tmp_path / "run")
    return tmp_path / "run"


def test_a_row_of_a_run(finished: Path, cli: Cli) -> None:
    targets = next((finished.parent / "home" / "targets").glob("*/*/probabilities.0-3.npy"))
    stored = np.load(targets)
    code, shown, _ = cli("explain", finished, "--row", 1)
    assert code == 0
    parts = apportion(read(str(finished)))
    row = int(parts.learn.ids[3])
    found = runs.explain(finished, row, trust=False, progress=Silent())
    assert found.part == "the student's rows"
    assert isinstance(found.targets, ProbabilityTargets)
    np.testing.assert_allclose(found.targets.probabilities[0].numpy(), stored[3], atol=1e-5)
    judge, trust = found.account.labels["judge"][0], found.account.teachers["trust"][0]
    torch.testing.assert_close(trust[0], judge[0] + judge[1])
    torch.testing.assert_close(trust[1], judge[1] + judge[2])
    for name in ("trust", "judge", "target", "student", "first", "last"):
        assert name in shown
    assert parts.test is not None
    other = runs.explain(finished, int(parts.test.ids[0]), trust=False, progress=Silent())
    assert other.part == "the test rows"
    assert other.annotated is not None
    assert float(other.annotated.sum()) == 1


def test_a_labelled_rows_target_is_its_annotation_where_the_run_made_it_so(finished: Path) -> None:
    wanted = read(str(finished))
    labelled = wanted.model_copy(update={"strategy": {**wanted.strategy, "labelled": True}})
    pipeline.distill(labelled, out=finished.parent / "labelled")
    parts = apportion(wanted)
    assert parts.learn.annotated is not None
    assert parts.test is not None
    shown = (~parts.learn.annotated.isnan()).any(1).nonzero()[:, 0]
    for ids, sure in ((parts.learn.ids[shown], True), (parts.test.ids[:5], False)):
        for row in ids.tolist():
            found = runs.explain(finished.parent / "labelled", row, trust=False, progress=Silent())
            assert isinstance(found.targets, ProbabilityTargets)
            assert found.annotated is not None
            same = torch.equal(found.targets.probabilities[0], found.annotated)
            assert same == sure, "a test row's annotation is nobody's to see"


def test_a_row_that_is_not_there_is_refused(finished: Path) -> None:
    with pytest.raises(RequestError) as raised:
        runs.explain(finished, 90, trust=False, progress=Silent())
    assert str(raised.value).startswith("row 90 is none of the student's or test rows of this run; the student's are ")


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as raised:
        runs.explain(tmp_path, 0, trust=False, progress=Silent())
    assert str(raised.value) == f"{tmp_path} holds no run (no recipe.yaml); name a run directory, such as runs/ant-1"


def test_a_line_for_each_label_and_for_each_quantity_of_teachers() -> None:
    panel = seat([Seat("one", Chooses(("a", "b"), 0)), Seat("two", Chooses(("b", "c"), 1))])
    scores = (torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 1.0]]))
    found = Explanation(
        row=4,
        part="the test rows",
        panel=panel,
        votes=Ballots(panel, 1, scores).at(slice(0, 1)),
        account=Account({"trust": torch.tensor([[0.75, 0.25]])}, {"judge": torch.tensor([[0.2, 0.7, 0.1]])}),
        targets=ProbabilityTargets(torch.tensor([[0.1, 0.6, 0.3]]), torch.ones(1, 3), spans=((0, 3),)),
        student=torch.tensor([0.3, 0.3, 0.4]),
        annotated=torch.tensor([0.0, 1.0, torch.nan]),
    )
    (sheet,) = sheets(found).sheets
    assert sheet.headings == ("label", "one", "two", "judge", "target", "student", "annotated")
    trust, labels = sheet.blocks
    assert [(name, [one.text for one in entries]) for name, entries in trust] == [
        ("trust", ["0.750", "0.250", "", "", "", ""])
    ]
    assert [(name, [one.text for one in entries]) for name, entries in labels] == [
        ("a", ["0.119", "–", "0.200", "0.100", "0.300", "0.000"]),
        ("b", ["0.881", "0.500", "0.700", "0.600", "0.300", "1.000"]),
        ("c", ["–", "0.500", "0.100", "0.300", "0.400", "–"]),
    ]
    assert [one.best for one in labels[1][1]] == [True, False, True, True, False, True]
