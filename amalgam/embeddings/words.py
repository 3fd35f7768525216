"""A meta-embedding: words and vectors, saved, loaded, written as word2vec does, and asked for neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amalgam.embeddings.entries import Floats
from amalgam.errors import RequestError, nearest
from amalgam.files import draft, write_text
from amalgam.fingerprint import of_array

if TYPE_CHECKING:
    from amalgam.wordreport import WordReport

VECTORS, WORDS = "vectors.safetensors", "words.txt"
_KEY = "vectors"
_ROWS = 2**14  # that are looked at, or written, at once


@dataclass(frozen=True)
class WordVectors:
    """An embedding.

    Attributes:
        words: V words, each once.
        vectors: (V, d).
        folder: where it was read from.
        told: what the run that made it says of it, where it was not read from a folder.
    """

    words: tuple[str, ...]
    vectors: Floats
    folder: Path | None = field(default=None, repr=False, compare=False)
    told: WordReport | None = field(default=None, repr=False, compare=False)

    @property
    def report(self) -> WordReport | None:
        """What the run that made it says of it; None where no run made it, or its report is not beside it."""
        if self.told is not None:
            return self.told
        from amalgam.hub import report_of

        return report_of(self)

    @cached_property
    def fingerprint(self) -> str:
        """Of the vectors, as they are saved."""
        return of_array(np.asarray(self.vectors, np.float32))

    @cached_property
    def places(self) -> dict[str, int]:
        """Word → its row."""
        return {word: place for place, word in enumerate(self.words)}

    def __contains__(self, word: object) -> bool:
        """Whether it has a word."""
        return word in self.places

    def __len__(self) -> int:
        """How many words."""
        return len(self.words)

    def __repr__(self) -> str:
        """Its size."""
        return f"WordVectors({len(self.words):,} words of {self.vectors.shape[1]} numbers)"

    def __getitem__(self, word: str) -> Floats:
        """The vector (d,) of a word; RequestError names the nearest that is there."""
        if word not in self.places:
            folded = f"; did you mean {word.lower()!r}?" if word.lower() in self.places else ""
            raise RequestError(
                f"no word {word!r} among {len(self.words):,}{folded or nearest(word, self.words[:_ROWS])}"
            )
        found: Floats = self.vectors[self.places[word]]
        return found

    def nearest(self, word: str, count: int = 10) -> list[tuple[str, float]]:
        """The k words with the largest cosine to a word, and the cosines, itself not among them; k is at least 1."""
        if count < 1:
            raise RequestError(f"{count} neighbours of {word!r} are asked for; ask for one or more")
        own = self[word]
        cosines = np.concatenate(
            [_cosines(self.vectors[start : start + _ROWS], own) for start in range(0, len(self.words), _ROWS)]
        )
        cosines[self.places[word]] = -np.inf
        count = min(count, len(self.words) - 1)
        best = np.argpartition(-cosines, count - 1)[:count] if count else np.empty(0, np.int64)
        return [(self.words[place], float(cosines[place])) for place in best[np.argsort(-cosines[best], kind="stable")]]

    def save(self, folder: str | Path) -> None:
        """Write `vectors.safetensors` and `words.txt`, a word a line; `load` reads them."""
        from safetensors.numpy import save_file

        folder = Path(folder)
        with draft(folder / VECTORS) as path:
            save_file({_KEY: np.ascontiguousarray(self.vectors, dtype=np.float32)}, path)
        if broken := [word for word in self.words if "\n" in word or "\r" in word]:
            raise RequestError(
                f"a word of an embedding has no line break, since {WORDS} has a word a line: {broken[0]!r}"
            )
        write_text(folder / WORDS, "".join(f"{word}\n" for word in self.words))

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write it into a new folder as the Hub holds it, with its model card; see `amalgam.hub.save_pretrained`."""
        from amalgam.hub import save_pretrained

        return save_pretrained(self, folder)

    def push_to_hub(self, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Push it to the Hub, and return the address there; see `amalgam.hub.push_to_hub`."""
        from amalgam.hub import push_to_hub

        return push_to_hub(self, repo_id, private=private, token=token)

    @classmethod
    def load(cls, folder: Path) -> WordVectors:
        """What `save` wrote.

        Args:
            folder: the folder with `words.txt`, or a run directory with `student/` inside.

        Raises:
            RequestError: nothing is there, or it is damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        of_vectors, of_words = student_files(folder)
        try:
            vectors = load_file(of_vectors)[_KEY]
            words = tuple(of_words.read_bytes().decode().split("\n")[:-1])
        except FileNotFoundError:
            raise RequestError(f"{folder} holds no embedding ({VECTORS} and {WORDS}); name a finished run") from None
        except (SafetensorError, KeyError, UnicodeDecodeError) as error:
            raise RequestError(f"the embedding in {folder} is damaged ({error}); run its recipe again") from None
        if len(words) != len(vectors):
            raise RequestError(
                f"the embedding in {folder} is damaged ({len(words):,} words, {len(vectors):,} vectors); run its "
                "recipe again"
            )
        return cls(words, vectors, folder)

    def write_word2vec(self, path: str | Path, binary: bool) -> list[str]:
        """Write it as word2vec does, for gensim's `KeyedVectors.load_word2vec_format`.

        Blanks end a word there, so words are written with `_` instead.

        Args:
            path: where; what is there is replaced.
            binary: single precision, or else decimal numbers that read back the same.

        Returns:
            Words that could not be written, since another is written like them.
        """
        written = dict[str, int]()
        for place, word in enumerate(self.words):
            written.setdefault("_".join(word.split()), place)
        with draft(Path(path)) as temporary, temporary.open("wb") as file:
            file.write(f"{len(written)} {self.vectors.shape[1]}\n".encode())
            for some in _batched(written.items(), _ROWS):
                rows = self.vectors[[place for _, place in some]].astype("<f4")
                # numpy writes the fewest digits that read back as the same number
                numbers = map(bytes, rows) if binary else (" ".join(row).encode() for row in rows.astype("U"))
                file.writelines(
                    word.encode() + b" " + own + b"\n" for (word, _), own in zip(some, numbers, strict=True)
                )
        kept = set(written.values())
        return [word for place, word in enumerate(self.words) if place not in kept]


def student_files(folder: Path) -> list[Path]:
    """The files of an embedding: of vectors, and of words."""
    if not (folder / WORDS).is_file() and (folder / "student" / WORDS).is_file():
        folder = folder / "student"
    return [folder / VECTORS, folder / WORDS]


def _cosines(vectors: Floats, own: Floats) -> Floats:
    """Of vectors (V, d) with one (d,); 0 with a vector of zeros."""
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(own)
    cosines = np.zeros(len(vectors), np.float32)
    np.divide(vectors @ own, lengths, out=cosines, where=lengths > 0)
    return cosines


def _batched(items: Iterable[tuple[str, int]], size: int) -> Iterator[list[tuple[str, int]]]:
    """Items, so many at once."""
    left = iter(items)
    while some := list(islice(left, size)):
        yield some
