"""The tables there are, by name or path."""

from __future__ import annotations

from pathlib import Path

from amalgam.anchors import OF_FILES, anchor_files, anchored, anchored_file
from amalgam.bench.graph_table import GraphTable
from amalgam.bench.rank_table import RankTable
from amalgam.bench.row_table import RowTable
from amalgam.bench.table import Table
from amalgam.bench.transfer_table import TransferTable
from amalgam.bench.word_table import WordTable
from amalgam.errors import RequestError, nearest
from amalgam.schema import parse, read_yaml
from amalgam.shelf import names, shelf
from amalgam.training.settings import Training


def tables() -> list[str]:
    """The names of the tables on the shelf."""
    return names("recipes/papers")


def read_table(name: str) -> Table:
    """A table by name or path.

    Paths of data are relative to the file, or else to the folder where the user is; they come back absolute.

    Raises:
        RequestError: no such table, or the first key that is wrong.
    """
    path = Path(name)
    if not path.is_file():
        known = tables()
        if name not in known:
            raise RequestError(f"no table {name!r}{nearest(name, known)} (built in: {', '.join(known)}; or a file)")
        path = shelf("recipes/papers") / f"{name}.yaml"
    where = f"table {path.name}"
    content = read_yaml(path, "table")
    settings, methods = content.get("settings"), content.get("methods")
    for folder in (path.parent, Path.cwd()):
        _anchor(settings, folder)
        for one in methods.values() if isinstance(methods, dict) else ():
            anchor_files(one.get("strategy") if isinstance(one, dict) else None, OF_FILES, folder)
    table = parse(_kind(settings), content, where)
    for kind in ("teacher_training", "training") if isinstance(table, RowTable) else ("training",):
        common = getattr(table, kind)
        parse(Training, common, f"{where}, {kind}")
        for key, setting in table.settings.items():
            parse(Training, {**common, **setting.training}, f"{where}, settings.{key}.training")
        if table.quick is not None:
            parse(Training, {**common, **table.quick.training}, f"{where}, quick.training")
    return table


def _kind(settings: object) -> type[Table]:
    """The kind of table that has such settings."""
    kinds: dict[str, type[Table]] = {
        "targets": RankTable, "shots": TransferTable, "sources": WordTable, "graph": GraphTable,
    }  # fmt: skip
    return next((kind for key, kind in kinds.items() if _has(settings, key)), RowTable)


def _has(settings: object, key: str) -> bool:
    """Whether any setting has a key that only those of one kind of table have."""
    return isinstance(settings, dict) and any(isinstance(one, dict) and key in one for one in settings.values())


def _anchor(settings: object, folder: Path) -> None:
    """Make the data paths of settings absolute that exist in a folder."""
    for setting in settings.values() if isinstance(settings, dict) else ():
        if isinstance(setting, dict):
            options = setting.get("options")
            sources = setting.get("sources")
            targets = setting.get("targets")
            for named in (one for one in (sources, targets) if isinstance(targets, dict) and isinstance(one, dict)):
                for one in named.values():
                    if isinstance(one, dict) and "source" in one:
                        one["source"] = anchored(one["source"], folder)
            if isinstance(sources, dict) and targets is None:
                sources.update({name: anchored_file(spec, folder) for name, spec in sources.items()})
            anchor_files(setting.get("vocabulary"), ("words",), folder)
            for strategy in (setting.get("methods") or {}).values() if isinstance(setting.get("methods"), dict) else ():
                anchor_files(strategy, OF_FILES, folder)
            joined = [*(setting.get("join") or ()), *(sources if isinstance(sources, list) else ())]
            further = [one for one in joined if isinstance(one, dict)]
            anchor_files(setting, ("graph",), folder)
            paths = [(setting, "data"), (setting, "held_out"), (options, "xml"), *((one, "source") for one in further)]
            for where, key in paths:
                if isinstance(where, dict) and key in where:
                    where[key] = anchored(where[key], folder)
