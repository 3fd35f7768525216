"""The evaluation: who is measured on what, matched by name; what models cost; where teachers contradict each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from amalgam.calibration import Calibration, Reliability
from amalgam.errors import RequestError
from amalgam.evaluation import Evaluation, evaluate
from amalgam.metrics import MEASURES, measures
from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.signals import TensorRows
from amalgam.student import Student
from amalgam.students.mlp import MLP

NAN = math.nan


class Plain:
    """A teacher without a torch module; its scores are some columns of the inputs."""

    def __init__(self, labels: Sequence[str], columns: Sequence[int]) -> None:
        self.labels, self.columns = tuple(labels), list(columns)

    def score(self, inputs: Tensor) -> Tensor:
        return inputs[:, self.columns]


class Wrapped(Plain):
    """A teacher around a torch module with 6 parameters and a buffer of 3 numbers."""

    def __init__(self, labels: Sequence[str], columns: Sequence[int]) -> None:
        super().__init__(labels, columns)
        self.module = nn.Linear(2, 2)
        self.module.register_buffer("scale", torch.ones(3, dtype=torch.float64))


def ballots(panel: Panel, rows: TensorRows) -> Ballots:
    return Ballots(panel, len(rows), tuple(one.teacher.score(rows.values) for one in panel.seats))


def student_of(labels: Sequence[str], columns: Sequence[int]) -> MLP:
    """A student whose logits are some columns of the 6 inputs."""
    student = MLP((6,), tuple(labels), MLP.Settings(hidden=()))
    with torch.no_grad():
        student.head.weight.copy_(torch.eye(6)[list(columns)])
        student.head.bias.zero_()
    return student.eval()


def rows_of(labels: Sequence[str], annotated: Tensor | None = None, count: int = 40) -> TensorRows:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(count, 6, generator=generator)
    if annotated is None:
        annotated = (torch.rand(count, len(labels), generator=generator) > 0.6).float()
    return TensorRows(labels=tuple(labels), annotated=annotated, values=values, name="held.npz")


def run(student: Student, panel: Panel, rows: TensorRows, chunk: int = 4096) -> Evaluation:
    return evaluate(student, panel, rows, ballots(panel, rows), chunk=chunk, seconds=0.0)


@pytest.fixture
def panel() -> Panel:
    # In the label space "a", "b", "c"; each teacher has an order of its own.
    return seat([Seat("one", Plain(["b", "a"], [0, 1])), Seat("two", Wrapped(["c", "b"], [2, 3]))])


def test_every_line_is_measured_on_the_labels_it_names_whatever_the_order_of_columns(panel: Panel) -> None:
    rows = rows_of(["c", "a", "b"])
    found = run(student_of(["c", "b", "a"], [4, 5, 0]), panel, rows)
    x, truth = rows.values, {name: rows.annotated[:, j] for j, name in enumerate(rows.labels)}
    student = {"c": x[:, 4] > 0, "b": x[:, 5] > 0, "a": x[:, 0] > 0}
    one, two = {"b": x[:, 0] > 0, "a": x[:, 1] > 0}, {"c": x[:, 2] > 0, "b": x[:, 3] > 0}
    majority = {"a": one["a"], "b": one["b"] | two["b"], "c": two["c"]}  # a tie is positive
    mean = {"a": one["a"], "b": x[:, 0] + x[:, 3] > 0, "c": two["c"]}

    def expected(said: dict[str, Tensor], labels: tuple[str, ...]) -> object:
        return measures(torch.stack([said[n] for n in labels], 1), torch.stack([truth[n] for n in labels], 1))

    assert (found.rows, found.labels, found.notes) == (40, ("a", "b", "c"), ())
    for line, name, said in [
        (found.student, "student", student),
        (found.majority, "majority vote", majority),
        (found.mean, "mean logit", mean),
    ]:
        assert (line.name, line.labels) == (name, ("a", "b", "c"))
        assert line.measures == expected(said, line.labels)
    for pair, name, labels, said in [
        (found.teachers[0], "one", ("b", "a"), one),
        (found.teachers[1], "two", ("c", "b"), two),
    ]:
        assert (pair.teacher.name, pair.teacher.labels) == (name, labels)
        assert (pair.student.name, pair.student.labels) == ("student", labels)
        assert pair.teacher.measures == expected(said, labels)
        assert pair.student.measures == expected(student, labels)


def test_chunks_change_nothing(panel: Panel) -> None:
    rows, student = rows_of(["a", "b", "c"]), student_of("abc", [3, 4, 5])
    whole, parts = run(student, panel, rows), run(student, panel, rows, chunk=7)
    assert repr(parts.disagreement) == repr(whole.disagreement)
    assert [one.teacher.measures for one in parts.teachers] == [one.teacher.measures for one in whole.teachers]
    for line in ("student", "majority", "mean"):
        assert getattr(parts, line).measures == getattr(whole, line).measures


def test_labels_that_cannot_be_measured_are_left_out_and_reported(panel: Panel) -> None:
    annotated = torch.tensor([[1.0, NAN, 0], [0, NAN, 1]]).repeat(20, 1)
    found = run(student_of("abc", [3, 4, 5]), panel, rows_of(["b", "c", "z"], annotated))
    assert found.labels == ("a", "b", "c")
    assert found.student.labels == found.majority.labels == ("b",)
    assert not math.isnan(found.student.measures.subset_loss)
    assert found.notes == (
        "not measured, for held.npz has no such label: 'a'",
        "not measured, for no row of held.npz annotates it: 'c'",
        "not measured, for no teacher knows it: 'z'",
    )


def test_a_teacher_without_a_measured_label_has_no_numbers() -> None:
    panel = seat([Seat("one", Plain(["a"], [0])), Seat("two", Plain(["b"], [1]))])
    found = run(student_of("ab", [0, 1]), panel, rows_of(["a"]))
    assert found.teachers[1].teacher.labels == ("b",)
    for line in (found.teachers[1].teacher, found.teachers[1].student):
        assert all(math.isnan(getattr(line.measures, measure.key)) for measure in MEASURES)
    assert not math.isnan(found.teachers[0].teacher.measures.f1_micro)


def test_disagreement_equals_counting_pair_by_pair() -> None:
    panel = seat(
        [Seat("one", Plain("ab", [0, 1])), Seat("two", Plain("bc", [2, 3])), Seat("three", Plain("abd", [4, 5, 0]))]
    )
    rows = rows_of("abcd")
    rows.annotated[::3, 0] = NAN
    found = run(student_of("abcd", [0, 1, 2, 3]), panel, rows).disagreement
    said = [
        {name: rows.values[:, column] > 0 for name, column in zip(one.teacher.labels, one.teacher.columns, strict=True)}
        for one in panel.seats
    ]
    for k, one in enumerate(said):
        for m, other in enumerate(said):
            shared = [name for name in one if name in other]
            differ = [bool(one[n][row] != other[n][row]) for n in shared for row in range(len(rows))]
            assert found.between[k][m] == pytest.approx(sum(differ) / len(differ))
    contradictions = judged = right = 0
    for j, name in enumerate("abcd"):
        voters = [one[name] for one in said if name in one]
        clash = [len({bool(voter[row]) for voter in voters}) == 2 for row in range(len(rows))]
        contradictions += sum(clash)
        judged += sum(hit and not math.isnan(rows.annotated[row, j]) for row, hit in enumerate(clash))
        right += sum(hit and float(rows.annotated[row, j]) == 1 for row, hit in enumerate(clash))
        share = sum(clash) / len(rows) if len(voters) > 1 else NAN
        assert found.per_label[j] == pytest.approx(share, nan_ok=True)
    assert (found.contradictions, found.judged, found.positive_right) == (contradictions, judged, right)
    assert 0 < right < judged < contradictions


def test_teachers_that_share_no_label_have_no_disagreement() -> None:
    panel = seat([Seat("one", Plain("a", [0])), Seat("two", Plain("b", [1]))])
    between = run(student_of("ab", [0, 1]), panel, rows_of("ab")).disagreement.between
    assert between[0][0] == between[1][1] == 0.0
    assert math.isnan(between[0][1])


def test_an_exclusive_teacher_is_positive_above_one_half() -> None:
    teacher = Plain("abc", [0, 1, 2])
    teacher.exclusive = True  # type: ignore[attr-defined]
    panel, rows = seat([Seat("soft", teacher)]), rows_of("abc")
    found = run(student_of("abc", [0, 1, 2]), panel, rows)
    likely = rows.values[:, :3].softmax(1) > 0.5
    assert found.teachers[0].teacher.measures == measures(likely, rows.annotated)


def test_costs_count_parameters_and_bytes_of_torch_modules_alone(panel: Panel) -> None:
    found = run(student_of("abc", [0, 1, 2]), panel, rows_of("abc", count=3))
    costs = [found.student.cost, found.teachers[0].teacher.cost, found.teachers[1].teacher.cost, found.majority.cost]
    # The student: 6 × 3 weights, 3 biases; in bytes also the 2 × 6 numbers of its scaling.
    assert [(cost.parameters, cost.bytes) for cost in costs] == [
        (21, 4 * (21 + 12)),
        (None, None),
        (6, 4 * 6 + 8 * 3),
        (None, None),
    ]
    assert found.mean.cost == found.majority.cost
    assert found.teachers[1].student.cost == found.student.cost
    ensemble = [found.teachers[k].teacher.cost.latency_256 for k in range(2)]
    assert found.majority.cost.latency_256 == pytest.approx(sum(ensemble))
    assert all(cost.latency_1 > 0 for cost in costs)


def test_latency_is_measured_on_one_row_and_on_256_whatever_the_rows_there_are(panel: Panel) -> None:
    sizes: list[int] = []
    teacher = panel.seats[0].teacher
    plain = teacher.score
    rows = rows_of("abc", count=5)
    votes = ballots(panel, rows)
    teacher.score = lambda inputs: sizes.append(len(inputs)) or plain(inputs)
    evaluate(student_of("abc", [0, 1, 2]), panel, rows, votes, seconds=0.0)
    assert sizes == [1, 1, 256, 256]  # one to warm up, one to time


def refuse(student: Student, panel: Panel, rows: TensorRows, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        run(student, panel, rows)
    assert str(raised.value) == message


def test_rows_without_annotations_are_refused(panel: Panel) -> None:
    message = "held.npz has no annotated row to evaluate on; name data with annotated rows"
    student = student_of("abc", [0, 1, 2])
    refuse(student, panel, rows_of("abc").unlabelled(), message)
    refuse(student, panel, rows_of("abc").take(torch.empty(0, dtype=torch.long)), message)


def test_data_without_a_label_in_common_are_refused(panel: Panel) -> None:
    refuse(
        student_of("abc", [0, 1, 2]),
        panel,
        rows_of(["A", "B"]),
        "held.npz annotates 'A', 'B' and the teachers know 'a', 'b', 'c': no label in common; labels are matched by "
        "name, so rename the data's columns or add aliases under labels.aliases",
    )


def test_shared_labels_that_nobody_annotated_are_refused(panel: Panel) -> None:
    annotated = torch.tensor([[NAN, NAN, 1.0]]).repeat(40, 1)
    refuse(
        student_of("abc", [0, 1, 2]),
        panel,
        rows_of(["b", "a", "z"], annotated),
        "held.npz leaves every row of 'a', 'b' without an annotation; evaluation needs some",
    )


def test_a_student_of_other_labels_is_refused(panel: Panel) -> None:
    refuse(
        student_of("ab", [0, 1]),
        panel,
        rows_of("abc"),
        "the student does not know 'c', which the teachers do; evaluate it beside the teachers it was distilled from",
    )


def test_votes_on_other_rows_are_a_bug(panel: Panel) -> None:
    rows = rows_of("abc")
    fewer = replace(ballots(panel, rows), rows=39)
    with pytest.raises(ValueError, match=r"^votes on 39 rows, but 40 rows of held\.npz$"):
        evaluate(student_of("abc", [0, 1, 2]), panel, rows, fewer)


def test_models_are_held_to_the_probabilities_that_they_state(panel: Panel) -> None:
    rows, student = rows_of(["a", "b", "c"]), student_of("abc", [3, 4, 5])
    found, parts = run(student, panel, rows), run(student, panel, rows, chunk=7)

    def of(columns: Sequence[int], labels: str) -> Calibration:
        tally = Reliability()
        truth = torch.stack([rows.annotated[:, "abc".index(label)] for label in labels], 1)
        tally.update(rows.values[:, list(columns)].sigmoid().flatten(), truth.flatten() == 1)
        return tally.calibration()

    one, two = found.teachers
    expected = [
        (found.student, of([3, 4, 5], "abc")),
        (one.teacher, of([0, 1], "ba")),
        (one.student, of([4, 3], "ba")),
        (two.teacher, of([2, 3], "cb")),
        (two.student, of([5, 4], "cb")),
    ]
    for line, calibration in expected:
        for own, other in zip(line.calibration.bins, calibration.bins, strict=True):
            assert own.claims == other.claims
            assert (own.stated, own.true) == pytest.approx((other.stated, other.true), nan_ok=True)
    assert found.majority.calibration is None  # a vote states nothing
    shared = (rows.values[:, 0] + rows.values[:, 3]) / 2
    mean = torch.stack([rows.values[:, 1], shared, rows.values[:, 2]], 1).sigmoid()
    tally = Reliability()
    tally.update(mean.flatten(), rows.annotated.flatten() == 1)
    assert found.mean.calibration.error == pytest.approx(tally.calibration().error, abs=1e-6)
    assert parts.student.calibration.error == pytest.approx(found.student.calibration.error, abs=1e-9)
