"""Analogies against plain Python and gensim."""

from __future__ import annotations

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from amalgam.errors import RequestError
from amalgam.wordtests.analogies import Rule, analogies, answers
from amalgam.wordtests.vectors import WordVectors

from .words import cosine, embedding, vector, written

WORDS = "king queen man woman paris france rome italy"
RULES: tuple[Rule, Rule] = ("3CosAdd", "3CosMul")


def slow_answer(asked: WordVectors, a: str, b: str, c: str, rule: Rule) -> str:
    def score(word: str) -> float:
        near_a, near_b, near_c = (cosine(vector(asked, word), vector(asked, one)) for one in (a, b, c))
        if rule == "3CosAdd":
            return near_b - near_a + near_c
        return (1 + near_b) / 2 * (1 + near_c) / 2 / ((1 + near_a) / 2 + 0.001)

    return max((word for word in asked.places if word not in (a, b, c)), key=score)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("words", "questions"), [(2**14, 2**9), (3, 7), (1, 1)])
def test_answers_are_those_of_plain_python(
    rule: Rule, words: int, questions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amalgam.wordtests.analogies._WORDS", words)
    monkeypatch.setattr("amalgam.wordtests.analogies._QUESTIONS", questions)
    asked = embedding(WORDS)
    names = WORDS.split()
    given = list(permutations(names, 3))
    found = answers(asked.vectors, np.array([asked.rows(question) for question in given]), rule)
    assert [names[row] for row in found] == [slow_answer(asked, *question, rule) for question in given]


def test_the_rules_differ() -> None:
    asked = embedding(WORDS)
    given = np.array(list(permutations(range(8), 3)))
    assert (answers(asked.vectors, given, "3CosAdd") != answers(asked.vectors, given, "3CosMul")).any()


def test_accuracy_is_of_each_section_and_of_all() -> None:
    asked = embedding(WORDS)
    right = ("king", "queen", "man", slow_answer(asked, "king", "queen", "man", "3CosAdd"))
    wrong = ("king", "queen", "man", next(name for name in ("paris", "rome") if name != right[3]))
    missing = ("king", "queen", "man", "nowhere")
    found = analogies(asked, {"first": [right, wrong, right], "second": [missing, right, missing], "none": [missing]})
    assert found.measures == {"accuracy": 3 / 4, "accuracy_all": 3 / 7}
    assert (found.covered, found.items, found.notes) == (4, 7, ("3CosAdd",))
    assert found.others == "a question with a missing word is left out, or in `_all` wrong"
    first, second, none = (found.parts[name] for name in ("first", "second", "none"))
    assert (first.measures, first.covered, first.items) == ({"accuracy": 2 / 3, "accuracy_all": 2 / 3}, 3, 3)
    assert (second.measures, second.covered, second.items) == ({"accuracy": 1, "accuracy_all": 1 / 3}, 1, 3)
    assert math.isnan(none.measures["accuracy"])
    assert none.measures["accuracy_all"] == 0


def test_the_words_of_the_question_are_no_answers() -> None:
    """Where b = c, and the nearest word to it is itself."""
    vectors = np.array([[1, 0], [0, 1], [0.5, 1], [-1, 0]], dtype=np.float32)
    asked = WordVectors.of(["a", "b", "near", "far"], vectors)
    assert answers(asked.vectors, np.array([[0, 1, 1]]), "3CosAdd").tolist() == [2]
    assert analogies(asked, {"": [("a", "b", "b", "near")]}).measures["accuracy"] == 1


def test_no_questions_have_no_accuracy() -> None:
    found = analogies(embedding(WORDS), {})
    assert (found.covered, found.items) == (0, 0)
    assert all(math.isnan(value) for value in found.measures.values())


def test_vectors_that_are_not_finite_are_refused() -> None:
    vectors = np.ones((5, 2), np.float32)
    vectors[4] = np.nan
    with pytest.raises(RequestError, match="not finite"):
        answers(vectors, np.array([[0, 1, 2]]), "3CosAdd")


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
    ours = analogies(WordVectors.of(words, vectors), {"all": questions})
    assert 0.1 < score < 0.9
    assert ours.measures["accuracy"] == pytest.approx(score)
    assert (ours.covered, ours.items) == (30 * 29, len(questions))
