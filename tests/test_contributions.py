"""What each teacher contributes, told by leaving it out."""

from __future__ import annotations

from pathlib import Path

import pytest

from amalgam import pipeline, recipe
from amalgam.errors import RequestError
from tests.conftest import Cli

SHORT = ("training.epochs=3", "export=false", "contributions=true")


def test_every_teacher_is_left_out_once(tmp_path: Path) -> None:
    asked = recipe.read("kd", {"teachers": ["digits-arithmetic", "digits-shape"]}, SHORT)
    student, report = pipeline.distill(asked, out=tmp_path / "run")
    assert {one.teacher for one in report.contributions} == {"digits-arithmetic", "digits-shape"}
    found = {one.teacher: one for one in report.contributions}
    assert found["digits-arithmetic"].lost == ("multiple_of_three", "prime", "square")
    assert found["digits-shape"].lost == ("closed_loop", "power_of_two", "straight_strokes")
    alone, rest = pipeline.distill(recipe.read("kd", {"teachers": ["digits-shape"]}, SHORT[:2]), keep=False)
    assert report.evaluation is not None
    assert rest.evaluation is not None
    whole = dict(zip(student.labels, report.evaluation.student.measures.f1_per_label, strict=True))
    both = [label for label in alone.labels if label in whole]
    left = found["digits-arithmetic"]
    assert left.without == pytest.approx(sum(rest.evaluation.student.measures.f1_per_label) / len(both))
    assert left.with_it == pytest.approx(sum(whole[label] for label in both) / len(both))
    gains = [one.gain for one in report.contributions]
    assert gains == sorted(gains, reverse=True)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "nobody else knows" in page
    assert f"{left.gain:+.3f}" in page


def test_one_teacher_has_nobody_beside_it(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="contributions needs at least two teachers; name them, or leave it out"):
        pipeline.distill(recipe.read("kd", {"teachers": ["digits-shape"]}, SHORT), out=tmp_path / "run")


def test_the_best_teachers_are_kept_and_why_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    """By what they say of the few labelled rows: a teacher of noise is left out."""
    monkeypatch.chdir(tmp_path)
    common = ("--set", "training.epochs=2", "--set", "export=false")
    status, _, err = cli(
        "distill", "--strategy", "sup", "--teacher", "trace-first", "--set", "training.epochs=1", "--set",
        "export=false", "--set", "student={name: convolutional}", "--out", "noise",
    )  # fmt: skip
    assert status == 0, err
    three = ("--teacher", "trace-first", "--teacher", "trace-last", "--teacher", "noise")
    status, said, err = cli("distill", "tc", *three, "--teachers", "auto:2", *common, "--out", "run")
    assert status == 0, err
    assert "trace-first" in said
    kept = recipe.read(str(tmp_path / "run")).teachers
    assert kept == ("trace-first", "trace-last")
    note = "of 3 teachers the 2 best by "
    assert note in (tmp_path / "run" / "report.json").read_text()


@pytest.mark.parametrize(
    ("strategy", "given", "message"),
    [
        ("tc", "best", "--teachers is 'best', expected auto:N"),
        ("tc", "auto:0", "--teachers is 'auto:0', expected auto:N"),
        ("tc", "auto:2", "--teachers auto:2 keeps the best 2 of more, and there are 2"),
        (
            "l2tl",
            "auto:2",
            "--teachers auto:2 ranks the teachers that a student learns from, and strategy 'l2tl' learns",
        ),
        ("fine_tuning", "auto:1", "learns from a source; leave it out (amalgam rank --target DATA --source SOURCE"),
        ("simme", "auto:2", "--teachers auto:2 ranks teachers by what they say of rows, and strategy 'simme' makes"),
        ("label_graph", "auto:1", "--teachers auto:1 ranks the teachers of the recipe label_graph, which has none;"),
    ],
)
def test_what_is_refused(cli: Cli, strategy: str, given: str, message: str) -> None:
    status, said, err = cli("distill", "--strategy", strategy, "--teachers", given)
    assert status == 2
    assert said == ""
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_teachers_that_label_a_source_are_not_chosen_among(cli: Cli) -> None:
    three = ("--teacher", "trace-first", "--teacher", "trace-last", "--teacher", "digits-shape")
    status, _, err = cli("distill", "--strategy", "l2tl", *three, "--source", "digits", "--teachers", "auto:2")
    assert status == 2
    assert "strategy 'l2tl' learns from a source; leave it out" in " ".join(err.split())
