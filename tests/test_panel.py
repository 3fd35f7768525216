"""The panel: names, needs, majority, mean, and softmax teachers as sigmoids."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amalgam.errors import RequestError
from amalgam.panel import Ballots, Seat, majority, mean_logit, seat
from amalgam.signals import Votes
from amalgam.teacher import ConditionalScorer, FeatureScorer, Scorer


class Fixed:
    """A teacher that always says the same."""

    def __init__(self, labels: list[str], said: list[float], exclusive: bool = False) -> None:
        self.labels, self.said, self.exclusive = labels, torch.tensor(said), exclusive

    def score(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.said.expand(len(inputs), -1)


class Shows(Fixed):
    """One that also shows features."""

    def score_and_features(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.score(inputs), inputs[:, :1]


def test_twice_the_same_name_is_told_apart() -> None:
    panel = seat([Seat("a", Fixed(["x"], [1.0])), Seat("a", Fixed(["y"], [1.0])), Seat("a", Fixed(["z"], [1.0]))])
    assert [one.name for one in panel.seats] == ["a", "a-2", "a-3"]


def test_no_teacher_is_refused() -> None:
    with pytest.raises(RequestError) as raised:
        seat([])
    assert str(raised.value) == "no teacher to learn from; name one with --teacher or under `teachers:` in the recipe"


def test_a_teacher_that_cannot_what_a_strategy_needs_is_refused_by_name() -> None:
    panel = seat([Seat("shows", Shows(["x"], [1.0])), Seat("plain", Fixed(["x"], [1.0]))])
    panel.require(Scorer, "ant")
    with pytest.raises(RequestError) as raised:
        panel.require(FeatureScorer, "venus")
    assert str(raised.value) == (
        "strategy 'venus' needs every teacher to show its features: `score_and_features(inputs)`; teacher 'plain' "
        "cannot; choose another teacher or another strategy"
    )
    with pytest.raises(RequestError, match="score given some labels"):
        panel.require(ConditionalScorer, "chained")


def test_features_travel_with_the_votes_when_they_are_needed() -> None:
    panel = seat([Seat("shows", Shows(["x"], [1.0]))])
    said = panel.vote(0, torch.arange(6.0).reshape(3, 2), features=True)
    assert said["features"].tolist() == [[0.0], [2.0], [4.0]]
    assert said["features"].dtype == torch.float16
    votes = Ballots(panel, 3, (said["scores"],), (said["features"],)).at(slice(1, 3))
    assert votes.features[0].tolist() == [[2.0], [4.0]]
    assert list(panel.vote(0, torch.zeros(2, 2))) == ["scores"]


_HOW = (
    "they are kept in half precision, finite and up to 65,504: look for missing or unscaled values in the data (the "
    "card of a timm or torchvision network can also name another `layer`)"
)


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        (torch.tensor([[1.0, 2.0], [1.0, torch.nan]]), f"row 1 of a batch that are NaN or infinite; {_HOW}"),
        (torch.tensor([[1.0, -torch.inf], [0.0, 0.0]]), f"row 0 of a batch that are NaN or infinite; {_HOW}"),
        (torch.tensor([[1.0, 2.0], [-70000.0, 0.0]]), f"row 1 of a batch that are as large as 7e+04; {_HOW}"),
    ],
)
def test_features_that_cannot_be_kept_stop_the_run(shown: torch.Tensor, says: str) -> None:
    wide = Shows(["x"], [1.0])
    wide.score_and_features = lambda inputs: (wide.score(inputs), shown)  # type: ignore[method-assign]
    panel = seat([Seat("wide", wide)])
    with pytest.raises(RequestError) as raised:
        panel.vote(0, torch.zeros(2, 2), features=True)
    assert str(raised.value) == f"teacher 'wide' showed features of {says}"
    assert list(panel.vote(0, torch.zeros(2, 2))) == ["scores"]


def test_features_are_a_vector_a_row() -> None:
    flat = Shows(["x"], [1.0])
    flat.score_and_features = lambda inputs: (flat.score(inputs), inputs[0])  # type: ignore[method-assign]
    with pytest.raises(RequestError) as raised:
        seat([Seat("flat", flat)]).vote(0, torch.zeros(3, 2), features=True)
    assert str(raised.value) == (
        "teacher 'flat' showed features of shape (2,) for 3 rows, expected (3, …): one vector for each row; mend its "
        "`score_and_features`"
    )


def votes_of(scores: torch.Tensor) -> Votes:
    return Votes(scores, ~scores.isnan().all(1))


def test_the_majority_counts_a_tie_as_positive() -> None:
    nan = torch.nan
    scores = torch.tensor([[[1.0, -1.0, nan, 2.0]], [[-1.0, -1.0, nan, 2.0]], [[nan, nan, -3.0, -2.0]]])
    assert majority(votes_of(scores)).tolist() == [[1.0, 0.0, 0.0, 1.0]]


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4))
def test_ensembles_are_blind_to_the_order_of_teachers(seed: int, teachers: int) -> None:
    torch.manual_seed(seed)
    scores = torch.randn(teachers, 5, 3)
    scores[torch.rand(teachers, 1, 3).expand_as(scores) < 0.3] = torch.nan
    scores[0, :, scores.isnan().all(0).all(0)] = 1.0
    turned = scores.flip(0)
    assert torch.equal(majority(votes_of(scores)), majority(votes_of(turned)))
    torch.testing.assert_close(mean_logit(votes_of(scores)), mean_logit(votes_of(turned)))
    assert torch.isfinite(mean_logit(votes_of(scores))).all()


def test_softmax_scores_become_the_log_odds_of_each_label() -> None:
    panel = seat([Seat("soft", Fixed(["x", "y", "z"], [2.0, 0.0, -1.0], exclusive=True))])
    votes = Ballots(panel, 1, (panel.vote(0, torch.zeros(1, 1))["scores"],)).at(slice(0, 1))
    p = torch.tensor([2.0, 0.0, -1.0]).softmax(0)
    torch.testing.assert_close(votes.read()[0, 0], torch.log(p / (1 - p)))
    torch.testing.assert_close(votes.read().sigmoid()[0, 0], p)


def test_one_label_that_excludes_all_others_is_certain_and_finite() -> None:
    panel = seat([Seat("soft", Fixed(["x", "y"], [200.0, -200.0], exclusive=True))])
    votes = Ballots(panel, 1, (panel.vote(0, torch.zeros(1, 1))["scores"],)).at(slice(0, 1))
    assert torch.isfinite(votes.read()).all()
    assert (votes.read()[0, 0] > 0).tolist() == [True, False]


def test_one_teachers_own_logits_are_those_of_its_votes_in_chunks() -> None:
    seats = [Seat("soft", Fixed(["z", "x"], [2.0, 0.5], exclusive=True)), Seat("plain", Fixed(["y", "x"], [1.0, -3.0]))]
    panel, drawn = seat(seats), torch.Generator().manual_seed(1)
    ballots = Ballots(panel, 7, tuple(torch.randn(7, 2, generator=drawn) for _ in seats))
    for k in range(2):
        chunks = list(ballots.own(k, 3))
        assert [len(chunk) for chunk in chunks] == [3, 3, 1]
        torch.testing.assert_close(torch.cat(chunks), panel.space.own(k, ballots.at(slice(0, 7)).read()[k]))
