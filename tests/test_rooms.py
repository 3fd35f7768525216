"""The rooms: imports go one way, heavy libraries wait until they are needed, every strategy is whole."""

from __future__ import annotations

import ast
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx
import pytest

from amalgam import shelf, strategies
from amalgam.strategies import equations, method_class, strategy_class

PACKAGE = Path(__file__).parents[1] / "amalgam"

# What a room may see. A room that is not listed may see any but the commands.
SEES = {
    "strategies": {
        "classes",
        "conditional",
        "embeddings",
        "errors",
        "habit",
        "labelgraph",
        "labels",
        "losses",
        "panel",
        "probe",
        "rocket",
        "scaling",
        "signals",
        "strategies",
        "strategy",
        "students",
        "surprise",
        "teacher",
        "transfer",
    },
    "embeddings": {
        "datasets",
        "embeddings",
        "errors",
        "files",
        "fingerprint",
        "hub",
        "modelcard",
        "progress",
        "signals",
        "store",
        "strategy",
    },
    "modelcard": {"errors", "files"},
    "wordtests": {"datasets", "embeddings", "errors", "fingerprint", "tokens", "wordtests"},
    "anchors": {"teacher"},
    "classes": set(),
    "calibration": {"classes", "metrics"},
    "timings": {"results"},
    "figures": {"figures", "results"},
    "strategy": {"classes", "labels", "losses", "panel", "signals", "teacher"},
    "training": {"classes", "errors", "files", "losses", "progress", "signals", "training"},
    "adapters": {
        "adapters",
        "classes",
        "errors",
        "files",
        "fingerprint",
        "labels",
        "networks",
        "schema",
        "series",
        "signals",
        "student",
        "teacher",
        "weights",
    },
    "networks": {"errors", "online", "scaling", "signals", "teacher"},
    "online": set(),
    "weights": {"errors"},
    "probe": {"errors"},
    "rocket": {"series", "signals"},
    "series": {"scaling", "signals"},
    "surprise": {"errors", "scaling", "signals"},
    "labelgraph": {"errors", "figures", "files", "labelgraph", "labels", "metrics", "schema", "shelf"},
    "ranking": {
        "classes",
        "collect",
        "datasets",
        "errors",
        "feasibility",
        "figures",
        "files",
        "fingerprint",
        "joining",
        "journal",
        "panel",
        "parts",
        "processes",
        "progress",
        "ranking",
        "recipe",
        "registry",
        "rocket",
        "schema",
        "schooling",
        "series",
        "signals",
        "teacher",
        "tokens",
    },
    "joining": {"errors", "signals"},
    "edge": {"errors", "tokens"},
    "export": {
        "classes",
        "errors",
        "files",
        "fingerprint",
        "labels",
        "metrics",
        "results",
        "signals",
        "student",
        "tokens",
        "timings",
    },
    "page": {"edge", "errors", "files", "page", "progress", "results", "sheets", "store", "thumbnails", "tokens"},
    "transfer": {
        "classes",
        "datasets",
        "errors",
        "joining",
        "labels",
        "losses",
        "metrics",
        "progress",
        "scaling",
        "schooling",
        "signals",
        "strategy",
        "student",
        "training",
        "transfer",
    },
    "tokens": {"errors"},
    "students": {
        "classes",
        "errors",
        "labelgraph",
        "networks",
        "scaling",
        "series",
        "signals",
        "student",
        "tokens",
        "weights",
    },
    "datasets": {"datasets", "errors", "files", "fingerprint", "labels", "progress", "signals", "tokens"},
    "losses": {"classes", "signals"},
    "signals": {"classes"},
    "scaling": {"errors", "signals"},
    "labels": {"classes", "errors"},
    "panel": {"classes", "errors", "labels", "signals", "teacher"},
    "store": {"chunked", "errors", "files", "fingerprint", "progress"},
    "teacher": {"schema", "signals"},
    "metrics": {"classes", "signals"},
    "disagreement": {"metrics"},
    "evaluation": {
        "calibration",
        "classes",
        "costs",
        "disagreement",
        "errors",
        "labelgraph",
        "labels",
        "metrics",
        "panel",
        "progress",
        "signals",
        "student",
    },
}
COMMANDS = {"cli", "views", "api", "__main__"}


def room(module: str) -> str:
    return module.split(".")[0]


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def only_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imported(tree: ast.AST) -> Iterator[str]:
    """Modules of amalgam that a tree imports, in functions too, but not for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt) and only_for_types(node):
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "amalgam":
            base = node.module.removeprefix("amalgam").lstrip(".")
            for alias in node.names:
                full = f"{base}.{alias.name}".lstrip(".")
                path = PACKAGE / full.replace(".", "/")
                yield full if path.is_dir() or path.with_suffix(".py").is_file() else base
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("amalgam.") for alias in node.names if alias.name.startswith("amalgam.")
            )
        else:
            yield from imported(node)


def test_imports_go_one_way() -> None:
    wrong = []
    for name, tree in modules():
        for other in imported(tree):
            if not other or name == "__init__":
                continue
            if room(other) in COMMANDS and room(name) not in COMMANDS:
                wrong.append(f"{name} imports {other}: only the commands see the commands")
            whole = COMMANDS | {"finished"}  # and the cell whose methods are runs
            if room(other) == "pipeline" and room(name) not in whole and name != "bench.graph_cell":
                wrong.append(f"{name} imports {other}: nothing else knows the order of a run")
            if room(name) in SEES and room(other) not in SEES[room(name)] | {room(name)} and other != "export":
                wrong.append(f"{name} imports {other}")
    assert not wrong, "\n".join(wrong)


def test_no_module_needs_itself() -> None:
    graph = networkx.DiGraph()
    for name, tree in modules():
        top = ast.Module([node for node in tree.body if not only_for_types(node)], [])
        for node in top.body:
            if isinstance(node, ast.ImportFrom | ast.Import):
                graph.add_edges_from((name, other) for other in imported(ast.Module([node], [])) if other)
    assert list(networkx.simple_cycles(graph)) == []


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "distill --help",
        "recipes list",
        "recipes show ant",
        "teachers list",
        "cache list",
        "report --help",
        "rank --help",
        "bench --help",
        "bench --list",
    ],
)
def test_the_command_line_answers_at_once(arguments: str) -> None:
    """No torch, and at most half a second of CPU (the least of up to five runs: the machine may be busy)."""
    script = (
        "import sys, json, time, contextlib, io\n"
        "from amalgam.cli import app\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    app({arguments.split()!r})\n"
        "heavy = sorted({'torch', 'sklearn', 'pandas', 'onnxruntime'} & set(sys.modules))\n"
        "print(json.dumps([time.process_time(), heavy]))"
    )
    spent: list[float] = []
    while min(spent, default=1.0) > 0.5 and len(spent) < 5:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        seconds, heavy = json.loads(done.stdout.splitlines()[-1])
        assert heavy == []
        spent.append(seconds)
    assert min(spent) <= 0.5


def test_importing_amalgam_imports_no_torch() -> None:
    script = "import sys, amalgam; assert 'torch' not in sys.modules; amalgam.Student; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", strategies.names())
def test_a_strategy_is_whole(name: str) -> None:
    """Docstring, paper, every equation it claims, hyperparameters explained, a recipe and a test."""
    strategy = method_class(name)
    assert strategy.__doc__
    assert strategy.paper is not None
    found = {int(n) for one in equations(strategy) for n in _numbers(one.number)}
    assert found == set(strategy.paper.equations)
    explained = "".join(one.__doc__ or "" for one in strategy.__mro__)
    assert all(field.name in explained for field in dataclasses.fields(strategy))
    assert name in shelf.names("recipes")
    assert (Path(__file__).parent / "strategies" / f"test_{name}.py").is_file()


def _numbers(text: str) -> list[int]:
    """`Eqs. (30), (31)` → 30, 31; `Eqs. (29)–(31)` → 29, 30, 31."""
    import re

    numbers = list[int]()
    for first, last in re.findall(r"\((\d+)\)(?:–\((\d+)\))?", text):
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def test_stored_targets_go_by_the_code_of_all_that_strategies_compute_with() -> None:
    """What a strategy's file imports, and what that imports, is in its targets' key."""
    from amalgam.collect import _TARGETS

    sees = {name: set(imported(tree)) for name, tree in modules()}
    saying = {"", "errors", "files", "fingerprint", "schema", "teacher", "progress", "hub"}  # which compute nothing
    for name in strategies.of_rows():
        waiting, needed = {f"strategies.{name}"}, set[str]()
        while waiting:
            one = waiting.pop()
            needed.add(one)
            waiting |= {other for other in sees.get(one, set()) if other not in needed | saying}
        known = {*_TARGETS, *strategy_class(name).code, f"amalgam.strategies.{name}"}
        missing = {f"amalgam.{one}" for one in needed if room(one) != "export" and one not in ("strategies", "report")}
        missing -= known
        assert not missing, f"{name}: {sorted(missing)}"


def test_stored_weights_go_by_the_code_of_the_trainer() -> None:
    from amalgam.training.settings import CODE

    shown = {"checkpoint", "together", "stacked"}  # one saves, two stand beside the trainer, which never sees them
    files = {path.stem for path in (PACKAGE / "training").glob("*.py")} - {"__init__"}
    assert {f"amalgam.training.{name}" for name in files - shown} == set(CODE)
