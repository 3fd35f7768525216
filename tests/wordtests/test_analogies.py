"""Analogies against plain Python and gensim."""

from __future__ import annotations

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from amalgam.embeddings.lexicon import ABSENT
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError
from amalgam.wordtests.analogies import analogies, answers
from amalgam.wordtests.asked import Asked

from .words import asking, cosine, embedding, of, vector, written

NAMES = ["king", "queen", "man", "woman", "paris", "france", "rome", "italy"]
OWN = embedding(NAMES)


def slow_answer(a: str, b: str, c: str, names: list[str] = NAMES) -> str:
    def score(word: str) -> float:
        near_a, near_b, near_c = (cosine(vector(OWN, word), vector(OWN, one)) for one in (a, b, c))
        return near_b - near_a + near_c

    return max((word for word in names if word not in (a, b, c)), key=score)


@pytest.mark.parametrize(("words", "questions"), [(2**14, 2**9), (3, 7), (1, 1)])
def test_answers_are_those_of_plain_python(words: int, questions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amalgam.wordtests.analogies._WORDS", words)
    monkeypatch.setattr("amalgam.wordtests.analogies._QUESTIONS", questions)
    asked, given = Asked.of(OWN), list(permutations(NAMES, 3))
    found = answers(asked, np.array([asked.entries(question) for question in given]))
    assert [NAMES[entry] for entry in found] == [slow_answer(*question) for question in given]


def test_answers_are_among_the_words_that_may_be_asked_for() -> None:
    """In whichever order these are, and whether they are known or not."""
    some = ["italy", "nowhere", "king", "rome", "queen", "man"]
    asked, given = Asked.of(OWN, some), list(permutations([name for name in some if name != "nowhere"], 3))
    found = answers(asked, np.array([asked.entries(question) for question in given]))
    assert [some[entry] for entry in found] == [
        slow_answer(*question, [name for name in some if name != "nowhere"]) for question in given
    ]


def test_accuracy_is_of_each_section_and_of_all() -> None:
    right = ("king", "queen", "man", slow_answer("king", "queen", "man"))
    wrong = ("king", "queen", "man", next(name for name in ("paris", "rome") if name != right[3]))
    lacking, unasked = ("king", "queen", "man", "nowhere"), ("king", "queen", "man", "elsewhere")
    sections = {"first": [right, wrong, right], "second": [lacking, right, lacking, unasked], "none": [unasked]}
    found = analogies(Asked.of(OWN), sections)
    assert found.measures == {"accuracy": 3 / 4}
    assert (found.items, found.asked, found.covered) == (8, 4, 4)
    found = analogies(Asked.of(OWN, [*NAMES, "nowhere"]), sections)
    assert found.main == ("accuracy", 3 / 6)
    assert (found.items, found.asked, found.covered) == (8, 6, 4)
    assert found.missing == "a question with a word that the embedding does not know is answered wrongly"
    first, second, none = (found.parts[name] for name in ("first", "second", "none"))
    assert (first.measures, first.items, first.asked, first.covered) == ({"accuracy": 2 / 3}, 3, 3, 3)
    assert (second.measures, second.items, second.asked, second.covered) == ({"accuracy": 1 / 3}, 4, 3, 1)
    assert (none.items, none.asked) == (1, 0)
    assert math.isnan(none.measures["accuracy"])


def test_the_words_of_the_question_are_no_answers() -> None:
    """Where b = c, and the nearest word to it is itself."""
    asked = of("a b near far", [[1, 0], [0, 1], [0.5, 1], [-1, 0]])
    assert answers(asked, np.array([[0, 1, 1]])).tolist() == [2]
    assert analogies(asked, {"": [("a", "b", "b", "near")]}).measures["accuracy"] == 1
    assert answers(of("a b c", [[1, 0], [0, 1], [1, 1]]), np.array([[0, 1, 2]])).tolist() == [ABSENT]


def test_no_questions_have_no_accuracy() -> None:
    found = analogies(asking("a b"), {})
    assert (found.items, found.asked, found.covered) == (0, 0, 0)
    assert math.isnan(found.measures["accuracy"])


def test_vectors_that_are_not_finite_are_refused() -> None:
    asked = of("a b c d e", [[1, 1]] * 4 + [[math.nan, 1]])
    with pytest.raises(RequestError, match="not finite"):
        answers(asked, np.array([[0, 1, 2]]))


def test_the_accuracy_is_gensims(tmp_path: Path) -> None:
    """On questions of which some are right: pairs whose differences are alike."""
    from gensim.models import KeyedVectors

    generator = np.random.default_rng(0)
    base, shift = generator.normal(size=(30, 8)), generator.normal(size=8)
    ends = base + 0.7 * shift + 0.3 * generator.normal(size=base.shape)
    words = [f"a{n}" for n in range(30)] + [f"b{n}" for n in range(30)]
    vectors = np.concatenate([base, ends]).astype(np.float32)
    questions = [(f"a{i}", f"b{i}", f"a{j}", f"b{j}") for i in range(30) for j in range(32) if i != j]
    path = written(tmp_path / "q.txt", ": all\n" + "".join(" ".join(question) + "\n" for question in questions))
    theirs = KeyedVectors(8)
    theirs.add_vectors(words, vectors)
    score, _ = theirs.evaluate_word_analogies(str(path), case_insensitive=False)
    ours = analogies(Asked.of(WordVectors(tuple(words), vectors)), {"all": questions})
    assert 0.1 < score < 0.9
    assert ours.measures["accuracy"] == pytest.approx(score)
    assert (ours.items, ours.covered) == (len(questions), 30 * 29)
