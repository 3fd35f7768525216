"""What a SPEC of a label graph names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amalgam.labelgraph import files, specs

from .graphs import pets, refused


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, and a folder of data in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path


def test_a_file_goes_before_the_shelf(here: Path) -> None:
    files.write(pets(), here / "small.yaml")
    assert specs.find("small.yaml") == pets()
    assert specs.find(str(here / "small.yaml")) == pets()


def test_taxonomies(here: Path) -> None:
    """Here, or below AMALGAM_DATA; their keys."""
    (here / "data" / "kinds.json").write_text(json.dumps({"pet": ["cat", "dog"], "bird": ["gull", "tern"]}))
    (here / "names.txt").write_text("a:b\na:c\nd:e\n")
    assert specs.find("superclasses:kinds.json").labels["coarse"] == ("pet", "bird")
    assert specs.find("names:names.txt?separator=:").labels["coarse"] == ("a", "d")
    assert specs.find("names:names.txt").labels["coarse"] == ("a:b (coarse)", "a:c (coarse)", "d:e (coarse)")
    taxonomy = {
        "archives": {"cs": {}, "math": {}},
        "categories": {
            one: {"in_archive": one[: one.index(".")], "is_active": True} for one in ("cs.AI", "cs.CL", "math.NA")
        },
        "archives_subsumed": {},
        "category_aliases": {},
    }
    (here / "arxiv.json").write_text(json.dumps(taxonomy))
    (here / "some.txt").write_text("cs.CL\nmath.NA\n")
    assert specs.find("arxiv:arxiv.json").labels["category"] == ("cs.AI", "cs.CL", "math.NA")
    assert specs.find("arxiv:arxiv.json?categories=some.txt").labels["category"] == ("cs.CL", "math.NA")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (
            "petz",
            "no label graph 'petz'; did you mean 'pets'? (built in: arxiv, cifar-100, digits, flowers, pets, trec; or",
        ),
        ("pets.yml", "label graph pets.yml: no such file; did you mean 'pets'?"),
        ("data", "label graph data: is a folder"),
        ("superclass:x.json", "no label graph 'superclass:x.json'; did you mean 'superclasses:'?"),
        ("names:", "names no file; write names:PATH"),
        ("names:x.txt", "taxonomy x.txt: no such file, neither here nor in"),
        ("names:n.txt?seperator=:", "unknown key 'seperator'; did you mean 'separator'? (known: separator)"),
        ("superclasses:n.txt?x=1", "unknown key 'x' (none is known here)"),
        ("superclasses:n.txt", "line 1 column 1 is no JSON"),
        ("names:twice.txt", "names twice.txt line 2: 'a.b' is in line 1 already"),
        ("names:empty.txt", "names empty.txt holds no names"),
        ("wordnet:empty.txt", "words empty.txt holds no words"),
        ("arxiv:n.txt?categories=none.txt", "categories none.txt: no such file"),
    ],
)
def test_nothing_of_that_name(here: Path, spec: str, says: str) -> None:
    (here / "n.txt").write_text("a.b\na.c\n")
    (here / "twice.txt").write_text("a.b\na.b\n")
    (here / "empty.txt").write_text("\n\n")
    assert says in refused(lambda: specs.find(spec))


def test_no_folder_of_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMALGAM_DATA")
    assert "and AMALGAM_DATA names no folder" in refused(lambda: specs.find("names:x.txt"))
