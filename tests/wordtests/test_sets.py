"""Sets by name, what they hold, and the one entry point."""

from __future__ import annotations

import lzma
import math
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from amalgam import embeddings
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError
from amalgam.wordtests import concepts, find, measure, names, readers, similarity, synonyms, texts
from amalgam.wordtests.asked import Asked
from amalgam.wordtests.sets import EVERY

from ..conftest import SHARED_DATA
from .words import embedding, written

GENSIMS = ("simlex999", "wordsim353", "questions-words")

SIZES = {
    "card-660": 660, "rare-words": 2034, "simlex999": 999, "simverb-3500": 3500, "wordsim353": 353,
    "wordsim353-rel": 252, "wordsim353-sim": 203, "mturk-287": 287, "rg-65": 65, "mc-30": 30, "yp-130": 130,
    "semeval-17": 500, "umnsrs-sim": 566, "umnsrs-rel": 587,
}  # fmt: skip
"""How many pairs, as the README of the data says."""

COVERED = {
    "glove.6B.50d.4k.txt.xz": {
        "card-660": 11, "rare-words": 31, "simlex999": 321, "simverb-3500": 836, "wordsim353": 167, "mturk-287": 60,
        "mc-30": 3, "rg-65": 4, "yp-130": 11, "semeval-17": 67, "esslli-2008": 33, "ap": 121, "bless": 63,
    },
    "glove.twitter.27B.25d.12k.txt.xz": {
        "card-660": 32, "rare-words": 180, "simlex999": 804, "simverb-3500": 1911, "wordsim353": 284, "mturk-287": 196,
        "mc-30": 15, "rg-65": 27, "yp-130": 57, "semeval-17": 218, "esslli-2008": 44, "ap": 229, "bless": 116,
    },
    "pubmed-ner-word2vec.50d.19k.bin": {
        "card-660": 30, "rare-words": 225, "simlex999": 364, "simverb-3500": 971, "wordsim353": 107, "mturk-287": 43,
        "mc-30": 3, "rg-65": 5, "yp-130": 41, "semeval-17": 71, "umnsrs-sim": 124, "umnsrs-rel": 114, "esslli-2008": 31,
        "ap": 129, "bless": 46,
    },
}  # fmt: skip
"""How many items an embedding covers, as the README of the data says."""

SPEARMAN = {"glove.6B.50d.4k.txt.xz": 0.53, "glove.twitter.27B.25d.12k.txt.xz": 0.43,
            "pubmed-ner-word2vec.50d.19k.bin": 0.40}  # fmt: skip
"""Of WordSim-353, as the README of the data says."""


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> Path:
    if not (SHARED_DATA / "wordsim").is_dir():
        pytest.skip("the word tests are not on this machine; set AMALGAM_DATA to their folder")
    monkeypatch.setenv("AMALGAM_DATA", str(SHARED_DATA))
    return SHARED_DATA


def read(name: str) -> Any:
    return find(name).read()


def test_those_that_are_here_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMALGAM_DATA", raising=False)
    assert names() == GENSIMS
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    assert names() == GENSIMS
    written(tmp_path / "wordsim" / "EN-MC-30.txt", "a\tb\t1\n")
    written(tmp_path / "concepts" / "essli-2008.csv", ",category,word\n")
    assert set(names()) == {"mc-30", "esslli-2008", "esslli-2008-coarse", *GENSIMS}


def test_listing_imports_no_heavy_library() -> None:
    script = (
        "import sys; from amalgam.wordtests import names; names(); "
        "assert not {'gensim', 'sklearn', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_set_has_a_name_of_its_own_and_says_what_it_holds_and_whose_it_is() -> None:
    assert len({one.name for one in EVERY}) == len(EVERY)
    assert all(one.about and one.source for one in EVERY)
    assert find("mc-30") in EVERY


def test_what_is_unknown_or_not_here_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    with pytest.raises(RequestError) as error:
        measure("wordsim-353", embedding("a b"))
    assert str(error.value).startswith("unknown word test 'wordsim-353'; did you mean 'wordsim353'? (known: 'card-660'")
    assert all(repr(one.name) in str(error.value) for one in EVERY)
    missing = tmp_path / "wordsim" / "EN-MC-30.txt"
    says = (
        "word test 'mc-30' is not here: {}; let the environment variable AMALGAM_DATA name a folder that has "
        "wordsim/EN-MC-30.txt (Miller, Charles, Contextual correlates of semantic similarity, LCP 6(1), 1991)"
    )
    with pytest.raises(RequestError) as error:
        measure("mc-30", embedding("a b"))
    assert str(error.value) == says.format(f"there is no {missing}")
    monkeypatch.delenv("AMALGAM_DATA")
    with pytest.raises(RequestError) as error:
        measure("mc-30", embedding("a b"))
    assert str(error.value) == says.format("AMALGAM_DATA is not set")
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    written(missing, "a\tb\t1\na\tb\tx\n")
    with pytest.raises(RequestError, match=r"EN-MC-30\.txt line 2: the score of 'a' and 'b' is 'x'"):
        measure("mc-30", embedding("a b"))


def test_a_file_that_gensim_lacks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amalgam.wordtests.sets.find_spec", lambda _: ModuleSpec("gensim", None, origin=str(tmp_path)))
    with pytest.raises(RequestError, match=r"word test 'simlex999' is a file of gensim's, and there is no .*; install"):
        measure("simlex999", embedding("a b"))


def test_the_sets_hold_what_their_readme_says(data: Path) -> None:
    assert set(names()) == {one.name for one in EVERY}
    assert {name: len(read(name).scores) for name in SIZES} == SIZES
    for name, (first, second, score) in {
        "card-660": ("Pokemon", "Pocket_Monsters", 3.81), "rare-words": ("squishing", "squirt", 5.88),
        "simverb-3500": ("take", "remove", 6.81), "semeval-17": ("Joule", "spacecraft", 0.58),
        "umnsrs-rel": ("Carbatrol", "Dilantin", 797.5), "wordsim353": ("love", "sex", 6.77),
    }.items():  # fmt: skip
        found = read(name)
        assert (found.first[0], found.second[0], found.scores[0]) == (first, second, score)
    for part, whole in (("mc-30", "rg-65"), ("wordsim353-rel", "wordsim353"), ("wordsim353-sim", "wordsim353")):
        assert set(scored(read(part), part)) <= set(scored(read(whole), whole))
    for name, file in (("wordsim353", "EN-WS-353-ALL.txt"), ("simlex999", "EN-SIMLEX-999.txt")):
        assert scored(read(name), name) == scored(readers.pairs(data / "wordsim" / file), file)
    assert [len(read("questions-words")), sum(map(len, read("questions-words").values()))] == [14, 19544]


def scored(found: Any, name: str) -> dict[frozenset[str], float]:
    """Pair → score."""
    pairs = zip(found.first, found.second, found.scores.tolist(), strict=True)
    return {frozenset((one, other)): score for one, other, score in pairs}


def test_the_synonyms_are_what_their_readme_says(data: Path) -> None:
    """PPDB's are 374,555 pairs, all but one of which are there twice, once in each direction.

    The README has two fewer, since it takes control signs and no-break spaces for blanks.
    """
    wordnet, ppdb, asked = read("wordnet"), read("ppdb-xl"), read("cs124")
    assert len(ppdb.pairs) == 187_278
    assert ("person", "mortal") in {(wordnet.words[one], wordnet.words[other]) for one, other in wordnet.pairs}
    assert len(wordnet.pairs) == 32_072
    assert len(asked) == 30
    assert all(len(question.choices) == 4 for question in asked)


def test_the_texts_and_concepts_are_what_their_readme_says(data: Path) -> None:
    from collections import Counter

    sizes = {name: Counter(read(name).classes) for name in ("airline", "movies", "subjectivity", "pros-cons")}
    assert sizes == {
        "airline": {"negative": 9178, "neutral": 3099, "positive": 2363},
        "movies": {"positive": 5331, "negative": 5331},
        "subjectivity": {"objective": 5000, "subjective": 5000},
        "pros-cons": {"pros": 22_940, "cons": 22_935},
    }
    counts = {
        name: (len(set(read(name).words)), len(set(read(name).categories)))
        for name in ("esslli-2008", "esslli-2008-coarse", "ap", "bless")
    }
    # The README counts AP's and BLESS's rows without a word as one word more.
    assert counts == {"esslli-2008": (45, 9), "esslli-2008-coarse": (45, 5), "ap": (402, 21), "bless": (200, 17)}


@pytest.mark.parametrize("file", COVERED)
def test_an_embedding_covers_what_the_readme_says(file: str, data: Path) -> None:
    if not (data / "embeddings" / file).is_file():
        pytest.skip("the embeddings are not on this machine")
    source = embeddings.read(data / "embeddings" / file)
    places = {word.lower(): row for row, word in reversed(list(enumerate(source.words)))}
    own = WordVectors(tuple(places), source.vectors[list(places.values())])
    assert {name: measure(name, own).covered for name in COVERED[file]} == COVERED[file]
    assert measure("wordsim353", own).measures["spearman"] == pytest.approx(SPEARMAN[file], abs=0.005)


def test_similarity_is_gensims(data: Path) -> None:
    """Whose vectors are cosines in single precision, and whose pairs are in upper case."""
    from gensim.models import KeyedVectors
    from gensim.test.utils import datapath

    path = data / "embeddings" / "glove.6B.50d.4k.txt.xz"
    if not path.is_file():
        pytest.skip("the embeddings are not on this machine")
    source = embeddings.read(path)
    theirs = KeyedVectors(source.dimensions)
    theirs.add_vectors(list(source.words), source.vectors)
    linear, ranked, missing = theirs.evaluate_word_pairs(datapath("wordsim353.tsv"))
    ours = measure("wordsim353", WordVectors(tuple(source.words), source.vectors))
    assert ours.measures["pearson"] == pytest.approx(linear[0], abs=1e-6)
    assert ours.measures["spearman"] == pytest.approx(ranked[0], abs=1e-6)
    assert 100 * (1 - ours.covered / ours.items) == pytest.approx(missing)


def test_measuring_is_reading_and_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    own = embedding("a b c d e f")
    written(tmp_path / "wordsim" / "EN-MC-30.txt", "A\tb\t1\nc\td\t3\na\tf\t2\ng\th\t5\n")
    assert measure("mc-30", own) == similarity.similarity(Asked.of(own), read("mc-30"))
    written(tmp_path / "synonyms" / "ppdb-xl.txt.xz", lzma.compress(b"a b c\nd e\nf g\n"))
    assert measure("ppdb-xl", own, 3) == synonyms.synonyms(Asked.of(own), read("ppdb-xl"), 3)
    whole = measure("ppdb-xl", own, 3, among="abcdefg")
    assert whole == synonyms.synonyms(Asked.of(own, "abcdefg"), read("ppdb-xl"), 3)
    assert (whole.items, whole.asked, whole.covered) == (4, 4, 3)
    written(tmp_path / "synonyms" / "cs124-synonym-questions.tsv", "word\tchoices\ttrue_answer\na\tb,c\tb\n")
    assert measure("cs124", own) == synonyms.choices(Asked.of(own), read("cs124"))
    written(tmp_path / "concepts" / "ap.csv", ",category,word\n0,x,a\n1,x,b\n2,y,c\n3,y,d\n")
    assert measure("ap", own, 2) == concepts.concepts(Asked.of(own), read("ap"), 2)
    rows = "".join(f"{'good' if n % 3 else 'bad'},{'abcdef'[n % 6]} {'abcdef'[n % 5]}\n" for n in range(60))
    written(tmp_path / "textcls" / "us-airline-tweets.csv.xz",
            lzma.compress(f"airline_sentiment,text\n{rows}".encode()))  # fmt: skip
    assert measure("airline", own, 1) == texts.texts(Asked.of(own), read("airline"), 1)


def test_an_embedding_that_knows_no_word_of_a_set_has_no_number_and_no_error(data: Path) -> None:
    own = embedding("qzqz qzqzq")
    for name in names():
        if find(name).kind != "texts":
            found = measure(name, own, among=["love", "sex", *own.words])
            assert found.covered == 0
            assert all(math.isnan(value) for value in found.measures.values())
