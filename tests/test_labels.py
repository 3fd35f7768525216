"""The label space: by name, whatever the order; positions are refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from amalgam.errors import RequestError
from amalgam.labels import LabelSpace, canonical, lookalikes, unite

SETS = st.dictionaries(
    st.text("tuvw", min_size=1, max_size=3),
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True),
    min_size=1,
    max_size=4,
)


@given(SETS)
def test_every_label_lies_in_its_teachers_column(teachers: dict[str, list[str]]) -> None:
    space = unite(teachers)
    assert list(space.names) == sorted({label for labels in teachers.values() for label in labels})
    for k, labels in enumerate(teachers.values()):
        assert [space.names[column] for column in space.columns[k]] == labels
        assert [name for name, known in zip(space.names, space.known[k], strict=True) if known] == sorted(labels)
        own = torch.randn(3, len(labels))
        spread = space.spread(k, own)
        assert torch.equal(space.own(k, spread), own)
        assert spread.isnan().sum() == 3 * (len(space.names) - len(labels))


@given(SETS)
def test_overlap_counts_common_labels(teachers: dict[str, list[str]]) -> None:
    overlap = unite(teachers).overlap()
    for i, a in enumerate(teachers.values()):
        for j, b in enumerate(teachers.values()):
            assert overlap[i, j] == len(set(a) & set(b))


def test_aliases_join_labels() -> None:
    space = unite({"a": ["loop", "even"], "b": ["closed loop"]}, {"closed_loop": ["loop", "closed loop"]})
    assert space == LabelSpace(("closed_loop", "even"), ((0, 1), (0,)))


def test_a_recipe_may_order_the_labels() -> None:
    assert unite({"a": ["x", "y"], "b": ["z"]}, names=["z", "y", "x"]).columns == ((2, 1), (0,))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "teacher 'a' names no labels; labels are matched by name, so list one name an output"),
        (
            [0, 1],
            "teacher 'a' numbers its labels ('0', '1'); labels are matched by name, never by position: list their "
            "names, and quote a name that is a number",
        ),
        (["x", " "], "teacher 'a' has a label with an empty name; name every output"),
        (["x", "y", "x"], "teacher 'a' has the label 'x' twice; every output needs a name of its own"),
    ],
)
def test_what_is_no_name_is_refused(labels: list[object], message: str) -> None:
    with pytest.raises(RequestError) as raised:
        canonical(labels, {}, "teacher 'a'")
    assert str(raised.value) == message


def test_two_labels_that_an_alias_joins_in_one_teacher_are_refused() -> None:
    with pytest.raises(RequestError, match="teacher 'a' has the label 'x' twice"):
        unite({"a": ["x", "y"]}, {"x": ["y"]})


def test_labels_the_recipe_leaves_out_or_invents_are_refused() -> None:
    with pytest.raises(RequestError) as raised:
        unite({"a": ["x", "y"]}, names=["x"])
    assert str(raised.value) == (
        "teacher 'a' knows 'y', which the recipe's labels ('x') leave out; add the label, or an alias for it under "
        "labels.aliases"
    )
    with pytest.raises(RequestError) as raised:
        unite({"a": ["x"]}, names=["x", "z"])
    assert str(raised.value) == "no teacher knows 'z'; the teachers know 'x'"


def test_lookalikes_are_told_apart_and_told() -> None:
    assert lookalikes(["Closed Loop", "closed_loop", "even", "odd", "ODD!"]) == [
        ("Closed Loop", "closed_loop"),
        ("odd", "ODD!"),
    ]
