"""Random views: each row's own, as told, the same for the same seed; and what is learned of a view is what is asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from amalgam.errors import RequestError
from amalgam.signals import ProbabilityTargets, TensorRows
from amalgam.training.augment import Augment
from amalgam.training.settings import Training
from amalgam.training.together import stackable
from amalgam.training.trainer import fit

from .toys import mlp, of_logits, same, targets, train, values


def pictures(rows: int = 6, height: int = 8, width: int = 8) -> Tensor:
    return torch.rand(rows, 2, height, width, generator=torch.Generator().manual_seed(3))


def drawing(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    """All random shares are one number."""
    monkeypatch.setattr(torch, "rand", lambda *shape, device: torch.full(shape, value, device=device))


def test_nothing_asked_is_nothing_done() -> None:
    images = pictures()
    assert torch.equal(Augment().view(images), images)


def test_a_mirrored_image_is_mirrored_and_others_are_as_they_were() -> None:
    images = pictures(200)
    assert torch.equal(Augment(flip=1).view(images), images.flip(-1))
    torch.manual_seed(0)
    seen = Augment(flip=0.25).view(images)
    mirrored = (seen == images.flip(-1)).flatten(1).all(1)
    plain = (seen == images).flatten(1).all(1)
    assert (mirrored ^ plain).all()
    assert 30 < int(mirrored.sum()) < 70


@pytest.mark.parametrize(("drawn", "turns"), [(1.0, 1), (0.0, -1)])
def test_a_quarter_turn_is_a_quarter_turn(drawn: float, turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures()
    drawing(monkeypatch, drawn)
    torch.testing.assert_close(Augment(turn=90).view(images), images.rot90(turns, (2, 3)), atol=1e-5, rtol=0)


def test_half_a_turn_of_an_oblong_image_stays_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(height=4, width=12)
    drawing(monkeypatch, 1.0)
    torch.testing.assert_close(Augment(turn=180).view(images), images.flip(2, 3), atol=1e-4, rtol=0)


def test_an_oblong_image_turns_without_being_stretched(monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(height=4, width=12)
    images[..., :4], images[..., 8:] = 0, 0
    drawing(monkeypatch, 1.0)
    seen = Augment(turn=90).view(images)
    torch.testing.assert_close(seen[..., 4:8], images[..., 4:8].rot90(1, (2, 3)), atol=1e-4, rtol=0)


def test_a_moved_image_is_moved_and_mirrors_what_comes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures()
    drawing(monkeypatch, 1.0)
    seen = Augment(shift=0.25).view(images)  # by 2 of 8 pixels, up and to the left
    torch.testing.assert_close(seen[..., :6, :6], images[..., 2:, 2:], atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[..., :6, 6:], images[..., 2:, 6:].flip(-1), atol=1e-5, rtol=0)


def test_a_zoomed_image_is_larger_or_smaller_about_its_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(1, 1, 9, 9)
    images[..., 4, 4] = 1
    for drawn in (0.0, 1.0):
        drawing(monkeypatch, drawn)
        seen = Augment(zoom=0.5).view(images)
        assert seen[0, 0, 4, 4] == pytest.approx(1)
        spread = int((seen[0, 0, 4] > 0.01).sum())
        assert spread == (3 if drawn == 0 else 1)


def test_noise_is_added_to_inputs_of_any_shape() -> None:
    torch.manual_seed(1)
    inputs = torch.zeros(400, 7)
    assert float(Augment(noise=0.5).view(inputs).std()) == pytest.approx(0.5, rel=0.05)


def test_every_image_has_a_view_of_its_own() -> None:
    images = pictures(1).expand(5, -1, -1, -1)
    seen = Augment(shift=0.2, turn=20, zoom=0.2, flip=0.5).view(images)
    assert len({tuple(one.flatten().tolist()) for one in seen}) == 5
    assert float(seen.min()) >= 0
    assert float(seen.max()) <= 1


@pytest.mark.parametrize(("told", "shape"), [({"turn": 5}, (103,)), ({"flip": 0.5, "noise": 1}, (20, 3))])
def test_pixels_of_what_is_no_image_are_not_moved(told: dict[str, float], shape: tuple[int, ...]) -> None:
    with pytest.raises(RequestError) as refusal:
        Augment(**told).check(shape)
    assert str(refusal.value) == (
        f"training.augment.{next(iter(told))} is for images (channels, height, width), and these inputs have the shape "
        f"{shape}; leave it out, or take `noise`, which is for any inputs"
    )
    Augment(noise=1).check(shape)
    Augment(**told).check((3, 8, 8))


def test_a_training_refuses_before_its_first_step() -> None:
    with pytest.raises(RequestError, match=r"^training\.augment\.flip is for images"):
        train(mlp(), values(20), targets(20), epochs=1, augment={"flip": 0.5})


def test_the_same_seed_draws_the_same_views_and_no_views_are_something_else() -> None:
    students = [mlp() for _ in range(3)]
    for student, noise in zip(students, (0.5, 0.5, 0.0), strict=True):
        train(student, values(60), targets(60), epochs=3, patience=None, augment={"noise": noise})
    assert same(students[0], students[1])
    assert not same(students[0], students[2])


def test_a_training_with_views_goes_on_where_it_was(tmp_path: Path) -> None:
    told: dict[str, Any] = {"augment": {"noise": 0.3}, "patience": None, "checkpoint_seconds": 0}
    whole, half = mlp(), mlp()
    train(whole, values(60), targets(60), epochs=4, **told)
    train(half, values(60), targets(60), epochs=2, folder=tmp_path, **told)
    resumed = mlp()
    train(resumed, values(60), targets(60), epochs=4, folder=tmp_path, **told)
    assert same(whole, resumed)


def test_students_that_see_views_are_trained_alone() -> None:
    rows = TensorRows(values=values(40))
    assert stackable([mlp(0), mlp(1)], rows, Training())
    assert not stackable([mlp(0), mlp(1)], rows, Training(augment=Augment(noise=0.1)))


def test_live_targets_are_of_what_the_student_sees_and_stored_ones_measure_it() -> None:
    inputs, stored, asked, learned = values(40), targets(40), list[Tensor](), list[ProbabilityTargets]()
    student = mlp()
    seen = list[Tensor]()
    student.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))

    def live(views: Tensor) -> ProbabilityTargets:
        asked.append(views.clone())
        return ProbabilityTargets(views[:, :3].sigmoid(), torch.ones(len(views), 3))

    def loss(output: Any, wanted: Any) -> Any:
        learned.append(wanted)
        return of_logits(output, wanted)

    settings = Training(epochs=1, batch_size=12, validation=0.25, augment=Augment(noise=0.2))
    fit(student, TensorRows(values=inputs), stored, loss, settings, seed=0, accelerator=Accelerator(), live=live)
    *training, validation = zip(seen, learned, strict=True)
    assert len(training) == len(asked) == 3
    for (view, wanted), about in zip(training, asked, strict=True):
        assert torch.equal(view, about)
        assert torch.equal(wanted.probabilities, view[:, :3].sigmoid())
        assert not any(torch.equal(view[0], row) for row in inputs)
    plain, wanted = validation
    places = [int((inputs == row).all(1).nonzero()) for row in plain]
    assert torch.equal(wanted.probabilities, stored.probabilities[places])


def test_a_wrong_view_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=re.escape("augment.flip")):
        Training.model_validate({"augment": {"flip": 2}})
