"""Label graphs as trees of text and as pictures."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import networkx
import numpy as np
import pytest
from PIL import Image

from amalgam.labelgraph import layout
from amalgam.labelgraph.drawing import draw, kinds_of_edges, text
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.layout import arranged
from amalgam.labelgraph.taxonomies import from_superclasses

from .graphs import chain, pets, refused


def test_text_shows_sources_groups_and_what_is_met_again() -> None:
    graph = LabelGraph(
        root="top",
        edges=(("top", "a"), ("top", "b"), ("a", "m"), ("m", "x"), ("b", "m"), ("b", "x"), ("far", "x")),
        groups={"sides": ("a", "b")},
        labels={"s": ("x",), "t": ("x", "b")},
    )
    assert text(graph).splitlines() == [
        "top",
        "├── a  (sides)",
        "│   └── m",
        "│       └── x  ← s, t",
        "├── b  ← t  (sides)",
        "│   ├── m  … see above",
        "│   └── x  ← s, t  again",
        "└── no path leads to",
        "    └── far",
    ]


def test_text_of_a_cycle_ends() -> None:
    graph = LabelGraph(root="a", edges=(("a", "b"), ("b", "c"), ("c", "b")), labels={"s": ("c",)})
    assert text(graph).splitlines() == ["a", "└── b", "    └── c  ← s", "        └── b  … see above"]


def test_text_of_names_that_look_like_markup() -> None:
    assert "[bold]b[/]" in text(chain("a", "[bold]b[/]", "c"))


def test_text_of_a_long_way_down() -> None:
    assert len(text(chain(*(f"n{number}" for number in range(1100)))).splitlines()) == 1100


# Which edges are dashed.


def slow_kinds(graph: LabelGraph) -> dict[tuple[str, str], str]:
    """Definitions 3.2 and 3.3, path by path."""
    every = {
        label: [path for path in networkx.all_simple_paths(graph.network, graph.root, label)]
        for label in graph.label_nodes
    }

    def compete(one: str, other: str) -> bool:
        return one != other and one in graph.group_of and graph.group_of[one] == graph.group_of.get(other)

    found = dict.fromkeys(graph.edges, "idle")
    for paths in every.values():
        for path in paths:
            others = [node for other in paths if other != path for node in other]
            sure = not any(compete(one, other) for one in path for other in others)
            for edge in pairwise(path):
                if found[edge] != "sure":
                    found[edge] = "sure" if sure else "unsure"
    return found


def test_edges_are_unsure_where_all_paths_over_them_are_nondeterministic() -> None:
    graph = pets().model_copy(update={"edges": (*pets().edges, ("dog", "tail"))})
    kinds = kinds_of_edges(graph)
    assert kinds == slow_kinds(graph)
    assert kinds["solid", "british"] == "unsure"
    assert kinds["tabby", "british"] == "unsure"
    assert kinds["tabby", "bengal"] == kinds["short", "british"] == "sure"
    assert kinds["dog", "tail"] == "idle"


# Where nodes stand.


def crossings(graph: LabelGraph) -> int:
    """Pairs of edges between the same two layers that cross, one by one."""
    placed = arranged(graph)
    lines = []
    for parent, child in graph.edges:
        stops = [placed.height[parent], *placed.passing[parent, child], placed.height[child]]
        lines += [(placed.layer[parent] + step, *ends) for step, ends in enumerate(pairwise(stops))]
    return sum(
        one[0] == other[0] and (one[1] - other[1]) * (one[2] - other[2]) < 0
        for number, one in enumerate(lines)
        for other in lines[number:]
    )


def test_children_stand_right_of_their_parents_and_nothing_stands_on_anything() -> None:
    graph = pets()
    placed = arranged(graph)
    for parent, child in graph.edges:
        assert placed.layer[parent] < placed.layer[child]
        assert len(placed.passing[parent, child]) == placed.layer[child] - placed.layer[parent] - 1
    assert placed.passing["cat", "angora, turkish"] != ()
    for layer in range(4):
        heights = sorted(placed.height[node] for node in graph.nodes if placed.layer[node] == layer)
        assert all(upper + 1 <= lower + 1e-9 for upper, lower in pairwise(heights))
    assert min(placed.height.values()) >= 0
    assert placed.rows <= 7


def test_a_tree_is_drawn_without_crossings_and_its_nodes_in_the_middle_of_theirs() -> None:
    """The classes are listed so that those of a super-class are far apart in the order of edges."""
    graph = from_superclasses({f"s{one}": [f"c{two}-{one}" for two in range(4)] for one in range(6)})
    shuffled = [graph.edges[place] for place in np.random.default_rng(0).permutation(len(graph.edges))]
    graph = graph.model_copy(update={"edges": tuple(shuffled)})
    placed = arranged(graph)
    assert crossings(graph) == 0
    for upper in graph.labels["coarse"]:
        own = [placed.height[one] for one in graph.children(upper)]
        assert placed.height[upper] == pytest.approx(sum(own) / 4, abs=0.01)


def test_layers_are_ordered_so_that_fewer_edges_cross(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a ring of 8 and 8, of which at least 7 pairs cross, 13 do as it is walked through."""
    count = 8
    upper = [("top", f"u{one}") for one in range(count)]
    lower = [(f"u{one}", f"d{two}") for one in range(count) for two in (one, (one + 1) % count)]
    graph = LabelGraph(root="top", edges=(*upper, *lower), labels={"s": tuple(f"d{one}" for one in range(count))})
    assert crossings(graph) <= 9
    monkeypatch.setattr(layout, "_SWEEPS", 0)
    assert crossings(graph) == 13


# Pictures.


def test_a_picture_shows_every_name_and_kind_and_is_the_same_each_time(tmp_path: Path) -> None:
    graph = pets()
    draw(graph, tmp_path / "one.svg")
    draw(graph, tmp_path / "other.svg")
    written = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert written == (tmp_path / "other.svg").read_text(encoding="utf-8")
    shown = [node.text for node in ElementTree.fromstring(written).iter("{http://www.w3.org/2000/svg}text")]
    assert set(graph.nodes) <= set(shown)
    for said in ("root", "label of kinds", "label of breeds and of home", "augmented", "group hair", "group colour",
                 "on a deterministic path", "on nondeterministic paths alone"):  # fmt: skip
        assert said in shown
    assert "small: 11 nodes, 10 paths" in shown
    dashed = sum(kind == "unsure" for kind in kinds_of_edges(graph).values())
    assert len(re.findall("stroke-dasharray", written)) == dashed + 1  # and one in the key


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    names = ["a $x_2$ b", "<b>&", "_under", "猫", "x" * 60, "tab\tand\nline"]
    graph = LabelGraph(
        root="top", edges=tuple(("top", one) for one in names), groups={"g": tuple(names)}, labels={"s": tuple(names)}
    )
    draw(graph, tmp_path / "x.svg")
    drawn = ElementTree.fromstring((tmp_path / "x.svg").read_text(encoding="utf-8"))
    shown = [node.text for node in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a $x_2$ b", "<b>&", "_under", "猫", "x" * 39 + "…", "tab and line"} <= set(shown)


def test_boxes_have_room_for_their_names_and_lie_in_the_picture(tmp_path: Path) -> None:
    """A PNG whose border is paper, and which holds the colours of all kinds of nodes."""
    draw(pets(), tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (edge == 255).all()
    colours = {tuple(one) for one in pixels.reshape(-1, 3).tolist()}
    assert {(0xF7, 0xD3, 0x54), (0xA9, 0xC9, 0xF0), (0xA6, 0xE3, 0xA8), (0x5F, 0xC0, 0x8A)} <= colours


def test_a_picture_grows_with_its_graph(tmp_path: Path) -> None:
    sizes = []
    for count in (3, 30, 300):
        graph = from_superclasses({f"s{one}": [f"c{one}-{two}" for two in range(count // 3)] for one in range(3)})
        draw(graph, tmp_path / f"{count}.png")
        with Image.open(tmp_path / f"{count}.png") as picture:
            sizes.append(picture.size)
    assert sizes[0][1] < sizes[1][1] < sizes[2][1]
    assert sizes[2][1] / sizes[1][1] > 5
    assert max(map(max, sizes)) <= 20_000


@pytest.mark.parametrize(
    ("graph", "name", "says"),
    [
        (pets(), "x.jpg", "should end in .svg or .png"),
        (chain("a", "b", "c").model_copy(update={"groups": {"none": ()}}), "x.svg", "groups.none is empty"),
        (chain("a", "b", "b", "c"), "x.svg", "b → b are a cycle"),
    ],
)
def test_what_cannot_be_drawn(tmp_path: Path, graph: LabelGraph, name: str, says: str) -> None:
    assert says in refused(lambda: draw(graph, tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(lambda: draw(pets(), tmp_path / "file" / "x.svg"))
