"""Label graphs made of super-classes, arXiv's archives, dotted names and WordNet."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from amalgam.labelgraph.check import findings
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.taxonomies import arxiv_aliases, from_arxiv, from_names, from_superclasses
from amalgam.labelgraph.wordnet import from_wordnet, read_words

from .graphs import TAXONOMIES, needs_taxonomies, refused


def whole(graph: LabelGraph) -> LabelGraph:
    """A graph without findings, each of whose tree's labels has one deterministic path."""
    assert list(findings(graph)) == []
    assert graph.paths.to(*graph.label_nodes)[1].tolist() == [True] * len(graph.label_nodes)
    return graph


# Super-classes.


def test_superclasses() -> None:
    graph = from_superclasses({"fish": ["ray", "shark"], "people": ["baby", "people"]}, "few")
    assert whole(graph) == LabelGraph(
        name="few",
        root="root",
        edges=(("root", "fish"), ("root", "people (coarse)"), ("fish", "ray"), ("fish", "shark"),
               ("people (coarse)", "baby"), ("people (coarse)", "people")),
        groups={"coarse": ("fish", "people (coarse)"), "fine": ("ray", "shark", "baby", "people")},
        labels={"coarse": ("fish", "people (coarse)"), "fine": ("ray", "shark", "baby", "people")},
    )  # fmt: skip


def test_a_class_of_two_superclasses_is_reached_through_both_and_so_by_no_deterministic_path() -> None:
    paths = from_superclasses({"pet": ["cat", "dog"], "wild": ["wolf", "cat"]}).paths
    ends, sure = paths.to("cat")
    assert sorted(paths.names(int(one))[0] for one in ends) == ["pet", "wild"]
    assert not sure.any()


def test_a_root_that_is_no_class() -> None:
    assert from_superclasses({"root": ["carrot", "beet"], "leaf": ["kale", "chard"]}).root == "root (of all)"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "is empty"),
        ({"a": []}, "'a' has no classes"),
        ({"a": "bc"}, "'a' is 'bc', expected the list"),
        ({"a": [1]}, "'a' is [1], expected the list"),
        ({"a": ["b", "c", "b"]}, "'a' lists 'b' twice"),
    ],
)
def test_wrong_superclasses(tmp_path: Path, given: Any, says: str) -> None:
    assert says in refused(lambda: from_superclasses(given))
    (tmp_path / "x.json").write_text(json.dumps(given))
    message = refused(lambda: from_superclasses(tmp_path / "x.json"), tmp_path)
    assert message.startswith("taxonomy x.json")
    assert says in message


@needs_taxonomies
def test_cifar_100() -> None:
    graph = whole(from_superclasses(TAXONOMIES / "cifar-100-superclasses.json"))
    assert graph.name == "cifar-100-superclasses"
    assert {source: len(own) for source, own in graph.labels.items()} == {"coarse": 20, "fine": 100}
    assert graph.paths.longest == 2
    assert graph.children("trees") == ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree")


# arXiv.

ARXIV = {
    "archives": {one: {} for one in ("cs", "math", "hep-th", "astro-ph", "cmp-lg")},
    "categories": {
        "cs.CL": {"in_archive": "cs", "is_active": True},
        "cs.NA": {"in_archive": "cs", "is_active": True},
        "math.NA": {"in_archive": "math", "is_active": True},
        "hep-th": {"in_archive": "hep-th", "is_active": True},
        "astro-ph": {"in_archive": "astro-ph", "is_active": False},
        "astro-ph.CO": {"in_archive": "astro-ph", "is_active": True},
        "cmp-lg": {"in_archive": "cmp-lg", "is_active": False},
    },
    "archives_subsumed": {"cmp-lg": "cs.CL"},
    "category_aliases": {"cs.NA": "math.NA"},
}


@pytest.fixture
def arxiv(tmp_path: Path) -> Path:
    """A small taxonomy."""
    (tmp_path / "arxiv.json").write_text(json.dumps(ARXIV))
    return tmp_path / "arxiv.json"


def test_arxiv_has_what_papers_can_be_in_today(arxiv: Path) -> None:
    """An archive is called otherwise than a category of the same name, of old too, so that its name never changes."""
    archives, categories = (
        ("cs", "math", "hep-th (archive)", "astro-ph (archive)"),
        ("cs.CL", "math.NA", "hep-th", "astro-ph.CO"),
    )
    assert whole(from_arxiv(arxiv)) == LabelGraph(
        name="arxiv",
        root="arXiv",
        edges=(*(("arXiv", one) for one in archives), *zip(archives, categories, strict=True)),
        groups={"archive": archives, "category": categories},
        labels={"archive": archives, "category": categories},
    )


def test_a_category_that_is_called_otherwise_by_now_stands_for_what_it_is(arxiv: Path) -> None:
    graph = from_arxiv(arxiv, ["cmp-lg", "cs.NA", "astro-ph", "math.NA"])
    assert graph.labels["category"] == ("cs.CL", "math.NA", "astro-ph")
    assert graph.children("astro-ph (archive)") == ("astro-ph",)
    assert arxiv_aliases(arxiv) == {"cs.CL": ("cmp-lg",), "math.NA": ("cs.NA",)}


@pytest.mark.parametrize(
    ("changed", "categories", "says"),
    [
        ({}, ["cs.Cl"], "has no category 'cs.Cl'; did you mean 'cs.CL'?"),
        ({}, [], "no category is asked for"),
        ({"archives": None}, None, "has no mapping `archives`"),
        (
            {"category_aliases": {}, "archives": {"cs": {}}},
            ["math.NA"],
            "'math.NA' is in the archive 'math', which is none",
        ),
    ],
)
def test_wrong_arxiv(tmp_path: Path, changed: dict[str, Any], categories: list[str] | None, says: str) -> None:
    (tmp_path / "x.json").write_text(json.dumps({**ARXIV, **changed}))
    message = refused(lambda: from_arxiv(tmp_path / "x.json", categories), tmp_path)
    assert message.startswith("taxonomy x.json")
    assert says in message


@needs_taxonomies
def test_arxiv_as_it_is() -> None:
    graph = whole(from_arxiv(TAXONOMIES / "arxiv-taxonomy.json"))
    assert {"cs", "math", "physics", "math-ph (archive)", "hep-th (archive)"} <= set(graph.labels["archive"])
    assert {"cs.LG", "math-ph", "math.NA", "eess.SY"} <= set(graph.labels["category"])
    assert not {"cs.NA", "math.MP", "cmp-lg", "astro-ph"} & set(graph.nodes)
    assert arxiv_aliases(TAXONOMIES / "arxiv-taxonomy.json")["math-ph"] == ("math.MP",)


# Names.


def test_names_of_newsgroups() -> None:
    """`comp.sys` divides, `comp.os` and what is below it says what its only name says."""
    names = ["comp.graphics", "comp.os.ms-windows.misc", "comp.sys.ibm.pc", "comp.sys.mac.hardware", "sci.med", "misc"]
    graph = whole(from_names(names, name="news"))
    assert graph.edges == (
        ("root", "comp"), ("comp", "comp.graphics"), ("comp", "comp.os.ms-windows.misc"), ("comp", "comp.sys"),
        ("comp.sys", "comp.sys.ibm.pc"), ("comp.sys", "comp.sys.mac.hardware"), ("root", "sci"), ("sci", "sci.med"),
        ("root", "misc (coarse)"), ("misc (coarse)", "misc"),
    )  # fmt: skip
    assert graph.labels == {"coarse": ("comp", "sci", "misc (coarse)"), "fine": tuple(names)}
    assert graph.groups == graph.labels
    assert graph.augmented == ("comp.sys",)


def test_names_at_every_level() -> None:
    graph = whole(from_names(["a.b", "a.b.c", "a.d.e", "a.d.f", "g.h"]))
    assert graph.children("a") == ("a.b (level 2)", "a.d")
    assert graph.children("a.b (level 2)") == ("a.b", "a.b.c")
    assert graph.groups["level 2"] == ("a.b (level 2)", "a.d")


def test_questions() -> None:
    graph = whole(from_names(["DESC:manner", "DESC:reason", "NUM:date", "NUM:count"], ":"))
    assert graph.labels["coarse"] == ("DESC", "NUM")
    assert graph.children("NUM") == ("NUM:date", "NUM:count")


@pytest.mark.parametrize(
    ("names", "separator", "says"),
    [
        ([], ".", "has no names"),
        (["a.b", "a.b"], ".", "has 'a.b' twice"),
        (["a..b"], ".", "'a..b' has an empty part"),
        ([".a"], ".", "'.a' has an empty part"),
        (["a"], "", "needs a separator"),
    ],
)
def test_wrong_names(names: list[str], separator: str, says: str) -> None:
    assert says in refused(lambda: from_names(names, separator))


# WordNet.


class Synset:
    """What NLTK's synsets answer."""

    def __init__(self, name: str, *above: Synset, instance: Iterable[Synset] = ()) -> None:
        self._name, self._above, self._instance = name, list(above), list(instance)

    def name(self) -> str:
        return self._name

    def lemma_names(self) -> list[str]:
        return [self._name.rsplit(".", 2)[0], "another"]

    def hypernyms(self) -> list[Synset]:
        return self._above

    def instance_hypernyms(self) -> list[Synset]:
        return self._instance


def nouns() -> dict[str, list[Synset]]:
    """Word → its synsets: dogs are both pets and canines, `thing` and `living_thing` lead on in one way."""
    entity = Synset("entity.n.01")
    living = Synset("living_thing.n.01", Synset("thing.n.01", entity))
    animal = Synset("animal.n.01", living)
    pet, canine, bird = Synset("pet.n.01", animal), Synset("canine.n.02", animal), Synset("bird.n.01", animal)
    dog, wolf = Synset("dog.n.01", pet, canine), Synset("wolf.n.01", canine)
    crane, machine = Synset("crane.n.04", Synset("device.n.01", entity)), Synset("crane.n.05", bird)
    found = {"dog": [dog], "domestic_dog": [dog], "poodle": [Synset("poodle.n.01", dog)], "wolf": [wolf],
             "pet": [pet], "cat": [Synset("cat.n.01", pet)], "crane": [crane, machine],
             "gull": [Synset("gull.n.01", bird)], "rex": [Synset("rex.n.01", instance=[dog])]}  # fmt: skip
    return found


@pytest.fixture
def wordnet(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Synset]]:
    """NLTK with a small WordNet."""
    own = nouns()
    module = ModuleType("nltk.corpus")
    vars(module)["wordnet"] = SimpleNamespace(
        ensure_loaded=lambda: None, synsets=lambda word, pos: own.get(word, []) if pos == "n" else []
    )
    monkeypatch.setitem(sys.modules, "nltk", ModuleType("nltk"))
    monkeypatch.setitem(sys.modules, "nltk.corpus", module)
    return own


@pytest.mark.usefixtures("wordnet")
def test_what_wordnet_says() -> None:
    """Dogs are reached as pets and as canines, which therefore exclude nobody; what does not divide is left out."""
    graph = from_wordnet(["dog", "wolf", "cat", "gull"])
    assert [one.kind for one in findings(graph)] == ["no group"]
    assert set(graph.edges) == {
        ("animal", "pet"), ("animal", "canine"), ("pet", "dog"), ("canine", "dog"), ("canine", "wolf"), ("pet", "cat"),
        ("animal", "gull"),
    }  # fmt: skip
    assert graph.root == "animal"
    assert graph.labels == {"classes": ("dog", "wolf", "cat", "gull")}
    assert graph.groups == {"classes": ("dog", "wolf", "cat", "gull")}


@pytest.mark.usefixtures("wordnet")
def test_a_label_above_another_of_its_source_is_a_leaf_below_its_synset() -> None:
    graph = from_wordnet(["dog", "poodle", "cat"])
    assert set(graph.children("dog (dog.n.01)")) == {"poodle", "dog"}
    assert graph.labels["classes"] == ("dog", "poodle", "cat")
    assert not [one for one in findings(graph) if one.fatal]


@pytest.mark.usefixtures("wordnet")
def test_sources_meet_where_one_is_above_the_other() -> None:
    graph = from_wordnet({"coarse": ["dog", "cat"], "fine": ["poodle", "rex", "wolf"]})
    assert graph.labels == {"coarse": ("dog", "cat"), "fine": ("poodle", "rex", "wolf")}
    assert set(graph.children("dog")) == {"poodle", "rex"}
    assert not [one for one in findings(graph) if one.fatal]


@pytest.mark.usefixtures("wordnet")
def test_the_sense_of_a_word(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("crane\tcrane.n.05\n\ngull\ndog\n")
    words, senses = read_words(tmp_path / "words.txt")
    assert (words, senses) == (("crane", "gull", "dog"), {"crane": "crane.n.05"})
    assert from_wordnet(words, senses).root == "animal"
    first = from_wordnet(words)
    assert first.root == "entity"
    assert set(first.children("entity")) == {"crane", "animal"}


@pytest.mark.usefixtures("wordnet")
@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: from_wordnet(["dog", "unicorn"]), "WordNet has no noun 'unicorn'"),
        (
            lambda: from_wordnet(["dog"], {"dog": "dog.n.09"}),
            "no synset 'dog.n.09' of 'dog'; expected one of 'dog.n.01'",
        ),
        (lambda: from_wordnet(["dog", "domestic dog"]), "'dog' and 'domestic dog' are both dog.n.01"),
        (lambda: from_wordnet([]), "has no words"),
    ],
)
def test_wrong_words(call: Callable[[], object], says: str) -> None:
    assert says in refused(call)


def test_wrong_files_of_words(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("dog\ncat\ndog\n")
    assert "line 3: 'dog' is in line 1 already" in refused(lambda: read_words(tmp_path / "x.txt"))
    (tmp_path / "y.txt").write_text("\n")
    assert "holds no words" in refused(lambda: read_words(tmp_path / "y.txt"))


def test_without_nltk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nltk", None)
    monkeypatch.setitem(sys.modules, "nltk.corpus", None)
    message = refused(lambda: from_wordnet(["dog"]))
    assert "pip install nltk" in message
    assert "python -m nltk.downloader wordnet" in message


def test_without_wordnet(wordnet: dict[str, list[Synset]], monkeypatch: pytest.MonkeyPatch) -> None:
    """NLTK's own LookupError is a page that offers to download."""

    def absent() -> None:
        raise LookupError("*" * 70 + "\n  Resource wordnet not found.")

    corpus: Any = sys.modules["nltk.corpus"]
    monkeypatch.setattr(corpus.wordnet, "ensure_loaded", absent)
    assert refused(lambda: from_wordnet(["dog"])) == (
        "NLTK has no WordNet here: fetch WordNet: python -m nltk.downloader wordnet"
    )
