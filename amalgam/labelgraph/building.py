"""What several ways to a label graph share: names that are one node's alone, and siblings that exclude each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import networkx

from amalgam.errors import RequestError, listed
from amalgam.labelgraph.graph import LabelGraph


def apart(name: str, taken: Collection[str], what: str) -> str:
    """A name, or `name (what)` where something else has it already."""
    return f"{name} ({what})" if name in taken else name


def only_top(network: networkx.DiGraph[str], where: str, mend: str) -> str:
    """The only node that stands below nothing.

    Args:
        network: the nodes and edges.
        where: where they come from, for messages ("label graph x.csv").
        mend: how to say which node is the root.

    Raises:
        RequestError: there is none, or several.
    """
    tops = [node for node, degree in network.in_degree if degree == 0]
    if len(tops) == 1:
        return str(tops[0])
    found = f"{listed(tops)} stand below nothing" if tops else "every node stands below another"
    raise RequestError(f"{where} does not say its root: {found}, expected one such node; {mend}")


def of_classes(
    name: str,
    network: networkx.DiGraph[str],
    root: str,
    titles: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
    labels: Mapping[str, Sequence[str]],
) -> LabelGraph:
    """A graph of a taxonomy, whose nodes have keys and, by them, titles.

    A title that several nodes have is given to the only label among them; the others are called `title (key)`. The
    children of a node exclude each other, those that are in no group yet form one: `below NODE`.

    Args:
        name: what the graph is called.
        network: keys of nodes, without cycles.
        root: the key of the root.
        titles: key → what the node is called.
        groups: group → keys that exclude each other.
        labels: source → keys of its labels.

    Returns:
        The graph, in the order of the network's edges.
    """
    named = _named(titles, {key for own in labels.values() for key in own})
    every = {group: tuple(own) for group, own in groups.items() if len(own) > 1}
    taken = {key for own in groups.values() for key in own} | {root}
    wanted = {key for own in labels.values() for key in own}
    for parent in networkx.topological_sort(network):
        rivals = _excluding([child for child in network[parent] if child not in taken], network, wanted)
        if len(rivals) > 1:
            every[f"below {named[parent]}"] = tuple(rivals)
            taken |= set(rivals)
    return LabelGraph(
        name=name,
        root=named[root],
        edges=tuple((named[parent], named[child]) for parent, child in network.edges),
        groups={group: tuple(named[key] for key in own) for group, own in every.items()},
        labels={source: tuple(named[key] for key in own) for source, own in labels.items()},
    )


def _named(titles: Mapping[str, str], labels: set[str]) -> dict[str, str]:
    """Key → a name of its own."""
    count = Counter(titles.values())
    of_labels = Counter(titles[key] for key in labels)
    named = dict[str, str]()
    for key, title in titles.items():
        alone = count[title] == 1 or (key in labels and of_labels[title] == 1)
        named[key] = title if alone else f"{title} ({key})"
    return named


def _excluding(siblings: Iterable[str], network: networkx.DiGraph[str], labels: set[str]) -> list[str]:
    """The siblings that have no label below them that stands below another one, too."""
    below = {one: ({one} | networkx.descendants(network, one)) & labels for one in siblings}
    count = Counter(label for own in below.values() for label in own)
    return [one for one, own in below.items() if all(count[label] == 1 for label in own)]
