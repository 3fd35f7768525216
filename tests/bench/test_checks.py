"""What is refused before any cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from amalgam import schooling
from amalgam.bench import cell
from amalgam.bench.checks import ready
from amalgam.bench.row_table import RowTable
from amalgam.errors import RequestError
from amalgam.student import Student
from amalgam.training.settings import Training
from tests.bench.small import METHODS, run, table
from tests.conftest import Cli

KNOWN = (
    "'even', 'prime', 'at_least_five', 'closed_loop', 'straight_strokes', 'square', 'multiple_of_three', 'power_of_two'"
)
STRATEGIES = (
    "aka, ant, bl, cfl, fka, kd, must, self_train, single, sup, sup_kd, sup_uhc, tc, tc_mean, uhc, venus, supervised"
)
STUDENTS = "convolutional, huggingface, label_chain, mlp, path_decoder, recurrent, text, timm, torchvision"
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
            ", setting one: unknown data 'digit'; did you mean 'digits'? (known: digits, digits-images, "
            "digits-numerals, shapes3d, tslearn:Trace, or the path of a file; set AMALGAM_DATA to a folder of MULAN, "
            "UCR or image sets for more)",
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
            f", setting one, teacher 1: unknown student 'chain'; did you mean 'label_chain'? (known: {STUDENTS})",
        ),
        (
            {"setting": {"teachers": {"teachers": 2, "students": [{}, {"hidden": 0}]}}},
            ", setting one, teacher 1: hidden is 0, expected greater than 0",
        ),
        ({"teacher": {"name": "tree"}}, f", setting one, teacher 0: unknown student 'tree' (known: {STUDENTS})"),
        (
            {"student": {"name": "label_chan"}},
            ", setting one, student: unknown student 'label_chan'; did you mean 'label_chain'? "
            f"(known: {STUDENTS})",
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
        ready(RowTable.model_validate({**table().model_dump(), kind: {"precision": "fp16"}}))
    assert str(refusal.value) == (
        f"table small, setting one, {kind}: training.precision 'fp16' cannot be had here: no GPU"
    )


def test_a_method_that_the_teachers_cannot_serve_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Student, "score_and_features")
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


def test_a_method_of_a_few_labels_is_told_how_many() -> None:
    of = table("bl", METHODS={"sup": {"strategy": "sup"}})
    with pytest.raises(RequestError) as raised:
        ready(of)
    assert str(raised.value) == (
        "table small, setting one: method sup learns from a few labelled rows; say which share: `labelled: 0.02`"
    )
    ready(table("bl", METHODS={"sup": {"strategy": "sup"}}, setting={"labelled": 0.1}))


def test_a_setting_may_choose_hyperparameters_and_only_such_as_there_are() -> None:
    ready(table("ant", setting={"methods": {"ant": {"clamp": False}}}))
    with pytest.raises(RequestError) as raised:
        ready(table("ant", setting={"methods": {"ant": {"clmp": False}}}))
    assert str(raised.value).startswith(
        "table small, setting one, method ant: unknown key 'strategy.clmp'; did you mean"
    )


def test_a_method_of_classes_needs_teachers_of_classes() -> None:
    of = table("bl", METHODS={"uhc": {"strategy": "uhc"}})
    with pytest.raises(RequestError) as raised:
        ready(of)
    assert str(raised.value) == (
        "table small, setting one, method uhc: strategy 'UHC' chooses one class for a row, so every teacher's labels "
        "must exclude each other; those of 'teacher 0' do not. Write `exclusive: true` in its card if they do, or "
        "choose another teacher or another strategy"
    )
