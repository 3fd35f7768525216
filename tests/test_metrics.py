"""The measures against scikit-learn, and what they say where nobody annotated."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, hamming_loss, zero_one_loss

from amalgam.metrics import MEASURES, Measures, Tally, measures

NAN = math.nan


@st.composite
def predictions(draw: st.DrawFn, unknown: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 5)))
    truth = draw(arrays(np.float32, shape, elements=st.sampled_from([0, 1, NAN] if unknown else [0, 1])))
    return torch.from_numpy(draw(arrays(np.bool_, shape))), torch.from_numpy(truth)


@settings(max_examples=60, deadline=None)
@given(predictions())
def test_measures_are_scikit_learns_where_every_row_is_annotated(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    predicted, annotated = pair
    # scikit-learn reads a single column as a binary task: flatten, and ask for its multi-label answer from two on.
    said, truth = predicted.numpy().astype(int), annotated.numpy().astype(int)
    found = measures(predicted, annotated)
    each = [f1_score(truth[:, j], said[:, j], zero_division=0) for j in range(said.shape[1])]
    micro = f1_score(truth.ravel(), said.ravel(), zero_division=0)
    assert found.f1_per_label == pytest.approx(each, abs=1e-6)
    assert found.f1_macro == pytest.approx(np.mean(each), abs=1e-6)
    assert found.f1_micro == pytest.approx(micro, abs=1e-6)
    assert found.hamming_loss == pytest.approx(hamming_loss(truth.ravel(), said.ravel()), abs=1e-6)
    assert found.subset_loss == pytest.approx((truth != said).any(1).mean(), abs=1e-6)
    if said.shape[1] > 1:
        assert found.f1_micro == pytest.approx(f1_score(truth, said, average="micro", zero_division=0), abs=1e-6)
        assert found.f1_macro == pytest.approx(f1_score(truth, said, average="macro", zero_division=0), abs=1e-6)
        assert found.hamming_loss == pytest.approx(hamming_loss(truth, said), abs=1e-6)
        assert found.subset_loss == pytest.approx(zero_one_loss(truth, said), abs=1e-6)
    assert found.rows == len(said)


@settings(max_examples=60, deadline=None)
@given(predictions(unknown=True))
def test_unknown_pairs_count_for_nothing(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    predicted, annotated = pair
    found, known = measures(predicted, annotated), ~annotated.isnan()
    said, truth = predicted.numpy(), annotated.numpy()
    flipped = measures(predicted ^ ~known, annotated)
    assert repr(found) == repr(flipped)
    each = []
    for column, some in enumerate(known.T.numpy()):
        kept = truth[some, column].astype(int), said[some, column].astype(int)
        each.append(f1_score(*kept, zero_division=0) if some.any() else NAN)
    assert found.f1_per_label == pytest.approx(each, abs=1e-6, nan_ok=True)
    full = known.all(1).numpy()
    subset = (truth[full] != said[full]).any(1).mean() if full.any() else NAN
    assert found.subset_loss == pytest.approx(subset, abs=1e-6, nan_ok=True)
    pairs = known.numpy()
    hamming = (truth[pairs] != said[pairs]).mean() if pairs.any() else NAN
    assert found.hamming_loss == pytest.approx(hamming, abs=1e-6, nan_ok=True)


def test_a_pinned_value_each() -> None:
    predicted = torch.tensor([[1, 0, 1], [1, 1, 0], [0, 0, 0], [1, 0, 0]]).bool()
    annotated = torch.tensor([[1, 0, NAN], [0, 1, NAN], [0, NAN, NAN], [1, 0, NAN]])
    assert measures(predicted[:, :2], annotated[:, :2]) == Measures(
        subset_loss=pytest.approx(1 / 3),
        hamming_loss=pytest.approx(1 / 7),
        f1_micro=pytest.approx(6 / 7),
        f1_macro=pytest.approx(0.9),
        f1_per_label=(pytest.approx(0.8), 1.0),
        rows=4,
        loss_per_label=(0.25, 0.0),
    )


def test_a_label_without_an_annotated_row_has_no_f1_and_is_left_out_of_the_macro_mean() -> None:
    found = measures(torch.tensor([[True, True], [False, True]]), torch.tensor([[1.0, NAN], [0.0, NAN]]))
    assert (found.f1_macro, found.f1_per_label[0]) == (1.0, 1.0)
    assert math.isnan(found.f1_per_label[1])
    assert math.isnan(found.subset_loss)


def test_a_label_never_positive_and_never_predicted_has_f1_zero() -> None:
    found = measures(torch.zeros(3, 2, dtype=torch.bool), torch.tensor([[0.0, 1], [0, 0], [0, 0]]))
    assert found.f1_per_label == (0.0, 0.0)
    assert found.subset_loss == pytest.approx(1 / 3)


def test_nothing_annotated_is_nan_throughout() -> None:
    found = measures(torch.ones(3, 2, dtype=torch.bool), torch.full((3, 2), NAN))
    assert all(math.isnan(getattr(found, measure.key)) for measure in MEASURES)
    assert all(math.isnan(f1) for f1 in found.f1_per_label)


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    generator = torch.Generator().manual_seed(1)
    scores = (torch.rand(40, 3, generator=generator) * 10).round()  # with ties
    annotated = (torch.rand(40, 3, generator=generator) > 0.6).float()
    annotated[torch.rand(40, 3, generator=generator) > 0.8] = NAN
    expected = []
    for said, truth in zip(scores.T, annotated.T, strict=True):
        more = said[truth == 1][:, None] - said[truth == 0][None]
        expected.append(float(((more > 0).float() + 0.5 * (more == 0)).mean()))
    found = measures(scores > 5, annotated, scores)
    assert found.auc_per_label == pytest.approx(expected)
    assert found.auc == pytest.approx(np.mean(expected))


def test_no_area_where_all_rows_are_of_one_kind_or_nobody_told_scores() -> None:
    annotated = torch.tensor([[1.0, 0, 1, NAN], [1, 0, 0, NAN]])
    found = measures(annotated > 0, annotated, torch.tensor([[1.0, 1, 1, 1], [0, 0, 0, 0]]))
    assert found.auc_per_label == pytest.approx((NAN, NAN, 1, NAN), nan_ok=True)
    assert found.auc == 1.0
    assert math.isnan(measures(annotated > 0, annotated).auc)
    assert measures(annotated > 0, annotated).auc_per_label == ()


def test_the_losses_of_labels_are_shares_of_their_annotated_rows() -> None:
    annotated = torch.tensor([[1.0, NAN, NAN], [0, 1, NAN], [0, 0, NAN]])
    found = measures(torch.ones(3, 3, dtype=torch.bool), annotated)
    assert found.loss_per_label == pytest.approx((2 / 3, 1 / 2, NAN), nan_ok=True)


def test_chunks_give_the_measures_of_the_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted = torch.rand(50, 4, generator=generator) > 0.5
    annotated = (torch.rand(50, 4, generator=generator) > 0.5).float()
    annotated[torch.rand(50, 4, generator=generator) > 0.9] = NAN
    tally = Tally(4)
    for start in range(0, 50, 7):
        tally.update(predicted[start : start + 7], annotated[start : start + 7])
    assert tally.measures() == measures(predicted, annotated)


def test_the_table_of_measures_names_fields_and_directions() -> None:
    assert [(one.key, one.name, one.better, one.arrow) for one in MEASURES] == [
        ("subset_loss", "subset loss", "lower", "↓"),
        ("hamming_loss", "Hamming loss", "lower", "↓"),
        ("f1_micro", "F1 micro", "higher", "↑"),
        ("f1_macro", "F1 macro", "higher", "↑"),
    ]
