"""The run as a whole: teachers of every kind in one panel, nothing leaks, nothing is computed twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from accelerate import Accelerator
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import ClassifierChain

import amalgam
from amalgam import cache, collect, datasets, parts, pipeline, recipe, registry, schooling
from amalgam.datasets.split import split
from amalgam.errors import RequestError
from amalgam.fingerprint import of_each_row
from amalgam.panel import Panel, Seat, seat
from amalgam.progress import Silent
from amalgam.signals import TensorRows
from amalgam.training.settings import Training

SMALL = ("training.epochs=3", "export=false")


class Said(Silent):
    """A progress that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def weights(student: amalgam.Student) -> torch.Tensor:
    return torch.cat([value.flatten() for value in student.state_dict().values()])


def test_the_same_recipe_gives_the_same_student_and_reuses_the_votes(trained_home: Path, tmp_path: Path) -> None:
    wanted = recipe.read("ant", assignments=SMALL)
    first, report = pipeline.distill(wanted, out=tmp_path / "a")
    said = Said()
    again, second = pipeline.distill(wanted, out=tmp_path / "b", progress=said)
    assert torch.equal(weights(first), weights(again))
    assert report.votes["computed"] == 2
    assert second.votes == {"computed": 0, "reused": 2, "repaired": 0}
    expected = [
        f"{what}: reused from the store" for what in ("votes of digits-arithmetic", "votes of digits-shape", "targets")
    ]
    assert [line for line in said.lines if "reused" in line][:3] == expected
    resolved, _ = pipeline.distill(recipe.read(str(tmp_path / "a" / "recipe.yaml")), keep=False)
    assert torch.equal(weights(first), weights(resolved))
    other, _ = pipeline.distill(wanted.model_copy(update={"seed": 1}), keep=False)
    assert not torch.equal(weights(first), weights(other))


def test_no_test_row_reaches_the_student(trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other test rows with other annotations: the same student, bit for bit, stopped at the same epoch."""
    wanted = recipe.read("ant", assignments=SMALL)
    honest, report = pipeline.distill(wanted, keep=False)

    def poisoned(*arguments: Any) -> parts.Parts:
        shared = parts.apportion(*arguments)
        assert isinstance(shared.test, TensorRows)
        assert shared.test.annotated is not None
        test = replace(shared.test, values=shared.test.values * -3 + 40, annotated=1 - shared.test.annotated)
        return replace(shared, test=test)

    monkeypatch.setattr(pipeline, "apportion", poisoned)
    told, other = pipeline.distill(wanted, keep=False)
    assert torch.equal(weights(honest), weights(told))
    losses = [[{**epoch, "seconds": 0} for epoch in one.history] for one in (report, other)]
    assert losses[0] == losses[1]
    assert report.evaluation is not None
    assert other.evaluation is not None
    assert report.evaluation.student.measures != other.evaluation.student.measures


def test_no_test_row_reaches_a_teacher(trained_home: Path) -> None:
    """Every part of the digits is a stranger to every other, twins included; the cards and recipes split alike."""
    shared = parts.apportion(recipe.read("ant"))
    assert shared.test is not None
    seen = [of_each_row(shared.learn), of_each_row(shared.test)]
    for name in ("digits-arithmetic", "digits-shape"):
        card, _ = registry.find_card(name)
        assert card.schooling is not None
        own = schooling.own_rows(card, card.schooling)
        assert own.labels == card.labels
        seen.append(of_each_row(own))
    together = np.concatenate(seen)
    assert sum(len(np.unique(one)) for one in seen) == len(np.unique(together))
    assert len(together) == 1797


def test_the_annotations_of_the_students_rows_do_not_matter(trained_home: Path) -> None:
    wanted = recipe.read("ant", assignments=SMALL)
    shared = parts.apportion(wanted)
    assert shared.learn.annotated is None
    assert shared.learn.labels == ()


def test_a_leak_is_refused(tmp_path: Path) -> None:
    rows = TensorRows(values=torch.arange(40.0).reshape(20, 2))
    test = replace(rows.take(torch.arange(15, 20)), annotated=torch.ones(5, 1), labels=("a",))
    panel = seat([Seat("knows", Knower(("a",)), seen=of_each_row(rows.take(torch.arange(17, 20))))])
    with pytest.raises(RequestError) as raised:
        parts.refuse_leaks(panel, parts.Parts(rows.take(torch.arange(10)), test))
    assert str(raised.value) == (
        "3 of 5 test rows are among the rows that teacher 'knows' learns from, so nothing measured on them would be "
        "true; split them apart (data.parts must be the teachers' own, see their cards)"
    )
    parts.refuse_leaks(Panel((), panel.space), parts.Parts(rows.take(torch.arange(15)), test))


class Knower:
    """A custom teacher: the sum of the inputs, and a label of its own."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels

    def score(self, inputs: torch.Tensor) -> torch.Tensor:
        return (inputs.sum(1, keepdim=True) - 310) / 30 * torch.ones(len(self.labels))


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray, list[str]]:
    rows = datasets.load("digits").rows
    assert rows.annotated is not None
    return rows.inputs(slice(None)).numpy(), rows.annotated.numpy(), list(rows.labels)


@pytest.fixture(scope="module")
def onnx_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network as ONNX, built node by node, so that no exporter is needed."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).normal(size=(64, 2), scale=0.05).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["inputs", "weight"], ["logits"])],
        "teacher",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(weight, "weight")],
    )
    path = tmp_path_factory.mktemp("onnx") / "teacher.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def shares_of(card: str) -> dict[str, float]:
    schooling = registry.find_card(card)[0].schooling
    assert schooling is not None
    return schooling.parts


def test_teachers_of_four_libraries_in_one_panel(
    digits: tuple[np.ndarray, np.ndarray, list[str]], onnx_teacher: Path, trained_home: Path
) -> None:
    """A chain of torch, one of scikit-learn, an ONNX file and an object, with contradictions to transfer."""
    inputs, annotated, labels = digits
    parts = split(datasets.load("digits").rows, shares_of("digits-shape"), 0)
    test = parts["test"].ids.numpy()
    own = ["even", "closed_loop", "square"]
    chain = ClassifierChain(LogisticRegression(max_iter=3000, C=0.01))
    first = parts["teacher-arithmetic"].ids.numpy()
    chain.fit(inputs[first], annotated[first][:, [labels.index(label) for label in own]])
    student = amalgam.distill(
        teachers=["digits-shape", (chain, own), f"onnx:{onnx_teacher}@even,heavy", Knower(("heavy",))],
        data=inputs[parts["unlabelled"].ids.numpy()],
        strategy={"name": "ant", "clamp": True},
        training={"epochs": 3, "threads": 1},
        test=(inputs[test], annotated[test], labels),
    )
    assert student.labels == (
        "at_least_five", "closed_loop", "even", "heavy", "power_of_two", "square", "straight_strokes",
    )  # fmt: skip
    report = student.report
    assert report is not None
    assert [one.name for one in report.teachers] == ["digits-shape", "ClassifierChain-2", "teacher", "Knower-4"]
    assert report.counts["transfers"] > 100
    assert report.counts["transfers teacher → ClassifierChain-2"] > 10  # an ONNX teacher told a wrapped one
    assert report.counts["transfers teacher → digits-shape"] > 10  # and a chain, which was really asked again
    assert report.counts["other labels changed by transfers"] > 0
    assert report.evaluation is not None
    assert report.evaluation.student.measures.f1_micro > 0.5
    assert "the votes of Knower-4 cannot be reused: it has no `fingerprint`" in report.notes


def test_rows_without_annotations_make_a_student_without_measures(
    digits: tuple[np.ndarray, np.ndarray, list[str]], trained_home: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "rows.npy", digits[0][:200])
    changes = {"data": {"source": str(tmp_path / "rows.npy")}}
    _, report = pipeline.distill(recipe.read("ant", changes, SMALL), out=tmp_path / "run")
    assert report.evaluation is None
    assert "no annotated rows to measure on; name some with data.held_out" in report.notes
    assert report.data == {"learnt from": 170, "stopped early by": 30}
    assert (tmp_path / "run" / "report.html").is_file()


def test_the_student_learns_what_the_targets_say(trained_home: Path) -> None:
    """Not the truth, not one teacher: on its own rows the student reproduces the panel's integrated knowledge."""
    _, report = pipeline.distill(recipe.read("ant", assignments=("export=false",)), keep=False)
    evaluation = report.evaluation
    assert evaluation is not None
    assert evaluation.student.measures.f1_micro > 0.93
    for pair in evaluation.teachers:
        assert pair.student.measures.f1_micro > pair.teacher.measures.f1_micro - 0.03
    assert report.history[-1]["loss"] < report.history[0]["loss"]


def test_real_benchmark_data_with_teachers_of_halves(benchmark_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Emotions, two scikit-learn chains over four of six labels each: the student knows all six."""
    monkeypatch.setenv("AMALGAM_DATA", str(benchmark_data))
    shares = {"one": 0.35, "two": 0.35, "unlabelled": 0.15, "test": 0.15}
    of = split(datasets.load("emotions").rows, shares, 0)
    labels = of["one"].labels

    def chain(part: str, own: list[int]) -> tuple[ClassifierChain, list[str]]:
        rows = of[part]
        assert rows.annotated is not None
        truth = rows.annotated.numpy()[:, own]
        model = ClassifierChain(LogisticRegression(max_iter=5000, C=0.1)).fit(rows.inputs(slice(None)).numpy(), truth)
        return model, [labels[column] for column in own]

    test = of["test"]
    assert test.annotated is not None
    student = amalgam.distill(
        teachers=[chain("one", [0, 1, 2, 3]), chain("two", [1, 2, 4, 5])],
        data=of["unlabelled"].inputs(slice(None)),
        training={"epochs": 60, "threads": 1, "learning_rate": 0.005},
        test=(test.inputs(slice(None)), test.annotated, labels),
    )
    assert student.labels == tuple(sorted(labels))
    assert student.report is not None
    assert student.report.evaluation is not None
    measures = student.report.evaluation.student.measures
    assert measures.f1_micro > 0.5  # always-negative is 0, chance at this density about .3
    assert measures.hamming_loss < 0.31


def test_a_second_run_may_have_another_precision(trained_home: Path) -> None:
    half, _ = pipeline.distill(recipe.read("ant", assignments=(*SMALL, "training.precision=bf16")), keep=False)
    full, _ = pipeline.distill(recipe.read("ant", assignments=SMALL), keep=False)
    assert not torch.equal(weights(half), weights(full))
    torch.testing.assert_close(weights(half), weights(full), atol=0.2, rtol=0.5)


def test_what_no_later_run_can_use_is_not_kept(
    digits: tuple[np.ndarray, np.ndarray, list[str]], trained_home: Path
) -> None:
    amalgam.distill([Knower(("heavy",)), "digits-shape"], digits[0][:60], training={"epochs": 1})
    kept = {(item.kind, str(item.about.get("teacher"))) for item in cache.listing()}
    assert kept == {("teachers", "digits-arithmetic"), ("teachers", "digits-shape"), ("votes", "digits-shape")}


def test_a_teacher_is_trained_as_its_card_says_whatever_the_run_is(home: Path, tmp_path: Path) -> None:
    card = registry.find_card("digits-shape")[0].model_dump(mode="json", exclude_none=True)
    card["schooling"]["training"] |= {"epochs": 1}
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(card))
    seen = []
    for precision in ("bf16", "no"):
        cache.clear()
        changes = {"teachers": [str(tmp_path / "quick.yaml")]}
        pipeline.distill(recipe.read("ant", changes, (*SMALL, f"training.precision={precision}")), keep=False)
        (entry,) = [item.key for item in cache.listing() if item.kind == "teachers"]
        seen.append((entry, (home / "teachers" / entry / "model.safetensors").read_bytes()))
    assert seen[0] == seen[1]


def test_a_run_does_not_go_on_with_other_rows(trained_home: Path, tmp_path: Path) -> None:
    inputs = datasets.load("digits").rows.inputs(slice(0, 200)).numpy()
    np.save(tmp_path / "rows.npy", inputs)
    wanted = recipe.read("ant", {"data": {"source": str(tmp_path / "rows.npy")}}, SMALL)
    pipeline.distill(wanted, out=tmp_path / "run")
    (tmp_path / "run" / "report.json").unlink()  # as if it had been killed before its end
    np.save(tmp_path / "rows.npy", inputs * 3 + 1)
    with pytest.raises(RequestError, match="was made from other rows, teachers or settings than this run now has"):
        pipeline.distill(wanted, out=tmp_path / "run", resume=True)
    np.save(tmp_path / "rows.npy", inputs)
    _, report = pipeline.distill(wanted, out=tmp_path / "run", resume=True)
    assert any("training was resumed in epoch" in note for note in report.notes)


def test_other_code_is_another_key(trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets made by yesterday's strategy are not today's."""
    said = Said()
    pipeline.distill(recipe.read("ant", assignments=SMALL), keep=False)
    honest = collect.of_code
    monkeypatch.setattr(collect, "of_code", lambda *modules: honest(*modules) + "changed")
    pipeline.distill(recipe.read("ant", assignments=SMALL), keep=False, progress=said)
    assert not [line for line in said.lines if "reused" in line]


def test_the_callers_random_numbers_are_the_callers(trained_home: Path) -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    pipeline.distill(recipe.read("ant", assignments=SMALL), keep=False)
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"teachers": "digits-shape"}, "teachers is a list; a single teacher is a list of one"),
        ({"seed": -1}, "amalgam.distill: seed is -1, expected greater than or equal to 0"),
        ({"training": {"epoch": 1}}, "amalgam.distill: unknown key 'training.epoch'; did you mean 'epochs'?"),
        ({"strategy": {"clamp": True}}, "amalgam.distill: name is None, expected a valid string"),
        ({"student": "resnet"}, "unknown student 'resnet'"),
        ({"teachers": [3]}, "teacher 1 is a int; expected a card's name"),
    ],
)
def test_a_mistake_in_python_is_a_sentence(arguments: dict[str, Any], message: str, home: Path) -> None:
    given: dict[str, Any] = {"teachers": [Knower(("a",))], "data": np.zeros((4, 2)), **arguments}
    with pytest.raises(RequestError) as raised:
        amalgam.distill(**given)
    assert str(raised.value).startswith(message)


def test_a_run_of_teachers_in_memory_says_so_afterwards(home: Path, tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).normal(size=(40, 3))
    amalgam.distill([Knower(("a",))], inputs, training={"epochs": 1}, out=tmp_path / "run", seed=3)
    resolved = recipe.read(str(tmp_path / "run"))
    assert resolved.teachers == ("in memory: Knower-1",)
    with pytest.raises(RequestError) as raised:
        pipeline.distill(resolved.model_copy(update={"data": recipe.Data(source="digits")}), keep=False)
    assert str(raised.value) == (
        "teacher 'Knower-1' was an object in memory, which no file holds; run the program that made it again"
    )
    with pytest.raises(RequestError, match="this run learned from rows in memory"):
        pipeline.distill(resolved, keep=False)


LIVE = ("training.epochs=2", "export=false", "training.augment.noise=0.1")


def test_live_asks_the_teachers_about_every_view_and_keeps_nothing_of_it(
    trained_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, report = pipeline.distill(recipe.read("ant", assignments=LIVE), keep=False)
    assert "the student saw random views of its rows; the teachers were asked once about the plain rows" in report.notes
    kept = sorted(path.name for kind in ("votes", "targets") for path in (trained_home / kind).iterdir())
    asked = list[int]()
    ask = Panel.ask

    def counted(panel: Panel, inputs: torch.Tensor, features: bool = False) -> Any:
        asked.append(len(inputs))
        return ask(panel, inputs, features)

    monkeypatch.setattr(Panel, "ask", counted)
    live, report = pipeline.distill(recipe.read("ant", assignments=(*LIVE, "live=true")), keep=False)
    assert "the student saw random views of its rows; the teachers were asked about every one of them" in report.notes
    assert sum(asked) == 2 * report.data["learnt from"]
    assert not torch.equal(weights(plain), weights(live))
    assert kept == sorted(path.name for kind in ("votes", "targets") for path in (trained_home / kind).iterdir())


@pytest.mark.parametrize("name", ["venus", "cfl", "aka", "kd"])
def test_live_targets_on_plain_rows_are_the_stored_ones(name: str, trained_home: Path) -> None:
    """Views that change nothing: the same student as without asking again, up to rounding."""
    students = []
    for live in ("false", "true"):
        changes = ("training.epochs=2", "export=false", "training.augment.noise=0.0", f"live={live}")
        wanted = recipe.read("kd", {"strategy": {"name": name}}, changes)
        students.append(pipeline.distill(wanted, keep=False)[0])
    torch.testing.assert_close(weights(students[0]), weights(students[1]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            ("live=true",),
            "live asks the teachers about the random views that the student sees, and it sees the plain rows: say what "
            "views, such as --set training.augment.flip=0.5, or leave live out",
        ),
        (
            ("training.augment.turn=5",),
            "training.augment.turn is for images (channels, height, width), and these inputs have the shape (64,); "
            "leave it out, or take `noise`, which is for any inputs",
        ),
    ],
)
def test_views_that_cannot_be_are_refused_before_any_work(changes: tuple[str, ...], says: str) -> None:
    with pytest.raises(RequestError) as refusal:
        pipeline.distill(recipe.read("ant", assignments=changes), keep=False)
    assert str(refusal.value) == says


def test_live_is_refused_where_targets_are_of_labelled_rows() -> None:
    wanted = recipe.read("tc", assignments=("live=true", "training.augment.noise=0.1"))
    with pytest.raises(RequestError) as refusal:
        pipeline.distill(wanted, keep=False)
    assert str(refusal.value) == (
        "strategy 'tc' learns from labelled rows, of which it makes targets once; leave live out, or choose another "
        "strategy"
    )


@pytest.mark.parametrize(
    ("spec", "modules"),
    [
        ({"name": "timm", "model": "resnet18"}, {"students.timm", "students._image", "student", "networks"}),
        ({"name": "recurrent"}, {"students.recurrent", "students._series", "student"}),
    ],
)
def test_a_teacher_is_another_one_when_any_part_of_its_student_changes(
    spec: dict[str, Any], modules: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Known(Exception):
        pass

    def counted(*names: str) -> str:
        assert {f"amalgam.{name}" for name in modules} <= set(names)
        raise Known

    monkeypatch.setattr(schooling, "of_code", counted)
    rows = TensorRows(("a",), torch.ones(2, 1), values=torch.zeros(2, 1, 8, 8))
    with pytest.raises(Known):
        schooling.trained("t", rows, spec, Training(), 0, accelerator=Accelerator(), progress=Silent(), where="a test")
