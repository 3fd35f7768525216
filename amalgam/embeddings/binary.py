"""Embeddings as word2vec writes them in binary: a header, then each word, a blank, and its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from amalgam.embeddings.entries import Block, Floats
from amalgam.embeddings.lines import Header
from amalgam.errors import RequestError

_BLOCK = 2**22  # bytes read at once
_NO_WORD = re.compile(rb"[\x00-\x1f]")  # but where numbers are read as a word
_LONGEST = 2**12  # bytes of a word; a longer one is no word, but numbers that were read at the wrong place


def blocks(path: Path, stream: IO[bytes], header: Header) -> Iterator[Block]:
    """The entries of a binary file, little-endian single precision.

    Args:
        path: the file, for messages.
        stream: its content after the header.
        header: what that said; unlike a text file's it must be true, since nothing else tells where the file ends.

    Raises:
        RequestError: it ends before the last word that it promises, goes on after it, or has no end of a word.
    """
    size, held, done = 4 * header.dimensions, b"", 0
    while done < header.words:
        data = stream.read(_BLOCK)
        held += data
        words, vectors, at = list[bytes](), list[Floats](), 0
        while done + len(words) < header.words:
            blank = held.find(b" ", at, at + _LONGEST)
            if blank < 0 and len(held) - at >= _LONGEST:
                raise RequestError(
                    f"{path} is damaged: entry {done + len(words) + 1} is no word that ends within {_LONGEST} bytes"
                )
            if blank < 0 or blank + 1 + size > len(held):
                break
            word = held[at:blank].lstrip(b"\n")
            if _NO_WORD.search(word):
                raise RequestError(
                    f"{path}: entry {done + len(words) + 1} begins with {word[:20]!r}, which is no word; the one "
                    "before it may be of several words, whose end nothing tells: write blanks as underscores, or "
                    "all as text"
                )
            words.append(word)
            vectors.append(np.frombuffer(held, "<f4", header.dimensions, blank + 1))
            at = blank + 1 + size
        if words:
            places = range(done + 1, done + 1 + len(words))
            yield Block(words, np.stack(vectors), places)
            done += len(words)
        held = held[at:]
        if not data and done < header.words:
            raise RequestError(
                f"{path} is cut short: its header promises {header.words:,} words, and it ends within entry "
                f"{done + 1:,}; fetch the file again"
            )
    if (held + stream.read(2)).strip(b"\n"):
        raise RequestError(
            f"{path} goes on after the {header.words:,} words that its header promises; its header or the form it is "
            "read as is wrong"
        )
