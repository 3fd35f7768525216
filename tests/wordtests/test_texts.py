"""Texts as mean vectors, and what a logistic regression makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from amalgam.errors import RequestError
from amalgam.wordtests.asked import Asked
from amalgam.wordtests.texts import Texts, folds, means, texts, tokens

from .words import asking, embedding, of, vector


def split(texts: Sequence[str]) -> list[list[str]]:
    return [tokens(text) for text in texts]


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
    own = embedding("a b c d")
    given = ["a b a", "C? nothing d", "nothing at all", "", "b"]
    found = means(Asked.of(own), split(given))
    for place, text in enumerate(given):
        known = [vector(own, word) for word in tokens(text) if word in own.places]
        mean = [sum(column) / len(known) for column in zip(*known, strict=True)] if known else [0.0] * 5
        assert found.vectors[place].tolist() == pytest.approx(mean, abs=1e-6)
        assert found.known[place] == len(known)
    assert found.words.tolist() == [3, 3, 3, 0, 1]
    assert found.vectors.dtype == np.float32


def test_words_that_may_not_be_asked_for_are_left_out() -> None:
    found = means(of("a b", [[1, 2], [3, 4]], among="c b"), split(["a b", "a c", "b b c"]))
    assert found.vectors.tolist() == [[3, 4], [0, 0], [3, 4]]
    assert found.known.tolist() == [1, 0, 2]


def test_words_that_no_text_has_are_not_read() -> None:
    assert means(of("a b", [[1, 2], [np.inf, 0]]), [["a"], ["zzz"]]).vectors.tolist() == [[1, 2], [0, 0]]
    assert means(of("b a", [[np.inf, 0], [1, 2]]), [["a", "zzz"]]).vectors.tolist() == [[1, 2]]
    with pytest.raises(RequestError, match="not finite"):
        means(of("a b", [[1, 2], [np.inf, 0]]), [["a"], ["b"]])


def sayings(count: int, seed: int, told: float) -> Texts:
    """Texts of which a share has a word that tells their class; the others have words of both."""
    generator = np.random.default_rng(seed)
    said, classes = list[str](), list[str]()
    for number in range(count):
        right = number % 2 == 0
        own = (GOOD if right else BAD) if generator.random() < told else GOOD + BAD
        said.append(" ".join(["it", "is", str(generator.choice(own)), f"zzz{number}"]))
        classes.append("good" if right else "bad")
    return Texts(said, classes)


def test_classes_that_words_tell_are_told_and_others_guessed() -> None:
    own = asking(["it", "is", *GOOD, *BAD], dimensions=8)
    told, guessed = (texts(own, sayings(400, 0, share), seed=0) for share in (1.0, 0.0))
    assert told.main == ("accuracy", 1.0)
    assert guessed.measures["accuracy"] < 0.6
    assert (told.items, told.asked, told.covered) == (400, 400, 400)
    assert told.notes == ("75.0% of the texts' words are known",)
    assert told.missing.startswith("a word that the embedding does not know is left out of the mean")


def test_a_text_is_classified_by_what_others_taught_alone() -> None:
    """A text of its own for each word, in as many dimensions: what is learned by heart tells nothing of others."""
    words = [f"w{n}" for n in range(200)]
    given = Texts(words, ["a" if n % 2 else "b" for n in range(200)])
    assert texts(asking(words, dimensions=250), given, seed=0).measures["accuracy"] < 0.6


def test_the_accuracy_is_that_of_the_steps_one_by_one() -> None:
    """Five folds, features standardised by the texts that are learned from alone."""
    from sklearn.linear_model import LogisticRegression

    tiny = embedding(["it", "is", *GOOD, *BAD], dimensions=4)
    own, given = Asked.of(replace(tiny, vectors=tiny.vectors / 1000)), sayings(150, 1, 0.7)
    rows, truth = means(own, split(given.texts)).vectors.astype(np.float64), np.array(given.classes)
    rights = []
    fold = folds(split(given.texts), given.classes, 5)
    for one in range(5):
        learned, tested = fold != one, fold == one
        assert truth[tested].tolist().count("good") == pytest.approx(15, abs=1)
        middle, spread = rows[learned].mean(0), rows[learned].std(0)
        model = LogisticRegression(max_iter=2000).fit((rows[learned] - middle) / spread, truth[learned])
        rights.append((model.predict((rows[tested] - middle) / spread) == truth[tested]).mean())
    assert 0.6 < np.mean(rights) < 1
    assert texts(own, given, seed=5).measures["accuracy"] == pytest.approx(np.mean(rights))


def test_texts_without_a_known_word_are_classified_too() -> None:
    found = texts(asking(GOOD, dimensions=4), sayings(100, 0, 1.0), seed=0)
    assert (found.items, found.asked, found.covered) == (100, 100, 50)
    assert found.measures == {"accuracy": 1.0}
    nothing = texts(asking("nothing"), sayings(100, 0, 1.0), seed=0)
    assert (nothing.covered, nothing.measures) == (0, {"accuracy": 0.5})


def test_the_seed_decides() -> None:
    own, given = asking(["it", "is", *GOOD, *BAD]), sayings(100, 2, 0.5)
    assert texts(own, given, seed=4) == texts(own, given, seed=4)
    assert len({texts(own, given, seed=seed).measures["accuracy"] for seed in range(3)}) > 1


def test_too_few_texts_are_refused() -> None:
    for classes in (["x"] * 9, ["x"] * 5 + ["y"] * 4):
        with pytest.raises(RequestError, match="expected two classes or more, of 5 texts each or more"):
            texts(asking("a b"), Texts(["a"] * 9, classes), seed=0)
    with pytest.raises(RequestError, match="different texts of the classes"):
        texts(asking("a b"), Texts(["a", "b"] * 5, ["x", "y"] * 5), seed=0)
    different = Texts([f"{word} {number}" for number in range(5) for word in "ab"], ["x", "y"] * 5)
    assert texts(asking("a b"), different, seed=0).measures == {"accuracy": 1.0}


def test_texts_of_the_same_words_are_in_one_fold() -> None:
    """Learned by heart in one and asked in another, words that tell nothing would tell a class."""
    given = sayings(60, 3, 0.0)
    twice = Texts([*given.texts, *(text.upper() + " !" for text in given.texts)], [*given.classes, *given.classes])
    own = split(twice.texts)
    fold = folds(own, twice.classes, 1)
    assert fold[:60].tolist() == fold[60:].tolist() == folds(own[:60], given.classes, 1).tolist()
    assert sorted(np.bincount(fold).tolist()) == [24] * 5
    assert fold.tolist() != folds(own, twice.classes, 2).tolist()
