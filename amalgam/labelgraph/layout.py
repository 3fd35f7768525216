"""Where the nodes of a drawn label graph stand: in layers, ordered so that few edges cross."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import networkx
import numpy as np
from numpy.typing import NDArray

from amalgam.labelgraph.graph import LabelGraph

_SWEEPS = 12
_THIN = 0.45
"""What an edge needs that passes by a layer, where a node needs 1."""

Point: TypeAlias = tuple[str, ...]
"""A node, or where an edge passes by a layer: its parent, its child and the layer's number."""
_Numbers: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """Where everything stands.

    Attributes:
        layer: node → how many steps the longest way to it has.
        height: node → how far down it stands, in rows, from 0 on.
        passing: edge → the heights at which it passes by the layers between its ends.
    """

    layer: dict[str, int]
    height: dict[str, float]
    passing: dict[tuple[str, str], tuple[float, ...]]

    @property
    def rows(self) -> float:
        """How many rows the drawing has."""
        return max(self.height.values()) + 1


def arranged(graph: LabelGraph) -> Layout:
    """The layout of a graph without cycles.

    Layers are ordered by the mean place of their neighbours, to and fro, and the order with the fewest crossings is
    kept. Then each node stands as near as its layer lets it to the mean height of its children, or of its parents.
    """
    network = graph.network
    layer = {node: number for number, own in enumerate(networkx.topological_generations(network)) for node in own}
    fine = _with_passings(graph, layer)
    depth = {point: layer[point[0]] if len(point) == 1 else int(point[2]) for point in fine}
    layers: list[list[Point]] = [[] for _ in range(max(depth.values()) + 1)]
    tops = [point for point, degree in fine.in_degree if degree == 0]
    for top in tops:  # a tree is without crossings in the order in which it is walked through
        for point in networkx.dfs_preorder_nodes(fine, top):
            if point not in layers[depth[point]]:
                layers[depth[point]].append(point)
    heights = _heights(fine, _untangled(fine, layers))
    first = min(heights.values())
    return Layout(
        layer,
        {node: heights[(node,)] - first for node in network},
        {
            (parent, child): tuple(
                heights[_passing(parent, child, number)] - first for number in range(layer[parent] + 1, layer[child])
            )
            for parent, child in network.edges
        },
    )


def _passing(parent: str, child: str, number: int) -> Point:
    return (parent, child, str(number))


def _with_passings(graph: LabelGraph, layer: Mapping[str, int]) -> networkx.DiGraph[Point]:
    """The graph with a point in each layer that an edge passes by."""
    fine: networkx.DiGraph[Point] = networkx.DiGraph()
    fine.add_nodes_from((node,) for node in graph.network)
    for parent, child in graph.network.edges:
        between = [_passing(parent, child, number) for number in range(layer[parent] + 1, layer[child])]
        networkx.add_path(fine, [(parent,), *between, (child,)])
    return fine


def _untangled(fine: networkx.DiGraph[Point], layers: list[list[Point]]) -> list[list[Point]]:
    """The best order of layers that was met, by how many edges cross."""
    best, fewest = layers, _crossings(fine, layers)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        layers = [list(own) for own in layers]
        down = sweep % 2 == 0
        numbers = range(1, len(layers)) if down else range(len(layers) - 2, -1, -1)
        for number in numbers:
            beside = layers[number - 1 if down else number + 1]
            place = {point: float(at) for at, point in enumerate(beside)}
            own = {point: float(at) for at, point in enumerate(layers[number])}
            mean = {point: _mean(fine.pred[point] if down else fine.succ[point], place, own[point]) for point in own}
            layers[number].sort(key=mean.__getitem__)
        crossings = _crossings(fine, layers)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _crossings(fine: networkx.DiGraph[Point], layers: Sequence[Sequence[Point]]) -> int:
    """How many pairs of edges cross."""
    count = 0
    for upper, lower in pairwise(layers):
        place = {point: at for at, point in enumerate(lower)}
        ends = [(at, place[child]) for at, point in enumerate(upper) for child in fine.succ[point]]
        one, other = np.array(ends, dtype=np.int64).reshape(-1, 2).T
        count += int(((one[:, None] < one) & (other[:, None] > other)).sum())
    return count


def _heights(fine: networkx.DiGraph[Point], layers: Sequence[Sequence[Point]]) -> dict[Point, float]:
    """How far down each point stands."""
    height = {point: float(at) for own in layers for at, point in enumerate(own)}
    for sweep in range(_SWEEPS + 1):  # the last one goes up, so that a node stands in the middle of what is below it
        down = sweep % 2 == 1
        for own in layers if down else layers[::-1]:
            wanted = [_mean(fine.pred[one] if down else fine.succ[one], height, height[one]) for one in own]
            sizes = np.array([1.0 if len(one) == 1 else _THIN for one in own])
            height |= dict(zip(own, _apart(np.array(wanted), sizes).tolist(), strict=True))
    return height


def _apart(wanted: _Numbers, sizes: _Numbers) -> _Numbers:
    """The heights nearest to those wanted, by their squares, that keep the order and leave each its room."""
    from scipy.optimize import isotonic_regression

    room = np.concatenate([[0], np.cumsum((sizes[1:] + sizes[:-1]) / 2)])
    found: _Numbers = isotonic_regression(wanted - room).x + room
    return found


def _mean(points: Iterable[Point], height: Mapping[Point, float], alone: float) -> float:
    """The mean height of points; without any, that of the one who asks."""
    own = [height[one] for one in points]
    return sum(own) / len(own) if own else alone
