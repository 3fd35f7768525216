"""`amalgam graph`, as a user types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amalgam.labelgraph import files
from tests.conftest import Cli

from .graphs import chain, pets


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AMALGAM_DATA", raising=False)
    return tmp_path


def fails(cli: Cli, *arguments: object) -> str:
    """The message of a request that is wrong: one line, no traceback."""
    code, out, err = cli(*arguments)
    assert code == 2, out + err
    assert "Traceback" not in out + err
    last = err.splitlines()[-1]
    assert last.startswith("amalgam: error: ")
    return last.removeprefix("amalgam: error: ")


def test_show(cli: Cli) -> None:
    code, out, _ = cli("graph", "show", "pets")
    assert code == 0
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[:4] == [
        "Animal",
        "├── Cat  ← dogs-vs-cats  (species)",
        "│   ├── Shorthair  (hair)",
        "│   │   ├── British Shorthair  ← breeds  (breed)",
    ]
    assert lines[-1] == "pets: 53 nodes (39 labels, 13 augmented, the root Animal), 124 edges"


@pytest.mark.parametrize("ending", files.WRITTEN)
def test_show_writes_other_forms_and_never_over_them(cli: Cli, here: Path, ending: str) -> None:
    files.write(pets(), here / "small.yaml")
    name = f"other/small{ending}"
    code, out, _ = cli("graph", "show", "small.yaml", "--out", name)
    assert code == 0
    assert out == f"The label graph small lies in {name}\n"
    assert files.read(here / name).edges == pets().edges
    assert "is there already and is never overwritten" in fails(cli, "graph", "show", "small.yaml", "--out", name)


def test_show_draws(cli: Cli, here: Path) -> None:
    for name in ("pets.svg", "pets.png", "pets.svg"):
        assert cli("graph", "show", "pets", "--out", name)[0] == 0
    assert "British Shorthair" in (here / "pets.svg").read_text()
    assert (here / "pets.png").read_bytes().startswith(b"\x89PNG")
    assert "should end in .svg, .png, .yaml" in fails(cli, "graph", "show", "pets", "--out", "pets.pdf")


def test_check(cli: Cli) -> None:
    code, out, err = cli("graph", "check", "pets")
    assert (code, err) == (0, "")
    assert [line.rstrip() for line in out.splitlines()] == [
        "pets: 53 nodes (39 labels, 13 augmented, the root Animal), 124 edges",
        "source breeds: 37 labels",
        "source dogs-vs-cats: 2 labels",
        "group species: 2 nodes",
        "group hair: 3 nodes",
        "group color pattern: 3 nodes",
        "group coat: 2 nodes",
        "group ears: 2 nodes",
        "group size: 3 nodes",
        "group breed: 37 nodes",
        "✓ 111 paths: 90 deterministic, 21 nondeterministic",
    ]


def test_check_shows_every_finding_and_fails_for_what_is_fatal(cli: Cli, here: Path) -> None:
    graph = pets().model_copy(
        update={"groups": {**pets().groups, "more": ("cat", "x"), "none": ()}, "labels": {"s": ("british", "gone")}}
    )
    files.write(graph, here / "bad.yaml")
    code, out, err = cli("graph", "check", "bad.yaml")
    assert code == 2
    assert "✗ empty group: groups.none is empty" in out
    assert "✗ two groups: 'cat' is in the groups 'species', 'more'" in out
    assert "✗ unreachable label: no path leads from 'animal' to 'gone' of 's'" in out
    assert "! unreachable node: no path leads to 'x'" in out
    assert err.startswith("amalgam: error: no paths can be made of the label graph small as it is: ")
    assert err.endswith(": empty group, two groups, unreachable label\n")


def test_check_passes_with_remarks(cli: Cli, here: Path) -> None:
    files.write(
        chain("top", "a", "b").model_copy(update={"edges": (("top", "a"), ("a", "b"), ("a", "c"))}), here / "x.yaml"
    )
    code, out, _ = cli("graph", "check", "x.yaml")
    assert code == 0
    assert "! dead end: 'c' is a dead end" in out
    assert "✓ 1 path: 1 deterministic, 0 nondeterministic" in out


def test_check_of_too_many_paths(cli: Cli, here: Path) -> None:
    """Twenty forks after each other."""
    edges = [
        edge for n in range(20) for side in "ab" for edge in ((f"n{n}", f"{side}{n}"), (f"{side}{n}", f"n{n + 1}"))
    ]
    files.write(chain("n0", "n20").model_copy(update={"edges": tuple(edges)}), here / "x.yaml")
    assert "paths, more than 20,000" in fails(cli, "graph", "check", "x.yaml")


def test_paths(cli: Cli) -> None:
    code, out, _ = cli("graph", "paths", "pets", "Ragdoll", "British Shorthair")
    assert code == 0
    cells = [" ".join(line.split()) for line in out.splitlines()]
    assert cells == [
        "label path is",
        "Ragdoll Animal → Cat → Longhair → Ragdoll deterministic",
        "Animal → Cat → Point-Color → Ragdoll deterministic",
        "British Shorthair Animal → Cat → Shorthair → British Shorthair deterministic",
        "Animal → Cat → Solid-Color → British Shorthair nondeterministic",
        "Animal → Cat → Tabby-Color → British Shorthair nondeterministic",
        "Animal → Cat → Point-Color → British Shorthair nondeterministic",
    ]
    assert len(cli("graph", "paths", "pets")[1].splitlines()) == 112


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("Ragdol", "no label 'Ragdol': it is no node; did you mean 'Ragdoll'?"),
        ("Shorthair", "no label 'Shorthair': it is a node, but no source's label"),
    ],
)
def test_paths_of_no_label(cli: Cli, label: str, says: str) -> None:
    assert says in fails(cli, "graph", "paths", "pets", label)


def test_suggest(cli: Cli, here: Path) -> None:
    """From a file of names, data, and an embedding; the draft is refused until its line is gone."""
    (here / "cars.txt").write_text("sports car\nheavy truck\nlorry\n\n")
    np.savez(here / "rows.npz", inputs=np.zeros((2, 1), "f4"), annotated=np.eye(2), labels=np.array(["car", "van"]))
    (here / "words.txt").write_text("lorry 1 0 0\nvan 0.9 0.1 0\ncar 0 1 0\nthe -1 -1 -1\n")
    code, out, _ = cli(
        "graph", "suggest", "cars=cars.txt", "rows=rows.npz", "--embedding", "words.txt", "--out", "draft.yaml"
    )
    assert code == 0
    said = [" ".join(line.split()) for line in out.splitlines()]
    assert "note: words has no word of 'heavy truck' of 'cars', and says nothing of them" in said
    assert "0.90 'sports car' of 'cars' is a kind of 'car' of 'rows' it has the other's words" in said
    assert any("'lorry' of 'cars' is 'van' of 'rows' embedding" in line for line in said)
    assert said[-1].startswith("The draft lies in draft.yaml, with 3 proposals")
    for command in (("check",), ("show",), ("paths",)):
        assert "is a draft" in fails(cli, "graph", *command, "draft.yaml")
    draft = here / "draft.yaml"
    draft.write_text(draft.read_text().replace("confirmed: false\n", ""))
    assert cli("graph", "check", "draft.yaml")[0] == 0
    assert ("car", "sports car") in files.read(draft).edges


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a=x.txt"], "labels of one source have nothing to be joined with"),
        (["x.txt", "b=y.txt"], "'x.txt' should be SOURCE=DATA_OR_FILE"),
        (["a=x.txt", "a=y.txt"], "the source 'a' is named twice"),
        (["a=x.txt", "b=none.txt"], "labels of 'b', none.txt: no such file"),
        (["a=x.txt", "b=twice.txt"], "twice.txt line 2: 'p' is in line 1 already"),
        (["a=x.txt", "b=nothing"], "unknown data 'nothing'"),
        (["a=x.txt", "b=bare.npz"], "data 'bare.npz' of the source 'b' has no labels"),
        (["a=x.txt", "b=y.txt", "--embedding", "none.vec"], "embeddings none.vec: no such file"),
        (["a=x.txt", "b=y.txt", "--out", "x.txt"], "x.txt should end in .yaml"),
        (["a=x.txt", "b=y.txt", "--out", "there.yaml"], "there.yaml is there already"),
    ],
)
def test_wrong_suggest(cli: Cli, here: Path, arguments: list[str], says: str) -> None:
    (here / "x.txt").write_text("p\nq\n")
    (here / "y.txt").write_text("r\n")
    (here / "twice.txt").write_text("p\np\n")
    (here / "there.yaml").write_text("mine")
    np.savez(here / "bare.npz", inputs=np.zeros((2, 1), "f4"))
    out = [] if "--out" in arguments else ["--out", "new.yaml"]
    assert says in fails(cli, "graph", "suggest", *arguments, *out)
    assert not (here / "new.yaml").exists()
    assert (here / "there.yaml").read_text() == "mine"


@pytest.mark.parametrize("command", ["show", "check", "paths", "suggest"])
def test_help_has_an_example(cli: Cli, command: str) -> None:
    code, out, _ = cli("graph", command, "--help")
    assert code == 0
    assert f"Example: amalgam graph {command} " in " ".join(out.split())
