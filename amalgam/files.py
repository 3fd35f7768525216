"""Files and folders that are whole or absent, and paths that cannot escape."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amalgam.errors import RequestError, WorkError
from amalgam.fingerprint import of_file

_SUMS = "SHA256SUMS"
_FOLDERS = re.compile(r"(?:^|(?<=[:@=]))(?!//)(?:[A-Za-z]:(?=[/\\]))?[/\\~][^@?&]*[/\\]")
_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is too large",
}


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """A full disk, met while `path` is written, becomes a sentence.

    Raises:
        WorkError: the disk is full.
    """
    try:
        yield
    except Exception as error:
        why = _why_full(error)
        if why is None:
            raise
        raise WorkError(
            f"{path} could not be written: {why}; free some space, or point the command elsewhere "
            "(--out, AMALGAM_HOME), and run it again: what is finished is kept"
        ) from None


@contextmanager
def writable(path: Path, instead: str = "a file in a folder of yours") -> Iterator[None]:
    """A place where nothing can be written, met while `path` is made, becomes a sentence.

    Args:
        path: what the user asked to be written.
        instead: what to name instead, for the message.

    Raises:
        RequestError: it is no place to write to.
    """
    try:
        yield
    except (PermissionError, NotADirectoryError, FileExistsError, FileNotFoundError, IsADirectoryError) as error:
        raise RequestError(f"{path} cannot be written ({error.strerror}); name {instead}") from None


def _why_full(error: Exception) -> str | None:
    if isinstance(error, OSError) and error.errno is not None:
        return _FULL.get(error.errno)
    text = str(error)
    for number, why in _FULL.items():
        if f"(os error {number})" in text:  # safetensors
            return why
    # numpy's tofile and torch's zip writer lose the number of the error
    if (isinstance(error, OSError) and " requested and " in text) or "inline_container.cc" in text:
        return "the disk is full or a limit is reached"
    return None


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A path to write to; on success it is flushed and renamed to `path`, on failure it is removed.

    Raises:
        WorkError: the disk is full.
    """
    with full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=f".draft{path.suffix}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            _flush(temporary)
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """A folder to fill; on success its files are flushed and it is renamed to `path`, on failure it is removed.

    Args:
        path: where the folder goes; nothing may be there.

    Raises:
        WorkError: the disk is full.
    """
    with full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".draft", dir=path.parent))
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _flush(file)
            temporary.chmod(0o755)
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _flush(path: Path) -> None:
    with path.open("r+b") as written:
        os.fsync(written.fileno())


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

    Raises:
        RequestError: it leads out of the folder, or is no path.
    """
    try:
        path = (folder / name).resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL character
        raise RequestError(f"{what} names {name!r}, which is no path of a file; name a file beside it") from None
    if not path.is_relative_to(folder.resolve()):
        raise RequestError(f"{what} names {name!r}, which leads out of {folder.resolve()}; keep the file beside it")
    return path


def without_folders(spec: str) -> str:
    """A path, or a SPEC with paths in it, without the folders of those that are absolute, which are nobody's business.

    `onnx:/home/me/birds.onnx@labels.txt` becomes `onnx:birds.onnx@labels.txt`.
    """
    return _FOLDERS.sub("", spec)


def _sums(folder: Path) -> str:
    """The SHA-256 of every file in a folder, as sha256sum writes them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / _SUMS)
    return "".join(f"{of_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths)


def seal(folder: Path) -> None:
    """Write beside the files of a folder what they sum to: `sha256sum -c SHA256SUMS` agrees."""
    (folder / _SUMS).write_text(_sums(folder), encoding="utf-8")


def is_whole(folder: Path) -> bool:
    """Whether a folder holds the very files it was sealed with."""
    try:
        return (folder / _SUMS).read_text(encoding="utf-8") == _sums(folder)
    except (OSError, UnicodeDecodeError):
        return False


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
