"""What label names alone say of a label graph: proposals, for somebody who knows the labels to look at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from amalgam.embeddings.source import Source

Scores: TypeAlias = NDArray[np.float64]

SPELLING = 0.84
"""Names that are less alike, by difflib's ratio, are not proposed as one label."""
ALIKE = 0.7
"""Nor are names whose vectors have a smaller cosine."""
KIND = 0.4
"""A label whose vector has a smaller cosine with each of another source's labels is not proposed as a kind of one."""
EMBEDDING = "embedding"
"""The reason of two labels that are used alike: cats and dogs are, so that it never makes them one in a draft."""
_EMPTY = {"a", "an", "and", "by", "for", "from", "in", "of", "on", "or", "other", "the", "to", "with"}  # say no kind
_SAMPLE = 20_000  # words, the first, whose mean stands for that of all
_STEPS = "./:>"  # that stand between the parts of a name that says what it is a kind of


@dataclass(frozen=True)
class Proposal:
    """Something that may be so of two labels.

    Attributes:
        relation: whether they may be the same label, or the first a kind of the second.
        label: of `source`.
        source: whose it is.
        other: of `other_source`.
        other_source: another source.
        score: from 0 to 1.
        reason: what speaks for it, in words.
    """

    relation: Literal["same", "kind"]
    label: str
    source: str
    other: str
    other_source: str
    score: float
    reason: str

    @property
    def says(self) -> str:
        """It in words."""
        what = "is" if self.relation == "same" else "is a kind of"
        return f"{self.label!r} of {self.source!r} {what} {self.other!r} of {self.other_source!r}"


def proposals(sources: Mapping[str, Sequence[str]], embedding: Source | None = None) -> tuple[Proposal, ...]:
    """What may be so of labels of different sources, the most certain first.

    Two labels are proposed as one where each is the other's best match, by its spelling or, with an embedding, by the
    cosine of the sums of their words' vectors. A label is proposed as a kind of another whose words it has, or with
    whose name its own begins; or, with an embedding, of the nearest label of a source that has fewer.

    Args:
        sources: source → its labels, each once.
        embedding: words and vectors.

    Returns:
        Proposals, of which none is applied anywhere.
    """
    place = {} if embedding is None else _places(sources.values(), embedding)
    vectors = {} if embedding is None else {name: _vectors(own, embedding, place) for name, own in sources.items()}
    found, same = list[Proposal](), set[tuple[str, str, str, str]]()
    for one, other in combinations(sources, 2):
        for proposal in _same(one, other, sources, vectors):
            found.append(proposal)
            if proposal.reason != EMBEDDING:
                same.add((one, proposal.label, other, proposal.other))
                same.add((other, proposal.other, one, proposal.label))
    for fine, coarse in permutations(sources, 2):
        found += [
            proposal
            for proposal in _kinds(fine, coarse, sources, vectors)
            if (fine, proposal.label, coarse, proposal.other) not in same
        ]
    return tuple(sorted(found, key=lambda proposal: (-proposal.score, proposal.relation != "same")))


def unknown_to(embedding: Source, labels: Sequence[str]) -> list[str]:
    """The labels that have no word in an embedding, so that it says nothing of them."""
    vectors = _vectors(labels, embedding, _places([labels], embedding))
    return [label for label, own in zip(labels, vectors, strict=True) if not own.any()]


def words_of(label: str) -> tuple[str, ...]:
    """The words of a label in small letters, one at least; a capital inside a word begins another."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)
    return tuple(re.findall(r"[^\W_]+", spaced.casefold())) or (label,)


def _same(
    one: str, other: str, sources: Mapping[str, Sequence[str]], vectors: Mapping[str, Scores]
) -> Iterator[Proposal]:
    """The labels of two sources that are each other's best match; what names say goes before what vectors do."""
    here, there = sources[one], sources[other]
    reasons = ["the same name", "spelling, but for case and punctuation", "the same words", "spelling"]
    measures = [
        _equal(here, there),
        0.99 * _equal(*(["".join(words_of(label)) for label in own] for own in (here, there))),
        0.95 * _equal(*([" ".join(sorted(_stems(label))) for label in own] for own in (here, there))),
        _spelling(here, there),
    ]
    more = (_contained(here, there) > 0) | (_contained(there, here).T > 0)  # a sports car is no car park
    measures = [np.where(more, 0, measure) for measure in measures]
    if vectors:
        cosines, named = vectors[one] @ vectors[other].T, np.max(measures, axis=0) > 0
        free = ~(more | named.any(0, keepdims=True) | named.any(1, keepdims=True))
        measures.append(np.where(free & (cosines >= ALIKE), np.minimum(cosines, 0.98), 0))
        reasons.append(EMBEDDING)
    scores = np.stack(measures)
    best = scores.max(0)
    mutual = (best == best.max(0, keepdims=True)) & (best == best.max(1, keepdims=True)) & (best > 0)
    why = scores.argmax(0)
    met: tuple[set[int], set[int]] = (set(), set())
    for row, column in np.argwhere(mutual).tolist():
        if row in met[0] or column in met[1]:  # several are as near as each other
            continue
        met[0].add(row)
        met[1].add(column)
        reason = reasons[why[row, column]]
        yield Proposal("same", here[row], one, there[column], other, float(best[row, column]), reason)


def _kinds(
    fine: str, coarse: str, sources: Mapping[str, Sequence[str]], vectors: Mapping[str, Scores]
) -> Iterator[Proposal]:
    """The labels of one source that may be kinds of another's."""
    here, there = sources[fine], sources[coarse]
    begun, contained = _begun(here, there), _contained(here, there)
    scores = np.maximum(begun, contained)
    for row, column in np.argwhere(scores > 0).tolist():
        reason = "it begins with the other's name" if begun[row, column] else "it has the other's words"
        yield Proposal("kind", here[row], fine, there[column], coarse, float(scores[row, column]), reason)
    if vectors and len(here) > len(there):
        cosines = vectors[fine] @ vectors[coarse].T
        nearest = cosines.argmax(1)
        top = cosines[np.arange(len(here)), nearest]
        for row in np.flatnonzero((top >= KIND) & ~scores.any(1)).tolist():
            reason = f"embedding: the nearest of the {len(there)} labels"
            yield Proposal("kind", here[row], fine, there[nearest[row]], coarse, min(float(top[row]), 0.98), reason)


def _equal(here: Sequence[str], there: Sequence[str]) -> Scores:
    """(n, m) 1 where texts are equal, else 0."""
    found: Scores = (np.array(here)[:, None] == np.array(there)).astype(np.float64)
    return found


def _spelling(here: Sequence[str], there: Sequence[str]) -> Scores:
    """(n, m) difflib's ratio where it is at least `SPELLING` and both have the same numbers, else 0."""
    found = np.zeros((len(here), len(there)))
    plain = [" ".join(words_of(label)) for label in there]
    for row, label in enumerate(" ".join(words_of(label)) for label in here):
        for close in get_close_matches(label, dict.fromkeys(plain), n=3, cutoff=SPELLING):
            if re.findall(r"\d+", close) == re.findall(r"\d+", label):
                ratio = min(SequenceMatcher(None, close, label).ratio(), 0.94)
                found[row, [column for column, own in enumerate(plain) if own == close]] = ratio
    return found


def _begun(here: Sequence[str], there: Sequence[str]) -> Scores:
    """(n, m) .95 where a name is the beginning of the longer one here, as `comp.sys` is of `comp.sys.mac`."""
    found = np.zeros((len(here), len(there)))
    place = {label: column for column, label in enumerate(there)}
    for row, label in enumerate(here):
        for end, letter in enumerate(label):
            if letter in _STEPS and label[:end] in place:
                found[row, place[label[:end]]] = 0.95
    return found


def _contained(here: Sequence[str], there: Sequence[str]) -> Scores:
    """(n, m) where the words of a name are some of those of the one here: .9 if they are its last, else .6.

    An English noun ends with what it is a kind of: a sports car is a car, a car park is none.
    """
    stems = [[_stems(label) for label in own] for own in (here, there)]
    vocabulary = {word: place for place, word in enumerate({word for own in stems for one in own for word in one})}
    tables = [np.zeros((len(own), len(vocabulary))) for own in stems]
    for table, own in zip(tables, stems, strict=True):
        for row, words in enumerate(own):
            table[row, [vocabulary[word] for word in words]] = 1
    more, fewer = tables
    sizes, wanted = more.sum(1)[:, None], fewer.sum(1)
    within = (more @ fewer.T == wanted) & (sizes > wanted)
    last = [np.array([words[-1] for words in own]) for own in stems]
    return np.where(within, np.where(last[0][:, None] == last[1], 0.9, 0.6), 0)


def _stems(label: str) -> tuple[str, ...]:
    """The words of a label without an English plural's ending."""
    return tuple(
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in words_of(label)
    )


def _forms(word: str) -> tuple[str, ...]:
    """How an embedding may have a word, the likeliest first."""
    return () if word.isdigit() or word in _EMPTY else (word, *_stems(word), word.title(), word.upper())


def _places(sources: Iterable[Sequence[str]], embedding: Source) -> dict[str, int]:
    """Form of a word → its row in an embedding."""
    wanted = {form for labels in sources for label in labels for word in words_of(label) for form in _forms(word)}
    return {word: row for row, word in enumerate(embedding.words) if word in wanted}


def _vectors(labels: Sequence[str], embedding: Source, place: Mapping[str, int]) -> Scores:
    """(n, D) of each label the direction of the sum of its words' vectors, of length 1 and without the mean of all.

    It is as long as the share of the label's words that are known: of one known in part, an embedding says less.
    """
    rows, owners, share = list[int](), list[int](), np.zeros(len(labels))
    for owner, label in enumerate(labels):
        words = [word for word in words_of(label) if _forms(word)]
        for word in words:
            known = next((place[form] for form in _forms(word) if form in place), None)
            if known is not None:
                rows.append(known)
                owners.append(owner)
                share[owner] += 1 / len(words)
    found = np.zeros((len(labels), embedding.dimensions))
    if rows:
        # What all words have in common makes each of them similar to a label of many words.
        common = _of_length_one(embedding.taken(slice(0, _SAMPLE)).astype(np.float64)).mean(0)
        own = _of_length_one(embedding.taken(np.array(rows)).astype(np.float64)) - common
        np.add.at(found, owners, _of_length_one(own))
    scaled: Scores = _of_length_one(found) * share[:, None]
    return scaled


def _of_length_one(vectors: Scores) -> Scores:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Scores = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return found
