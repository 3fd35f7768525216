"""The run as a whole, of series with a few labelled ones among them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import amalgam
from amalgam import pipeline
from amalgam.errors import RequestError
from amalgam.recipe import resolve
from amalgam.report import ANNOTATED
from amalgam.student import build
from tests.class_laws import CLASSES, Chooses
from tests.conftest import Cli


class Known:
    """A teacher of classes who has no idea."""

    exclusive = True
    fingerprint = "none"

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels

    def score(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(inputs), len(self.labels))


SMALL = {"name": "convolutional", "channels": 4, "kernels": [3]}


def test_series_in_memory_of_which_a_few_are_labelled(home: Path) -> None:
    """A triple of the Python API: nobody names a part, a share or a file."""
    chance = torch.Generator().manual_seed(0)
    series = torch.randn(60, 12, 1, generator=chance)
    series[::4, 9:] = torch.nan
    annotated = torch.full((60, 5), torch.nan)
    annotated[:20] = torch.eye(5)[torch.arange(20) % 5]

    class Reads(Chooses):
        def score(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().score(inputs.nan_to_num())

    test = torch.randn(20, 12, 1, generator=chance), torch.eye(5)[torch.arange(20) % 5], CLASSES
    student = amalgam.distill(
        [Reads(("a", "b", "c"), 0), Reads(("c", "d", "e"), 1)],
        (series, annotated, CLASSES),
        {"name": "tc", "evidence": "rocket", "judged": "classes", "features": 84},
        student={"name": "convolutional", "channels": 4, "kernels": [3]},
        training={"epochs": 2},
        test=test,
    )
    assert student.exclusive
    assert student.predict(series.numpy()).sum(1).tolist() == [1] * 60
    np.testing.assert_allclose(student.predict_proba(series).sum(1), 1, rtol=1e-5)
    assert student.report is not None
    assert student.report.evaluation is not None
    assert student.report.evaluation.exclusive
    assert student.report.data["learnt from"] + student.report.data["stopped early by"] == 60
    with pytest.raises(RequestError) as raised:
        amalgam.distill(
            [Reads(("a", "b"), 0)], (series, annotated, CLASSES), "uhc", student="mlp", training={"epochs": 1}
        )
    assert str(raised.value) == (
        "arrays has missing values (NaN), which this network cannot read; fill them in, or choose one for series, such "
        "as recurrent or convolutional"
    )


def test_a_strategy_of_labels_asks_for_them() -> None:
    with pytest.raises(RequestError) as raised:
        amalgam.distill([Chooses(("a", "b"), 0)], np.zeros((9, 12, 1)), "tc", student="convolutional")
    assert str(raised.value) == (
        "strategy 'tc' learns from a few labelled rows; say which share of the student's rows it may see the "
        "annotations of, such as --set data.labelled=0.05 (1 for all that are annotated), or how many of every label, "
        "--set data.shots=5"
    )


def test_a_strategy_of_labelled_rows_alone_says_how_few_they_are(home: Path) -> None:
    annotated = torch.full((300, 5), torch.nan)
    annotated[:120] = torch.eye(5)[torch.arange(120) % 5]
    series = torch.randn(300, 12, 1, generator=torch.Generator().manual_seed(0))
    for rows, noted in ((slice(0, 300), 0), (slice(50, 300), 1)):
        student = amalgam.distill(
            [Chooses(CLASSES, 0)],
            (series[rows], annotated[rows], CLASSES),
            "sup",
            student=SMALL,
            training={"epochs": 3, "validation": 0.1},
        )
        assert student.report is not None
        learnt, stopped = (student.report.data[key] for key in ("learnt from", "stopped early by"))
        assert (learnt, stopped) == ((108, 12), (70, 0))[noted]
        told = "the student learns from 70 labelled rows alone, too few to stop by: it is trained for 3 epochs"
        assert (told in student.report.notes) == bool(noted)


@pytest.fixture
def waves(tmp_path: Path, home: Path) -> Path:
    """A folder of text files of waves, one of them of longer series, and two teachers."""
    chance = np.random.default_rng(0)
    for name, rows, steps in (("learn", 90, 24), ("test", 30, 24), ("long", 30, 36)):
        classes = np.arange(rows) % 3
        period = np.array([4.0, 7.0, 12.0])[classes][:, None]
        series = np.sin(2 * np.pi * np.arange(steps) / period + 6 * chance.random((rows, 1)))
        lines = [
            "\t".join([f"c{one}", *(f"{value:.6f}" for value in row)]) for one, row in zip(classes, series, strict=True)
        ]
        (tmp_path / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    for name, own in (("first", ["c0", "c1"]), ("last", ["c1", "c2"])):
        (tmp_path / f"{name}.yaml").write_text(
            f"{{name: {name}, adapter: torch, labels: {own}, exclusive: true, source: {name}}}"
        )
        build(SMALL, (24, 1), own, "a test").save(tmp_path / name)
    return tmp_path


def test_text_files_of_series_on_the_command_line(waves: Path, cli: Cli) -> None:
    teachers = "--teacher", waves / "first.yaml", "--teacher", waves / "last.yaml"
    asked = ["distill", "--strategy", "kd", *teachers, "--student", "convolutional", "--out", waves / "run"]
    asked += ["--set", "training.epochs=1", "--set", f"data.held_out={waves / 'long.tsv'}"]
    code, _, said = cli(*asked, "--series")
    assert (code, said) == (2, "amalgam: error: --series says how the file of --data is read; name one\n")
    asked += ["--data", waves / "learn.tsv"]
    code, _, said = cli(*asked)
    assert code == 2
    assert "if every line is a series after its class, say --series, or set the data option `series` to true" in said
    code, _, said = cli(*asked, "--series")
    assert code == 0, said
    for name in ("test", "long"):  # what reads series knows what a file of lines without names is
        code, table, said = cli("predict", waves / "run", waves / f"{name}.tsv")
        assert code == 0, said
        header, *lines = table.splitlines()
        assert (header, len(lines)) == ("c0,c1,c2", 30)
        code, shown, said = cli("evaluate", waves / "run", "--data", waves / f"{name}.tsv")
        assert code == 0, said
        assert "accuracy" in shown
    code, shown, said = cli("export", waves / "run", "--check", waves / "test.tsv")
    assert code == 0, said  # the run's own rows are as long as those of long.tsv
    assert "Checked against torch on 30 rows of" in shown
    code, shown, said = cli("teachers", "check", waves / "first.yaml", "--data", waves / "test.tsv", "--series")
    assert "30 rows give finite scores (30, 2)" in shown


def test_series_of_another_length_are_measured_on_by_who_can_read_them(waves: Path) -> None:
    wanted = {
        "name": "waves",
        "strategy": {"name": "kd"},
        "teachers": [str(waves / "first.yaml"), str(waves / "last.yaml")],
        "data": {"source": str(waves / "learn.tsv"), "options": {"series": True}, "held_out": str(waves / "long.tsv")},
        "training": {"epochs": 1},
        "export": False,
    }
    student, report = pipeline.distill(resolve(wanted | {"student": SMALL}, "a test"), keep=False)
    assert student.shape == (24, 1)
    assert report.data["measured on"] == 30
    with pytest.raises(RequestError) as raised:
        pipeline.distill(resolve(wanted | {"student": {"name": "mlp"}}, "a test"), keep=False)
    assert str(raised.value) == (
        "the student 'mlp' reads rows of the shape (24, 1) only, and the test rows have the shape (36, 1); choose one "
        "for series of any length, such as recurrent or convolutional"
    )


def test_a_leak_shows_through_what_fills_series_up(waves: Path) -> None:
    lines = (waves / "learn.tsv").read_text().splitlines()[:2]
    (waves / "held.tsv").write_text((waves / "long.tsv").read_text() + "\n".join(line + "\t?" * 12 for line in lines))
    wanted = resolve(
        {
            "name": "waves",
            "strategy": "kd",
            "teachers": [str(waves / "first.yaml"), str(waves / "last.yaml")],
            "data": {
                "source": str(waves / "learn.tsv"),
                "options": {"series": True},
                "held_out": str(waves / "held.tsv"),
            },
            "student": SMALL,
        },
        "a test",
    )
    with pytest.raises(RequestError, match="2 of 32 test rows are among the rows that the student learns from"):
        pipeline.distill(wanted, keep=False)


def test_classifiers_of_four_kinds_in_one_panel(home: Path, tmp_path: Path) -> None:
    """A nearest neighbour of tslearn, a forest of scikit-learn, an ONNX file and a network of torch."""
    from sklearn.ensemble import RandomForestClassifier

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="h5py not installed")
        from tslearn.neighbors import KNeighborsTimeSeriesClassifier
    chance = np.random.default_rng(1)
    classes = np.arange(400) % 4
    period = np.array([4.0, 7.0, 12.0, 25.0])[classes][:, None]
    first = np.sin(2 * np.pi * np.arange(24) / period + 6 * chance.random((400, 1)))
    series = np.stack([first, 0.1 * chance.standard_normal((400, 24))], axis=2).astype(np.float32)
    names, annotated = np.array(["a", "b", "c", "d"]), np.eye(4, dtype=np.float32)[classes]

    def own(*known: int) -> np.ndarray[Any, Any]:
        return np.isin(classes[:200], known).nonzero()[0]

    def network(*known: int) -> amalgam.Student:
        some, labels = own(*known), [str(names[one]) for one in known]
        return amalgam.distill(
            [Known(labels)], (series[some], annotated[some][:, known], labels), "sup", student=SMALL,
            training={"epochs": 40, "learning_rate": 0.01, "batch_size": 8}, out=tmp_path / labels[0],
        )  # fmt: skip

    network(2, 3)
    nearest = KNeighborsTimeSeriesClassifier(1, metric="euclidean").fit(series[own(0, 1)], names[classes[own(0, 1)]])
    forest = RandomForestClassifier(50, random_state=0)
    forest.fit(series[own(1, 2)].reshape(-1, 48), names[classes[own(1, 2)]])
    few = annotated[200:360].copy()
    few[16:] = np.nan
    student = amalgam.distill(
        [nearest, forest, f"onnx:{tmp_path / 'c' / 'student.onnx'}", network(0, 3)],
        (series[200:360], few, list(names)),
        {"name": "tc", "evidence": "rocket", "judged": "classes", "normalise": "none", "shared": "mean", "mix": 0.5},
        student=SMALL,
        training={"epochs": 30, "learning_rate": 0.01, "batch_size": 8},
        test=(series[360:], annotated[360:], list(names)),
    )
    report = student.report
    assert report is not None
    assert [set(one.labels) for one in report.teachers] == [{"a", "b"}, {"b", "c"}, {"c", "d"}, {"a", "d"}]
    assert report.data[ANNOTATED] == 16
    assert report.evaluation is not None
    best = max(1 - one.teacher.measures.subset_loss for one in report.evaluation.teachers)
    assert best > 0.7
    assert report.evaluation.student.measures.accuracy > 0.7
    assert report.grid is not None
    for label, trust in zip(report.grid.labels, report.grid.values, strict=True):  # who knows the class is trusted more
        knows = [label in one.labels for one in report.teachers]
        assert min(one for one, yes in zip(trust, knows, strict=True) if yes and one is not None) > 0.6
        assert max(one for one, yes in zip(trust, knows, strict=True) if not yes and one is not None) < 0.4
