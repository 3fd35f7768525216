"""The command line, as a user types it."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml
from huggingface_hub import ModelCard

import amalgam
from amalgam import __version__, datasets, edge, strategies
from tests.conftest import Cli
from tests.page import made


@pytest.fixture(scope="module")
def main_job(schooled: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """`amalgam distill --strategy ant` in a process of its own and a folder of its own; what it printed."""
    folder = tmp_path_factory.mktemp("work")
    shutil.copytree(schooled / "teachers", folder / "home" / "teachers")
    done = subprocess.run(
        [sys.executable, "-m", "amalgam", "distill", "--strategy", "ant"],
        cwd=folder, env={**os.environ, "AMALGAM_HOME": str(folder / "home"), "COLUMNS": "100"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "ant-1", done


@pytest.fixture
def run(main_job: tuple[Path, object], trained_home: Path) -> Path:
    """The main job's run directory."""
    return main_job[0]


def test_the_main_job_shows_every_step_and_the_table(
    main_job: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = main_job
    for step in (
        "teachers",
        "votes digits-arithmetic",
        "votes digits-shape",
        "targets",
        "training",
        "evaluation",
        "export",
    ):
        assert re.search(rf"^{step}: [\d,]+ \w+, [\d,.]+ \w+/s, ", done.stderr, re.MULTILINE), step
    assert "\x1b[" not in done.stderr + done.stdout  # plain lines without a terminal
    assert "run directory: runs/ant-1" in done.stderr
    for shown in ("student", "majority vote", "mean logit", "digits-arithmetic", "digits-shape", "Hamming", "latency"):
        assert shown in done.stdout
    assert re.search(r"^The student (beats|loses to|ties with)", done.stdout, re.MULTILINE)
    assert "The run lies in runs/ant-1" in done.stdout


def test_the_run_directory_is_whole(run: Path, tmp_path: Path) -> None:
    there = {path.name for path in run.iterdir()}
    assert {"recipe.yaml", "report.json", "report.html", "README.md", "student", "student.onnx"} <= there
    resolved = yaml.safe_load((run / "recipe.yaml").read_text())
    assert resolved["seed"] == 0
    assert resolved["strategy"]["indicator"] == "surprise"
    assert resolved["made_with"]["amalgam"] == __version__
    assert "torch" in resolved["made_with"]
    report = json.loads((run / "report.json").read_text())
    assert report["evaluation"]["rows"] == 358
    assert report["evaluation"]["student"]["measures"]["f1_micro"] > 0.93
    assert report["export"]["largest difference from torch"] < 1e-4
    assert report["settings"] == resolved
    told = [(one["source"], one["licence"], bool(one["fingerprint"])) for one in report["teachers"]]
    assert told == [("digits-arithmetic, built in", "mit", True), ("digits-shape, built in", "mit", True)]
    assert report["evaluation"]["mean"]["calibration"]["bins"]
    assert ModelCard.load(run / "README.md").data.license == "mit"
    published = amalgam.load(run).save_pretrained(tmp_path / "published")
    assert (published / "student.onnx").read_bytes() == (run / "student.onnx").read_bytes()


def test_the_onnx_file_says_what_the_student_says(run: Path, cli: Cli, tmp_path: Path) -> None:
    assert cli("predict", run, "digits", "--out", tmp_path / "p.csv")[0] == 0
    header, *lines = csv.reader((tmp_path / "p.csv").read_text().splitlines())
    session = onnxruntime.InferenceSession(run / "student.onnx")
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["amalgam.labels"]) == header
    inputs = datasets.load("digits").rows.inputs(slice(None)).numpy()
    logits = session.run(["logits"], {"inputs": inputs})[0]
    np.testing.assert_allclose(np.array(lines, dtype=float), 1 / (1 + np.exp(-logits)), atol=1e-4)


def test_predict_writes_to_standard_output(run: Path, cli: Cli) -> None:
    code, out, _ = cli("predict", run, "digits")
    assert code == 0
    assert len(out.splitlines()) == 1798


def test_evaluate_repeats_the_reports_numbers(run: Path, cli: Cli) -> None:
    report = json.loads((run / "report.json").read_text())
    code, out, _ = cli("evaluate", run)
    assert code == 0
    assert f"{report['evaluation']['student']['measures']['f1_micro']:.3f}" in out
    assert cli("evaluate", run, "--data", "digits")[0] == 0


def test_export_again_checks_on_the_rows_that_were_held_out(run: Path, cli: Cli) -> None:
    before = onnxruntime.InferenceSession(run / "student.onnx").get_modelmeta().custom_metadata_map
    code, out, err = cli("export", run)  # over the export of the same student
    assert code == 0, err
    heading, told, *_ = out.splitlines()
    assert heading.split()[:2] == ["file", "size"]
    assert re.fullmatch(
        r"student\.onnx +[\d,]+ B +\d\.\de-\d\d +\d\.\de-\d\d +100\.00% +256 +256, 3, 1 +–", told.strip()
    )
    assert "Checked against torch on 256 rows of digits" in out
    about = onnxruntime.InferenceSession(run / "student.onnx").get_modelmeta().custom_metadata_map
    teachers = json.loads(about.pop("amalgam.teachers"))
    assert [one["name"] for one in teachers] == [one["name"] for one in json.loads(before.pop("amalgam.teachers"))]
    assert about == before
    assert about["amalgam.strategy"] == "ant"
    assert about["amalgam.recipe"] == hashlib.sha256((run / "recipe.yaml").read_bytes()).hexdigest()
    assert [one["name"] for one in teachers] == ["digits-arithmetic", "digits-shape"]
    assert {"name", "licence", "fingerprint"} == set(teachers[0])


def test_export_elsewhere_and_the_edge(run: Path, cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli(
        "export", run / "student", "--out", tmp_path / "again.onnx", "--check", "digits", "--opset", "21"
    )
    assert code == 0, err
    assert f"The student lies in {tmp_path / 'again.onnx'}" in out
    light = edge.Student(tmp_path / "again.onnx")
    assert light.about["amalgam.opset"] == "21"
    assert json.loads(light.about["amalgam.teachers"]) == []  # a saved student says of nobody
    rows = datasets.load("digits").rows.inputs(slice(None)).numpy()
    assert np.array_equal(light.predict(rows), amalgam.load(run).predict(rows))


def test_a_smaller_file_and_a_page_beside_it(
    run: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.pretend(monkeypatch)
    package, page = made.package(tmp_path / "package.tgz"), tmp_path / "page"
    asked = ("export", run, "--out", tmp_path / "s.onnx", "--quantize", "int8", "--page", page, "--runtime", package)
    code, out, err = cli(*asked)
    assert code == 0, err
    lines = [line.split() for line in out.splitlines()]
    timed = {line[0]: line for line in lines if line and line[0] in ("fp32", "int8", "2")}
    assert set(timed) == {"fp32", "int8", "2"}  # the two teachers
    assert (tmp_path / "s.int8.onnx").stat().st_size < (tmp_path / "s.onnx").stat().st_size
    assert re.search(
        r"int8, dynamic: F1 micro 0\.\d{4}, before 0\.\d{4}, on 358 rows, of which \d+\.\d\d% are decided", out
    )
    assert f"The smaller file lies in {tmp_path / 's.int8.onnx'}" in out
    small, whole = edge.Student(tmp_path / "s.int8.onnx"), amalgam.load(run)
    rows = datasets.load("digits").rows.inputs(slice(None)).numpy()
    assert (small.predict(rows) == whole.predict(rows)).mean() > 0.97
    assert f"lies in {page}; look at it with" in out
    assert (page / "student.onnx").read_bytes() == (tmp_path / "s.int8.onnx").read_bytes()
    told = (page / "index.html").read_text()
    assert "digits-arithmetic" in told
    assert "closed_loop" in told


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--quantize", "int8"), "what a smaller file loses is measured on real rows, and there are none; name some "
                                 "with --check DATA"),
        (("--page", "p"), "a page begins with some real rows, and there are none; name some with --check DATA"),
        (("--page", "{there}", "--check", "digits"), "{there}"),
        (("--page", "p", "--check", "digits"), "which comes from npm, and there is no npm on this machine"),
        (("--opset", "99"), "there is no export to opset 99; choose one from 18 to 25, or leave it out"),
        (("--max-drop", "0.5"), "--max-drop says what a smaller file may lose; ask for one with --quantize int8 or"),
        (("--quantize", "int8", "--max-drop", "5"), "Invalid value for '--max-drop'"),
        (("--runtime", "p.tgz"), "--runtime is onnxruntime-web for a page; say where the page goes with --page DIR"),
    ],
)  # fmt: skip
def test_what_a_device_cannot_be_given_is_said_before_any_work(
    asked: tuple[str, ...], message: str, run: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("amalgam.export.export", None)  # would be called
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("AMALGAM_HOME", str(tmp_path / "home"))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_text("")
    code, _, err = cli("export", run / "student", *(one.format(there=tmp_path / "there") for one in asked))
    assert code == 2
    assert message.format(there=tmp_path / "there") in err
    assert {one.name for one in tmp_path.iterdir()} <= {"there", "home"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--option", "text=lines"), "--option says what the file of --check does not say itself; name one"),
        (("--check", "nowhere.csv"), "nowhere.csv"),
        (("--out", "student.txt"), "student.txt does not end in .onnx and was not written"),
        (("--out", "{there}"), "{there} is there already and is no export of this student; name another file, or "
                               "replace it with --force"),
    ],
    ids=["option", "check", "ending", "there"],
)  # fmt: skip
def test_exports_that_are_refused(
    asked: tuple[str, ...], message: str, run: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "there.onnx"
    there.write_text("mine")
    code, _, err = cli("export", run, *(one.format(there=there) for one in asked))
    assert code == 2
    assert message.format(there=there) in err
    assert (there.read_text(), [*tmp_path.glob("*.onnx*")]) == ("mine", [there])


def test_an_export_whose_data_is_gone_says_what_to_do(run: Path, cli: Cli, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("student.onnx"))
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    for source, why in (("gone.csv", "gone.csv"), ("rows in memory", "they were in memory, and no file holds them")):
        recipe["data"]["source"] = source
        (tmp_path / "run" / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        code, _, err = cli("export", tmp_path / "run")
        assert code == 2
        assert f"the rows of {tmp_path / 'run'} cannot be read again to check the export with (" in err
        assert why in err
        assert "name others with --check DATA, or go without real rows: --check drawn" in err
    assert not (tmp_path / "run" / "student.onnx").exists()
    code, out, err = cli("export", tmp_path / "run", "--check", "drawn")
    assert code == 0, err
    assert (
        "note: student.onnx was checked on 256 rows that were drawn from seed 0 with the scaling's mean and spread: no "
        "real ones; name some with --check DATA"
    ) in out
    assert cli("export", tmp_path)[0] == 2  # no run, and no student


def test_a_finished_run_is_a_teacher_too(run: Path, cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli(
        "distill", "ant", "--teacher", run, "--teacher", "digits-shape", "--out", tmp_path / "second",
        "--set", "training.epochs=2", "--set", "export=false",
    )  # fmt: skip
    assert code == 0, err
    assert "ant-1" in out


def test_teachers_show_prints_the_overlap(cli: Cli) -> None:
    code, out, _ = cli("teachers", "show", "digits-arithmetic", "digits-shape")
    assert code == 0
    assert [line.split() for line in out.splitlines()[-3:]] == [
        ["labels", "in", "common", "digits-arithmetic", "digits-shape"],
        ["digits-arithmetic", "5", "2"],
        ["digits-shape", "2", "5"],
    ]
    assert ["even", "✓", "✓"] in [line.split() for line in out.splitlines()]
    assert ["prime", "✓", "·"] in [line.split() for line in out.splitlines()]


def test_teachers_check_finds_no_fault_in_the_built_in_ones(cli: Cli, trained_home: Path) -> None:
    code, out, _ = cli("teachers", "check", "digits-shape", "--data", "digits")
    assert code == 0
    assert "✗" not in out
    assert out.count("✓") >= 5


def test_teachers_check_finds_a_mislabelled_card(cli: Cli, run: Path, tmp_path: Path) -> None:
    """The student's own weights under a card that swaps two labels."""
    (tmp_path / "weights.safetensors").write_bytes((run / "student" / "model.safetensors").read_bytes())
    config = json.loads((run / "student" / "config.json").read_text())
    swapped = [{"even": "prime", "prime": "even"}.get(label, label) for label in config["labels"]]
    card = {"name": "swapped", "adapter": "torch", "source": "weights.safetensors", "labels": swapped}
    card |= {"constructor": "amalgam.students.label_chain:LabelChain"}
    card |= {"arguments": {"shape": config["shape"], **config["settings"]}}
    (tmp_path / "swapped.yaml").write_text(yaml.safe_dump(card))
    code, out, err = cli("teachers", "check", tmp_path / "swapped.yaml", "--data", "digits")
    assert code == 1
    assert "claims 'prime'" in out
    assert "predicts 'even' better" in out
    assert "amalgam: failed: teacher 'swapped' breaks its contract" in err


def test_show_names_every_equation_with_its_place(cli: Cli) -> None:
    code, out, _ = cli("show", "ant")
    assert code == 0
    place = re.search(r"Eqs\. \(27\), \(28\)\s+integrate\s+(amalgam/strategies/ant\.py):(\d+)", out)
    assert place is not None
    line = (Path(__file__).parents[1] / place[1]).read_text().splitlines()[int(place[2]) - 1]
    assert line.startswith("def integrate(")
    assert re.search(r"temperature\s+1\.0\s+what the integrated logits are divided by", out)
    assert "Attributes:" not in out


@pytest.mark.parametrize("name", strategies.names())
def test_show_says_what_each_hyperparameter_is(name: str, cli: Cli) -> None:
    code, out, _ = cli("show", name)
    assert code == 0
    for field in dataclasses.fields(strategies.method_class(name)):
        assert re.search(rf"^ {field.name}\s+\S.*?\s{{2,}}\S", out, re.MULTILINE), field.name


def test_recipes_and_cards_are_listed(cli: Cli) -> None:
    assert all(name in cli("recipes", "list")[1] for name in ("ant", "ant-paper"))
    assert "name: ant-paper" in cli("recipes", "show", "ant-paper")[1]
    assert all(name in cli("teachers", "list")[1] for name in ("digits-arithmetic", "digits-shape"))


def test_cache_lists_and_clears(cli: Cli, home: Path) -> None:
    assert cli("teachers", "check", "digits-shape")[0] == 0  # trains it
    code, out, _ = cli("cache", "list")
    assert code == 0
    assert "digits-shape" in out
    code, out, _ = cli("cache", "clear", "--kind", "teachers")
    assert code == 0
    assert out.startswith("1 entries deleted")
    assert "0 entries" in cli("cache", "list")[1]
    assert cli("cache")[1] == cli("cache", "list")[1]


def test_doctor_finds_this_machine_well(cli: Cli) -> None:
    code, out, err = cli("doctor")
    assert code == 0, out + err
    assert "✗" not in out


def test_version(cli: Cli) -> None:
    assert cli("--version")[1] == f"amalgam {__version__}\n"


@pytest.mark.parametrize(
    "command",
    ["distill", "show", "evaluate", "report", "bench", "predict", "export", "doctor", "teachers list", "teachers show",
     "teachers train", "teachers check", "recipes list", "recipes show", "cache list", "cache clear"],
)  # fmt: skip
def test_every_help_has_an_example(command: str, cli: Cli) -> None:
    code, out, _ = cli(*command.split(), "--help")
    assert code == 0
    assert f"Example: amalgam {command}" in re.sub(r"\s+", " ", out)


def test_naming_the_strategy_that_is_there_keeps_its_settings(run: Path, cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli(
        "distill", "ant", "--strategy", "ant", "--student", "label_chain", "--out", tmp_path / "r",
        "--set", "training.epochs=1", "--set", "export=false",
    )  # fmt: skip
    assert code == 0, err
    resolved = yaml.safe_load((tmp_path / "r" / "recipe.yaml").read_text())
    assert resolved["strategy"]["indicator"] == "surprise"
    assert resolved["student"] == {"name": "label_chain", "hidden": 32}


def test_a_moved_run_finds_its_teachers(run: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed in one folder, evaluated from another: paths were made absolute, not looked up in the run."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "student.onnx").write_bytes((run / "student.onnx").read_bytes())
    monkeypatch.chdir(work)
    small = ("--set", "training.epochs=1", "--set", "data.parts={unlabelled: 0.3, test: 0.2}")
    code, _, err = cli(
        "distill", "--strategy", "ant", "--teacher", "onnx:student.onnx", "--data", "digits", *small, "--out", "r"
    )
    assert code == 0, err
    resolved = yaml.safe_load((work / "r" / "recipe.yaml").read_text())
    assert resolved["teachers"] == [f"onnx:{work}/student.onnx"]
    assert resolved["description"] == ""
    (work / "r").rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("evaluate", "moved")
    assert code == 0, err
    assert "ties with the majority vote on 4 of 4" not in out  # the teacher is not the run's own student


def test_a_run_as_teacher_knows_what_it_learned_from(run: Path, cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("distill", "--strategy", "ant", "--teacher", run, "--data", "digits", "--out", tmp_path / "leak")
    assert code == 2
    assert "test rows are among the rows that teacher 'ant-1' learns from" in err
    code, _, err = cli("evaluate", run, "--data", "digits")
    assert code == 0
    assert "note: the student learned from 1439 of these 1797 rows: what is measured here flatters" in err


def test_columns_meet_by_name(run: Path, cli: Cli, tmp_path: Path) -> None:
    """A table with its columns in another order, and a label among them: the same predictions."""
    import pandas

    loaded = datasets.load("digits")
    frame = pandas.DataFrame(loaded.rows.inputs(slice(0, 50)).numpy(), columns=list(loaded.features))
    frame.to_csv(tmp_path / "same.csv", index=False)
    turned = frame[frame.columns[::-1]]
    turned.insert(3, "something", 7.0)
    turned.to_csv(tmp_path / "turned.csv", index=False)
    assert cli("predict", run, tmp_path / "same.csv")[1] == cli("predict", run, tmp_path / "turned.csv")[1]
    frame.drop(columns=frame.columns[0]).to_csv(tmp_path / "short.csv", index=False)
    code, _, err = cli("predict", run, tmp_path / "short.csv")
    assert code == 2
    assert "short.csv has no column 'pixel_0_0'; columns are matched by name" in err


def test_predict_overwrites_nothing(run: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    code, _, err = cli("predict", run, "digits", "--out", tmp_path / "mine.csv")
    assert code == 2
    assert err.endswith(f"--out {tmp_path}/mine.csv is there already and is never overwritten; name a new file\n")
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_held_out_rows_may_be_another_file(run: Path, cli: Cli, tmp_path: Path) -> None:
    """The engineer's case: unlabelled rows to learn from, a small annotated table to measure on."""
    import pandas

    loaded = datasets.load("digits")
    assert loaded.rows.annotated is not None
    inputs = pandas.DataFrame(loaded.rows.inputs(slice(None)).numpy(), columns=list(loaded.features))
    inputs[:300].to_csv(tmp_path / "rows.csv", index=False)
    test = inputs[1500:].copy()
    test.insert(0, "even", loaded.rows.annotated[1500:, 0].int().numpy())
    test.to_csv(tmp_path / "test.csv", index=False)
    (tmp_path / "m.onnx").write_bytes((run / "student.onnx").read_bytes())
    command = ["distill", "--strategy", "ant", "--teacher", f"onnx:{tmp_path}/m.onnx", "--data", tmp_path / "rows.csv"]
    command += ["--set", "training.epochs=1", "--set", "export=false", "--set", f"data.held_out={tmp_path}/test.csv"]
    code, _, err = cli(*command, "--out", tmp_path / "a")
    assert code == 2
    assert f"data.held_out {tmp_path}/test.csv has no annotations to measure on" in err
    code, _, err = cli(*command, "--set", "data.held_out_options={labels: [even]}", "--out", tmp_path / "a")
    assert code == 0, err
    assert json.loads((tmp_path / "a" / "report.json").read_text())["evaluation"]["rows"] == 297


def test_a_missing_file_of_labels_is_no_label(cli: Cli) -> None:
    code, _, err = cli("teachers", "show", "onnx:m.onnx@labels.txt")
    assert code == 2
    assert err.endswith(
        "--teacher 'onnx:m.onnx@labels.txt': no such file of labels: labels.txt; expected one label a line\n"
    )


def test_a_run_shows_its_labels_as_a_teacher(run: Path, cli: Cli) -> None:
    code, out, _ = cli("teachers", "show", run, "digits-shape")
    assert code == 0
    assert ["ant-1", "8", "5"] in [line.split() for line in out.splitlines()]
