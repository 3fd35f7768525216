"""Label graphs: show, check, list paths, suggest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from amalgam.errors import RequestError, listed, nearest
from amalgam.progress import shown
from amalgam.views.console import columns, console

if TYPE_CHECKING:
    from amalgam.labelgraph.graph import LabelGraph

_NAMES = {".txt", ".names"}  # the endings of files that hold a name a line


def show_graph(spec: str, out: Path | None) -> None:
    """`amalgam graph show`: as a tree, or written as a picture or a label graph's file."""
    from amalgam.labelgraph import drawing, files, specs

    graph = specs.find(spec)
    to = console()
    if out is None:
        to.print(drawing.tree(graph))
        to.print(Text(_counts(graph)))
        return
    if out.suffix in drawing.PICTURES:
        drawing.draw(graph, out)
    elif out.suffix not in files.WRITTEN:
        endings = [*drawing.PICTURES, *files.WRITTEN]
        raise RequestError(
            f"--out {out} should end in {', '.join(endings)}{nearest(out.suffix, endings)}: a picture or a label graph"
        )
    elif out.exists():
        raise RequestError(f"--out {out} is there already and is never overwritten; name a new file")
    else:
        files.write(graph, out)
    to.print(Text(f"The label graph {graph.name} lies in {out}"))


def check_graph(spec: str) -> None:
    """`amalgam graph check`: what is wrong with it, and what it has.

    Raises:
        RequestError: no paths can be made of it.
    """
    from amalgam.labelgraph import check, specs

    graph = specs.find(spec)
    to = console()
    to.print(Text(_counts(graph)))
    for source, own in graph.labels.items():
        to.print(Text(f"source {source}: {_many(len(own), 'label')}"))
    for group, own in graph.groups.items():
        to.print(Text(f"group {group}: {_many(len(own), 'node')}"))
    found = list(check.findings(graph))
    for one in found:
        mark = Text("✗ ", style="red") if one.fatal else Text("! ", style="yellow")
        to.print(mark + Text(f"{one.kind}: {one.says}"))
    if broken := list(dict.fromkeys(one.kind for one in found if one.fatal)):
        raise RequestError(f"no paths can be made of the label graph {graph.name} as it is: {', '.join(broken)}")
    _, kinds = graph.paths.to(*graph.label_nodes)
    sure, every = int(kinds.sum()), len(kinds)
    said = f"{_many(every, 'path')}: {sure:,} deterministic, {every - sure:,} nondeterministic"
    to.print(Text("✓ ", style="green") + Text(said))


def show_paths(spec: str, labels: Sequence[str]) -> None:
    """`amalgam graph paths`: of some labels, or of all."""
    from amalgam.labelgraph import specs

    graph = specs.find(spec)
    known = graph.label_nodes
    for label in labels:
        if label not in known:
            why = "it is a node, but no source's label" if label in graph.network else "it is no node"
            raise RequestError(
                f"the label graph {graph.name} has no label {label!r}: {why}{nearest(label, known)} (labels: "
                f"{listed(known)})"
            )
    paths = graph.paths
    table = columns("label", "path", "is")
    for label in labels or known:
        for place, (prefix, sure) in enumerate(zip(*paths.to(label), strict=True)):
            told = " → ".join([graph.root, *paths.names(int(prefix))])
            kind = "deterministic" if sure else "nondeterministic"
            table.add_row(Text("" if place else label), Text(told), Text(kind))
    console().print(table)


def suggest_graph(given: Sequence[str], embedding: str | None, out: Path) -> None:
    """`amalgam graph suggest`: what the names of labels say, as a draft."""
    from amalgam.labelgraph import draft, suggest

    sources = dict[str, tuple[str, ...]]()
    for one in given:
        name, equals, spec = one.partition("=")
        if not equals or not name or not spec:
            raise RequestError(f"{one!r} should be SOURCE=DATA_OR_FILE, such as breeds=breeds.txt or cifar=cifar-100")
        if name in sources:
            raise RequestError(f"the source {name!r} is named twice; give each a name of its own")
        sources[name] = _labels(name, spec)
    if len(sources) < 2:
        raise RequestError("labels of one source have nothing to be joined with; name another one: SOURCE=DATA_OR_FILE")
    draft.refuse_place(out)
    to, words = console(), None
    if embedding is not None:
        from amalgam.embeddings import specs

        with shown() as progress:
            words = specs.find(embedding, progress)
        for name, own in sources.items():
            if silent := suggest.unknown_to(words, own):
                to.print(
                    Text(f"note: {words.name} has no word of {listed(silent)} of {name!r}, and says nothing of them")
                )
    found = suggest.proposals(sources, words)
    draft.write(sources, found, out)
    table = columns("score", "proposed", "since")
    for proposal in found:
        table.add_row(*map(Text, (f"{proposal.score:.2f}", proposal.says, proposal.reason)))
    if found:
        to.print(table)
    to.print(
        Text(f"The draft lies in {out}, with {_many(len(found), 'proposal')}: nothing counts before you confirm it")
    )


def _labels(source: str, spec: str) -> tuple[str, ...]:
    """The labels of a source: a file with a name a line, or a data set's."""
    from amalgam.labelgraph.texts import read_names

    path = Path(spec).expanduser()
    if path.suffix in _NAMES:
        return read_names(path, f"labels of {source!r},")
    from amalgam import datasets

    with shown() as progress:
        labels = datasets.load(spec, progress=progress).rows.labels
    if not labels:
        raise RequestError(
            f"data {spec!r} of the source {source!r} has no labels; name a file (.txt) with a label a line"
        )
    return labels


def _counts(graph: LabelGraph) -> str:
    labels, augmented = len(graph.label_nodes), len(graph.augmented)
    return (
        f"{graph.name}: {_many(len(graph.nodes), 'node')} ({_many(labels, 'label')}, {augmented:,} augmented, the root "
        f"{graph.root}), {_many(len(graph.edges), 'edge')}"
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
