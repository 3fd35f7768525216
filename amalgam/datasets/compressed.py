"""Files that may be compressed, read as a stream; a damaged one is named, whatever reads it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TextIO

from amalgam.errors import RequestError

_OPENERS: dict[str, Any] = {".xz": lzma.open, ".bz2": bz2.open, ".gz": gzip.open}


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
        with _OPENERS.get(path.suffix, open)(path, "rb") as stream:
            yield stream
    except FileNotFoundError:
        raise RequestError(f"data {path}: no such file") from None
    except EOFError:
        raise RequestError(f"{path} is cut short: its {path.suffix} stream has no end; fetch the file again") from None
    except (lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
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
