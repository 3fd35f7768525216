"""The tables that ship: they say what the authors published, and what they say fits the data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from amalgam import datasets, recipe, shelf, strategies, student, wordtests
from amalgam.bench.draw import Draw
from amalgam.bench.row_table import RowTable
from amalgam.bench.tables import read_table, tables
from amalgam.bench.word_cell import asked
from amalgam.bench.word_table import WordTable
from amalgam.datasets.tagged import VOC_CLASSES
from amalgam.errors import RequestError
from tests.conftest import Cli

PAPER = Path(__file__).parents[3] / "shared" / "papers" / "knowledge-amalgamation.txt"
FOLDER = shelf.shelf("recipes/papers")
COLUMNS = ("S-Loss", "H-Loss", "F1 Micro", "F1 Macro")
METHODS = {"BL": "bl", "AKA": "aka", "FKA": "fka", "CFL": "cfl", "TC": "tc_mean", "ANT(Ours)": "ant-paper"}
SETTINGS = {
    "ant-table7": {
        "EMO Dataset": "emotions", "SCENE Dataset": "scene", "YELP Dataset": "yelp", "YEAST Dataset": "yeast",
        "BIRD Dataset": "birds", "TMC Dataset": "tmc2007", "GENBASE Dataset": "genbase", "MEDICAL Dataset": "medical",
    },
    "ant-table8": {f"{count} Teachers": f"yelp-{count}" for count in (3, 4, 5)},
    "ant-table9": {
        f"{share}% of labels shared between teachers": f"scene-{share}" for share in (100, 75, 50, 25, 0)
    },
}  # fmt: skip
"""Table → what the paper calls a setting → its key."""

Numbers = dict[str, tuple[tuple[float, float], ...]]


def published() -> dict[str, Numbers]:
    """What the paper calls a setting → method → [mean, sd] by column, read from the text of the paper."""
    if not PAPER.is_file():
        pytest.skip("the text of the paper is not on this machine")
    found: dict[str, Numbers] = {}
    groups: list[str] = []
    lines = PAPER.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if "EMO Dataset" in line)
    end = next(number for number, line in enumerate(lines) if line.startswith("Table 9:"))
    for line in lines[start:end]:
        head, *cells = line.split("\t")
        if head == "Methods":
            groups = [cell for cell in cells if cell]
        elif cells and not head:
            assert [cell.rstrip("↓↑") for cell in cells] == [*COLUMNS, "Rank"] * len(groups)
        elif head in METHODS and len(cells) == 5 * len(groups):
            numbers = [re.findall(r"\d*\.\d+", cell) for cell in cells]
            for place, group in enumerate(groups):
                pairs = numbers[5 * place : 5 * place + 4]
                found.setdefault(group, {})[METHODS[head]] = tuple((float(m), float(sd)) for m, sd in pairs)
    return found


def row_table(name: str) -> RowTable:
    """A shipped table of rows."""
    found = read_table(name)
    assert isinstance(found, RowTable)
    return found


def with_comments(name: str) -> RowTable:
    """A table whose settings in comments are settings, as a user makes them who has the data."""
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    lines = list[str]()
    inside = False
    for line in text.splitlines():
        inside = line.startswith("  # yelp") or (inside and line.startswith("  #   "))
        lines.append(line.replace("  # ", "  ", 1) if inside else line)
    return RowTable.model_validate(yaml.safe_load("\n".join(lines)))


@pytest.mark.parametrize("name", SETTINGS)
def test_published_numbers_are_the_papers(name: str) -> None:
    table, paper = with_comments(name), published()
    assert table.measures == ("subset_loss", "hamming_loss", "f1_micro", "f1_macro")  # COLUMNS
    for group, setting in SETTINGS[name].items():
        assert table.settings[setting].expected == paper[group]
        assert list(paper[group]) == list(METHODS.values())


def test_every_table_of_the_paper_with_numbers_is_here() -> None:
    assert set(published()) == {group for groups in SETTINGS.values() for group in groups}


OF_ROWS = [name for name in tables() if isinstance(read_table(name), RowTable)]


OF_WORDS = [name for name in tables() if isinstance(read_table(name), WordTable)]


@pytest.mark.parametrize("name", OF_WORDS)
def test_a_table_of_words_is_sound(name: str) -> None:
    table = read_table(name)
    assert isinstance(table, WordTable)
    assert (table.name, table.headline) == (name, name.partition("-")[0])
    assert table.title
    assert len(re.split(r"(?<=[.:]) ", " ".join(table.protocol.split()))) >= 4
    built = [asked(table, panel, key, 0, name)[1:] for panel in table.settings.values() for key in table.methods]
    assert len(set(built)) == len(table.methods)
    assert all(wordtests.find(test).name == test for panel in table.settings.values() for test in panel.tests)
    assert table.quick is not None
    for panel in table.quickly().settings.values():  # offline, with what is installed
        assert all(spec.startswith("gensim:") for spec in panel.sources.values())
        assert all(wordtests.find(test).is_here for test in panel.tests)


@pytest.mark.parametrize("name", OF_ROWS)
def test_a_table_is_sound(name: str) -> None:
    table = row_table(name)
    assert table.name == name
    assert table.title
    assert len(re.split(r"(?<=[.:]) ", " ".join(table.protocol.split()))) >= 4
    assert (table.headline, table.test) == (name.partition("-")[0], 0.2)
    assert table.apart == (0.4 if table.headline == "venus" else 0.0)
    for key, method in table.methods.items():
        if method.role == "bound":
            assert method.strategy == {"name": "supervised"}
        else:
            strategies.build(method.strategy, f"table {name}, methods.{key}")
    for spec in (table.teacher, table.student):
        student.settings_of(spec, f"table {name}")
    for key, setting in table.settings.items():
        student.settings_of({**table.student, **setting.student}, f"table {name}, settings.{key}")
        for one in setting.teachers.draw(20, 0) if isinstance(setting.teachers, Draw) else setting.teachers:
            student.settings_of({**table.teacher, **one.student}, f"table {name}, settings.{key}")
    assert table.quick is not None
    assert (len(table.quick.settings), table.quick.seeds) == (2, 2)
    assert list(table.quickly().settings) == [key for key in table.settings if key in table.quick.settings]


@pytest.mark.parametrize("name", OF_ROWS)
def test_no_two_rows_are_the_same_but_what_is_recommended(name: str) -> None:
    """What is recommended may be made of one of its own ablations; two other rows alike would share every rank."""
    table = row_table(name)
    built = [
        strategies.build(method.strategy, key)
        for key, method in table.methods.items()
        if method.role != "bound" and key != table.headline
    ]
    assert len(set(built)) == len(built)


@pytest.mark.parametrize("name", tables())
def test_a_file_is_pleasant_to_read(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert max(map(len, text.splitlines())) < 120


def subsets(table: RowTable) -> Iterator[tuple[str, list[set[Any]]]]:
    for key, setting in table.settings.items():
        if not isinstance(setting.teachers, Draw):
            yield key, [set(one.labels) for one in setting.teachers]


@pytest.mark.parametrize("name", OF_ROWS)
def test_label_subsets_fit_the_data(name: str, benchmark_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every label is one of the data's, and together the teachers know all of them: none is left out."""
    monkeypatch.setenv("AMALGAM_DATA", str(benchmark_data))
    table = row_table(name)
    known = {one.data: labels_of(one.data) for one in table.settings.values()}
    for key, known_by_teacher in subsets(table):
        labels = known[table.settings[key].data]
        published = set(table.settings[key].expected_by_task)
        if table.by_task and (published or key in ("small", "digits") or table.name == "venus-table12"):
            assert set().union(*known_by_teacher) <= set(labels) | set(range(len(labels)))
            assert not published or set().union(*known_by_teacher) in (published, set(range(len(published))))
            continue  # some tasks of those that the data has
        for own in known_by_teacher:
            assert len(own) < len(labels) or key == "scene-100"
        named = all(isinstance(label, str) for own in known_by_teacher for label in own)
        assert set().union(*known_by_teacher) == (set(labels) if named else set(range(len(labels))))
    for setting in table.settings.values():
        if isinstance(setting.teachers, Draw):
            drawn = [set(one.labels) for one in setting.teachers.draw(len(known[setting.data]), 0)]
            assert len(setting.teachers.students) == setting.teachers.teachers
            for one, other in pairwise(drawn):
                assert abs(len(one & other) - setting.teachers.shared * len(one)) <= 1.5


def labels_of(data: str) -> tuple[str, ...]:
    """The labels of data, VOC's without its pictures."""
    return VOC_CLASSES if data == "torchvision:VOC2007" else datasets.load(data).rows.labels


@pytest.mark.parametrize("name", ["ant-table7", "ant-ablations"])
def test_half_of_the_labels_are_shared(name: str) -> None:
    """As the paper says of Table 7: teachers learn equally many labels, half of them shared."""
    for _, (one, other) in subsets(read_table(name)):
        assert len(one) == len(other)
        assert abs(len(one & other) / len(one) - 0.5) < 0.08


def test_the_overlap_study_shares_less_and_less() -> None:
    common = [len(one & other) for _, (one, other) in subsets(read_table("ant-table9"))]
    assert common == [6, 4, 3, 2, 0]


def test_many_teachers_of_the_paper_know_every_label_of_yelp() -> None:
    table = with_comments("ant-table8")
    for key, known in subsets(table):
        assert len(known) == int(key.removeprefix("yelp-"))
        assert set().union(*known) == set(range(8))


def test_drawn_and_fixed_subsets_differ_in_nothing_else() -> None:
    fixed, drawn = read_table("ant-table7"), read_table("ant-table7-random")
    ablations = read_table("ant-ablations")
    assert fixed.methods == drawn.methods
    for name, setting in fixed.settings.items():
        other = drawn.settings[name]
        assert not isinstance(setting.teachers, Draw)
        assert isinstance(other.teachers, Draw)
        assert other.teachers.students == tuple(one.student for one in setting.teachers)
        assert (setting.data, setting.student, setting.training) == (other.data, other.student, other.training)
        assert not other.expected
        if name != "tmc2007":  # too long for so many rows
            assert ablations.settings[name] == setting.model_copy(update={"expected": {}})
    for table in (fixed, drawn, ablations, read_table("ant-table9"), read_table("ant-table8")):
        assert (table.teacher, table.teacher_training) == (fixed.teacher, fixed.teacher_training)
        assert (table.student, table.training) == (fixed.student, fixed.training)


def test_tables_are_listed_beside_recipes_and_are_none(cli: Cli) -> None:
    code, shown, _ = cli("recipes", "list")
    above, below = re.split(r"table for `amalgam bench`.*\n", shown)
    assert code == 0
    assert [line.split()[0] for line in below.splitlines()] == tables()
    assert not any(name in above for name in tables())
    assert not any("table" in name for name in shelf.names("recipes"))
    with pytest.raises(RequestError, match="no recipe 'ant-digits'"):
        recipe.read("ant-digits")


VENUS = {
    "venus-table10": {"Dataset: PASCAL VOC 2007": "voc2007", "Dataset: 3D": "3d"},
    "venus-table12": {
        f"Teacher 1: <i>{one}</i> , Teacher 2: <i>{other}</i>": f"{one}-{other}".lower()
        for one, other in (("DenseNet", "VGG"), ("DenseNet", "AlexNet"), ("VGG", "AlexNet"))
    },
}
"""Table → how the paper's text begins a setting → its key."""
VENUS_METHODS = ("must", "kd", "cfl", "venus-paper")


def by_task(lines: list[str]) -> dict[str, list[tuple[float, float]]]:
    """Task → its numbers [mean, sd], in a row of the paper's text."""
    rows = [re.sub("</?b>", "", line).split("\t") for line in lines]
    found = {head: [re.findall(r"\d*\.\d+", cell) for cell in cells] for head, *cells in rows}
    return {
        {"tv": "tvmonitor"}.get(head.lower(), head.lower().replace("-", "")): [(float(m), float(sd)) for m, sd in pairs]
        for head, numbers in found.items()
        if len(pairs := [one for one in numbers if len(one) == 2]) >= 8
    }


def paper() -> list[str]:
    """The text of the paper, a line each."""
    if not PAPER.is_file():
        pytest.skip("the text of the paper is not on this machine")
    return PAPER.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", VENUS)
def test_published_numbers_of_tasks_are_the_papers(name: str) -> None:
    table, lines = read_table(name), paper()
    for head, key in VENUS[name].items():
        start = next(number for number, line in enumerate(lines) if line.startswith(head))
        end = next(number for number in range(start, len(lines)) if lines[number].startswith("Ave. RANK"))
        numbers = by_task(lines[start:end])
        assert set(numbers) == set(table.settings[key].expected_by_task)
        for task, methods in table.settings[key].expected_by_task.items():
            assert [methods[one] for one in VENUS_METHODS] == list(
                zip(numbers[task][:4], numbers[task][4:], strict=True)
            )


def test_published_numbers_of_fewer_and_fewer_shared_tasks_are_the_papers() -> None:
    table, lines = read_table("venus-table11"), paper()
    end = next(number for number, line in enumerate(lines) if line.startswith("Table 11:"))
    wide = [line for line in lines[:end] if len(re.findall("±", line)) == 12]
    accuracy, auc = by_task(wide[:20]), by_task(wide[20:])
    for place, key in enumerate(("voc75", "voc50", "voc25")):
        published = table.settings[key].expected_by_task
        assert set(published) == set(accuracy) == set(auc)
        for task, methods in published.items():
            own = slice(4 * place, 4 * place + 4)
            assert [methods[one] for one in VENUS_METHODS] == list(
                zip(accuracy[task][own], auc[task][own], strict=True)
            )


def test_teachers_of_many_tasks_share_fewer_and_fewer() -> None:
    shared = {
        key: (len(one & other), len(one), len(other)) for key, (one, other) in subsets(read_table("venus-table11"))
    }
    assert shared == {
        "small75": (7, 9, 9), "small50": (3, 7, 7), "small25": (1, 6, 6),
        "voc75": (12, 16, 16), "voc50": (6, 13, 13), "voc25": (4, 12, 12),
    }  # fmt: skip


WORD_METHODS = {
    "Average": "average", "Concat": "concat", "LLE": "lle", "AAEME": "aaeme", "CAEME": "caeme", "DAEME": "daeme",
    "SimME": "simme-paper",
}  # fmt: skip
WORD_TESTS = (
    "card-660", "rare-words", None, None, "wordnet", "airline", "movies", "pros-cons", "esslli-2008",
)  # fmt: skip
"""The columns of SimME's table; `None` is a test that we have not."""


def test_published_numbers_of_words_are_the_papers() -> None:
    if not PAPER.is_file():
        pytest.skip("the text of the paper is not on this machine")
    lines = iter(PAPER.read_text(encoding="utf-8").splitlines())
    found = dict[str, dict[str, dict[str, float]]]()
    panel, sources = "", list[str]()
    next(line for line in lines if line.startswith("Datasets Methods\tSemantics prediction"))
    for line in lines:
        if line.startswith("Table 1:"):
            break
        head, *cells = line.split("\t")
        if head.startswith("<b>"):
            panel, sources = re.sub("<.*?>", "", head).lower(), []
        elif panel:
            if head not in WORD_METHODS:
                sources.append(head)
            method = WORD_METHODS.get(head, f"source-{len(sources)}")
            for test, cell in zip(WORD_TESTS, cells, strict=False):
                if test is not None:
                    value = float(re.sub("<.*?>", "", cell).split()[0])
                    found.setdefault(panel, {}).setdefault(test, {})[method] = value
    table = read_table("simme-table1")
    ours = {
        key: {
            test: {method: numbers[0][0] for method, numbers in methods.items()}
            for test, methods in setting.expected_by_task.items()
        }
        for key, setting in table.settings.items()
        if setting.expected_by_task
    }
    assert ours == found
    assert sum(len(methods) for tests in found.values() for methods in tests.values()) == 7 * (9 * 3 + 10)
