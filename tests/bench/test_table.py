"""The file of a table: what it says, what is refused, how label sets are drawn, what `--quick` leaves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from amalgam.bench.draw import Draw, Schooled
from amalgam.bench.row_table import RowTable
from amalgam.bench.table import Table
from amalgam.bench.tables import read_table, tables
from amalgam.bench.word_table import WordTable
from amalgam.errors import RequestError

TABLE: dict[str, Any] = {
    "name": "small",
    "title": "A small table",
    "protocol": "As it comes.",
    "measures": ["hamming_loss", "f1_micro"],
    "headline": "ant",
    "teacher": {"name": "label_chain"},
    "teacher_training": {"epochs": 9, "patience": 4},
    "student": {"name": "label_chain", "hidden": 8},
    "training": {"epochs": 5},
    "methods": {
        "ant": {"shown": "ANT", "strategy": {"name": "ant", "clamp": True}},
        "bl": "bl",
        "supervised": {"strategy": "supervised", "role": "bound"},
    },
    "settings": {
        "one": {
            "data": "digits",
            "teachers": [{"labels": [0, 1, "prime"]}, {"labels": [1, 2], "student": {"hidden": 4}}],
            "training": {"batch_size": 8, "epochs": 7},
            "expected": {"bl": [[0.25, 0.01], [0.5, 0.02]]},
        },
        "two": {"data": "digits", "teachers": {"teachers": 3, "students": [{"hidden": 4}]}},
    },
    "quick": {"settings": ["one"], "seeds": 1, "training": {"epochs": 2}},
}
SETTING = TABLE["settings"]["two"]
REMOVED = object()


def changed(path: str, value: object) -> dict[str, Any]:
    """The small table with another value, or none, at a path."""
    content = copy.deepcopy(TABLE)
    *steps, last = path.split("/")
    inner: Any = content
    for step in steps:
        inner = inner[int(step) if isinstance(inner, list) else step]
    if value is REMOVED:
        del inner[last]
    else:
        inner[last] = value
    return content


@pytest.fixture
def written(tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    def write(content: dict[str, Any]) -> str:
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return str(path)

    return write


def test_a_table_says_what_its_file_says(written: Callable[[dict[str, Any]], str]) -> None:
    table = read_table(written(TABLE))
    assert table.methods["bl"].strategy == {"name": "bl"}
    assert table.methods["supervised"].strategy == {"name": "supervised"}
    assert table.compared == ("ant", "bl")
    assert [table.shown(key) for key in ("ant", "bl", "oracle")] == ["ANT", "bl", "oracle"]
    assert table.settings["one"].teachers == (
        Schooled(labels=(0, 1, "prime")),
        Schooled(labels=(1, 2), student={"hidden": 4}),
    )
    assert table.settings["two"].teachers == Draw(teachers=3, shared=0.5, students=({"hidden": 4},))
    assert (table.test, table.apart) == (0.2, 0.0)


def test_published_numbers_are_found_by_measure(written: Callable[[dict[str, Any]], str]) -> None:
    table = read_table(written(TABLE))
    assert table.expected("one", "bl", "hamming_loss") == (0.25, 0.01)
    assert table.expected("one", "bl", "f1_micro") == (0.5, 0.02)
    assert table.expected("one", "ant", "f1_micro") is None
    assert table.expected("two", "bl", "f1_micro") is None


def test_measures_are_the_papers_when_a_table_names_none(written: Callable[[dict[str, Any]], str]) -> None:
    content = changed("measures", REMOVED)
    del content["settings"]["one"]["expected"]
    assert read_table(written(content)).measures == ("subset_loss", "hamming_loss", "f1_micro", "f1_macro")


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({}, {"name": "label_chain", "hidden": 8}),
        ({"hidden": 4, "steps": 3}, {"name": "label_chain", "hidden": 4, "steps": 3}),
        ({"name": "label_chain", "steps": 3}, {"name": "label_chain", "hidden": 8, "steps": 3}),
        ({"name": "mlp", "layers": 2}, {"name": "mlp", "layers": 2}),
    ],
)
def test_a_setting_changes_the_student_or_has_another(
    written: Callable[[dict[str, Any]], str], own: dict[str, Any], wanted: dict[str, Any]
) -> None:
    table = read_table(written(changed("settings/two/student", own)))
    assert table.student_of(table.settings["two"]) == wanted
    assert table.student_of(table.settings["one"]) == table.student


def test_quickly_leaves_few_settings_and_short_trainings(written: Callable[[dict[str, Any]], str]) -> None:
    table = read_table(written(TABLE))
    quick = table.quickly()
    assert list(quick.settings) == ["one"]
    assert quick.settings["one"].training == {"batch_size": 8, "epochs": 2}
    assert quick.settings["one"].expected == table.settings["one"].expected
    assert quick.methods == table.methods
    assert table.settings["one"].training == {"batch_size": 8, "epochs": 7}  # the table itself is as it was


def test_a_table_without_quick_has_no_quick_version(written: Callable[[dict[str, Any]], str]) -> None:
    with pytest.raises(RequestError) as refusal:
        read_table(written(changed("quick", REMOVED))).quickly()
    assert str(refusal.value) == ("table 'small' has no `quick:`, which says what --quick runs; run it whole")


def test_an_unknown_table_is_refused_with_the_nearest() -> None:
    with pytest.raises(RequestError) as refusal:
        read_table("ant-tabel7")
    assert str(refusal.value) == (
        f"no table 'ant-tabel7'; did you mean 'ant-table7'? (built in: {', '.join(tables())}; or a file)"
    )


TABLE_KEYS = (
    "apart, by_task, exclusive, headline, measures, methods, name, paper, protocol, quick, settings, student, teacher, "
    "teacher_training, test, title, training"
)
TRAINING_KEYS = (
    "accumulate, augment, batch_size, checkpoint_seconds, clip_norm, compile, ema, epochs, improvement, keep, "
    "learning_rate, momentum, optimizer, patience, precision, schedule, threads, tracker, validation, warmup, "
    "weight_decay, workers"
)
A_LABEL = (
    "expected the number of a label column or a name; YAML takes on, off, yes, no, dates and numbers for what they "
    "mean: quote a label of such a name"
)
A_KEY = "of at most 60 characters, an ASCII letter or digit and then letters, digits, spaces and . _ + - ( ), not"
A_NAME = "expected a name on one line that begins with neither a space nor = + - @"
NO_NAME = "{'clamp': True}, expected a mapping with a `name`"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("headlin", "ant", f": unknown key 'headlin'; did you mean 'headline'? (known: {TABLE_KEYS})"),
        ("protocol", REMOVED, ": the key 'protocol' is missing"),
        ("name", "a/b", ": name is 'a/b', expected to match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$'"),
        ("test", 1, ": test is 1, expected less than 1"),
        ("apart", -0.5, ": apart is -0.5, expected greater than or equal to 0"),
        ("headline", "supervised", ": expected a headline among the compared methods (ant, bl), not 'supervised'"),
        (
            "measures",
            ["f1"],
            ": measures is ['f1'], expected measures among accuracy, f1_macro, subset_loss, hamming_loss, f1_micro, "
            "auc, not 'f1'",
        ),
        ("measures", [], ": measures is [], expected at least one measure, each once"),
        (
            "measures",
            ["f1_micro", "f1_micro"],
            ": measures is ['f1_micro', 'f1_micro'], expected at least one measure, each once",
        ),
        ("teacher", {"hidden": 8}, ": teacher is {'hidden': 8}, expected a mapping with a `name`"),
        ("student", {"hidden": 8}, ": student is {'hidden': 8}, expected a mapping with a `name`"),
        ("student", "mlp", ": student is 'mlp', expected a mapping of keys to values"),
        ("methods", {}, ": methods is {}, expected to have at least 1 item after validation, not 0"),
        ("settings", {}, ": settings is {}, expected to have at least 1 item after validation, not 0"),
        ("methods/bl", {"strategy": {"clamp": True}}, f": methods.bl.strategy is {NO_NAME}"),
        ("methods/bl", {}, ": the key 'methods.bl.strategy' is missing"),
        (
            "methods/bl",
            {"strategy": "bl", "rol": "bound"},
            ": unknown key 'methods.bl.rol'; did you mean 'role'? (known: note, role, shown, strategy)",
        ),
        (
            "methods/oracle",
            "bl",
            ": expected another key than methods.oracle, which is a bound that the bench adds itself",
        ),
        (
            "methods/Oracle",
            "bl",
            ": expected another key than methods.Oracle, which is a bound that the bench adds itself",
        ),
        ("methods/=1+1", "bl", f": expected keys in methods {A_KEY} '=1+1'"),
        ("methods/a,b", "bl", f": expected keys in methods {A_KEY} 'a,b'"),
        ("methods/ÿ", "bl", f": expected keys in methods {A_KEY} 'ÿ'"),
        ("methods/", "bl", f": expected keys in methods {A_KEY} ''"),
        ("methods/bl\n", "bl", f": expected keys in methods {A_KEY} 'bl\\n'"),
        ("methods/" + "b" * 61, "bl", f": expected keys in methods {A_KEY} '{'b' * 61}'"),
        (
            "methods/BL",
            "bl",
            ": expected keys in methods that differ by more than upper and lower case, not 'bl' and 'BL'",
        ),
        ("methods/bl", {"strategy": "bl", "shown": "=SUM(A1)"}, f": methods.bl.shown is '=SUM(A1)', {A_NAME}"),
        ("methods/bl", {"strategy": "bl", "shown": "+1"}, f": methods.bl.shown is '+1', {A_NAME}"),
        ("methods/bl", {"strategy": "bl", "shown": "-1"}, f": methods.bl.shown is '-1', {A_NAME}"),
        ("methods/bl", {"strategy": "bl", "shown": "@x"}, f": methods.bl.shown is '@x', {A_NAME}"),
        ("methods/bl", {"strategy": "bl", "shown": " "}, f": methods.bl.shown is ' ', {A_NAME}"),
        ("methods/bl", {"strategy": "bl", "shown": "B\nL"}, f": methods.bl.shown is 'B\\nL', {A_NAME}"),
        (
            "methods/bl",
            {"strategy": "bl", "shown": "Ant "},
            ": expected methods with names of their own, not 'Ant ' for methods.ant and methods.bl",
        ),
        (
            "methods/bl 2",
            {"strategy": "bl", "shown": "bl"},
            ": expected methods with names of their own, not 'bl' for methods.bl and methods.bl 2",
        ),
        (
            "methods/bl",
            {"strategy": "bl", "shown": "Teacher 0"},
            ": expected methods.bl.shown to be another name than 'Teacher 0', a bound that the bench adds itself",
        ),
        ("settings/-1", SETTING, f": expected keys in settings {A_KEY} '-1'"),
        ("settings/..", SETTING, f": expected keys in settings {A_KEY} '..'"),
        (
            "settings/One",
            SETTING,
            ": expected keys in settings that differ by more than upper and lower case, not 'one' and 'One'",
        ),
        (
            "methods/teacher 10",
            "bl",
            ": expected another key than methods.teacher 10, which is a bound that the bench adds itself",
        ),
        (
            "methods/supervised/role",
            "variant",
            ": expected methods.supervised.role to be 'bound', for it learns from the truth, not 'variant'",
        ),
        (
            "methods/ant/role",
            "best",
            ": methods.ant.role is 'best', expected 'compared', 'variant' or 'bound'",
        ),
        (
            "settings/one/teacher",
            [],
            ": unknown key 'settings.one.teacher'; did you mean 'teachers'? "
            "(known: data, expected, expected_by_task, labelled, methods, options, student, teachers, training)",
        ),
        (
            "settings/one/methods",
            {"aant": {"clamp": True}},
            ": expected settings.one.methods for methods of the table, not 'aant'",
        ),
        (
            "settings/one/methods",
            {"ant": {"name": "bl"}},
            ": expected settings.one.methods.ant to keep the method's strategy, without a name",
        ),
        ("settings/one/labelled", 0, ": settings.one.labelled is 0, expected greater than 0"),
        (
            "settings/one/options",
            {"lables": ["even"]},
            ": unknown key 'settings.one.options.lables'; did you mean 'labels'? "
            "(known: channels, coarse, count, download, drop, fit, image, label_count, label_position, labels, "
            "longest, missing, only, primary, seed, series, size, tasks, text, tokenizer, xml)",
        ),
        (
            "settings/one/teachers",
            [],
            ": settings.one.teachers.schooled is [], expected to have at least 1 item after validation, "
            "not 0",
        ),
        (
            "settings/one/teachers/0/label",
            [0],
            ": unknown key 'settings.one.teachers.schooled.0.label'; did you mean 'labels'? (known: labels, student)",
        ),
        (
            "settings/one/teachers/0/labels",
            [],
            ": settings.one.teachers.schooled.0.labels is [], expected to have at least 1 item after "
            "validation, not 0",
        ),
        (
            "settings/one/teachers/0/labels",
            [1, 1],
            ": settings.one.teachers.schooled.0.labels is [1, 1], expected each label once",
        ),
        (
            "settings/one/teachers/0/labels",
            [0, True],
            f": settings.one.teachers.schooled.0.labels.1 is True, {A_LABEL}",
        ),
        ("settings/one/teachers/0/labels", [1.0], f": settings.one.teachers.schooled.0.labels.0 is 1.0, {A_LABEL}"),
        (
            "settings/one/teachers/0/labels",
            [0, -1],
            ": settings.one.teachers.schooled.0.labels is [0, -1], expected numbers of label columns, from 0 on, or "
            "names",
        ),
        (
            "settings/two/teachers",
            {"teachers": 2, "share": 0.5},
            ": unknown key 'settings.two.teachers.draw.share'; did you mean 'shared'? "
            "(known: shared, students, teachers)",
        ),
        (
            "settings/two/teachers",
            {"teachers": 1},
            ": settings.two.teachers.draw.teachers is 1, expected greater than or equal to 2",
        ),
        (
            "settings/two/teachers",
            {"shared": 1.5},
            ": settings.two.teachers.draw.shared is 1.5, expected less than or equal to 1",
        ),
        (
            "settings/two/teachers",
            {"students": [{}, {}, {}]},
            ": settings.two.teachers.draw is {'students': [{}, {}, {}]}, expected students for at most 2 teachers, "
            "not 3",
        ),
        (
            "settings/one/expected",
            {"cfl": [[0, 0], [0, 0]]},
            ": expected settings.one.expected for methods of the table, not 'cfl'",
        ),
        (
            "settings/one/expected",
            {"bl": [[0, 0]]},
            ": expected settings.one.expected.bl with a pair [mean, sd] for each of the measures "
            "(hamming_loss, f1_micro), not 1",
        ),
        ("settings/one/expected", {"bl": [[0], [0]]}, ": the key 'settings.one.expected.bl.0.1' is missing"),
        ("quick/settings", ["three"], ": expected quick.settings among one, two, not 'three'"),
        (
            "quick/settings",
            [],
            ": quick.settings is [], expected to have at least 1 item after validation, not 0",
        ),
        ("quick/seeds", 0, ": quick.seeds is 0, expected greater than 0"),
        (
            "teacher_training",
            {"epoch": 1},
            f", teacher_training: unknown key 'epoch'; did you mean 'epochs'? (known: {TRAINING_KEYS})",
        ),
        ("training", {"epochs": 0}, ", training: epochs is 0, expected greater than 0"),
        (
            "settings/one/training",
            {"batch_size": 0},
            ", settings.one.training: batch_size is 0, expected greater than 0",
        ),
        ("quick/training", {"epochs": 0}, ", quick.training: epochs is 0, expected greater than 0"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused(
    path: str, value: object, says: str, written: Callable[[dict[str, Any]], str]
) -> None:
    with pytest.raises(RequestError) as refusal:
        read_table(written(changed(path, value)))
    assert str(refusal.value) == f"table small.yaml{says}"


def test_a_key_goes_into_the_name_of_a_file(written: Callable[[dict[str, Any]], str], tmp_path: Path) -> None:
    key = "9 a.b_c+d-(e)" + "f" * 47
    assert key in read_table(written(changed(f"settings/{key}", SETTING))).settings
    (tmp_path / f"{key}-0.json").touch()


def test_a_label_that_yaml_takes_for_something_else_is_refused(
    written: Callable[[dict[str, Any]], str], tmp_path: Path
) -> None:
    """`on` would be label column 1."""
    text = Path(written(TABLE)).read_text(encoding="utf-8")
    path = tmp_path / "on.yaml"
    path.write_text(text.replace("- prime", "- on"), encoding="utf-8")
    with pytest.raises(RequestError) as refusal:
        read_table(str(path))
    assert str(refusal.value) == f"table on.yaml: settings.one.teachers.schooled.0.labels.2 is True, {A_LABEL}"
    path.write_text(text.replace("- prime", "- 'on'"), encoding="utf-8")
    assert read_table(str(path)).settings["one"].teachers[0].labels == (0, 1, "on")  # type: ignore[index]


def test_data_lies_beside_the_table_or_else_where_the_user_is(
    written: Callable[[dict[str, Any]], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = tmp_path / "tables", tmp_path / "here"
    for path in (
        there / "rows.arff", there / "rows.xml", there / "digits", here / "rows.arff", here / "mine.arff",
        tmp_path / "up.npz",
    ):  # fmt: skip
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.chdir(here)
    wanted = {
        "rows.arff": there / "rows.arff",
        "../up.npz": tmp_path / "up.npz",
        "mine.arff": here / "mine.arff",
        str(here / "rows.arff"): here / "rows.arff",
        "nowhere.arff": "nowhere.arff",
        "digits": "digits",  # a name, whatever lies there
    }
    content = changed("quick", REMOVED)
    one = content["settings"].pop("two")
    content["settings"] = {
        f"setting {number}": {**one, "data": data, "options": {"xml": "rows.xml"}} for number, data in enumerate(wanted)
    }
    path = Path(written(content)).rename(there / "small.yaml")
    table = read_table("../tables/small.yaml")
    assert table == read_table(str(path))
    assert [setting.data for setting in table.settings.values()] == [str(one) for one in wanted.values()]
    assert {setting.options.xml for setting in table.settings.values()} == {str(there / "rows.xml")}
    (here / "again.yaml").write_text(yaml.safe_dump(table.model_dump(mode="json")), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert read_table("here/again.yaml") == table, "what a bench wrote down means the same elsewhere"


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text("- ant\n")
    with pytest.raises(RequestError) as refusal:
        read_table(str(tmp_path / "small.yaml"))
    assert str(refusal.value) == f"table {tmp_path}/small.yaml should be a mapping of keys to values, not list"


draws = st.builds(Draw, teachers=st.integers(2, 6), shared=st.sampled_from([0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]))


@example(draw=Draw(teachers=6, shared=0.02), more=44, seed=0)  # 8.5 labels each, of 50: eight would not do
@given(draw=draws, more=st.integers(0, 60), seed=st.integers(0, 2**31 - 1))
def test_drawn_sets_are_equal_share_what_is_asked_and_hold_every_label(draw: Draw, more: int, seed: int) -> None:
    labels = draw.teachers + more
    drawn = [set(one.labels) for one in draw.draw(labels, seed)]
    sizes = {len(one) for one in drawn}
    assert len(drawn) == draw.teachers
    assert set().union(*drawn) == set(range(labels))
    common = [len(one & other) for one, other in pairwise(drawn)]
    if draw.shared == 0:
        assert max(sizes) - min(sizes) <= 1
        assert sum(map(len, drawn)) == labels  # nobody shares
    else:
        assert len(sizes) == 1
        assert all(abs(shared - draw.shared * len(drawn[0])) <= 1.5 for shared in common)
    if draw.shared == 1:
        assert sizes == {labels}
    assert draw.draw(labels, seed) == draw.draw(labels, seed)


@pytest.mark.parametrize(
    ("labels", "size", "common"), [(6, 4, 2), (8, 5, 2), (14, 9, 4), (19, 13, 7), (27, 18, 9), (45, 30, 15)]
)
def test_halves_are_as_large_as_the_authors(labels: int, size: int, common: int) -> None:
    """Emotions and scene, yelp, yeast, birds, genbase, medical: the sizes of the authors' own subsets."""
    one, other = (set(teacher.labels) for teacher in Draw().draw(labels, 0))
    assert (len(one), len(other), len(one & other)) == (size, size, common)


def test_another_seed_draws_others_and_teachers_keep_their_students() -> None:
    draw = Draw(teachers=3, students=({"hidden": 4}, {"hidden": 8}))
    assert [one.student for one in draw.draw(10, 0)] == [{"hidden": 4}, {"hidden": 8}, {}]
    assert len({tuple(one.labels for one in draw.draw(10, seed)) for seed in range(20)}) == 20
    assert [one.labels for one in Draw().draw(6, 0)] == [(0, 1, 2, 4), (0, 1, 3, 5)]


def test_fewer_labels_than_teachers_are_refused() -> None:
    with pytest.raises(RequestError) as refusal:
        Draw(teachers=3).draw(2, 0)
    assert str(refusal.value) == "3 teachers cannot be drawn from 2 labels; draw fewer teachers"


@pytest.mark.parametrize("kind", [RowTable, WordTable])
def test_every_field_of_a_table_is_explained(kind: type[Table]) -> None:
    told = f"{Table.__doc__}{kind.__doc__}"
    assert [field for field in kind.model_fields if f"        {field}:" not in told] == []
