"""Proposals as the draft of a label graph: a YAML file that is refused until somebody has looked at it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import networkx
import yaml

from amalgam.errors import RequestError
from amalgam.files import writable, write_text
from amalgam.labelgraph.as_yaml import CONFIRMED
from amalgam.labelgraph.building import apart
from amalgam.labelgraph.suggest import EMBEDDING, Proposal

_Pair = tuple[str, str]  # source and label
_PLAIN = re.compile(r"[A-Za-z_][\w.()/ -]*[\w)]|[A-Za-z_]")


@dataclass
class _Draft:
    """What becomes of proposals.

    Attributes:
        name: (source, label) → its node.
        taken: (source, label) → the proposal by which its node is another source's, too.
        parents: node → the nodes above it, with the proposals.
        left: proposals that cannot be in the graph, and why.
    """

    name: dict[_Pair, str]
    taken: dict[_Pair, Proposal] = field(default_factory=dict)
    parents: dict[str, dict[str, Proposal]] = field(default_factory=dict)
    left: list[tuple[Proposal, str]] = field(default_factory=list)


def write(sources: Mapping[str, Sequence[str]], found: Sequence[Proposal], path: Path) -> None:
    """Write a draft: a graph of all that is proposed, each with a comment of its score and its reason.

    Labels that may be one are one node, which has the first source's name of it; where an embedding alone says so, and
    where an edge cannot be, a comment is all. Labels of which no edge is proposed stand below the root. The labels of a
    source are a group.

    Args:
        sources: source → its labels.
        found: proposals, the most certain first.
        path: a new file, ending in .yaml.

    Raises:
        RequestError: another ending, a file that is there already, or a place where nothing can be written.
    """
    refuse_place(path)
    with writable(path):
        write_text(path, text(sources, found, path))


def refuse_place(path: Path) -> None:
    """RequestError for a path that is no place for a draft: another ending, or a file that is there already."""
    if path.suffix not in (".yaml", ".yml"):
        raise RequestError(f"{path} should end in .yaml: a draft is a file to look at and to change")
    if path.exists():
        raise RequestError(f"{path} is there already and is never overwritten; name a new file")


def text(sources: Mapping[str, Sequence[str]], found: Sequence[Proposal], path: Path) -> str:
    """The draft that `write` writes."""
    draft = _drafted(sources, found)
    nodes = list(dict.fromkeys(draft.name.values()))
    root = apart("root", nodes, "of all")
    lines = [
        "# A draft of a label graph, made of the labels' names alone: nobody has confirmed it. Look at every line that",
        f"# says `suggested`, take out what is wrong, delete the line `{CONFIRMED}: false`, and then:",
        f"# amalgam graph check {path}",
        f"{CONFIRMED}: false",
        f"name: {_quoted(path.stem)}",
        f"root: {_quoted(root)}",
        "edges:",
        f"  {_quoted(root)}:",
        *(f"    - {_quoted(node)}" for node in nodes if node not in draft.parents),
    ]
    below = dict[str, list[tuple[str, Proposal]]]()
    for node, parents in draft.parents.items():
        for parent, proposal in parents.items():
            below.setdefault(parent, []).append((node, proposal))
    for parent, own in below.items():
        lines.append(f"  {_quoted(parent)}:")
        lines += [f"    - {_quoted(node)}  # {_suggested(proposal)}" for node, proposal in own]
    lines += _groups(sources, draft)
    lines.append("labels:")
    for source, labels in sources.items():
        lines.append(f"  {_quoted(source)}:")
        lines += [f"    - {_quoted(draft.name[source, label])}{_other_name(draft, source, label)}" for label in labels]
    return "\n".join([*lines, *_aliases(draft), *_left(draft)]) + "\n"


def _drafted(sources: Mapping[str, Sequence[str]], found: Sequence[Proposal]) -> _Draft:
    own = {(source, label): {(source, label)} for source, labels in sources.items() for label in labels}
    left, joined = list[tuple[Proposal, str]](), list[Proposal]()
    for proposal in found:
        one, other = own[proposal.source, proposal.label], own[proposal.other_source, proposal.other]
        if proposal.relation != "same" or one is other:
            continue
        if proposal.reason == EMBEDDING:
            left.append((proposal, "labels that are used alike need not be one"))
            continue
        if {source for source, _ in one} & {source for source, _ in other}:
            left.append((proposal, "two labels of one source would be one"))
            continue
        joined.append(proposal)
        one |= other
        own |= dict.fromkeys(one, one)
    order = list(own)
    draft = _Draft({pair: min(every, key=order.index)[1] for pair, every in own.items()}, left=left)
    for proposal in joined:
        for pair in ((proposal.source, proposal.label), (proposal.other_source, proposal.other)):
            if pair != min(own[pair], key=order.index):
                draft.taken.setdefault(pair, proposal)
    _draw_kinds(draft, found)
    return draft


def _draw_kinds(draft: _Draft, found: Sequence[Proposal]) -> None:
    """Add the edges that are proposed, the most certain first, but for those that cannot be."""
    network: networkx.DiGraph[str] = networkx.DiGraph()
    whose = dict[str, set[str]]()
    for (source, _), node in draft.name.items():
        network.add_node(node)
        whose.setdefault(node, set()).add(source)
    for proposal in (one for one in found if one.relation == "kind"):
        child = draft.name[proposal.source, proposal.label]
        parent = draft.name[proposal.other_source, proposal.other]
        if parent == child or network.has_edge(parent, child):
            continue
        above = {parent} | networkx.ancestors(network, parent)
        below = {child} | networkx.descendants(network, child)
        if above & below:
            draft.left.append((proposal, "it would close a cycle"))
        elif any(whose[upper] & whose[lower] for upper in above for lower in below):
            draft.left.append((proposal, "a label would be above another of its own source"))
        else:
            network.add_edge(parent, child)
            draft.parents.setdefault(child, {})[parent] = proposal


def _groups(sources: Mapping[str, Sequence[str]], draft: _Draft) -> list[str]:
    lines, met = list[str](), set[str]()
    for source, labels in sources.items():
        own = [draft.name[source, label] for label in labels if draft.name[source, label] not in met]
        met |= set(own)
        if len(own) > 1:
            lines += [f"  {_quoted(source)}:", *(f"    - {_quoted(node)}" for node in own)]
    return ["groups:", *lines] if lines else []


def _other_name(draft: _Draft, source: str, label: str) -> str:
    proposal = draft.taken.get((source, label))
    if proposal is None:
        return ""
    instead = f"; if {label!r} is something else, write that here and below the root"
    return f"  # {_suggested(proposal)}{instead if draft.name[source, label] != label else ''}"


def _aliases(draft: _Draft) -> list[str]:
    """What a recipe has to say of labels that became another's node."""
    others = dict[str, list[str]]()
    for pair in draft.taken:
        if pair[1] != draft.name[pair] and pair[1] not in others.setdefault(draft.name[pair], []):
            others[draft.name[pair]].append(pair[1])
    if not others:
        return []
    told = [f"#     {_quoted(name)}: [{', '.join(map(_quoted, own))}]" for name, own in others.items()]
    return ["# What became one label has this in a recipe, so that it is found under both names:", "# labels:",
            "#   aliases:", *told]  # fmt: skip


def _left(draft: _Draft) -> list[str]:
    return [f"# not in the graph, since {why}: {one.says} ({_suggested(one)})" for one, why in draft.left]


def _suggested(proposal: Proposal) -> str:
    score = f"{proposal.score:.2f}".removeprefix("0")
    return f"suggested: {score}, {proposal.reason}"


def _quoted(name: str) -> str:
    """A name as YAML has it: plain where that is read as the same text."""
    if _PLAIN.fullmatch(name) and yaml.safe_load(name) == name:
        return name
    return str(yaml.safe_dump(name, default_style='"', allow_unicode=True, width=float("inf"))).strip()
