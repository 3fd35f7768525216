"""Texts from the command line: joined in a label graph, asked about, exported, and what is refused."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import amalgam
from amalgam import datasets
from amalgam.datasets import DataOptions
from amalgam.finished import Real, texts_behind
from amalgam.page import Samples
from amalgam.parts import rows_for
from amalgam.student import build
from amalgam.tokens import Reading, series
from amalgam.views import pages
from tests.conftest import Cli

GRAPH = """
root: thing
labels: {fine: [dog, cat, oak, rose], coarse: [animal, plant]}
groups: {fine: [dog, cat, oak, rose], coarse: [animal, plant]}
edges: {thing: [animal, plant], animal: [dog, cat], plant: [oak, rose]}
"""
SAID = {"dog": "it barks", "cat": "it purrs", "oak": "it has acorns", "rose": "it has thorns"}
FILLER = ["and", "so", "very", "we", "saw", "the", "old", "one"]
RECIPE = """
name: things
strategy: {name: label_graph, graph: graph.yaml, nondeterministic: marginal}
data:
  source: texts.csv
  options: {text: [text], tasks: [kind]}
  parts: {named: 0.4, grouped: 0.4, test: 0.2}
  shows: {named: fine, grouped: coarse}
  labelled: 1
student:
  name: path_decoder
  encoder: {name: text, vectors: 500, embedding: 16, hidden: 16}
  walks: null
  block: children
training: {epochs: 12, batch_size: 16, learning_rate: 0.01, validation: 0, threads: 1}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    drawn = random.Random(0)
    with (tmp_path / "texts.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["text", "kind"])
        for row in range(240):
            kind = [*SAID][row % 4]
            words = [*drawn.choices(FILLER, k=drawn.randint(1, 6)), SAID[kind], *drawn.choices(FILLER, k=2)]
            table.writerow([" ".join(words), kind])
    (tmp_path / "graph.yaml").write_text(GRAPH)
    (tmp_path / "things.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_texts_are_joined_asked_about_and_exported(folder: Path, cli: Cli) -> None:
    status, _, err = cli("distill", "things.yaml", "--out", "run")
    assert status == 0, err
    report = json.loads((folder / "run" / "report.json").read_text())
    assert report["evaluation"]["student"]["measures"]["subset_loss"] < 0.1
    (folder / "new.csv").write_text("text,id\nwe saw it purrs so,1\nthe one it has thorns,2\n")
    (folder / "plain.csv").write_text("text\nwe saw it purrs so\nthe one it has thorns\n")
    status, out, err = cli("predict", "run", "plain.csv")
    assert status == 0, err
    paths = [line.rpartition(",")[2] for line in out.splitlines()[1:]]
    assert [path.startswith("thing → animal") for path in paths] == [True, False]
    assert ["→ cat" in path for path in paths] == [True, False]
    assert ["→ rose" in path for path in paths] == [False, True]
    status, _, err = cli("predict", "run", "new.csv")
    assert status != 0
    assert "has the column 'id' beside the texts in 'text'" in " ".join(err.split())
    status, out, err = cli("predict", "run", "new.csv", "--option", "drop=[id]")
    assert (status, len(out.splitlines())) == (0, 3), err

    import onnxruntime

    student = amalgam.load(folder / "run")
    session = onnxruntime.InferenceSession(folder / "run" / "student.onnx")
    texts = ["we saw it barks so", "it has acorns"]
    inputs = np.full((2, *student.shape), np.nan, dtype=np.float32)
    words = series(Reading().read(texts).numbers)
    inputs[:, : words.shape[1]] = words
    found = session.run(None, {session.get_inputs()[0].name: inputs})[0]
    np.testing.assert_allclose(found, student.logits(texts).numpy(), atol=1e-4)


def refused(cli: Cli, *more: str) -> str:
    """What a user is told."""
    status, _, err = cli("distill", "things.yaml", "--set", "training.epochs=1", "--out", "run", *more)
    assert status == 2, err
    return " ".join(err.split())


def test_a_student_of_numbers_is_refused(folder: Path, cli: Cli) -> None:
    wanted = "texts.csv has rows of texts, and the student recurrent reads numbers; choose one of texts"
    assert wanted in refused(cli, "--set", "student.encoder={name: recurrent}")
    wanted = "digits-numerals has rows of numbers, and the student text reads texts; say with the data option `text`"
    status, _, err = cli("distill", "ffn", "--student", "text", "--out", "run")
    assert status == 2
    assert "the student text reads texts" in " ".join(err.split()), wanted


def test_what_makes_no_sense_of_texts_is_refused(folder: Path, cli: Cli) -> None:
    assert "makes views of numbers, and these rows are texts" in refused(cli, "--set", "training.augment.noise=0.1")


def test_how_texts_were_read_is_remembered(folder: Path, cli: Cli) -> None:
    short = ("--set", "training.epochs=1", "--set", "data.options.longest=3", "--set", "export=false")
    status, _, err = cli("distill", "things.yaml", "--out", "run", *short)
    assert status == 0, err
    student = amalgam.load(folder / "run")
    assert (student.reading, student.shape, student.features) == (Reading(3), (3, 1), ("text",))
    (folder / "plain.csv").write_text("text\nwe saw it purrs so\nwe saw it barks so\n")
    rows = rows_for(student, "plain.csv")
    assert rows.inputs(slice(None)).shape == (2, 3, 1)
    assert student.logits(["we saw it purrs so"]).equal(student.logits(rows.inputs(slice(0, 1))))
    other = build({"name": "text"}, (3, 1), ("a",), "test")
    other.reading = Reading()
    with pytest.raises(amalgam.RequestError, match="were read by bert, and the student"):
        other.refuse(replace(rows, texts=Reading(tokenizer="bert")))


def test_rows_whose_label_no_graph_has_are_counted(folder: Path, cli: Cli) -> None:
    content = (folder / "texts.csv").read_text().replace(",cat", ",tiger")
    (folder / "texts.csv").write_text(content)
    short = ("--set", "training.epochs=1", "--set", "export=false")
    cli("distill", "things.yaml", "--out", "lost", *short)
    notes = json.loads((folder / "lost" / "report.json").read_text())["notes"]
    wanted = "60 of 240 rows of texts.csv have 'kind: tiger' alone, which the label graph"
    assert any(note.startswith(wanted) for note in notes), notes
    cli("distill", "things.yaml", "--out", "found", *short, "--set", "labels.aliases={cat: [tiger]}")
    report = json.loads((folder / "found" / "report.json").read_text())
    assert not any("alone, which" in note for note in report["notes"])
    assert report["data"]["learnt from"] == 192


def test_a_teacher_of_numbers_is_refused(folder: Path) -> None:
    class Numbers:
        labels = ("dog", "cat")
        exclusive = True

        def score(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(inputs), 2)

    with pytest.raises(amalgam.RequestError, match=r"teacher .* reads numbers, and arrays has texts"):
        amalgam.distill([Numbers()], ["it barks", "it purrs", "so"], "kd", student="text")


def test_texts_are_found_again_by_their_numbers_alone(folder: Path) -> None:
    (folder / "cut.txt").write_text("a b c d\na b c\nplain words\n")
    (folder / "other.txt").write_text("Plain, WORDS!\n")
    options = DataOptions(text="plain", longest=3)
    rows = datasets.load("cut.txt", options).rows
    assert texts_behind(rows, [("cut.txt", options)]) == ["a b c", "a b c", "plain words"]
    assert texts_behind(rows.take(torch.tensor([2, 0])), [("other.txt", options)]) == ["Plain, WORDS!", None]


def test_what_a_page_is_given_has_the_texts_of_its_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Samples]()
    monkeypatch.setattr(pages, "_page", lambda graph, samples, *_: asked.append(samples))
    student = build({"name": "text", "vectors": 50, "embedding": 4, "hidden": 4}, (5, 1), tuple(SAID), "test")
    options = DataOptions(text=("text",), tasks=("kind",))
    rows = datasets.load("texts.csv", options).rows
    real = Real(rows, rows, (("texts.csv", options),))
    pages.rows_page(folder, student, folder / "student.onnx", lambda: real, pages.Page(folder / "page", None))
    (samples,) = asked
    with (folder / "texts.csv").open(newline="") as stream:
        written = [row["text"] for row in csv.DictReader(stream)]
    assert len(samples.texts) == len(rows)
    assert [written[int(name.split()[1])] for name in samples.names] == samples.texts
    assert samples.inputs is not None
    np.testing.assert_array_equal(samples.inputs, series(Reading().read(samples.texts).numbers))
