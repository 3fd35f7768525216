"""The report: true to the numbers, users' names as they wrote them, and nothing lost on disk."""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from rich.console import Console

from amalgam.calibration import Bin, Calibration
from amalgam.costs import Cost
from amalgam.disagreement import Disagreement
from amalgam.errors import RequestError
from amalgam.evaluation import Comparison, Evaluation, Line
from amalgam.figures import MOST_LABELS
from amalgam.files import write_text
from amalgam.labelgraph.walked import Example, Passing, Walked
from amalgam.metrics import Measures
from amalgam.report import ANNOTATED, Known, Report, card, machine, page, table, verdict
from amalgam.results import blocks, duration, plain, tables, weights
from amalgam.sheets import literal
from amalgam.strategy import Grid
from amalgam.thumbnails import Thumbnails

NAN = math.nan
EVIL = '[red]<b>&amp;"url(#1</b>'
FORMULA = r"$\frac{a$ | `x` _"
TEACHER = r"_$\frac$[bold]<script>alert(1)</script>"


def line(name: str, labels: tuple[str, ...], numbers: tuple[float, ...], cost: Cost | None = None) -> Line:
    each = tuple(round(0.5 + 0.01 * place, 2) for place in range(len(labels)))
    return Line(name, labels, Measures(*numbers, f1_per_label=each, rows=10), cost or Cost())


def evaluated(
    student: tuple[float, ...] = (0.2, 0.1, 0.8, 0.7),
    majority: tuple[float, ...] = (0.3, 0.2, 0.7, 0.6),
    mean: tuple[float, ...] = (0.3, 0.2, 0.7, 0.6),
    own: int | None = 1000,
    theirs: int | None = 5000,
    labels: tuple[str, ...] = (EVIL, FORMULA, "sea"),
) -> Evaluation:
    small, large = Cost(own, 4000, 0.0001, 0.02), Cost(theirs, 20000, 0.002, 0.01)
    return Evaluation(
        rows=1234,
        labels=labels,
        student=line("student", labels, student, small),
        majority=line("majority vote", labels, majority, large),
        mean=line("mean logit", labels, mean, large),
        teachers=(
            Comparison(
                line(TEACHER, labels[:2], (0.4, 0.3, 0.5, 0.9), Cost(None, None, 0.001, 0.01)),
                line("student", labels[:2], (0.4, 0.2, 0.6, NAN), small),
            ),
            Comparison(line("b", labels[2:], (NAN,) * 4), line("student", labels[2:], (NAN,) * 4, small)),
        ),
        disagreement=Disagreement(((0.0, NAN), (NAN, 0.0)), (NAN,) * len(labels), 0, 0, 0),
        notes=(f"not measured: {EVIL!r}",),
    )


def reported(evaluation: Evaluation | None, **more: object) -> Report:
    history = tuple(
        {"epoch": epoch, "loss": 1 / epoch, "validation": NAN if epoch == 1 else 2 / epoch, "learning_rate": 0.1}
        for epoch in (1, 2, 3)
    )
    facts: dict[str, object] = {
        "recipe": "sea <1>",
        "strategy": "ant",
        "created": "2026-11-21T08:00:00+00:00",
        "student": Known(name="mlp", labels=(EVIL, FORMULA, "sea"), shape=(2, 3)),
        "teachers": (
            Known(name=TEACHER, labels=(EVIL, FORMULA), description="<i>old"),
            Known(name="b", labels=("sea",)),
        ),
        "machine": machine("cpu"),
        "seconds": {"votes": 75.2},
        "data": {"unlabelled": 40000, "test": 1234},
        "votes": {"computed": 3, "reused": 1, "repaired": 0},
        "counts": {"transferred": 98765},
        "history": history,
        "evaluation": evaluation,
        "export": {"largest difference": 3e-7},
        "notes": (f"2 rows of {EVIL} dropped",),
    }
    return Report.from_dict({**facts, **more})


class Page(HTMLParser):
    """The tags and the text of a page; malformed nesting fails."""

    VOID = frozenset({"meta", "br", "use", "path", "image", "rect"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_a_report_survives_json_with_what_is_unknown(tmp_path: Path) -> None:
    report = reported(evaluated())
    report.write(tmp_path)
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert content["evaluation"]["disagreement"]["between"] == [[0.0, None], [None, 0.0]]
    assert content["evaluation"]["student"]["measures"]["f1_per_label"] == [0.5, 0.51, 0.52]
    again = Report.read(tmp_path)
    assert again.to_dict() == content == report.to_dict()
    assert again.evaluation is not None
    assert math.isnan(again.evaluation.teachers[1].teacher.measures.f1_micro)
    assert again.evaluation.student == report.evaluation.student
    assert table(again.evaluation).row_count == 7
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "README.md",
        "report.html",
        "report.json",
    ]


def test_a_missing_or_damaged_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as raised:
        Report.read(tmp_path)
    assert str(raised.value) == f"no report in {tmp_path}: expected report.json; name a finished run"
    path = tmp_path / "report.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(RequestError) as raised:
        Report.read(tmp_path)
    assert str(raised.value) == (
        f"{path} is damaged (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); "
        "run the recipe beside it again"
    )
    content = reported(None).to_dict()
    path.write_text(json.dumps({**content, "sede": 1}), encoding="utf-8")
    with pytest.raises(RequestError, match=r"report\.json: unknown key 'sede'"):
        Report.read(tmp_path)


def test_the_page_needs_no_other_file_and_runs_no_script() -> None:
    html = page(reported(evaluated()))
    found = Page(html)
    assert found.tags["script"] == found.tags["link"] == found.tags["img"] == found.tags["i"] == 0
    links = [value for name, value in found.attributes if name in {"src", "href", "xlink:href"}]
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in links)
    assert not re.search(r"@import|url\((?!#)", html)
    assert not [name for name, _ in found.attributes if name.startswith("on")]


def test_the_page_shows_what_users_wrote_as_they_wrote_it() -> None:
    found = Page(page(reported(evaluated())))
    words = Counter(found.words)
    assert (words["sea <1>"], words["sea <1> · amalgam"]) == (1, 1)  # heading and title
    # A label: an axis of the bars, and a teacher's list.
    assert words[EVIL] == 2
    assert words[FORMULA] == 2
    # A teacher: the table of results, two axes of two matrices, its bars, the list of teachers; a legend cuts it short.
    assert words[TEACHER[:27] + "…"] == 5
    assert words[TEACHER] == 2
    assert words[TEACHER[:19] + "…"] == 1
    assert words["<i>old"] == 1
    assert words[f"2 rows of {EVIL} dropped"] == 1
    assert words[f"not measured: {EVIL!r}"] == 1
    # Every `<b>` is a best number of the table, none a label's.
    assert found.tags["b"] == sum(cell.best for block in blocks(evaluated()) for _, cells in block for cell in cells)


def test_every_figure_has_axes_with_names_and_a_caption() -> None:
    found = Page(page(reported(evaluated())))
    assert found.tags["figure"] == found.tags["figcaption"] == found.tags["svg"] == 6
    words = Counter(found.words)
    assert (words["F1"], words["label"], words["epoch"], words["loss"], words["learning rate"]) == (1, 1, 2, 1, 1)
    assert words["teacher"] == 2 * 2 + 2 + 1  # both axes of two matrices, axis and legend of the bars, head of the list
    assert (words["F1 macro"], words["size"], words["latency, 1 row"], words["latency, 256 rows"]) == (1, 2, 1, 1)
    ids = [value for name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids)) > 0
    used = {value[1:] for name, value in found.attributes if name == "xlink:href" and value.startswith("#")}
    used |= {hit for name, value in found.attributes if name == "clip-path" for hit in re.findall(r"#([\w-]+)", value)}
    assert used
    assert used <= set(ids)


def test_the_report_shows_a_strategys_grid() -> None:
    names = tuple(f"{EVIL} {number}" for number in range(MOST_LABELS + 2))
    values = tuple((number / 100, None) for number in range(len(names)))
    report = reported(None, grid=Grid("Mean <i>trust</i>.", names, ("a", TEACHER), values))
    assert Report.from_dict(report.to_dict()).grid == report.grid
    found = Page(page(report))
    assert found.tags["i"] == 0
    assert any(words.startswith("Mean <i>trust</i>. Of 26 labels, the first 24.") for words in found.words)
    for number in range(len(names)):
        assert (f"{number / 100:.2f}" in found.words) == (number < MOST_LABELS)
    assert found.words.count("–") >= MOST_LABELS


WALKED = (
    Walked(EVIL, Passing(12, 10, 0.95), Passing(2, 0, NAN), (Example(7, True), Example(31, False), Example(8, False))),
    Walked(FORMULA, Passing(1, 1, 0.0), Passing(0, 0, NAN), (Example(7, True),)),
    Walked("unseen", Passing(0, 0, NAN), Passing(0, 0, NAN)),
)
IMAGES = Thumbnails(np.array([7, 31]), np.arange(2 * 4 * 2, dtype=np.uint8).reshape(2, 4, 2, 1) * 15)


def test_the_page_shows_what_paths_go_through() -> None:
    report = reported(replace(evaluated(), walked=WALKED))
    assert Report.from_dict(report.to_dict()).to_dict() == report.to_dict()
    assert report.to_dict()["evaluation"]["walked"][0]["nondeterministic"] == {"rows": 2, "judged": 0, "share": None}
    found = Page(page(report, IMAGES))
    ids = [value for name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    pictures = [value for name, value in found.attributes if name == "xlink:href" and "image/png" in str(value)]
    matrices = 2
    assert len(pictures) == 3 + matrices  # row 8 has no image, row 7 is there twice
    words = Counter(found.words)
    assert (words["7"], words["31"], words["8"]) == (2, 1, 0)
    assert words["95.0% of 10"] == words["0.0% of 1"] == 1
    # In the table and beside the images; a label's two places are as before.
    assert words[EVIL] == 2 + 1
    assert words[EVIL[:21] + "…"] == 1
    assert words[FORMULA] == 2 + 2
    assert words["unseen"] == 1
    assert (words["deterministic path"], words["nondeterministic path"]) == (1, 1)
    text = card(report)
    assert "| `unseen` | 0 | – | 0 | – |" in text
    assert "| 12 | 95.0% of 10 | 2 | – |" in text


def test_rows_that_are_no_images_have_numbers_alone() -> None:
    found = Page(page(reported(replace(evaluated(), walked=WALKED))))
    assert "95.0% of 10" in found.words
    assert "nondeterministic path" not in found.words


def walked_lines(width: int) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(tables(replace(evaluated(), walked=WALKED))[-1])
    return console.export_text().splitlines()


def test_nodes_that_paths_go_through_stand_in_the_terminal() -> None:
    many = tuple(Walked(f"node {n}", Passing(n, 0, NAN), Passing(0, 0, NAN)) for n in range(30, 0, -1))
    assert len(tables(evaluated())) == 1
    *_, last = tables(replace(evaluated(), walked=many))
    assert last.row_count == 24
    wide, narrow = (walked_lines(width) for width in (100, 80))
    assert max(len(line) for line in narrow) <= 80
    assert narrow[0].split() == wide[0].split()
    assert [" ".join(line.split()) for line in wide] == [
        "augmented node rows through it true of nondeterministic true of these",
        f"{EVIL} 12 95.0% of 10 2 –",
        f"{FORMULA} 1 0.0% of 1 0 –",
        "unseen 0 – 0 –",
    ]


CALIBRATED = Calibration((Bin(90, 0.1, 0.2), Bin(0, NAN, NAN), Bin(5, 0.5, 1.0), Bin(5, 0.9, 0.7)))


def calibrated() -> Evaluation:
    """Of the student and the mean logit; a vote states no probability, and the second teacher was held to none."""
    found = evaluated()
    first, second = found.teachers
    return replace(
        found,
        student=replace(found.student, calibration=CALIBRATED),
        mean=replace(found.mean, calibration=CALIBRATED),
        teachers=(
            replace(first, teacher=replace(first.teacher, calibration=CALIBRATED)),
            replace(second, teacher=replace(second.teacher, calibration=Calibration((Bin(0, NAN, NAN),)))),
        ),
    )


def test_the_report_shows_how_far_probabilities_can_be_believed() -> None:
    report = reported(calibrated())
    said = report.to_dict()["evaluation"]["student"]["calibration"]["bins"]
    assert said[:2] == [{"claims": 90, "stated": 0.1, "true": 0.2}, {"claims": 0, "stated": None, "true": None}]
    again = Report.from_dict(report.to_dict())
    assert again.to_dict() == report.to_dict()
    assert again.evaluation is not None
    error = (90 * 0.1 + 5 * 0.5 + 5 * 0.2) / 100
    assert again.evaluation.student.calibration.error == pytest.approx(error)  # type: ignore[union-attr]
    found = Page(page(report))
    assert found.tags["figure"] == 7
    words = Counter(found.words)
    assert (words["stated probability"], words["how often it is true"]) == (1, 1)
    assert words[f"student {error:.3f}"] == words[f"mean logit {error:.3f}"] == 1
    assert words[f"{TEACHER[:13]}… {error:.3f}"] == 1  # a formula to matplotlib, and markup to the page
    assert not [word for word in words if word.startswith(("majority vote ", "b "))]
    assert f"Its probabilities are off by {error:.3f} (expected calibration error over 4 intervals)." in card(report)
    assert "calibration" not in card(reported(evaluated()))


def test_sizes_and_latencies_of_models_whose_size_is_known_stand_beside_each_other() -> None:
    found = evaluated()
    both = weights(found)
    assert both == [
        ("latency, 1 row", [("student", 4000, 0.0001), ("all teachers", 20000, 0.002)]),
        ("latency, 256 rows", [("student", 4000, 0.02), ("all teachers", 20000, 0.01)]),
    ]
    assert weights(replace(found, majority=None, mean=None)) == []  # nothing to be held against
    assert "latency, 1 row" not in Page(page(reported(replace(found, majority=None, mean=None)))).words


def test_teachers_that_labelled_a_source_are_not_measured() -> None:
    """They know no label of the target."""
    found = replace(evaluated(), teachers=(), majority=None, mean=None, disagreement=Disagreement((), (), 0, 0, 0))
    html = page(reported(found))
    assert "How many labels each pair of teachers shares" in html
    assert "contradict each other" not in html + card(reported(found))


def test_a_teachers_bars_have_what_it_adds_where_that_is_known() -> None:
    report = reported(evaluated())
    assert "it adds, F1" not in Page(page(report)).words
    told = [{"teacher": TEACHER, "lost": [EVIL], "with_it": 0.7, "without": 0.75},
            {"teacher": "b", "lost": [], "with_it": None, "without": None}]  # fmt: skip
    report = reported(evaluated(), contributions=told)
    assert "it adds, F1" in Page(page(report)).words
    rows = [row for row in card(report).splitlines() if row.startswith("| `") and " | unknown | " in row]
    assert [row.split(" | ")[4] for row in rows] == ["-0.050", "–"]


SETTINGS = {
    "name": "sea", "description": "</pre><script>alert(1)</script>", "strategy": {"name": "ant"},
    "teachers": ["onnx:/home/me/a.onnx", "b"],
    "data": {"source": "/home/me/sea.csv", "join": [], "held_out": None, "test": "test"},
}  # fmt: skip


def test_the_page_has_the_recipe() -> None:
    found = Page(page(reported(None, settings=SETTINGS)))
    assert found.tags["details"] == found.tags["summary"] == found.tags["pre"] == 1
    assert found.tags["script"] == 0
    (shown,) = [word for word in found.words if word.startswith("name: sea")]
    assert yaml.safe_load(shown) == SETTINGS
    assert Page(page(reported(None))).tags["details"] == 0


def test_a_page_is_readable_in_print() -> None:
    html = page(reported(evaluated(), settings=SETTINGS))
    printed = html[html.index("@media print {") :]
    assert "details::details-content { content-visibility: visible" in printed
    assert re.search(r"figure, [^{]*tr[^{]*{ break-inside: avoid; }", printed)
    dark = [line for line in html.splitlines() if "prefers-color-scheme: dark" in line]
    assert dark == ["@media screen and (prefers-color-scheme: dark) {"]  # paper is white


def test_a_report_from_before_is_read() -> None:
    content = reported(calibrated(), settings=SETTINGS).to_dict()
    del content["settings"]
    for one in (content["student"], *content["teachers"]):
        for key in ("source", "licence", "fingerprint"):
            del one[key]
    evaluation = content["evaluation"]
    beside = [line for pair in evaluation["teachers"] for line in pair.values()]
    for line in (evaluation["student"], evaluation["majority"], evaluation["mean"], *beside):
        del line["calibration"]
    old = Report.from_dict(content)
    assert old.evaluation is not None
    assert old.evaluation.student.calibration is None
    assert (old.settings, old.teachers[0].licence, old.teachers[0].source) == ({}, None, "")
    assert Page(page(old)).tags["figure"] == 6
    assert "| – | unknown | – | 2 |" in card(old)


def test_figures_take_their_ink_from_the_page() -> None:
    html = page(reported(evaluated()))
    assert "#010203" not in html
    assert "#040506" not in html
    assert "fill: var(--ink)" in html


def test_the_same_report_gives_the_same_page() -> None:
    report = reported(evaluated())
    assert page(report) == page(report)


def test_of_many_labels_the_figure_shows_those_that_differ_most() -> None:
    labels = tuple(f"label {number}" for number in range(MOST_LABELS + 6))
    evaluation = evaluated(labels=labels)
    far = Measures(0, 0, 0, 0, tuple(float(place % 2) for place in range(len(labels))), 10)
    near = Measures(0, 0, 0, 0, tuple(0.5 if place < 6 else 0.0 for place in range(len(labels))), 10)
    lines = {"student": far, "majority": near}
    changed = {who: Line(who, labels, numbers, Cost()) for who, numbers in lines.items()}
    # Gaps: 0.5 for the first six, then 0 and 1 by turns.
    report = reported(Evaluation(**{**vars(evaluation), **changed}))
    words = Page(page(report)).words
    drawn = [label for label in labels if label in words]
    assert len(drawn) == MOST_LABELS
    assert set(labels[:6]) <= set(drawn)
    assert set(labels[7::2]) <= set(drawn)
    assert any(f"of {len(labels)} labels these are the {MOST_LABELS}" in word for word in words)


def test_a_report_without_numbers_says_so(tmp_path: Path) -> None:
    report = reported(None, history=[], export={}, teachers=[{"name": "b", "labels": ["sea"]}])
    found = Page(page(report))
    assert found.tags["figure"] == 0
    assert "Results" not in found.words
    assert "Training" not in found.words
    text = card(report)
    assert "No annotated rows were held out, so nothing here says how good it is." in text
    assert "onnxruntime" not in text
    assert "learned from 1 pretrained teacher,\n" in text


def shown(evaluation: Evaluation, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table(evaluation))
    return console.export_text()


def test_the_table_for_a_terminal_is_literal_and_fits_in_80_columns() -> None:
    lines = [text.rstrip() for text in shown(evaluated(), 110).splitlines()]
    assert lines[0].split() == ["subset", "Hamming", "F1", "F1", "param-", "latency"]
    assert lines[1].split() == [
        "model",
        "labels",
        *("loss", "↓", "loss", "↓", "micro", "↑", "macro", "↑"),
        "eters",
        "size",
        "1",
        "row",
    ]
    rows = [" ".join(text.split()) for text in lines[3:] if text]
    assert rows == [
        "student 3 0.200 0.100 0.800 0.700 1,000 4 kB 0.10 ms",
        "majority vote 3 0.300 0.200 0.700 0.600 5,000 20 kB 2.00 ms",
        "mean logit 3 0.300 0.200 0.700 0.600 5,000 20 kB 2.00 ms",
        f"{TEACHER} 2 0.400 0.300 0.500 0.900 – – 1.00 ms",
        "↳ student 2 0.400 0.200 0.600 – 1,000 4 kB 0.10 ms",
        "b 1 – – – – – – –",
        "↳ student 1 – – – – 1,000 4 kB 0.10 ms",
    ]
    narrow = shown(evaluated(), 80).splitlines()
    assert max(len(text) for text in narrow) <= 80
    assert any("0.200   0.100   0.800   0.700  1,000  4 kB 0.10 ms" in text for text in narrow)


def test_the_best_of_each_block_is_marked() -> None:
    marks = [
        ["".join("x" if cell.best else "." for cell in cells) for _, cells in block] for block in blocks(evaluated())
    ]
    # labels, subset, Hamming, micro, macro, parameters, size, 1 row, 256 rows
    assert marks == [
        [".xxxxxxx.", "........x", "........x"],
        ["........x", "..xx...x."],
        [".........", "........."],
    ]
    bold = [span.style for column in table(evaluated()).columns for span in column._cells if getattr(span, "style", "")]
    assert bold == ["bold"] * (7 + 3)


@pytest.mark.parametrize(
    ("student", "majority", "mean", "sizes", "said"),
    [
        (
            (0.2, 0.1, 0.8, 0.7), (0.3, 0.2, 0.7, 0.9), (0.3, 0.2, 0.7, 0.6), (1000, 5000),
            "The student beats the majority vote on 3 of 4 measures (loses on 1) and the mean logit on 4 of 4 "
            "measures, with 1/5 of the ensemble's parameters.",
        ),
        (
            (0.5, 0.5, 0.1, 0.1), (0.3, 0.2, 0.7, 0.9), (0.3, 0.5, 0.1, 0.1), (12000, 5000),
            "The student loses to the majority vote on 4 of 4 measures and ties with the mean logit on 3 of 4 measures "
            "(loses on 1), with 2.4 times the ensemble's parameters.",
        ),
        (
            # 0.2001 and 0.2004 look the same in the table; 0.3 and NaN cannot be compared.
            (0.2001, 0.3, 0.8, 0.7), (0.2004, NAN, 0.7, 0.9), (NAN, NAN, NAN, NAN), (1000, None),
            "The student is level with the majority vote (better on 1 of 3 measures, worse on as many, ties on 1) and "
            "cannot be compared with the mean logit.",
        ),
        (
            (0.2, 0.2, 0.8, 0.7), (0.3, 0.1, 0.7, 0.9), (0.1, 0.1, 0.9, 0.9), (1000, 1010),
            "The student is level with the majority vote (better on 2 of 4 measures, worse on as many) and loses to "
            "the mean logit on 4 of 4 measures, with about as many parameters as the ensemble.",
        ),
        (
            (0.2, 0.2, 0.8, 0.7), (0.3, 0.3, 0.7, 0.6), (0.3, 0.3, 0.7, 0.6), (10, 12345),
            "The student beats the majority vote on 4 of 4 measures and the mean logit on 4 of 4 measures, "
            "with 1/1,234 of the ensemble's parameters.",
        ),
    ],
)  # fmt: skip
def test_the_verdict_is_true_whichever_way_the_numbers_point(
    student: tuple[float, ...],
    majority: tuple[float, ...],
    mean: tuple[float, ...],
    sizes: tuple[int | None, int | None],
    said: str,
) -> None:
    assert verdict(evaluated(student, majority, mean, *sizes)) == said


def test_the_card_tells_how_to_use_the_student_and_to_make_it_again() -> None:
    text = card(reported(evaluated()))
    assert "\n---\n\n# `sea <1>`: a student distilled by `ant`\n" in text
    assert "Input: raw features, float32, of the shape (rows, 2, 3). Scaling is part of the model" in text
    for needed in ('student = amalgam.load(".")', 'onnxruntime.InferenceSession("student.onnx")',
                   "    amalgam distill recipe.yaml\n", "Measured on 1,234 held-out rows",
                   "| `student` | 3 | **0.200** | **0.100** |"):  # fmt: skip
        assert needed in text
    for fenced in re.findall(r"```python\n(.*?)```", text, re.S):
        compile(fenced, "README.md", "exec")


def test_the_card_of_a_classifier_of_series_says_so() -> None:
    student = Known(name="convolutional", labels=("a", "b"), shape=(24, 1), exclusive=True, masks=True)
    text = card(reported(None, student=student, data={ANNOTATED: 12}))
    for needed in ("from rows of which 12 are annotated.", "2 classes, of which a row has one, the likeliest:",
                   "NaN where one is missing and beyond a series' end.",
                   "of the truth it was shown the annotated rows alone."):  # fmt: skip
        assert needed in text


def test_users_text_has_no_meaning_in_the_card() -> None:
    text = card(reported(evaluated()))
    # Markdown reads nothing inside a code span; a label with a backtick needs a longer fence.
    assert f"`{EVIL}`, ``{FORMULA}``, `sea`" in text
    text = ModelCard(text).text
    bare = re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", re.sub(r"```python\n.*?```", "", text, flags=re.S))
    bare = bare.replace(f"teachers {literal(f'{TEACHER!r}')}, 'b'", "")  # escaped, sign by sign
    assert "<" not in bare
    assert "[red]" not in bare
    assert "frac" not in bare
    # A pipe would end a table's cell, also in a code span.
    rows = [row for row in text.splitlines() if row.startswith("| `")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7, 11}


def test_numbers_are_written_for_readers() -> None:
    assert [duration(s) for s in (0.00008, 0.0123, 3.44, 125, 7300)] == [
        "0.08 ms",
        "12 ms",
        "3.4 s",
        "2 min 5 s",
        "2 h 1 min",
    ]
    assert [plain(x) for x in (1234567, 0.123456, NAN, None, "x", True)] == [
        "1,234,567",
        "0.1235",
        "–",
        "–",
        "x",
        "True",
    ]


@pytest.mark.parametrize("broken", ["report.html", "README.md"])
def test_a_report_that_could_not_be_written_is_no_finished_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def failing(path: Path, text: str) -> None:
        if path.name == broken:
            raise OSError("the disk is full")
        write_text(path, text)

    monkeypatch.setattr("amalgam.report.write_text", failing)
    with pytest.raises(OSError, match="the disk is full"):
        reported(None).write(tmp_path)
    with pytest.raises(RequestError) as raised:
        Report.read(tmp_path)
    assert str(raised.value) == f"no report in {tmp_path}: expected report.json; name a finished run"
