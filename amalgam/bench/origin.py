"""What the numbers of a cell follow from, as fingerprints: the code, what its table asks for, and the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amalgam import datasets, run, wordtests
from amalgam.anchors import OF_FILES
from amalgam.bench.graph_table import GraphTable, Pair
from amalgam.bench.ground import within
from amalgam.bench.rank_table import Collection, RankTable
from amalgam.bench.row_table import RowTable, Setting
from amalgam.bench.table import Table
from amalgam.bench.transfer_table import Crossing, TransferTable
from amalgam.bench.word_table import Panel, WordTable
from amalgam.embeddings import specs as embeddings
from amalgam.errors import RequestError
from amalgam.fingerprint import fingerprint, of_code, of_file
from amalgam.labelgraph import specs

SHOWING = {
    "__main__", "api", "cli", "compare", "doctor", "edge", "explain", "figures", "finished", "hub", "known",
    "modelcard", "page", "progress", "report", "results", "sheets", "views", "wordreport",
    "bench.comparison", "bench.conduct", "bench.costs", "bench.curves", "bench.diagram", "bench.folder", "bench.notes",
    "bench.origin", "bench.pages", "bench.scope", "bench.shown", "bench.significance", "bench.standing", "bench.tasks",
    "bench.terminal", "bench.verdict", "bench.words", "labelgraph.drawing", "labelgraph.picture", "ranking.bubbles",
}  # fmt: skip
"""Rooms, and modules of others, that order, keep, show or draw and have no part in a cell's numbers."""


@dataclass(frozen=True)
class Origin:
    """Fingerprints of what a cell follows from, beside its seed.

    Attributes:
        code: the modules and libraries that compute it.
        table: what its table asks for.
        data: the files that its rows are read from.
    """

    code: str
    table: str
    data: str


def origins(table: Table) -> dict[str, Origin]:
    """Setting → what its cells follow from now.

    Raises:
        RequestError: the data of a setting is not there.
    """
    code, known, where = computed_by(), dict[Path, str](), f"table {table.name}, setting "
    if isinstance(table, WordTable):
        return {
            name: Origin(code, asked_of_words(table, panel), read_of_words(table, panel, where + name, known))
            for name, panel in table.settings.items()
        }
    if isinstance(table, RowTable):
        return {
            name: Origin(code, asked(table, setting), read_from(setting, where + name, known))
            for name, setting in table.settings.items()
        }
    if isinstance(table, GraphTable):
        return {
            name: Origin(code, asked_of_graph(table, pair), read_of_pair(pair, where + name, known))
            for name, pair in table.settings.items()
        }
    if isinstance(table, TransferTable):
        return {
            name: Origin(code, asked_of_transfer(table, one), read_of_crossing(one, where + name, known))
            for name, one in table.settings.items()
        }
    if isinstance(table, RankTable):
        return {
            name: Origin(code, asked_of_ranks(table, one), read_of_collection(one, where + name, known))
            for name, one in table.settings.items()
        }
    raise TypeError(f"a {type(table).__name__} is no table that is known here")


def computed_by() -> str:
    """The fingerprint of the modules that a cell's numbers may depend on, and of the libraries' versions."""
    package = Path(__file__).parents[1]
    paths = (path.relative_to(package).with_suffix("") for path in package.rglob("*.py"))
    modules = sorted(name for name in (".".join(path.parts) for path in paths) if counts(name))
    return fingerprint(of_code(*(f"amalgam.{name}" for name in modules)), run.versions())


def counts(module: str) -> bool:
    """Whether a cell's numbers may depend on a module, `strategies.ant`."""
    return not {module, module.partition(".")[0]} & SHOWING


def asked(table: RowTable, setting: Setting) -> str:
    """The fingerprint of what a table asks for in a setting: nothing that is only shown, and no published number.

    The order of the methods counts: their students are trained together.
    """
    return fingerprint(
        {
            "methods": [[key, method.strategy, setting.methods.get(key)] for key, method in table.methods.items()],
            "exclusive": table.exclusive,
            "labelled": setting.labelled,
            "test": table.test,
            "apart": table.apart,
            "teacher": table.teacher,
            "teachers": setting.model_dump(include={"teachers"}),
            "teacher_training": {**table.teacher_training, **setting.training},
            "student": table.student_of(setting),
            "training": {**table.training, **setting.training},
            "options": setting.options.model_dump(exclude={"xml"}),  # a file, which is part of the data
        }
    )


def read_from(setting: Setting, where: str, known: dict[Path, str]) -> str:
    """The fingerprint of the files that a setting's rows are read from, by name and content, wherever they lie.

    What is built in comes with a library, whose version counts as code.

    Args:
        setting: the setting.
        where: who asks, for messages.
        known: file → its fingerprint, to which those that are read now are added.

    Raises:
        RequestError: no such data, or a file that cannot be read.
    """
    with within(where):
        files = datasets.files(setting.data, setting.options)
        return fingerprint(_contents(files, known) or setting.data)


_OF_WALKS = {"student", "training", "alone", "without"}


def asked_of_graph(table: GraphTable, pair: Pair) -> str:
    """The fingerprint of what a table of label graphs asks for in a setting; as `asked`."""
    content: dict[str, object] = {
        "methods": {
            key: [_without_files(one.strategy), pair.methods.get(key), one.model_dump(include=_OF_WALKS)]
            for key, one in table.methods.items()
        },
        "pair": pair.model_dump(include={"parts", "shows", "target", "aliases", "held_out"}),
        "options": pair.options.model_dump(exclude={"xml"}),
        "join": [[one.options.model_dump(), one.labelled] for one in pair.join],
        "names": [Path(spec).name for spec in (pair.data, pair.held_out or "", *(one.source for one in pair.join))],
        "graph": specs.find(pair.graph).model_dump(mode="json"),
        "student": table.student_of(pair),
        "training": {**table.training, **pair.training},
    }
    return fingerprint(content)


def read_of_pair(pair: Pair, where: str, known: dict[Path, str]) -> str:
    """The fingerprint of the files of a pair's data; as `read_from`."""
    with within(where):
        named = [(pair.data, pair.options), *((one.source, one.options) for one in pair.join)]
        named += [(pair.held_out, pair.options)] if pair.held_out is not None else []
        return _read(named, known)


def asked_of_transfer(table: TransferTable, crossing: Crossing) -> str:
    """The fingerprint of what a table of transfers asks for in a setting; as `asked`."""
    content: dict[str, object] = {
        "methods": {key: [one.strategy, crossing.methods.get(key), one.training] for key, one in table.methods.items()},
        "crossing": crossing.model_dump(include={"shots", "test"}),
        "options": crossing.options.model_dump(exclude={"xml"}),
        "sources": [[one.options.model_dump(), one.labelled] for one in crossing.sources],
        "names": [Path(spec).name for spec in (crossing.data, *(one.source for one in crossing.sources))],
        "student": table.student_of(crossing),
        "pretraining": table.pretraining,
        "training": {**table.training, **crossing.training},
    }
    return fingerprint(content)


def read_of_crossing(crossing: Crossing, where: str, known: dict[Path, str]) -> str:
    """The fingerprint of the files of a target and its sources; as `read_from`."""
    with within(where):
        named = [(crossing.data, crossing.options), *((one.source, one.options) for one in crossing.sources)]
        return _read(named, known)


def asked_of_ranks(table: RankTable, collection: Collection) -> str:
    """The fingerprint of what a table of rankings asks for in a setting; as `asked`."""
    named = {**collection.sources, **{f"target {name}": one for name, one in collection.targets.items()}}
    content: dict[str, object] = {
        "methods": {key: one.strategy for key, one in table.methods.items()},
        "collection": collection.model_dump(include={"shots", "test"}),
        "data": {name: [Path(one.source).name, one.options.model_dump(exclude={"xml"})] for name, one in named.items()},
        "student": table.student_of(collection),
        "pretraining": [table.pretraining, table.epochs],
        "training": {**table.training, **collection.training},
    }
    return fingerprint(content)


def read_of_collection(collection: Collection, where: str, known: dict[Path, str]) -> str:
    """The fingerprint of the files of all sources and targets; as `read_from`."""
    with within(where):
        every = (*collection.sources.values(), *collection.targets.values())
        return _read([(one.source, one.options) for one in every], known)


def _read(named: list[tuple[str, datasets.DataOptions]], known: dict[Path, str]) -> str:
    """The fingerprint of the files of several data sets, and of the names of those that have none."""
    files = {spec: datasets.files(spec, options) for spec, options in named}
    every = [file for own in files.values() for file in own]
    return fingerprint(_contents(every, known), [spec for spec, own in files.items() if not own])


def asked_of_words(table: WordTable, panel: Panel) -> str:
    """The fingerprint of what a table of words asks for in a panel; each method is computed by itself."""
    return fingerprint(
        {
            "methods": {
                key: [_without_files(one.strategy), one.training, _without_files(panel.methods.get(key, {}))]
                for key, one in table.methods.items()
            },
            "sources": list(panel.sources),
            "vocabulary": panel.vocabulary.model_dump(exclude={"words"}),  # a file, which is part of the data
            "tests": panel.tests,
            "least": {key: one.least for key, one in table.methods.items()},
            "student": table.student_of(panel),
            "training": {**table.training, **panel.training},
        }
    )


def _without_files(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """A strategy's settings without the files of pairs, which are part of the data."""
    return {key: value for key, value in strategy.items() if key not in OF_FILES}


def read_of_words(table: WordTable, panel: Panel, where: str, known: dict[Path, str]) -> str:
    """The fingerprint of a panel's sources, of its tests and of methods' pairs, by content; as `read_from`."""
    with within(where):
        files = [file for spec in panel.sources.values() for file in embeddings.files_of(spec)]
        files += [wordtests.find(test).require() for test in panel.tests]
        files += [panel.vocabulary.words] if panel.vocabulary.words is not None else []
        for key, one in table.methods.items():
            strategy = {**one.strategy, **panel.methods.get(key, {})}
            files += [Path(strategy[file]) for file in OF_FILES if strategy.get(file) is not None]
        return fingerprint(_contents(files, known))


def _contents(files: Iterable[Path], known: dict[Path, str]) -> list[list[str]]:
    """Files by name and content."""
    found = list[list[str]]()
    for path in files:
        try:
            known[path] = known.get(path) or of_file(path)
        except OSError as error:
            raise RequestError(f"data {path} cannot be read: {error.strerror}") from None
        found.append([path.name, known[path]])
    return found
