"""SimME: its step against plain loops, what it learns, and how it extends an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from amalgam.embeddings import Lexicon, align, from_arrays
from amalgam.embeddings.maskout import all_pairs
from amalgam.embeddings.model import GaussNewton
from amalgam.embeddings.relations import Common, Relations, reach
from amalgam.errors import RequestError
from amalgam.strategies.average import Average
from amalgam.strategies.simme import SimME, mapped
from tests.strategies.lexicons import cosines, learn, never, rotated


def error(lexicon: Lexicon, vectors: Tensor) -> float:
    """Eq. (4) over all pairs."""
    sight = Relations(lexicon, torch.arange(len(lexicon.words))[:, None]).at(slice(None))
    said = all_pairs(vectors, sight)
    return float(said.sum / said.count)


def slow_steps(lexicon: Lexicon, vectors: Tensor, weights: tuple[float, ...]) -> list[list[float]]:
    """Where each word's own least-squares problem is solved, its length kept: by Lagrange's condition, word by word."""
    own = torch.nn.functional.normalize(vectors, dim=1).double().numpy()
    count, width = own.shape
    moment = sum(np.outer(one, one) for one in own) / count
    moment = moment + 0.01 * np.trace(moment) / width * np.eye(width)
    known, steps = lexicon.known, []
    for word in range(count):
        gradient, reached = np.zeros(width), 0.0
        for other in range(count):
            for place, (source, rows) in enumerate(zip(lexicon.sources, lexicon.rows, strict=True)):
                if not (known[place, word] and known[place, other]):
                    continue
                reached += weights[place] / count
                one, two = source.vectors[rows[word]].astype(float), source.vectors[rows[other]].astype(float)
                says = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
                gradient += weights[place] * (own[word] @ own[other] - says) * own[other] / count
        curvature = (reached + 0.2) * moment
        # curvature · step + mu · own = gradient, own · step = 0
        system = np.block([[curvature, own[word][:, None]], [own[word][None], np.zeros((1, 1))]])
        steps.append(np.linalg.solve(system, np.append(gradient, 0.0))[:-1].tolist())
    return steps


@pytest.mark.parametrize("weights", [(1.0, 1.0), (2.0, 0.5)])
def test_a_step_solves_each_words_own_problem(weights: tuple[float, float]) -> None:
    lexicon = rotated(24, 4, 0.4)
    torch.manual_seed(0)
    model = GaussNewton(reach(lexicon, weights), 4)
    with torch.no_grad():
        model.weight *= torch.linspace(0.5, 3, 24)[:, None]  # a step does not hang on lengths
    sight = Relations(lexicon, torch.arange(24)[:, None], weights).at(slice(None))
    said = all_pairs(model(sight.words), sight)
    (said.sum / said.count).backward()
    assert model.weight.grad is not None
    found = model.weight.grad.to_dense()
    lengths = model.weight.detach().norm(dim=1, keepdim=True)
    assert (found / lengths).tolist() == [
        pytest.approx(row, abs=2e-4) for row in slow_steps(lexicon, model.weight.detach(), weights)
    ]


def test_a_word_that_stands_twice_in_a_batch_steps_once() -> None:
    lexicon = rotated(24, 4, 0.4)
    steps = []
    for words in (torch.arange(24), torch.arange(24).repeat(2)):
        torch.manual_seed(0)
        model = GaussNewton(reach(lexicon), 4)
        sight = Relations(lexicon, words[:, None]).at(slice(None))
        said = all_pairs(model(sight.words), sight)
        (said.sum / said.count).backward()
        assert model.weight.grad is not None
        steps.append(model.weight.grad.to_dense())
    assert torch.allclose(steps[0], steps[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("start", ["random", "concat_svd"])
def test_least_squares_need_few_epochs_and_no_rate_of_the_sources(start: Any) -> None:
    lexicon = rotated()
    torch.manual_seed(0)
    settings = {"epochs": 60 if start == "random" else 20}
    found = SimME(start=start, step="least_squares").vectors(lexicon, 6, partial(learn, settings=settings))
    assert error(lexicon, found) < 0.001 < 0.05 < error(lexicon, Average().vectors(lexicon, 6, never))
    assert found.norm(dim=1).tolist() == pytest.approx([1.0] * 96, abs=1e-5)


def test_gradients_learn_too() -> None:
    lexicon = rotated()
    torch.manual_seed(0)
    found = SimME().vectors(lexicon, 6, partial(learn, settings={"learning_rate": 10.0, "epochs": 200}))
    assert error(lexicon, found) < 0.03


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"weights": (1.0, 2.0, 3.0)}, r"strategy\.weights has 3 numbers, expected 2, one a source"),
        ({"pairs": "list"}, r"strategy\.pairs is 'list': say which, strategy\.list"),
        ({"pairs": "texts"}, r"strategy\.pairs is 'texts': say which, strategy\.texts"),
        ({"weights": (0.0, 0.0)}, r"strategy\.weights are all 0"),
        ({"list": Path("a"), "pairs": "texts", "texts": Path("b")}, r"strategy\.list names a file that is not read"),
        ({"pairs": "list", "step": "least_squares"}, r"with strategy\.pairs 'list' take strategy\.step gradient"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        SimME(**given).vectors(rotated(24, 4), 4, never)


def test_neighbours_and_lists_are_learned_from(tmp_path: Any) -> None:
    lexicon = rotated(48, 4)
    torch.manual_seed(0)
    first = error(lexicon, torch.randn(48, 4))
    near = SimME(pairs="neighbours", neighbours=2, step="least_squares").vectors(lexicon, 4, learn)
    assert error(lexicon, near) < 0.1 * first
    path = tmp_path / "pairs.txt"
    path.write_text("".join(f"w{one} w{two}\n" for one in range(48) for two in range(one)))
    settings = {"learning_rate": 20.0, "epochs": 60, "batch_size": 64, "validation": 0.0}
    listed = SimME(pairs="list", list=path).vectors(lexicon, 4, partial(learn, settings=settings))
    assert error(lexicon, listed) < 0.2 * first


def test_neighbours_are_those_of_plain_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever number of words is looked at together; where a source does not know a word, the word again."""
    from amalgam.embeddings import pairs

    lexicon = rotated(24, 4, 0.5)
    wanted = []
    for word in range(24):
        row = [word]
        for source, places in zip(lexicon.sources, lexicon.rows, strict=True):
            own = {other: source.vectors[place].astype(float) for other, place in enumerate(places) if place >= 0}
            if word not in own:
                row += [word] * 3
                continue
            says = {
                other: float(own[word] @ one / np.linalg.norm(own[word]) / np.linalg.norm(one))
                for other, one in own.items()
                if other != word
            }
            row += sorted(says, key=lambda other: -says[other])[:3]
        wanted.append(row)
    for block in (1, 50, 2**25):
        monkeypatch.setattr(pairs, "_COSINES", block)
        assert pairs.with_neighbours(lexicon, 3).tolist() == wanted


def test_a_list_is_folded_as_the_vocabulary_is(tmp_path: Any) -> None:
    from amalgam.embeddings.lexicon import Vocabulary
    from amalgam.embeddings.pairs import listed_pairs

    path = tmp_path / "pairs.txt"
    path.write_text("King queen 9\nKing\tMAN\n\nking king\nking nobody\n")
    sources = [from_arrays(name, ["King", "queen", "man"], np.eye(3)) for name in "ab"]
    folded, plain = align(sources, Vocabulary(fold=True)), align(sources)
    assert listed_pairs(path, folded).tolist() == [[0, 1], [0, 2]]
    assert listed_pairs(path, plain).tolist() == [[0, 1]]
    for line in ("king\n", "king\t\n", "\tking\n"):
        path.write_text("king queen\n" + line)
        with pytest.raises(RequestError, match=r"pairs\.txt line 2 has one word, 'king', expected two"):
            listed_pairs(path, folded)


def extendable() -> tuple[Lexicon, Tensor]:
    """An embedding of 64 words, a source of 64 of which it knows 32, and what the 96 words are in truth."""
    draw = np.random.default_rng(5)
    space = draw.normal(size=(96, 5)).astype(np.float32)
    words = [f"w{number}" for number in range(96)]
    turned = space[32:] @ np.linalg.qr(draw.normal(size=(5, 5)))[0].astype(np.float32)
    sources = [from_arrays("old", words[:64], space[:64]), from_arrays("new", words[32:], turned)]
    return align(sources), torch.from_numpy(space)


@pytest.mark.parametrize("step", ["gradient", "least_squares"])
def test_an_extension_moves_no_old_word_at_bound_0(step: Any) -> None:
    lexicon, truth = extendable()
    found = SimME(step=step).extended(lexicon, 5, 0.0, learn)
    assert torch.equal(found[:64], truth[:64])
    assert (cosines(found) - cosines(truth)).abs().mean() < 0.02  # the new words are where they belong


@pytest.mark.parametrize("bound", [1e-5, 1e-3, 0.05, 0.3])
def test_an_extension_moves_old_words_no_more_than_the_bound(bound: float) -> None:
    """The new source says otherwise, so that they want to go far."""
    draw = np.random.default_rng(6)
    words = [f"w{number}" for number in range(40)]
    old, new = (draw.normal(size=(30, 4)).astype(np.float32) for _ in range(2))
    lexicon = align([from_arrays("old", words[:30], old), from_arrays("new", words[10:], new)])
    found = SimME(step="least_squares", weights=(1.0, 5.0)).extended(lexicon, 4, bound, learn)
    before = torch.nn.functional.normalize(torch.from_numpy(old).double(), dim=1)
    moved = (torch.nn.functional.normalize(found[:30].double(), dim=1) - before).norm(dim=1)
    assert float(moved.max()) == pytest.approx(bound, rel=1e-3, abs=2e-7)
    assert torch.equal(found[:10], torch.from_numpy(old[:10]))  # nothing new is said of them
    assert found[:30].norm(dim=1).tolist() == pytest.approx(np.linalg.norm(old, axis=1).tolist(), rel=1e-4)


def test_an_extension_knows_how_much_is_said_of_a_word_in_its_batches() -> None:
    """Of the words that are trained on, not of all: few new words beside many old ones would step too far."""
    lexicon, _ = extendable()
    new = torch.from_numpy(np.flatnonzero(lexicon.known[1]))
    model = SimME(step="least_squares").model(lexicon, 5, None, new)
    assert isinstance(model, GaussNewton)
    # Of the 64 words, all are the new source's, and 32 the old one's.
    assert model.reach[new].tolist() == [1.5] * 32 + [1.0] * 32


def test_a_new_source_that_shares_no_word_with_the_old_one_is_refused() -> None:
    sources = [from_arrays(name, list(words), np.eye(2)) for name, words in (("old", "ab"), ("n", "bc"), ("far", "cd"))]
    with pytest.raises(RequestError, match="far has no word in common with the embedding that is extended"):
        SimME().extended(align(sources), 2, 0.0, never)


def test_new_words_begin_where_the_shared_ones_say() -> None:
    lexicon, truth = extendable()
    first = mapped(lexicon, truth[:64])
    assert first.shape == (32, 5)
    beside = cosines(torch.cat([truth[64:], first]))[:32, 32:].diagonal()
    assert float(beside.min()) > 0.95


def test_what_computes_all_words_anew_cannot_extend() -> None:
    lexicon, _ = extendable()
    with pytest.raises(RequestError, match="strategy 'average' computes all vectors anew and cannot extend"):
        Average().extended(lexicon, 5, 0.0, never)


def slow_common(vectors: Any, count: int) -> Any:
    """Vectors without their mean and their strongest directions: by numpy's own decomposition, row by row."""
    own = vectors.astype(float) / np.linalg.norm(vectors, axis=1, keepdims=True)
    about = own - own.mean(0)
    directions = np.linalg.svd(about)[2][:count]
    rest = [row - sum((row @ one) * one for one in directions) for row in about]
    return np.array([row / np.linalg.norm(row) for row in rest])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_words_have_in_common_is_taken_off(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amalgam.embeddings.relations._ROWS", 7)  # several blocks
    draw = np.random.default_rng(7)
    strong = np.array([5, 3, 2, *[1] * 33])
    vectors = (draw.normal(size=(120, 36)) * strong + np.array([3, *[0] * 34, 1])).astype(np.float32)
    lexicon = align([from_arrays("a", [f"w{n}" for n in range(120)], vectors), from_arrays("b", ["w0"], vectors[:1])])
    common = SimME(common=count).without(lexicon)
    sight = Relations(lexicon, torch.arange(120)[:, None], common=common).at(slice(None))
    assert torch.allclose(sight.vectors[0].double(), torch.from_numpy(slow_common(vectors, count)), atol=1e-4)


def test_a_source_of_few_words_or_dimensions_stays_whole() -> None:
    """Of both kinds of sources, what the method learns of, and what it tells of it."""
    draw = np.random.default_rng(8)
    for words, dimensions, count, whole in (
        (100, 24, 2, False),
        (99, 24, 2, True),
        (100, 23, 2, True),
        (100, 12, 0, False),
    ):
        source = from_arrays("a", [f"w{n}" for n in range(words)], draw.normal(size=(words, dimensions)) + 1)
        assert (Common.of(source, count) is None) == whole
    large, small = (
        from_arrays(name, [f"w{n}" for n in range(120)], draw.normal(size=(120, width)) + 1)
        for name, width in (("large", 30), ("small", 10))
    )
    lexicon, told = align([large, small]), list[str]()

    def noting(*given: Any, notes: Sequence[str] = (), **more: Any) -> None:
        told.extend(notes)

    SimME(common=2).vectors(lexicon, 5, noting)
    assert told == ["strategy.common: too few words or dimensions, whole as they are: 'small'"]
    common = SimME(common=2).without(lexicon)
    sight = Relations(lexicon, torch.arange(120)[:, None], common=common).at(slice(None))
    assert torch.allclose(sight.vectors[1], torch.nn.functional.normalize(torch.from_numpy(small.vectors)))
    assert not torch.allclose(
        sight.vectors[0], torch.nn.functional.normalize(torch.from_numpy(large.vectors)), atol=0.1
    )
    assert SimME(common=2).without(align([small])) == [None]
    assert SimME().without(lexicon) == ()


def test_pairs_of_texts_are_those_of_plain_loops(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from amalgam.embeddings import pairs

    monkeypatch.setattr(pairs, "_TEXT", 7)  # several blocks
    words = ["a", "b", "c", "d", "e"]
    lexicon = align([from_arrays("s", words, np.eye(5)), from_arrays("t", words, np.eye(5))])
    text = ["A, b (c) x d", "", "e a", "d d x x e", "c"]
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(text))
    for window in (1, 2, 9):
        wanted = set()
        for line in text:
            own = [word.strip(",()") for word in line.lower().split()]
            for first, one in enumerate(own):
                for second, other in enumerate(own):
                    if 0 < second - first <= window and one in words and other in words and one != other:
                        wanted.add(tuple(sorted((words.index(one), words.index(other)))))
        found = pairs.written_together(path, replace(lexicon, fold=True), window)
        assert {tuple(pair) for pair in found.tolist()} == wanted
        assert len(found) == len(wanted)
    assert len(pairs.written_together(path, lexicon, 1)) == 2  # b c, and e a: `A` is none of the words
    settings = {"learning_rate": 1.0, "epochs": 2, "validation": 0.0}
    made = SimME(pairs="texts", texts=path).vectors(lexicon, 3, partial(learn, settings=settings))
    assert made.shape == (5, 3)
    path.write_text("x y\nz a")
    with pytest.raises(RequestError, match="has no two words of the vocabulary within 5 of each other in a line"):
        SimME(pairs="texts", texts=path).vectors(lexicon, 3, never)
