"""A whole training with a coach against Algorithm 1, written out in plain loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from amalgam.signals import ProbabilityTargets, StudentOutput, TensorRows
from amalgam.training.settings import Training
from amalgam.training.trainer import fit
from amalgam.transfer.coach import Coach, Heads, own_loss
from amalgam.transfer.policy import Policy
from amalgam.transfer.reward import Reward, accuracy, mean_auc
from amalgam.transfer.source import Further, Source, annotated
from tests.reference import l2tl as slow
from tests.transfer.test_source import rows as classed

D, H, SOURCE, TARGET = 3, 4, 5, 3
SETTINGS = Training(
    epochs=8, batch_size=6, optimizer="sgd", momentum=0.9, learning_rate=0.3, schedule="cosine", warmup=0.25,
    clip_norm=None, validation=0.0, patience=None, keep="last",
)  # fmt: skip


class Tiny(nn.Module):
    """A linear trunk with ReLU, and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(D, H, bias=False), nn.Linear(H, TARGET, bias=False)

    def forward(self, inputs: Tensor) -> StudentOutput:
        features = self.body(inputs).relu()
        return StudentOutput(self.head(features), features)


class Noted(Coach):
    """Remembers what it drew."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.log: list[tuple[list[int], Any]] = []

    def draw(self) -> Tensor:
        rows = super().draw()
        self.log.append((rows.tolist(), None))
        return rows

    def watch(self, student: nn.Module) -> None:
        self.log[-1] = (self.log[-1][0], self.taken)
        super().watch(student)


def drawn(rows: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(rows, D, generator=chance), torch.randint(classes, (rows,), generator=chance)


def one_hot(classes: Tensor, many: int) -> Tensor:
    return nn.functional.one_hot(classes, many).float()


def source_of(inputs: Tensor, classes: Tensor) -> Source:
    labels = tuple(f"s: {number}" for number in range(SOURCE))
    said = one_hot(classes, SOURCE)
    return Source(TensorRows(values=inputs, labels=labels, annotated=said), said.half(), {"s": labels})


def lists(weights: Tensor) -> list[list[float]]:
    return weights.detach().T.tolist()


def test_a_training_is_algorithm_1_step_by_step() -> None:
    torch.manual_seed(0)
    inputs, classes = drawn(6, TARGET, 1)
    held, wanted = drawn(9, TARGET, 2)
    others, theirs = drawn(20, SOURCE, 3)
    student, head = Tiny(), nn.Linear(H, SOURCE, bias=False)
    source = source_of(others, theirs)
    policy = Policy(SOURCE, 6, 7, 0.5, 0.05, 0.05, "learned")
    model = slow.Model(lists(student.body.weight), lists(head.weight), lists(student.head.weight))
    state = slow.beginning(model, slow.Policy([[0.0] * 6] * SOURCE, [0.0] * 7))
    reward = Reward(held, one_hot(wanted, TARGET), ((0, TARGET),), "accuracy", 100)
    coach = Noted(source, policy, reward, 4, 3, torch.device("cpu"))
    truth = ProbabilityTargets(one_hot(classes, TARGET), torch.ones(6, TARGET), spans=((0, TARGET),))
    heads = Heads(head, coach.spans)
    found = fit(
        student, TensorRows(values=inputs), truth, own_loss, SETTINGS,
        seed=0, accelerator=Accelerator(cpu=True), companion=heads, coach=coach,
    )  # fmt: skip
    rewards = []
    for step, (rows, taken) in enumerate(coach.log):
        rate = slow.warm_cosine(step, 8, 2, 0.3)
        done = slow.one_iteration(
            state, slow.Batch(others[rows].tolist(), theirs[rows].tolist()),
            slow.Batch(inputs.tolist(), classes.tolist()), slow.Batch(held.tolist(), wanted.tolist()),
            taken.chosen.tolist(), int(taken.scale), size=4, rate=rate, policy_rate=0.05,
        )  # fmt: skip
        state = done.state
        rewards.append(done.reward)
    near: dict[str, Any] = {"atol": 1e-4, "rtol": 1e-4}
    torch.testing.assert_close(student.body.weight.detach().T, torch.tensor(state.model.W), **near)
    torch.testing.assert_close(heads.head.weight.detach().T, torch.tensor(state.model.S), **near)
    torch.testing.assert_close(student.head.weight.detach().T, torch.tensor(state.model.T), **near)
    torch.testing.assert_close(policy.logits.detach(), torch.tensor(state.policy.classes), **near)
    torch.testing.assert_close(policy.scale.detach(), torch.tensor(state.policy.alpha), **near)
    assert [one["reward"] for one in found.history] == pytest.approx(rewards)
    assert policy.baseline == pytest.approx(state.baseline)


def made(seed: int) -> tuple[Tiny, Source, Policy, Reward, TensorRows, ProbabilityTargets]:
    torch.manual_seed(seed)
    inputs, classes = drawn(30, TARGET, 1)
    others, theirs = drawn(40, SOURCE, 3)
    held, wanted = drawn(9, TARGET, 2)
    reward = Reward(held, one_hot(wanted, TARGET), ((0, TARGET),), "likelihood", 5)
    truth = ProbabilityTargets(one_hot(classes, TARGET), torch.ones(30, TARGET), spans=((0, TARGET),))
    policy = Policy(SOURCE, 6, 7, 0.5, 0.05, 0.05, "learned")
    return Tiny(), source_of(others, theirs), policy, reward, TensorRows(values=inputs), truth


class Stopped(Exception):
    """In the middle of an epoch."""


def test_a_killed_training_is_resumed_bit_for_bit(tmp_path: Any) -> None:
    """The policy, its optimiser and its average are in the checkpoint."""
    settings = SETTINGS.model_copy(update={"checkpoint_seconds": 0.0})

    def train(folder: Any, stop: int | None) -> tuple[Tiny, Policy, list[dict[str, float]]]:
        student, source, policy, reward, rows, truth = made(0)
        coach = Noted(source, policy, reward, 4, 3, torch.device("cpu"))
        if stop is not None:
            whole, seen = coach.watch, []

            def watch(network: nn.Module) -> None:
                whole(network)
                seen.append(1)
                if len(seen) == stop:
                    raise Stopped

            coach.watch = watch  # type: ignore[method-assign]
        torch.manual_seed(9)
        found = fit(
            student, rows, truth, own_loss, settings, seed=0, accelerator=Accelerator(cpu=True),
            companion=Heads(nn.Linear(H, SOURCE, bias=False), coach.spans), coach=coach, folder=folder,
        )  # fmt: skip
        return student, policy, [{**one, "seconds": 0.0} for one in found.history]

    wanted, whole, history = train(None, None)
    with pytest.raises(Stopped):
        train(tmp_path, 23)
    student, policy, again = train(tmp_path, None)
    assert again == history
    assert torch.equal(policy.logits, whole.logits)
    for one, other in zip(student.parameters(), wanted.parameters(), strict=True):
        assert torch.equal(one, other)


def test_rows_of_the_source_leave_running_averages_alone() -> None:
    _, source, _, _, rows, truth = made(0)

    def run(shift: float) -> Tensor:
        torch.manual_seed(1)
        network = nn.Sequential(nn.BatchNorm1d(D), Tiny())
        moved = source_of(source.rows.inputs(slice(None)) + shift, source.classes[:, 0])
        coach = Coach(moved, Policy(SOURCE, 6, 7, 0.5, 0.05, 0.05, "uniform"), None, 4, 3, torch.device("cpu"))
        fit(
            network, rows, truth, own_loss, SETTINGS, seed=0, accelerator=Accelerator(cpu=True),
            companion=Heads(nn.Linear(H, SOURCE, bias=False), coach.spans), coach=coach,
        )  # fmt: skip
        normed: Any = network[0]
        assert normed.momentum == 0.1
        return normed.running_mean  # type: ignore[no-any-return]

    torch.testing.assert_close(run(0.0), run(100.0))


def test_rows_that_several_tasks_label_count_for_each() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0, 1.0]])
    said = torch.tensor([[1.0, 0.0, 0.5, 0.5]])
    heads = Heads(nn.Identity(), ((0, 2), (2, 4)))
    targets = Further(said.half(), torch.tensor([[0.5, 0.25]]), torch.tensor([0.4]), ((0, 2), (2, 4)))
    found = heads(StudentOutput(torch.zeros(1, 1), logits), targets)
    first, second = -logits[0, :2].log_softmax(0)[0], torch.log(torch.tensor(2.0))
    torch.testing.assert_close(found.sum, 0.4 * (0.5 * first + 0.25 * second))
    assert float(found.count) == 0


def test_an_epoch_s_facts_are_means_over_its_steps() -> None:
    """Of the rows that were learned, which weigh more than the candidates that were not."""
    source, policy, reward = made(0)[1:4]
    told = [0.2, 0.6, 0.1, 0.5]
    reward.of = lambda student: told.pop(0)  # type: ignore[method-assign]
    coach = Coach(source, policy, reward, 4, 3, torch.device("cpu"))
    torch.manual_seed(3)
    for steps, rewarded in ((3, 0.3), (1, 0.5)):
        alphas, weights = list[float](), list[float]()
        for _ in range(steps):
            further = coach.further()[1]
            alphas.append(float(further.scale[0]))
            weights.append(float(further.weights.mean()))
            coach.watch(nn.Identity())
        assert coach.facts() == {
            "reward": pytest.approx(rewarded),
            "alpha": pytest.approx(sum(alphas) / steps),
            "source_weight": pytest.approx(sum(weights) / steps),
        }


def test_rows_weigh_nothing_in_tasks_that_say_nothing_of_them() -> None:
    """Nor is a class rewarded that no candidate has."""
    source = annotated({"x": classed([0, 1]), "y": classed([0, 1])})

    class Chosen(Coach):
        def draw(self) -> Tensor:
            return torch.tensor([0, 2])

    coach = Chosen(source, Policy(4, 6, 7, 0.5, 0.05, 0.05, "uniform"), None, 2, 1, torch.device("cpu"))
    further = coach.further()[1]
    assert further.weights.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert further.said.tolist() == [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    assert coach.present.tolist() == [True, False, True, False]


def test_without_a_reward_the_policy_is_as_it_was_learned() -> None:
    """So it is while the student learns all labelled rows, of which none tells a reward."""
    student, source, policy, *_ = made(0)
    with torch.no_grad():
        policy.logits[:, 0] = 3.0
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    coach = Coach(source, policy, None, 4, 3, torch.device("cpu"))
    for _ in range(3):
        coach.further()
        coach.watch(student)
    assert all(torch.equal(value, before[name]) for name, value in policy.state_dict().items())
    assert math.isnan(policy.baseline)
    assert set(coach.facts()) == {"alpha", "source_weight"}


def test_a_small_source_is_learned_whole() -> None:
    source = annotated({"x": classed([0, 1, 1])})
    coach = Coach(source, Policy(2, 6, 7, 0.5, 0.05, 0.05, "uniform"), None, 256, 5, torch.device("cpu"))
    assert (coach.size, coach.candidates) == (3, 15)
    assert len(coach.further()[1]) == 3


def test_rewards_are_told_in_evaluation_mode() -> None:
    student = nn.Sequential(nn.Dropout(0.9), Tiny())
    held, wanted = drawn(50, TARGET, 2)
    reward = Reward(held, one_hot(wanted, TARGET), ((0, TARGET),), "likelihood", 100)
    student.train()
    assert reward.of(student) == reward.of(student)
    assert student.training
    student.eval()
    reward.of(student)
    assert not student.training, "it is left as it was"


def test_rewards() -> None:
    logits = torch.tensor([[1.0, -1.0], [2.0, 3.0], [-1.0, 4.0]])
    truth = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert accuracy(logits, truth, ((0, 2),)) == pytest.approx(2 / 3)
    assert accuracy(logits, truth, ()) == pytest.approx(5 / 6)
    assert mean_auc(logits, truth) == 1.0
    assert mean_auc(logits, torch.ones(3, 2)) == 0.5


class Says(nn.Module):
    """Its inputs, as logits."""

    def forward(self, inputs: Tensor) -> StudentOutput:
        return StudentOutput(inputs, inputs)


def test_the_likelihood_is_the_mean_of_the_logarithms_of_what_is_right() -> None:
    logits = torch.tensor([[1.0, -1.0], [2.0, 3.0]])
    truth = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    found = Reward(logits, truth, ((0, 2),), "likelihood", 10).of(Says())
    assert found == pytest.approx(float(logits.log_softmax(1)[:, 0].mean()))
    apart = Reward(logits, truth, (), "likelihood", 10).of(Says())
    each = torch.where(truth == 1, logits.sigmoid(), 1 - logits.sigmoid()).log()
    assert apart == pytest.approx(float(each.sum(1).mean()))


def test_some_rows_at_random_tell_a_reward_where_there_are_many() -> None:
    """Of a hundred rows that are right and as many that are wrong, ten by themselves say neither 0 nor 1 as a rule."""
    logits = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(100, 1)
    truth = torch.tensor([[1.0, 0.0]]).repeat(200, 1)
    torch.manual_seed(0)
    some = {Reward(logits, truth, ((0, 2),), "accuracy", 10).of(Says()) for _ in range(20)}
    assert len(some) > 2
    assert all((10 * one) == pytest.approx(round(10 * one)) for one in some)
    assert Reward(logits, truth, ((0, 2),), "accuracy", 200).of(Says()) == 0.5
