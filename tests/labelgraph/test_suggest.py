"""Proposals from the names of labels, and the draft that nothing takes for a graph before it is confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from amalgam.embeddings.source import Source, from_arrays
from amalgam.labelgraph import draft, files
from amalgam.labelgraph.check import findings
from amalgam.labelgraph.suggest import ALIKE, KIND, Proposal, proposals, unknown_to, words_of

from .graphs import refused

Sources = Mapping[str, Sequence[str]]


def told(sources: Sources, embedding: Source | None = None) -> dict[tuple[str, str, str], tuple[float, str]]:
    """(relation, label, other) → score and reason."""
    return {
        (one.relation, one.label, one.other): (round(one.score, 2), one.reason) for one in proposals(sources, embedding)
    }


@pytest.mark.parametrize(
    ("one", "other", "score", "reason"),
    [
        ("cat", "cat", 1.0, "the same name"),
        ("Sports_Car", "sports car", 0.99, "spelling, but for case and punctuation"),
        ("SportsCar", "sports-car", 0.99, "spelling, but for case and punctuation"),
        ("oak tree", "tree, oak", 0.95, "the same words"),
        ("maple trees", "maple tree", 0.95, "the same words"),
        ("aeroplane", "airplane", 0.82, None),
        ("motorcycle", "motorcicle", 0.9, "spelling"),
        ("vehicle_1", "vehicle_2", 0.9, None),
        ("cat", "dog", 0.0, None),
        ("car", "sports car", 0.0, None),
    ],
)
def test_one_label_by_its_name(one: str, other: str, score: float, reason: str | None) -> None:
    found = told({"a": [one], "b": [other]})
    assert {key[0] for key in found if key[0] == "same"} == (set() if reason is None else {"same"})
    if reason is not None:
        assert found["same", one, other] == (score, reason)


def test_each_label_is_proposed_as_one_other_alone() -> None:
    """Of two that are alike, the more so; and never two of one source."""
    found = [one for one in proposals({"a": ["horses", "horsed"], "b": ["horse"]}) if one.relation == "same"]
    assert [(one.label, one.other) for one in found] == [("horses", "horse")]


@pytest.mark.parametrize(
    ("fine", "coarse", "score", "reason"),
    [
        ("sports car", "car", 0.9, "it has the other's words"),
        ("maple_tree", "trees", 0.9, "it has the other's words"),
        ("car park", "car", 0.6, "it has the other's words"),
        ("comp.sys.mac", "comp.sys", 0.95, "it begins with the other's name"),
        ("DESC:manner", "DESC", 0.95, "it begins with the other's name"),
        ("catfish", "fish", 0.0, None),
        ("cat", "sports cat", 0.0, None),
    ],
)
def test_kinds_by_their_names(fine: str, coarse: str, score: float, reason: str | None) -> None:
    found = told({"a": ["other", fine], "b": [coarse]})
    assert found.get(("kind", fine, coarse)) == (None if reason is None else (score, reason))
    assert told({"b": [coarse], "a": ["other", fine]}) == found


def test_the_words_of_a_label() -> None:
    assert words_of("largeMan-made_outdoor things 2") == ("large", "man", "made", "outdoor", "things", "2")
    assert words_of("++") == ("++",)


# Embeddings: four directions, around which the words of a kind lie.

KINDS = {"animal": 0, "cat": 0, "kitten": 0, "dog": 0, "vehicle": 1, "car": 1, "lorry": 1, "truck": 1,
         "fruit": 2, "pear": 2, "plum": 2, "house": 3, "hut": 3}  # fmt: skip


@pytest.fixture
def embedding() -> Source:
    """Words near one of four directions, all with a large part in common, as in GloVe; lengths differ much."""
    draws = np.random.default_rng(0)
    vectors = 0.35 * draws.normal(size=(len(KINDS), 8)) / 8**0.5
    vectors[np.arange(len(KINDS)), list(KINDS.values())] += 1
    vectors[:, 7] += 2
    lengths = draws.uniform(0.1, 50, (len(KINDS), 1))
    return from_arrays("small", list(KINDS), (vectors * lengths).astype(np.float32))


def slow_cosine(embedding: Source, one: str, other: str) -> float:
    """Of two labels, word by word, in plain Python."""
    rows = {
        word: row / np.linalg.norm(row)
        for word, row in zip(embedding.words, np.array(embedding.vectors, float), strict=True)
    }
    common = sum(rows.values()) / len(rows)

    def of(label: str) -> np.ndarray:
        words = label.split()
        total = sum((rows[w] - common) / np.linalg.norm(rows[w] - common) for w in words if w in rows)
        share = sum(w in rows for w in words) / len(words)
        return total / np.linalg.norm(total) * share

    return float(of(one) @ of(other))


def test_kinds_by_their_vectors(embedding: Source) -> None:
    """Of the source with fewer labels, the nearest; the scores are the cosines."""
    sources = {"fine": ["cat", "truck", "plum", "small hut"], "coarse": ["animal", "vehicle", "fruit"]}
    found = [one for one in proposals(sources, embedding) if one.relation == "kind"]
    assert {(one.label, one.other) for one in found} == {("cat", "animal"), ("truck", "vehicle"), ("plum", "fruit")}
    for one in found:
        best = max(sources["coarse"], key=lambda other: slow_cosine(embedding, one.label, other))
        assert one.other == best
        assert one.score == pytest.approx(min(slow_cosine(embedding, one.label, best), 0.98), abs=1e-5)
        assert one.score >= KIND
        assert one.reason == "embedding: the nearest of the 3 labels"


def test_one_label_by_its_vector(embedding: Source) -> None:
    """Mutually nearest, and only where no name says more; a word in part known says less."""
    found = proposals({"a": ["lorry", "cat"], "b": ["truck", "cats"]}, embedding)
    same = {(one.label, one.other): one for one in found if one.relation == "same"}
    assert set(same) == {("lorry", "truck"), ("cat", "cats")}
    assert same["cat", "cats"].reason == "the same words"
    assert same["lorry", "truck"].reason == "embedding"
    assert same["lorry", "truck"].score == pytest.approx(min(slow_cosine(embedding, "lorry", "truck"), 0.98), abs=1e-5)
    assert same["lorry", "truck"].score >= ALIKE
    half = proposals({"a": ["wooden hut"], "b": ["house"]}, embedding)
    assert half == ()
    assert unknown_to(embedding, ["wooden hut", "zebra", "2"]) == ["zebra", "2"]


# Drafts.

SOURCES = {
    "photos": ["sports_car", "maple_tree", "motorcycle", "no", "lorry"],
    "maps": ["Trees", "car", "motorcicle", "no", "truck", "a: b"],
}


def test_a_draft_says_what_was_suggested_and_why(tmp_path: Path, embedding: Source) -> None:
    path = tmp_path / "joined.yaml"
    draft.write(SOURCES, proposals(SOURCES, embedding), path)
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# A draft")
    assert "confirmed: false" in lines
    assert "    - sports_car  # suggested: .90, it has the other's words" in lines
    assert "    - maple_tree  # suggested: .90, it has the other's words" in lines
    instead = "if 'motorcicle' is something else, write that here and below the root"
    assert f"    - motorcycle  # suggested: .90, spelling; {instead}" in lines
    assert '    - "no"  # suggested: 1.00, the same name' in lines
    assert "#     motorcycle: [motorcicle]" in lines
    assert any(
        line.startswith("# not in the graph, since labels that are used alike need not be one: 'lorry'")
        for line in lines
    )


def test_a_draft_is_no_graph_before_it_is_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "joined.yaml"
    draft.write(SOURCES, proposals(SOURCES), path)
    message = refused(lambda: files.read(path), tmp_path)
    assert message.startswith("label graph joined.yaml is a draft")
    assert "delete the line `confirmed: false`" in message
    path.write_text(path.read_text().replace("confirmed: false\n", ""))
    graph = files.read(path)
    assert list(findings(graph)) == []
    assert set(graph.edges) == {
        ("root", "motorcycle"), ("root", "no"), ("root", "lorry"), ("root", "Trees"), ("root", "car"),
        ("root", "truck"), ("root", "a: b"), ("Trees", "maple_tree"), ("car", "sports_car"),
    }  # fmt: skip
    assert graph.labels == {
        "photos": ("sports_car", "maple_tree", "motorcycle", "no", "lorry"),
        "maps": ("Trees", "car", "motorcycle", "no", "truck", "a: b"),
    }
    assert graph.groups == {"photos": graph.labels["photos"], "maps": ("Trees", "car", "truck", "a: b")}


def test_a_draft_holds_odd_names(tmp_path: Path) -> None:
    odd = [
        "yes",
        "1.5",
        "~",
        "a: b",
        "#x",
        "é 猫 🐈",
        "it's",
        '"',
        "a\nb",
        "a\u2028b",
        "\x7f",
        "- x",
        "[x]",
        "x ",
        "2020-01-01",
    ]
    sources = {"no": odd, "null": ["root", *odd[::-1]]}
    draft.write(sources, proposals(sources), tmp_path / "12.yaml")
    (tmp_path / "12.yaml").write_text((tmp_path / "12.yaml").read_text().replace("confirmed: false\n", ""))
    graph = files.read(tmp_path / "12.yaml")
    assert (graph.name, graph.root) == ("12", "root (of all)")
    assert graph.labels == {"no": tuple(odd), "null": ("root", *odd[::-1])}


def proposal(relation: str, label: str, source: str, other: str, other_source: str, score: float = 0.9) -> Proposal:
    return Proposal("same" if relation == "same" else "kind", label, source, other, other_source, score, "a reason")


def test_what_cannot_be_is_not_in_the_graph_but_said(tmp_path: Path) -> None:
    """A cycle, a label above another of its source, two labels of a source as one."""
    sources = {"a": ["x", "y"], "b": ["p", "q"], "c": ["k"]}
    found = [
        proposal("kind", "x", "a", "p", "b"),
        proposal("kind", "p", "b", "x", "a"),
        proposal("kind", "p", "b", "y", "a"),
        proposal("same", "k", "c", "x", "a"),
        proposal("same", "k", "c", "y", "a"),
    ]
    text = draft.text(sources, found, tmp_path / "d.yaml")
    (tmp_path / "d.yaml").write_text(text.replace("confirmed: false\n", ""))
    graph = files.read(tmp_path / "d.yaml")
    assert graph.edges == (("root", "y"), ("root", "p"), ("root", "q"), ("p", "x"))
    assert graph.labels["c"] == ("x",)
    assert not [one for one in findings(graph) if one.fatal]
    left = [line.partition(": ")[0] for line in text.splitlines() if line.startswith("# not")]
    assert sorted(left) == [
        "# not in the graph, since a label would be above another of its own source",
        "# not in the graph, since it would close a cycle",
        "# not in the graph, since two labels of one source would be one",
    ]


def test_a_draft_is_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "joined.yaml"
    path.write_text("mine")
    assert "is there already and is never overwritten" in refused(lambda: draft.write(SOURCES, [], path))
    assert path.read_text() == "mine"
    assert "should end in .yaml" in refused(lambda: draft.write(SOURCES, [], tmp_path / "joined.csv"))
