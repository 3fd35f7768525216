"""SimME (ch. 2, Eqs. 1-5), word by word and pair by pair, in plain loops.

There are V words, each known by its place in `words`; the meta-embedding space is M, a list of V rows of d floats, and
b, d floats. A source is word → embedding; its embeddings have a length of their own, and it may know other words
besides. A pair is two words. How M is initialised, how the loss is minimised, and which of the pairs a training step
sees are not here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

Vector = Sequence[float]
Matrix = Sequence[Vector]
Source = Mapping[str, Vector]
Pair = tuple[str, str]
Counted = Literal["pairs", "known", "terms"]


# ---------------------------------------------------------------- the relation encoder


def all_pairs(words: Sequence[str]) -> list[Pair]:
    """𝒫 (Sec. 2.3): every unordered pair of distinct words once, V (V − 1) / 2 of them, the earlier word first.

    The paper has "a set of word-pairs composed from all words in 𝒱", and does not say whether a word is paired with
    itself or a pair comes in both orders. Neither matters to what is learnt: a word's cosine with itself is 1 anywhere
    (it would only make n greater), and the cosine is symmetric. A word named twice in `words` is one word.
    """
    distinct = list(dict.fromkeys(words))
    pairs = []
    for place, word in enumerate(distinct):
        for later in distinct[place + 1 :]:
            pairs.append((word, later))
    return pairs


def one_hot(words: Sequence[str], word: str) -> list[float]:
    """x_k, (V,): 1 at the word's place, 0 elsewhere."""
    x = [0.0] * len(words)
    x[words.index(word)] = 1.0
    return x


def meta_embedding(words: Sequence[str], word: str, M: Matrix, b: Vector) -> list[float]:
    """Eq. (1): e_k = M · x_k + b, (d,), of the word's one-hot x_k (V,), M (V, d) and b (d,).

    Sec. 2.3 has M as t × d, a word a row, for which Eq. 1 would have to be Mᵀ · x_k + b, as here: row k of M, and b.
    There M also is the set of all e_k, which it is only where b is 0; the meta-embedding here is that of Eq. 1, with b.
    """
    x = one_hot(words, word)
    assert len(M) == len(words)
    e = []
    for c in range(len(b)):
        total = 0.0
        for v in range(len(words)):
            assert len(M[v]) == len(b)
            total += M[v][c] * x[v]
        e.append(total + b[c])
    return e


def norm(u: Vector) -> float:
    """‖u‖, the Euclidean norm; of a tiny vector, too, whose squares would be 0."""
    return math.hypot(*u)


def cosine(u: Vector, v: Vector) -> float:
    """Eq. (2): y = u · v / (‖u‖ ‖v‖), of two vectors of one length.

    The text calls the bars cardinality; they are norms, or y were no cosine. Of a vector of zeros the paper says
    nothing: its cosine with any vector, itself included, is 0 here.
    """
    size_u, size_v = norm(u), norm(v)
    if size_u == 0 or size_v == 0:
        return 0.0
    total = 0.0
    for one, other in zip(u, v, strict=True):
        total += (one / size_u) * (other / size_v)
    return total


def similarity(words: Sequence[str], pair: Pair, M: Matrix, b: Vector) -> float:
    """y_p (Eqs. 1 and 2): the cosine of both words' meta-embeddings."""
    return cosine(meta_embedding(words, pair[0], M, b), meta_embedding(words, pair[1], M, b))


def source_similarity(source: Source, pair: Pair) -> float:
    """y_p^j: the cosine of both words' embeddings in a source (Eq. 2), which must know both."""
    return cosine(source[pair[0]], source[pair[1]])


def loss_of_all(words: Sequence[str], M: Matrix, b: Vector, sources: Sequence[Source], pairs: Sequence[Pair]) -> float:
    """Eq. (3): J(M) = 1/n Σ_i Σ_j (y_{p_i} − y_{p_i}^j)², where every source knows every word; otherwise a KeyError.

    The text calls it a mean squared error; as printed, and here, it is a mean over the n pairs of a sum over the m
    sources. Of no pairs it is 0 (our own choice).

    Args:
        words: V words.
        M: (V, d).
        b: (d,).
        sources: m of them.
        pairs: n of them; one given twice counts twice.
    """
    total = 0.0
    for pair in pairs:
        y = similarity(words, pair, M, b)
        for source in sources:
            total += (y - source_similarity(source, pair)) ** 2
    return total / len(pairs) if pairs else 0.0


# ---------------------------------------------------------------- maskout


def observed(source: Source, pair: Pair) -> int:
    """Eq. (5): 1[p ∈ S^j], 1 if the source has both words of the pair (Sec. 2.3), else 0.

    A word whose embedding in the source is all zeros counts as one that the source has, on which the paper is silent;
    for the other reading leave it out of the source.
    """
    return 1 if pair[0] in source and pair[1] in source else 0


def loss(
    words: Sequence[str],
    M: Matrix,
    b: Vector,
    sources: Sequence[Source],
    pairs: Sequence[Pair],
    counted: Counted = "pairs",
) -> float:
    """Eq. (4): J(M) = 1/n Σ_i Σ_j 1[p_i ∈ S^j] (y_{p_i} − y_{p_i}^j)²; where the indicator is 0 there is no y^j to ask.

    Args:
        words: V words.
        M: (V, d).
        b: (d,).
        sources: m of them.
        pairs: those in the sum; one given twice counts twice.
        counted: what n is. "pairs": all that are given, those that no source observes, too; that is the literal
            reading of n = |𝒫|. "known": those that some source observes. "terms": the pairs and sources whose
            indicator is 1, for the mean squared error of which the text speaks. They differ by a factor that does
            not depend on M and b. Where n is 0, so is the loss (our own choice).
    """
    total = 0.0
    known = terms = 0
    for pair in pairs:
        y = similarity(words, pair, M, b)
        sources_here = 0
        for source in sources:
            if observed(source, pair) == 1:
                total += (y - source_similarity(source, pair)) ** 2
                sources_here += 1
        known += sources_here > 0
        terms += sources_here
    n = {"pairs": len(pairs), "known": known, "terms": terms}[counted]
    return total / n if n else 0.0


def gradient(
    words: Sequence[str],
    M: Matrix,
    b: Vector,
    sources: Sequence[Source],
    pairs: Sequence[Pair],
    counted: Counted = "pairs",
    step: float = 1e-5,
) -> tuple[list[list[float]], list[float]]:
    """∂J/∂M (V, d) and ∂J/∂b (d,) of Eq. 4, by central differences: (J(θ + step) − J(θ − step)) / (2 step) of each θ.

    The paper writes J(M) and that "all parameters in M" are updated, and does not mention b; Eq. 1 makes ∂J/∂b the sum
    of all rows of ∂J/∂M. With ‖e‖ the least norm of a meta-embedding, what is returned is off by about (step / ‖e‖)²
    of itself, and by about 1e-16 · J / step. At a meta-embedding of zeros the cosine jumps and J has no derivative: an
    AssertionError where one in an observed pair is not at least 100 steps long. A word in no observed pair has a row of
    zeros: only b moves it.

    Args:
        words: V words.
        M: (V, d).
        b: (d,).
        sources: m of them.
        pairs: see `loss`.
        counted: see `loss`.
        step: how far each entry is moved, both ways.
    """
    for pair in pairs:
        if any(observed(source, pair) == 1 for source in sources):
            for word in pair:
                assert norm(meta_embedding(words, word, M, b)) >= 100 * step, f"no derivative: {word} is nearly 0"

    at_M = [list(row) for row in M]
    at_b = list(b)

    def slope(values: list[float], place: int) -> float:
        """∂J of one entry of a list within at_M, or of at_b, which is left as it was."""
        here = values[place]
        above, below = here + step, here - step
        values[place] = above
        higher = loss(words, at_M, at_b, sources, pairs, counted)
        values[place] = below
        lower = loss(words, at_M, at_b, sources, pairs, counted)
        values[place] = here
        return (higher - lower) / (above - below)

    of_M = []
    for v in range(len(at_M)):
        of_M.append([slope(at_M[v], c) for c in range(len(at_b))])
    of_b = [slope(at_b, c) for c in range(len(at_b))]
    return of_M, of_b
