"""SimME's loss: as matrix products and over given pairs, against the paper's equations word by word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from amalgam.embeddings import Lexicon, align, from_arrays, maskout
from amalgam.embeddings.maskout import all_pairs, difference, distinct, some_pairs
from amalgam.embeddings.model import Embedding
from amalgam.embeddings.relations import (
    Relations,
    Sight,
    groups_of,
    held_out,
    opposite,
)
from tests.reference import simme as slow

WORDS = tuple("abcdefg")
KNOWN = (("news", "abcd", 3), ("films", "cdefa", 2), ("health", "gab", 4))


@pytest.fixture
def lexicon() -> Lexicon:
    draw = np.random.default_rng(0)
    return align([from_arrays(name, list(words), draw.normal(size=(len(words), d))) for name, words, d in KNOWN])


def plain(lexicon: Lexicon) -> list[dict[str, list[float]]]:
    return [
        {word: list(map(float, row)) for word, row in zip(one.words, one.vectors, strict=True)}
        for one in lexicon.sources
    ]


def exact(sight: Sight) -> Sight:
    """In double precision, from vectors that are."""
    vectors = (torch.nn.functional.normalize(one.double(), dim=1) for one in sight.vectors)
    return replace(sight, vectors=tuple(vectors), known=sight.known.double(), weights=sight.weights.double())


def model(lexicon: Lexicon) -> Embedding:
    torch.manual_seed(1)
    made = Embedding(len(lexicon.words), 3).double()
    with torch.no_grad():
        made.bias.copy_(torch.tensor([0.1, -0.2, 0.3]))
    return made


def learned(made: Embedding) -> tuple[list[list[float]], list[float]]:
    return made.weight.tolist(), made.bias.tolist()


@pytest.fixture(params=[2, 3, 256])
def tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """So many words are multiplied at once: several tiles, the last of them narrower, or one alone."""
    monkeypatch.setattr(maskout, "_TILE", request.param)
    return int(request.param)


@pytest.mark.usefixtures("tile")
def test_all_pairs_are_equation_4(lexicon: Lexicon) -> None:
    made, relations = model(lexicon), Relations(lexicon, torch.arange(len(lexicon.words))[:, None])
    sight = exact(relations.at(slice(None)))
    said = all_pairs(made(sight.words), sight)
    pairs = slow.all_pairs(lexicon.words)
    matrix, bias = learned(made)
    assert int(said.count) == len(pairs) == 21
    assert (said.sum / said.count).item() == pytest.approx(
        slow.loss(lexicon.words, matrix, bias, plain(lexicon), pairs)
    )
    (said.sum / said.count).backward()
    of_matrix, of_bias = slow.gradient(lexicon.words, matrix, bias, plain(lexicon), pairs)
    assert made.weight.grad is not None
    assert torch.allclose(made.weight.grad.to_dense(), torch.tensor(of_matrix).double(), atol=1e-6)
    assert torch.allclose(made.bias.grad, torch.tensor(of_bias).double(), atol=1e-6)


def test_some_words_are_the_pairs_among_them(lexicon: Lexicon) -> None:
    made, relations = model(lexicon), Relations(lexicon, torch.arange(len(lexicon.words))[:, None])
    some = torch.tensor([5, 0, 3, 2])
    sight = exact(relations.at(some))
    said = all_pairs(made(sight.words), sight)
    pairs = slow.all_pairs([lexicon.words[number] for number in some])
    expected = slow.loss(lexicon.words, *learned(made), plain(lexicon), pairs)
    assert (said.sum / said.count).item() == pytest.approx(expected)


def test_given_pairs_are_equation_4(lexicon: Lexicon) -> None:
    pairs = [("a", "b"), ("c", "g"), ("e", "d"), ("f", "g")]
    numbers = torch.tensor([[lexicon.words.index(word) for word in pair] for pair in pairs])
    made, relations = model(lexicon), Relations(lexicon, numbers)
    sight = exact(relations.at(slice(None)))
    said = some_pairs(made(sight.words), sight)
    matrix, bias = learned(made)
    assert (said.sum / said.count).item() == pytest.approx(
        slow.loss(lexicon.words, matrix, bias, plain(lexicon), pairs)
    )
    (said.sum / said.count).backward()
    of_matrix, of_bias = slow.gradient(lexicon.words, matrix, bias, plain(lexicon), pairs)
    assert made.weight.grad is not None
    assert torch.allclose(made.weight.grad.to_dense(), torch.tensor(of_matrix).double(), atol=1e-6)
    assert torch.allclose(made.bias.grad, torch.tensor(of_bias).double(), atol=1e-6)


@pytest.mark.parametrize("loss", [all_pairs, some_pairs])
def test_a_source_that_counts_more_is_there_more_often(loss: object, lexicon: Lexicon) -> None:
    numbers = torch.tensor([[0, 1], [2, 3], [0, 5]])
    weighed = exact(Relations(lexicon, numbers, (1.0, 2.0, 0.5)).at(slice(None)))
    made = model(lexicon)(weighed.words)
    assert callable(loss)
    each = []
    for place in range(3):
        alone = [float(other == place) for other in range(3)]
        each.append(loss(made, exact(Relations(lexicon, numbers, alone).at(slice(None)))).sum)
    assert torch.allclose(loss(made, weighed).sum, each[0] + 2 * each[1] + 0.5 * each[2])


def test_an_embedding_of_a_sources_own_vectors_costs_nothing() -> None:
    vectors = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)
    lexicon = align([from_arrays("one", list("abcdef"), vectors)])
    sight = Relations(lexicon, torch.arange(6)[:, None]).at(slice(None))
    own = 3 * torch.from_numpy(vectors) @ torch.linalg.qr(torch.randn(4, 4)).Q  # any length, any rotation
    assert all_pairs(own, sight).sum.item() == pytest.approx(0, abs=1e-5)


def test_the_sight_of_a_batch(lexicon: Lexicon) -> None:
    relations = Relations(lexicon, torch.tensor([[0, 6], [4, 4]]))
    assert len(relations) == 2
    sight = relations.at(torch.tensor([1, 0]))
    assert sight.words.tolist() == [4, 4, 0, 6]
    letters = [lexicon.words[number] for number in sight.words]
    assert sight.known.tolist() == [[float(word in words) for _, words, _ in KNOWN] for word in letters]
    for source, vectors in zip(lexicon.sources, sight.vectors, strict=True):
        for word, row in zip(letters, vectors, strict=True):
            own: Tensor | None = None
            if word in source.words:
                own = torch.from_numpy(np.array(source.vectors[list(source.words).index(word)]))
            expected = torch.zeros(source.dimensions) if own is None else own / own.norm()
            assert torch.allclose(row, expected)


@pytest.mark.usefixtures("tile")
def test_held_out_pairs_are_neither_learned_nor_forgotten(lexicon: Lexicon) -> None:
    """What is learned and what is measured are Eq. (4) of the two parts of all pairs."""
    groups = torch.tensor([1, 127, 64, 64, 3, 1, 0], dtype=torch.uint8)
    made = model(lexicon)
    relations = Relations(lexicon, torch.arange(7)[:, None], groups=groups)
    order = torch.tensor([6, 2, 5, 0, 4, 1, 3])
    held = {(0, 1), (1, 5), (2, 3)}
    parts = {True: list[tuple[str, str]](), False: list[tuple[str, str]]()}
    for first in range(7):
        for second in range(first + 1, 7):
            parts[(first, second) in held].append((lexicon.words[first], lexicon.words[second]))
    for asked, apart in ((relations, False), (relations.held_out(), True)):
        sight = exact(asked.at(order))
        said = all_pairs(made(sight.words), sight)
        assert int(said.count) == len(parts[apart])
        expected = slow.loss(lexicon.words, *learned(made), plain(lexicon), parts[apart])
        assert (said.sum / said.count).item() == pytest.approx(expected)
    sight = exact(relations.at(order))
    said = all_pairs(made(sight.words), sight)
    (said.sum / said.count).backward()
    of_matrix, _ = slow.gradient(lexicon.words, *learned(made), plain(lexicon), parts[False])
    assert made.weight.grad is not None
    assert torch.allclose(made.weight.grad.to_dense(), torch.tensor(of_matrix).double(), atol=1e-6)


def pairs_of(groups: Tensor) -> Tensor:
    """The pairs (2, P) of words of these groups that are held out."""
    nothing = torch.empty(len(groups), 0)
    return held_out(Sight(torch.arange(len(groups)), (), nothing, nothing, groups))


def test_one_pair_in_128_is_held_out_whatever_the_batch() -> None:
    groups = groups_of(2000)
    assert torch.equal(groups, groups_of(2000))
    first, second = pairs_of(groups)
    assert bool((first < second).all())
    assert len(first) == pytest.approx(2000 * 1999 / 2 / 128, rel=0.05)
    assert set(((groups[first].int() + groups[second].int()) % 128).tolist()) == {0}
    some = torch.randperm(2000)[:100]
    mine = {frozenset(some[pair].tolist()) for pair in pairs_of(groups[some]).T}
    assert mine == {pair for pair in map(frozenset, pairs_of(groups).T.tolist()) if pair <= set(some.tolist())}


@pytest.mark.parametrize("words", [0, 1, 2, 50, 300])
@pytest.mark.parametrize("seed", range(3))
def test_sorting_finds_the_pairs_that_comparing_all_does(words: int, seed: int) -> None:
    """In the same order, with words that come again, and with the groups 0 and 64, which are opposite to themselves."""
    chance = torch.Generator().manual_seed(seed)
    again = torch.randint(max(words // 2, 1), (words,), generator=chance)
    for groups in (groups_of(300)[again], torch.tensor([0, 64, 1, 127], dtype=torch.uint8)[again % 4]):
        compared = opposite(groups[:, None], groups).triu(1).nonzero().T
        assert torch.equal(pairs_of(groups), compared)
        assert words < 50 or len(compared[0]) > 0


def test_held_out_pairs_of_a_list_are_neither_learned_nor_forgotten(lexicon: Lexicon) -> None:
    groups = torch.tensor([1, 127, 64, 64, 3, 1, 0], dtype=torch.uint8)
    pairs = torch.tensor([[1, 0], [2, 4], [5, 1], [3, 2], [6, 5]])  # the first, third and fourth are held out
    made = model(lexicon)
    relations = Relations(lexicon, pairs, groups=groups)
    for asked, some in ((relations, [1, 4]), (relations.held_out(), [0, 2, 3])):
        sight = exact(asked.at(slice(None)))
        said = some_pairs(made(sight.words), sight)
        alone = exact(Relations(lexicon, pairs[some]).at(slice(None)))
        assert int(said.count) == len(some)
        assert said.sum.item() == pytest.approx(some_pairs(made(alone.words), alone).sum.item())


def test_a_word_that_stands_in_a_batch_again_has_its_pairs_once(lexicon: Lexicon) -> None:
    made, found = model(lexicon), []
    for words in ([[0], [3], [6], [2]], [[0, 3, 0], [6, 6, 2], [3, 0, 0]]):
        rows = torch.tensor(words)
        sight = exact(Relations(lexicon, rows, groups=groups_of(7)).at(slice(None)))
        said = all_pairs(made(sight.words), sight)
        (gradient,) = torch.autograd.grad(said.sum, made.weight)
        found.append((said.sum.item(), said.count.item(), gradient.to_dense()))
    assert found[0][:2] == pytest.approx(found[1][:2])
    assert torch.allclose(found[0][2], found[1][2])
    assert distinct(torch.tensor([4, 2, 4, 7, 2])).tolist() == [0, 1, 3]


def test_all_vectors_have_the_bias_inside_however_often_they_are_asked_for(lexicon: Lexicon) -> None:
    made, words = model(lexicon), torch.arange(len(lexicon.words))
    before = made(words).detach()
    assert torch.allclose(made.vectors(), before)
    assert torch.allclose(made.vectors(), before)
    assert torch.allclose(made(words), before)
    assert made.vectors().data_ptr() == made.weight.data_ptr()  # no copy: there may be gigabytes


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_the_difference_is_that_of_plain_loops(at_once: int, lexicon: Lexicon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amalgam.embeddings.relations._ROWS", at_once)
    vectors, groups = torch.randn(7, 3, generator=torch.Generator().manual_seed(2)), torch.arange(7) % 2 * 64
    sight = Relations(lexicon, torch.arange(7)[:, None], groups=groups.to(torch.uint8)).at(slice(None))
    squares = []
    for one in range(7):
        for other in range(one):
            if (groups[one] + groups[other]) % 128:
                continue
            said = slow.cosine(vectors[one].tolist(), vectors[other].tolist())
            for source in plain(lexicon):
                if {lexicon.words[one], lexicon.words[other]} <= set(source):
                    pair = lexicon.words[one], lexicon.words[other]
                    squares.append((said - slow.source_similarity(source, pair)) ** 2)
    assert len(squares) > 0
    assert difference(vectors, sight) == pytest.approx(sum(squares) / len(squares), rel=1e-5)
    assert difference(vectors, replace(sight, groups=torch.full((7,), 3, dtype=torch.uint8))) is None
