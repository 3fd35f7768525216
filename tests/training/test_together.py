"""Students trained together: each is what `trainer.fit` makes of it alone; who cannot be trained so is refused."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from amalgam.classes import Spans
from amalgam.errors import WorkError
from amalgam.labels import ONE
from amalgam.losses import cross_entropy, stepwise
from amalgam.signals import FeatureTargets, Loss, ProbabilityTargets, StudentOutput, Targets, TensorRows
from amalgam.strategies.cfl import CFL, CommonSpace
from amalgam.strategies.kd import KD
from amalgam.student import Student
from amalgam.students.label_chain import LabelChain
from amalgam.students.mlp import MLP
from amalgam.students.recurrent import Recurrent
from amalgam.training import stacked
from amalgam.training.settings import Training
from amalgam.training.together import Member, Outcome, _Group, fit_together, stackable
from amalgam.training.trainer import fit
from tests.training.toys import INPUTS, LABELS, Slope, same, values, weights

N = 40
NAMES = [f"label {number}" for number in range(LABELS)]
PLAIN: dict[str, Any] = {"epochs": 4, "batch_size": 8, "validation": 0.2, "learning_rate": 0.02}
CPU = torch.device("cpu")


def student(kind: str, seed: int = 0, **settings: Any) -> Student:
    """A perceptron, a chain or an LSTM whose scaling was fitted."""
    torch.manual_seed(seed)
    made: Student
    if kind == "mlp":
        made = MLP((INPUTS,), NAMES, MLP.Settings(**{"hidden": (8, 6), **settings}))
    elif kind == "lstm":
        made = Recurrent((INPUTS,), NAMES, Recurrent.Settings(**{"hidden": 6, "layers": 2, **settings}))
    else:
        made = LabelChain((INPUTS,), NAMES, LabelChain.Settings(**{"hidden": 6, **settings}))
    made.scaling.fit(TensorRows(values=values(N) * 3 + 1))
    return made


def towards(seed: int, weighed: bool = False) -> ProbabilityTargets:
    """Random targets (N, 3), some of them without weight if wanted."""
    chance = torch.Generator().manual_seed(100 + seed)
    made = torch.rand(N, LABELS, generator=chance)
    heavy = (torch.rand(N, LABELS, generator=chance) > 0.4).float() if weighed else torch.ones_like(made)
    return ProbabilityTargets(made, heavy)


def of_classes(seed: int, spans: Spans = ((0, 3),)) -> ProbabilityTargets:
    """Random distributions (N, 3); of some rows nobody knows any."""
    plain = towards(seed)
    weights = (plain.weights * (torch.arange(N)[:, None] % (2 + seed) > 0)).clone()
    return ProbabilityTargets(plain.probabilities.softmax(1), weights, spans=spans)


def by_weight(output: StudentOutput, wanted: Targets) -> Loss:
    """A loss that counts weights, not rows: 0 of some batches."""
    said = stepwise(output, wanted)
    assert isinstance(wanted, ProbabilityTargets)
    return Loss(said.sum, wanted.weights.sum())


class Beside(nn.Module):
    """A companion that pulls a student's features towards a teacher's; with weights, a buffer and dropout."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.filter = nn.Sequential(nn.Linear(width, 4), nn.Dropout(0.3), nn.BatchNorm1d(4))

    def forward(self, output: StudentOutput, wanted: FeatureTargets) -> Loss:
        apart = (self.filter(output.features) - wanted.features[0]).square().sum()
        return Loss(apart, torch.tensor(float(len(wanted))))


def featured(seed: int) -> FeatureTargets:
    plain, chance = towards(seed), torch.Generator().manual_seed(200 + seed)
    return FeatureTargets(plain.probabilities, plain.weights, features=(torch.randn(N, 4, generator=chance),))


def mixed(kind: str) -> list[Member]:
    """Two members that share a loss, and between them one with its own, one with a companion, one by weight."""
    width, sparse = 6, towards(5, weighed=True)
    sparse.weights[N // 5 :] = 0  # some batches have no weight at all
    return [
        Member("one", student(kind, 1), towards(1), stepwise),
        Member("kd", student(kind, 2), towards(2), KD(temperature=2.0).loss),
        Member("beside", student(kind, 3), featured(3), stepwise, Beside(width, 3)),
        Member("other", student(kind, 4), towards(4, weighed=True), stepwise),
        Member("weighed", student(kind, 5), sparse, by_weight),
    ]


def compare(
    members: list[Member], seed: int = 0, rows: Tensor | None = None, within: float = 1e-5, **settings: Any
) -> list[Outcome]:
    """Train members together, and copies of them one by one: they come out the same."""
    told, given = Training(**{**PLAIN, **settings}), TensorRows(values=(values(N) if rows is None else rows) * 3 + 1)
    alone = deepcopy([(one.student, one.companion) for one in members])
    begun = [weights(one.student) for one in members]
    assert stackable([one.student for one in members], given, told)
    outcomes = fit_together(members, given, told, seed=seed, device=CPU)
    for member, (copy, beside), outcome, first in zip(members, alone, outcomes, begun, strict=True):
        fitted = fit(copy, given, member.targets, member.loss, told, seed=seed, accelerator=Accelerator(cpu=True),
                     companion=beside)  # fmt: skip
        measured = [epoch["validation"] for epoch in fitted.history]
        assert (outcome.epochs, outcome.best_epoch) == (len(measured), fitted.best_epoch), member.name
        assert outcome.best_loss == pytest.approx(measured[fitted.best_epoch - 1], rel=1e-5), member.name
        assert float((weights(member.student) - weights(copy)).abs().max()) < within, member.name
        assert float((weights(member.student) - first).abs().max()) > 1e-2, "it learned"
        assert not member.student.training
        if member.companion is not None and beside is not None:
            torch.testing.assert_close(weights(member.companion), weights(beside), rtol=1e-5, atol=1e-5)
            assert not member.companion.training
    return outcomes


@pytest.mark.parametrize("kind", ["mlp", "chain"])
@pytest.mark.parametrize(
    "settings",
    [
        {"clip_norm": None},
        {"clip_norm": 0.05, "optimizer": "sgd", "learning_rate": 0.3},
        {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "warmup": 0.2},
        {"optimizer": "sgd", "weight_decay": 0.01, "schedule": "linear", "clip_norm": 1.0},
        {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.1},
    ],
    ids=lambda settings: ",".join(f"{key}={value}" for key, value in settings.items()),
)
def test_each_is_trained_as_if_alone(kind: str, settings: dict[str, Any]) -> None:
    compare(mixed(kind), patience=None, **settings)


@pytest.mark.parametrize(
    "settings",
    [{"hidden": 6}, {"hidden": 6, "layers": 2}, {"hidden": 17}, {"missing_channel": True}],
    ids=["one layer", "two layers", "wide", "missing values"],
)
def test_lstms_are_trained_as_if_alone(settings: dict[str, Any]) -> None:
    """Of classes: the loss is a mean over weights, not rows, and one member's targets are no distributions."""
    kind = {"layers": 1, **settings}
    members = [Member(f"{seed}", student("lstm", seed, **kind), of_classes(seed), stepwise) for seed in range(4)]
    members.insert(1, Member("labels", student("lstm", 5, **kind), towards(5), stepwise))
    for one in members:
        one.student.tasks = {ONE: one.student.labels}  # type: ignore[assignment]
    series = values(N).clone()
    series[::3, -1] = torch.nan
    series[1::5, 0] = torch.nan
    compare(members, rows=series, patience=None)


@pytest.mark.parametrize("kind", ["mlp", "chain", "lstm"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_members_that_are_done_leave_the_others_alone(kind: str, optimizer: str) -> None:
    # Targets that say the same of every row generalise, random ones do not: the members stop at different epochs.
    members = mixed(kind)
    for place, number in enumerate((1, 3)):
        steady = torch.full((N, LABELS), 0.2 + 0.5 * place)
        members[number] = replace(members[number], targets=ProbabilityTargets(steady, torch.ones_like(steady)))
    if kind == "lstm":  # whose steps of steps enlarge the rounding that Adam makes of a normalised filter's bias
        members = [one for one in members if one.companion is None]
    rate = {"mlp": 0.1, "chain": 0.3, "lstm": 0.3}[kind] if optimizer == "sgd" else 0.02
    outcomes = compare(
        members, epochs=25, patience=2, optimizer=optimizer, weight_decay=0.01, learning_rate=rate,
        within=1e-4 if kind == "lstm" else 1e-5,
    )  # fmt: skip
    assert len({one.epochs for one in outcomes}) >= 3, "the test wants members that stop at different epochs"
    assert max(one.epochs for one in outcomes) >= min(one.epochs for one in outcomes) + 3
    assert any(one.best_epoch < one.epochs for one in outcomes)


@pytest.mark.parametrize("kind", ["mlp", "chain"])
def test_a_common_space_is_trained_beside_each(kind: str) -> None:
    # Shortly: its kernels magnify rounding more than anything else here.
    members = [Member("plain", student(kind, 9), towards(9, weighed=True), stepwise)]
    for seed in (1, 2):
        wanted = featured(seed)
        shown = (*wanted.features, torch.randn(N, 7, generator=torch.Generator().manual_seed(seed)))
        torch.manual_seed(seed)
        space = CommonSpace(CFL(bandwidths=(0.5, 1.0)), 6, [4, 7])
        members.append(Member(f"cfl {seed}", student(kind, seed), replace(wanted, features=shown), stepwise, space))
    compare(members, epochs=2, optimizer="sgd", learning_rate=0.02)


def test_what_a_loss_draws_it_draws_as_if_alone() -> None:
    def noisy(output: StudentOutput, wanted: Targets) -> Loss:
        assert isinstance(wanted, ProbabilityTargets)
        drawn = torch.rand(output.logits.shape) if output.logits.requires_grad else torch.ones(output.logits.shape)
        return cross_entropy(output.logits, replace(wanted, weights=drawn))

    beside = Beside(6, 2)
    beside.filter = beside.filter[:2]  # normalised, its bias has no gradient but rounding, of which Adam makes steps
    members = [
        Member("noisy", student("mlp", 1), towards(1), noisy),
        Member("noisy beside", student("mlp", 2), featured(2), noisy, beside),
        Member("noisy, too", student("mlp", 3), towards(3), noisy),
    ]
    compare(members, patience=None)


def test_an_epoch_counts_as_better_by_the_same_rule() -> None:
    members = [Member(f"{seed}", student("mlp", seed), towards(seed), stepwise) for seed in range(3)]
    outcomes = compare(members, epochs=20, patience=3, improvement=0.03, learning_rate=0.003)
    assert max(one.epochs for one in outcomes) < 20


def test_the_whole_stack_may_be_done_at_once() -> None:
    told = list[tuple[float, str]]()
    members = [Member(f"{seed}", student("mlp", 1), towards(1), stepwise) for seed in range(2)]
    settings = Training(**{**PLAIN, "epochs": 60, "patience": 1, "learning_rate": 0.1})
    outcomes = fit_together(
        members, TensorRows(values=values(N)), settings, seed=0, device=CPU, tell=lambda *said: told.append(said)
    )
    assert outcomes[0] == outcomes[1]
    assert 1 < outcomes[0].epochs < 60
    assert told == [
        (epoch / 60, f"epoch {epoch}, {2 if epoch < outcomes[0].epochs else 0} of 2 students")
        for epoch in range(1, outcomes[0].epochs + 1)
    ]


def test_the_optimiser_keeps_the_state_of_those_that_stay() -> None:
    members = mixed("chain")
    group = _Group(members, TensorRows(values=values(N)), Training(**PLAIN), 0, CPU)
    numbers = list(group.active)
    inputs = values(N)[:8]
    for _ in range(3):
        group.learn(torch.arange(8), inputs, 0.01)
    group.close_epoch(torch.arange(30, 40), 1)
    before = {name: dict(group.optimizer.state[one]) for name, one in group.module.named_parameters()}
    beside = {id(one) for one in members[2].companion.parameters()} if members[2].companion else set()
    gone = [0, group.active.index(2)]  # one that shares its loss, and the one with the companion
    kept = [place for place in range(5) if place not in gone]
    group.retire(gone)
    assert group.active == [numbers[place] for place in kept]
    assert group.shared == 1
    assert torch.equal(group.probabilities, members[3].targets.arrays()["probabilities"][None])
    assert torch.equal(group.weights, members[3].targets.arrays()["weights"][None])
    for name, one in group.module.named_parameters():
        now = group.optimizer.state[one]
        assert float(now["step"]) == 3
        for part in ("exp_avg", "exp_avg_sq"):
            assert now[part].shape == one.shape
            assert torch.equal(now[part], before[name][part][kept])
            assert len({tuple(member.flatten().tolist()) for member in now[part]}) == len(kept)
    held = [id(one) for entry in group.optimizer.param_groups for one in entry["params"]]
    assert sorted(held) == sorted(id(one) for one in group.module.parameters())
    assert {id(one) for one in group.optimizer.state} == set(held)
    assert not beside & set(held)


def test_nothing_breaks_after_the_last_one() -> None:
    members = mixed("mlp")
    group = _Group(members, TensorRows(values=values(N)), Training(**PLAIN), 0, CPU)
    group.learn(torch.arange(8), values(N)[:8], 0.01)
    group.close_epoch(torch.arange(30, 40), 1)
    group.retire(range(5))
    group.retire([])
    assert (group.active, group.shared) == ([], 0)
    assert [group.outcomes[number].epochs for number in range(5)] == [1] * 5


def test_a_training_is_a_function_of_its_seed_and_leaves_a_callers_numbers_alone() -> None:
    trained = list[list[Member]]()
    for before, seed in ((1, 0), (2, 0), (3, 1)):
        members = mixed("chain")
        torch.manual_seed(before)
        expected = torch.rand(4)
        torch.manual_seed(before)
        rows, settings = TensorRows(values=values(N)), Training(**PLAIN)
        assert stackable([one.student for one in members], rows, settings)
        fit_together(members, rows, settings, seed=seed, device=CPU)
        assert torch.equal(torch.rand(4), expected)
        trained.append(members)
    for one, again, other in zip(*trained, strict=True):
        assert same(one.student, again.student)
        assert not same(one.student, other.student)
        if one.companion is not None and again.companion is not None:
            assert same(one.companion, again.companion)


def test_the_threads_are_the_callers_again() -> None:
    before, during = torch.get_num_threads(), list[int]()

    def seen(output: StudentOutput, wanted: Targets) -> Loss:
        during.append(torch.get_num_threads())
        return stepwise(output, wanted)

    fit_together(
        [Member("one", student("mlp"), towards(0), seen)], TensorRows(values=values(N)),
        Training(**PLAIN, threads=before + 1), seed=0, device=CPU,
    )  # fmt: skip
    assert set(during) == {before + 1}
    assert torch.get_num_threads() == before


def test_a_loss_that_is_no_number_is_told_of_its_member_and_harms_no_other() -> None:
    calls = {"broken": 0}

    def broken(output: StudentOutput, wanted: Targets) -> Loss:
        calls["broken"] += 1
        said = stepwise(output, wanted)
        return Loss(said.sum * (math.nan if calls["broken"] == 7 else 1.0), said.count)  # the second epoch's second

    members = mixed("mlp")
    members[1] = replace(members[1], loss=broken)
    rows, settings = TensorRows(values=values(N)), Training(**PLAIN)
    group = _Group(members, rows, settings, 0, CPU)

    def step(start: int) -> None:
        group.learn(torch.arange(start, start + 8), rows.values[start : start + 8], 0.02)

    for start in (0, 8, 16, 24):
        step(start)
    group.close_epoch(torch.arange(32, 40), 1)
    for start in (0, 8, 16, 24):
        step(start)
    lost = [bool(_flat(group, place).isnan().any()) for place in range(5)]
    assert [number for number, is_lost in zip(group.active, lost, strict=True) if is_lost] == [1]
    with pytest.raises(WorkError) as caught:
        group.close_epoch(torch.arange(32, 40), 2)
    assert str(caught.value) == (
        "the validation loss of kd is nan in epoch 2; lower training.learning_rate (now 0.02) or set "
        "training.clip_norm, and look for extreme input values"
    )
    members = mixed("mlp")
    members[1] = replace(members[1], loss=lambda output, wanted: Loss(output.logits.sum() * math.nan, torch.ones(())))
    with pytest.raises(WorkError, match=r"^the validation loss of kd is nan in epoch 1;"):
        fit_together(members, rows, settings, seed=0, device=CPU)


def _flat(group: _Group, place: int) -> Tensor:
    return torch.cat([one[place].detach().flatten() for one in group.module.parameters()])


class Normed(nn.Module):
    """A perceptron with a layer that is not linear and has weights."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.body, self.head = nn.Sequential(nn.Linear(INPUTS, 4), layer), nn.Linear(4, LABELS)

    def forward(self, inputs: Tensor) -> StudentOutput:
        features = self.body(inputs)
        return StudentOutput(self.head(features), features)


class Flat(Normed):
    """Written for (B, D) alone: with a leading dimension it silently answers something else."""

    def forward(self, inputs: Tensor) -> StudentOutput:
        features = self.body(inputs)
        features = features - features.mean(dim=0)
        return StudentOutput(self.head(features), features)


class Wider(nn.Linear):
    """Linear by name."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * 2


class Noisy(Normed):
    """Draws at random without saying so."""

    def forward(self, inputs: Tensor) -> StudentOutput:
        features = torch.dropout(self.body(inputs), 0.5, self.training)
        return StudentOutput(self.head(features), features)


class Faint(Normed):
    """Draws at random, and so little that its answers hardly show it."""

    def forward(self, inputs: Tensor) -> StudentOutput:
        return super().forward(inputs + 1e-7 * torch.randn_like(inputs))


class Tied(nn.Module):
    """One layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(INPUTS, INPUTS), nn.Linear(INPUTS, LABELS)
        self.again = self.body

    def forward(self, inputs: Tensor) -> StudentOutput:
        features = self.again(self.body(inputs).relu())
        return StudentOutput(self.head(features), features)


class Counting(Normed):
    """Notes in a buffer how often it was trained; some have another one."""

    def __init__(self, *more: str) -> None:
        super().__init__(nn.ReLU())
        for name in ("seen", *more):
            self.register_buffer(name, torch.zeros(()))
        self.counts = not more

    seen: Tensor

    def forward(self, inputs: Tensor) -> StudentOutput:
        self.seen += float(self.training and self.counts)
        return super().forward(inputs)


def twins(one: nn.Module) -> list[nn.Module]:
    """Students that begin alike, as those of a table of methods do."""
    return [one, deepcopy(one)]


def frozen(kind: str) -> Student:
    other = student(kind)
    next(other.parameters()).requires_grad_(False)
    return other


class Remembers(nn.Module):
    """An LSTM over the inputs, and a linear layer."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 4, **{"batch_first": True, **settings})
        self.decide = nn.LazyLinear(LABELS)
        self(values(2))

    def forward(self, inputs: Tensor) -> StudentOutput:
        last = self.lstm(inputs[..., None])[0][..., -1, :]
        return StudentOutput(self.decide(last), last)


def scaled(kind: str) -> Student:
    other = student(kind)
    other.scaling.mean += 1
    return other


@pytest.mark.parametrize(
    "students",
    [
        [student("mlp"), student("chain")],
        [student("mlp"), student("mlp", hidden=(8, 7))],
        [student("chain"), student("chain", hidden=7)],
        [student("chain"), student("chain", steps=2)],
        [student("lstm"), student("lstm", layers=1)],
        [student("lstm", dropout=0.1), student("lstm", dropout=0.1)],
        [Remembers(bias=False), Remembers(bias=False)],
        [Remembers(bidirectional=True), Remembers(bidirectional=True)],
        [Remembers(batch_first=False), Remembers(batch_first=False)],
        [student("chain"), student("chain", unchosen="last")],
        [student("mlp"), scaled("mlp")],
        [student("mlp", dropout=0.1), student("mlp", dropout=0.1)],
        [student("mlp", hidden=()), student("mlp", hidden=())],
        [Normed(nn.LayerNorm(4)), Normed(nn.LayerNorm(4))],
        [Normed(nn.PReLU()), Normed(nn.PReLU())],
        [Normed(nn.BatchNorm1d(4, affine=False)), Normed(nn.BatchNorm1d(4, affine=False))],
        [Normed(Wider(4, 4)), Normed(Wider(4, 4))],
        [Flat(nn.ReLU()), Flat(nn.ReLU())],
        [Noisy(nn.ReLU()), Noisy(nn.ReLU())],
        [Slope(1.0), Slope(1.0)],
        twins(Flat(nn.ReLU())),
        twins(Faint(nn.ReLU())),
        twins(Tied()),
        twins(Counting()),
        [Counting("more"), Counting("more", "and more")],
        twins(frozen("mlp")),
        [student("chain"), frozen("chain")],
        [student("mlp"), student("mlp").double()],
    ],
    ids=["kind", "shape", "hidden", "steps", "layers", "lstm dropout", "lstm bias", "lstm both ways", 
         "lstm by steps", "settings", "scaling", "dropout", "without a hidden layer", "layer norm",
         "prelu", "batch norm", "a linear layer of its own", "written for two dimensions", "hidden dropout", "bare",
         "twins for two dimensions", "faint noise", "tied weights", "counting", "buffers", "frozen", "one frozen",
         "precision"],
)  # fmt: skip
def test_what_cannot_be_stacked(students: list[nn.Module]) -> None:
    before = torch.random.get_rng_state()
    assert not stackable(students, TensorRows(values=values(N)), Training(**PLAIN))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    "one", [student("mlp"), student("chain"), student("lstm"), Remembers(), Normed(nn.ReLU()), Counting("more")]
)
def test_students_that_begin_alike_can_be_stacked(one: nn.Module) -> None:
    assert stackable(twins(one), TensorRows(values=values(N)), Training(**PLAIN))


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, True),
        ({"optimizer": "sgd", "schedule": "cosine", "patience": None, "threads": 1, "improvement": 0.1}, True),
        ({"validation": 0.0}, False),
        ({"validation": 0.01}, False),  # of 40 rows none
        ({"accumulate": 2}, False),
        ({"ema": 0.9}, False),
        ({"precision": "bf16"}, False),
        ({"compile": True}, False),
        ({"tracker": "tensorboard"}, False),
    ],
)
@pytest.mark.parametrize("kind", ["mlp", "chain"])
def test_which_trainings_can_be_shared(kind: str, settings: dict[str, Any], wanted: bool) -> None:
    students = [student(kind, seed) for seed in range(3)]
    before = [weights(one) for one in students]
    assert stackable(students, TensorRows(values=values(N)), Training(**{**PLAIN, **settings})) is wanted
    assert all(torch.equal(weights(one), first) for one, first in zip(students, before, strict=True))


def test_rows_that_are_read_batch_by_batch_are_the_same_rows() -> None:
    class Distant(TensorRows):
        @property
        def resident(self) -> None:
            return

    trained = [mixed("mlp"), mixed("mlp")]
    for rows, members in zip((TensorRows(values=values(N)), Distant(values=values(N))), trained, strict=True):
        fit_together(members, rows, Training(**PLAIN), seed=0, device=CPU)
    for one, other in pairwise(trained):
        assert all(same(mine.student, its.student) for mine, its in zip(one, other, strict=True))


def test_targets_that_stay_in_the_store_are_read_batch_by_batch() -> None:
    class Stored:
        def __init__(self, content: Tensor) -> None:
            self.content, self.most = content.numpy(), 0

        def __len__(self) -> int:
            return len(self.content)

        def __getitem__(self, where: Any) -> Any:
            found = self.content[where if isinstance(where, slice) else where.numpy()]
            self.most = max(self.most, len(found))
            return found

    wanted = towards(1)
    stored = ProbabilityTargets(Stored(wanted.probabilities), Stored(wanted.weights))  # type: ignore[arg-type]
    here, there = ([Member("one", student("mlp"), told, stepwise)] for told in (wanted, stored))
    for members in (here, there):
        fit_together(members, TensorRows(values=values(N)), Training(**PLAIN), seed=0, device=CPU)
    assert float((weights(here[0].student) - weights(there[0].student)).abs().max()) < 1e-6
    assert stored.probabilities.most == 8  # type: ignore[attr-defined]


def test_members_alone_and_an_unshared_loss_of_the_logits_alone() -> None:
    def final(output: StudentOutput, wanted: Targets) -> Loss:
        assert isinstance(wanted, ProbabilityTargets)
        return cross_entropy(output.logits, wanted)

    compare([Member("one", student("chain", 1), towards(1), final)], patience=None)
    compare([Member("one", student("chain", 1), towards(1), stepwise)], patience=None)


@pytest.mark.parametrize("bias", [True, False])
def test_a_large_layers_gradient_in_pieces_is_the_whole_one(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last piece is smaller; inputs that want a gradient get theirs."""
    monkeypatch.setattr(stacked, "_LARGE", 0)
    monkeypatch.setattr(stacked, "_PIECE", 4)
    torch.manual_seed(0)
    layers = [nn.Linear(5, 3, bias=bias).double() for _ in range(3)]
    inputs = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    together = stacked.Linears(layers)
    wanted = torch.randn(3, 7, 3, dtype=torch.float64)
    (together(inputs) * wanted).sum().backward()
    found, inputs.grad = inputs.grad, None
    for place, layer in enumerate(layers):
        (layer(inputs) * wanted[place]).sum().backward()
        torch.testing.assert_close(together.weight.grad[place], layer.weight.grad)
        assert not bias or torch.allclose(together.bias.grad[place], layer.bias.grad)
    torch.testing.assert_close(found, inputs.grad)
