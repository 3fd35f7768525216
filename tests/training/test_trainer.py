"""The loop: equal to a bare PyTorch loop, blind to what it must not see, indifferent to how a step is cut."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from amalgam.errors import WorkError
from amalgam.losses import cross_entropy
from amalgam.signals import Loss, ProbabilityTargets, StudentOutput, Targets, TensorRows
from amalgam.training import state
from amalgam.training.checkpoint import Checkpoints
from amalgam.training.settings import Training
from amalgam.training.trainer import batches_of, held_out
from tests.training.toys import (
    LABELS,
    Slope,
    WatchedRows,
    height,
    mlp,
    of_logits,
    same,
    targets,
    told,
    train,
    values,
    weights,
)


@pytest.fixture
def mixed() -> Iterator[Accelerator]:
    """An accelerator of mixed precision, with Accelerate's global state put back afterwards."""
    AcceleratorState._reset_state(True)
    yield Accelerator(mixed_precision="bf16", cpu=True)
    AcceleratorState._reset_state(True)


def bare_loop(
    student: torch.nn.Module, batches: list[Tensor], inputs: Tensor, wanted: ProbabilityTargets, **adam: float
) -> list[float]:
    """What the trainer should be, without any of its abilities; the loss of each batch."""
    optimizer = torch.optim.Adam(student.parameters(), fused=True, **adam)
    losses = []
    student.train()
    for batch in batches:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            student(inputs[batch]).logits, wanted.probabilities[batch], reduction="sum"
        )
        optimizer.zero_grad()
        (loss / len(batch)).backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_loop_is_a_bare_pytorch_loop() -> None:
    inputs, wanted, student, bare = values(50), targets(50), mlp(), mlp()
    rows = WatchedRows(values=inputs)
    fitted = train(student, rows, wanted, epochs=3, batch_size=16, validation=0, learning_rate=0.01, weight_decay=0.1)
    losses = bare_loop(bare, rows.asked, inputs, wanted, lr=0.01, weight_decay=0.1)
    assert [len(batch) for batch in rows.asked] == [16, 16, 16, 2] * 3
    assert same(student, bare)
    assert [epoch["loss"] for epoch in fitted.history] == pytest.approx(
        [sum(losses[start : start + 4]) / 50 for start in (0, 4, 8)], rel=1e-12
    )
    assert (fitted.rows, fitted.best_epoch, fitted.resumed_at) == (50, 3, None)
    assert [epoch["epoch"] for epoch in fitted.history] == [1, 2, 3]
    assert not student.training


@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_every_epoch_is_a_new_order_of_the_training_rows(validation: float) -> None:
    rows = WatchedRows(values=values(40))
    train(mlp(), rows, targets(40), epochs=3, batch_size=8, validation=validation, patience=None)
    training, validated = held_out(40, validation, 0)
    assert sorted([*training.tolist(), *validated.tolist()]) == list(range(40))
    assert len(validated) == 40 * validation
    steps = math.ceil(len(training) / 8) + (validation > 0)
    epochs = [torch.cat(rows.asked[start : start + steps]).tolist() for start in range(0, len(rows.asked), steps)]
    assert len(epochs) == 3
    orders = [epoch[: len(training)] for epoch in epochs]
    for epoch, order in zip(epochs, orders, strict=True):
        assert sorted(order) == training.tolist()
        assert epoch[len(training) :] == validated.tolist()
    assert orders[0] != orders[1] != orders[2] != orders[0]


@settings(max_examples=20, deadline=None)
@given(accumulate=st.integers(2, 12), batch_size=st.integers(1, 20), counted=st.sampled_from(["rows", "weights"]))
def test_an_accumulated_step_is_the_step_of_the_whole_batch(accumulate: int, batch_size: int, counted: str) -> None:
    generator = torch.Generator().manual_seed(batch_size)
    wanted = targets(23)
    wanted = replace(wanted, weights=torch.rand(23, 3, generator=generator) * 10.0 ** torch.arange(-1, 2))

    def loss(output: StudentOutput, said: ProbabilityTargets) -> Loss:
        made = cross_entropy(output.logits, said)
        return made if counted == "rows" else Loss(made.sum, said.weights.sum())

    one, cut = mlp().double(), mlp().double()
    same_settings: dict[str, Any] = {"loss": loss, "epochs": 2, "batch_size": batch_size, "clip_norm": 0.5}
    whole = train(one, values(23).double(), wanted, **same_settings)
    parts = train(cut, values(23).double(), wanted, accumulate=accumulate, **same_settings)
    # The loss is measured in single precision, whatever the student's.
    torch.testing.assert_close(weights(cut), weights(one), rtol=1e-4, atol=1e-6)
    assert told(parts.history) == [pytest.approx(epoch, rel=1e-5) for epoch in told(whole.history)]


def test_a_step_is_the_mean_over_what_was_counted() -> None:
    wanted = ProbabilityTargets(torch.rand(8, 3), torch.tensor([2.0] * 4 + [7.0] * 4)[:, None].expand(8, 3))

    def counted(output: StudentOutput, said: ProbabilityTargets) -> Loss:
        return Loss((output.logits * said.weights).sum(), said.weights[:, 0].sum())

    slope = Slope(1.0, 1.0, 1.0)
    fitted = train(slope, values(8), wanted, loss=counted, epochs=1, batch_size=8, accumulate=3, validation=0,
                   optimizer="sgd", momentum=0, learning_rate=2.0, clip_norm=None)  # fmt: skip
    assert slope.place.tolist() == pytest.approx([-1.0] * 3, rel=1e-6)
    assert fitted.history[0]["loss"] == pytest.approx(3.0, rel=1e-6)


@pytest.mark.parametrize(("clip_norm", "length"), [(None, math.sqrt(4)), (0.3, 0.3), (10.0, math.sqrt(4))])
def test_clipping_bounds_the_norm_of_the_gradient(clip_norm: float | None, length: float) -> None:
    slope = Slope(0.0, 0.0, 0.0, 0.0)
    train(slope, values(6), targets(6), loss=height, epochs=1, batch_size=6, accumulate=2, validation=0,
          optimizer="sgd", momentum=0, learning_rate=1.0, clip_norm=clip_norm)  # fmt: skip
    assert float(slope.place.detach().norm()) == pytest.approx(length, rel=1e-4)


def test_the_student_is_the_moving_average() -> None:
    slope = Slope(1.0)
    train(slope, values(12), targets(12), loss=height, epochs=2, batch_size=4, validation=0, ema=0.75,
          optimizer="sgd", momentum=0, learning_rate=0.1)  # fmt: skip
    average, place = 1.0, 1.0
    for _ in range(6):
        place -= 0.1
        average = 0.75 * average + 0.25 * place
    assert slope.place.item() == pytest.approx(average, rel=1e-6)


def test_validation_measures_the_moving_average() -> None:
    fitted = train(Slope(1.0), values(5), targets(5), loss=height, epochs=1, batch_size=4, validation=0.2, ema=0.5,
                   optimizer="sgd", momentum=0, learning_rate=0.1)  # fmt: skip
    assert fitted.history[0]["validation"] == pytest.approx(0.95)


def test_validation_measures_the_students_own_loss_whoever_stands_beside_it() -> None:
    class Constant(nn.Module):
        def forward(self, output: StudentOutput, wanted: Targets) -> Loss:
            return Loss(torch.tensor(7.0 * len(wanted)), torch.tensor(float(len(wanted))))

    def fitted(companion: nn.Module | None) -> list[dict[str, float]]:
        return list(train(mlp(), values(40), targets(40), epochs=2, validation=0.2, companion=companion).history)

    for alone, beside in zip(fitted(None), fitted(Constant()), strict=True):
        assert beside["validation"] == alone["validation"]
        assert beside["loss"] == pytest.approx(alone["loss"] + 7)


def test_an_epoch_is_better_that_beats_the_best_by_a_share_of_what_was_gained_since_the_first() -> None:
    inputs, noise = values(60), values(60, seed=1)
    wanted = ProbabilityTargets((inputs + noise > 0)[:, :3].float(), torch.ones(60, 3))
    fitted = train(mlp(), inputs, wanted, epochs=60, patience=4, improvement=0.05, validation=0.3, learning_rate=0.01)
    losses = [one["validation"] for one in fitted.history]
    best, since = math.inf, 0
    for epoch, loss in enumerate(losses, 1):
        since += 1
        if math.isinf(best) or best - loss > 0.05 * (losses[0] - best):
            best, at, since = loss, epoch, 0
        assert since < 4 or epoch == len(losses)
    assert since == 4
    assert len(losses) < 60
    assert fitted.best_epoch == at
    assert min(losses) < best  # which a rule without a margin would have kept


def test_the_best_epoch_is_taken_and_patience_stops() -> None:
    inputs, noise, student, bare = values(60), values(60, seed=1), mlp(), mlp()
    wanted = ProbabilityTargets((inputs + noise > 0)[:, :3].float(), torch.ones(60, 3))
    given = {"validation": 0.3, "batch_size": 4, "learning_rate": 0.03}
    fitted = train(student, inputs, wanted, epochs=60, patience=4, **given)
    watched = WatchedRows(values=inputs)
    train(mlp(), watched, wanted, epochs=len(fitted.history), patience=None, **given)
    _, validated = held_out(60, 0.3, 0)
    kept, measured, batches = [], [], []
    optimizer = torch.optim.Adam(bare.parameters(), 0.03, fused=True)
    for asked in watched.asked:  # the validation rows, asked for at once, end an epoch
        if not torch.equal(asked, validated):
            batches.append(asked)
            said = cross_entropy(bare(inputs[asked]).logits, wanted.at(asked))
            optimizer.zero_grad()
            (said.sum / said.count).backward()
            torch.nn.utils.clip_grad_norm_(bare.parameters(), 5.0)
            optimizer.step()
            continue
        said = cross_entropy(bare(inputs[validated]).logits, wanted.at(validated))
        measured.append((said.sum / said.count).item())
        kept.append(weights(bare))
    best = measured.index(min(measured))
    assert [epoch["validation"] for epoch in fitted.history] == pytest.approx(measured, rel=1e-6)
    assert 1 <= best < len(measured) - 4 + 1, "the test wants a best epoch that is neither the first nor the last"
    assert fitted.best_epoch == best + 1
    assert len(fitted.history) == best + 1 + 4
    assert torch.equal(weights(student), kept[best])
    assert not torch.equal(weights(student), kept[-1])


def test_annotations_are_never_seen() -> None:
    annotated = torch.randint(0, 2, (40, 2), generator=torch.Generator().manual_seed(0)).float()
    students = [mlp() for _ in range(3)]
    for student, said in zip(students, (None, annotated, 1 - annotated), strict=True):
        labels = () if said is None else ("a", "b")
        train(student, TensorRows(values=values(40), annotated=said, labels=labels), targets(40), epochs=8, patience=2)
    assert same(students[0], students[1])
    assert same(students[0], students[2])


@pytest.mark.parametrize("poison", ["targets", "inputs"])
def test_validation_rows_are_never_trained_on(poison: str) -> None:
    inputs, wanted = values(40), targets(40)
    _, validated = held_out(40, 0.25, 3)
    clean, poisoned = mlp(), mlp()
    train(clean, inputs, wanted, seed=3, epochs=1, patience=None, validation=0.25)
    if poison == "targets":
        wanted = replace(wanted, probabilities=wanted.probabilities.index_fill(0, validated, 1000.0))
    else:
        inputs = inputs.index_fill(0, validated, 1000.0)
    train(poisoned, inputs, wanted, seed=3, epochs=1, patience=None, validation=0.25)
    assert same(clean, poisoned)


@pytest.mark.parametrize(("rows", "share", "count"), [(10, 0.0, 0), (10, 0.25, 2), (2, 0.9, 1), (1, 0.5, 0)])
def test_at_least_one_row_trains(rows: int, share: float, count: int) -> None:
    training, validation = held_out(rows, share, 0)
    assert len(validation) == count
    assert sorted([*training.tolist(), *validation.tolist()]) == list(range(rows))


def test_the_seed_decides_everything() -> None:
    students = [mlp(dropout=0.4) for _ in range(3)]
    for student, seed, before in zip(students, (7, 7, 8), (1, 2, 3), strict=True):
        torch.manual_seed(before)  # what was drawn elsewhere does not matter
        train(student, values(40), targets(40), seed=seed, epochs=3, validation=0, batch_size=40)
    assert same(students[0], students[1])
    assert not same(students[0], students[2])
    undropped = mlp()
    train(undropped, values(40), targets(40), seed=7, epochs=3, validation=0, batch_size=40)
    assert not same(students[0], undropped)


def test_dropout_differs_from_step_to_step_and_from_seed_to_seed() -> None:
    masks: list[Tensor] = []

    class Noise(Slope):
        def forward(self, inputs: Tensor) -> StudentOutput:
            masks.append(torch.rand(4))
            return super().forward(inputs)

    for seed in (0, 0, 1):
        train(Noise(0.0), values(6), targets(6), loss=height, seed=seed, epochs=2, batch_size=3, validation=0)
    drawn = [tuple(mask.tolist()) for mask in masks]
    assert drawn[:4] == drawn[4:8]
    assert len(set(drawn)) == 8


@pytest.mark.parametrize(("where", "epoch"), [("training", 2), ("validation", 2)])
def test_a_loss_that_is_no_number(where: str, epoch: int) -> None:
    class Breaking(Slope):
        def forward(self, inputs: Tensor) -> StudentOutput:
            calls[self.training] += 1
            said = super().forward(inputs)
            broken = self.training == (where == "training") and calls[self.training] == (3 if self.training else 2)
            return replace(said, logits=said.logits * torch.nan) if broken else said

    calls = {True: 0, False: 0}
    with pytest.raises(WorkError) as caught:
        train(Breaking(0.0), values(10), targets(10), loss=height, epochs=5, batch_size=4, validation=0.2,
              learning_rate=0.25)  # fmt: skip
    assert str(caught.value) == (
        f"the {where} loss is nan in epoch {epoch}; lower training.learning_rate (now 0.25) or set training.clip_norm, "
        "and look for extreme input values"
    )


@pytest.mark.parametrize("ema", [None, 0.5])
def test_bf16_stays_near_full_precision(mixed: Accelerator, ema: float | None) -> None:
    wide, narrow = mlp(), mlp()
    kinds = []

    def loss(output: StudentOutput, said: ProbabilityTargets) -> Loss:
        kinds.append(output.features.dtype)
        return cross_entropy(output.logits, said)

    given: dict[str, Any] = {"epochs": 3, "batch_size": 8, "validation": 0.2, "learning_rate": 0.01, "ema": ema}
    half = train(narrow, values(60), targets(60), accelerator=mixed, precision="bf16", loss=loss, **given)
    AcceleratorState._reset_state(True)
    full = train(wide, values(60), targets(60), **given)
    assert set(kinds) == {torch.bfloat16}
    assert half.history[-1]["loss"] == pytest.approx(full.history[-1]["loss"], rel=0.02)
    assert half.history[-1]["validation"] == pytest.approx(full.history[-1]["validation"], rel=0.02)
    assert half.history[-1]["loss"] != full.history[-1]["loss"]
    assert all(value.dtype == torch.float32 for value in narrow.state_dict().values())
    assert float((weights(narrow) - weights(wide)).abs().max()) < 0.01
    assert float((weights(narrow) - weights(mlp())).abs().max()) > 0.03


def test_a_student_trained_in_bf16_answers_in_full_precision(mixed: Accelerator) -> None:
    trained, plain = mlp(), mlp()
    train(trained, values(30), targets(30), accelerator=mixed, precision="bf16", epochs=1)  # fmt: skip
    plain.load_state_dict(trained.state_dict())
    assert torch.equal(trained.logits(values(30)), plain.logits(values(30)))


def test_a_compiled_student_is_the_same_and_stays_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, compile_ = [], torch.compile

    def quick(call: Any) -> Any:  # the whole compiler takes 20 seconds
        compiled.append(call.__self__)
        return compile_(call, backend="eager")

    monkeypatch.setattr(torch, "compile", quick)
    one, plain = mlp(), mlp()
    train(one, values(20), targets(20), epochs=2, compile=True)
    train(plain, values(20), targets(20), epochs=2)
    assert compiled == [one]
    assert same(one, plain)
    assert type(one) is type(plain)
    assert one._compiled_call_impl is None


def test_the_accelerator_has_the_precision_of_the_settings(mixed: Accelerator) -> None:
    with pytest.raises(ValueError, match=r"^the settings ask for precision no, the accelerator has bf16$"):
        train(mlp(), values(8), targets(8), accelerator=mixed, epochs=1)


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_callers_random_numbers_do_not_depend_on_the_training(epochs: int) -> None:
    student = mlp(dropout=0.4)
    torch.manual_seed(11)
    expected = torch.rand(4)
    torch.manual_seed(11)
    train(student, values(20), targets(20), seed=epochs, epochs=epochs)
    assert torch.equal(torch.rand(4), expected)


class Narrow(TorchDispatchMode):
    """A device without numbers of 64 bits, as Apple's MPS is."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        assert not (isinstance(made, Tensor) and made.dtype == torch.float64), f"{func} makes float64"
        return made


def test_a_device_without_float64_trains_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert [state.widest(torch.device(kind)) for kind in ("cpu", "cuda", "mps")] == [
        torch.float64,
        torch.float64,
        torch.float32,
    ]
    given: dict[str, Any] = {"batch_size": 8, "accumulate": 2, "checkpoint_seconds": 0, "ema": 0.5}
    wide, narrow = mlp(), mlp()
    full = train(wide, values(30), targets(30), folder=tmp_path, epochs=3, **given)  # its checkpoint holds float64
    monkeypatch.setattr(state, "widest", lambda device: torch.float32)
    with Narrow():
        half = train(narrow, values(30), targets(30), epochs=3, **given)
    assert same(wide, narrow)
    assert told(half.history) == [pytest.approx(epoch, rel=1e-5) for epoch in told(full.history)]
    lesson = state.Lesson(mlp(), of_logits)
    longer = state.Learning(lesson, torch.optim.Adam(lesson.parameters()), Training(**given), 0, Accelerator(), 27)
    saved = Checkpoints(tmp_path, 0).load()
    assert saved is not None
    longer.restore(saved)
    assert longer.epoch_loss.dtype == longer.epoch_count.dtype == torch.float32


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], True),
        ([1.0, -2.0], True),
        ([3e38, 3e38], True),  # whose sum is not
        ([1.0, math.inf, 0.0], False),
        ([1.0, -math.inf, 0.0], False),
        ([math.nan, 1.0], False),
        ([1.0, math.nan], False),
    ],
)
def test_numbers_that_are_not_finite_are_found_without_a_copy(values: list[float], expected: bool) -> None:
    assert state.finite(torch.tensor(values)) is expected
    assert state.finite(nn.Parameter(torch.tensor([values, values]))) is expected


class Glance(nn.Module):
    """A network of pictures that notes how its inner maps lie in memory while it is trained."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Linear(8, LABELS)
        self.seen: set[bool] = set()

    def forward(self, inputs: Tensor) -> StudentOutput:
        found = self.body(inputs)
        if self.training:
            self.seen.add(found.is_contiguous(memory_format=torch.channels_last))
        pooled = found.mean((2, 3))
        return StudentOutput(self.head(pooled), pooled)


def test_pictures_are_trained_with_the_channels_last_and_left_in_the_usual_order() -> None:
    inputs, wanted, student, bare = torch.rand(24, 3, 8, 8), targets(24), Glance(), Glance()
    train(student, TensorRows(values=inputs), wanted, epochs=2, batch_size=8, validation=0, learning_rate=0.01)
    assert student.seen == {True}
    assert all(weight.is_contiguous() for weight in student.parameters())
    batches = [batch for epoch in range(2) for batch in batches_of(torch.arange(24), 8, 0, epoch)]
    bare_loop(bare, batches, inputs, wanted, lr=0.01)
    assert bare.seen == {False}
    assert torch.allclose(weights(student), weights(bare), atol=1e-5)
