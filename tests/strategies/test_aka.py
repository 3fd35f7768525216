"""AKA: components, their teachers and their alignment against a slow transcription; what is read; reproducibility."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from amalgam import recipe, store
from amalgam.collect import learner
from amalgam.errors import RequestError
from amalgam.journal import Journal
from amalgam.panel import Ballots, Panel
from amalgam.progress import Silent
from amalgam.signals import FeatureTargets, Loss, StudentOutput, TensorRows
from amalgam.strategies import build
from amalgam.strategies.aka import (
    AKA,
    ChosenTargets,
    Components,
    FirstStage,
    StudentAligner,
    chosen_targets,
    met,
    most_confident,
)
from tests.laws import untaught
from tests.strategies.featured import ballots_of, companion_stays_behind, panel_of, rows_of

SMALL = AKA(component=3, common=2, alignment=0.7)


class Kept:
    """A `Learn` that trains nothing and keeps what it was given."""

    def __call__(self, make: Callable[[], Any], targets: Any, loss: Callable[[Any, Any], Loss], name: str) -> Any:
        torch.manual_seed(0)
        self.network: FirstStage = make()
        self.targets: ChosenTargets = targets
        self.loss, self.name = loss, name
        return self.network.eval()


def prepared() -> tuple[Panel, TensorRows, Ballots, Kept]:
    panel, rows = panel_of(), rows_of()
    ballots, kept = ballots_of(panel, rows), Kept()
    state = SMALL.prepare(panel, rows, ballots, kept)
    assert state is kept.network.components
    return panel, rows, ballots, kept


def made(panel: Panel, rows: TensorRows, ballots: Ballots, state: Components) -> FeatureTargets:
    return SMALL.targets(panel, rows, ballots.at(slice(0, len(rows))), state)


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def slow_scaled(rows: TensorRows, row: int) -> list[float]:
    """A row minus the columns' means, over their standard deviations."""
    columns = rows.values.T.tolist()
    means = [sum(column) / len(column) for column in columns]
    spreads = [
        math.sqrt(sum((one - mean) ** 2 for one in column) / len(column))
        for column, mean in zip(columns, means, strict=True)
    ]
    return [(column[row] - mean) / spread for column, mean, spread in zip(columns, means, spreads, strict=True)]


def slow_component(components: Components, label: int, x: list[float]) -> tuple[float, list[float]]:
    """One label's perceptron: its logit and its hidden layer."""
    units = components.weight.shape[1]
    hidden = []
    for unit in range(label * units, (label + 1) * units):
        weights, bias = components.hidden.weight[unit].tolist(), components.hidden.bias[unit].item()
        hidden.append(max(0.0, sum(w * v for w, v in zip(weights, x, strict=True)) + bias))
    own = components.weight[label].tolist()
    return sum(w * h for w, h in zip(own, hidden, strict=True)) + components.bias[label].item(), hidden


def slow_votes(panel: Panel, rows: TensorRows, row: int) -> list[dict[str, float]]:
    """Each teacher's binary logits of one row, by label."""
    said = []
    for seated in panel.seats:
        own = seated.teacher.score(rows.values[row]).tolist()
        if seated.exclusive:
            p = [math.exp(one) / sum(map(math.exp, own)) for one in own]
            own = [math.log(one / (1 - one)) for one in p]
        said.append(dict(zip(seated.teacher.labels, own, strict=True)))
    return said


def entropy(logit: float) -> float:
    p = sigmoid(logit)
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


def test_the_first_stage_fast_equals_slow() -> None:
    """By row and label: the teacher of least entropy gives the soft target and the features to be met."""
    panel, rows, ballots, kept = prepared()
    network, index = kept.network, torch.tensor([3, 17, 3, 8, 20])
    total, used = 0.0, set()
    for row in index.tolist():
        x, votes = slow_scaled(rows, row), slow_votes(panel, rows, row)
        for column, label in enumerate(panel.space.names):
            logit, hidden = slow_component(network.components, column, x)
            teacher = min((k for k in range(3) if label in votes[k]), key=lambda k: entropy(votes[k][label]))
            used.add((label, teacher))
            p, q = sigmoid(votes[teacher][label]), sigmoid(logit)
            total -= p * math.log(q) + (1 - p) * math.log(1 - q)
            shown = ballots.features[teacher][row].tolist()
            apart = 0.0
            for place in range(2):
                weights = network.teachers[teacher, :, column, place].tolist()
                length = math.sqrt(sum(w * w for w in weights))
                assert all(w == 0 for w in weights[len(shown) :])  # a narrower teacher has nothing to map there
                theirs = sum(w * f for w, f in zip(weights, shown, strict=False)) / length
                into = network.own[column, :, teacher, place].tolist()
                apart += (sum(w * h for w, h in zip(into, hidden, strict=True)) - theirs) ** 2
            total += 0.7 * apart / 2
    assert len({teacher for _, teacher in used}) == 3
    loss = kept.loss(network(rows.values[index]), kept.targets.at(index))
    assert loss.sum.item() == pytest.approx(total, rel=1e-5)
    assert loss.count.item() == 5


def test_targets_are_what_the_components_say_and_show() -> None:
    panel, rows, ballots, kept = prepared()
    targets = made(panel, rows, ballots, kept.network.components)
    assert targets.features[0].shape == (24, 12)
    assert targets.weights.eq(1).all()
    for row in range(len(rows)):
        for label in range(4):
            logit, hidden = slow_component(kept.network.components, label, slow_scaled(rows, row))
            assert float(targets.probabilities[row, label]) == pytest.approx(sigmoid(logit), abs=1e-5)
            assert targets.features[0][row, 3 * label : 3 * label + 3].tolist() == pytest.approx(hidden, abs=1e-5)


def test_the_second_stage_fast_equals_slow() -> None:
    panel, rows, ballots, kept = prepared()
    targets = made(panel, rows, ballots, kept.network.components)
    torch.manual_seed(2)
    companion = SMALL.companion(panel, targets, 6)
    assert isinstance(companion, StudentAligner)
    index, features = torch.tensor([4, 0, 11]), torch.randn(3, 6, requires_grad=True)
    total = 0.0
    for place, row in enumerate(index.tolist()):
        for unit in range(12):
            weights, bias = companion.align.weight[unit].tolist(), companion.align.bias[unit].item()
            mapped = sum(w * f for w, f in zip(weights, features[place].tolist(), strict=True)) + bias
            total += 0.7 * (mapped - float(targets.features[0][row, unit])) ** 2 / 3
    loss = companion(StudentOutput(torch.zeros(3, 4), features), targets.at(index))
    assert loss.sum.item() == pytest.approx(total, rel=1e-5)
    assert loss.count.item() == 3
    loss.sum.backward()
    assert features.grad is not None
    assert features.grad.ne(0).any(1).all()


def test_only_the_chosen_teachers_features_are_met() -> None:
    """Teacher `three` alone knows d: moving the features of the others does not move d's component."""
    _, rows, _, kept = prepared()
    index = torch.arange(len(rows))
    targets = kept.targets.at(index)

    def gradient(shown: torch.Tensor) -> torch.Tensor:
        kept.network.zero_grad()
        kept.loss(kept.network(rows.values), replace(targets, shown=shown)).sum.backward()
        assert kept.network.components.hidden.weight.grad is not None
        return kept.network.components.hidden.weight.grad.unflatten(0, (4, 3)).clone()

    before = gradient(targets.shown)
    after = gradient(targets.shown + torch.tensor([1.0, 1.0, 0.0])[:, None])
    assert torch.equal(before[3], after[3])
    assert not torch.equal(before[2], after[2])


def test_votes_are_read_from_the_store_in_any_order() -> None:
    """Stored votes are read where they are asked for, and are those in memory."""
    panel, rows, ballots, kept = prepared()
    parts: dict[str, list[Any]] = {"scores": [], "features": []}
    for k in range(3):
        for part, filled in parts.items():
            array = getattr(ballots, part)[k].numpy()
            stored = store.fill(
                "votes", f"{part}{k}", 24, lambda where, array=array: {"it": array[where]}, about={}, bar=Silent()
            )
            filled.append(stored.arrays["it"])
    kept_too = Kept()
    SMALL.prepare(panel, rows, Ballots(panel, 24, tuple(parts["scores"]), tuple(parts["features"])), kept_too)
    assert not any(isinstance(one, torch.Tensor) for one in kept_too.targets.arrays().values())
    index = torch.tensor([23, 0, 7, 7])
    for one, other in zip(
        kept.targets.at(index).arrays().values(), kept_too.targets.at(index).arrays().values(), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=0)  # a sigmoid's last bit depends on its place
    assert not kept.targets.chosen[:, ~panel.space.known].any()
    assert kept.targets.chosen.sum(1).eq(1).all()
    assert ChosenTargets.of(kept_too.targets.arrays()) == kept_too.targets
    assert len(kept.targets) == len(kept_too.targets) == 24


def no_student() -> Any:
    raise AssertionError("AKA trains components, no student")


def test_components_scale_inputs_as_students_do() -> None:
    """Column 0 is dense and centred; column 1 is sparse, keeps its zeros and is divided by the size of its values."""
    values = torch.tensor([[8388608.0, 0.0], [8388609.0, 3.0], [8388610.0, 0.0]])
    kept, panel = Kept(), panel_of()
    SMALL.prepare(panel, TensorRows(values=values), ballots_of(panel, rows_of()), kept)
    scaling = kept.network.components.scaling
    assert scaling.mean.tolist() == [8388609.0, 0.0]
    assert scaling.spread.tolist() == pytest.approx([math.sqrt(2 / 3), 3.0])


def trained(seed: int) -> FeatureTargets:
    panel, rows = panel_of(), rows_of()
    ballots = ballots_of(panel, rows)
    wanted = recipe.read("aka", {}, ["training.epochs=3", f"seed={seed}"])
    with ExitStack() as passing:
        learn = learner(rows, wanted.training, wanted.seed, Journal(Silent(), "a test", passing), no_student)
        return made(panel, rows, ballots, SMALL.prepare(panel, rows, ballots, learn))


def test_the_same_seed_makes_the_same_targets_and_another_seed_others() -> None:
    one, again, other = trained(1), trained(1), trained(2)
    for name, array in one.arrays().items():
        assert torch.equal(array, again.arrays()[name])
    assert not torch.allclose(one.probabilities, other.probabilities, atol=1e-3)


def test_components_learn_what_the_surest_teachers_say() -> None:
    panel, rows = panel_of(), rows_of(400)
    ballots = ballots_of(panel, rows)
    wanted = recipe.read("aka", {}, ["training.epochs=60"])
    with ExitStack() as passing:
        state = AKA().prepare(
            panel,
            rows,
            ballots,
            learner(rows, wanted.training, wanted.seed, Journal(Silent(), "a test", passing), no_student),
        )
    surest = chosen_targets(ballots).probabilities
    said = AKA().targets(panel, rows, ballots.at(slice(0, 400)), state).probabilities
    assert (said - surest).abs().mean() < 0.1
    assert ((said > 0.5) == (surest > 0.5)).float().mean() > 0.9


def test_the_companion_stays_behind(tmp_path: Path) -> None:
    panel, rows, ballots, kept = prepared()
    companion_stays_behind(SMALL, made(panel, rows, ballots, kept.network.components), tmp_path)


def test_teachers_are_met_by_maps_of_norm_one_whatever_their_weights() -> None:
    aligners, shown = torch.randn(3, 5, 4, 2) * 1e-3, torch.randn(7, 3, 5)
    maps = torch.nn.functional.normalize(aligners, dim=1)
    torch.testing.assert_close(met(shown, aligners), torch.einsum("bkd,kdla->kbla", shown, maps).flatten(2))
    assert torch.equal(met(shown, torch.zeros(3, 5, 4, 2)), torch.zeros(3, 7, 8))


def test_the_most_confident_is_the_surest_of_its_side_among_those_that_know() -> None:
    nan = math.nan
    scores = torch.tensor([[[1.0, nan, -2.0], [-3.0, 0.0, 2.0], [nan, nan, 1.0]]])
    assert most_confident(scores).tolist() == [[1, 1, 0]]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"component": 0}, "recipe r: strategy.component is 0, expected greater than 0"),
        ({"alignment": -1.0}, "recipe r: strategy.alignment is -1.0, expected greater than or equal to 0"),
    ],
)
def test_impossible_sizes_are_refused(spec: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as raised:
        build({"name": "aka", **spec}, "recipe r")
    assert str(raised.value) == message


def test_a_pinned_number() -> None:
    panel, rows = panel_of(), rows_of()
    ballots = ballots_of(panel, rows)
    targets = made(panel, rows, ballots, SMALL.prepare(panel, rows, ballots, untaught))
    assert targets.probabilities[0].tolist() == pytest.approx([0.5663069, 0.7220559, 0.6871650, 0.6246726], abs=1e-6)
