"""The store: what teachers said and what students learn, on disk, computed once per fingerprint.

    votes/<key>/00000/scores.npy    one folder a chunk of rows, one file an array
    votes/<key>/00000/SHA256SUMS    `sha256sum -c` agrees
    votes/<key>/card.json           what it is; written last, so it is there only when every chunk is
    teachers/<key>/...              a trained teacher's files, with a card and sums of their own

It is readable without amalgam: `np.concatenate([np.load(file) for file in sorted(folder.glob("*/scores.npy"))])`.
A chunk or folder is written to a draft, summed, flushed and renamed into place, so it is whole or absent; one that no
longer agrees with its sums is never used. Every entry has a lock file, which stays when the entry goes: removing it
would let two processes hold two locks of one name.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from amalgam import __version__, files
from amalgam.chunked import COUNT, Array, ChunkedArray, Layout, chunk_folder, differ, read_chunk, write_chunk
from amalgam.errors import RequestError
from amalgam.fingerprint import FORMAT
from amalgam.progress import Bar, Silent

CHUNK = 4096
"""How many rows lie in one file."""

CARD = "card.json"
KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
Kind = Literal["teachers", "votes", "targets", "vectors"]
_QUIET: Bar = Silent()


def home() -> Path:
    """Where the store lies: `$AMALGAM_HOME`, else the platform's cache directory."""
    chosen = os.environ.get("AMALGAM_HOME")
    return Path(chosen).expanduser().absolute() if chosen else user_cache_path("amalgam")


@dataclass(frozen=True)
class Stored:
    """An entry whose every chunk is there and was verified.

    Attributes:
        folder: where it lies.
        rows: N.
        arrays: the arrays, one row a row, by name.
        computed: chunks computed now, the repaired ones among them.
        reused: chunks found and verified.
        repaired: chunks that were there once and were damaged or gone.
        waited: another process held the entry first.
    """

    folder: Path
    rows: int
    arrays: Mapping[str, ChunkedArray]
    computed: int
    reused: int
    repaired: int
    waited: bool

    @property
    def counts(self) -> list[str]:
        """The names of the `count.` arrays."""
        return sorted(path.stem for path in chunk_folder(self.folder, 0).glob(f"{COUNT}*.npy"))

    def whole(self, name: str) -> Array:
        """The array (N, ...) of a name, in memory."""
        return self.arrays[name][:]

    def total(self, name: str) -> Array:
        """The sum over all chunks of a `count.` array."""
        chunks = range(self.computed + self.reused)
        counts = [np.load(chunk_folder(self.folder, number) / f"{name}.npy", allow_pickle=False) for number in chunks]
        return np.asarray(np.sum(counts, axis=0))


def fill(
    kind: Kind,
    key: str,
    rows: int,
    produce: Callable[[slice], Mapping[str, Array]],
    *,
    about: Mapping[str, object],
    bar: Bar = _QUIET,
) -> Stored:
    """The entry of a key: what is there and whole is reused, the rest is computed, chunk by chunk.

    A killed run continues at its first missing chunk. A second process that wants the same key waits, then reuses.

    Args:
        kind: what is kept.
        key: the fingerprint of everything that the arrays depend on.
        rows: N.
        produce: asked for a slice of rows, gives named arrays with one row a row, always the same names; arrays named
            `count.…` have no rows: they are facts that add up over the chunks.
        about: what a reader of the card wants to know, as plain JSON.
        bar: told of each chunk's rows.

    Raises:
        RequestError: the store cannot be written to, or the key is none.
        WorkError: the disk is full; the finished chunks are kept.
        ValueError: `produce` broke its promise.
    """
    json.dumps(about)  # before the work, not after it
    with _locked(kind, key, bar) as (folder, waited):
        card = folder / CARD
        finished = card.is_file()
        layouts: list[Layout] = []
        computed = repaired = 0
        for number, start in enumerate(range(0, max(rows, 1), CHUNK)):
            where = slice(start, min(start + CHUNK, rows))
            path, height = chunk_folder(folder, number), where.stop - where.start
            layout = read_chunk(path, height)
            if layout is None or differ(layout, layouts):
                lost = finished or os.path.lexists(path)
                card.unlink(missing_ok=True)  # the entry is no longer whole
                files.remove(path)
                layout = write_chunk(path, height, produce(where), layouts)
                computed, repaired = computed + 1, repaired + lost
                bar.advance(height, "a damaged chunk was computed again" if lost else "")
            else:
                bar.advance(height, "found in the store")
            layouts.append(layout)
        shapes = {name: {"dtype": one.dtype.str, "shape": list(one.shape)} for name, one in layouts[0].items()}
        content = {"rows": rows, "chunk": CHUNK, "chunks": len(layouts), "arrays": shapes}
        if not content.items() <= read_card(folder).items():
            _write_card(folder, kind, key, about, content)
        os.utime(card)  # last used
        arrays = _arrays(folder, rows, layouts)
        return Stored(folder, rows, arrays, computed, len(layouts) - computed, repaired, waited)


def _arrays(folder: Path, rows: int, layouts: Sequence[Layout]) -> dict[str, ChunkedArray]:
    return {
        name: ChunkedArray(
            folder, name, (rows, *one.shape), one.dtype, CHUNK, tuple(each[name].offset for each in layouts)
        )
        for name, one in layouts[0].items()
        if not name.startswith(COUNT)
    }


def ready() -> None:
    """Refuse a store that cannot be written to before any work is done for it."""
    with usable(home()):
        home().mkdir(parents=True, exist_ok=True)


def folder(kind: Kind, key: str) -> Path | None:
    """The folder that `put_folder` wrote for a key, when it is there and whole."""
    path = home() / kind / key
    return path if files.is_whole(path) else None


def put_folder(
    kind: Kind, key: str, write: Callable[[Path], None], about: Mapping[str, object], bar: Bar = _QUIET
) -> Path:
    """The folder of a key: the one that is there when it is whole, else a new one.

    Args:
        kind: what is kept.
        key: the fingerprint of everything that the files depend on.
        write: puts the files into an empty folder.
        about: what a reader of the card wants to know, as plain JSON.
        bar: told when another process is at it, and when the folder was damaged.

    Raises:
        RequestError: the store cannot be written to, or the key is none.
        WorkError: the disk is full.
    """
    json.dumps(about)
    with _locked(kind, key, bar) as (folder, _):
        if not files.is_whole(folder):
            if folder.exists():
                bar.advance(0, "a damaged folder is made again")
                files.remove(folder)
            with files.draft_folder(folder) as draft:
                write(draft)
                _write_card(draft, kind, key, about, {})
                files.seal(draft)
        os.utime(folder / CARD)
        return folder


@contextmanager
def _locked(kind: Kind, key: str, bar: Bar) -> Iterator[tuple[Path, bool]]:
    """The folder of an entry, which no other process touches meanwhile, and whether it had to be waited for."""
    if not KEY.fullmatch(key):
        raise RequestError(f"{key!r} is no key of the store; a key is made of letters, digits, - and _")
    root = home()
    folder = root / kind / key
    with usable(root):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.resolve().is_relative_to(root.resolve()):
            raise RequestError(f"{kind}/{key} of the store {root} is a link that leads out of it; remove the link")
        if not os.access(folder if folder.exists() else folder.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        lock = FileLock(folder.parent / f"{key}.lock")
        waited = not _acquired(lock, 0)
    while waited and not _acquired(lock, 1):
        bar.advance(0, "waits for another process that is at the same work")
    try:
        for path in [*belongings(kind, key), *folder.glob(".*.draft*")]:
            if path.name.startswith("."):  # a killed process left it
                files.remove(path)
        yield folder, waited
    finally:
        lock.release()


@contextmanager
def usable(root: Path) -> Iterator[None]:
    """A store that cannot be written to, met by the body, becomes a RequestError; a full disk a WorkError."""
    try:
        with files.full_disk(root):
            yield
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise RequestError(
            f"the store {root} cannot be used: {why}; set AMALGAM_HOME to a folder you can write to"
        ) from None


def _acquired(lock: FileLock, seconds: float) -> bool:
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        return False
    return True


def _write_card(folder: Path, kind: Kind, key: str, about: Mapping[str, object], content: Mapping[str, object]) -> None:
    card = {
        "format": FORMAT,
        "kind": kind,
        "key": key,
        **content,
        "about": about,
        "versions": {"amalgam": __version__, "numpy": np.__version__, "torch": version("torch")},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    files.write_text(folder / CARD, json.dumps(card, indent=1) + "\n")


def read_card(folder: Path) -> dict[str, Any]:
    """The card of an entry; nothing when it is absent or damaged."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def belongings(kind: Kind, key: str) -> list[Path]:
    """The folder of an entry and the drafts beside it, as far as they are there."""
    parent = home() / kind
    entry = [parent / key] if (parent / key).is_symlink() or (parent / key).is_dir() else []
    return [*entry, *parent.glob(f".{key}.*.draft")]
