"""The path decoder against the slow transcription: its steps, walks, chances, and what it says of labels."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch

from amalgam import student
from amalgam.errors import RequestError
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.tree import LOWEST
from amalgam.labelgraph.walked import in_words
from amalgam.signals import StudentOutput
from amalgam.student import build
from amalgam.students.path_decoder import PathDecoder
from tests.labelgraph.drawn import BRITISH, drawn
from tests.reference import label_graph as slow

GRAPHS = [pytest.param(BRITISH, id="pets"), *(pytest.param(drawn(seed), id=f"drawn {seed}") for seed in range(6))]
SCOPES: list[Literal["children", "group"]] = ["children", "group"]
SMALL: dict[str, Any] = {"encoder": {"name": "mlp", "hidden": [5]}, "hidden": 4, "embedding": 3}


def made(graph: LabelGraph, **settings: Any) -> PathDecoder:
    torch.manual_seed(1)
    found = PathDecoder((6,), graph.outputs, PathDecoder.Settings(graph=graph, **{**SMALL, **settings})).double()
    found.tasks = graph.tasks
    with torch.no_grad():  # far apart, so that no two choices are nearly equal
        found.head.weight.mul_(6)
    return found.eval()


def rows(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(2)).double()


def prefixes(one: PathDecoder, inputs: torch.Tensor) -> torch.Tensor:
    said = one(inputs).prefixes
    assert said is not None
    return said.detach()


def slowly(one: PathDecoder, row: torch.Tensor) -> slow.Decoder:
    """The transcription with a student's weights, for one row; what it scores directly is a part of each bias."""
    graph, names = one.settings.graph, one.paths.nodes
    features = one.represent(row[None]).detach()
    context = one.begin(features)[0].tolist()
    unit = one.unit
    gru = slow.GRUWeights(
        unit.weight_ih.tolist(), unit.weight_hh.tolist(), unit.bias_ih.tolist(), unit.bias_hh.tolist()
    )
    bias = one.head.bias if one.direct is None else one.head.bias + one.direct(features)[0]
    outputs = {name: (one.head.weight[place].tolist(), float(bias[place].detach())) for place, name in enumerate(names)}
    embeddings = {name: one.embed.weight[place].tolist() for place, name in enumerate(names)}
    return slow.Decoder(
        graph.root, list(graph.edges), graph.groups, set(names), embeddings, gru, outputs, context, context
    )


def walk_of(one: PathDecoder, prefix: int) -> tuple[str, ...]:
    return (one.settings.graph.root, *one.paths.names(prefix))


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_every_path_is_as_likely_as_slow_says(graph: LabelGraph, scope: Any, direct: bool) -> None:
    one, inputs = made(graph, block=scope, direct=direct), rows()
    said = prefixes(one, inputs)
    along, chances = one.tree.along(said), one.tree.chances(said)
    reached = one.tree.reached(chances)
    for row, values in enumerate(inputs):
        decoder = slowly(one, values)
        for prefix in range(len(one.paths)):
            walk = walk_of(one, prefix)
            assert float(along[row, prefix]) == pytest.approx(decoder.path_log_probability(walk, scope), abs=1e-7)
            assert float(chances[row, prefix].exp()) == pytest.approx(decoder.chance(walk, scope), abs=1e-7)
        for place, node in enumerate(one.paths.nodes):
            wanted = decoder.label_probability(node, decoder.paths(node), scope)
            assert float(reached[row, place].exp()) == pytest.approx(wanted, abs=1e-7)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_a_decoder_that_goes_by_its_own_equals_slow(graph: LabelGraph, scope: Any) -> None:
    one, inputs = made(graph, block=scope, teacher_forcing=0.0), rows()
    said = prefixes(one.train(), inputs)
    along = one.tree.along(said)
    for row, values in enumerate(inputs):
        decoder = slowly(one, values)
        for prefix in range(1, len(one.paths)):
            wanted = decoder.free_running_log_probability(walk_of(one, prefix), scope)
            assert float(along[row, prefix]) == pytest.approx(wanted, abs=1e-7)


def test_the_coin_falls_once_a_batch_in_training_alone() -> None:
    one, inputs = made(BRITISH, teacher_forcing=0.5), rows()
    forced = prefixes(one, inputs)
    assert all(torch.equal(prefixes(one, inputs), forced) for _ in range(5))
    one.train()
    found = [prefixes(one, inputs) for _ in range(40)]
    told = sum(torch.equal(said, forced) for said in found)
    assert 8 <= told <= 32
    assert len({said.sum().item() for said in found}) == 2


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_greedy_decoding_equals_slow(graph: LabelGraph, scope: Any) -> None:
    one, inputs = made(graph, block=scope), rows(8)
    found, by_tree = one.decode(inputs), one.tree.greedy(prefixes(one, inputs))
    for row, values in enumerate(inputs):
        path, steps = slowly(one, values).greedy(scope)
        nodes = [node for node in found.nodes[row].tolist() if node >= 0]
        assert (graph.root, *(one.paths.nodes[node] for node in nodes)) == path == walk_of(one, int(by_tree[row]))
        assert found.probabilities[row, : len(nodes)].tolist() == pytest.approx(steps, abs=1e-7)
        assert (found.nodes[row, len(nodes) :] == -1).all()
        assert (found.probabilities[row, len(nodes) :] == 1).all()
    assert found.ends.tolist() == by_tree.tolist()


@pytest.mark.parametrize("walks", [1, 2, None])
@pytest.mark.parametrize("graph", GRAPHS)
def test_the_greedy_path_is_in_what_is_said_of_all_prefixes(graph: LabelGraph, walks: int | None) -> None:
    one, inputs = made(graph, walks=walks), rows(8)
    found, wanted = one.walk(one(inputs)), one.decode(inputs)
    assert torch.equal(found.ends, wanted.ends)
    assert torch.equal(found.nodes, wanted.nodes)
    torch.testing.assert_close(found.probabilities, wanted.probabilities)


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_prefix_is_deterministic_as_slow_says(graph: LabelGraph) -> None:
    paths, useful = graph.paths, set(graph.paths.nodes)
    edges = [edge for edge in graph.edges if set(edge) <= useful]
    for prefix in range(len(paths)):
        walk = (graph.root, *paths.names(prefix))
        wanted = slow.is_deterministic(walk, slow.all_paths(graph.root, edges, walk[-1]), graph.groups)
        assert bool(paths.sure[prefix]) is wanted


@pytest.mark.parametrize("walks", [1, 2, None])
def test_a_row_s_path_is_told_in_the_pass_that_predicts_it(walks: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    one, inputs, asked = made(BRITISH, block="children", walks=walks), rows(8), list[int]()
    found, plain = one.decode(inputs), one.encoder.represent
    monkeypatch.setattr(one.encoder, "represent", lambda some: asked.append(len(some)) or plain(some))
    one.float().train()

    def told(output: StudentOutput) -> tuple[torch.Tensor, list[str]]:
        return output.logits, in_words(BRITISH, one.walk(output))

    first, last = one.each(inputs, told, batch_size=6)
    assert one.training
    assert asked == [6, 2]
    torch.testing.assert_close(torch.cat([first[0], last[0]]), one.logits(inputs))
    for row, said in enumerate([*first[1], *last[1]]):
        names = [one.paths.nodes[node] for node in found.nodes[row].tolist() if node >= 0]
        steps = [f" → {name} {step:.2f}" for name, step in zip(names, found.probabilities[row].tolist(), strict=False)]
        paths = slow.all_paths("Animal", list(BRITISH.edges), names[-1])
        kind = "" if slow.is_deterministic(("Animal", *names), paths, BRITISH.groups) else "non"
        assert said == f"Animal{''.join(steps)} ({kind}deterministic)"


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_beam_keeps_the_likeliest_paths(graph: LabelGraph) -> None:
    one, inputs = made(graph, block="children"), rows(5)
    chances = one.tree.chances(prefixes(one, inputs))
    whole = int((torch.from_numpy(one.paths.longer[:, 0]) < 0).sum())
    for row, values in enumerate(inputs):
        wanted = slowly(one, values).beam(whole, "children")
        found = one.tree.likeliest(chances, whole + 2)[row].tolist()
        assert {walk_of(one, prefix) for prefix in found[:whole]} == {path for path, _ in wanted}
        said = chances[row, found[:whole]].exp().tolist()
        assert said == pytest.approx([chance for _, chance in wanted], abs=1e-7)  # the likeliest first; some are equal
        assert found[whole:] == [found[0]] * 2
        one_kept = one.tree.likeliest(chances, 1)[row]
        assert chances[row, one_kept].item() <= chances[row, found[0]].item()


@pytest.mark.parametrize("graph", GRAPHS)
def test_labels_are_read_off_as_many_walks_as_asked(graph: LabelGraph) -> None:
    inputs = rows(4)
    for walks in (1, 2, None):
        one = made(graph, block="children", walks=walks)
        logits = one(inputs).logits.detach()
        for row, values in enumerate(inputs):
            decoder = slowly(one, values)
            if walks == 1:
                path, _ = decoder.greedy("children")
                kept = {path: decoder.chance(path, "children")}
            elif walks is None:
                kept = dict(decoder.beam(10**6, "children"))
            else:
                ends = one.tree.likeliest(one.tree.chances(prefixes(one, inputs)), walks)[row].tolist()
                kept = {walk_of(one, end): decoder.chance(walk_of(one, end), "children") for end in ends}
            for column, label in enumerate(one.labels):
                chance = sum(value for path, value in kept.items() if label in path)
                if any(label in own for own in graph.tasks.values()):
                    wanted = max(math.log(chance), LOWEST) if chance else LOWEST
                else:
                    wanted = math.log(chance) - math.log1p(-chance) if 1e-6 < chance < 1 - 1e-6 else None
                if wanted is not None:
                    assert float(logits[row, column]) == pytest.approx(wanted, abs=1e-6)


def test_whole_paths_share_one_when_blocks_are_children() -> None:
    one = made(BRITISH, block="children")
    chances = one.tree.chances(prefixes(one, rows())).exp()
    whole = torch.from_numpy(one.paths.longer[:, 0]) < 0
    torch.testing.assert_close(chances[:, whole].sum(1), torch.ones(3).double())


def test_walks_are_drawn_as_often_as_they_are_likely() -> None:
    one = made(BRITISH, block="children")
    said = prefixes(one, rows(1))
    torch.manual_seed(0)
    ends = one.tree.sampled(said.expand(40_000, -1))
    wanted = one.tree.chances(said)[0].exp()
    found = torch.bincount(ends, minlength=len(one.paths)) / len(ends)
    whole = torch.from_numpy(one.paths.longer[:, 0]) < 0
    assert float((found - wanted)[whole].abs().max()) < 0.01
    assert float(found[~whole].sum()) == 0


def test_it_is_saved_with_its_graph(tmp_path: Any) -> None:
    one, inputs = made(BRITISH, walks=None).float(), rows().float()
    one.save(tmp_path)
    again = student.load(tmp_path)
    assert isinstance(again, PathDecoder)
    assert again.settings == one.settings
    torch.testing.assert_close(again(inputs).logits, one(inputs).logits)


@pytest.mark.parametrize("encoder", ["mlp", "convolutional", "recurrent"])
def test_every_weight_learns_but_the_encoder_s_own_head(encoder: str) -> None:
    shape = (6,) if encoder == "mlp" else (6, 2)
    settings = PathDecoder.Settings(graph=BRITISH, encoder={"name": encoder}, direct=True, walks=None)
    one = PathDecoder(shape, BRITISH.outputs, settings)
    said = one(torch.randn(4, *shape))
    said.prefixes.sum().backward()
    idle = {name for name, weight in one.named_parameters() if weight.grad is None}
    assert idle == {name for name, weight in one.named_parameters() if not weight.requires_grad}
    assert idle
    assert all(name.startswith("encoder.") for name in idle)


def test_series_may_be_longer_and_have_gaps_as_for_the_encoder() -> None:
    settings = PathDecoder.Settings(graph=BRITISH, encoder={"name": "recurrent"})
    one = PathDecoder((6, 2), BRITISH.outputs, settings)
    assert one.accepts((9, 2))
    inputs = torch.randn(3, 9, 2)
    inputs[0, 4:] = torch.nan
    assert one.logits(inputs).isfinite().all()


def refused(message: str, **settings: Any) -> None:
    labels = settings.pop("labels", BRITISH.outputs)
    with pytest.raises(RequestError, match=message):
        build({"name": "path_decoder", "graph": BRITISH.model_dump(), **settings}, (6,), labels, "test")


def test_wrong_requests_are_refused_by_name() -> None:
    refused("has the label 'Poodle', which is no node of the label graph pets", labels=("Poodle",))
    refused("labels 'Folded-Ears' are on no path of the label graph pets", labels=("Folded-Ears",))
    refused("unknown student 'mpl'", encoder={"name": "mpl"})
    own = {"name": "path_decoder", "graph": BRITISH.model_dump()}
    refused("the encoder of a path_decoder is another student", encoder=own)
    with pytest.raises(RequestError, match=r"needs a label graph: name one under strategy.graph"):
        PathDecoder((6,), ("a",))
