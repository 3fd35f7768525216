"""LLE, locally linear meta-embedding (Bollegala et al., IJCAI 2018; knowledge-amalgamation, ch. 2)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt
from scipy import sparse
from scipy.sparse.linalg import lobpcg
from torch import Tensor

from amalgam.embeddings.lexicon import ABSENT, Lexicon
from amalgam.embeddings.method import Learn, MetaEmbedding
from amalgam.embeddings.pairs import nearest
from amalgam.embeddings.room import require_room
from amalgam.errors import RequestError
from amalgam.strategies.concat import joined
from amalgam.strategy import Paper

_NUMBERS = 2**22  # in double precision, of the neighbourhoods that are solved at once
_DENSE = 1000  # words whose matrix is decomposed whole, in a second
_TOLERANCE = 1e-4  # of ‖M v - λ v‖, where no entry of M's diagonal is below 1
_ITERATIONS = 200


@dataclass(frozen=True)
class LLE(MetaEmbedding):
    """A word's vector is made of others as its sources make it of its neighbours' vectors.

    First, weights that add up to one rebuild a word's vectors from its nearest neighbours', in all sources that know it
    at once. Then, the meta-embedding is what these weights rebuild best: eigenvectors of a sparse matrix. No word is
    out of vocabulary: one source with neighbours is enough. A word that has none, since no other word is known to the
    sources that know it, has a vector of zeros, which is the mean of all others.

    The authors take vectors as long as they come, so that a source of long ones counts more; here they are brought to
    length one first, and the nearest are those of the largest cosine.

    Attributes:
        neighbours: how many in each source; the paper has more of them than dimensions, its authors' code 1,000. With
            few, directions are spent on a few hundred words each and are slow to find; many cost memory (chosen: with
            100, words of three sources that share few take some 20 KB each). They are sought exactly, at a cost of
            V² D a source: some 20 minutes of one core for 270,000 words of 300 dimensions (docs/tables.md).
        ridge: what is added to the diagonal of the neighbours' products, as a share of its sum: more neighbours than
            dimensions have no one answer without it, and a large one keeps weights near equal ones. The authors descend
            from equal ones instead and stop early, their code after ten steps of 0.01, which leaves weights as a ridge
            of about 1 / (2 · 10 · 0.01) does: of vectors at length one, a share of 0.05 at 100 neighbours.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Think Globally, Embed Locally: Locally Linear Meta-embedding of Words (IJCAI 2018)",
        where="arXiv 1709.06671, and its authors' code; knowledge-amalgamation, chapter 2, compared methods",
    )

    neighbours: PositiveInt = 100
    ridge: PositiveFloat = 0.05

    def vectors(self, lexicon: Lexicon, width: int, learn: Learn) -> Tensor:
        """The projection (V, d) of all words; its columns have mean 0 and are uncorrelated, of variance 1."""
        require_room(partial(numbers, len(lexicon.words)), width)
        weights = reconstruction(lexicon, self.neighbours, self.ridge)
        linked = np.flatnonzero(np.diff(weights.indptr))
        if width >= len(linked):
            raise RequestError(
                f"student.width is {width}, and {len(linked):,} words with neighbours have no more than "
                f"{max(len(linked) - 1, 0)} directions; choose a smaller one"
            )
        found = torch.zeros(len(lexicon.words), width)
        found[torch.from_numpy(linked)] = projection(weights[linked][:, linked], width)
        return found


def reconstruction(lexicon: Lexicon, neighbours: int, ridge: float) -> Any:
    """W' (unnumbered here), w'_vu = w_vu Σ_k 1[u ∈ N_k(v)], a sparse matrix (V, V) whose rows add up to one.

    The weights are those of the least Φ(W) = Σ_v Σ_k ‖s_k(v) - Σ_{u ∈ N_k(v)} w_vu s_k(u)‖² with Σ_u w_vu = 1, over
    the sources that know v: where a word is a neighbour in several sources, they share its weight. Since weights add up
    to one, s_k(v) is Σ_u w_vu s_k(v), and a word's part of Φ is ‖Σ_u w_vu z_u‖², where z_u is the sources' differences
    1[u ∈ N_k(v)] s_k(u) - s_k(v), side by side.

    As printed, rows of W' add up to more than one where sources share neighbours, and M's smallest eigenvalue is not
    the zero that is printed. Here they are divided by their sums, which makes it zero. Rows of words without neighbours
    are empty.
    """
    vectors = torch.cat(list(joined(lexicon, "zero", True, ())))
    dimensions = [source.dimensions for source in lexicon.sources]
    near = neighbourhoods(lexicon, torch.split(vectors, dimensions, dim=1), neighbours)
    most = near.shape[1] * near.shape[2]
    by_sources = torch.from_numpy(lexicon.known.sum(0).argsort())  # those of a block have about as many neighbours
    found = []
    for words in torch.split(by_sources, max(1, _NUMBERS // (most * max(most, vectors.shape[1])))):
        others, within = united(near[words])
        there = within.any(2)
        shown = within.repeat_interleave(torch.tensor(dimensions), dim=2)
        apart = (vectors[others].double() * shown - vectors[words][:, None]) * there[:, :, None]
        weights = weights_of(apart, there, ridge) * within.sum(2)
        rows, columns = there.nonzero().T
        shares = (weights / weights.sum(1, keepdim=True))[rows, columns]
        found.append((shares, words[rows].int(), others[rows, columns]))
    entries, *places = (torch.cat(one).numpy() for one in zip(*found, strict=True))
    return sparse.csr_array((entries, places), shape=(len(near), len(near)))


def neighbourhoods(lexicon: Lexicon, vectors: Sequence[Tensor], count: int) -> Tensor:
    """N_k(v), the words nearest to each word in each source, (V, K, n); `ABSENT` where there is none.

    Args:
        lexicon: the sources, aligned.
        vectors: K tensors (V, D_k), at length one.
        count: n, at most; fewer where no source knows so many.
    """
    most = max(1, min(count, int(lexicon.known.sum(1).max()) - 1))
    found = torch.full((len(lexicon.words), len(vectors), most), ABSENT, dtype=torch.int32)
    for place, (own, known) in enumerate(zip(vectors, torch.from_numpy(lexicon.known), strict=True)):
        (words,) = torch.where(known)
        within = min(most, len(words) - 1)
        if within > 0:
            found[words, place, :within] = words[nearest(own[words], within)].int()
    return found


def united(near: Tensor) -> tuple[Tensor, Tensor]:
    """The neighbours of B words in any source, each once, (B, m), and in which they are some, (B, m, K).

    Args:
        near: (B, K, n), `ABSENT` where there is none. Of the m, those that are left over are in no source.
    """
    others = near.flatten(1).sort(dim=1, descending=True).values
    others = others[:, : int((others != ABSENT).sum(1).max())]
    first = torch.ones_like(others, dtype=torch.bool)
    first[:, 1:] = others[:, 1:] != others[:, :-1]
    within = (others[:, :, None, None] == near[:, None]).any(3)
    return others, within & (first & (others != ABSENT))[:, :, None]


def weights_of(apart: Tensor, there: Tensor, ridge: float) -> Tensor:
    """w (unnumbered here) of the least ‖Σ_u w_u z_u‖² among those with Σ_u w_u = 1, (B, m).

    The paper says that linear equations have the answer, and descends for speed: w is G⁻¹ 1, brought to a sum of one,
    where G = z zᵀ.

    Args:
        apart: z, (B, m, D), in double precision; zeros where there is no neighbour.
        there: (B, m), whether there is one; the weight is zero where there is none.
        ridge: added to the diagonal of G, times its sum.
    """
    products = apart @ apart.mT
    diagonal = products.diagonal(dim1=1, dim2=2)
    size = diagonal.sum(1, keepdim=True)
    size = torch.where(size > 0, size, 1.0)  # all neighbours are where the word is; then any weights will do
    diagonal += ridge * size + ~there
    weights: Tensor = torch.linalg.solve(products, there.double())
    return weights / weights.sum(1, keepdim=True)


def projection(weights: Any, width: int) -> Tensor:
    """The d eigenvectors of M = (I - W')ᵀ(I - W') to the smallest eigenvalues (unnumbered here), times √n, (n, d).

    They are the least Ψ = Σ_v ‖m(v) - Σ_u w'_vu m(u)‖² of uncorrelated columns. The constant vector, whose eigenvalue
    is 0, is left out by asking for vectors at right angles to it, which also holds where it is not the only one of that
    eigenvalue. Each one's largest component is positive.

    The smallest of M's eigenvalues are much smaller than its largest and lie close together. Lanczos' iteration needs
    many thousand products for them; shift and invert needs a factorisation, and neighbours in many dimensions have no
    order in which it stays sparse (that of 30,000 words takes over ten minutes). LOBPCG with M's diagonal as
    preconditioner has Ψ of 50 directions of 27,000 words to five digits in half a minute of one core, where they have
    100 neighbours each. It stops after so many steps where it is not done; what it has then is a little less smooth
    than the best.

    Args:
        weights: W', (n, n), whose rows add up to one.
        width: d, less than n.
    """
    words = weights.shape[0]
    apart = (sparse.eye_array(words) - weights).tocsr()
    guarded = sought(width)
    found = _whole(apart, width) if small(words, guarded) else _iterated(apart, guarded)[:, :width]
    largest = np.take_along_axis(found, np.abs(found).argmax(0)[None], 0)
    return torch.from_numpy(found * np.sign(largest) * words**0.5).float()


def sought(width: int) -> int:
    """How many eigenvectors are iterated: the last of them come slowest."""
    return width + max(2, width // 10)


def small(words: int, count: int) -> bool:
    """Whether so few words have all their eigenvectors computed."""
    return words <= max(_DENSE, 6 * count)


def numbers(words: int, width: int) -> int:
    """How many numbers of single precision a projection holds at the least, in double precision itself."""
    count = sought(width)
    return 2 * 3 * words * (words if small(words, count) else 2 * count)  # LOBPCG has six blocks of vectors


def _whole(apart: Any, width: int) -> NDArray[np.float64]:
    """Of few words: all eigenvectors, once the constant one is moved to the far end."""
    dense = apart.toarray()
    moved = dense.T @ dense
    moved += np.trace(moved) / len(moved)
    found: NDArray[np.float64] = np.linalg.eigh(moved).eigenvectors[:, :width]
    return found


def _iterated(apart: Any, count: int) -> NDArray[np.float64]:
    """Of many words: so many eigenvectors, smallest first, by products alone; always from the same random start."""
    back = apart.T.tocsr()
    diagonal = apart.multiply(apart).sum(axis=0)[:, None]
    start = np.random.default_rng(0).normal(size=(apart.shape[0], count))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it stopped before its tolerance
        values, found = lobpcg(
            lambda some: back @ (apart @ some),
            start,
            M=lambda some: some / diagonal,
            Y=np.ones((len(start), 1)),
            tol=_TOLERANCE,
            maxiter=_ITERATIONS,
            largest=False,
        )
    ordered: NDArray[np.float64] = found[:, np.argsort(values)]
    return ordered
