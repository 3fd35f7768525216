"""What a source is made of, and what is no source."""

from __future__ import annotations

import pytest
import torch

from amalgam.errors import RequestError
from amalgam.signals import TensorRows
from amalgam.transfer.source import annotated, by_teachers, importance, prior_matched, unknown_to
from amalgam.transfer.told import told


def rows(classes: list[int], labels: tuple[str, ...] = ("a", "b", "c"), start: float = 0.0) -> TensorRows:
    said = torch.tensor([[torch.nan if one < 0 else float(one == place) for place in range(len(labels))]
                         for one in classes])  # fmt: skip
    values = torch.arange(len(classes), dtype=torch.float)[:, None] + start
    return TensorRows(values=values, labels=labels, annotated=said, name="some")


def test_sources_stand_side_by_side_and_unlabelled_rows_are_left_out() -> None:
    found = annotated({"x": rows([0, 1, -1, 1]), "y": rows([0, 1], ("a", "d"), 10)})
    assert found.rows.labels == ("x: a", "x: b", "y: a", "y: d")  # no row is of x's c
    assert dict(found.tasks) == {"x": ("x: a", "x: b"), "y": ("y: a", "y: d")}
    assert found.rows.inputs(slice(None))[:, 0].tolist() == [0, 1, 3, 10, 11]
    assert found.classes.tolist() == [[0, -1], [1, -1], [1, -1], [-1, 2], [-1, 3]]
    assert found.counts.tolist() == [1, 2, 1, 1]
    assert found.spans == ((0, 2), (2, 4))


def test_rows_that_are_annotated_in_part_are_left_out() -> None:
    said = torch.tensor([[1.0, 0.0], [1.0, torch.nan], [0.0, 1.0]])
    found = annotated({"x": TensorRows(values=torch.arange(3.0)[:, None], labels=("a", "b"), annotated=said)})
    assert found.rows.inputs(slice(None))[:, 0].tolist() == [0, 2]
    assert found.counts.tolist() == [1, 1]


def test_what_is_no_source_is_refused() -> None:
    plain = TensorRows(values=torch.zeros(3, 1))
    with pytest.raises(RequestError, match="the source x has no annotated rows; name its label columns, or teachers"):
        annotated({"x": plain})
    with pytest.raises(RequestError, match="the source x has rows of 1 class; it needs at least two"):
        annotated({"x": rows([1, 1])})
    several = TensorRows(values=torch.zeros(2, 1), labels=("a", "b"), annotated=torch.tensor([[1.0, 0], [1, 1]]))
    with pytest.raises(RequestError, match="row 1 of the source x has 2 labels, expected one class for each row"):
        annotated({"x": several})


def test_each_teacher_has_classes_of_its_own() -> None:
    said = {"one": torch.tensor([[0.7, 0.3], [0.2, 0.8]]), "two": torch.tensor([[0.1, 0.1, 0.8], [1.0, 0, 0]])}
    plain = TensorRows(values=torch.zeros(2, 1))
    found = by_teachers(plain, said, {"one": ("a", "b"), "two": ("a", "c", "d")})
    assert found.rows.labels == ("one: a", "one: b", "two: a", "two: c", "two: d")
    assert found.classes.tolist() == [[0, 4], [1, 2]]
    assert found.counts.tolist() == [1, 1, 1, 0, 1]
    assert found.rows.annotated is not None
    assert found.rows.annotated.tolist() == [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]], "as what is likeliest"
    torch.testing.assert_close(found.said.float()[0], torch.tensor([0.7, 0.3, 0.1, 0.1, 0.8]), atol=1e-3, rtol=0)


def test_a_matched_prior_draws_classes_as_the_target_asks() -> None:
    source = annotated({"x": rows([0] * 600 + [1] * 300 + [2] * 100)})
    wanted = torch.tensor([0.1, 0.3, 0.6])
    found = prior_matched(source, wanted, seed=0)
    assert len(found.rows) == 1000
    share = found.counts / 1000
    torch.testing.assert_close(share, wanted, atol=0.05, rtol=0)
    assert importance(wanted, source.counts).tolist() == pytest.approx([0.1 / 0.6 / 6, 0.3 / 0.3 / 6, 1.0])
    again, other = prior_matched(source, wanted, seed=0), prior_matched(source, wanted, seed=1)
    assert torch.equal(again.rows.inputs(slice(None)), found.rows.inputs(slice(None)))
    assert not torch.equal(other.rows.inputs(slice(None)), found.rows.inputs(slice(None)))


def test_the_report_ranks_classes_with_examples() -> None:
    source = annotated({"x": rows([0, 1, 1, 2, 1, 1, 1])})
    found = told(source, torch.tensor([0.2, 0.1, 0.9]), 0.3)
    assert [(one.name, one.rows) for one in found.classes] == [("x: c", 1), ("x: a", 1), ("x: b", 5)]
    assert found.classes[2].examples == (1, 2, 4, 5)
    assert found.alpha == 0.3
    assert [one.name for one in told(source, None, None).classes] == ["x: b", "x: a", "x: c"]


def test_classes_that_no_source_has_are_told() -> None:
    both = annotated({"x": rows([0, 1]), "y": rows([0, 1], ("c", "d"))})
    assert unknown_to(both, ["b", "z", "d"]) == ["z"]
