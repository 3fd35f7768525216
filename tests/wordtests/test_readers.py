"""Each file's format as it is written, and damaged lines refused by file and line."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from amalgam.errors import RequestError
from amalgam.wordtests import readers
from amalgam.wordtests.similarity import Rated

from .words import written

Reader = Callable[[Path], Any]


def rows(found: Rated) -> list[tuple[str, str, float]]:
    return list(zip(found.first, found.second, found.scores.tolist(), strict=True))


@pytest.mark.parametrize(
    "content",
    [
        "love\tsex\t6.77\ntiger\tTiger\t10.00\n",
        "love sex 6.77\ntiger  Tiger 10.00",
        "love\tsex\t6.77\r\n\r\ntiger\tTiger\t10.00\r\n",
        "# A collection\n# Word 1\tWord 2\tHuman (mean)\nlove\tsex\t6.77\ntiger\tTiger\t10\n\n",
        "\ufefflove\tsex\t6.77\ntiger\tTiger\t1e1\n",
    ],
)
@pytest.mark.parametrize("packed", ["", ".gz", ".xz"])
def test_pairs_have_tabs_or_blanks_between(content: str, packed: str, tmp_path: Path) -> None:
    pack: Callable[[bytes], bytes] = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[packed]
    path = written(tmp_path / f"a.txt{packed}", pack(content.encode()))
    assert rows(readers.pairs(path)) == [("love", "sex", 6.77), ("tiger", "Tiger", 10.0)]


def test_terms_keep_their_blanks_where_tabs_are_between_and_a_sign_may_be_a_word(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "New York\tformic_acid\t1.5\n#\thash\t3\n")
    assert rows(readers.pairs(path)) == [("New York", "formic_acid", 1.5), ("#", "hash", 3.0)]


def test_columns_may_follow_the_score_where_they_should(tmp_path: Path) -> None:
    """As rw.txt's ratings: four to ten of them."""
    path = written(tmp_path / "rw.txt", "a\tb\t5.88\t7\t7\t6\nc\td\t1\t1\n")
    assert rows(readers.pairs(path, more=True)) == [("a", "b", 5.88), ("c", "d", 1.0)]
    with pytest.raises(RequestError, match=r"rw.txt line 1: expected two words and a score, with tabs between, found"):
        readers.pairs(path)


def test_semeval_has_an_index_and_terms_of_several_words(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", ',word1,word2,similarity\n0,Promised Land,Baku,0.42\n1,"a, b",El Niño,3\n')
    assert rows(readers.semeval(path)) == [("Promised Land", "Baku", 0.42), ("a, b", "El Niño", 3.0)]


def test_umnsrs_is_json(tmp_path: Path) -> None:
    entries = [
        {"value": 797.5, "stddev": 1, "term1": "Carbatrol", "term2": "Dilantin"},
        {"value": 0, "term1": "Folic Acid ", "term2": "Ketonuria"},
    ]
    path = written(tmp_path / "a.json", json.dumps(entries))
    assert rows(readers.umnsrs(path)) == [("Carbatrol", "Dilantin", 797.5), ("Folic Acid", "Ketonuria", 0.0)]


def named(found: Any) -> list[tuple[str, str]]:
    return [(found.words[one], found.words[other]) for one, other in found.pairs]


def test_all_lemmas_of_a_synset_are_synonyms(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.tsv", "n1\torganism, being\nn2\tbenthos\nn3\tperson, some one, being\nn4\tbeing, organism"
    )
    assert named(readers.synsets(path)) == [
        ("organism", "being"), ("person", "some one"), ("being", "person"), ("being", "some one"),
    ]  # fmt: skip


def test_paraphrases_are_of_the_first_word(tmp_path: Path) -> None:
    """And white space other than a blank is a part of a word."""
    path = written(tmp_path / "a.txt", "fawn crawl cringe\ncrawl fawn\n\x1d <\xa0previous\n\x1c \x1e\n")
    assert named(readers.paraphrases(path)) == [
        ("fawn", "crawl"), ("fawn", "cringe"), ("\x1d", "<\xa0previous"), ("\x1c", "\x1e"),
    ]  # fmt: skip


def test_questions_have_choices(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", "word\tchoices\ttrue_answer\ngullible\tunrealistic,naive,wary\tnaive\n")
    assert readers.questions(path) == (("gullible", ("unrealistic", "naive", "wary"), "naive"),)


def test_concepts_have_categories_fine_or_coarse(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", ",category,word\n0,motionManner-motion,run\n1,motionManner-motion,\n2,a-b,see\n")
    fine, coarse = readers.concepts(path), readers.concepts(path, coarse=True)
    assert (fine.words, fine.categories) == (["run", "see"], ["motionManner-motion", "a-b"])
    assert (coarse.words, coarse.categories) == (["run", "see"], ["motion", "b"])


def test_analogies_are_in_sections(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", ": capitals\nAthens Greece Rome Italy\n\n: family\na b c d\n e  f g h \n")
    assert readers.analogies(path) == {
        "capitals": [("Athens", "Greece", "Rome", "Italy")],
        "family": [("a", "b", "c", "d"), ("e", "f", "g", "h")],
    }


SEMEVAL, CONCEPTS, QUESTIONS = ",word1,word2,similarity\n", ",category,word\n", "word\tchoices\ttrue_answer\n"
PAIR, DAMAGED = "two words and a score, with tabs between", "; the line is damaged"


@pytest.mark.parametrize(
    ("reader", "content", "message"),
    [
        (readers.pairs, "a\tb\t1\na\tb\n", f"{{}} line 2: expected {PAIR}, found 'a\\tb'{DAMAGED}"),
        (readers.pairs, "a b 1\n\nonly\n", f"{{}} line 3: expected {PAIR}, found 'only'{DAMAGED}"),
        (readers.pairs, "a\t\t1\n", f"{{}} line 1: expected {PAIR}, found 'a\\t\\t1'{DAMAGED}"),
        (readers.pairs, "a b c 1\n", f"{{}} line 1: expected {PAIR}, found 'a b c 1'{DAMAGED}"),
        (readers.pairs, "a\tb\t1\n# c\td\n", f"{{}} line 2: expected {PAIR}, found '# c\\td'{DAMAGED}"),
        (readers.pairs, "x" * 99, f"{{}} line 1: expected {PAIR}, found '{'x' * 60}…'{DAMAGED}"),
        (readers.pairs, "a\tb\t1\nc\td\t3,5\n", "{} line 2: the score of 'c' and 'd' is '3,5', expected a number"),
        (readers.pairs, "a\tb\tnan\n", "{} line 1: the score of 'a' and 'b' is 'nan', expected a number"),
        (readers.pairs, "# nothing\n", "{} has no pair of words"),
        (readers.pairs, b"a\tb\t1\ncaf\xe9\tb\t1\n", "{} is not UTF-8 text (invalid continuation byte); convert it to "
         "UTF-8"),
        (readers.semeval, "word1,word2,similarity\n", "{} line 1: expected the columns ',word1,word2,similarity'"),
        (readers.semeval, "", "{} line 1: expected the columns ',word1,word2,similarity'"),
        (readers.semeval, f"{SEMEVAL}0,a,b,1\n1,a,b\n", "{} line 3: expected ',word1,word2,similarity', found '1,a,b'"
         f"{DAMAGED}"),
        (readers.semeval, f"{SEMEVAL}0,a,,1\n", "{} line 2: expected ',word1,word2,similarity', found '0,a,,1'"
         f"{DAMAGED}"),
        (readers.semeval, f"{SEMEVAL}0,a,b,high\n", "{} line 2: the score of 'a' and 'b' is 'high', expected a number"),
        (readers.semeval, f'{SEMEVAL}0,a,"b,1\n', "{} line 2: unexpected end of data"),
        (readers.umnsrs, '[\n{"term1": }\n]', "{} line 2: no JSON (Expecting value)"),
        (readers.umnsrs, '{"a": 1}', "{} holds no list; expected one of objects with term1, term2 and value"),
        (readers.umnsrs, '[{"term1": "a", "term2": "b", "value": 1}, {"term1": "a", "value": 1}]',
         "{} entry 2 is {{'term1': 'a', 'value': 1}}; expected term1, term2 and value"),
        (readers.umnsrs, '[3]', "{} entry 1 is 3; expected term1, term2 and value"),
        (readers.umnsrs, '[{"term1": "a", "term2": "b", "value": null}]',
         "{} entry 1: the score of 'a' and 'b' is 'None', expected a number"),
        (readers.synsets, "n1\ta, b\nn2 a, b\n", "{} line 2: expected a synset, a tab, and its lemmas with commas "
         f"between, found 'n2 a, b'{DAMAGED}"),
        (readers.synsets, "n1\ta, , b\n", "{} line 1: expected a synset, a tab, and its lemmas with commas between, "
         f"found 'n1\\ta, , b'{DAMAGED}"),
        (readers.paraphrases, "a b\nalone\n", "{} line 2: expected a word and its paraphrases, with a blank between, "
         f"found 'alone'{DAMAGED}"),
        (readers.paraphrases, "a  b\n", "{} line 1: expected a word and its paraphrases, with a blank between, found "
         f"'a  b'{DAMAGED}"),
        (readers.questions, f"{QUESTIONS}w\ta,b\tc\n", "{} line 2: expected different choices, one of which is the "
         f"answer, found 'w\\ta,b\\tc'{DAMAGED}"),
        (readers.questions, f"{QUESTIONS}w\ta,b,a\ta\n", "{} line 2: expected different choices, one of which is the "
         f"answer, found 'w\\ta,b,a\\ta'{DAMAGED}"),
        (readers.questions, "word choices answer\n", "{} line 1: expected the columns 'word\\tchoices\\ttrue_answer'"),
        (readers.concepts, f"{CONCEPTS}0,a,b\n1,,c\n", "{} line 3: expected ',category,word', found '1,,c'"
         f"{DAMAGED}"),
        (readers.concepts, f"{CONCEPTS}0,a\n", f"{{}} line 2: expected ',category,word', found '0,a'{DAMAGED}"),
        (partial(readers.concepts, coarse=True), f"{CONCEPTS}0,a,b\n",
         f"{{}} line 2: expected a category of two names, fine-coarse, found '0,a,b'{DAMAGED}"),
        (readers.analogies, "a b c d\n", "{} line 1: expected a section's name after a colon, found 'a b c d'"
         f"{DAMAGED}"),
        (readers.analogies, ": x\na b c\n", f"{{}} line 2: expected four words, found 'a b c'{DAMAGED}"),
    ],
)  # fmt: skip
def test_what_is_damaged_is_refused_by_its_line(
    reader: Reader, content: str | bytes, message: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "a", content)
    with pytest.raises(RequestError) as error:
        reader(path)
    assert str(error.value) == message.format(path)


@pytest.mark.parametrize(
    ("reader", "begins", "goes_on"),
    [
        (readers.pairs, "", "a\tb\t1\n"),
        (readers.synsets, "", "n1\ta, b\n"),
        (readers.umnsrs, "[", '{"term1": "a", "term2": "b", "value": 1},'),
        (readers.concepts, CONCEPTS, "0,a,b\n"),
    ],
)
def test_a_file_that_is_cut_short_is_refused(reader: Reader, begins: str, goes_on: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.xz", lzma.compress((begins + goes_on * 9999).encode())[:-8])
    with pytest.raises(RequestError, match=r"a\.xz is cut short: its \.xz stream has no end; fetch the file again"):
        reader(path)
    with pytest.raises(RequestError, match="no such file"):
        reader(tmp_path / "b.xz")
