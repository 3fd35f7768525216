"""Wrong requests, and work that fails, met on the command line: the whole message, the exit code, what is kept."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from amalgam.strategies.ant import ANT
from amalgam.teacher import ConditionalScorer

from .erring import Cli, Distil, arrange, notes


@pytest.fixture
def distil(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Distil:
    return arrange(cli, tmp_path, monkeypatch)


@pytest.fixture
def finished(distil: Distil) -> Distil:
    """With a finished run in `run`."""
    assert distil.works() == ["no annotated rows to measure on; name some with data.held_out"]
    return distil


RESUME = ("distill", "--resume", "--out", "run", "--trust-code")
CHECKOUT = Path(__file__).parents[1]
STRATEGIES = ", ".join(sorted(path.stem for path in CHECKOUT.glob("amalgam/strategies/[!_]*.py")))
SHIPPED = ", ".join(sorted(path.stem for path in CHECKOUT.glob("recipes/*.yaml")))
RECIPES = f"(built in: {SHIPPED}; or a path to a file)"
HYPERPARAMETERS = ", ".join(field.name for field in dataclasses.fields(ANT))  # spelt out in test_recipe.py


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("distill --strategy an", f"unknown strategy 'an'; did you mean 'ant'? (known: {STRATEGIES})"),
        ("distill ant --strategy atn", f"unknown strategy 'atn'; did you mean 'ant'? (known: {STRATEGIES})"),
        ("distill antt", f"no recipe 'antt'; did you mean 'ant'? {RECIPES}"),
        (
            "distill",
            f"nothing says what to distil: name a recipe ({SHIPPED}, or a path) or --strategy ({STRATEGIES})",
        ),
        ("distill --resume", "--resume needs the run to go on with: --out runs/NAME"),
        (
            "distill --resume --out gone",
            "--resume: gone holds no run (no recipe.yaml); start one there without --resume",
        ),
        (
            "distill ant --resume --out others",
            "--resume: others holds no run (no recipe.yaml); start one there without --resume",
        ),
        ("distill ant --out pair.py", "--out pair.py is a file; name a directory"),
        (
            "distill ant --out others",
            "--out others already holds other files, which is never overwritten; choose another directory",
        ),
        (
            "distill ant --out pair.py/run",
            "pair.py/run cannot be written (Not a directory); name another directory with --out",
        ),
        ("evaluate others", "others holds no run (no recipe.yaml); name a run directory, such as runs/ant-1"),
        *(
            (
                command,
                "no student in others: expected config.json and model.safetensors (or a run directory with student/)",
            )
            for command in ("predict others digits", "export others")
        ),
        (
            "teachers train digits-shap",
            "no teacher 'digits-shap'; did you mean 'digits-shape'? (built in: digits-arithmetic, digits-dense, "
            "digits-residual, digits-shape, rooms-colours, rooms-things, trace-first, trace-last; or a card's path, or "
            "adapter:source@labels with "
            "an adapter of custom, onnx, sklearn, timm, torch, torchvision)",
        ),
        ("cache clear --kind vote", "--kind 'vote' is none of teachers, votes, targets, vectors"),
    ],
)
def test_a_request_that_names_nothing(distil: Distil, arguments: str, message: str) -> None:
    Path("others").mkdir()
    Path("others/thing").touch()
    assert distil.fails(2, *arguments.split()) == message


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (
            "trainin=1",
            "recipe RECIPES/ant.yaml: unknown key 'trainin'; did you mean 'training'? (known: contributions, data, "
            "description, export, labels, live, made_with, name, seed, strategy, student, teachers, training)",
        ),
        (
            "data.options.mising=mean",
            "recipe RECIPES/ant.yaml: unknown key 'data.options.mising'; did you mean 'missing'? (known: channels, "
            "coarse, count, download, drop, fit, image, label_count, label_position, labels, longest, missing, "
            "only, primary, seed, series, size, tasks, text, tokenizer, xml)",
        ),
        (
            "strategy.clam=true",
            f"recipe ant: unknown key 'strategy.clam'; did you mean 'clamp'? (known: {HYPERPARAMETERS})",
        ),
        ("strategy.clamp=maybe", "recipe ant: strategy.clamp is 'maybe', expected a valid boolean"),
        (
            "strategy.indicator=sure",
            "recipe ant: strategy.indicator is 'sure', expected 'positive', 'confidence', 'calibrated', 'surprise', "
            "'familiarity' or 'agreement'",
        ),
        ("strategy=3", "recipe RECIPES/ant.yaml: strategy is 3, expected a mapping of keys to values"),
        ("seed=-1", "recipe RECIPES/ant.yaml: seed is -1, expected greater than or equal to 0"),
        ("data=digits", "recipe RECIPES/ant.yaml: data is 'digits', expected a mapping of keys to values"),
        ("teachers=[3]", "recipe RECIPES/ant.yaml: teachers.0 is 3, expected a valid string"),
        (
            "training.optimizer=adamm",
            "recipe RECIPES/ant.yaml: training.optimizer is 'adamm', expected 'adam', 'adamw' or 'sgd'",
        ),
        ("export", "--set 'export' should be key=value, such as --set training.epochs=50"),
        ("export=[1", "--set 'export=[1': the value is no YAML; quote it"),
        ("name.first=x", "recipe RECIPES/ant.yaml: name is {'name': 'ant', 'first': 'x'}, expected a valid string"),
        ("teachers.first=1", "--set teachers.first: 'teachers' holds ['custom:pair:good'], which has no keys below it"),
        ("teachers=[]", "no teacher to learn from; name one with --teacher or under `teachers:` in the recipe"),
        (
            "student=mlpp",
            "unknown student 'mlpp'; did you mean 'mlp'? (known: convolutional, huggingface, label_chain, mlp, "
            "path_decoder, recurrent, text, timm, torchvision)",
        ),
        (
            "student={name: mlp, hiden: 3}",
            "recipe ant, student: unknown key 'hiden'; did you mean 'hidden'? (known: dropout, hidden)",
        ),
        ("student={name: mlp, hidden: [0]}", "recipe ant, student: hidden.0 is 0, expected greater than 0"),
        (
            "training.tracker=nonsense",
            "recipe ant: training.tracker is 'nonsense', which is unknown or not installed (installed: TRACKERS); "
            "install it, or leave it out",
        ),
    ],
)
def test_a_wrong_key_or_value(distil: Distil, assignment: str, message: str) -> None:
    from accelerate.tracking import get_available_trackers

    trackers = ", ".join(map(str, get_available_trackers())) or "none"
    assert distil("--set", assignment) == message.replace("TRACKERS", trackers)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- ant\n", "recipe mine.yaml should be a mapping of keys to values, not list"),
        ("strategy: ant\n", "recipe mine.yaml: the key 'name' is missing"),
        (
            "name: ../up\nstrategy: ant\ndata: {source: digits}\n",
            "recipe mine.yaml: name is '../up', expected a plain name, not a path",
        ),
        (
            "name: a\nstrategy: {clamp: true}\ndata: {source: digits}\n",
            "recipe mine.yaml: strategy is {'clamp': True}, expected a mapping with a `name`",
        ),
    ],
)
def test_a_recipe_that_is_wrong(distil: Distil, content: str, message: str) -> None:
    Path("mine.yaml").write_text(content)
    assert distil.fails(2, "distill", "mine.yaml") == message


def test_a_strategy_that_needs_more_than_a_teacher_can(distil: Distil, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ANT, "needs", ConditionalScorer)
    assert distil(teacher="custom:pair:good") == (
        "strategy 'ant' needs every teacher to score given some labels: `score_given(inputs, believed, clamp)`; "
        "teacher 'pair' cannot; choose another teacher or another strategy"
    )


def test_a_loss_that_is_no_number(distil: Distil) -> None:
    wild = ("--set", "training.learning_rate=1e30", "--set", "training.clip_norm=null")
    assert distil.fails(1, *distil.command(*wild)) == (
        "the training loss is nan in epoch 1; lower training.learning_rate (now 1e+30) or set training.clip_norm, and "
        "look for extreme input values"
    )


@pytest.mark.parametrize(
    ("file", "again"),
    [
        ("recipe.yaml", False),
        ("checkpoints/training.pt", True),
        ("student/model.safetensors", True),
        ("report.json", True),
    ],
)
def test_a_full_disk_keeps_what_is_finished(
    distil: Distil, monkeypatch: pytest.MonkeyPatch, file: str, again: bool
) -> None:
    def full(_: int) -> None:
        if list(Path("run").rglob(f".{Path(file).name}.*")):  # its draft is being flushed
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert distil.fails(1, *distil.command()) == (
            f"run/{file} could not be written: the disk is full; free some space, or point the command elsewhere "
            "(--out, AMALGAM_HOME), and run it again: what is finished is kept"
        )
    assert not Path("run", file).exists()
    assert not list(Path("run").rglob("*.draft*"))
    code, _, err = distil.cli(*RESUME) if again else distil.cli(*distil.command())
    assert code == 0, err
    assert notes(Path("run"))


def test_a_wrong_request_leaves_its_directory_to_the_mended_one(distil: Distil) -> None:
    distil("--set", "training.epochs=0")
    distil(teacher="custom:pair:nan")
    assert not Path("run").exists()
    distil.fails(2, *[one for one in distil.command(teacher="custom:pair:nan") if one not in ("--out", "run")])
    assert list(Path("runs").iterdir()) == []
    for wrong in (("ant", "strategy.clamped=true"), ("l2tl", "strategy.actions=1"), ("simme", "strategy.width=1")):
        distil.fails(2, "distill", "--strategy", wrong[0], "--set", wrong[1])
        assert list(Path("runs").iterdir()) == []
    assert distil.works()


def test_a_home_that_is_a_file(distil: Distil, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_HOME", str(distil.here / "pair.py"))
    assert distil() == ("the store pair.py cannot be used: file exists; set AMALGAM_HOME to a folder you can write to")


def test_a_run_is_never_overwritten_nor_changed(finished: Distil) -> None:
    before = Path("run/report.json").read_bytes()
    assert finished() == (
        "--out run already holds a finished run, which is never overwritten; choose another directory, or go on with "
        "it: --resume"
    )
    assert finished.fails(2, *RESUME, "--set", "seed=3") == (
        "run/recipe.yaml differs from the requested run in seed; a run goes on with the recipe it began with: leave "
        "the change out, or start another run"
    )
    code, _, err = finished.cli(*RESUME)
    assert (code, "run is finished; nothing is left to do" in err) == (0, True)
    assert Path("run/report.json").read_bytes() == before


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def test_a_damaged_run(finished: Distil) -> None:
    """Each file in turn is cut short or of another kind; the rest is whole."""
    run, whole = Path("run"), Path("whole")
    shutil.copytree(run, whole)

    def fails(file: str, content: bytes, *arguments: str) -> str:
        (run / file).write_bytes(content)
        message = finished.fails(2, *arguments)
        shutil.copy(whole / file, run / file)
        return message

    weights = (whole / "student/model.safetensors").read_bytes()
    predict, evaluate = ("predict", "run", "rows.npz"), ("evaluate", "run", "--trust-code")
    for command in (predict, evaluate, RESUME, ("export", "run")):
        assert fails("student/model.safetensors", weights[:-9], *command) == (
            "the student in run/student is damaged (Error while deserializing header: incomplete metadata, file not "
            "fully covered); copy or distil it again"
        )
    assert fails("student/config.json", b'{"student"', *predict) == (
        "the student in run/student is damaged (Expecting ':' delimiter: line 1 column 11 (char 10)); copy or distil "
        "it again"
    )
    assert fails("report.json", b'{"recipe"', *RESUME) == (
        "run/report.json is damaged (Expecting ':' delimiter: line 1 column 10 (char 9)); run the recipe beside it "
        "again"
    )
    assert fails("report.json", b"[]", *RESUME) == ("run/report.json: it is [], expected a mapping of keys to values")
    assert fails("recipe.yaml", b"name: ant\n", *evaluate) == ("recipe run/recipe.yaml: the key 'strategy' is missing")
    (run / "report.json").unlink()
    assert fails("checkpoints/training.pt", b"nothing" * 9, *RESUME) == (
        "the checkpoint run/checkpoints/training.pt is damaged; delete it, and --resume trains from the start"
    )


def test_what_a_student_cannot_use(finished: Distil) -> None:
    np.savez("wide.npz", inputs=np.ones((3, 5)))
    for command in (("predict", "run", "wide.npz"), ("export", "run", "--check", "wide.npz")):
        assert finished.fails(2, *command) == (
            "the rows of wide.npz have the shape (5,), but the student takes (4,); give it the columns it learned "
            "from, without label columns"
        )
    assert finished.fails(2, "predict", "run", "rows.npz", "--out", "run") == (
        "run cannot be written (Is a directory); name a file in a folder of yours"
    )
    assert finished.fails(2, "evaluate", "run", "--data", "rows.npz", "--trust-code") == (
        "rows.npz has no annotated rows to measure on; name label columns"
    )


def test_label_columns_are_no_inputs(finished: Distil) -> None:
    Path("rows.csv").write_text("a,big,b,c,d\n1,0,2,3,4\n5,1,6,7,8\n")
    code, out, _ = finished.cli("predict", "run", "rows.csv", "--labels", "big")
    assert (code, out.splitlines()[0], len(out.splitlines())) == (0, "big,small", 3)


def test_a_traceback_only_for_those_who_ask() -> None:
    quiet = {name: value for name, value in os.environ.items() if name != "AMALGAM_DEBUG"}
    for options, code, traceback in (([], 2, False), (["--debug"], 1, True)):
        command = [sys.executable, "-m", "amalgam", *options, "recipes", "show", "antt"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
        assert done.returncode == code
        assert ("Traceback (most recent call last)" in done.stderr) == traceback
        assert f"no recipe 'antt'; did you mean 'ant'? {RECIPES}" in done.stderr
