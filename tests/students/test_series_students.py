"""What holds for every student of series: masks, batches, learning, teaching, the disk and ONNX."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from amalgam.adapters.torch import wrap
from amalgam.errors import RequestError
from amalgam.export import compare
from amalgam.export.rows import drawn
from amalgam.losses import cross_entropy
from amalgam.signals import ProbabilityTargets, TensorRows
from amalgam.student import Student, build, load
from amalgam.teacher import HeadScorer
from tests.training.toys import train

NAN = float("nan")
LABELS = ("a", "b", "c")
PLAIN: list[dict[str, Any]] = [{"name": "recurrent", "hidden": 6}, {"name": "convolutional", "channels": 6}]
OTHER = {"dropout": 0.5, "scale": "series", "missing_channel": True}
SPECS = [
    *PLAIN,
    {"name": "recurrent", "hidden": 5, "layers": 2, **OTHER},
    {"name": "convolutional", "channels": 5, "kernels": [5, 3], **OTHER},
]
every = pytest.mark.parametrize("spec", SPECS, ids=["lstm", "conv", "lstm series", "conv series"])
plain = pytest.mark.parametrize("spec", PLAIN, ids=["lstm", "conv"])


def ragged(rows: int = 12, steps: int = 11, channels: int = 2) -> Tensor:
    """Series of many lengths, with holes."""
    generator = torch.Generator().manual_seed(0)
    values = 4 + 3 * torch.randn(rows, steps, channels, generator=generator)
    values[torch.rand(values.shape, generator=generator) < 0.15] = NAN
    for row in range(rows):
        values[row, 1 + row % steps :] = NAN
        values[row, 0, 0] = row
    return values


def a_student(spec: dict[str, Any], rows: Tensor | None = None) -> Student:
    torch.manual_seed(0)
    rows = ragged() if rows is None else rows
    student = build(spec, rows.shape[1:], LABELS, "test")
    student.scaling.fit(TensorRows(values=rows))
    return student.eval()


@every
@pytest.mark.parametrize("more", [1, 2, 3, 8])
def test_more_padding_changes_nothing(spec: dict[str, Any], more: int) -> None:
    rows = ragged()
    padded = torch.cat([rows, torch.full((12, more, 2), NAN)], 1)
    short, long = a_student(spec), a_student(spec, padded)
    torch.testing.assert_close(long.scaling.mean, short.scaling.mean)
    for mine, its in zip(short.score_and_features(rows), long.score_and_features(padded), strict=True):
        torch.testing.assert_close(its, mine, atol=1e-6, rtol=1e-5)
    assert short.score(rows).std(0).min() > 1e-3  # and they do say something


@every
@pytest.mark.parametrize("training", [False, True])
def test_rows_of_a_batch_do_not_influence_each_other(spec: dict[str, Any], training: bool) -> None:
    student, rows = a_student({**spec, "dropout": 0.0}).train(training), ragged()
    alone = torch.cat([student.score(row[None]) for row in rows])
    torch.testing.assert_close(student.score(rows), alone, atol=1e-6, rtol=1e-5)
    others = torch.cat([rows[:6], 100 * rows[6:].nan_to_num() - 7])
    torch.testing.assert_close(student.score(others)[:6], alone[:6], atol=1e-6, rtol=1e-5)


@plain
def test_a_missing_value_is_the_mean_unless_the_network_is_told(spec: dict[str, Any]) -> None:
    rows = ragged()[9:11].nan_to_num(nan=2.0)
    rows[:, 10] = 1.0  # no padding
    with_hole, with_mean = rows.clone(), rows.clone()
    with_hole[:, 4, 1] = NAN
    told, untold = a_student({**spec, "missing_channel": True}), a_student(spec)
    with_mean[:, 4, 1] = untold.scaling.mean[1]
    torch.testing.assert_close(untold.score(with_hole), untold.score(with_mean))
    assert (untold.score(with_hole) - untold.score(rows)).abs().max() > 1e-4
    assert (told.score(with_hole) - told.score(with_mean)).abs().max() > 1e-4


@every
def test_a_row_without_any_value_does_not_poison_a_training(spec: dict[str, Any]) -> None:
    student, rows = a_student(spec).train(), ragged()
    rows[3] = NAN
    student(rows).logits.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in student.parameters())


@every
def test_the_gradient_reaches_every_parameter(spec: dict[str, Any]) -> None:
    student = a_student({**spec, "dropout": 0.0}).train()
    wanted = torch.rand(12, 3, generator=torch.Generator().manual_seed(1))
    cross_entropy(student(ragged()).logits, ProbabilityTargets(wanted, torch.ones(12, 3))).sum.backward()
    for name, weight in student.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 1e-6, name


@every
def test_dropout_is_of_the_training_alone(spec: dict[str, Any]) -> None:
    student, rows = a_student({**spec, "dropout": 0.5}), ragged()
    assert torch.equal(student.score(rows), student.score(rows))
    features = student.train().score_and_features(rows)[1]
    assert not torch.equal(student.score(rows), student.score(rows))
    if spec.get("layers", 1) == 1:  # what others compare with is whole
        assert torch.equal(features, student.score_and_features(rows)[1])


def slopes(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noisy series of many lengths that rise or fall, with holes; and which, one-hot (N, 2)."""
    generator = torch.Generator().manual_seed(seed)
    falls = torch.rand(rows, generator=generator) < 0.5
    time = torch.linspace(-1, 1, 16).expand(rows, -1)
    values = torch.where(falls[:, None], -time, time) + 0.3 * torch.randn(rows, 16, generator=generator)
    ends = torch.randint(8, 17, (rows, 1), generator=generator)
    values[(torch.arange(16) >= ends) | (torch.rand(rows, 16, generator=generator) < 0.1)] = NAN
    return 50 + 10 * values[..., None], torch.stack([~falls, falls], 1).float()


@plain
@pytest.mark.parametrize("scale", ["channel", "series"])
def test_two_shapes_are_learned(spec: dict[str, Any], scale: str) -> None:
    inputs, truth = slopes(160, 1)
    torch.manual_seed(0)
    student = build({**spec, "scale": scale}, (16, 1), ("rises", "falls"), "test")
    student.scaling.fit(TensorRows(values=inputs))
    train(student, inputs, ProbabilityTargets(truth, torch.ones(160, 2)), epochs=25, batch_size=16, learning_rate=0.01)
    inputs, truth = slopes(200, 2)
    assert (student.logits(inputs).argmax(1) == truth.argmax(1)).float().mean() > 0.95


@every
def test_the_student_is_a_teacher_with_features_and_a_head(spec: dict[str, Any]) -> None:
    student, rows = a_student(spec), ragged()
    teacher = wrap(student, LABELS)
    assert isinstance(teacher, HeadScorer)
    assert teacher.fingerprint is not None
    scores, features = teacher.score_and_features(rows)
    assert torch.equal(scores, student.logits(rows))
    assert torch.equal(student.score(rows), student(rows).logits)
    torch.testing.assert_close(teacher.head(features.clone()), scores)
    assert features.shape == (12, student.width(rows))


@every
def test_a_saved_student_comes_back_whole(spec: dict[str, Any], tmp_path: Path) -> None:
    student = a_student(spec)
    again = load(student.save(tmp_path / "student"))
    assert (type(again), again.settings, again.shape) == (type(student), student.settings, (11, 2))
    assert torch.equal(again.logits(ragged()), student.logits(ragged()))


@plain
def test_rows_of_plain_features_are_series_of_one_channel(spec: dict[str, Any]) -> None:
    rows = ragged(channels=1)
    flat, deep = a_student(spec, rows[..., 0]), a_student(spec, rows)
    assert torch.equal(flat.logits(rows[..., 0]), deep.logits(rows))
    assert drawn(flat).shape == (256, 11)
    assert torch.equal(flat.logits(drawn(flat)), deep.logits(drawn(flat)[..., None]))


@plain
@pytest.mark.parametrize("shape", [(3, 8, 8), (0, 2), (0,)])
def test_other_inputs_are_refused(spec: dict[str, Any], shape: tuple[int, ...]) -> None:
    with pytest.raises(RequestError) as caught:
        build(spec, shape, LABELS, "test")
    assert str(caught.value) == (
        f"a student for series cannot read inputs of the shape {shape}; expected (steps, channels), or (columns,) as "
        "steps of one channel; choose another student, such as mlp"
    )


@plain
@pytest.mark.parametrize(
    ("row", "value", "message"),
    [
        (slice(None), NAN, "row 2 of the inputs has no value at all, only NaN; drop it first"),
        (3, float("inf"), "row 2 of the inputs is infinite; write NaN where a value is missing"),
    ],
)
def test_rows_that_say_nothing_or_too_much_are_refused(
    spec: dict[str, Any], row: Any, value: float, message: str
) -> None:
    rows = ragged()
    rows[2, row] = value
    with pytest.raises(RequestError) as caught:
        a_student(spec).predict(rows)
    assert str(caught.value) == message


def test_the_exports_say_what_torch_says_of_masked_rows_at_every_batch_size(tmp_path: Path) -> None:
    def export(number: int) -> Path:
        return students[number].export(tmp_path / f"{number}.onnx", rows if number == 0 else None)

    rows = ragged(rows=40)
    students = [a_student(spec, rows) for spec in (SPECS[2], {**SPECS[1], "missing_channel": True})]
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(export, range(2)))
    for student, path in zip(students, paths, strict=True):
        for some in (rows, rows[:5], torch.flip(rows, [0]), drawn(student)):
            assert 0 <= compare(path, student, np.asarray(some)).difference < 1e-5
