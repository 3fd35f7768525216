"""Calibration: claims and their truth, counted as torchmetrics and a loop by hand count them."""

from __future__ import annotations

import math

import pytest
import torch
from torchmetrics.classification import BinaryCalibrationError, MulticlassCalibrationError

from amalgam.calibration import BINS, Calibration, Reliability, claims

NAN = math.nan


def counted(stated: torch.Tensor, true: torch.Tensor, chunk: int = 10**6) -> Calibration:
    tally = Reliability()
    for start in range(0, len(stated), chunk):
        tally.update(stated[start : start + chunk], true[start : start + chunk])
    return tally.calibration()


def drawn(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3)) * 0.999


def test_labels_are_calibrated_as_torchmetrics_says() -> None:
    said = drawn(500, 3)
    truth = (torch.rand(500, 3, generator=torch.Generator().manual_seed(4)) < said**2).float()
    found = counted(*claims(said, truth, (), range(3)))
    oracle = BinaryCalibrationError(n_bins=BINS, norm="l1")
    assert found.claims == 1500
    assert found.error == pytest.approx(float(oracle(said.flatten(), truth.flatten().int())), abs=1e-6)
    assert found.error > 0.05


def test_classes_are_calibrated_as_torchmetrics_says() -> None:
    said = (4 * drawn(400, 4)).softmax(1)
    truth = torch.randint(0, 4, (400,), generator=torch.Generator().manual_seed(5))
    found = counted(*claims(said, torch.eye(4)[truth], ((0, 4),), range(4)))
    oracle = MulticlassCalibrationError(num_classes=4, n_bins=BINS, norm="l1")
    assert found.claims == 400
    assert found.error == pytest.approx(float(oracle(said, truth)), abs=1e-6)


def test_chunks_change_nothing_and_a_bin_holds_its_interval() -> None:
    said, true = drawn(300), drawn(300) > 0.4
    whole = counted(said, true)
    parts = counted(said, true, chunk=7)
    for one, other in zip(whole.bins, parts.bins, strict=True):
        assert (one.claims, one.stated, one.true) == pytest.approx(
            (other.claims, other.stated, other.true), nan_ok=True
        )
    for place, one in enumerate(whole.bins):
        own = (said >= place / BINS) & (said < (place + 1) / BINS)
        assert one.claims == int(own.sum())
        assert one.stated == pytest.approx(float(said[own].mean()))
        assert one.true == pytest.approx(float(true[own].float().mean()))
    edge = counted(torch.tensor([0.0, 1.0]), torch.tensor([False, True]))
    assert [one.claims for one in edge.bins] == [1, *[0] * (BINS - 2), 1]
    assert edge.error == 0


def test_a_label_is_claimed_with_its_probability_and_a_task_with_that_of_its_likeliest_class() -> None:
    said = torch.tensor([[0.7, 0.2, 0.1, 0.9], [0.4, 0.5, 0.1, 0.3], [0.3, 0.3, 0.4, 0.6]])
    truth = torch.tensor([[1, 0, 0, 0], [1, 0, 0, NAN], [NAN, NAN, NAN, 1]])
    stated, true = claims(said, truth, ((0, 3),), range(4))
    assert stated.tolist() == pytest.approx([0.7, 0.5, 0.9, 0.6])
    assert true.tolist() == [True, False, False, True]


def test_only_the_labels_that_a_model_is_measured_on_are_claims() -> None:
    said, truth = torch.tensor([[0.9, 0.1, 0.8]]), torch.tensor([[1.0, 1.0, NAN]])
    stated, true = claims(said, truth, (), [1, 2])
    assert (stated.tolist(), true.tolist()) == (pytest.approx([0.1]), [True])


def test_of_no_claim_nothing_is_known() -> None:
    found = Reliability().calibration()
    assert (found.claims, len(found.bins)) == (0, BINS)
    assert math.isnan(found.error)
    assert math.isnan(found.bins[0].stated)
