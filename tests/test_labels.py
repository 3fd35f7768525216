"""The label space: by name, whatever the order; positions are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from amalgam.errors import RequestError
from amalgam.labels import LabelSpace, canonical, class_name, lookalikes, spans_of, told_tasks, unite
from tests.tasked import NAMES, TASKS

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


def refused(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(RequestError) as caught:
        call(*arguments, **named)
    return str(caught.value)


def test_tasks_meet_by_name_and_their_classes_stand_side_by_side() -> None:
    teachers = {"a": ("dotted", "red", "green"), "b": ("blau", "red"), "c": ("round",)}
    tasks: Any = {"a": {"colour": ("red", "green")}, "b": {"colour": ("blau", "red")}, "c": {}}
    space = unite(teachers, {"blue": ["blau"]}, None, tasks)
    assert space.names == NAMES
    assert space.tasks == TASKS
    assert space.columns == ((3, 2, 1), (0, 2), (4,))
    again = unite(dict(reversed(teachers.items())), {"blue": ["blau"]}, None, tasks)
    assert (again.names, again.tasks) == (space.names, space.tasks)
    wanted = unite(teachers, {"blue": ["blau"]}, ("red", "round", "dotted", "blue", "green"), tasks)
    assert wanted.names == ("red", "blue", "green", "round", "dotted")
    assert wanted.tasks == {"colour": ("red", "blue", "green")}
    assert unite(teachers).names == ("blau", "dotted", "green", "red", "round")


def test_a_class_is_of_one_task() -> None:
    tasks: Any = {"a": {"colour": ("red", "green")}, "b": {"class": ("red", "blue")}}
    assert refused(unite, {"a": ("red", "green"), "b": ("red", "blue")}, None, None, tasks) == (
        "'red' is a class of task 'class' for teacher 'b' and of 'colour' for teacher 'a'; tasks meet by name: name it "
        "alike under `tasks:` in both cards, or rename the label of one ('class' is the task of a teacher that says "
        "`exclusive`)"
    )


def test_a_task_and_a_label_are_not_called_alike() -> None:
    labels: Any = {"a": ("red", "green"), "b": ("colour", "round")}
    assert refused(unite, labels, None, None, {"a": {"colour": ("red", "green")}}) == (
        "'colour' is a label that is yes or no for teacher 'b', and also the task of the classes 'green', 'red'; "
        "rename the label under labels.aliases, as in 'has colour': ['colour'], or choose teachers that mean the same "
        "by it"
    )
    renamed = unite(labels, {"has colour": ["colour"]}, None, {"a": {"colour": ("red", "green")}})
    assert renamed.names == ("green", "red", "has colour", "round")
    tasks: Any = {"a": {"red": ("red", "green")}}
    assert unite({"a": ("red", "green")}, None, None, tasks).tasks == {"red": ("green", "red")}


def test_a_task_is_not_renamed_but_its_classes_are() -> None:
    tasks: Any = {"a": {"farbe": ("farbe: red", "farbe: blue")}}
    assert refused(unite, {"a": ("farbe: red", "farbe: blue")}, {"colour": ["farbe"]}, None, tasks) == (
        "labels.aliases calls 'farbe' 'colour', but that is a task, and tasks meet by their classes: give each class "
        "its alias, as in 'colour: …': ['farbe: …']"
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [("red", "red"), (" red ", "red"), ("1.0", "1"), ("1.000e+00", "1"), ("07", "07"), ("1.5", "1.5"), ("True", "True"),
     ("", ""), ("  ", ""), ("?", ""), ("NaN", ""), ("none", "none")],
)  # fmt: skip
def test_a_class_is_called_the_same_however_it_is_written(text: str, name: str) -> None:
    assert class_name(text) == name


@pytest.mark.parametrize(
    ("tasks", "exclusive", "message"),
    [
        (
            {"t": ("a", "b")},
            True,
            "it says `exclusive` and names tasks; leave `exclusive` out, which means one task of ",
        ),
        (
            {"t": ("a",)},
            False,
            "it: task 't' has only the class 'a'; a task has at least two, and a label that is yes ",
        ),
        ({"t": ("a", "a")}, False, "it: task 't' has only the class 'a', 'a'; a task has at least two"),
        ({"t": ("a", "b"), "u": ("b", "c")}, False, "it: 'b' is a class of task 't' and listed once more"),
        (["t"], False, "it: its tasks are ['t'], expected each task's name with the list of its classes"),
        ({"t": 3}, False, "it: its tasks are {'t': 3}, expected each task's name with the list of its classes"),
        ({"t": "ab"}, False, "it: its tasks are {'t': 'ab'}, expected each task's name with the list of its classes"),
        ({"t": ("a", "z")}, False, "it: task 't' has the class 'z', which is no label ('a', 'b', 'c', 'd')"),
        ({"t": ("a", "c")}, False, "it: the classes of task 't' do not stand side by side among the labels 'a', 'b', "),
    ],
)
def test_what_cannot_be_a_task_is_refused(tasks: Any, exclusive: bool, message: str) -> None:
    assert refused(told_tasks, tasks, exclusive, ("a", "b", "c", "d"), "it").startswith(message)


def test_what_a_teacher_says_of_its_tasks() -> None:
    labels = ("a", "b", "c")
    assert told_tasks({}, False, labels, "it") == told_tasks(None, False, labels, "it") == {}
    assert told_tasks(None, True, labels, "it") == {"class": labels}
    assert told_tasks({"t": ["b", "a"]}, False, labels, "it") == {"t": ("b", "a")}
    assert spans_of({"u": ("c", "b")}, labels) == ((1, 3),)
