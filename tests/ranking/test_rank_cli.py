"""Rankings from the command line and in Python: what is shown, written and said next."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import amalgam
from amalgam.ranking import p2l
from amalgam.ranking.entries import Ranking
from tests.conftest import Cli

from .given import Looks, refused

CARD = """
name: {name}
adapter: custom
source: looks:{name}
"""
SCHOOLED = """
name: {name}
adapter: torch
labels: [even, closed_loop]
schooling:
  data: digits
  part: own
  parts: {{own: 0.1, unlabelled: 0.6, test: 0.3}}
  student: {{name: mlp, hidden: [{hidden}]}}
  training: {{epochs: 1, batch_size: 64, validation: 0, threads: 1}}
"""
TEACHERS = """
from tests.ranking.given import Looks

def blind(): return Looks(30.0)
def hazy(): return Looks(1.0)
def clear(): return Looks(0.0)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A target of three classes, three sources at growing distances, and three teachers of growing blur."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    chance = np.random.default_rng(0)
    known = np.arange(60) % 3
    values = np.eye(4)[known] + 0.3 * chance.normal(size=(60, 4))
    lines = [",".join(f"{one:.4f}" for one in row) + f",{'abc'[kind]}" for row, kind in zip(values, known, strict=True)]
    Path("target.csv").write_text("\n".join(["w,x,y,z,kind", *lines]) + "\n")
    for name, rows, mean in (("near", 100, 0.3), ("middle", 100, 1.0), ("far", 100, 4.0)):
        some = chance.normal(mean, 0.5, (rows, 4))
        Path(f"{name}.csv").write_text(
            "\n".join(["w,x,y,z", *(",".join(f"{v:.4f}" for v in row) for row in some)]) + "\n"
        )
    Path("looks.py").write_text(TEACHERS)
    for name in ("blind", "hazy", "clear"):
        Path(f"{name}.yaml").write_text(CARD.format(name=name))
    return tmp_path


def write(path: str, lines: Sequence[str]) -> None:
    Path(path).write_text("\n".join(lines) + "\n")


SOURCES = ("--source", "far.csv", "--source", "close=near.csv", "--source", "middle.csv")
OF_TARGET = ("--target", "target.csv", "--option", "target:drop=kind")
TOLD = ("--target", "target.csv", "--option", "target:tasks=kind", "--trust-code")


def test_sources_are_ranked_and_the_next_command_is_told(here: Path, cli: Cli) -> None:
    for name in ("near", "middle", "far"):  # with classes of their own, as fine-tuning needs them
        text = Path(f"{name}.csv").read_text().splitlines()
        write(f"{name}.csv", [f"{text[0]},kind", *(f"{line},p" for line in text[1:])])
    status, out, err = cli("rank", "--target", "target.csv", "--option", "tasks=kind", *SOURCES, "--usual", "far.csv")
    assert status == 0, err
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:5] == ["rank", "name", "kind", "rows", "divergence"]
    assert [line[:4] for line in lines[1:4]] == [
        ["1", "close", "source", "100"], ["2", "middle.csv", "source", "100"], ["3", "far.csv", "source", "100"]
    ]  # fmt: skip
    assert lines[1][-1] == "100%"
    assert (
        "Other ways would choose: largest (B1) far.csv or close or middle.csv, least divergent (B5) close, usual (B2) "
        "far.csv; at random (B3) each comes 1 time in 3, and without transfer (B4) none" in out
    )
    assert (
        "60 rows of target.csv were looked at, as they are seen by the columns themselves; seconds: target 0.0" in out
    )
    told = out.splitlines()[-1]
    assert told.startswith("Next: amalgam distill --strategy fine_tuning --data target.csv --set ")
    command = shlex.split(told.removeprefix("Next: "))
    assert command[command.index("--data") + 3].startswith('data.options={"tasks": ["kind"]}')
    assert command[-1] == 'sources=[{source: "near.csv", options: {"tasks": ["kind"]}}]'


def test_the_next_command_of_data_without_options_names_it_as_it_is(here: Path, cli: Cli) -> None:
    status, out, err = cli("rank", "--target", "near.csv", "--source", "middle.csv", "--source", "other one=far.csv")
    assert status == 0, err
    assert out.splitlines()[-1] == "Next: amalgam distill --strategy fine_tuning --data near.csv --source middle.csv"


def test_teachers_are_ranked_by_annotated_rows_and_the_best_are_told_together(here: Path, cli: Cli) -> None:
    teachers = ("--teacher", "blind.yaml", "--teacher", "mine=clear.yaml", "--teacher", "hazy.yaml")
    status, out, err = cli("rank", *TOLD, *teachers)
    assert status == 0, err
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][-5:] == ["LogME", "LEEP", "NCE", "H-score", "TransRate"]
    assert [line[1] for line in lines[1:4]] == ["mine", "hazy", "blind"]
    assert lines[1][3:5] == ["–", "–"]  # nothing says what they were trained on
    assert "LogME mine, LEEP mine, NCE mine, H-score mine, TransRate mine" in out
    assert "seconds: target 0.00, sources 0.00, teachers " in out
    assert out.splitlines()[-1] == (
        "Next: amalgam distill --strategy kd --teacher clear.yaml --teacher hazy.yaml --teacher blind.yaml --data "
        'target.csv --set \'data.options={"tasks": ["kind"]}\' --trust-code'
    )
    status, out, err = cli("rank", *TOLD, *teachers, "--by", "leep")
    assert status == 0, err
    assert [line.split()[1] for line in out.splitlines()[1:4]] == ["mine", "hazy", "blind"]


def test_the_next_command_runs_as_it_is_told(here: Path, cli: Cli) -> None:
    """Also where the teachers were trained on parts of the target, which it must leave to them."""
    for name, hidden in (("one", 4), ("two", 16)):
        Path(f"{name}.yaml").write_text(SCHOOLED.format(name=name, hidden=hidden))
    status, out, err = cli(
        "rank", "--target", "digits", "--teacher", "one.yaml", "--teacher", "two.yaml", "--most", "300"
    )
    assert status == 0, err
    command = shlex.split(out.splitlines()[-1].removeprefix("Next: "))
    assert command[-1] == 'data.parts={"own": 0.1, "unlabelled": 0.6, "test": 0.3}'
    short = ("--set", "training.epochs=1", "--set", "export=false", "--out", "run")
    status, out, err = cli(*command[1:], *short)
    assert status == 0, err
    assert "The run lies in run" in out


def images(folder: str, side: int, grey: int) -> None:
    for row in range(12):
        place = Path(folder) / "ab"[row % 2]
        place.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(row).integers(0, grey, (side, side, 3), dtype=np.uint8)
        Image.fromarray(noise).save(place / f"{row}.png")


def series(path: str, steps: int, mean: float) -> None:
    values = np.random.default_rng(steps).normal(mean, 1, (24, steps))
    write(path, ["\t".join([str(row % 2), *map(str, one)]) for row, one in enumerate(values)])


def texts(path: str, words: str, most: int) -> None:
    lines = [" ".join(np.random.default_rng(row).choice(words.split(), most)) for row in range(24)]
    write(path, ["text,kind", *(f"{line},{'ab'[row % 2]}" for row, line in enumerate(lines))])


@pytest.mark.parametrize(
    ("kind", "options", "student"),
    [
        ("series", ("--option", "series=true"), "recurrent"),
        ("texts", ("--option", "text=text", "--option", "tasks=kind"), "text"),
        ("images", (), "timm:resnet18"),
    ],
)
def test_the_next_command_names_a_student_that_reads_such_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, kind: str, options: tuple[str, ...], student: str
) -> None:
    """The recipe's own reads columns, and rows of one length alone."""
    monkeypatch.chdir(tmp_path)
    names = {"series": ("t.tsv", "s.tsv"), "texts": ("t.csv", "s.csv"), "images": ("t", "s")}[kind]
    if kind == "series":
        series(names[0], 20, 0.0), series(names[1], 30, 1.0)
    elif kind == "texts":
        texts(names[0], "red blue green", 4), texts(names[1], "red cold warm", 6)
    else:
        images(names[0], 32, 255), images(names[1], 40, 100)
    status, out, err = cli("rank", "--target", names[0], "--source", names[1], *options)
    assert status == 0, err
    command = shlex.split(out.splitlines()[-1].removeprefix("Next: "))
    assert command[command.index("--student") + 1] == student
    short = ("--set", "training.epochs=1", "--set", "strategy.pretraining=1", "--set", "export=false", "--out", "run")
    status, out, err = cli(*command[1:], *short)
    assert status == 0, err
    assert "The run lies in run" in out


def test_json_is_for_programs(here: Path, cli: Cli) -> None:
    status, out, err = cli("rank", *TOLD, "--teacher", "hazy.yaml", "--teacher", "clear.yaml", "--json")
    assert status == 0, err
    read = json.loads(out)
    assert (read["by"], read["target"], read["rows"]) == ("log_me", "target.csv", 60)
    assert [one["name"] for one in read["entries"]] == ["clear", "hazy"]
    assert read["entries"][0]["low"] <= read["entries"][0]["estimate"] <= read["entries"][0]["high"]
    assert read["entries"][0]["divergence"] is None
    assert "NaN" not in out


def test_a_picture_is_written_and_never_overwritten(here: Path, cli: Cli) -> None:
    status, out, err = cli("rank", *OF_TARGET, *SOURCES, "--out", "bubbles.svg", "--divergence", "js", "--trim", "0.1")
    assert status == 0, err
    assert "The picture lies in bubbles.svg" in out
    written = Path("bubbles.svg").read_bytes()
    assert b"Jensen" in written
    status, _, err = cli("rank", *OF_TARGET, *SOURCES, "--out", "bubbles.svg")
    assert status == 2
    assert "--out bubbles.svg is there already and is never overwritten; name a new file" in err
    assert Path("bubbles.svg").read_bytes() == written


def test_measured_transfers_teach_k_which_ranks(here: Path, cli: Cli) -> None:
    names = ("target", "near", "middle", "far")
    lines = [f"{t}.csv,{s}.csv,{-abs(i - j)}" for i, t in enumerate(names[:2]) for j, s in enumerate(names) if i != j]
    write("gains.csv", ["target,source,gain", *lines])
    status, _, err = cli("rank", "--option", "drop=kind", "--fit-k", "gains.csv")
    assert status == 2
    assert "gains.csv line 2: near.csv has no column 'kind', which the data option `drop` names" in err
    status, out, err = cli("rank", "--option", "target.csv:drop=kind", "--fit-k", "gains.csv")
    assert status == 0, err
    k = float(out.partition("use it as --k ")[2].split()[0])
    assert k < 0
    assert k != p2l.K
    assert f"the estimate with the best k, {k:g}" in out
    assert "the estimate with the best k of the other targets" in out
    assert f"k = {k:g}, of 6 transfers to 2 targets" in out
    text = Path("target.csv").read_text().splitlines()
    write("target.csv", [line.rpartition(",")[0] for line in text])
    status, out, err = cli("rank", "--fit-k", "gains.csv", "--target", "target.csv", *SOURCES, "--json")
    assert status == 0, err
    read = json.loads(out)
    assert read["k"] == read["fit"]["k"] == k
    assert read["fit"]["rho"] == max(read["fit"]["curve"])
    status, out, err = cli("rank", "--target", "target.csv", *SOURCES, "--k", f"{k:g}", "--json")
    assert json.loads(out)["entries"] == read["entries"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "nothing says for what to rank: name the data that is to be learned with --target"),
        (OF_TARGET, "nothing to rank; name sources with --source, or teachers with --teacher"),
        ((*OF_TARGET, *SOURCES, "--by", "log_mee"), "--by 'log_mee' is none of p2l, largest, least_divergent"),
        ((*OF_TARGET, *SOURCES, "--by", "log_me"), "--by log_me ranks teachers by what they say of annotated rows"),
        ((*OF_TARGET, "--teacher", "clear.yaml", "--trust-code", "--by", "leep"), "and target.csv has none; name its"),
        ((*OF_TARGET, "--teacher", "clear.yaml", "--by", "log_me"), "--trust-code"),
        ((*OF_TARGET, *SOURCES, "--usual", "close.csv"), "--usual 'close.csv' is none of the candidates"),
        ((*OF_TARGET, "--source", "nowhere.csv"), "data nowhere.csv: no such file"),
        ((*OF_TARGET, "--source", "digits"), "digits has no column 'w', 'x', 'y', 'z'"),
        ((*OF_TARGET, *SOURCES, "--source", "far.csv"), "two candidates are called 'far.csv'"),
        ((*OF_TARGET, *SOURCES, "--labels", "kinds"), "target.csv has no column 'kinds'"),
        ((*OF_TARGET, *SOURCES, "--option", "near:drop=z"), "data options are given for 'near', and no file is called"),
        ((*OF_TARGET, *SOURCES, "--option", "close:drop=q"), "near.csv has no column 'q', which the data option"),
        ((*OF_TARGET, *SOURCES, "--option", "size=8"), "the data option `size` means nothing for any of target.csv"),
        ((*OF_TARGET, "--source", "nowhere.csv", "--out", "bubbles.pdf"), "--out bubbles.pdf should end in .svg or"),
        ((*OF_TARGET, *SOURCES, "--fit-k", "gains.csv", "--k", "1"), "--k says what --fit-k would learn"),
        (("--fit-k", "gains.csv"), "--fit-k gains.csv: no such file"),
        (("--fit-k", "gains.csv", *SOURCES), "--source is of a ranking for a target, and none is named"),
        ((*OF_TARGET, *SOURCES, "--reference", "digits-digits"), "no teacher 'digits-digits'"),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused_by_name(here: Path, cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    status, _, err = cli("rank", *arguments)
    assert status == 2, err
    assert says in " ".join(err.split())
    assert "Traceback" not in err


def test_help_has_an_example(cli: Cli) -> None:
    status, out, _ = cli("rank", "--help")
    assert status == 0
    assert "amalgam rank --target digits --teacher digits-arithmetic" in " ".join(out.replace("│", " ").split())


# In Python.


def arrays(mean: float, rows: int = 60) -> Any:
    return np.random.default_rng(int(10 * mean)).normal(mean, 1, (rows, 3)).astype(np.float32)


def test_arrays_files_and_triples_are_ranked_in_python(here: Path) -> None:
    np.savez("file.npz", inputs=arrays(1.0))
    triple = (arrays(3.0), np.eye(2)[np.arange(60) % 2], ["a", "b"])
    found = amalgam.rank(arrays(0.0), {"here": arrays(0.2), "file": "file.npz", "triple": triple})
    assert isinstance(found, Ranking)
    assert [one.name for one in found.entries] == ["here", "file", "triple"]
    assert (found.target, found.k, found.best.size) == ("target", p2l.K, 60)
    listed = amalgam.rank(arrays(0.0), ["mine=file.npz", Path("file.npz")], by="largest")
    assert {one.name for one in listed.entries} == {"mine", "file.npz"}
    texts = amalgam.rank(["one two", "two"], {"same": ["two one", "one two two"], "other": ["five six", "seven"]})
    assert texts.best.name == "same"


def test_teachers_are_ranked_in_python() -> None:
    known = np.arange(60) % 3
    inputs = (np.eye(4)[known] + 0.1 * np.random.default_rng(0).normal(size=(60, 4))).astype(np.float32)
    target = (inputs, np.eye(3)[known], ["a", "b", "c"])
    found = amalgam.rank(target, teachers=[Looks(20.0, seed=1), Looks(0.0, seed=2)], by="h_score")
    assert [one.name for one in found.entries] == ["Looks-2", "Looks-1"]
    assert found.best.scores["h_score"] == found.best.estimate


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sources": "digits"}, "sources and teachers are several; a single one is a list of one"),
        ({"teachers": "digits-shape"}, "sources and teachers are several; a single one is a list of one"),
        ({"sources": {"a": arrays(1.0)[:, :2]}}, "a has rows of the shape (2,) and the target target of (3,)"),
        ({"sources": {"a": np.zeros((0, 3))}}, "inputs have the shape (0, 3)"),
        ({"sources": {"a": arrays(1.0) * np.nan}}, "row 0 of the inputs is NaN or infinite"),
        ({"sources": {"a": arrays(1.0)}, "options": {"tasks": ["a"]}}, "`tasks` means nothing for rows in memory"),
        ({"sources": {"a": arrays(1.0)}, "options": {"taskz": ["a"]}}, "options: unknown key 'taskz'"),
        ({"sources": {"a": arrays(1.0)}, "labels": ["b"]}, "and no file is called so (there is none)"),
        ({}, "nothing to rank; name sources with --source, or teachers with --teacher"),
    ],
)  # fmt: skip
def test_wrong_requests_in_python_are_refused(given: dict[str, Any], says: str) -> None:
    assert says in refused(lambda: amalgam.rank(arrays(0.0), **given))
