"""Label graphs made of taxonomies: super-classes, arXiv's archives, names with prefixes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from amalgam.errors import RequestError, listed, nearest
from amalgam.labelgraph.building import apart
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.texts import read_json

COARSE, FINE = "coarse", "fine"
ARCHIVE, CATEGORY = "archive", "category"
_ROOT = "root"


def from_superclasses(given: Path | Mapping[str, Sequence[str]], name: str = "superclasses") -> LabelGraph:
    """A graph of super-classes and their classes, such as CIFAR-100's.

    Args:
        given: super-class → its classes, or a JSON file of it.
        name: what the graph is called; a file's is the file's name.

    Returns:
        Sources, and groups, `coarse` and `fine`. A super-class that is called as a class is, `people`, becomes
        `people (coarse)`. A class of two super-classes stands below both.

    Raises:
        RequestError: anything but names with lists of names, a super-class without classes, or a class twice in one.
    """
    where = f"taxonomy {given}" if isinstance(given, Path) else f"taxonomy {name}"
    told: Mapping[str, Any] = read_json(given, "taxonomy") if isinstance(given, Path) else given
    if not told:
        raise RequestError(f"{where} is empty; expected super-classes with their classes")
    for upper, own in told.items():
        if isinstance(own, str) or not isinstance(own, Sequence) or not all(isinstance(one, str) for one in own):
            raise RequestError(f"{where}: {upper!r} is {own!r}, expected the list of its classes' names")
        if not own:
            raise RequestError(f"{where}: {upper!r} has no classes; list them, or leave it out")
        if len(set(own)) < len(own):
            raise RequestError(f"{where}: {upper!r} lists {listed(_twice(own))} twice; list each class once")
    fine = tuple(dict.fromkeys(one for own in told.values() for one in own))
    uppers = {upper: apart(upper, fine, COARSE) for upper in told}
    coarse, root = tuple(uppers.values()), apart(_ROOT, {*fine, *uppers.values()}, "of all")
    return LabelGraph(
        name=given.stem if isinstance(given, Path) else name,
        root=root,
        edges=(
            *((root, upper) for upper in coarse),
            *((uppers[upper], one) for upper, own in told.items() for one in own),
        ),
        groups={COARSE: coarse, FINE: fine},
        labels={COARSE: coarse, FINE: fine},
    )


def from_arxiv(path: Path, categories: Iterable[str] | None = None) -> LabelGraph:
    """A graph of arXiv's archives and categories.

    A category that arXiv calls otherwise by now stands for the category that it is: an archive of old (`cmp-lg` is
    `cs.CL`), or an alias (`cs.NA` is `math.NA`). `arxiv_aliases` says which, for `labels.aliases` of a recipe.

    Args:
        path: arXiv's taxonomy as JSON, with `archives`, `categories`, `archives_subsumed` and `category_aliases`.
        categories: which categories the graph has; by default all that papers can be in today.

    Returns:
        Sources, and groups, `archive` and `category`. A category keeps its name; an archive by whose name arXiv
        calls a category, too, such as `hep-th` or, of old, `astro-ph`, is called `hep-th (archive)`.

    Raises:
        RequestError: an unknown category, or a file that is no such taxonomy.
    """
    where = f"taxonomy {path}"
    content = read_json(path, "taxonomy")
    known = {key: _mapping(content, key, where) for key in ("archives", "categories")}
    aliases = _aliases(content, where)
    if categories is None:
        chosen = [one for one, about in known["categories"].items() if about.get("is_active") and one not in aliases]
    else:
        chosen = []
        for one in categories:
            if one not in known["categories"] and one not in aliases:
                hint = nearest(one, known["categories"])
                raise RequestError(
                    f"{where} has no category {one!r}{hint}; categories are named as `cs.CL` or `hep-th`"
                )
            chosen.append(aliases.get(one, one))
    if not chosen:
        raise RequestError(f"{where}: no category is asked for; name some")
    own, archives = tuple(dict.fromkeys(chosen)), dict[str, str]()
    for one in own:
        archive = known["categories"].get(one, {}).get("in_archive")
        if archive not in known["archives"]:
            raise RequestError(
                f"{where}: the category {one!r} is in the archive {archive!r}, which is none of `archives`"
            )
        archives[one] = apart(archive, known["categories"], ARCHIVE)
    uppers = tuple(dict.fromkeys(archives.values()))
    return LabelGraph(
        name=path.stem,
        root="arXiv",
        edges=(*(("arXiv", upper) for upper in uppers), *((archives[one], one) for one in own)),
        groups={ARCHIVE: uppers, CATEGORY: own},
        labels={ARCHIVE: uppers, CATEGORY: own},
    )


def arxiv_aliases(path: Path) -> dict[str, tuple[str, ...]]:
    """Category → its other names, as a recipe has them under `labels.aliases`.

    Args:
        path: arXiv's taxonomy as JSON.

    Raises:
        RequestError: a file that is no such taxonomy.
    """
    found = dict[str, list[str]]()
    for other, category in _aliases(read_json(path, "taxonomy"), f"taxonomy {path}").items():
        found.setdefault(category, []).append(other)
    return {category: tuple(others) for category, others in found.items()}


def from_names(names: Iterable[str], separator: str = ".", name: str = "names") -> LabelGraph:
    """A graph of names whose beginnings are kinds: `comp.sys.mac.hardware`, or `DESC:manner` with the separator `:`.

    Args:
        names: the labels, each once.
        separator: what stands between the parts of a name.
        name: what the graph is called.

    Returns:
        Sources, and groups, `fine`, the names, and `coarse`, their first parts. What lies between, such as `comp.sys`,
        is an augmented node of the group `level 2`, …, where several names go on from there; else it is left out, since
        it says what the name says. A beginning that is a name itself is called `misc (coarse)`, or `a.b (level 2)`.

    Raises:
        RequestError: no names, one twice, or one with an empty part.
    """
    own = tuple(names)
    if not own:
        raise RequestError(f"the taxonomy {name} has no names; list some")
    if twice := _twice(own):
        raise RequestError(f"the taxonomy {name} has {listed(twice)} twice; list each name once")
    if not separator:
        raise RequestError(f"the taxonomy {name} needs a separator between the parts of a name, such as `.`")
    parts = {one: one.split(separator) for one in own}
    for one, pieces in parts.items():
        if not all(piece.strip() for piece in pieces):
            raise RequestError(
                f"the taxonomy {name}: {one!r} has an empty part; expected words with {separator!r} between"
            )
    goes_on = dict[str, set[str]]()  # beginning → what comes next
    for pieces in parts.values():
        for length in range(1, len(pieces) + 1):
            goes_on.setdefault(separator.join(pieces[:length]), set()).add(separator.join(pieces[: length + 1]))
    root = apart(_ROOT, goes_on, "of all")
    edges, groups = dict[tuple[str, str], None](), dict[str, dict[str, None]]()
    for one, pieces in parts.items():
        begun = [separator.join(pieces[:length]) for length in range(1, len(pieces) + 1)]
        if one in begun[1:] and len(goes_on[one]) == 1:
            begun = begun[:-1]
        kept = [begun[0], *(upper for upper in begun[1:] if len(goes_on[upper]) > 1)]
        inner = [apart(upper, parts, _level(depth)) for depth, upper in enumerate(kept, 1)]
        for depth, upper in enumerate(inner, 1):
            groups.setdefault(_level(depth), {})[upper] = None
        edges |= dict.fromkeys(pairwise([root, *inner, one]))
    every = {group: tuple(nodes) for group, nodes in groups.items() if len(nodes) > 1 or group == COARSE}
    labels = {COARSE: tuple(groups[COARSE]), FINE: own}
    return LabelGraph(name=name, root=root, edges=tuple(edges), groups={**every, FINE: own}, labels=labels)


def _level(depth: int) -> str:
    return COARSE if depth == 1 else f"level {depth}"


def _twice(names: Sequence[str]) -> list[str]:
    return [one for one in dict.fromkeys(names) if names.count(one) > 1]


def _aliases(content: Mapping[str, Any], where: str) -> dict[str, str]:
    """Other name → the category that it is."""
    return {**_mapping(content, "archives_subsumed", where), **_mapping(content, "category_aliases", where)}


def _mapping(content: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    found = content.get(key)
    if not isinstance(found, dict):
        raise RequestError(
            f"{where} has no mapping `{key}`; expected arXiv's taxonomy, with the categories by their names"
        )
    return found
