"""CFL: discrepancy and reconstruction equal slow transcriptions; the common space learns, and is left behind."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch.func import functional_call, stack_module_state, vmap

from amalgam import strategies
from amalgam.errors import RequestError
from amalgam.panel import seat
from amalgam.signals import FeatureTargets, StudentOutput, TensorRows
from amalgam.strategies.cfl import CFL, CommonSpace, discrepancy, reconstruction
from amalgam.students.mlp import MLP
from amalgam.training.settings import Training
from amalgam.training.trainer import fit
from tests import tasked
from tests.conftest import Cli
from tests.laws import ballots_of, rows_of, seats
from tests.reference import votes as slow
from tests.reference.votes import drawn

Rows = list[list[float]]
WIDTHS = (3, 6)


def targets_of(rows: int, seed: int = 0) -> FeatureTargets:
    random = torch.Generator().manual_seed(seed)
    features = tuple(torch.randn(rows, width, generator=random) for width in WIDTHS)
    return FeatureTargets(torch.rand(rows, 2, generator=random), torch.ones(rows, 2), features=features)


def output_of(rows: int, seed: int = 1) -> StudentOutput:
    random = torch.Generator().manual_seed(seed)
    return StudentOutput(torch.randn(rows, 2, generator=random), torch.randn(rows, 4, generator=random))


def space_of(strategy: CFL, seed: int = 2) -> CommonSpace:
    torch.manual_seed(seed)
    made = strategy.companion(seat(seats()), targets_of(1), 4)
    assert isinstance(made, CommonSpace)
    return made


def slow_kernel(one: list[float], other: list[float], bandwidths: tuple[float, ...]) -> float:
    apart = sum((x - y) ** 2 for x, y in zip(one, other, strict=True))
    return sum(math.exp(-apart / (2 * sigma**2)) for sigma in bandwidths)


def slow_discrepancy(student: Rows, teacher: Rows, bandwidths: tuple[float, ...]) -> float:
    def unit(row: list[float]) -> list[float]:
        length = math.sqrt(sum(x * x for x in row)) or 1.0
        return [x / length for x in row]

    s, t = [unit(row) for row in student], [unit(row) for row in teacher]
    pairs = len(s) ** 2
    within = sum(slow_kernel(a, b, bandwidths) for a in s for b in s) / pairs
    within += sum(slow_kernel(a, b, bandwidths) for a in t for b in t) / pairs
    return within - 2 * sum(slow_kernel(a, b, bandwidths) for a in s for b in t) / pairs


def slow_reconstruction(rebuilt: Rows, features: Rows) -> float:
    total = 0.0
    for made, given in zip(rebuilt, features, strict=True):
        total += sum((x - y) ** 2 for x, y in zip(made, given, strict=True)) / len(given)
    return total


@pytest.mark.parametrize("seed", range(20))
def test_targets_are_mean_logits_with_every_teachers_features(seed: int) -> None:
    votes = drawn(seed)
    made = CFL().targets(slow.nobody(), TensorRows(), votes, None)
    for row in range(slow.ROWS):
        for label in range(slow.LABELS):
            said = slow.logits(votes, row, label)
            wanted = slow.sigmoid(sum(said) / len(said))
            assert float(made.probabilities[row, label]) == pytest.approx(wanted, abs=1e-5), (row, label)
    assert made.weights.eq(1).all()
    assert len(made.features) == slow.TEACHERS
    assert all(torch.equal(one, other) for one, other in zip(made.features, votes.features, strict=True))


@pytest.mark.parametrize("bandwidths", [(0.5,), CFL().bandwidths])
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_discrepancy_is_the_slow_one(rows: int, bandwidths: tuple[float, ...]) -> None:
    torch.manual_seed(rows)
    student, teachers = torch.randn(rows, 5), torch.randn(3, rows, 5)
    teachers[1] = student + 0.05 * torch.randn(rows, 5)  # near enough for the narrower kernels
    fast = discrepancy(student, teachers, bandwidths)
    for k in range(3):
        truth = slow_discrepancy(student.tolist(), teachers[k].tolist(), bandwidths)
        assert float(fast[k]) == pytest.approx(truth, abs=1e-4), k


def test_nothing_is_apart_from_itself_in_any_order_and_size() -> None:
    torch.manual_seed(0)
    student = torch.randn(8, 5)
    wide = (0.2, 1.0, 2.0)  # where rounding does not show
    same = torch.stack([student, student.flip(0), 7 * student])
    torch.testing.assert_close(discrepancy(student, same, wide), torch.zeros(3), rtol=0, atol=1e-5)
    assert discrepancy(student, -student[None], wide) > 0.1


def test_the_narrowest_kernel_sees_no_rounding() -> None:
    """Rows far apart are alike to themselves alone: k(s, s) = k(t, t) = 1 in B of B² pairs, and there is no pull."""
    torch.manual_seed(0)
    student = torch.randn(16, 64, requires_grad=True)
    said = discrepancy(student, torch.randn(1, 16, 64), (0.001,))
    assert float(said.detach()) == 2 / 16
    said.sum().backward()
    assert student.grad is not None
    assert student.grad.eq(0).all()


def test_reconstruction_is_the_slow_one() -> None:
    torch.manual_seed(0)
    rebuilt, features = torch.randn(5, 3), torch.randn(5, 3)
    fast = reconstruction(rebuilt, features)
    assert fast.shape == (5,)
    assert float(fast.sum()) == pytest.approx(slow_reconstruction(rebuilt.tolist(), features.tolist()), rel=1e-5)


@pytest.mark.parametrize("rows", [8, 300])
def test_the_companions_loss_adds_both_up_over_rows(rows: int) -> None:
    """A batch of 300 is compared in pieces of 128, each of which counts as often as it has rows."""
    strategy = CFL(common=4, bandwidths=(0.5, 2.0), feature_weight=3.0, reconstruction_weight=0.25)
    space, output, targets = space_of(strategy), output_of(rows), targets_of(rows)
    with torch.no_grad():
        loss = space(output, targets)
        common = space.embed([output.features, *targets.features])
    apart = lost = 0.0
    for k, decode in enumerate(space.decoders):
        for start in range(0, rows, 128):
            student, teacher = (common[j, start : start + 128].double().tolist() for j in (0, k + 1))
            if rows > 128:  # the slow one is slow
                both = discrepancy(torch.tensor(student), torch.tensor([teacher]), strategy.bandwidths)
                apart += len(student) * float(both)
            else:
                apart += len(student) * slow_discrepancy(student, teacher, (0.5, 2.0))
        with torch.no_grad():
            lost += slow_reconstruction(decode(common[k + 1]).tolist(), targets.features[k].tolist())
    assert float(loss.sum) == pytest.approx(3.0 * (apart + 0.25 * lost), rel=1e-4)
    assert float(loss.count) == rows


def test_one_extractor_embeds_what_every_adaptor_adapts() -> None:
    space, output, targets = space_of(CFL(common=4)), output_of(5), targets_of(5)
    with torch.no_grad():
        common = space.embed([output.features, *targets.features])
        for k, own in enumerate([output.features, *targets.features]):
            x = (own @ space.adaptors[k].weight.T).relu()
            for block in space.extractor:
                skip = x if isinstance(block.skip, torch.nn.Identity) else x @ block.skip.weight.T
                x = (skip + (x @ block.first.weight.T).relu() @ block.second.weight.T).relu()
            torch.testing.assert_close(common[k], x)
    assert common.shape == (3, 5, 4)
    assert len(space.extractor) == 3


def test_the_common_space_is_trained_and_left_behind() -> None:
    rows, strategy = rows_of(), CFL(common=4)
    panel = seat(seats())
    ballots = ballots_of(strategy, panel, rows)
    targets = strategy.targets(panel, rows, ballots.at(slice(0, 40)), None)
    torch.manual_seed(0)
    student, alone = MLP((4,), panel.space.names, MLP.Settings(hidden=(6,))), None
    alone = copy.deepcopy(student)
    space = strategy.companion(panel, targets, 6)
    keys, before = list(student.state_dict()), copy.deepcopy(space.state_dict())
    how = Training(epochs=3, batch_size=8, learning_rate=0.01)
    for learner, companion in ((student, space), (alone, None)):
        fit(learner, rows, targets, strategy.loss, how, seed=0, accelerator=Accelerator(), companion=companion)
    assert list(student.state_dict()) == keys
    assert all(not torch.equal(after, before[name]) for name, after in space.state_dict().items())
    assert not torch.equal(student.body[0].weight, alone.body[0].weight)  # the space reached the student


def test_stacked_spaces_learn_as_each_alone() -> None:
    """Many seeds train at once: the same gradients, whether vectorised or one after the other."""
    strategy, output, targets = CFL(common=4, bandwidths=(0.2, 1.0, 2.0)), output_of(8), targets_of(8)
    spaces = [space_of(strategy, seed) for seed in range(3)]
    weights, buffers = stack_module_state(spaces)  # type: ignore[arg-type]

    def loss(weights: dict[str, Any], buffers: dict[str, Any], features: torch.Tensor) -> torch.Tensor:
        said: torch.Tensor = functional_call(
            spaces[0], (weights, buffers), (StudentOutput(output.logits, features), targets)
        ).sum
        return said

    together = vmap(torch.func.grad(loss, argnums=(0, 2)), in_dims=(0, 0, None))(weights, buffers, output.features)
    for k, space in enumerate(spaces):
        features = output.features.clone().requires_grad_()
        space(StudentOutput(output.logits, features), targets).sum.backward()
        torch.testing.assert_close(together[1][k], features.grad, rtol=1e-4, atol=1e-4)
        for name, weight in space.named_parameters():
            torch.testing.assert_close(together[0][name][k], weight.grad, rtol=1e-4, atol=1e-4)


def test_half_precision_compares_in_full() -> None:
    space, output, targets = space_of(CFL(common=4)), output_of(8), targets_of(8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = space(output, targets).sum
    assert half.dtype == torch.float32
    assert float(half) == float(space(output, targets).sum.detach())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"bandwidths": []}, "strategy.bandwidths is [], expected Value should have at least 1 item"),
        ({"bandwidths": [0.5, 0]}, "strategy.bandwidths is [0.5, 0], expected greater than 0"),
        ({"common": 0}, "strategy.common is 0, expected greater than 0"),
        ({"feature_weight": -1}, "strategy.feature_weight is -1, expected greater than or equal to 0"),
    ],
)
def test_a_wrong_hyperparameter_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError) as raised:
        strategies.build({"name": "cfl", **given}, "recipe mine")
    assert str(raised.value).startswith(f"recipe mine: {says}")


def test_show_lists_what_can_be_set_and_no_empty_table(cli: Cli) -> None:
    code, out, _ = cli("show", "cfl")
    assert code == 0
    assert "reconstruction_weight  1.0" in out
    assert "equation  " not in out  # none is numbered
    code, out, _ = cli("show", "bl")
    assert code == 0
    assert "hyperparameter" not in out  # there is none
    assert "Eq. (37)" in out


def test_pinned() -> None:
    with torch.no_grad():
        loss = space_of(CFL())(output_of(8), targets_of(8))
    assert float(loss.sum) == pytest.approx(377.7437, rel=1e-4)


def test_of_tasks_the_mean_logits_share_what_their_classes_share() -> None:
    panel, rows = tasked.panel_of(), tasked.rows_of()
    made = CFL().targets(panel, rows, tasked.ballots_of(panel, rows).at(slice(0, 24)), None)
    assert made.spans == tasked.SPANS
    for row in range(24):
        wanted = tasked.consensus(tasked.logits(panel, rows.values[row]))
        assert made.probabilities[row].tolist() == pytest.approx([wanted[name] for name in tasked.NAMES], abs=1e-5)
