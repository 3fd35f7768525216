"""Texts from ZIP files, read in memory, and from CSV."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from amalgam.errors import RequestError
from amalgam.wordtests import corpora

from .words import written

MEMBERS = {"m/a": "good", "m/b": "bad"}


def packed(path: Path, contents: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def test_a_line_is_a_text_and_nothing_is_extracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(
        tmp_path / "a.zip", {"m/b": "poor .\n", "m/a": "fine . \r\n\nit\x85is \u2019good\n", "m/README": "?\n"}
    )
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = corpora.sentences(path, MEMBERS)
    assert found.texts == ("fine . ", "it\x85is \u2019good", "poor .")
    assert found.classes == ("good", "good", "bad")
    assert {one.name for one in tmp_path.rglob("*")} == {"a.zip", "here"}


def test_a_review_is_what_its_element_holds(tmp_path: Path) -> None:
    lines = "  <Pros>easy & <b>nice</b></Pros>\n\n<Pros></Pros>\n"
    path = packed(tmp_path / "a.zip", {"m/a": lines, "m/b": "\t<Cons>slow &amp;amp; big</Cons> \n"})
    found = corpora.reviews(path, MEMBERS)
    assert found.texts == ["easy & <b>nice</b>", "", "slow &amp;amp; big"]
    assert found.classes == ["good", "good", "bad"]


def test_tweets_may_have_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'airline_sentiment,text\nneutral,"@a said ""no"",\nand went"\npositive,yes\n')
    found = corpora.tweets(path)
    assert found.texts == ['@a said "no",\nand went', "yes"]
    assert found.classes == ["neutral", "positive"]
    with pytest.raises(RequestError, match="line 3: expected 'airline_sentiment,text', found 'positive,'"):
        corpora.tweets(written(tmp_path / "b.csv", "airline_sentiment,text\nneutral,a\npositive,\n"))


def test_what_is_damaged_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"

    def message() -> str:
        with pytest.raises(RequestError) as error:
            corpora.reviews(path, MEMBERS)
        return str(error.value)

    assert message() == f"data {path}: no such file"
    written(path, "no archive")
    assert message() == f"{path} is damaged or no ZIP file (File is not a zip file); fetch the file again"
    packed(path, {"m/a": "<Pros>x</Pros>\n"})
    assert message() == f"{path} has no member m/b"
    packed(path, {"m/a": "<Pros>x</Pros>\n<Pros>y\n"})
    assert message() == f"{path}: m/a line 2: expected an element <Pros> or <Cons>, found '<Pros>y'"
    packed(path, {"m/a": "<Pros>x</Pros>\n", "m/b": b"<Cons>a</Cons>\n<Cons>caf\xe9</Cons>\n"})
    assert message() == f"{path}: m/b line 2 is not UTF-8 text (invalid continuation byte)"
    packed(path, {"m/a": "<Pros>x</Pros>\n", "m/b": "\n"})
    assert message() == f"{path}: m/b has no text"
    packed(path, {"m/a": "<Pros>x</Pros>\n" * 99})
    damaged = bytearray(path.read_bytes())
    damaged[40] ^= 0xFF
    written(path, bytes(damaged))
    assert message().startswith(f"{path} is damaged or no ZIP file (")
    monkeypatch.setattr(corpora, "_LARGEST", 100)
    packed(path, {"m/a": "<Pros>x</Pros>\n" * 99})
    assert message() == f"{path}: m/a is larger than 100 bytes, too large for memory"
