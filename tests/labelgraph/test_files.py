"""Label graphs in files: what is written reads the same, and what is wrong is named by its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amalgam.labelgraph import files
from amalgam.labelgraph.graph import LabelGraph

from .graphs import TAXONOMIES, chain, needs_taxonomies, pets, refused

YAML = """
root: animal
edges:
  animal: [cat, dog]
  cat: tabby
  dog:
labels: {kinds: [cat, dog]}
groups: {kind: [cat, dog]}
"""


@pytest.mark.parametrize("ending", files.WRITTEN)
def test_what_is_written_reads_the_same(tmp_path: Path, ending: str) -> None:
    """Orders, too: `home` lists its labels otherwise than `breeds`, so tables and GraphML keep those of one."""
    path = tmp_path / f"small{ending}"
    graph = pets()
    files.write(graph, path)
    found = files.read(path)
    assert (found.name, found.root, found.edges) == (graph.name, graph.root, graph.edges)
    assert {name: set(own) for name, own in found.labels.items()} == {
        name: set(own) for name, own in graph.labels.items()
    }
    assert {name: set(own) for name, own in found.groups.items()} == {
        name: set(own) for name, own in graph.groups.items()
    }
    agreeing = graph.model_copy(update={"labels": {**graph.labels, "home": ("british", "pug")}})
    files.write(agreeing, path)
    assert files.read(path) == agreeing
    if ending in (".yaml", ".yml"):
        files.write(graph, path)
        assert files.read(path) == graph


@pytest.mark.parametrize("ending", files.WRITTEN)
@pytest.mark.parametrize(
    "odd", ["no", "1", "null", "a: b", '"', "a\tb", "é 猫 🐈", "<&>", "it's", "#x", "a;b", "~", "a\nb", "a\u2028b"]
)
def test_odd_names_read_the_same(tmp_path: Path, ending: str, odd: str) -> None:
    graph = LabelGraph(
        name="odd", root="top", edges=(("top", odd), ("top", "b")), groups={odd: (odd, "b")}, labels={odd: (odd, "b")}
    )
    files.write(graph, tmp_path / f"odd{ending}")
    assert files.read(tmp_path / f"odd{ending}") == graph


@pytest.mark.parametrize("ending", [".yaml", ".graphml", ".csv"])
def test_a_broken_graph_is_written_and_read_so_that_it_can_be_checked(tmp_path: Path, ending: str) -> None:
    """A cycle, a node in two groups, a label and a node without edges."""
    graph = LabelGraph(
        name="odd",
        root="top",
        edges=(("top", "a"), ("a", "b"), ("b", "a")),
        groups={"g": ("a", "b"), "h": ("b", "lost")},
        labels={"s": ("b", "far")},
    )
    files.write(graph, tmp_path / f"odd{ending}")
    assert files.read(tmp_path / f"odd{ending}") == graph


@pytest.mark.parametrize("ending", [".graphml", ".csv", ".tsv"])
@pytest.mark.parametrize("changed", [{"groups": {"empty": ()}}, {"labels": {"it": ("b",), "none": ()}}])
def test_what_a_form_cannot_hold_is_refused_and_leaves_no_file(
    tmp_path: Path, ending: str, changed: dict[str, dict[str, tuple[str, ...]]]
) -> None:
    graph = chain("top", "a", "b").model_copy(update=changed)
    message = refused(lambda: files.write(graph, tmp_path / f"x{ending}"), tmp_path)
    assert message.startswith(f"x{ending} cannot hold the label graph chain")
    assert list(tmp_path.iterdir()) == []
    files.write(graph, tmp_path / "x.yaml")
    assert files.read(tmp_path / "x.yaml") == graph


def test_a_name_with_blanks_around_it_is_not_lost_in_a_table(tmp_path: Path) -> None:
    graph = chain("top", "a ", "b")
    assert "cannot hold" in refused(lambda: files.write(graph, tmp_path / "x.csv"))
    files.write(graph, tmp_path / "chain.graphml")
    assert files.read(tmp_path / "chain.graphml") == graph


def test_control_characters_are_not_in_graphml(tmp_path: Path) -> None:
    message = refused(lambda: files.write(chain("top", "a\x00", "b"), tmp_path / "x.graphml"), tmp_path)
    assert "write" in message
    assert "YAML" in message or ".yaml" in message


def test_yaml_as_people_write_it(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(YAML)
    found = files.read(tmp_path / "x.yaml")
    assert found.name == "x"
    assert found.edges == (("animal", "cat"), ("animal", "dog"), ("cat", "tabby"))
    assert found.labels == {"kinds": ("cat", "dog")}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("groups:", "group:", "unknown key 'group'; did you mean 'groups'? (known: edges, groups, labels, name, root)"),
        ("root: animal\n", "", "the key 'root' is missing"),
        ("[cat, dog]\n  cat", "[cat, dog, cat]\n  cat", "edges to list each once, not ('animal', 'cat') twice"),
        ("[cat, dog]\n  cat", "[cat, no]\n  cat", "line 4: YAML reads 'no' as yes or no; quote it: 'no'"),
        ("[cat, dog]\n  cat", "[cat, 7]\n  cat", "line 4: YAML reads '7' as a number; quote it"),
        ("root: animal", "root: 2020-01-01", "line 2: YAML reads '2020-01-01' as a date"),
        ("  dog:\n", "  dog: [~]\n", "line 6: YAML reads '~' as nothing"),
        ("  dog:\n", "  animal: pug\n", "line 6: the key 'animal' is in line 4 already"),
        ("  cat: tabby", "  cat: {tabby: [x]}", "line 5: expected lists of names under `edges:`"),
        (
            "  animal: [cat, dog]\n  cat: tabby\n  dog:\n",
            "  - {animal: cat}\n",
            "line 4: expected lists of names under `edges:`",
        ),
        ("  animal: [cat, dog]\n  cat: tabby\n  dog:\n", "  - [animal]\n", "the key 'edges.0.1' is missing"),
        (
            "  animal: [cat, dog]\n  cat: tabby\n  dog:\n",
            "  - [a, b, c]\n",
            "edges.0 is ['a', 'b', 'c'], expected to have at most 2",
        ),
        ("{kinds: [cat, dog]}", "[cat, dog]", "expected a mapping of keys to values"),
        ("{kinds: [cat, dog]}", "{kinds: cat}", "labels.kinds is 'cat', expected a list"),
        ("{kinds: [cat, dog]}", "{kinds: [cat, dog}", "is no YAML"),
        ("root: animal", "confirmed: false\nroot: animal", "delete the line `confirmed: false`"),
        ("root: animal", "confirmed: maybe\nroot: animal", "is a draft"),
    ],
)
def test_wrong_yaml(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in YAML
    (tmp_path / "x.yaml").write_text(YAML.replace(old, new, 1))
    message = refused(lambda: files.read(tmp_path / "x.yaml"), tmp_path)
    assert message.startswith("label graph x.yaml")
    assert says in message


def test_a_draft_that_is_confirmed_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(f"confirmed: true\n{YAML}")
    assert files.read(tmp_path / "x.yaml").root == "animal"


def test_yaml_that_refers_to_itself_much_is_read_in_no_time(tmp_path: Path) -> None:
    """Each line refers to the line before ten times: unfolded, there are 10^30 names."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 31))]
    (tmp_path / "x.yaml").write_text("\n".join(lines))
    assert "the key 'root' is missing" in refused(lambda: files.read(tmp_path / "x.yaml"))
    (tmp_path / "x.yaml").write_text("\n".join([*lines, "root: a", "edges: *a30"]))
    assert "expected lists of names under `edges:`" in refused(lambda: files.read(tmp_path / "x.yaml"))


def test_yaml_that_is_nested_deeply(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("root: a\nedges: " + "[" * 3000 + "]" * 3000)
    assert "is nested too deeply" in refused(lambda: files.read(tmp_path / "x.yaml"))


def test_tables_as_people_write_them(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(
        '\ufeffchild, parent ,group,source\ncat,animal,kind,"kinds, home"\ndog , animal,kind,kinds\n\ntabby,cat,,\n',
        encoding="utf-8",
    )
    found = files.read(tmp_path / "x.csv")
    assert found.root == "animal"
    assert found.edges == (("animal", "cat"), ("animal", "dog"), ("cat", "tabby"))
    assert found.groups == {"kind": ("cat", "dog")}
    assert found.labels == {"kinds": ("cat", "dog"), "home": ("cat",)}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("parent,group\na,b\n", "line 1: the column 'child' is missing"),
        ("parent,child,sources\na,b,c\n", "line 1: unknown column 'sources'; did you mean 'source'?"),
        ("parent,child,child\na,b,c\n", "line 1 has a column twice"),
        ("parent,child\na,b\nb\n", "line 3 has 1 cells, expected 2: parent, child"),
        ("parent,child,group\na,b,x\na,c\n", "line 3 has 2 cells"),
        ('parent,child\na,b\na,"c\n', "line 3 is no line of a table: unexpected end of data; is the file cut short?"),
        ("parent,child\na,b\na,\n", "line 3: the child is empty"),
        ("parent,child\na,b\nb,c\na,b\n", "line 4: 'a' → 'b' is in line 2 already; list each edge once"),
        ("parent,child\na,b\nc,d\n", "does not say its root: 'a', 'c' stand below nothing, expected one"),
        ("parent,child\na,b\nb,a\n", "does not say its root: every node stands below another"),
        ('parent,child,source\na,b,"x, ""y"\n', "line 2: 'x, \"y' is no list of names"),
        ("parent,child\n", "holds no edges"),
        ("", "line 1: the column 'parent' is missing"),
        (b"parent,child\na,\xff\n", "is no text in UTF-8"),
    ],
)
def test_wrong_tables(tmp_path: Path, content: str | bytes, says: str) -> None:
    (tmp_path / "x.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refused(lambda: files.read(tmp_path / "x.csv"), tmp_path)
    assert message.startswith("label graph x.csv")
    assert says in message


def graphml(body: str, head: str = "", keys: str = "", direction: str = "directed") -> str:
    return (
        f'<?xml version="1.0"?>\n{head}<graphml xmlns="http://graphml.graphdrawing.org/xmlns">{keys}\n'
        f'<graph edgedefault="{direction}">\n{body}</graph></graphml>'
    )


BODY = '<node id="a"/>\n<node id="b"/>\n<edge source="a" target="b"/>\n'


def test_graphml_of_other_tools(tmp_path: Path) -> None:
    """Without orders or a root, with a prefix of the namespace and attributes that mean nothing here."""
    keys = (
        '<key id="d0" for="node" attr.name="x" attr.type="double"/>'
        '<key id="d1" for="node" attr.name="labels" attr.type="string"/>'
    )
    body = BODY.replace('"b"/>\n', '"b"><data key="d0">1.5</data><data key="d1">mine, theirs</data></node>\n', 1)
    (tmp_path / "x.graphml").write_text(graphml(body, keys=keys))
    assert files.read(tmp_path / "x.graphml") == LabelGraph(
        name="x", root="a", edges=(("a", "b"),), labels={"mine": ("b",), "theirs": ("b",)}
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (graphml(BODY, '<!DOCTYPE g [<!ENTITY e "x">]>\n'), "line 2 declares a document type"),
        (graphml(BODY, '<!DOCTYPE g SYSTEM "http://example.org/g.dtd">\n'), "line 2 declares a document type"),
        (graphml(BODY)[:120], "is the file cut short?"),
        (graphml(BODY + '<edge source="a" target="b"/>\n'), "line 7: the edge 'a' → 'b' is in line 6 already"),
        (graphml(BODY + '<node id="a"/>\n'), "line 7: the node 'a' is in line 4 already"),
        (graphml(BODY + '<edge source="a" target="bb"/>\n'), "line 7: its edge names 'bb', which is no node; did you"),
        (graphml(BODY, direction="undirected"), "its edges have no direction"),
        (graphml(BODY + '<node id="c"/>\n'), "does not say its root: 'a', 'c' stand below nothing"),
        (graphml("<node/>\n"), "line 4: the node has no id"),
        (graphml('<node id="a"/>\n<edge source="a"/>\n'), "line 5: the edge has no target"),
        ("<html></html>", "is no GraphML that networkx can read"),
        ("", "line 1 is no XML"),
    ],
)  # fmt: skip
def test_wrong_graphml(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "x.graphml").write_text(content)
    message = refused(lambda: files.read(tmp_path / "x.graphml"), tmp_path)
    assert message.startswith("label graph x.graphml")
    assert says in message


def test_entities_are_found_in_any_encoding(tmp_path: Path) -> None:
    text = graphml(BODY, '<!DOCTYPE g [<!ENTITY e "x">]>\n').replace('version="1.0"', 'version="1.0" encoding="utf-16"')
    (tmp_path / "x.graphml").write_bytes(text.encode("utf-16"))
    assert "declares a document type" in refused(lambda: files.read(tmp_path / "x.graphml"))


def node_link(**changed: object) -> str:
    nodes = [{"id": "0", "label": "top"}, {"id": "1", "label": "food"}, {"id": "2", "label": "food"},
             {"id": "3", "label": "pear"}, {"id": "4", "label": "fish"}, {"id": "5", "label": "ray"}]  # fmt: skip
    links = [("0", "1"), ("0", "4"), ("1", "2"), ("1", "3"), ("4", "5")]
    content = {"directed": True, "nodes": nodes, "links": [{"source": one, "target": other} for one, other in links]}
    return json.dumps({**content, **changed})


def test_node_link(tmp_path: Path) -> None:
    """The leaf keeps a name that two have."""
    (tmp_path / "x.json").write_text(node_link())
    assert files.read(tmp_path / "x.json") == LabelGraph(
        name="x",
        root="top",
        edges=(("top", "food (1)"), ("top", "fish"), ("food (1)", "food"), ("food (1)", "pear"), ("fish", "ray")),
        groups={"class": ("food", "pear", "ray"), "below top": ("food (1)", "fish")},
        labels={"classes": ("food", "pear", "ray")},
    )


LINK = {"source": "0", "target": "1"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (node_link(links=[{"source": "0", "target": "9"}]), "link 0 names '9', which is no node's id"),
        (node_link(links=[LINK, LINK]), "link 1, '0' → '1', is listed already"),
        (node_link(links=[LINK, {"source": "1", "target": "0"}]), "top → food → top are a cycle"),
        (node_link(links=[LINK]), "does not say its root: '0', '2', '3', '4', '5' stand below nothing"),
        (node_link(links=[{"source": "0"}]), "link 0 has no `target`"),
        (node_link(nodes=[{"id": "0"}, {"id": "0"}]), "node 1 has the id '0'"),
        (node_link(nodes=[{"label": "x"}]), "node 0 has no `id`"),
        (node_link(nodes=[]), "expected a list `nodes`"),
        (node_link(directed=False), "its links have no direction"),
        (node_link()[:200], "line 1 column 200 is no JSON"),
        ('{"nodes": [], "nodes": []}', "has the key 'nodes' twice"),
        ("[]", "should be a mapping"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
def test_wrong_node_link(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "x.json").write_text(content)
    message = refused(lambda: files.read(tmp_path / "x.json"), tmp_path)
    assert message.startswith("label graph x.json")
    assert says in message


@needs_taxonomies
@pytest.mark.parametrize(
    ("name", "nodes", "classes"), [("CIFAR10", 18, 10), ("CIFAR100", 149, 100), ("TinyImagenet200", 295, 200)]
)
def test_the_trees_made_of_wordnet(name: str, nodes: int, classes: int) -> None:
    found = files.read(TAXONOMIES / "wordnet" / f"{name}-graph-wordnet.json")
    assert len(found.nodes) == nodes
    assert {source: len(own) for source, own in found.labels.items()} == {"classes": classes}
    assert len(found.groups["class"]) == classes
    assert len(found.paths.to(*found.label_nodes)[0]) == classes
    assert all(len(own) > 1 for own in found.groups.values())


@pytest.mark.parametrize("ending", files.READ)
def test_no_file(tmp_path: Path, ending: str) -> None:
    assert refused(lambda: files.read(tmp_path / f"x{ending}"), tmp_path) == f"label graph x{ending}: no such file"
    (tmp_path / f"d{ending}").mkdir()
    assert "is a folder" in refused(lambda: files.read(tmp_path / f"d{ending}"))


def test_no_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text("")
    assert "expected .yaml, .yml, .graphml, .csv, .tsv, .json" in refused(lambda: files.read(tmp_path / "x.xml"))
    assert "should end in .yaml" in refused(lambda: files.write(pets(), tmp_path / "x.json"))
    assert "cannot be written" in refused(lambda: files.write(pets(), tmp_path / "x.xml" / "x.yaml"))
