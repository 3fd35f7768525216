"""What `amalgam teachers check` finds, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import make_multilabel_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from amalgam.adapters.sklearn import wrap
from amalgam.adapters.torch import wrap as wrap_torch
from amalgam.contract import Finding, agreement, auc_matrix, check
from amalgam.errors import RequestError
from amalgam.signals import TensorRows

LABELS = ("a", "b", "c", "d")
X, Y = make_multilabel_classification(600, 12, n_classes=4, n_labels=2, random_state=0)


def rows(labels: tuple[str, ...] = LABELS, columns: list[int] | None = None, annotated: bool = True) -> TensorRows:
    truth = torch.from_numpy(Y[300:][:, columns if columns is not None else [0, 1, 2, 3]]).float()
    values = torch.from_numpy(X[300:]).float()
    return TensorRows(labels=labels, annotated=truth, values=values) if annotated else TensorRows(values=values)


@pytest.fixture(scope="module")
def forest() -> RandomForestClassifier:
    return RandomForestClassifier(40, random_state=0).fit(X[:300], Y[:300])


class Made:
    """A teacher whose scores are a function of its inputs."""

    def __init__(self, score: Callable[[Tensor], Tensor], labels: tuple[str, ...] = LABELS) -> None:
        self.labels = labels
        self.score = score


def broken(findings: list[Finding]) -> dict[str, str]:
    return {finding.rule: finding.says for finding in findings if not finding.ok}


def project(inputs: Tensor) -> Tensor:
    return inputs[:, :4] - 3


def test_a_good_teacher_keeps_every_rule(forest: Any) -> None:
    findings = check(wrap(forest, LABELS), "a", rows())
    assert broken(findings) == {}
    assert [finding.rule for finding in findings] == [
        "evaluation mode",
        "answers",
        "logits",
        "deterministic",
        "batch order",
        "batch size",
        "batch size",
        "labels",
    ]
    assert findings[-1].says.startswith("no other label fits an output clearly better (mean AUC .8")


@pytest.mark.parametrize("order", [(1, 0, 2, 3), (1, 2, 3, 0), (3, 2, 1, 0)])
def test_permuted_labels_are_found(forest: Any, order: tuple[int, ...]) -> None:
    claimed = [LABELS[place] for place in order]
    teacher = wrap(forest, claimed)
    found = agreement(teacher, rows())
    assert found.best == (0, 1, 2, 3)
    expected = {
        f"output {output} claims {claimed[output]!r} (AUC {found.auc[output, order[output]]:.2f}".replace("0.", ".")
        + f") but predicts {LABELS[output]!r} better (AUC {found.auc[output, output]:.2f}".replace("0.", ".")
        + "); mend the order of its labels"
        for output in range(4)
        if order[output] != output
    }
    wrong = [finding for finding in check(teacher, "a", rows()) if not finding.ok]
    assert {finding.says for finding in wrong} == expected
    assert {finding.rule for finding in wrong} == {"mislabelled"}


def test_columns_of_the_data_may_come_in_any_order(forest: Any) -> None:
    shuffled = rows(("d", "a", "c", "b"), [3, 0, 2, 1])
    assert broken(check(wrap(forest, LABELS), "a", shuffled)) == {}
    assert agreement(wrap(forest, LABELS), shuffled).best == (1, 3, 2, 0)


def test_labels_the_data_cannot_test(forest: Any) -> None:
    findings = check(wrap(forest, ("a", "b", "c", "other")), "a", rows())
    assert broken(findings) == {}
    assert findings[-1] == Finding("labels", True, "unchecked: 'other', for the rows have not both classes of them")
    assert check(wrap(forest, LABELS), "a", rows(annotated=False))[-1] == Finding(
        "labels", True, "unchecked: the rows are not annotated"
    )
    constant = rows()
    assert constant.annotated is not None
    constant.annotated[:, 2] = 1
    found = agreement(wrap(forest, LABELS), constant)
    assert np.isnan(found.auc[:, 2]).all()
    assert 2 not in found.best
    assert sorted(found.best) == [-1, 0, 1, 3]
    assert broken(check(wrap(forest, LABELS), "a", constant)) == {}


def test_chance_is_no_finding() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(30, 4, generator=generator) for _ in range(40)]
    few = TensorRows(labels=LABELS, annotated=torch.from_numpy(Y[:30]).float(), values=torch.arange(30)[:, None])
    alarms = sum(
        len(agreement(Made(lambda inputs, said=said: said[inputs[:, 0].long()]), few).mislabelled())  # type: ignore[misc]
        for said in noise
    )
    assert alarms <= 16  # of 160 outputs that know nothing, on 30 rows


def test_the_matrix_is_the_area_under_the_curve() -> None:
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(80, 3)).round(1)  # with ties
    truth = (generator.random((80, 4)) < 0.4).astype(float)
    truth[:9, 1] = np.nan
    truth[5:20, 3] = np.nan
    auc, errors = auc_matrix(scores, truth)
    for output in range(3):
        for label in range(4):
            kept = ~np.isnan(truth[:, label])
            assert auc[output, label] == pytest.approx(roc_auc_score(truth[kept, label], scores[kept, output]))
    draws = [auc_matrix(generator.normal(size=(80, 50)), truth)[0] for _ in range(20)]
    assert errors == pytest.approx(np.concatenate(draws).std(axis=0), rel=0.1)


def test_exclusive_scores_are_compared_between_rows() -> None:
    logits = torch.tensor([[10.0, 12.0], [1.0, 0.0], [5.0, 8.0], [0.0, -3.0]])
    teacher = Made(lambda inputs: logits[inputs[:, 0].long()], ("a", "b"))
    told = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    few = TensorRows(labels=("a", "b"), annotated=told, values=torch.arange(4)[:, None])
    assert agreement(teacher, few).auc[0, 0] == 0
    teacher.exclusive = True  # type: ignore[attr-defined]
    assert agreement(teacher, few).auc.tolist() == [[1, 0], [0, 1]]


def test_wrong_width_and_nan_end_the_check() -> None:
    found = broken(check(Made(lambda inputs: inputs[:, :3]), "a", rows()))
    assert found == {
        "answers": "teacher 'a' answered 256 rows with scores of shape (256, 3), expected (256, 4): one column for "
        "each of its labels 'a', 'b', 'c', 'd'; mend its card"
    }
    found = broken(check(Made(lambda inputs: project(inputs).log()), "a", rows()))
    assert list(found) == ["answers"]
    assert found["answers"].startswith("teacher 'a' scored row ")


def test_probabilities_in_disguise() -> None:
    teacher = Made(lambda inputs: project(inputs).sigmoid())
    assert broken(check(teacher, "a", rows(annotated=False))) == {
        "logits": "every score lies within [0, 1], so these are probabilities, not logits; write `scores: "
        "probabilities` in the card"
    }


def test_a_module_in_training_mode() -> None:
    module = nn.Sequential(nn.Linear(12, 4), nn.Dropout(0.5))
    teacher = wrap_torch(module, LABELS, "a")
    assert broken(check(teacher, "a", rows(annotated=False))) == {}
    module[1].train()
    found = broken(check(teacher, "a", rows(annotated=False)))
    assert found["evaluation mode"] == "'1' is in training mode; call `.eval()` on the module"
    assert found["deterministic"].startswith("asked twice, scores differ by up to ")
    assert found["deterministic"].endswith("; put it in evaluation mode, or fix its seed")


def test_answers_that_depend_on_the_batch() -> None:
    found = check(Made(lambda inputs: project(inputs) - inputs[:, :4].mean(0)), "a", rows(annotated=False))
    assert set(broken(found)) == {"batch size"}
    said = [finding.says for finding in found if finding.rule == "batch size"]
    assert said[0].startswith("one by one, scores differ by up to ")
    assert said[1].startswith("in batches of 7, scores differ by up to ")
    assert said[1].endswith("; score each row on its own")

    place = Made(lambda inputs: project(inputs) + torch.arange(len(inputs))[:, None])
    assert "batch order" in broken(check(place, "a", rows(annotated=False)))


def test_large_scores_may_differ_by_their_rounding() -> None:
    def shifted(by: float) -> Made:
        return Made(lambda inputs: project(inputs) + by + len(inputs) * 1e-3)

    assert broken(check(shifted(1e4), "a", rows(annotated=False))) == {}
    assert set(broken(check(shifted(0), "a", rows(annotated=False)))) == {"batch size"}


def test_rows_that_cannot_check(forest: Any) -> None:
    with pytest.raises(RequestError) as raised:
        check(wrap(forest, LABELS), "a", TensorRows(values=torch.empty(0, 12)))
    assert str(raised.value) == "data has no rows to check teacher 'a' on"
    with pytest.raises(RequestError) as raised:
        agreement(wrap(forest, LABELS), rows(annotated=False))
    assert str(raised.value) == "data is not annotated, so it cannot tell whether a teacher's labels are right"


def test_a_teacher_that_computes_gradients_is_checked_like_any_other() -> None:
    weight = nn.Parameter(torch.eye(12)[:, :4])
    findings = check(Made(lambda inputs: inputs @ weight - 3), "a", rows())
    assert [finding.rule for finding in findings if finding.rule == "answers"] == ["answers"]
    assert agreement(Made(lambda inputs: inputs @ weight), rows()).auc.shape == (4, 4)


def test_a_row_beyond_the_sample_that_breaks_the_teacher_is_found() -> None:
    last = rows().values[-1]
    teacher = Made(lambda inputs: project(inputs).masked_fill((inputs == last).all(1, keepdim=True), torch.nan))
    assert broken(check(teacher, "a", rows())) == {
        "answers": "teacher 'a' scored row 299 of a batch as NaN or infinite; scores are finite logits: look for "
        "missing or unscaled values in the data, and try the teacher with `amalgam teachers check`"
    }
