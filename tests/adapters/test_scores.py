"""What a library returns becomes logits in one place."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import sparse

from amalgam.adapters import Conversion, looks_like_probabilities, to_logits
from amalgam.classes import Spans
from amalgam.errors import RequestError

ALL_THREE: Spans = ((0, 3),)


@pytest.mark.parametrize("kind", ["logits", "decisions"])
@pytest.mark.parametrize("spans", [(), ALL_THREE])
def test_logits_and_decisions_stay_as_they_are(kind: str, spans: Spans) -> None:
    values = torch.tensor([[-3.0, 7.5, 0.25]])
    assert torch.equal(to_logits(values, kind, spans), values)  # type: ignore[arg-type]


def test_probabilities_become_log_odds_within_bounds() -> None:
    logits = to_logits(torch.tensor([[0.0, 0.2, 0.5, 1.0]], dtype=torch.float64), "probabilities", ())
    limit = math.log((1 - 1e-6) / 1e-6)
    assert logits.dtype == torch.float32
    assert logits[0].tolist() == pytest.approx([-limit, math.log(0.25), 0.0, limit], abs=0.1)


def test_exclusive_probabilities_are_their_softmax() -> None:
    probabilities = torch.tensor([[0.1, 0.2, 0.7], [0.0, 0.0, 1.0]])
    logits = to_logits(probabilities, "probabilities", ALL_THREE)
    assert torch.isfinite(logits).all()
    assert torch.allclose(logits.softmax(1), probabilities, atol=1e-5)


def test_votes_stand_for_a_probability_of_95_percent() -> None:
    votes = torch.tensor([[0.0, 1.0, 0.0]])
    assert torch.allclose(to_logits(votes, "votes", ()).sigmoid(), torch.tensor([[0.05, 0.95, 0.05]]))
    assert torch.allclose(to_logits(votes, "votes", ALL_THREE).softmax(1), torch.tensor([[0.025, 0.95, 0.025]]))


@pytest.mark.parametrize(
    ("values", "kind", "spans", "message"),
    [
        (
            [[0.5, 1.25]],
            "probabilities",
            (),
            "a score of 1.25 is outside [0, 1], yet its card says `scores: probabilities`; write `scores: logits` "
            "(or `decisions` for signed distances) in the card",
        ),
        (
            [[-1.0, 1.0]],
            "votes",
            (),
            "a score of -1 is outside [0, 1], yet its card says `scores: votes`; write `scores: logits` "
            "(or `decisions` for signed distances) in the card",
        ),
        (
            [[0.4, 1.0]],
            "votes",
            (),
            "a vote of 0.4 is neither 0 nor 1, yet its card says `scores: votes`; write `scores: probabilities` in the "
            "card",
        ),
        (
            [[0.5, 0.5], [0.5, 0.9]],
            "probabilities",
            ((0, 2),),
            "labels that should exclude each other have probabilities that sum to 1.4 in a row, not 1; leave "
            "`exclusive: true`, or their task under `tasks:`, out of the card",
        ),
    ],
)
def test_values_that_are_not_what_the_card_says(values: object, kind: str, spans: Spans, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        to_logits(torch.tensor(values), kind, spans)  # type: ignore[arg-type]
    assert str(raised.value) == message


def test_nan_is_left_for_the_contract_to_name() -> None:
    for kind in ("probabilities", "votes"):
        assert to_logits(torch.tensor([[math.nan, 1.0]]), kind, ()).isnan().tolist() == [[True, False]]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (torch.linspace(0, 1, 64), True),
        (torch.linspace(0, 1, 63), False),
        (torch.full((64,), 0.5), False),
        (torch.linspace(-0.01, 1, 64), False),
        (torch.linspace(0, 1.01, 64), False),
        (torch.linspace(0, 1, 64).index_fill(0, torch.tensor([3]), math.nan), False),
    ],
)
def test_probabilities_in_disguise(scores: torch.Tensor, expected: bool) -> None:
    assert looks_like_probabilities(scores) is expected


def test_those_of_classes_add_up_to_one() -> None:
    scores = torch.rand(64, 3, generator=torch.Generator().manual_seed(0))
    assert looks_like_probabilities(scores)
    assert not looks_like_probabilities(scores, ALL_THREE), "logits of a teacher that learned little"
    assert looks_like_probabilities(scores.softmax(1), ALL_THREE)


def test_disguised_probabilities_are_refused_by_name() -> None:
    with pytest.raises(RequestError) as raised:
        Conversion("a", "logits")(np.linspace(0, 1, 128).reshape(64, 2))
    assert str(raised.value) == (
        "teacher 'a' should answer with logits, but every score of its first batch lies within [0, 1]; write "
        "`scores: probabilities` in its card (or `scores: decisions` if they truly are unbounded scores)"
    )


def test_only_the_first_large_batch_is_looked_at() -> None:
    convert, within = Conversion("a", "logits"), torch.rand(64, 2)
    convert(torch.rand(4, 2))  # too small to tell anything
    assert not convert.looked
    convert(torch.randn(64, 2))
    assert torch.equal(convert(within), within)
    assert torch.equal(Conversion("a", "decisions")(within), within)


def test_arrays_and_sparse_matrices_become_tensors_and_errors_name_the_teacher() -> None:
    dense = np.array([[0.0, 1.0], [1.0, 0.0]])
    expected = to_logits(torch.as_tensor(dense), "votes", False)
    assert torch.equal(Conversion("a", "votes")(dense), expected)
    assert torch.equal(Conversion("a", "votes")(sparse.lil_matrix(dense)), expected)
    with pytest.raises(RequestError, match=r"^teacher 'a': a score of 3 is outside \[0, 1\], yet"):
        Conversion("a", "votes")(3 * dense)
