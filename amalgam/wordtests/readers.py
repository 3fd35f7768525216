"""Readers of word tests: pairs with scores, synonyms, questions, concepts and analogies, each in its file's format.

Each takes a file that may be compressed, and raises a RequestError that names file and line where the file is damaged.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from amalgam.datasets.compressed import opened_text
from amalgam.errors import RequestError
from amalgam.wordtests.analogies import Analogy
from amalgam.wordtests.concepts import Concepts
from amalgam.wordtests.similarity import Rated
from amalgam.wordtests.synonyms import Question, Synonyms, gathered

_SHOWN = 60  # characters of a damaged line that a message shows


def pairs(path: Path, more: bool = False) -> Rated:
    """Two words and a score a line, with tabs between, or else blanks; lines before them that begin with # are skipped.

    Args:
        path: the file.
        more: whether columns may follow, as rw.txt has up to ten people's ratings after their mean.
    """
    return _rated(path, _pairs(path, more))


def _pairs(path: Path, more: bool) -> Iterator[tuple[str, str, str, str]]:
    begun = False
    for number, line in lines(path):
        if line.startswith("#") and not begun:
            continue
        begun = True
        cells = [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())]
        if len(cells) < 3 or (len(cells) > 3 and not more) or not all(cells[:2]):
            _refuse(path, number, line, "two words and a score, with tabs between")
        yield f"line {number}", cells[0], cells[1], cells[2]


def semeval(path: Path) -> Rated:
    """SemEval 2017's CSV: an index, two words, or terms of several, and their similarity."""
    wanted = ("", "word1", "word2", "similarity")
    rows = table(path, wanted)
    return _rated(path, ((f"line {number}", one, other, score) for number, (_, one, other, score) in rows))


def umnsrs(path: Path) -> Rated:
    """UMNSRS: a JSON list of objects with `term1`, `term2` and `value`, from 0 to 1600."""
    with opened_text(path) as text:
        try:
            entries = json.load(text)
        except json.JSONDecodeError as error:
            raise RequestError(f"{path} line {error.lineno}: no JSON ({error.msg})") from None
    if not isinstance(entries, list):
        raise RequestError(f"{path} holds no list; expected one of objects with term1, term2 and value")
    return _rated(path, _terms(path, entries))


def _terms(path: Path, entries: Sequence[object]) -> Iterator[tuple[str, str, str, str]]:
    for number, entry in enumerate(entries, start=1):
        own = entry if isinstance(entry, dict) else {}
        terms = [own.get("term1"), own.get("term2")]
        if not all(isinstance(term, str) and term.strip() for term in terms) or "value" not in own:
            raise RequestError(f"{path} entry {number} is {str(entry)[:_SHOWN]}; expected term1, term2 and value")
        yield f"entry {number}", str(terms[0]).strip(), str(terms[1]).strip(), str(own["value"])


def _rated(path: Path, found: Iterable[tuple[str, str, str, str]]) -> Rated:
    """Pairs with their places in the file, and scores that are still text."""
    first, second, scores = list[str](), list[str](), list[float]()
    for place, one, other, score in found:
        first.append(one)
        second.append(other)
        try:
            scores.append(float(score))
        except ValueError:
            scores.append(math.nan)
        if not math.isfinite(scores[-1]):
            raise RequestError(f"{path} {place}: the score of {one!r} and {other!r} is {score!r}, expected a number")
    if not scores:
        raise RequestError(f"{path} has no pair of words")
    return Rated(tuple(first), tuple(second), np.array(scores))


def synsets(path: Path) -> Synonyms:
    """A WordNet synset a line: its name, a tab, and its lemmas with ", " between; each is a synonym of each other."""
    return gathered(_of_synsets(path))


def _of_synsets(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in lines(path):
        cells = line.split("\t")
        lemmas = cells[-1].split(", ")
        if len(cells) != 2 or not all(lemma.strip() for lemma in lemmas):
            _refuse(path, number, line, "a synset, a tab, and its lemmas with commas between")
        yield from ((one, other) for place, one in enumerate(lemmas) for other in lemmas[place + 1 :])


def paraphrases(path: Path) -> Synonyms:
    """PPDB's: a word and its paraphrases a line, with one blank between; only the first is a synonym of the others."""
    return gathered(_of_paraphrases(path))


def _of_paraphrases(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in lines(path):
        head, *others = line.split(" ")  # not at other white space: words in the file hold no-break spaces
        if not others or not head or not all(others):
            _refuse(path, number, line, "a word and its paraphrases, with a blank between")
        yield from ((head, other) for other in others)


def questions(path: Path) -> tuple[Question, ...]:
    """CS124's: tab-separated columns word, choices (with commas between) and true_answer."""
    found = []
    for number, (word, choices, answer) in table(path, ("word", "choices", "true_answer"), "\t"):
        among = tuple(choices.split(","))
        if answer not in among or len(set(among)) != len(among):
            _refuse(path, number, f"{word}\t{choices}\t{answer}", "different choices, one of which is the answer")
        found.append(Question(word, among, answer))
    return tuple(found)


def concepts(path: Path, coarse: bool = False) -> Concepts:
    """CSV of an index, a category and a word.

    AP and BLESS end each category with a row without a word, which is skipped.

    Args:
        path: the file.
        coarse: whether categories are pairs, fine-coarse, of which the coarse ones are meant.
    """
    words, categories = list[str](), list[str]()
    for number, (index, category, word) in table(path, ("", "category", "word"), may_lack=("word",)):
        if coarse and "-" not in category:
            _refuse(path, number, f"{index},{category},{word}", "a category of two names, fine-coarse")
        if word:
            words.append(word)
            categories.append(category.rpartition("-")[2] if coarse else category)
    return Concepts(words, categories)


def analogies(path: Path) -> dict[str, list[Analogy]]:
    """gensim's questions-words.txt: four words a line, in sections that begin with ": name"."""
    sections = dict[str, list[Analogy]]()
    some: list[Analogy] | None = None
    for number, line in lines(path):
        if line.startswith(":"):
            some = sections.setdefault(line[1:].strip(), [])
            continue
        words = line.split()
        if len(words) != 4 or some is None:
            _refuse(path, number, line, "four words" if some is not None else "a section's name after a colon")
        some.append((words[0], words[1], words[2], words[3]))
    return sections


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not empty, with their numbers."""
    with opened_text(path) as text:
        for number, line in enumerate(text, start=1):
            if line.strip(" \t\r\n"):
                yield number, line.rstrip("\r\n")


def table(
    path: Path, columns: Sequence[str], separator: str = ",", may_lack: Sequence[str] = ()
) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table after its line of names, with the numbers of the lines on which they end.

    Args:
        path: the file.
        columns: the names that it must have, in this order; "" that of an index.
        separator: what stands between cells.
        may_lack: the columns that may be empty.
    """
    with opened_text(path) as text:
        rows = csv.reader(text, delimiter=separator, strict=True)
        try:
            if next(rows, []) != list(columns):
                raise RequestError(f"{path} line 1: expected the columns {separator.join(columns)!r}")
            for row in rows:
                cells = [cell.strip() for cell in row]
                if row and (len(row) != len(columns) or _lacks(cells, columns, may_lack)):
                    _refuse(path, rows.line_num, separator.join(row), f"{separator.join(columns)!r}")
                if row:
                    yield rows.line_num, cells
        except csv.Error as error:
            raise RequestError(f"{path} line {rows.line_num}: {error}") from None


def _lacks(cells: Sequence[str], columns: Sequence[str], may_lack: Sequence[str]) -> bool:
    return any(not cell and name not in may_lack for cell, name in zip(cells, columns, strict=True))


def _refuse(path: Path, number: int, line: str, expected: str) -> NoReturn:
    shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
    raise RequestError(f"{path} line {number}: expected {expected}, found {shown!r}; the line is damaged")
