"""The directory of a bench: exact to the last digit, refused when it is another's, repaired when it is damaged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from amalgam.bench.folder import Bench, opened, packed, unpacked
from amalgam.bench.origin import Origin
from amalgam.bench.row_table import RowTable
from amalgam.bench.scope import Scope, begun
from amalgam.bench.tables import read_table
from amalgam.errors import RequestError
from amalgam.files import write_text
from tests.bench.stand_ins import TABLE, cell, table

ORIGIN = Origin("code", "table", "data")
GO_ON = "a bench goes on with what it began with: leave the change out, or start another bench"


@contextmanager
def bench(out: Path, resume: bool = False, run: RowTable | None = None, **scope: Any) -> Iterator[Bench]:
    asked = Scope(**{"seeds": 2, **scope})
    with opened(out, asked.of(run or table()), asked, resume) as open_bench:
        yield open_bench


def keep(out: Bench, *keys: tuple[str, int]) -> None:
    for key in keys:
        write_text(out.path(key), packed(cell(*key), out.origins[key[0]]))


def test_a_cell_comes_back_to_the_last_digit() -> None:
    before = cell("c.(d)", 1)
    text = packed(before, ORIGIN)
    after, origin = unpacked(text)
    assert origin == ORIGIN
    # NaN is not equal to itself; its text is.
    assert repr(after) == repr(before)
    measures = after.scores["ant"].measures
    assert (measures.subset_loss, measures.hamming_loss) == (1 / 3, 0.1 + 0.2)
    assert measures.f1_micro == 2 * math.pi
    assert math.isnan(measures.f1_macro)
    assert math.copysign(1, measures.f1_per_label[2]) == -1
    assert math.isnan(after.scores["ant"].facts["share that is right"])
    assert list(after.scores) == ["bl", "ant", "a teacher"]


def test_a_cell_is_json_for_everybody() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    content = json.loads(packed(cell("a", 0), ORIGIN), parse_constant=refuse)
    assert content["scores"]["ant"]["measures"]["f1_macro"] is None
    assert content["scores"]["ant"]["measures"]["subset_loss"] == 1 / 3
    assert (content["setting"], content["seed"], content["test"], content["names"]) == ("a", 0, "rows", ["x", "y", "z"])
    assert (content["code"], content["table"], content["data"]) == ("code", "table", "data")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-30],
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text.replace("0.3333333333333333", "0.3333333333333334", 1),
        lambda text: text.replace('"code": "', '"code": "x'),
        lambda text: text.replace('"data": "', '"data": "x'),
        lambda text: text.replace('"seed": 1', '"seed": 0'),
        lambda text: packed(cell("a", 0), ORIGIN),
    ],
)  # fmt: skip
def test_a_damaged_cell_is_no_cell(tmp_path: Path, damage: Any) -> None:
    with bench(tmp_path / "out") as out:
        keep(out, *out.keys)
        assert list(out.kept().cells) == out.keys
        path = out.path(("b", 1))
        path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
        kept = out.kept()
    assert kept.damaged == [("b", 1)]
    assert list(kept.cells) == [key for key in out.keys if key != ("b", 1)]
    assert kept.foreign == []


def test_a_cell_of_another_origin_is_no_cell(tmp_path: Path) -> None:
    with bench(tmp_path / "out") as out:
        now = out.origins["a"]
        keep(out, *out.keys)
        for place, part in enumerate(("code", "table", "data")):
            key = out.keys[place]
            keep(replace(out, origins={key[0]: replace(now, **{part: "older"})}), key)
        kept = out.kept()
    assert (kept.foreign, kept.altered, kept.stale) == ([("a", 0)], [("a", 1)], [("b", 0)])
    assert list(kept.cells) == out.keys[3:]


def test_a_cell_without_an_origin_is_read_and_not_gone_on_with(tmp_path: Path) -> None:
    text = packed(cell("a", 0), Origin("", "", ""))
    assert unpacked(text)[1] == Origin("", "", "")
    with bench(tmp_path / "out") as out:
        out.path(("a", 0)).write_text(text, encoding="utf-8")
        assert out.kept().foreign == [("a", 0)]


def test_a_cell_lies_in_a_file_of_its_name(tmp_path: Path) -> None:
    with bench(tmp_path / "out") as out:
        keep(out, ("c.(d)", 1))
        assert out.path(("c.(d)", 1)) == tmp_path / "out" / "cells" / "c.(d)-1.json"
        assert list(out.kept().cells) == [("c.(d)", 1)]


def test_a_directory_says_what_it_runs(tmp_path: Path) -> None:
    asked = Scope(seeds=3, quick=True, settings=("b",))
    resolved = asked.of(table())
    with opened(tmp_path / "out", resolved, asked, resume=False) as out:
        assert out.keys == [("b", 0)]
    assert read_table(str(tmp_path / "out" / "table.yaml")) == resolved
    assert resolved.settings["b"].training == {"epochs": 2}
    assert begun(tmp_path / "out", {}, None) == (resolved, asked)
    assert begun(tmp_path / "out", {"quick": True, "seeds": 3}, table()) == (resolved, asked)


def test_the_whole_table_is_every_setting_and_seed(tmp_path: Path) -> None:
    with bench(tmp_path / "out", seeds=2) as out:
        assert out.keys == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("c.(d)", 0), ("c.(d)", 1)]
    assert Scope().keys(table())[-1] == ("c.(d)", 4)


def test_a_scope_is_settled_once() -> None:
    for asked in (Scope(), Scope(quick=True), Scope(settings=("a",)), Scope(quick=True, settings=("b",))):
        once = asked.of(table())
        assert asked.of(once) == once
        assert asked.keys(asked.of(once)) == asked.keys(once)


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        (
            {"settings": ("a", "bb")},
            "--settings: table 'small' has no setting 'bb'; did you mean 'b'? (it has: a, b, c.(d))",
        ),
        (
            {"settings": ("a",), "quick": True},
            "--settings: table 'small' has no setting 'a' with --quick (it has: b, c.(d))",
        ),
    ],
)
def test_a_setting_that_is_not_there_is_refused(scope: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as error:
        Scope(**scope).of(table())
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("begin", "given", "change", "message"),
    [
        ({}, {"seeds": 3}, None, f"--resume: OUT was begun with --seeds 2, not with --seeds 3; {GO_ON}"),
        ({}, {"quick": True}, None, f"--resume: OUT was begun without --quick, not with --quick; {GO_ON}"),
        (
            {"settings": ("a", "b")},
            {"settings": ("b",)},
            None,
            f"--resume: OUT was begun with --settings a,b, not with --settings b; {GO_ON}",
        ),
        (
            {},
            {},
            {"title": "another", "training": {"epochs": 1}},
            f"--resume: OUT/table.yaml differs from table 'small' in 'title', 'training.epochs'; {GO_ON}",
        ),
        (
            {"settings": ("a",)},
            {},
            {"settings": {**TABLE["settings"], "a": {**TABLE["settings"]["a"], "data": "other"}}},  # type: ignore[dict-item]
            f"--resume: OUT/table.yaml differs from table 'small' in 'settings.a.data'; {GO_ON}",
        ),
    ],
)
def test_another_bench_is_not_gone_on_with(
    tmp_path: Path, begin: dict[str, Any], given: dict[str, Any], change: dict[str, Any] | None, message: str
) -> None:
    with bench(tmp_path / "out", **begin):
        pass
    with pytest.raises(RequestError) as error:
        begun(tmp_path / "out", given, None if change is None else table(**change))
    assert str(error.value) == message.replace("OUT", str(tmp_path / "out"))


def test_a_published_number_that_is_nan_is_itself(tmp_path: Path) -> None:
    expected = {"ant": [[math.nan, 1.0]] * 4}
    settings = {"a": {**TABLE["settings"]["a"], "expected": expected}}  # type: ignore[index]
    run = table(settings=settings, quick=None)
    with bench(tmp_path / "out", run=run):
        pass
    assert begun(tmp_path / "out", {}, run)[1] == Scope(seeds=2)


def test_there_must_be_a_bench_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as error:
        begun(None, {}, None)
    assert str(error.value) == "--resume needs the bench to go on with: --out runs/NAME"
    with pytest.raises(RequestError) as error:
        begun(tmp_path, {}, None)
    assert str(error.value) == (
        f"--resume: {tmp_path} holds no bench (no table.yaml); start one there without --resume"
    )


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with bench(out):
        pass
    with pytest.raises(RequestError) as error, bench(out):
        pass
    assert str(error.value) == (
        f"--out {out} already holds a bench, which is never overwritten; choose another directory, or go on with it: "
        "--resume"
    )
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").touch()
    with pytest.raises(RequestError) as error, bench(other):
        pass
    assert str(error.value) == (
        f"--out {other} already holds other files, which is never overwritten; choose another directory"
    )
    with pytest.raises(RequestError) as error, bench(other / "thesis.tex"):
        pass
    assert str(error.value) == f"--out {other / 'thesis.tex'} is a file; name a directory"


def test_a_directory_has_one_writer(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with bench(out), pytest.raises(RequestError) as error, bench(out, resume=True):
        pass
    assert str(error.value) == f"another process is writing {out}; wait for it, or choose another --out"
    with bench(out, resume=True):  # the lock is given back
        pass


def test_a_wrong_request_leaves_nothing_behind(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def refused(resume: bool, act: Callable[[Bench], None]) -> None:
        with bench(out, resume) as open_bench:
            act(open_bench)
            raise RequestError("the data is unknown")

    with pytest.raises(RequestError, match="the data is unknown"):
        refused(False, lambda _: None)
    assert not out.exists()
    with pytest.raises(RequestError, match="the data is unknown"):
        refused(False, lambda open_bench: keep(open_bench, ("a", 0)))
    assert sorted(path.name for path in out.rglob("*")) == [".lock", "a-0.json", "bench.yaml", "cells", "table.yaml"]
    with pytest.raises(RequestError, match="the data is unknown"):
        refused(True, lambda open_bench: open_bench.path(("a", 0)).unlink())
    assert (out / "table.yaml").is_file()


def test_drafts_of_the_killed_are_cleared(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with bench(out):
        pass
    for name in (".table.yaml.x.draft.yaml", "cells/.a-0.json.x.draft.json"):
        (out / name).touch()
    with bench(out, resume=True):
        pass
    assert sorted(path.name for path in out.rglob("*")) == [".lock", "bench.yaml", "cells", "table.yaml"]
