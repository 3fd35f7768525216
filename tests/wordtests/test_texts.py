"""Texts as mean vectors, and what a logistic regression makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from amalgam.errors import RequestError
from amalgam.wordtests.texts import Texts, means, texts, tokens
from amalgam.wordtests.vectors import WordVectors

from .words import embedding, vector

GOOD, BAD = ["fine", "good", "nice"], ["bad", "poor", "sad"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's GOOD, isn't it?", ["it's", "good", "isn't", "it"]),
        ("the 'quoted' rock 'n' roll of the 90's", ["the", "quoted", "rock", "n", "roll", "of", "the", "90's"]),
        ("snake_case e-mail @user #tag 3.5mm", ["snake", "case", "e", "mail", "user", "tag", "3", "5mm"]),
        ("Caf\u00e9 \u00dcber na\u00efve \u4e2d\u6587", ["caf\u00e9", "\u00fcber", "na\u00efve", "\u4e2d\u6587"]),
        ("don\u2019t", ["don't"]),
        ("&amp;quot;fast&amp;quot; &amp; cheap&#13;", ["fast", "cheap"]),
        ("... !", []),
        ("", []),
    ],
)
def test_the_words_of_a_text(text: str, words: list[str]) -> None:
    assert tokens(text) == words


def test_means_are_those_of_plain_python() -> None:
    asked = embedding("a b c d")
    given = ["a b a", "C? nothing d", "nothing at all", "", "b"]
    found = means(asked, given)
    for place, text in enumerate(given):
        known = [vector(asked, word) for word in tokens(text) if word in asked.places]
        mean = [sum(column) / len(known) for column in zip(*known, strict=True)] if known else [0.0] * 5
        assert found.vectors[place].tolist() == pytest.approx(mean, abs=1e-6)
        assert found.known[place] == len(known)
    assert found.words.tolist() == [3, 3, 3, 0, 1]
    assert found.vectors.dtype == np.float32


def test_a_text_without_a_known_word_has_the_unknown_words_vector() -> None:
    unknown = np.arange(5, dtype=np.float32)
    found = means(embedding("a b", unknown=unknown), ["a zzz", "zzz yyy", ""])
    assert found.vectors[0].tolist() == pytest.approx(embedding("a b").vectors[0].tolist())
    assert found.vectors[1:].tolist() == [unknown.tolist()] * 2
    assert found.known.tolist() == [1, 0, 0]


def test_words_that_no_text_has_are_not_read() -> None:
    vectors = np.array([[1, 2], [np.inf, 0]], dtype=np.float32)
    assert means(WordVectors.of("ab", vectors), ["a", "zzz"]).vectors.tolist() == [[1, 2], [0, 0]]
    assert means(WordVectors.of("ba", vectors[::-1].copy()), ["a zzz"]).vectors.tolist() == [[1, 2]]
    with pytest.raises(RequestError, match="not finite"):
        means(WordVectors.of("ab", vectors), ["a", "b"])


def sayings(count: int, seed: int, told: float) -> Texts:
    """Texts of which a share has a word that tells their class; the others have words of both."""
    generator = np.random.default_rng(seed)
    said, classes = list[str](), list[str]()
    for number in range(count):
        right = number % 2 == 0
        own = (GOOD if right else BAD) if generator.random() < told else GOOD + BAD
        said.append(" ".join(["it", "is", str(generator.choice(own)), "zzz"]))
        classes.append("good" if right else "bad")
    return Texts(said, classes)


def test_classes_that_words_tell_are_told_and_others_guessed() -> None:
    asked = embedding(["it", "is", *GOOD, *BAD], dimensions=8)
    told, guessed = (texts(asked, sayings(400, 0, share), seed=0) for share in (1.0, 0.0))
    assert told.measures == {"accuracy": 1.0}
    assert guessed.measures["accuracy"] < 0.65
    assert (told.covered, told.items) == (400, 400)
    assert told.notes[0] == "75.0% of the texts' words are known"
    assert told.others == "a text without a known word has zeros for its vector"


def test_the_accuracy_is_of_a_fifth_that_was_not_learned_from() -> None:
    """A text of its own for each word: words seen once tell nothing of words not seen."""
    words = [f"w{n}" for n in range(200)]
    given = Texts(words, ["a" if n % 2 else "b" for n in range(200)])
    found = texts(embedding(words, dimensions=250), given, seed=0)
    assert found.measures["accuracy"] * 40 == pytest.approx(round(found.measures["accuracy"] * 40))
    assert found.measures["accuracy"] < 0.75


def test_the_accuracy_is_that_of_the_steps_one_by_one() -> None:
    """The split, scaling by the training part alone, C by its three folds, and the tested fifth."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, train_test_split

    asked, given = embedding(["it", "is", *GOOD, *BAD], dimensions=4), sayings(150, 1, 0.7)
    found = texts(asked, given, seed=5)
    rows, truth = means(asked, given.texts).vectors.astype(np.float64), np.array(given.classes)
    learned, tested = train_test_split(np.arange(150), test_size=0.2, stratify=truth, random_state=5)

    def right(fitted: np.ndarray, held: np.ndarray, strength: float) -> np.ndarray:
        middle, spread = rows[fitted].mean(0), rows[fitted].std(0)
        model = LogisticRegression(C=strength, max_iter=2000)
        model.fit((rows[fitted] - middle) / spread, truth[fitted])
        return model.predict((rows[held] - middle) / spread) == truth[held]

    folds = list(StratifiedKFold(3, shuffle=True, random_state=5).split(learned, truth[learned]))
    means_of = {
        strength: np.mean([right(learned[a], learned[b], strength).mean() for a, b in folds])
        for strength in (1e-3, 1e-2, 1e-1, 1.0, 10.0)
    }
    best = max(means_of, key=lambda strength: round(means_of[strength], 9))
    assert found.notes[1] == f"C = {best:g}"
    assert found.measures["accuracy"] == pytest.approx(right(learned, tested, best).mean())


def test_texts_without_a_known_word_are_classified_too() -> None:
    asked = embedding([*GOOD], dimensions=4)
    given = sayings(100, 0, 1.0)
    found = texts(asked, given, seed=0)
    assert (found.covered, found.items) == (50, 100)
    assert found.measures == {"accuracy": 1.0}


def test_the_seed_decides() -> None:
    asked, given = embedding(["it", "is", *GOOD, *BAD]), sayings(300, 2, 0.5)
    first = [texts(asked, given, seed=4) for _ in range(2)]
    assert first[0] == first[1]
    assert len({texts(asked, given, seed=seed).measures["accuracy"] for seed in range(3)}) > 1


def test_too_few_texts_are_refused() -> None:
    asked = embedding("a b")
    for classes in (["x"] * 9, ["x"] * 5 + ["y"] * 4):
        with pytest.raises(RequestError, match="expected two classes or more, of 5 texts each or more"):
            texts(asked, Texts(["a"] * 9, classes), seed=0)
    assert texts(asked, Texts(["a", "b"] * 5, ["x", "y"] * 5), seed=0).measures == {"accuracy": 1.0}
