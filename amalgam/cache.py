"""The store from outside: what it holds, and clearing it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from filelock import FileLock, Timeout

from amalgam import files
from amalgam.errors import RequestError
from amalgam.store import CARD, KEY, Kind, belongings, home, read_card, usable


@dataclass(frozen=True)
class Item:
    """An entry of the store, for a listing.

    Attributes:
        kind: what is kept.
        key: its fingerprint.
        size: in bytes.
        about: what its card says of it; nothing when it has no card.
        last_used: when it was last opened.
        finished: whether it has its card.
    """

    kind: Kind
    key: str
    size: int
    about: Mapping[str, Any]
    last_used: datetime
    finished: bool


@dataclass(frozen=True)
class Cleared:
    """What a clearing did.

    Attributes:
        freed: in bytes.
        entries: how many entries went.
        busy: `kind/key` of the entries that another process is at; they were left.
    """

    freed: int
    entries: int
    busy: tuple[str, ...]


def listing() -> list[Item]:
    """Every entry of the store, finished or not."""
    return [_item(kind, key) for kind in get_args(Kind) for key in _keys(kind)]


def clear(kind: Kind | None = None, key: str | None = None) -> Cleared:
    """Remove entries; links are removed, never followed.

    Args:
        kind: only this kind.
        key: only this key.

    Raises:
        RequestError: no entry has that key, or the store cannot be written to.
    """
    kinds: tuple[Kind, ...] = get_args(Kind) if kind is None else (kind,)
    wanted = [(each, one) for each in kinds for one in _keys(each) if key in (None, one)]
    if key is not None and not wanted:
        raise RequestError(f"the store {home()} has no entry {key!r}; `amalgam cache` lists what it has")
    freed, busy = 0, []
    for each, one in wanted:
        with usable(home()):
            try:
                with FileLock(home() / each / f"{one}.lock", timeout=0):
                    freed += sum(_size(path) for path in belongings(each, one))
                    for path in belongings(each, one):
                        files.remove(path)
            except Timeout:
                busy.append(f"{each}/{one}")
    return Cleared(freed, len(wanted) - len(busy), tuple(busy))


def _keys(kind: Kind) -> list[str]:
    """The keys of which the store holds something, be it a draft.

    Only what has a lock file is the store's: a folder that somebody keeps at the same place is not listed, nor cleared.
    """
    parent = home() / kind
    if not parent.resolve().is_relative_to(home().resolve()):
        return []
    keys = sorted(path.stem for path in parent.glob("*.lock"))
    return [key for key in keys if KEY.fullmatch(key) and belongings(kind, key)]


def _item(kind: Kind, key: str) -> Item:
    folder = home() / kind / key
    about, used = read_card(folder).get("about"), 0.0
    for path in (folder, folder / CARD):
        with suppress(FileNotFoundError):
            used = path.stat().st_mtime
    return Item(
        kind,
        key,
        sum(_size(path) for path in belongings(kind, key)),
        about if isinstance(about, dict) else {},
        datetime.fromtimestamp(used, UTC),
        (folder / CARD).is_file(),
    )


def _size(path: Path) -> int:
    """The bytes of the files in a folder; links are not followed, files that vanish meanwhile count nothing."""
    size = 0
    for folder, _, names in os.walk(path) if not path.is_symlink() else ():
        for name in names:
            with suppress(FileNotFoundError):
                size += os.lstat(os.path.join(folder, name)).st_size
    return size
