"""Label-graph joining against the slow transcription: its losses, its targets, and laws of the graph's strategies."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch

from amalgam import strategies
from amalgam.errors import RequestError
from amalgam.labelgraph.graph import LabelGraph
from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.signals import ProbabilityTargets, StudentOutput, TensorRows
from amalgam.strategies import label_graph as fast
from amalgam.strategies import strategy_class
from amalgam.strategies.label_graph import LabelGraphJoining
from tests.labelgraph.drawn import BRITISH, drawn
from tests.reference import label_graph as slow
from tests.students.test_path_decoder import made, prefixes, rows, slowly, walk_of

GRAPHS = [pytest.param(BRITISH, id="pets"), *(pytest.param(drawn(seed), id=f"drawn {seed}") for seed in range(8))]


def weights_of(graph: LabelGraph, count: int, seed: int = 0) -> list[dict[str, float]]:
    """What each row is said to be of: one label, of either source, or two with weights."""
    chance = torch.Generator().manual_seed(seed)
    found = []
    for row in range(count):
        label = graph.label_nodes[int(torch.randint(len(graph.label_nodes), (1,), generator=chance))]
        found.append({label: 1.0} if row % 3 else {label: 0.7, graph.label_nodes[0]: 0.4})
    return found


def as_targets(graph: LabelGraph, said: list[dict[str, float]]) -> ProbabilityTargets:
    weights = torch.tensor([[one.get(label, 0.0) for label in graph.outputs] for one in said]).double()
    return fast.as_shares(weights, ())


def output_of(one: Any, inputs: torch.Tensor) -> StudentOutput:
    said: StudentOutput = one(inputs)
    return said


@pytest.mark.parametrize("pooling", ["mean", "sum"])
@pytest.mark.parametrize("how", ["reinforce", "marginal"])
@pytest.mark.parametrize("scope", ["children", "group"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_algorithm_1_equals_slow(graph: LabelGraph, scope: Any, how: Any, pooling: Any) -> None:
    one, inputs, said = made(graph, block=scope), rows(7), weights_of(graph, 7)
    strategy = LabelGraphJoining(graph, nondeterministic=how, pooling=pooling, alpha=0.7, beta=1.3)
    output = output_of(one, inputs)
    assert output.prefixes is not None
    torch.manual_seed(5)
    found = strategy.loss(output, as_targets(graph, said))
    told: list[slow.Row] = []
    for values, own in zip(inputs, said, strict=True):
        decoder = slowly(one, values)
        true = slow.truth_of(decoder, own, graph.outputs)
        told.append({"decoder": decoder, "weights": own, "truth": true, "sampled": None})
    if how == "reinforce":
        unsure = [
            row
            for row, own in enumerate(told)
            if any(slow.split_paths(own["decoder"], label)[1] for label in own["weights"])
        ]
        torch.manual_seed(5)
        ends = one.tree.sampled(output.prefixes[unsure])
        for row, end in zip(unsure, ends.tolist(), strict=True):
            told[row]["sampled"] = walk_of(one, end)
    wanted = slow.algorithm_1_loss(
        told, 0.7, 1.3, scope=scope, how=pooling, nondeterministic="policy" if how == "reinforce" else "marginal"
    )
    assert float(found.sum.detach()) == pytest.approx(wanted, abs=1e-5)
    assert int(found.count) == 7


def test_reinforce_climbs_the_expected_reward() -> None:
    """The mean of its gradient over many samples is that of the expected reward, which enumeration gives (Eq. 4)."""
    one, inputs = made(BRITISH, block="children"), rows(1)
    steps = one(inputs).prefixes.detach().requires_grad_()
    tree, label = one.tree, BRITISH.outputs.index("Maine-Coon")
    said = torch.zeros(1, len(BRITISH.outputs)).double()
    said[0, label] = 1.0
    strategy = LabelGraphJoining(BRITISH, alpha=0.0)
    laid, column = strategy._laid_out(torch.device("cpu"))
    true = fast.truth(said, laid.implied[column][:, column].double())
    whole = (torch.from_numpy(one.paths.longer[:, 0]) < 0).nonzero()[:, 0]
    gained = fast.reward(laid.passes[whole][:, column].double(), true.expand(len(whole), -1))
    expected = (tree.chances(steps)[0, whole].exp() * gained).sum()
    (wanted,) = torch.autograd.grad(-expected, steps)
    torch.manual_seed(0)
    count = 60_000
    many = steps.detach().expand(count, -1).clone().requires_grad_()
    found = strategy.loss(StudentOutput(torch.zeros(count, 1), torch.zeros(count, 1), prefixes=many),
                          as_targets(BRITISH, [{"Maine-Coon": 1.0}] * count))  # fmt: skip
    (each,) = torch.autograd.grad(found.sum, many)
    # Block probabilities are a softmax's: only what moves them within their block counts.
    table, back = tree.alternatives, tree.back

    def within(gradient: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros_like(steps).requires_grad_()
        from amalgam.labelgraph.tree import block_log_softmax

        (moved,) = torch.autograd.grad(
            (block_log_softmax(steps.detach() + logits, table, back) * gradient).sum(), logits
        )
        return moved

    torch.testing.assert_close(within(each.mean(0, keepdim=True)), within(wanted), atol=6e-3, rtol=0)


def test_a_row_s_truth_has_the_labels_that_all_its_paths_pass() -> None:
    strategy = LabelGraphJoining(BRITISH)
    laid, column = strategy._laid_out(torch.device("cpu"))
    said = torch.zeros(2, len(BRITISH.outputs))
    said[0, BRITISH.outputs.index("Maine-Coon")] = 1.0
    said[1, BRITISH.outputs.index("Dog")] = 0.5
    true = fast.truth(said, laid.implied[column][:, column].float())
    assert {BRITISH.outputs[one]: float(true[0, one]) for one in true[0].nonzero()[:, 0]} == {
        "Maine-Coon": 1.0,
        "Cat": 1.0,
    }
    assert {BRITISH.outputs[one]: float(true[1, one]) for one in true[1].nonzero()[:, 0]} == {"Dog": 0.5}


def test_drawn_paths_are_at_most_as_many_as_asked() -> None:
    torch.manual_seed(0)
    marked = torch.tensor([[True, True, True, False], [False, False, False, False], [False, True, False, False]])
    found = torch.stack([fast.chosen_paths(marked, 2) for _ in range(200)])
    assert found.sum(-1).unique(dim=0).tolist() == [[2, 0, 1]]
    assert not (found & ~marked).any()
    assert found.float().mean(0)[0, :3].sub(2 / 3).abs().max() < 0.12
    assert fast.chosen_paths(marked, None) is marked


def test_a_random_path_is_learned_alone() -> None:
    one, inputs = made(BRITISH, block="children"), rows(1)
    output, along = output_of(one, inputs), one.tree.along(prefixes(one, inputs))[0]
    strategy = LabelGraphJoining(BRITISH, pooling="random", beta=0.0)
    place = one.paths.nodes.index("Abyssinian")
    sure = one.paths.ending[place][one.paths.deterministic[place]]
    assert len(sure) == 2
    torch.manual_seed(0)
    found = {round(strategy.loss(output, as_targets(BRITISH, [{"Abyssinian": 1.0}])).sum.item(), 5) for _ in range(30)}
    assert found == {round(-float(along[prefix]), 5) for prefix in sure}


def test_consistency_tells_the_other_ways() -> None:
    """A coarse label changes how likely fine ones are that no path of its own leads to."""
    graph = LabelGraph.model_validate(
        {
            "root": "r",
            "edges": {"r": ["a", "b", "x", "y"], "a": ["1"], "b": ["2"], "x": ["1", "2"], "y": ["1", "2"]},
            "groups": {"ab": ["a", "b"], "xy": ["x", "y"], "n": ["1", "2"]},
            "labels": {"fine": ["1", "2"], "coarse": ["a", "b"]},
        }
    )
    one, inputs = made(graph, block="children"), rows(1)
    steps = one(inputs).prefixes.detach().requires_grad_()
    output = StudentOutput(torch.zeros(1, 1), torch.zeros(1, 1), prefixes=steps)
    other = [prefix for prefix in range(len(one.paths)) if one.paths.names(prefix) == ["x", "1"]]
    for weight, moved in ((0.0, False), (1.0, True)):
        strategy = LabelGraphJoining(graph, nondeterministic="marginal", consistency=weight)
        told = strategy.loss(output, as_targets(graph, [{"a": 1.0}]))
        (gradient,) = torch.autograd.grad(told.sum, steps)
        assert bool(gradient[0, other] != 0) is moved
    decoder = slowly(one, inputs[0])
    wanted = -torch.tensor(decoder.label_probability("1", decoder.paths("1"), "children")).log()
    alone = LabelGraphJoining(graph, alpha=0.0, beta=0.0, consistency=1.0)
    found = alone.loss(output, as_targets(graph, [{"a": 1.0}])).sum
    assert found.item() == pytest.approx(float(wanted), abs=1e-6)


class Says:
    """A teacher of classes, whose logits are the inputs' first columns."""

    exclusive = True

    def __init__(self, *labels: str) -> None:
        self.labels = labels

    def score(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs[:, : len(self.labels)]


def panel_of(strategy: Any, *teachers: Any) -> Panel:
    own = strategy.labels()
    return seat([Seat(f"t{number}", one) for number, one in enumerate(teachers)], None, own.names, own.of)


def asked(strategy: Any, rows: TensorRows, *teachers: Any) -> ProbabilityTargets:
    panel = panel_of(strategy, *teachers)
    scores = tuple(panel.vote(k, rows.values)["scores"] for k in range(len(panel.seats)))
    found: ProbabilityTargets = strategy.targets(panel, rows, Ballots(panel, len(rows), scores).at(slice(None)), None)
    return found


def annotated(graph: LabelGraph, said: list[str | None], width: int = 4) -> TensorRows:
    nan = torch.nan
    seen = torch.full((len(said), len(graph.outputs)), nan)
    for row, label in enumerate(said):
        for own in graph.labels.values():
            if label in own:
                columns = [graph.outputs.index(one) for one in own]
                seen[row, columns] = torch.tensor([float(one == label) for one in own])
    values = torch.randn(len(said), width, generator=torch.Generator().manual_seed(3))
    return TensorRows(values=values, annotated=seen, labels=graph.outputs)


def test_two_teachers_of_different_granularity_and_a_coarse_data_set_join() -> None:
    rows = annotated(BRITISH, ["Cat", None, "Dog", None])
    species, breeds = Says("Cat", "Dog"), Says("Abyssinian", "Maine-Coon")
    said = {label: column for column, label in enumerate(BRITISH.outputs)}
    found = asked(LabelGraphJoining(BRITISH, teachers=0.5, temperature=2.0), rows, species, breeds)
    wanted = found.probabilities * found.weights
    both = (rows.values[:, :2] / 2.0).softmax(1)
    for row in (0, 2):  # somebody labelled them: the teachers are not heard
        assert wanted[row].nonzero()[:, 0].tolist() == [said[("Cat", "", "Dog")[row]]]
        assert wanted[row].sum() == 1
    for row in (1, 3):
        for label, share in zip(("Cat", "Dog"), both[row], strict=True):
            assert float(wanted[row, said[label]]) == pytest.approx(0.5 * float(share))
        for label, share in zip(("Abyssinian", "Maine-Coon"), both[row], strict=True):
            assert float(wanted[row, said[label]]) == pytest.approx(0.5 * float(share))
    everywhere = asked(LabelGraphJoining(BRITISH, everywhere=True), rows, species)
    total = everywhere.probabilities * everywhere.weights
    assert total.sum(1).tolist() == pytest.approx([2, 1, 2, 1])


def test_a_teacher_of_yes_and_no_is_refused() -> None:
    class Sigmoid(Says):
        exclusive = False

    with pytest.raises(RequestError, match="'Cat', 'Dog' of teacher 't0' are each yes or no; say `exclusive: true`"):
        asked(LabelGraphJoining(BRITISH), annotated(BRITISH, [None]), Sigmoid("Cat", "Dog"))


def test_a_teacher_s_label_that_is_no_node_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        panel_of(LabelGraphJoining(BRITISH), Says("Cat", "Doge"))
    assert str(caught.value) == (
        "teacher 't0' knows 'Doge', which is not in the label graph pets; add it there below what it is a kind "
        "of, or say under labels.aliases what it is called there; did you mean 'Dog'?"
    )


def test_a_row_of_two_labels_of_a_source_is_refused() -> None:
    rows = annotated(BRITISH, ["Cat", "Dog"])
    assert rows.annotated is not None
    rows.annotated[1, BRITISH.outputs.index("Cat")] = 1
    with pytest.raises(
        RequestError, match="row 1 of data has the labels 'Cat', 'Dog', and a row has one of the labels of"
    ):
        asked(LabelGraphJoining(BRITISH), rows)


def test_another_student_is_refused() -> None:
    wanted = "teaches a student that walks down its graph, and mlp does not; choose --student path_decoder"
    with pytest.raises(RequestError, match=wanted):
        LabelGraphJoining(BRITISH).equips("mlp")


# ---------------------------------------------------------------- laws of all strategies that have a label graph


def variants() -> Iterator[Any]:
    for name in strategies.of_rows():
        kind = strategy_class(name)
        hints = get_type_hints(kind)
        if hints.get("graph") is not LabelGraph:
            continue
        yield kind(graph=BRITISH)
        for field in dataclasses.fields(kind):
            hint = hints[field.name]
            options = get_args(hint) if get_origin(hint) is Literal else (True, False) if hint is bool else ()
            yield from (kind(graph=BRITISH, **{field.name: one}) for one in options if one != field.default)


class Fixed(torch.nn.Module):
    """A classifier of the three breeds, by the inputs' first columns."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.eye(3))

    def forward(self, inputs: torch.Tensor) -> StudentOutput:
        return StudentOutput(inputs[:, :3] @ self.weight, inputs)


MANY = annotated(BRITISH, [None, *BRITISH.label_nodes] * 6)


@pytest.mark.parametrize(
    "strategy", [pytest.param(one, id=f"{type(one).__name__} {i}") for i, one in enumerate(variants())]
)
def test_targets_keep_the_laws(strategy: Any) -> None:
    panel = panel_of(strategy)
    ballots = Ballots(panel, len(MANY), ())
    state = strategy.prepare(panel, MANY, ballots, lambda *args, **more: Fixed())
    whole = strategy.targets(panel, MANY, ballots.at(slice(None)), state)
    labels = len(strategy.labels().names)
    assert whole.probabilities.shape == whole.weights.shape == (len(MANY), labels)
    assert ((whole.probabilities >= 0) & (whole.probabilities <= 1)).all()
    assert (whole.weights >= 0).all()
    assert (whole.weights > 0).any(1).sum() >= 6
    for first, last in whole.spans:
        told = whole.weights[:, first] > 0
        torch.testing.assert_close(whole.probabilities[told, first:last].sum(1), torch.ones(int(told.sum())))
        assert (whole.weights[:, first:last] == whole.weights[:, first : first + 1]).all()
    ends = range(0, len(MANY), 7)
    cut = [
        strategy.targets(
            panel, MANY.take(torch.arange(at, min(at + 7, len(MANY)))), ballots.at(slice(at, at + 7)), state
        )
        for at in ends
    ]
    for name, array in whole.arrays().items():
        assert torch.equal(array, torch.cat([one.arrays()[name] for one in cut]))
    assert strategy.tasks(panel).keys() == strategy.tasks(panel_of(strategy)).keys()
