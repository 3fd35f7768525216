"""What a cell follows from: it changes with all that a number depends on, and with nothing else."""

from __future__ import annotations

import ast
import copy
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from amalgam import run
from amalgam.bench import origin
from amalgam.bench.folder import opened, packed
from amalgam.bench.origin import computed_by, origins
from amalgam.bench.row_table import RowTable
from amalgam.bench.scope import Scope, begun
from amalgam.bench.tables import read_table
from amalgam.errors import RequestError
from amalgam.files import write_text
from tests.bench import stand_ins
from tests.test_rooms import imported, modules

TABLE: dict[str, Any] = {
    **stand_ins.TABLE,
    "methods": {"ant": {"strategy": {"name": "ant", "clamp": True}}, "bl": "bl"},
    "training": {"epochs": 5},
    "settings": {
        "a": {"data": "rows.arff", "teachers": [{"labels": [0, 1]}, {"labels": [1, 2]}]},
        "b": {"data": "rows.arff", "teachers": {"teachers": 2}, "training": {"epochs": 7}, "student": {"hidden": 9}},
        "c": {"data": "other.csv", "options": {"labels": ["x", "y", "z"]}, "teachers": {"teachers": 2}},
    },
    "quick": None,
}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a table and the files of its data, of which nobody reads more than the bytes."""
    for name in ("rows.arff", "rows.xml", "other.csv"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(TABLE), encoding="utf-8")
    return tmp_path


def changed(folder: Path, path: str, value: object) -> RowTable:
    """The table with another value at a path."""
    content = copy.deepcopy(TABLE)
    *steps, last = path.split("/")
    inner: Any = content
    for step in steps:
        inner = inner.setdefault(step, {})
    inner[last] = value
    (folder / "changed.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return read_table(str(folder / "changed.yaml"))


def otherwise(folder: Path, now: RowTable) -> dict[str, str]:
    """Part of the origin → the settings in which it is another than that of the table as it is."""
    before, after = origins(read_table(str(folder / "small.yaml"))), origins(now)
    return {
        part: "".join(name for name in after if getattr(before[name], part) != getattr(after[name], part))
        for part in ("code", "table", "data")
    }


@pytest.mark.parametrize(
    ("path", "value", "settings"),
    [
        ("methods/ant/strategy/clamp", False, "abc"),
        ("methods/kd", "kd", "abc"),
        ("methods", {"bl": "bl", "ant": TABLE["methods"]["ant"]}, "abc"),
        ("test", 0.3, "abc"),
        ("apart", 0.1, "abc"),
        ("teacher/hidden", 8, "abc"),
        ("teacher_training", {"epochs": 3}, "ac"),  # b has its own
        ("student/hidden", 8, "ac"),
        ("training/epochs", 6, "ac"),
        ("training/patience", 3, "abc"),
        ("settings/a/teachers", [{"labels": [0, 1]}, {"labels": [1, 3]}], "a"),
        ("settings/a/teachers", [{"labels": [0, 1], "student": {"hidden": 8}}, {"labels": [1, 2]}], "a"),
        ("settings/b/teachers/shared", 0.25, "b"),
        ("settings/b/student/hidden", 8, "b"),
        ("settings/c/training/epochs", 6, "c"),
        ("settings/c/labelled", 0.1, "c"),
        ("settings/a/methods", {"ant": {"clamp": False}}, "a"),
        ("exclusive", True, "abc"),
        ("settings/c/options/missing", "mean", "c"),
        ("title", "another", ""),
        ("protocol", "another", ""),
        ("paper", "another", ""),
        ("name", "another", ""),
        ("headline", "bl", ""),
        ("measures", ["f1_micro"], ""),
        ("methods/bl", {"strategy": "bl", "shown": "BL", "role": "variant", "note": "another"}, ""),
        ("settings/a/expected", {"bl": [[0.5, 0.1]] * 4}, ""),
        ("quick", {"settings": ["a"]}, ""),
    ],
)
def test_a_cell_follows_from_what_its_table_asks_for_and_not_from_what_is_only_shown(
    here: Path, path: str, value: object, settings: str
) -> None:
    assert otherwise(here, changed(here, path, value)) == {"code": "", "table": settings, "data": ""}


@pytest.mark.parametrize(("name", "settings"), [("rows.arff", "ab"), ("rows.xml", "ab"), ("other.csv", "c")])
def test_a_cell_follows_from_the_content_of_its_files(here: Path, name: str, settings: str) -> None:
    table = read_table(str(here / "small.yaml"))
    before = origins(table)
    path = here / name
    kept = path.stat()
    path.write_text(name[::-1], encoding="utf-8")  # as long as before
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    after = origins(table)
    assert "".join(one for one in after if after[one].data != before[one].data) == settings
    path.write_text(name, encoding="utf-8")
    assert origins(table) == before


def test_data_may_lie_elsewhere(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    there = tmp_path_factory.mktemp("there")
    for path in list(here.iterdir()):
        (there / path.name).write_bytes(path.read_bytes())
    assert origins(read_table(str(there / "small.yaml"))) == origins(read_table(str(here / "small.yaml")))
    assert otherwise(here, changed(here, "settings/c/data", "digits"))["data"] == "c"


def test_a_named_label_file_counts_by_its_content(here: Path) -> None:
    (here / "else").mkdir()
    for folder in (here, here / "else"):
        (folder / "names.xml").write_text("names", encoding="utf-8")
    named = [origins(changed(here, "settings/a/options/xml", one))["a"] for one in ("names.xml", "else/names.xml")]
    assert named[0] == named[1] != origins(read_table(str(here / "small.yaml")))["a"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("gone.npz", "table small, setting a: data gone.npz cannot be read: No such file or directory"),
        (
            "rows.doc",
            "table small, setting a: unknown data 'rows.doc' (known: digits, digits-images, digits-numerals, shapes3d, "
            "tslearn:Trace, or the path of a file; set AMALGAM_DATA to a folder of MULAN, UCR or image sets for more)",
        ),
    ],
)
def test_data_that_is_not_there_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, data: str, message: str
) -> None:
    monkeypatch.delenv("AMALGAM_DATA", raising=False)
    with pytest.raises(RequestError) as error:
        origins(changed(here, "settings/a/data", data))
    assert str(error.value) == message


def edited(out: Path) -> None:
    path = out / "table.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["settings"]["b"]["training"]["epochs"] = 8
    content["title"] = "another"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "altered", "stale"),
    [
        (lambda out: None, "", ""),
        (edited, "b", ""),
        (lambda out: (out.parent / "other.csv").write_text("x", encoding="utf-8"), "", "c"),
        (lambda out: (out.parent / "rows.xml").write_text("x", encoding="utf-8"), "", "ab"),
    ],
    ids=["nothing", "table", "data", "labels"],
)
def test_a_bench_goes_on_with_the_cells_that_a_change_leaves(
    here: Path, change: Callable[[Path], object], altered: str, stale: str
) -> None:
    out = here / "out"
    with opened(out, read_table(str(here / "small.yaml")), Scope(seeds=2), resume=False) as bench:
        for key in bench.keys:
            write_text(bench.path(key), packed(stand_ins.cell(*key), bench.origins[key[0]]))
    change(out)
    with opened(out, *begun(out, {}, None), resume=True) as bench:
        kept = bench.kept()
    assert kept.altered == [(name, seed) for name in altered for seed in (0, 1)]
    assert kept.stale == [(name, seed) for name in stale for seed in (0, 1)]
    assert (kept.damaged, kept.foreign) == ([], [])
    assert list(kept.cells) == [(name, seed) for name in "abc" if name not in altered + stale for seed in (0, 1)]


def test_the_code_of_a_cell_counts_and_that_of_a_page_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "amalgam"
    for name in ("__init__", "cli", "metrics", "strategies/ant", "bench/__init__", "bench/cell", "bench/folder"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / f"{name}.py").write_text("", encoding="utf-8")
    named = list[tuple[str, ...]]()
    monkeypatch.setattr(origin, "__file__", str(package / "bench" / "origin.py"))
    monkeypatch.setattr(origin, "of_code", lambda *modules: named.append(modules) or "code")
    first = computed_by()
    assert named == [
        (
            "amalgam.__init__",
            "amalgam.bench.__init__",
            "amalgam.bench.cell",
            "amalgam.metrics",
            "amalgam.strategies.ant",
        )
    ]
    monkeypatch.setattr(run, "versions", lambda: {"torch": "another"})
    assert computed_by() != first


def test_every_module_that_a_cell_needs_counts() -> None:
    """But for those that bring what was computed to reports, and what publishes a student."""
    reached, needs = reached_by_cells()
    assert {*needs, *(name.split(".")[0] for name in needs)} >= origin.SHOWING, "a module was renamed"
    assert {name.split(".")[0] for name in reached if not origin.counts(name)} == {
        "figures", "known", "modelcard", "progress", "report", "results", "sheets", "wordreport",
    }  # fmt: skip


def test_no_module_of_the_bench_counts_that_no_cell_needs() -> None:
    """A change of it would have all cells computed anew for nothing."""
    reached, needs = reached_by_cells()
    counts = {name for name in needs if name.split(".")[0] == "bench" and origin.counts(name)}
    assert counts - reached == {"bench", "bench.tables"}


def reached_by_cells() -> tuple[set[str], dict[str, set[str]]]:
    """The modules that the cells of tables import, at one remove or more, and what every module imports."""
    needs = {name: set(imported(tree)) for name, tree in modules()}
    rooms = {"adapters", "strategies", "students", "training"}  # found by name
    new = {name for name in needs if re.fullmatch(r"bench\.(\w+_)?cell", name) or name.split(".")[0] in rooms}
    reached = set[str]()
    while new:
        reached |= new
        new = {other for name in new for other in needs.get(name, ()) if other != "hub"} - reached
    return reached, needs


def test_every_library_that_a_cell_computes_with_counts() -> None:
    """Others check, lock, find or unpack what is given, and reckon nothing."""
    no_numbers = {
        "filelock", "google", "huggingface_hub", "joblib", "platformdirs", "psutil", "pydantic", "safetensors", "skops",
            "yaml",
    }  # fmt: skip
    called = {"sklearn": "scikit-learn", "PIL": "Pillow"}
    used = {library for name, tree in modules() if origin.counts(name) for library in libraries(tree)}
    assert no_numbers <= used
    assert {called.get(name, name) for name in used - no_numbers} <= run.versions().keys()


def libraries(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        yield from {name.split(".")[0] for name in names} - {*sys.stdlib_module_names, "amalgam", ""}
