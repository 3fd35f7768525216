"""TC: every equation and choice against the slow transcription; the trust learner learns whom to trust."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch

from amalgam import strategies
from amalgam.classes import truth_of
from amalgam.errors import RequestError
from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.signals import ProbabilityTargets, StudentOutput, TensorRows
from amalgam.strategies.tc import (
    TC,
    Learned,
    calibrated,
    class_trust,
    combine,
    learn_trust,
    membership,
    mixed,
    relative,
    specialised,
    trusted,
)
from tests.class_laws import begun, class_rows, class_seats
from tests.laws import ballots_of
from tests.reference import tc as slow
from tests.strategies.classes import SETS, drawn


def as_list(panel: Panel, distribution: slow.Distribution) -> list[float]:
    return [distribution[name] for name in panel.space.names]


class Says(torch.nn.Module):
    """A judge whose logits are given."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(logits, requires_grad=False)

    def forward(self, inputs: torch.Tensor) -> StudentOutput:
        return StudentOutput(self.logits[: len(inputs)], inputs)


CHOICES = list(product(("softmax", "share", "logits"), ("sum", "mean"), (False, True)))


@pytest.mark.parametrize(("normalise", "shared", "hard"), CHOICES)
@pytest.mark.parametrize("seed", range(3))
def test_targets_by_trust_in_teachers_equal_slow(seed: int, normalise: Any, shared: Any, hard: bool) -> None:
    panel, votes, said = drawn(seed)
    logits = 2 * torch.randn(7, 3, generator=torch.Generator().manual_seed(seed + 100))
    temperatures = torch.tensor([1.0, 2.0, 0.5])
    strategy = TC(normalise=normalise, shared=shared, hard=hard)
    rows = TensorRows(values=torch.zeros(7, 4, 1), annotated=torch.full((7, 5), torch.nan), labels=panel.space.names)
    made = strategy.targets(panel, rows, votes, Learned(None, False, Says(logits), temperatures))
    assert made.exclusive
    for row in range(7):
        trust = slow.relative_trust(logits[row].tolist(), normalise)
        wanted = slow.amalgamated(said[row], trust, shared, temperatures.tolist())
        wanted = slow.hardened(wanted) if hard else wanted
        assert made.probabilities[row].tolist() == pytest.approx(as_list(panel, wanted), abs=1e-5)


@pytest.mark.parametrize(
    ("shared", "mix", "blend"), list(product(("sum", "mean"), (0.0, 0.3, 1.0), ("arithmetic", "geometric")))
)
def test_targets_by_trust_in_classes_equal_slow(shared: Any, mix: float, blend: Any) -> None:
    panel, votes, said = drawn(4)
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(5))
    annotated = torch.full((7, 5), torch.nan)
    annotated[2] = torch.eye(5)[3]
    rows = TensorRows(values=torch.zeros(7, 4, 1), annotated=annotated, labels=panel.space.names)
    strategy = TC(judged="classes", normalise="none", shared=shared, mix=mix, blend=blend, labelled=True)
    made = strategy.targets(panel, rows, votes, Learned(None, False, Says(logits), torch.ones(3)))
    for row in range(7):
        q = dict(zip(panel.space.names, slow.softmax(logits[row].tolist()), strict=True))
        wanted = slow.amalgamated(said[row], slow.class_trust(q, said[row]), shared)
        wanted = slow.mixed(wanted, q, mix, blend) if mix else wanted
        wanted = slow.known_truth(wanted, panel.space.names[3] if row == 2 else None)
        assert made.probabilities[row].tolist() == pytest.approx(as_list(panel, wanted), abs=1e-5)


def test_equations_one_by_one() -> None:
    panel, votes, said = drawn(7)
    known, logits = panel.space.known, torch.tensor([[0.5, -1.0, 2.0]])
    e = trusted(logits)
    assert e[0].tolist() == pytest.approx(slow.expertise([[1.0]] * 3, [0.0], logits[0].tolist()))
    truth = torch.tensor([panel.space.names.index(name) for name in ("a", "c", "e")])
    members = membership(truth, known)
    assert members.tolist() == [[1, 0, 0], [1, 1, 1], [0, 0, 1]]
    output = StudentOutput(logits.expand(3, 3), torch.zeros(3, 1))
    loss = learn_trust(output, ProbabilityTargets(members, torch.ones(3, 3)))
    by_hand = sum(slow.trust_loss(e[0].tolist(), [bool(one) for one in row]) for row in members.tolist())
    assert float(loss.sum) == pytest.approx(by_hand, rel=1e-5)
    assert float(loss.count) == 3
    own = specialised(votes.scores, torch.tensor([1.0, 2.0, 3.0]))
    for k, labels in enumerate(SETS):
        for row in range(7):
            wanted = slow.teacher_posterior(said[row][k], k + 1.0)
            everywhere = [wanted.get(name, 0.0) for name in panel.space.names]
            assert own[k, row].tolist() == pytest.approx(everywhere, abs=1e-6), labels
    for how in ("softmax", "share", "logits"):
        assert relative(e, logits, how)[0].tolist() == pytest.approx(slow.relative_trust(logits[0].tolist(), how))
    assert relative(e, logits, "none") is e
    q = torch.randn(7, 5, generator=torch.Generator().manual_seed(8)).softmax(1)
    trust, logit = class_trust(q, known)
    torch.testing.assert_close(logit.sigmoid(), trust)
    by_class = [slow.class_trust(dict(zip(panel.space.names, row, strict=True)), said[0]) for row in q.tolist()]
    torch.testing.assert_close(trust, torch.tensor(by_class))


def test_a_teacher_that_nobody_trusts_says_nothing() -> None:
    said = torch.tensor([[[0.9, 0.1, 0.0]], [[0.0, 0.2, 0.8]]])
    known = torch.tensor([[True, True, False], [False, True, True]])
    alone = combine(said, torch.tensor([[1.0, 0.0]]), known, "sum")
    torch.testing.assert_close(alone, said[0])
    torch.testing.assert_close(mixed(alone, alone, 0.5, "arithmetic"), alone)


def test_a_temperature_is_that_which_fits_the_labelled_rows_best() -> None:
    chance = torch.Generator().manual_seed(3)
    true = 2 * torch.randn(4000, 3, generator=chance)
    truth = torch.multinomial(true.softmax(1), 1, generator=chance)[:, 0]
    scores = torch.stack([4 * true, true, true / 2])
    known = torch.ones(3, 3, dtype=torch.bool)
    found = calibrated(scores, truth, known)
    assert found.tolist() == pytest.approx([4.0, 1.0, 0.5], rel=0.12)
    few = calibrated(
        torch.cat([scores, torch.full((3, 4000, 1), torch.nan)], 2)[:, :1],
        torch.tensor([0]),
        torch.tensor([[True, True, True, False]] * 3),
    )
    assert few.tolist() == [1.0, 1.0, 1.0], "one row says nothing of a temperature"


PERIODS = torch.tensor([4.0, 6.0, 9.0, 14.0, 22.0])


def waves(number: int = 300) -> TensorRows:
    """Waves whose class is their period; 25 are labelled, five of each class."""
    chance = torch.Generator().manual_seed(1)
    classes = torch.arange(number) % 5
    phase = 6.28 * torch.rand(number, 1, generator=chance)
    values = (6.2832 * torch.arange(44) / PERIODS[classes][:, None] + phase).sin()
    values = values + 0.3 * torch.randn(number, 44, generator=chance)
    annotated = torch.full((number, 5), torch.nan)
    annotated[:25] = torch.eye(5)[classes[:25]]
    return TensorRows(values=values[..., None], annotated=annotated, labels=("a", "b", "c", "d", "e"))


class Half:
    """A teacher that knows the waves of its own classes, and takes any other for one of them, more surely still."""

    exclusive = True

    def __init__(self, labels: str) -> None:
        self.labels = list(labels)

    def score(self, inputs: torch.Tensor) -> torch.Tensor:
        angle = 6.2832 * torch.arange(44)[:, None] / PERIODS
        power = ((inputs[..., 0] @ angle.sin()).square() + (inputs[..., 0] @ angle.cos()).square()).sqrt() / 22
        own = ["abcde".index(label) for label in self.labels]
        foreign = [place for place in range(5) if place not in own]
        scores = 5 * power[:, own]
        for number, place in enumerate(foreign):
            scores[:, number % len(own)] += 8 * power[:, place]
        return scores


def taught(make: Any, targets: Any, loss: Any, name: str, *, rows: TensorRows, settings: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    network = make()
    optimizer = torch.optim.Adam(network.parameters(), lr=settings["learning_rate"])
    for _ in range(400):
        told = loss(network(rows.values), targets.at(slice(None)))
        (told.sum / told.count).backward()
        optimizer.step()
        optimizer.zero_grad()
    return network.eval()


@pytest.mark.parametrize("judged", ["teachers", "classes"])
@pytest.mark.parametrize("evidence", ["lstm", "rocket", "both"])
def test_the_trust_learner_learns_whom_to_trust(evidence: Any, judged: Any) -> None:
    """Disjoint teachers, each sure of something on rows of the other's classes: right only by trust."""
    rows = waves()
    truth = torch.arange(300) % 5
    panel = seat([Seat("first", Half("ab")), Seat("last", Half("cde"))])
    ballots = Ballots(panel, 300, tuple(one.teacher.score(rows.values) for one in panel.seats))
    strategy = TC(evidence=evidence, judged=judged, normalise="share", hidden=12, features=84)
    state = strategy.prepare(panel, rows, ballots, taught)
    made = strategy.targets(panel, rows, ballots.at(slice(0, 300)), state)
    unlabelled = slice(25, None)
    right = (made.probabilities.argmax(1) == truth)[unlabelled].float().mean()
    assert right > (0.75 if evidence == "lstm" else 0.95)
    said = specialised(ballots.at(slice(0, 300)).scores, torch.ones(2))
    blind = combine(said, torch.full((300, 2), 0.5), panel.space.known, "sum")
    assert (blind.argmax(1) == truth)[unlabelled].float().mean() < 0.6
    facts, grid = strategy.facts(panel, made.counts), strategy.grid(panel, made.counts)
    assert (grid.labels, grid.teachers) == (tuple("abcde"), ("first", "last"))
    likeliest = made.probabilities.argmax(1)
    trust = strategy.account(panel, rows, ballots.at(slice(0, 300)), state).teachers["trust"]
    for place, (name, values) in enumerate(zip(grid.labels, grid.values, strict=True)):
        assert facts[f"rows whose target is {name}"] == (likeliest == place).sum()
        assert values == pytest.approx(trust[likeliest == place].mean(0).tolist(), abs=1e-4)
    (told, other), *_ = grid.values
    assert told is not None
    assert other is not None
    assert told > 0.6 > other


def test_a_class_that_no_target_has_shows_no_trust() -> None:
    panel = seat([Seat("first", Half("ab")), Seat("last", Half("cde"))])
    counts = {"trust": torch.zeros(5, 2), "chosen": torch.zeros(5)}
    assert TC().grid(panel, counts).values == ((None, None),) * 5


def test_a_teacher_of_all_classes_is_trusted() -> None:
    rows = waves()
    panel = seat([Seat("all", Half("abcde")), Seat("last", Half("cde"))])
    ballots = Ballots(panel, 300, tuple(one.teacher.score(rows.values) for one in panel.seats))
    strategy = TC(evidence="rocket", features=84, normalise="none")
    state = strategy.prepare(panel, rows, ballots, taught)
    judged = strategy._judged(rows, ballots.at(slice(0, 300)), state)
    assert (judged[:, 0] == judged[0, 0]).all()
    assert float(judged[0, 0].sigmoid()) == pytest.approx(26 / 27)


def test_an_annotation_is_the_target_of_its_row_where_that_is_wanted() -> None:
    panel, rows = seat(class_seats()), class_rows()
    ballots = ballots_of(TC(), panel, rows)
    for labelled in (False, True):
        strategy = TC(labelled=labelled)
        state = strategy.prepare(panel, rows, ballots, begun)
        made = strategy.targets(panel, rows, ballots.at(slice(0, 40)), state).probabilities
        assert rows.annotated is not None
        same = (made[:15].argmax(1) == truth_of(rows.annotated)[:15]) & (made[:15].amax(1) == 1)
        assert bool(same.all()) == labelled


def test_a_mixture_needs_a_judge_of_classes() -> None:
    with pytest.raises(RequestError) as raised:
        strategies.build({"name": "tc", "mix": 0.5}, "recipe mine")
    assert str(raised.value) == (
        "strategy 'tc': `mix` needs the judge's distribution over classes; set judged: classes"
    )


def test_the_paper_is_the_default() -> None:
    strategy = TC()
    assert (strategy.evidence, strategy.judged, strategy.normalise, strategy.shared) == (
        "lstm",
        "teachers",
        "softmax",
        "sum",
    )
    assert (strategy.mix, strategy.calibrate, strategy.labelled, strategy.hard) == (0, False, False, False)
