"""Joining data sets and teachers in a label graph, from the command line to the exported student."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import amalgam
from amalgam.datasets.digits import NUMERALS
from amalgam.labelgraph import specs
from amalgam.labelgraph.walked import in_words
from amalgam.report import Report
from amalgam.results import tasks
from amalgam.thumbnails import Thumbnails
from tests.conftest import Cli

SHORT = ("--set", "training.epochs=12", "--set", "export=false")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def distil(cli: Cli, *more: Any, strategy: str = "label_graph", out: str = "run") -> tuple[int, str, str]:
    return cli("distill", "--strategy", strategy, *SHORT, *more, "--out", out)


def accuracies(folder: Path) -> dict[str, float]:
    """Task → the student's accuracy, as the report has it."""
    report = Report.read(folder)
    assert report.evaluation is not None
    return {name: float("0" + entries[1].text) for name, entries in tasks(report.evaluation)}


def test_two_data_sets_join_and_every_row_has_a_path(here: Path, cli: Cli) -> None:
    status, out, err = distil(cli)
    assert status == 0, err
    assert "accuracy in the task" in out
    found = accuracies(here / "run")
    assert found.keys() == {"numerals", "loops", "parity", "weight"}
    assert found["numerals"] > 0.85
    assert found["loops"] > 0.9
    assert found["parity"] > 0.85
    report = json.loads((here / "run" / "report.json").read_text())
    assert report["data"] == {
        "learnt from": 1436,
        "stopped early by": 0,
        "annotated, of the student's": 1436,
        "measured on": 361,
    }
    assert report["evaluation"]["majority"] is None
    assert not any("'even'" in note for note in report["notes"])

    status, out, err = cli("predict", "run", "digits")
    assert status == 0, err
    lines = list(csv.reader(StringIO(out)))
    assert lines[0][:10] == list(NUMERALS)
    assert lines[0][-1] == "(path)"
    assert len(lines) == 1798
    assert lines[1][-1].startswith("numeral → ")
    assert lines[1][-1].endswith("deterministic)")
    right = (
        np.array([line[-1].split(" → ")[-1].split()[0] for line in lines[1:]])
        == np.array(NUMERALS)[load_digits().target]
    )
    assert right.mean() > 0.85

    status, out, err = cli("evaluate", "run")
    assert (status, err.count("error")) == (0, 0)
    assert "numerals" in out
    status, out, err = cli("explain", "run", "--row", "7")
    assert status == 0, err
    assert "top-heavy" in out
    status, out, err = cli("report", "run", "--out", "again.html")
    assert status == 0, err
    assert "rows through it" in out
    page = (here / "run" / "report.html").read_text(encoding="utf-8")
    assert "majority" not in page
    assert "None" not in (here / "run" / "README.md").read_text(encoding="utf-8").splitlines()
    assert (here / "again.html").read_text(encoding="utf-8") == page
    pictures_are_of_rows_on_such_paths(page, report, dict(told_by(cli)))


def told_by(cli: Cli) -> list[tuple[int, str]]:
    """Each digit's path as `amalgam predict` tells it."""
    _, out, _ = cli("predict", "run", "digits")
    return [(row, line[-1]) for row, line in enumerate(list(csv.reader(StringIO(out)))[1:])]


def pictures_are_of_rows_on_such_paths(page: str, report: Any, paths: dict[int, str]) -> None:
    """The page frames rows whose path goes through a node, and the report's numbers are of these very paths."""
    walked = report["evaluation"]["walked"]
    assert {one["node"] for one in walked} == {"even", "odd", "top-heavy", "bottom-heavy"}
    examples = [(one["node"], each) for one in walked for each in one["examples"]]
    assert len(examples) > 4
    for node, each in examples:
        assert f" → {node} " in paths[each["row"]]
        assert paths[each["row"]].endswith(" (deterministic)") is each["deterministic"]
        assert f">{each['row']}</text>" in page
    assert page.count("data:image/png;base64,") == len(examples)
    for name in ("deterministic path", "nondeterministic path"):
        assert f">{name}</text>" in page
    assert page.count("#e8873a") > sum(not each["deterministic"] for _, each in examples)
    for one in walked:
        for some in (one["every"], one["nondeterministic"]):
            assert some["judged"] == some["rows"]  # all digits are annotated with all nodes
            assert (some["share"] is None) is (some["rows"] == 0)
        assert one["nondeterministic"]["rows"] == 0 or "heavy" in one["node"]  # parity is the numeral's own


@pytest.mark.parametrize("strategy", ["ffn", "label_set", "pseudo_label"])
def test_a_compared_method_learns_the_same_rows(here: Path, cli: Cli, strategy: str) -> None:
    status, _, err = distil(cli, strategy=strategy)
    assert status == 0, err
    report = json.loads((here / "run" / "report.json").read_text())
    if strategy == "label_set":
        assert accuracies(here / "run")["numerals"] > 0.8
    else:
        assert report["student"]["labels"] == list(NUMERALS)
        assert report["evaluation"]["student"]["measures"]["subset_loss"] < 0.2
    assert (report["data"]["learnt from"] < 100) is (strategy == "ffn")


def test_teachers_join_data_sets_in_the_graph(here: Path, cli: Cli) -> None:
    """One teacher knows the numerals, one the parity alone, and a coarse data set the loops; nobody names a digit."""
    digits = load_digits()
    seen = np.arange(len(digits.target)) % 2 == 0
    names = np.array(NUMERALS)[digits.target]
    kinds = np.where(digits.target % 2 == 0, "even", "odd")
    for name, wanted in (("names", names), ("parity", kinds)):
        skops.io.dump(
            LogisticRegression(max_iter=300).fit(digits.data[seen] / 16, wanted[seen]), here / f"{name}.skops"
        )
    np.savez(here / "rows.npz", inputs=(digits.data / 16).astype(np.float32))
    both = ("--teacher", "sklearn:names.skops", "--teacher", "sklearn:parity.skops")
    shows = (
        "--set",
        "data.shows={counted: loops, nobody: []}",
        "--set",
        "data.parts={counted: 0.4, nobody: 0.4, test: 0.2}",
    )
    scaled = ("--set", "strategy.everywhere=true")
    graph = {
        **specs.find("digits").model_dump(),
        "labels": {"numerals": list(NUMERALS), "loops": ["no loop", "one loop", "two loops"], "kinds": ["even", "odd"]},
    }
    graph["edges"] = [list(edge) for edge in graph["edges"]]
    (here / "joined.yaml").write_text(json.dumps({**graph, "groups": {k: list(v) for k, v in graph["groups"].items()}}))
    # The teachers were trained on values from 0 to 1, and the digits go to 16: their answers are sharper, not others.
    status, out, err = distil(cli, *both, *shows, *scaled, "--set", "strategy.graph=joined.yaml")
    assert status == 0, err
    found = accuracies(here / "run")
    assert found["numerals"] > 0.8
    assert found["loops"] > 0.85
    assert found["kinds"] > 0.8
    assert "On a teacher's own labels the student" in out


def test_two_folders_of_images_of_other_sizes_join(here: Path, cli: Cli) -> None:
    """The finer folder says what size and how many channels the coarser one's images are brought to."""
    chance = np.random.default_rng(0)
    colours = {"ruby": (230, 20, 20), "coral": (230, 120, 20), "sky": (20, 160, 230), "navy": (20, 20, 130)}
    for name, colour in colours.items():
        for folder, kind, count, size in (
            ("fine", name, 12, 16),
            ("coarse", {"r": "warm", "c": "warm"}.get(name[0], "cold"), 15, 24),
        ):
            (here / folder / kind).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                noise = chance.integers(-15, 16, (size, size, 3))
                picture = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                Image.fromarray(picture).save(here / folder / kind / f"{name}{number}.png")
    (here / "colours.yaml").write_text(
        "root: colour\nlabels: {fine: [ruby, coral, sky, navy], coarse: [warm, cold]}\n"
        "groups: {hue: [ruby, coral, sky, navy], heat: [warm, cold]}\n"
        "edges: {colour: [bright], bright: [warm, cold], warm: [ruby, coral], cold: [sky, navy]}\n"
    )
    status, _, err = distil(
        cli, "--data", "fine", "--set", "data.labelled=1", "--set", "data.join=[{source: coarse}]",
        "--set", "strategy.graph=colours.yaml",
        "--set", "student.encoder={name: timm, model: resnet10t, arguments: {channels: [8, 8, 16, 16], stem_width: 8}}",
        "--set", "training.batch_size=8",
    )  # fmt: skip
    assert status == 0, err
    report = json.loads((here / "run" / "report.json").read_text())
    assert report["student"]["shape"] == [3, 16, 16]
    assert report["data"]["learnt from"] == 40 + 60
    found = Report.read(here / "run").evaluation
    assert found is not None
    assert found.student.measures.accuracy > 0.7
    (bright,) = found.walked  # the only node that is nobody's label, and all paths go through it
    assert (bright.node, bright.every.rows, bright.every.judged) == ("bright", found.rows, 0)
    images = Thumbnails.read(here / "run")
    assert images is not None
    assert images.pixels.shape == (8, 16, 16, 3)
    assert images.rows.tolist() == [each.row for each in bright.examples]
    assert (here / "run" / "report.html").read_text(encoding="utf-8").count("data:image/png;base64,") == 8


def test_greedy_decoding_is_exported_and_says_what_torch_says(here: Path, cli: Cli) -> None:
    status, _, err = cli("distill", "label_graph-paper", "--set", "training.epochs=3", "--out", "run")
    assert status == 0, err
    import onnxruntime

    session = onnxruntime.InferenceSession(here / "run" / "student.onnx")
    student = amalgam.load(here / "run")
    nodes = json.loads(session.get_modelmeta().custom_metadata_map["amalgam.nodes"])
    rows = load_digits().data[:7].astype(np.float32)
    for size in (7, 3, 1):
        said, paths, steps = session.run(["logits", "path", "steps"], {"inputs": rows[:size]})
        np.testing.assert_allclose(said, student.logits(rows[:size]).numpy(), atol=1e-4)
        (told,) = student.each(rows[:size], lambda output: in_words(student.graph, student.walk(output)))
        for path, chances, words in zip(paths.tolist(), steps.tolist(), told, strict=True):
            walked = [f"{nodes[node]} {chance:.2f}" for node, chance in zip(path, chances, strict=True) if node >= 0]
            assert words.startswith(f"{' → '.join(['numeral', *walked])} (")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "data.shows={named: numbers}",
            "data.shows.named is 'numbers', which is no source of the strategy's label graph; did you mean 'numerals'?",
        ),
        ("data.shows={named: [zero, ten]}", "digits-numerals is not annotated with 'ten'"),
        ("data.parts=null", "data.shows says what the rows of some parts are annotated with; name these in data.parts"),
        ("strategy.graph=digitz", "no label graph 'digitz'; did you mean 'digits'?"),
        ("strategy={name: label_graph}", "strategy.graph is missing; name a label graph"),
        ("data.labelled=null", "strategy 'label_graph' learns from a few labelled rows; say which share"),
        ("data.join=[{source: digits-images}]", "bring them to one, as with the data options"),
    ],
    ids=["source", "label", "parts", "graph", "no graph", "labelled", "shapes"],
)
def test_wrong_requests_are_refused_by_name(here: Path, cli: Cli, change: str, message: str) -> None:
    status, _, err = distil(cli, "--set", change)
    assert status == 2, err
    assert message in err
    assert "Traceback" not in err


def test_rows_of_unknown_labels_alone_are_refused(here: Path, cli: Cli) -> None:
    table = "x,y,kind\n" + "\n".join(f"{n},{n % 3},{'cat' if n % 2 else 'dog'}" for n in range(40))
    (here / "pets.csv").write_text(table)
    status, _, err = distil(
        cli, "--data", "pets.csv", "--set", "data.shows={}", "--set", "data.parts={unlabelled: 0.8, test: 0.2}",
        "--set", "data.options={tasks: [kind]}", "--set", "data.labelled=1",
    )  # fmt: skip
    assert status == 2
    assert "annotates 'kind: cat', 'kind: dog' and the label graph digits has 'zero'" in err
