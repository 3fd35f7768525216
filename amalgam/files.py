"""Files that are whole or absent, and paths that cannot escape."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amalgam.errors import RequestError, WorkError

_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up", errno.EFBIG: "the file is too large"}


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A path to write to; on success it is flushed and renamed to `path`, on failure it is removed.

    Raises:
        WorkError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=f".draft{path.suffix}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise WorkError(
            f"{path} could not be written: {_FULL[error.errno]}; free some space, or point the command elsewhere "
            "(--out, AMALGAM_HOME), and run it again: what is finished is kept"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with draft(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def inside(folder: Path, name: str, what: str) -> Path:
    """`folder / name`, refused when it leads out of the folder.

    Args:
        folder: where the file must lie.
        name: a relative path that somebody else wrote (a card, an archive).
        what: who names it, for messages ("card x").
    """
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise RequestError(f"{what} names {name!r}, which leads out of {folder}; keep the file beside it")
    return path
