"""LLE, locally linear meta-embedding (Bollegala et al., IJCAI 2018; knowledge-amalgamation, ch. 2)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
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
from amalgam.embeddings.relations import units
from amalgam.errors import RequestError
from amalgam.strategy import Paper

_NUMBERS = 2**22  # in double precision, of the neighbourhoods that are solved at once
_DENSE = 1000  # words whose matrix is decomposed whole, in a second
_TOLERANCE = 1e-4  # of ‖M v - λ v‖, where no entry of M's diagonal is below 1
_ITERATIONS = 200


@dataclass(frozen=True)
class LLE(MetaEmbedding):
    """A word's vector is made of others as its sources make it of its neighbours' vectors.

    In every source that knows a word, weights that add up to one rebuild its vector from its nearest neighbours'. The
    meta-embedding is what these weights, of all sources together, rebuild best: eigenvectors of a sparse matrix.

    The authors approach the weights by a descent from equal ones, sharing one weight between the sources in which a
    word is a neighbour. Here each source's are the exact minimiser of its own error, in closed form, and a word that is
    a neighbour in two sources counts with both its weights. The authors divide by a word's sum of weights before they
    add the sources up; here it is done after, so that rows add up to one whatever sources know the word, and the
    constant vector that is left out is an eigenvector. Vectors are brought to length one first, where the authors take
    lengths as they come; then the nearest are those of the largest cosine.

    A word that has no neighbour in any source, since no other word is known to the sources that know it, has a vector
    of zeros, which is the mean of all others.

    Attributes:
        neighbours: how many in each source (chosen; the authors' code has no default).
        ridge: what is added to the diagonal of the neighbours' products, as a share of its sum, without which more
            neighbours than dimensions have no one answer (chosen; the usual one of locally linear embedding). A large
            one keeps the weights near equal ones, where the descent of the authors' code, of ten steps, leaves them.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Think Globally, Embed Locally: Locally Linear Meta-embedding of Words (IJCAI 2018)",
        where="arXiv 1709.06671, and its authors' code; knowledge-amalgamation, chapter 2, compared methods",
    )

    neighbours: PositiveInt = 10
    ridge: PositiveFloat = 1e-3

    def vectors(self, lexicon: Lexicon, width: int, learn: Learn) -> Tensor:
        """The projection (V, d) of all words; its columns have mean 0 and are uncorrelated, of variance 1."""
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
    """W' (unnumbered here): what each word is rebuilt from, over all sources that know it, a sparse matrix (V, V).

    Its rows add up to one, but for those of words without neighbours, which are empty.
    """
    every = len(lexicon.words)
    total = sparse.csr_array((every, every))
    for source, rows in zip(lexicon.sources, lexicon.rows, strict=True):
        known = np.flatnonzero(rows != ABSENT)
        count = min(neighbours, len(known) - 1)
        if count < 1:
            continue
        own = units(torch.from_numpy(source.vectors[rows[known]]))
        near = nearest(own, count)
        places = np.repeat(known, count), known[near.numpy().ravel()]
        total = total + sparse.csr_array((weights_of(own, near, ridge).numpy().ravel(), places), shape=(every, every))
    sums = total.sum(axis=1)
    return sparse.diags_array(1.0 / np.where(sums == 0, 1.0, sums)).tocsr() @ total


def weights_of(vectors: Tensor, near: Tensor, ridge: float) -> Tensor:
    """w (unnumbered here) of the least ‖v - Σ_u w_u u‖² among those with Σ_u w_u = 1, in double precision, (n, k).

    With z_u = u - v the error is wᵀ G w, where G = z zᵀ; its minimiser is G⁻¹ 1, brought to a sum of one.

    Args:
        vectors: (n, D).
        near: (n, k), the rows of each one's neighbours.
        ridge: added to the diagonal of G, times its trace.
    """
    count = near.shape[1]
    each = max(1, _NUMBERS // (count * max(count, vectors.shape[1])))
    found = []
    for own, their in zip(torch.split(vectors, each), torch.split(near, each), strict=True):
        apart = vectors[their].double() - own[:, None].double()
        products = apart @ apart.mT
        size = products.diagonal(dim1=1, dim2=2).sum(1)
        size = torch.where(size > 0, size, 1.0)  # all neighbours are where the word is; then any weights will do
        products.diagonal(dim1=1, dim2=2).add_(ridge * size[:, None])
        weights = torch.linalg.solve(products, torch.ones(len(own), count, dtype=torch.float64))
        found.append(weights / weights.sum(1, keepdim=True))
    return torch.cat(found)


def projection(weights: Any, width: int) -> Tensor:
    """The d eigenvectors of M = (I - W')ᵀ(I - W') to the smallest eigenvalues (unnumbered here), times √n, (n, d).

    The constant vector, whose eigenvalue is 0, is left out by asking for vectors at right angles to it, which also
    holds where it is not the only one of that eigenvalue. Each one's largest component is positive.

    The smallest of M's eigenvalues are thousands of times smaller than its largest and lie close together. Lanczos'
    iteration alone needs many thousand products for them; shift and invert needs a factorisation, and neighbours in
    many dimensions have no order in which it stays sparse. LOBPCG with M's diagonal as preconditioner is done with
    30,000 words and 100 vectors in a minute or two. It stops after a number of steps where it is not done; what it has
    then is a little less smooth than the best.

    Args:
        weights: W', (n, n), whose rows add up to one.
        width: d, less than n.
    """
    words = weights.shape[0]
    apart = (sparse.eye_array(words) - weights).tocsr()
    guarded = width + max(2, width // 10)  # those at the border come last, and are not waited for
    small = words <= max(_DENSE, 6 * guarded)
    found = _whole(apart, width) if small else _iterated(apart, guarded)[:, :width]
    largest = np.take_along_axis(found, np.abs(found).argmax(0)[None], 0)
    return torch.from_numpy(found * np.sign(largest) * words**0.5).float()


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
