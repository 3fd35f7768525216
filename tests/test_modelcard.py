"""The model card as the Hub reads it: its front matter parses whatever users call things, and licences are told."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from amalgam.costs import Cost
from amalgam.disagreement import Disagreement
from amalgam.evaluation import Evaluation, Line
from amalgam.metrics import Measures
from amalgam.modelcard import agreed, learned_from, licence_says, license_in, measured_on
from amalgam.report import Known, Report, card
from amalgam.wordreport import Known as Source
from amalgam.wordreport import Measured, WordReport
from amalgam.wordreport import card as word_card

EVIL = [
    "x\n---\nlicense: apache-2.0\n---\n# mine",
    "---",
    "]: {&a *a !!python/object/apply:os.system [id]}",
    "'\"\\ \t\u0085\u2028--- #: - ? | > % @ `",
    "{{ 7 * 7 }}{% include 'x' %}",
    "| a | b |\n|---|---|\n<script>alert(1)</script> [x](javascript:y) **z** ``",
    "null",
    "2026-01-01",
    "\x00\x1b[31mred",
]
CREATED = "2026-11-21T08:00:00+00:00"


def evaluation(labels: tuple[str, ...], **more: Any) -> Evaluation:
    numbers = Measures(0.25, 0.125, 0.875, math.nan, (0.5,) * len(labels), 10, loss_per_task=(0.25, 0.75))
    line = Line("student", labels, numbers, Cost())
    return replace(
        Evaluation(10, labels, line, line, line, (), Disagreement((), (), 0, 0, 0), ()), **more
    )  # fmt: skip


def settings(source: str, **more: Any) -> dict[str, Any]:
    return {"data": {"source": source, "test": "test", "held_out": None, "join": [], **more}, "teachers": ["a"]}


def reported(name: str = "sea", student: Known | None = None, **more: Any) -> Report:
    known = student or Known(name="mlp", labels=("a", "b"), shape=(3,))
    told: dict[str, Any] = {"recipe": name, "strategy": "ant", "created": CREATED, "student": known, "teachers": ()}
    return Report(**{**told, **more})


@pytest.mark.parametrize("evil", EVIL)
def test_whatever_users_call_things_the_front_matter_says_what_is_meant(evil: str) -> None:
    labels = (evil, "b")
    report = reported(
        evil,
        Known(name="mlp", labels=labels, shape=(3,)),
        teachers=(Known(name=evil, labels=labels, source=evil, licence=evil, fingerprint="ab"),),
        evaluation=evaluation(labels),
        settings=settings(evil),
        notes=(evil,),
    )
    parsed = ModelCard(card(report))
    data = parsed.data.to_dict()
    assert set(data) == {"library_name", "pipeline_tag", "tags", "license", "license_name", "model-index"}
    assert (data["library_name"], data["license"]) == ("amalgam", "other")
    (model,) = data["model-index"]
    (result,) = model["results"]
    plain = "".join(letter for letter in " ".join(evil.split()) if letter.isprintable())
    assert model["name"] == data["license_name"] == plain
    assert result["dataset"]["name"] == f"{plain}, part test"
    assert [one["value"] for one in result["metrics"]] == [0.25, 0.125, 0.875]  # what cannot be told is left out
    assert parsed.text.lstrip().startswith("# `")
    rows = [row for row in parsed.text.splitlines() if row.startswith("| ")]
    assert rows
    assert all("<script>" not in row or "`" in row for row in rows)


@pytest.mark.parametrize("evil", EVIL)
def test_the_card_of_words_as_well(evil: str) -> None:
    tests = (
        Measured(set=evil, measure="spearman", items=4, asked=3, missing="left out", which="",
                 values={"student": 0.5, evil: None}, covered={"student": 3, evil: 2}),
        Measured(set="none", measure="spearman", items=4, asked=3, missing="left out", which="",
                 values={"student": None, evil: None}, covered={"student": 3, evil: 2}),
    )  # fmt: skip
    report = WordReport(
        recipe=evil, strategy="simme", created=CREATED, words=2, width=3, error=None, tests=tests,
        sources=(Source(name=evil, words=2, dimensions=3, shared=1, source=evil, licence=evil),),
        settings={"teachers": [evil]}, notes=(evil,),
    )  # fmt: skip
    parsed = ModelCard(word_card(report))
    data = parsed.data.to_dict()
    assert (data["license"], data["pipeline_tag"]) == ("other", "feature-extraction")
    (model,) = data["model-index"]
    assert [one["metrics"] for one in model["results"]] == [[{"type": "spearman", "value": 0.5, "name": "spearman"}]]
    assert "<script>" not in [row for row in parsed.text.splitlines() if row.startswith("| ") and "`" not in row]


@pytest.mark.parametrize(
    ("shape", "more", "pipeline", "tag"),
    [
        ((64,), {}, "tabular-classification", "multi-label-classification"),
        ((3, 8, 8), {}, "image-classification", "multi-label-classification"),
        ((20, 1), {"reads": "texts as the CRC-32 of each word"}, "text-classification", "multi-label-classification"),
        ((20, 1), {"exclusive": True, "tasks": {"class": ("a", "b")}}, None, "multi-class-classification"),
        ((64,), {"tasks": {"kind": ("a", "b")}}, "tabular-classification", "multi-task-classification"),
    ],
)
def test_the_hub_is_told_what_kind_of_task_it_is(
    shape: tuple[int, ...], more: dict[str, Any], pipeline: str | None, tag: str
) -> None:
    known = Known(name="mlp", labels=("a", "b"), shape=shape, **more)
    found = evaluation(("a", "b"), exclusive=known.exclusive, tasks=known.tasks)
    data = ModelCard(card(reported(student=known, evaluation=found))).data
    assert data.get("pipeline_tag") == pipeline
    assert tag in data.tags
    assert ("time-series" in data.tags) == (pipeline is None)
    assert data.eval_results[0].task_type == (pipeline or "time-series-classification")
    kinds = {"multi-label": ["subset_loss", "hamming_loss", "f1"], "multi-class": ["accuracy"],
             "multi-task": ["accuracy", "subset_loss"]}  # fmt: skip
    assert [one.metric_type for one in data.eval_results] == kinds[tag.removesuffix("-classification")]


def test_a_card_without_numbers_has_no_results() -> None:
    data = ModelCard(card(reported())).data.to_dict()
    assert set(data) == {"library_name", "pipeline_tag", "tags"}


@pytest.mark.parametrize(
    ("licences", "told", "says"),
    [
        (("MIT", "mit"), {"license": "mit"}, "All its teachers state the licence MIT, and so does this card."),
        (("CC-BY-NC-4.0",), {"license": "cc-by-nc-4.0"}, "Its teacher states the licence CC-BY-NC-4.0, and so"),
        (
            ("ours alone",),
            {"license": "other", "license_name": "ours alone"},
            "Its teacher states the licence ours alone",
        ),
        (("mit", "gpl-3.0"), {}, "Its teachers are under different licences ('t0': mit, 't1': gpl-3.0), all of which"),
        (
            ("mit", None),
            {},
            "The licence of teacher 't1' is unknown, and the student's depends on it: ask whoever made it",
        ),
        ((None, None), {}, "The licence of teachers 't0', 't1' is unknown, and the student's depends on them: ask"),
        ((), {}, "It learned from no teacher; what may be done with it depends on the licence of its data."),
    ],
)
def test_a_licence_is_told_where_all_teachers_agree(
    licences: tuple[str | None, ...], told: dict[str, str], says: str
) -> None:
    teachers = tuple(Known(name=f"t{place}", labels=("a",), licence=one) for place, one in enumerate(licences))
    parsed = ModelCard(card(reported(teachers=teachers)))
    assert {key: value for key, value in parsed.data.to_dict().items() if key.startswith("license")} == told
    assert f"## Licence\n\n{says}" in parsed.text
    assert licence_says([(one.name, one.licence) for one in teachers]).startswith(says)


def test_licences_agree_or_do_not() -> None:
    assert agreed(["MIT", "mit "]) == "MIT"
    assert agreed(["mit", "apache-2.0"]) is agreed(["mit", None]) is agreed([]) is None


def test_a_teachers_row_tells_where_it_came_from() -> None:
    teacher = Known(name="birds", labels=tuple(f"l{n}" for n in range(40)), source="onnx:birds.onnx", licence="mit",
                    fingerprint="0123456789abcdef")  # fmt: skip
    text = card(reported(teachers=(teacher, Known(name="mine", labels=("a",))), settings=settings("digits")))
    assert "| teacher | source | licence | hash | labels | knows |" in text
    assert "| `birds` | `onnx:birds.onnx` | `mit` | `0123456789ab` | 40 | `l0`, " in text
    assert "`l29`, … |" in text
    assert "| `mine` | in memory | unknown | – | 1 | `a` |" in text


def test_data_is_told_without_folders() -> None:
    told = {**settings("/home/me/sea.csv", held_out="/home/me/test.csv", join=[{"source": "/home/me/more.csv"}]),
            "sources": [{"source": "/home/me/large.npz"}]}  # fmt: skip
    assert learned_from(told) == [
        ("the student's rows", "sea.csv"), ("joined with it", "more.csv"), ("learned beside it", "large.npz"),
        ("measured on", "test.csv"),
    ]  # fmt: skip
    assert measured_on(told) == "test.csv"
    assert (learned_from({}), measured_on({})) == ([], "held-out rows")
    text = card(reported(settings=told, data={"learnt from": 1200}))
    assert "## Data\n\n- the student's rows: `sea.csv`\n" in text
    assert "- rows learnt from: 1,200\n" in text


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("---\nlicense: apache-2.0\n---\n# x", "apache-2.0"),
        ("---\nlicense: other\nlicense_name: ours\n---\n", "ours"),
        ("---\nlicense: other\n---\n", None),
        ("---\nlicense: unknown\n---\n", None),
        ("---\nlicense: [mit, gpl]\n---\n", None),
        ("---\nlicense: [\n---\n", None),
        ("# a card of another form", None),
        ("---\n- a list\n---\n", None),
        (None, None),
    ],
)
def test_the_licence_that_a_card_states(content: str | None, found: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "README.md").write_text(content)
    assert license_in(tmp_path) == found


def test_the_built_in_teachers_state_the_licence_of_the_project() -> None:
    from amalgam import shelf
    from amalgam.teacher import read_card

    names = shelf.names("teachers")
    assert names
    assert {read_card(shelf.shelf("teachers") / f"{name}.yaml").license for name in names} == {"mit"}
    assert yaml.safe_load((shelf.shelf("teachers") / f"{names[0]}.yaml").read_text())["schooling"]
