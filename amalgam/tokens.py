"""Texts as words, and words as numbers: hashes, which need no vocabulary, or those of a model's tokenizer."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from amalgam.errors import RequestError

NUMBERS = 2**24
"""Words are numbered below it; float32 holds all of these exactly."""
LONGEST = 256
"""Words that are read of a text where nobody says how many."""
BESIDE = "./tokenizer"
"""What a file calls a tokenizer that was a folder of some machine: a copy of it lies beside the file, or nearby."""
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def tokens(text: str) -> list[str]:
    """The words of a text in lower case: letters and digits, with apostrophes between them (`don't`, `o'brien`).

    All else separates words, underscores too. HTML's entities become the signs they stand for first, twice, since
    reviews are often escaped twice; a curly apostrophe becomes a straight one.
    """
    return _WORD.findall(unescape(unescape(text)).replace("\u2019", "'").lower())


@lru_cache(maxsize=2**16)
def number(word: str) -> int:
    """A word's number, a hash of it: the same in every file, on every machine."""
    return zlib.crc32(word.encode()) % NUMBERS


def texts_in(given: object) -> list[str] | None:
    """The texts in a list, an array or a column of a data frame; None where it holds anything else.

    Raises:
        RequestError: some are texts and others are not, or it is one text by itself.
    """
    if isinstance(given, str):
        raise RequestError(f"expected a list of texts, not the text {given[:40]!r}; write it in brackets")
    every = given.tolist() if hasattr(given, "tolist") and hasattr(given, "dtype") else given
    if not isinstance(every, list | tuple) or not any(isinstance(one, str) for one in every):
        return None
    strange = next((place for place, one in enumerate(every) if not isinstance(one, str)), None)
    if strange is not None:
        raise RequestError(f"text {strange} is {every[strange]!r}, expected a text; drop it")
    return [*every]


class Numbered(NamedTuple):
    """Texts as numbers.

    Attributes:
        numbers: of each text's first words; of a text without words none.
        cut: how many texts have more words.
    """

    numbers: list[list[int]]
    cut: int


@dataclass(frozen=True)
class Reading:
    """How texts are read, as series of their words' numbers.

    Attributes:
        longest: words that are read of a text, its first.
        tokenizer: a Hugging Face model's name or folder, whose tokenizer numbers parts of words; None hashes words.
    """

    longest: int = LONGEST
    tokenizer: str | None = None

    def __str__(self) -> str:
        """In a sentence, for whoever feeds an exported model."""
        hashed = f"the CRC-32 of each word in lower case, modulo {NUMBERS}; words are letters, digits and apostrophes"
        named = None if self.tokenizer is None else Path(self.tokenizer).name if self.local else self.tokenizer
        how = hashed if named is None else f"the numbers of the tokenizer of {named}"
        return f"texts as {how}; the first {self.longest}, NaN beyond a text's end"

    @property
    def local(self) -> bool:
        """Whether its tokenizer is a folder of this machine."""
        return self.tokenizer is not None and Path(self.tokenizer).is_absolute()

    def told(self) -> Self:
        """As a file says it, which may go to other machines: without the path of a folder of this one."""
        return replace(self, tokenizer=BESIDE) if self.local else self

    def read(self, texts: Sequence[str]) -> Numbered:
        """The numbers of N texts' first words.

        Raises:
            RequestError: no such tokenizer, or transformers is not installed.
        """
        words = [tokens(text) for text in texts]
        if self.tokenizer is None:
            cut = sum(len(own) > self.longest for own in words)
            return Numbered([[number(word) for word in own[: self.longest]] for own in words], cut)
        some = [text for text, own in zip(texts, words, strict=True) if own]
        said = _tokenizer(self.tokenizer)(some, truncation=True, max_length=self.longest)
        each = iter(said["input_ids"])
        cut = sum(bool(one.overflowing) for one in said.encodings or ())
        return Numbered([list(next(each)) if own else [] for own in words], cut)


def series(numbers: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """The numbers of N texts as series of one channel, (N, T, 1), NaN beyond a text's end; T is at least 1."""
    found = np.full((len(numbers), max([1, *map(len, numbers)]), 1), np.nan, dtype=np.float32)
    for row, own in enumerate(numbers):
        found[row, : len(own), 0] = own
    return found


def same_tokenizer(one: str | None, other: str | None) -> bool:
    """Whether two tokenizers (None hashes words) number texts alike: by their names, else by all that they hold.

    Raises:
        RequestError: what `Reading.read` does.
    """
    if one is None or other is None or one == other:
        return one == other
    rules = _rules(one)
    return rules is not None and rules == _rules(other)


def _rules(name: str) -> Any:
    """All that a tokenizer goes by but how much of a text it reads, which `Reading` says; None where it cannot tell."""
    backend = getattr(_tokenizer(name), "backend_tokenizer", None)
    told = {} if backend is None else json.loads(backend.to_str())
    return {key: value for key, value in told.items() if key not in ("truncation", "padding")} or None


def copy_tokenizer(source: str, folder: Path) -> None:
    """Write the files of a tokenizer into a folder that is there; nothing in them tells where it came from."""
    _tokenizer.__wrapped__(source).save_pretrained(folder)  # a fresh one: the other remembers what it read last


@lru_cache(maxsize=4)
def _tokenizer(name: str) -> Any:
    """A tokenizer of Hugging Face's transformers; nothing that it carries is run as code."""
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise RequestError(
            f"the tokenizer {name!r} needs transformers; install amalgam[text], or leave the data option `tokenizer` "
            "out"
        ) from None
    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False, use_fast=True)
    except (OSError, ValueError) as error:
        raise RequestError(
            f"no tokenizer {name!r}: {' '.join(str(error).split())[:150]}; name a folder with tokenizer.json, or a "
            "model that the hub, or its cache on this machine, has"
        ) from None
