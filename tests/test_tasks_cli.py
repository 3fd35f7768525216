"""Tasks of several classes from files to answers: tables with columns of classes, estimators of several outputs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from amalgam.errors import RequestError
from amalgam.views.console import options
from tests.conftest import Cli

COLOURS = ("blue", "green", "red")
NAMED = ("--labels", "heavy", "--option", "tasks=colour,floor")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of 240 rows with two columns of classes and one of yes or no, and two estimators that know some each.

    pandas writes the floors, of which one is missing, as 0.0, 1.0 and 2.0.
    """
    chance = np.random.default_rng(3)
    inputs = chance.normal(size=(240, 4)).round(3)
    colour = np.array(COLOURS)[(inputs[:, :3] + inputs[:, [3]]).argmax(1)]
    heavy, floor = (inputs[:, 0] > 0).astype(int), np.digitize(inputs[:, 1], [-0.5, 0.5])
    frame = pd.DataFrame(inputs, columns=list("wxyz"))
    frame["colour"], frame["heavy"], frame["floor"] = colour, heavy, floor.astype(float)
    frame.loc[5, "floor"] = np.nan
    frame.loc[6, "colour"] = "  "
    frame.to_csv(tmp_path / "rooms.csv", index=False)
    own = {"painter": np.stack([colour, heavy.astype(str)], 1), "porter": np.stack([heavy, floor], 1)}
    for name, wanted in own.items():
        skops.io.dump(MultiOutputClassifier(LogisticRegression()).fit(inputs, wanted), tmp_path / f"{name}.skops")
    monkeypatch.chdir(tmp_path)
    return tmp_path


PANEL = ("painter@colour,heavy", "porter@heavy,floor")


def distil(cli: Cli, strategy: str, *more: Any, teachers: tuple[str, ...] = PANEL) -> tuple[int, str, str]:
    chosen = [part for one in teachers for part in ("--teacher", "sklearn:" + one.replace("@", ".skops@"))]
    options = "data.options={labels: [heavy], tasks: [colour, floor]}"
    short = ("--set", "data.parts=null", "--set", options, "--set", "training.epochs=3", "--set", "export=false")
    rows = ("--data", "rooms.csv", "--student", "mlp", *short, "--out", "run")
    return cli("distill", "--strategy", strategy, *chosen, *rows, *more)


def test_a_run_on_a_table_and_all_that_is_asked_of_it(folder: Path, cli: Cli) -> None:
    assert distil(cli, "kd")[0] == 0
    report = json.loads((folder / "run" / "report.json").read_text())
    tasks = {"colour": [f"colour: {one}" for one in COLOURS], "floor": ["floor: 0", "floor: 1", "floor: 2"]}
    assert report["student"]["tasks"] == tasks
    assert report["student"]["labels"] == [*tasks["colour"], *tasks["floor"], "heavy"]
    assert [one["tasks"] for one in report["teachers"]] == [{"colour": tasks["colour"]}, {"floor": tasks["floor"]}]

    assert "decides label by label" not in (folder / "run" / "README.md").read_text()

    assert cli("evaluate", "run", "--data", "rooms.csv", *NAMED)[0] == 0
    code, out, _ = cli("evaluate", "run", "--data", "rooms.csv", "--labels", "heavy", "--option", "tasks=colour",
                       "--option", "drop=floor")  # fmt: skip
    assert code == 0
    assert "not measured, for rooms.csv has no such label: 'floor: 0', 'floor: 1', 'floor: 2'" in out
    code, out, _ = cli("predict", "run", "rooms.csv", *NAMED)
    assert code == 0
    header, *lines = csv.reader(out.splitlines())
    assert header == report["student"]["labels"]
    assert np.allclose(np.array(lines, dtype=float)[:, :3].sum(1), 1, atol=1e-4)
    check = ("--check", "rooms.csv", "--option", "labels=heavy", "--option", "tasks=colour,floor")
    assert cli("export", "run", *check)[0] == 0
    code, out, err = cli("predict", "run", "rooms.csv", "--option", "task=colour")
    assert (code, "--option: unknown key 'task'" in err) == (2, True)
    code, out, err = cli("predict", "run", "rooms.csv", "--option", "colour")
    assert (code, "--option 'colour' should be key=value, such as --option tasks=colour,shape" in err) == (2, True)


def test_data_options_of_the_command_line() -> None:
    """Names of columns are taken as they are written; a list may come in parts."""
    told = options(None, assignments=("drop=01", "drop=#id,yes", "tasks=wall: red", "size=[4, 5]", "labels=[a, b]"))
    assert told is not None
    assert told.drop == ("01", "#id", "yes")
    assert (told.tasks, told.labels, told.size) == (("wall: red",), ("a", "b"), (4, 5))
    assert options(None) is None
    with pytest.raises(RequestError, match="the value is no YAML"):
        options(None, assignments=("seed=2024-13-45",))


def test_options_without_a_file_are_refused(folder: Path, cli: Cli) -> None:
    assert distil(cli, "kd")[0] == 0
    for command, wanted in ((("evaluate", "run"), "--data"), (("export", "run"), "--check")):
        code, _, err = cli(*command, "--option", "tasks=colour")
        assert (code, f"--option says what the file of {wanted} does not say itself; name one" in err) == (2, True)
    code, out, _ = cli("teachers", "show", "run")
    assert (code, "task floor: floor: 0, floor: 1, floor: 2" in out) == (0, True)


def test_teachers_are_shown_and_checked_with_their_tasks(folder: Path, cli: Cli) -> None:
    code, out, _ = cli("teachers", "show", "sklearn:painter.skops@colour,heavy", "sklearn:porter.skops@heavy,floor")
    assert code == 0
    assert "task colour: colour: blue, colour: green, colour: red" in out
    check = ("teachers", "check", "sklearn:painter.skops@colour,heavy", "--data", "rooms.csv")
    assert cli(*check, "--labels", "heavy", "--option", "tasks=colour", "--option", "drop=floor")[0] == 0
    code, _, err = cli(*check, "--labels", "heavy")
    assert code == 2
    assert "name it under the data option `tasks` if it holds classes, or leave it out with `drop`" in err


def test_what_is_not_learned_is_shown_as_such(folder: Path, cli: Cli) -> None:
    assert distil(cli, "single")[0] == 0
    card = (folder / "run" / "README.md").read_text()
    assert (
        "no target tells anything of 'floor: 0', 'floor: 1', 'floor: 2': the student's outputs of that name mean "
        "nothing"
    ) in card
    code, out, _ = cli("explain", "run", "--row", 0)
    heading = next(line for line in out.splitlines() if line.strip().startswith("label")).split()
    floors = [line.split() for line in out.splitlines() if line.strip().startswith("floor:")]
    place = heading.index("target") - len(heading)
    assert code == 0
    assert [own[place] for own in floors] == ["–", "–", "–"]


def test_strategies_that_do_not_learn_tasks_say_so(folder: Path, cli: Cli) -> None:
    assert distil(cli, "bl")[0] == 0
    assert (
        "strategy 'bl' decides label by label: the classes of the task 'colour', 'floor' are learned as labels that "
        "are yes or no, each by itself"
    ) in (folder / "run" / "README.md").read_text()
    code, _, err = distil(cli, "tc", "--out", "other", "--set", "data.labelled=0.5")
    assert code == 2
    assert (
        "strategy 'tc' chooses one class of all labels for a row, and teacher 'painter' has the task 'colour' beside "
        "other labels; choose a strategy that learns such tasks, as kd and venus do, or other teachers"
    ) in " ".join(err.split())


def test_a_teacher_called_student_is_told_from_the_student(folder: Path, cli: Cli) -> None:
    (folder / "painter.skops").rename(folder / "student.skops")
    assert distil(cli, "kd", teachers=("student@colour,heavy", "porter@heavy,floor"))[0] == 0
    names = [one["name"] for one in json.loads((folder / "run" / "report.json").read_text())["teachers"]]
    assert names == ["student-2", "porter"]
