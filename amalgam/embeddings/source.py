"""A source of words and vectors, read once and then mapped into memory from the store."""

from __future__ import annotations

import io
import mmap
import zipfile
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amalgam import store
from amalgam.datasets.compressed import opened, plain_name
from amalgam.datasets.text import floats
from amalgam.embeddings import binary, lines
from amalgam.embeddings.entries import Block, Floats, Sieve, single
from amalgam.errors import RequestError
from amalgam.fingerprint import fingerprint, of_array, of_code, of_file
from amalgam.progress import Bar, Progress, Silent

_CODE = ("amalgam.embeddings.source", "amalgam.embeddings.entries", "amalgam.embeddings.lines",
         "amalgam.embeddings.binary", "amalgam.datasets.text")  # fmt: skip
_VECTORS, _WORDS, _NOTES = "vectors.npy", "words.txt", "notes.txt"
_FASTTEXT = (793712314).to_bytes(4, "little")  # how fastText's own models begin
_SNIFFED = 2**12  # bytes that a file is known by
_OF_NUMBERS = [bytes([sign]) for sign in b"0123456789.-+e \t\r\n"]
_MANY = 10**9  # rows, or columns; the header of any fewer is padded to the same length

Form = Literal["text", "binary", "npz"]


class Mapped(np.memmap[Any, Any]):
    """An array in a file that is mapped into memory, whose pages can be given back."""

    def forget(self) -> None:
        """Give all pages back; what is asked for again is read again, mostly from the system's cache."""
        mapping = getattr(self, "_mmap", None)  # numpy's, without a public name
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)


_SEEN = 64
"""Rows, far apart, that are looked at before a map is forgotten: each brings the pages about it along."""


@dataclass(frozen=True)
class Source:
    """Words and their vectors.

    Attributes:
        name: what it is called.
        words: V words, each once, in the file's order.
        vectors: (V, D), finite, none of zeros; mapped into memory where it was read from a file. Who reads much of
            them does so by `taken`.
        fingerprint: of both.
        notes: what was left out of the file, and what in it is not as it says.
        named: what the user named, of a file its name alone; empty where it was in memory.
        licence: of its vectors; None where it is unknown.
    """

    name: str
    words: Sequence[str]
    vectors: Floats
    fingerprint: str
    notes: tuple[str, ...] = field(default=())
    named: str = ""
    licence: str | None = None

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self.vectors.shape[1])

    def taken(self, rows: NDArray[np.int64] | slice) -> Floats:
        """A copy (n, D) of some rows; of what is mapped, the system may forget the rest, so that memory stays flat."""
        if isinstance(rows, slice):
            found = np.array(self.vectors[rows])
        elif not isinstance(self.vectors, Mapped):
            found = self.vectors[rows]
        else:
            found = np.empty((len(rows), self.dimensions), self.vectors.dtype)
            for start in range(0, len(rows), _SEEN):
                found[start : start + _SEEN] = self.vectors[rows[start : start + _SEEN]]
                self._forget()
        self._forget()
        return found

    def _forget(self) -> None:
        if isinstance(self.vectors, Mapped):
            self.vectors.forget()


def from_arrays(name: str, words: Sequence[str], vectors: Floats) -> Source:
    """A source in memory; what is unfit is left out, as of a file.

    Args:
        name: what it is called.
        words: V words.
        vectors: (V, D).

    Raises:
        RequestError: not a vector for each word, or no word is fit for use.
    """
    try:
        given = np.asarray(vectors)
    except ValueError:
        raise RequestError(f"source {name!r} has vectors of unlike lengths; expected as many numbers of each") from None
    if given.dtype.kind not in "fiu" or given.ndim != 2 or len(given) != len(words) or not len(words):
        raise RequestError(
            f"source {name!r} has {len(words)} words and vectors of the type {given.dtype} and shape {given.shape}; "
            "expected a row of numbers for each word"
        )
    numbers = np.ascontiguousarray(single(given))
    sieve = Sieve("entry")
    entries = Block([str(word).encode(errors="surrogatepass") for word in words], numbers, range(1, len(words) + 1))
    ((_, kept),) = sieve.fit([entries])
    if not sieve.seen:
        raise RequestError(f"source {name!r} has no word that is fit for use: {'; '.join(sieve.notes())}")
    own = tuple(sieve.seen)
    return Source(name, own, kept, fingerprint("source", of_array(kept), own), tuple(sieve.notes()))


def read(path: Path, name: str = "", form: Form | None = None, progress: Progress | None = None) -> Source:
    """The source in a file: word2vec's text and binary, GloVe's and fastText's text, or NPZ, also `.gz`, `.xz`, `.bz2`.

    It is read once: the store keeps it as one matrix, which is then mapped into memory, page by page as it is used.

    Args:
        path: the file. An `.npz` has the arrays `words` and `vectors`.
        name: what the source is called; by default the file's name without its ending.
        form: what the file is; by default what it looks like.
        progress: who shows the reading.

    Raises:
        RequestError: no such file, none of these forms, or an entry that is not like the others, by its line.
    """
    if not path.is_file():
        raise RequestError(f"embeddings {path}: no such file")
    called = name or Path(plain_name(path)).stem
    shown = progress or Silent()
    key = fingerprint("vectors", of_file(path), form, of_code(*_CODE))
    with shown.step(f"reading {called}", 0, "words") as bar:
        kept = store.put_folder(
            "vectors", key, lambda folder: _convert(path, form, folder, bar), {"source": path.name}, bar
        )
    words = (kept / _WORDS).read_bytes().decode().split("\n")[:-1]
    notes = tuple((kept / _NOTES).read_bytes().decode().split("\n")[:-1])
    vectors = np.load(kept / _VECTORS, mmap_mode="r", allow_pickle=False).view(Mapped)
    return Source(called, words, vectors, key, notes)


def _convert(path: Path, form: Form | None, folder: Path, bar: Bar) -> None:
    """Write a file's words and vectors into a folder, as they come."""
    with opened(path) as stream:
        entries = _entries(path, stream, form)
        sieve = Sieve(entries.place)
        with (folder / _WORDS).open("w", encoding="utf-8", newline="\n") as words:
            _write(folder / _VECTORS, _fit(sieve, entries.blocks, words, bar))
    notes = sieve.notes()
    if not sieve.seen:
        raise RequestError(f"{path} has no word that is fit for use: {'; '.join(notes) or 'it is empty'}")
    if entries.header is not None and entries.header.words != sieve.count:
        notes.insert(0, f"its header promises {entries.header.words:,} words, and it holds {sieve.count:,}")
    (folder / _NOTES).write_text("".join(f"{note}\n" for note in notes), encoding="utf-8")


class _Entries(NamedTuple):
    """A file's entries, what their places are called, and what its header says."""

    blocks: Iterable[Block]
    place: str
    header: lines.Header | None


def _entries(path: Path, stream: Any, form: Form | None) -> _Entries:
    """What a file holds, by its beginning.

    Args:
        path: the file.
        stream: its content; it can `peek`.
        form: what it is, where it shall not be guessed.
    """
    if stream.peek(len(BOM_UTF8)).startswith(BOM_UTF8):
        stream.read(len(BOM_UTF8))
    head = stream.peek(_SNIFFED)[:_SNIFFED]
    if head[:1] == b"\x80":
        raise RequestError(
            f"{path} is a pickle, which runs code when it is read; write it as word2vec does, with gensim's "
            "`KeyedVectors.save_word2vec_format`, and name that file"
        )
    if head[:4] == _FASTTEXT:
        raise RequestError(f"{path} is fastText's own model; name the .vec file beside it, which has the vectors")
    if (form or plain_name(path).rpartition(".")[2]) == "npz":
        return _Entries([_of_arrays(path, stream)], "entry", None)
    begun = stream.readline()
    header = lines.header_of(begun)
    if form == "binary" or (form is None and header is not None and not _is_text(stream.peek(_SNIFFED), header)):
        if header is None:
            raise RequestError(
                f"{path} begins with {begun[:20]!r}; word2vec's binary form begins with two numbers, of words "
                "and of dimensions"
            )
        return _Entries(binary.blocks(path, stream, header), "entry", header)
    return _Entries(lines.blocks(path, stream, header, b"" if header else begun), "line", header)


def _is_text(sample: bytes, header: lines.Header) -> bool:
    """Whether the entries after a header are text.

    They are where the first line, or what is here of it, ends with D numbers; or else, since that line may be damaged,
    where most of the sample is what numbers are written with: of single-precision numbers, a tenth is.
    """
    first, end, _ = sample.partition(b"\n")
    last = first.split()[1:][-header.dimensions :] if end else first.split()[1:-1]
    numbers = floats(b" ".join(last).decode("latin-1"))
    if last and numbers is not None and numbers.size == (header.dimensions if end else len(last)):
        return True
    return 2 * sum(sample.count(sign) for sign in _OF_NUMBERS) > len(sample)


def _of_arrays(path: Path, stream: IO[bytes]) -> Block:
    """The entries of an `.npz` file."""
    try:
        # A compressed stream cannot go back to where the archive's index says without being read again.
        with np.load(stream if path.suffix == ".npz" else io.BytesIO(stream.read()), allow_pickle=False) as arrays:
            words, vectors = arrays["words"], arrays["vectors"]
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:  # TypeError: one array, no archive
        raise RequestError(
            f"{path} cannot be read ({error}); it should have the arrays `words`, of text, and `vectors`"
        ) from None
    texts = words.dtype.kind in "US" and words.ndim == 1
    if not texts or vectors.dtype.kind not in "fiu" or vectors.ndim != 2 or len(words) != len(vectors):
        raise RequestError(
            f"{path} has `words` of the type {words.dtype} and shape {words.shape} and `vectors` of the type "
            f"{vectors.dtype} and shape {vectors.shape}; expected words as text, and a row of numbers for each"
        )
    every = [word if isinstance(word, bytes) else word.encode(errors="surrogatepass") for word in words.tolist()]
    return Block(every, single(vectors), range(1, len(every) + 1))


def _fit(sieve: Sieve, entries: Iterable[Block], words: IO[str], bar: Bar) -> Iterator[Floats]:
    """The vectors that are fit for use; their words are written on the way."""
    for some, vectors in sieve.fit(entries):
        words.writelines(f"{word}\n" for word in some)
        bar.advance(len(some))
        yield vectors


def _write(path: Path, parts: Iterable[Floats]) -> None:
    """Write parts (n, D) of an array into one `.npy` file, without having all of them."""
    rows = dimensions = 0
    with path.open("wb") as file:
        start = _write_header(file, (_MANY, _MANY))
        for part in parts:
            part.astype("<f4", copy=False).tofile(file)
            rows, dimensions = rows + len(part), part.shape[1]
        file.seek(0)
        if _write_header(file, (rows, dimensions)) != start:
            raise AssertionError("the header of a smaller array is as long, since it is padded")


def _write_header(file: IO[bytes], shape: tuple[int, int]) -> int:
    """Write the header of an array of single precision; where the numbers begin."""
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.tell()
