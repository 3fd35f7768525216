"""Concat and SVD: numpy's own decomposition of the sources side by side."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amalgam.errors import RequestError
from amalgam.strategies.concat import Concat
from amalgam.strategies.concat_svd import ConcatSVD
from tests.strategies.lexicons import never, rotated


@pytest.mark.parametrize("unknown", ["token", "zero"])
def test_it_is_the_truncated_decomposition(unknown: str) -> None:
    lexicon = rotated(40, 5, 0.5)
    together = Concat(unknown=unknown).vectors(lexicon, 99, never).double().numpy()  # type: ignore[arg-type]
    left, strengths, _ = np.linalg.svd(together, full_matrices=False)
    found = ConcatSVD(unknown=unknown).vectors(lexicon, 4, never).double()  # type: ignore[arg-type]
    wanted = torch.from_numpy(left[:, :4] * strengths[:4])
    assert torch.allclose(found @ found.T, wanted @ wanted.T, atol=1e-4)  # whatever the signs
    assert found.square().sum(0).sqrt().tolist() == pytest.approx(strengths[:4].tolist(), rel=1e-4)


def test_it_does_not_hang_on_the_librarys_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    lexicon, plain = rotated(40, 5, 0.5), torch.linalg.eigh
    found = ConcatSVD().vectors(lexicon, 4, never)

    def turned(products: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, directions = plain(products)
        return values, directions * torch.tensor([1.0, -1.0] * 5)

    monkeypatch.setattr(torch.linalg, "eigh", turned)
    assert torch.equal(ConcatSVD().vectors(lexicon, 4, never), found)


def test_no_more_directions_than_there_are() -> None:
    with pytest.raises(RequestError, match=r"student\.width is 11, and 39 words of 10 dimensions have no more than 10"):
        ConcatSVD().vectors(rotated(40, 5), 11, never)
