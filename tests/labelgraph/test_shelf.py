"""The label graphs on the shelf: sound, with the names of the data that they are for, and true where a file knows."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator

import pytest
from torchvision.datasets import Flowers102

from amalgam import recipe, shelf, strategies
from amalgam.datasets.breeds import SPECIES
from amalgam.labelgraph import files, specs
from amalgam.labelgraph.check import findings
from amalgam.labelgraph.graph import LabelGraph
from amalgam.parts import apportion
from tests.conftest import SHARED_DATA

from .graphs import TAXONOMIES, needs_taxonomies

CATS = {
    "Abyssinian", "Bengal", "Birman", "Bombay", "British Shorthair", "Egyptian Mau", "Maine Coon", "Persian", "Ragdoll",
    "Russian Blue", "Siamese", "Sphynx",
}  # fmt: skip
DOGS = {
    "American Bulldog", "American Pit Bull Terrier", "Basset Hound", "Beagle", "Boxer", "Chihuahua",
    "English Cocker Spaniel", "English Setter", "German Shorthaired", "Great Pyrenees", "Havanese", "Japanese Chin",
    "Keeshond", "Leonberger", "Miniature Pinscher", "Newfoundland", "Pomeranian", "Pug", "Saint Bernard", "Samoyed",
    "Scottish Terrier", "Shiba Inu", "Staffordshire Bull Terrier", "Wheaten Terrier", "Yorkshire Terrier",
}  # fmt: skip
"""The classes of torchvision.datasets.OxfordIIITPet, which has them of its files' names."""
OF_AKC = {"German Shorthaired": "German Shorthaired Pointer", "Wheaten Terrier": "Soft Coated Wheaten Terrier"}


@pytest.mark.parametrize("name", shelf.names("graphs"))
def test_every_graph_is_sound(name: str) -> None:
    graph = specs.find(name)
    assert graph.name == name
    assert list(findings(graph)) == []


def ways(graph: LabelGraph) -> Iterator[tuple[str, str, bool]]:
    """Of each path to a label of the first source: the label, the node before it, and whether it is deterministic."""
    paths = graph.paths
    for label in next(iter(graph.labels.values())):
        for prefix, sure in zip(*paths.to(label), strict=True):
            yield label, paths.names(int(prefix))[-2], bool(sure)


def test_the_pets_of_the_paper() -> None:
    """Figure 2 and sections 3.2.3 and 4.4: which paths of which breeds are deterministic."""
    graph = specs.find("pets")
    assert set(graph.labels["breeds"]) == CATS | DOGS
    assert graph.labels["dogs-vs-cats"] == SPECIES
    assert {"Shorthair", "Longhair", "Solid-Color", "Tabby-Color", "Point-Color"} <= set(graph.augmented)
    found = list(ways(graph))
    assert {node for label, node, sure in found if label == "British Shorthair" and sure} == {"Shorthair"}
    of_british = {node for label, node, sure in found if label == "British Shorthair" and not sure}
    assert of_british == {"Solid-Color", "Tabby-Color", "Point-Color"}
    sure_tabbies = {label for label, node, sure in found if node == "Tabby-Color" and sure}
    assert sure_tabbies == {"Abyssinian", "Egyptian Mau", "Bengal"}
    assert ("Maine Coon", "Tabby-Color", False) in found


def test_every_breed_lies_below_its_species() -> None:
    graph = specs.find("pets")
    for species, breeds in (("Cat", CATS), ("Dog", DOGS)):
        below = {label for upper in graph.children(species) for label in graph.children(upper)}
        assert below == breeds


@needs_taxonomies
def test_hairless_cats_are_those_of_the_file() -> None:
    told = json.loads((TAXONOMIES / "pets" / "cat-breeds-thecatapi.json").read_text(encoding="utf-8"))
    hairless = {one["name"] for one in told if one["hairless"]}
    assert {one["name"] for one in told} >= CATS
    assert set(specs.find("pets").children("Hairless")) == hairless & CATS


@needs_taxonomies
def test_dogs_sizes_are_those_of_the_file() -> None:
    with (TAXONOMIES / "pets" / "dog-breeds-akc.csv").open(encoding="utf-8") as text:
        tallest = {row["breed"]: float(row["max_height"] or 0) for row in csv.DictReader(text)}
    heights = {breed: tallest.get(OF_AKC.get(breed, breed)) for breed in DOGS}
    known = {breed: height for breed, height in heights.items() if height}
    assert DOGS - set(known) == {"American Pit Bull Terrier"}
    graph = specs.find("pets")
    for size, low, high in (("Small", 0, 35), ("Medium", 35, 50), ("Large", 50, 200)):
        assert set(graph.children(size)) == {breed for breed, height in known.items() if low < height <= high}


def test_the_flowers_of_the_paper() -> None:
    graph = specs.find("flowers")
    finer, coarser = graph.labels["flowers-102"], graph.labels["flowers-17"]
    assert finer == tuple(Flowers102.classes)
    assert len(coarser) == 17
    assert {*finer} & {*coarser} == {
        "daffodil", "tiger lily", "fritillary", "sunflower", "colt's foot", "common dandelion", "buttercup",
        "windflower",
    }  # fmt: skip
    assert graph.children("iris") == ("yellow iris", "bearded iris")
    groups = {"clade", "family", "shape", "colour"}
    assert set(graph.augmented) == {node for group in groups for node in graph.groups[group]}
    assert all(len(graph.children(family)) > 1 for family in graph.groups["family"])


def test_a_flower_has_one_family_and_one_shape() -> None:
    """What is no colour is said of all flowers of a kind, so its paths are deterministic."""
    graph = specs.find("flowers")
    colours = {*graph.groups["colour"]}
    paths = graph.paths
    for label in graph.label_nodes:
        for prefix, sure in zip(*paths.to(label), strict=True):
            assert sure or colours & {*paths.names(int(prefix))}


def test_the_names_of_the_17_are_aliases_in_the_recipe() -> None:
    aliases = recipe.read("label_graph-flowers").labels.aliases
    assert tuple(aliases) == specs.find("flowers").labels["flowers-17"]
    classes = SHARED_DATA / "images" / "flowers-17" / "classes.txt"
    if classes.is_file():
        for name, (common, others) in zip(classes.read_text().split(), aliases.items(), strict=True):
            assert name == common or name in others


@needs_taxonomies
def test_cifar_100_is_the_taxonomy_s() -> None:
    graph, made = specs.find("cifar-100"), specs.find(f"superclasses:{TAXONOMIES / 'cifar-100-superclasses.json'}")
    assert graph.edges == made.edges
    assert graph.groups == made.groups
    assert graph.labels == made.labels
    assert next(iter(graph.labels)) == "fine"


@needs_taxonomies
def test_the_names_of_wordnet_s_tree_of_cifar_100() -> None:
    """12 of the 100 leaves are called otherwise than the classes, as `labels.aliases` can say."""
    leaves = files.read(TAXONOMIES / "wordnet" / "CIFAR100-graph-wordnet.json").labels["classes"]
    fine = specs.find("cifar-100").labels["fine"]
    assert len({*leaves} - {*fine}) == len({*fine} - {*leaves}) == 12
    assert {"sofa", "maple"} <= {*leaves}


@needs_taxonomies
def test_arxiv_is_the_taxonomy_s() -> None:
    graph, made = specs.find("arxiv"), specs.find(f"arxiv:{TAXONOMIES / 'arxiv-taxonomy.json'}")
    assert set(graph.edges) == set(made.edges)
    assert graph.groups == made.groups
    assert graph.labels == made.labels


def test_trec_s_kinds_begin_with_what_they_are_of() -> None:
    graph = specs.find("trec")
    assert {(label.partition(":")[0], label) for label in graph.labels["fine"]} <= set(graph.edges)
    assert graph.labels["coarse"] == ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
    assert len(graph.labels["fine"]) == 50


def measured(name: str, *assignments: str) -> tuple[dict[str, int], int]:
    """How many rows of a recipe are annotated with a label of each source, and how many it is measured on."""
    wanted = recipe.read(name, assignments=assignments)
    own = strategies.build(wanted.strategy, "test").labels()
    assert own is not None
    found = apportion(wanted, own=own)
    assert found.learn.annotated is not None
    assert found.test is not None
    of = {
        source: [column for column, label in enumerate(found.learn.labels) if label in labels]
        for source, labels in own.sources.items()
    }
    return {source: int((found.learn.annotated[:, columns] == 1).any(1).sum()) for source, columns in of.items()}, len(
        found.test
    )


@pytest.mark.skipif(not (SHARED_DATA / "hierarchy").is_dir(), reason="the texts are not on this machine")
def test_recipes_of_texts_have_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_DATA", str(SHARED_DATA))
    counts, test = measured("label_graph-trec")
    assert counts["coarse"] == pytest.approx(0.7 * 5452, rel=0.02)
    assert counts["fine"] == pytest.approx(0.1 * 5452, rel=0.03)
    assert sum(counts.values()) + test == 5452
    counts, test = measured(
        "label_graph-arxiv", "data.source=hierarchy/arxiv-metadata-1500.csv.xz", "data.options.drop=[id, update_date]"
    )
    assert counts["archive"] + test > 950
    assert 380 < counts["category"] < 430  # a third of 1,500, less the undivided astro-ph
