"""Label graphs that are drawn, for the tests: layers of nodes, edges from a layer to later ones, groups in a layer."""

from __future__ import annotations

import random

from amalgam.labelgraph.graph import LabelGraph

BRITISH = LabelGraph.model_validate(
    {
        "name": "pets",
        "root": "Animal",
        "edges": {
            "Animal": ["Cat", "Dog"],
            "Cat": ["Shorthair", "Longhair", "Solid-Color", "Tabby-Color", "Point-Color", "Folded-Ears"],
            "Shorthair": ["British-Shorthair", "Abyssinian"],
            "Longhair": ["Maine-Coon"],
            "Solid-Color": ["British-Shorthair"],
            "Tabby-Color": ["British-Shorthair", "Abyssinian", "Maine-Coon"],
            "Point-Color": ["British-Shorthair", "Maine-Coon"],
        },
        "groups": {
            "species": ["Cat", "Dog"],
            "hair": ["Shorthair", "Longhair"],
            "color": ["Solid-Color", "Tabby-Color", "Point-Color"],
            "breed": ["British-Shorthair", "Abyssinian", "Maine-Coon"],
        },
        "labels": {
            "breeds": ["British-Shorthair", "Abyssinian", "Maine-Coon"],
            "dogs-vs-cats": ["Cat", "Dog"],
        },
    }
)
"""The example of §3.2.3, and a dead end."""


def drawn(seed: int) -> LabelGraph:
    """A graph whose last layer holds the labels of `fine`, and a part of an upper layer those of `coarse`."""
    chance = random.Random(seed)
    layers = [[f"{depth}.{number}" for number in range(chance.randint(2, 4))] for depth in range(chance.randint(2, 4))]
    edges = [("root", node) for node in layers[0]]
    for depth, layer in enumerate(layers[1:], start=1):
        for node in layer:
            above = [upper for before in layers[:depth] for upper in before]
            edges += [(upper, node) for upper in chance.sample(above, chance.randint(1, min(3, len(above))))]
    groups: dict[str, list[str]] = {}
    for depth, layer in enumerate(layers):
        for node in layer:
            if (kind := chance.choice(["x", "x", "y", None])) is not None:
                groups.setdefault(f"{depth}{kind}", []).append(node)
    labels = {"fine": layers[-1], "coarse": chance.sample(layers[0], 2)}
    return LabelGraph.model_validate({"root": "root", "edges": edges, "groups": groups, "labels": labels})
