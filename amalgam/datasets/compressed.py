"""Files that may be compressed or lie in a ZIP archive, read as a stream; a damaged one is named, whatever reads it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TextIO

from amalgam.errors import RequestError, listed, nearest

_OPENERS: dict[str, Any] = {".xz": lzma.open, ".bz2": bz2.open, ".gz": gzip.open}


def archive_of(path: Path) -> Path | None:
    """The ZIP archive that a path leads into: `texts.zip` of `texts.zip/part/train.txt`."""
    return next((one for one in path.parents if one.suffix == ".zip" and one.is_file()), None)


def plain_name(path: Path) -> str:
    """The file's name without `.xz`, `.bz2` or `.gz`."""
    return path.stem if path.suffix in _OPENERS else path.name


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's content as a stream of bytes, decompressed on the way.

    Raises:
        RequestError: while it is opened or read: no such file, cut short, damaged, or (text) not UTF-8.
    """
    try:
        archive = archive_of(path)
        with _member(archive, path) if archive is not None else _OPENERS.get(path.suffix, open)(path, "rb") as stream:
            yield stream
    except FileNotFoundError:
        raise RequestError(f"data {path}: no such file") from None
    except EOFError:
        raise RequestError(f"{path} is cut short: its {path.suffix} stream has no end; fetch the file again") from None
    except (lzma.LZMAError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError) as error:
        raise RequestError(f"{path} is damaged ({error}); fetch the file again") from None
    except UnicodeDecodeError as error:
        raise RequestError(f"{path} is not UTF-8 text ({error.reason}); convert it to UTF-8") from None
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}") from None


@contextmanager
def opened_text(path: Path) -> Iterator[TextIO]:
    """The file's content as UTF-8 text, its line ends as they are; raises what `opened` raises."""
    with opened(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        yield text


@contextmanager
def _member(archive: Path, path: Path) -> Iterator[IO[bytes]]:
    """A member of a ZIP archive, read where it lies: nothing is written."""
    name = path.relative_to(archive).as_posix()
    with zipfile.ZipFile(archive) as whole:
        if name not in whole.namelist():
            files = [one for one in whole.namelist() if not one.endswith("/")]
            raise RequestError(f"{archive} has no member {name!r}{nearest(name, files)} (members: {listed(files)})")
        try:
            found = whole.open(name)
        except RuntimeError:  # a password is wanted, or a form of compression that Python does not know
            raise RequestError(f"{archive}: {name} is encrypted, or compressed in an unknown way; unpack it") from None
        with found as stream:
            yield stream
