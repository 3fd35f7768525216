"""Files of embeddings: read as gensim reads them where it reads them rightly; what is odd is told or refused."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from gensim.test.utils import datapath

from amalgam.embeddings import Source, entries, from_arrays, lines, read
from amalgam.embeddings import binary as of_binary
from amalgam.errors import RequestError

WORDS = ("the", "of", "straße", "🙂")
VECTORS = np.array([[0.5, -1.25, 3e-5], [1, 2, 3], [-0.1, 0.2, 1e3], [7, 0, 0]], dtype=np.float32)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_HOME", str(tmp_path / "home"))


def text(words: tuple[str, ...] = WORDS, separator: str = " ", end: str = "\n", after: str = "") -> str:
    rows = (separator.join([word, *map(repr, map(float, row))]) for word, row in zip(words, VECTORS, strict=True))
    return "".join(f"{row}{after}{end}" for row in rows)


def binary(words: tuple[str, ...] = WORDS, between: bytes = b"\n", promised: int = 4) -> bytes:
    rows = (word.encode() + b" " + row.tobytes() + between for word, row in zip(words, VECTORS, strict=True))
    return f"{promised} 3\n".encode() + b"".join(rows)


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def same(source: Source, notes: tuple[str, ...] = ()) -> None:
    assert tuple(source.words) == WORDS
    assert np.array_equal(source.vectors, VECTORS)
    assert source.vectors.dtype == np.float32
    assert source.notes == notes


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("word2vec.txt", "4 3\n" + text()),
        ("glove.txt", text()),
        ("fasttext.vec", "4 3\n" + text(after=" ")),
        ("crlf.txt", text(end="\r\n")),
        ("tabs.txt", "4\t3\n" + text(separator="\t")),
        ("wide.txt", text(separator="  ")),
        ("no-end.txt", text().rstrip("\n")),
        ("blank-lines.txt", "4 3\n\n" + text(end="\n\n")),
        ("word2vec.bin", binary()),
        ("no-newlines.bin", binary(between=b"")),
    ],
)
@pytest.mark.parametrize("packed", ["", ".gz", ".xz"])
def test_every_form_says_the_same(name: str, content: str | bytes, packed: str, tmp_path: Path) -> None:
    pack: Callable[[bytes], bytes] = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[packed]
    path = written(tmp_path / f"{name}{packed}", pack(content if isinstance(content, bytes) else content.encode()))
    source = read(path)
    same(source)
    assert source.name == name.split(".")[0]


def test_arrays_are_a_source_in_a_file_and_in_memory(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", words=np.array(WORDS), vectors=VECTORS.astype(np.float64))
    same(read(tmp_path / "a.npz"))
    same(from_arrays("a", WORDS, VECTORS))
    assert from_arrays("a", WORDS, VECTORS).fingerprint != from_arrays("a", WORDS, 2 * VECTORS).fingerprint


@pytest.mark.parametrize("block", [1, 7, 64, 2**22])
def test_blocks_of_any_size_read_the_same(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_BLOCK", block)
    monkeypatch.setattr(of_binary, "_BLOCK", block)
    for name, content in (("a.txt", text()), ("b.vec", "4 3\n" + text()), ("c.bin", binary())):
        same(read(written(tmp_path / name, content)))


@pytest.mark.parametrize("name", ["lee_fasttext.vec", "pang_lee_polarity_fasttext.vec", "euclidean_vectors.bin"])
def test_gensims_own_files_are_read_as_gensim_reads_them(name: str) -> None:
    """But for words that are no UTF-8, of which one of them has a few; gensim's default refuses the file."""
    path, binary = datapath(name), name.endswith(".bin")
    theirs = KeyedVectors.load_word2vec_format(path, binary=binary, unicode_errors="replace")
    ours = read(Path(path))
    whole = [row for row, word in enumerate(theirs.index_to_key) if "\ufffd" not in word]
    assert list(ours.words) == [theirs.index_to_key[row] for row in whole]
    assert np.array_equal(ours.vectors, theirs.vectors[whole])
    assert bool(ours.notes) == (len(whole) < len(theirs))


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_rows_are_taken_in_the_order_asked_for(count: int, tmp_path: Path) -> None:
    path, draw = tmp_path / "many.txt", np.random.default_rng(0)
    vectors = draw.normal(size=(300, 3)).astype(np.float32)
    path.write_text("".join(f"w{place} {' '.join(map(repr, row.tolist()))}\n" for place, row in enumerate(vectors)))
    source, rows = read(path), draw.integers(300, size=count)
    assert isinstance(source.vectors, np.memmap)
    np.testing.assert_array_equal(source.taken(rows), vectors[rows])
    np.testing.assert_array_equal(source.taken(slice(count, 250)), vectors[count:250])


def test_it_is_read_once_and_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.txt", text())
    first = read(path, name="mine")
    assert isinstance(first.vectors, np.memmap)
    monkeypatch.setattr("amalgam.embeddings.source._convert", None)
    again = read(path)
    same(again)
    assert (first.name, again.name) == ("mine", "a")
    assert first.fingerprint == again.fingerprint


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("9 3\n" + text(), "its header promises 9 words, and it holds 4"),
        (text() + "of 1 1 1\nthe 2 2 2\n", "2 left out, there before: 'of' in line 5, 'the' in line 6"),
        (text() + "nil 0 0 0\n", "1 left out, a vector of zeros: 'nil' in line 5"),
        (
            "more nan 1 1\n" + text() + "less inf 1 1\nhuge 1e40 1 1\n",
            "3 left out, a vector that is not finite: 'more' in line 1, 'less' in line 6, 'huge' in line 7",
        ),
        (text() + " 1 2 3\n", "1 left out, no word: '' in line 5"),
        (text().encode() + b"caf\xe9 1 2 3\n", r"1 left out, no UTF-8 text: b'caf\xe9' in line 5"),
        (
            text() + "the 1 1 1\n" * 5,
            "5 left out, there before: 'the' in line 5, 'the' in line 6, 'the' in line 7, …",
        ),
    ],
)
def test_what_is_unfit_is_left_out_and_told(content: str | bytes, note: str, tmp_path: Path) -> None:
    same(read(written(tmp_path / "a.txt", content)), (note,))


def test_a_vector_that_is_not_finite_does_not_take_the_words_place(tmp_path: Path) -> None:
    source = read(written(tmp_path / "a.txt", "the nan 1\nof 1 2\nthe 3 4\n"))
    assert (source.words, source.vectors.tolist()) == (["of", "the"], [[1, 2], [3, 4]])


def test_words_keep_their_blanks(tmp_path: Path) -> None:
    """As GloVe's largest files have them; a place's name with a number is a name, too."""
    path = written(tmp_path / "a.txt", text(("New  York", "of", "a b c", "route\u00a066")))
    assert list(read(path).words) == ["New York", "of", "a b c", "route\u00a066"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (text() + "short 1 2\n", "{} line 5 has 2 numbers, expected 3 as in most lines; the line is damaged or the "
         "file cut short"),
        ("4 3\n" + text() + "long 1 2 3 4\n", "{} line 6 has 4 numbers, expected 3 as line 1 promises; the line is "
         "damaged or the file cut short"),
        ("4 5\n" + text(), "{} line 2 has 3 numbers, expected 5 as line 1 promises; the line is damaged or the file "
         "cut short"),
        (text() + "word\n", "{} line 5 has 0 numbers, expected 3 as in most lines; the line is damaged or the file cut "
         "short"),
        (text() + "odd 1 two 3\n", "{} line 5: value 2 of 'odd' is 'two', expected a number"),
        (text() + "odd 1 2 3,5\n", "{} line 5: value 3 of 'odd' is '3,5', expected a number"),
        ("4 0\n" + text(), "{} line 1 promises vectors of 0 numbers; a vector has at least one"),
        ("", "{} has no word that is fit for use: it is empty"),
        ("a b c\n", "{} line 1: value 1 of 'a' is 'b', expected a number"),
        ("only\n", "{} holds no embeddings: a line is a word and its numbers, with blanks between"),
        ("a 0 0\nb nan 1\n", "{} has no word that is fit for use: 1 left out, a vector of zeros: 'a' in line 1; 1 left "
         "out, a vector that is not finite: 'b' in line 2"),
        (binary()[:-3], "{} is cut short: its header promises 4 words, and it ends within entry 4; fetch the file "
         "again"),
        (binary(promised=5), "{} is cut short: its header promises 5 words, and it ends within entry 5; fetch the file "
         "again"),
        (binary(promised=3), "{} goes on after the 3 words that its header promises; its header or the form it is read "
         "as is wrong"),
        (b"4 3\n" + b"\x00\xff" * 3000, "{} is damaged: entry 1 is no word that ends within 4096 bytes"),
        (b"\x80\x04\x95", "{} is a pickle, which runs code when it is read; write it as word2vec does, with gensim's "
         "`KeyedVectors.save_word2vec_format`, and name that file"),
        ((793712314).to_bytes(4, "little") + b"\x0c\0\0\0", "{} is fastText's own model; name the .vec file beside it, "
         "which has the vectors"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_its_line(content: str | bytes, message: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.vectors", content)
    with pytest.raises(RequestError) as error:
        read(path)
    assert str(error.value) == message.format(path)
    assert not list((tmp_path / "home").glob("vectors/[!.]*/"))


@pytest.mark.parametrize("between", [b"\n", b""])
def test_several_words_in_binary_are_not_read_as_numbers(between: bytes, tmp_path: Path) -> None:
    """Nothing tells where `new york` ends: `york` would be numbers, and all that follows it shifted."""
    path = written(tmp_path / "a.bin", binary(("the", "new york", "of", "to"), between))
    with pytest.raises(RequestError, match=r"entry 3 begins with b'.*', which is no word; the one before it may be of"):
        read(path)


def test_two_wrong_lines_do_not_make_a_right_one(tmp_path: Path) -> None:
    """One number too many here and one too few there are as many as there should be."""
    path = written(tmp_path / "a.txt", text() + "long 1 2 3 4\nshort 1 2\n")
    with pytest.raises(RequestError, match="line 5 has 4 numbers"):
        read(path)


def test_a_form_can_be_told(tmp_path: Path) -> None:
    """A file of one word is too little to know it by; and what is no binary file is not read as one."""
    path = written(tmp_path / "a.bin", b"1 1\nx \x00\x00\x80\x3f")
    assert read(path, form="binary").vectors.tolist() == [[1.0]]
    with pytest.raises(RequestError, match="word2vec's binary form begins with two numbers"):
        read(written(tmp_path / "b.bin", text()), form="binary")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"words": np.array(["a"])}, "vectors is not a file in the archive"),
        (
            {"words": np.array([1, 2]), "vectors": np.ones((2, 3))},
            "expected words as text, and a row of numbers",
        ),
        (
            {"words": np.array(["a"]), "vectors": np.ones((2, 3))},
            "expected words as text, and a row of numbers",
        ),
        ({"words": np.array(["a"], dtype=object), "vectors": np.ones((1, 3))}, "allow_pickle=False"),
        ({"words": np.array(["a"]), "vectors": np.array([["x"]])}, "expected words as text, and a row of numbers"),
    ],
)
def test_arrays_that_are_no_embeddings_are_refused(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(RequestError) as error:
        read(tmp_path / "a.npz")
    assert message in str(error.value)


def test_a_source_in_memory_is_sifted_too() -> None:
    source = from_arrays("mine", ["a", "a", "b", "c"], np.array([[1, 2], [3, 4], [0, 0], [5, 6]]))
    assert (tuple(source.words), source.vectors.tolist()) == (("a", "c"), [[1, 2], [5, 6]])
    assert source.notes == (
        "1 left out, there before: 'a' in entry 2", "1 left out, a vector of zeros: 'b' in entry 3",
    )  # fmt: skip
    for wrong in (np.ones((2, 2)), np.array([["1", "2"]])):
        with pytest.raises(RequestError, match=r"has 1 words and vectors of the type .*; expected a row of numbers"):
            from_arrays("mine", ["a"], wrong)


def test_a_line_break_within_a_word_is_told_and_shifts_no_other(tmp_path: Path) -> None:
    """`words.txt` has a word a line; what reads it may take a carriage return for its end, too."""
    broken = ("a\nb", "the", "c\rd", "of")
    np.savez(tmp_path / "a.npz", words=np.array(broken), vectors=VECTORS)
    for source in (from_arrays("mine", broken, VECTORS), read(tmp_path / "a.npz")):
        assert list(source.words) == ["the", "of"]
        assert np.array_equal(source.vectors, VECTORS[[1, 3]])
        assert source.notes == (r"2 left out, a line break within the word: 'a\nb' in entry 1, 'c\rd' in entry 3",)
    source = read(written(tmp_path / "b.txt", "the 1 2\nfoo\rbar 3 4\nof 5 6\n"))
    assert (list(source.words), source.vectors.tolist()) == (["the", "of"], [[1, 2], [5, 6]])


@pytest.mark.parametrize(
    "content",
    [
        "extraordinarily 0.5 0.7\nunbelievable 0.1 0.2\n",  # mostly letters; its bytes would be singles, too
        "привет 0.5 0.7\nмир 0.1 0.2\n",
        "a 0.5 0.7\nunbelievably_long_words_" + "x" * 400 + " 0.1 0.2\n",
    ],
)
def test_text_of_few_numbers_is_text(content: str, tmp_path: Path) -> None:
    numbers = np.array([[0.5, 0.7], [0.1, 0.2]], dtype=np.float32)
    assert np.array_equal(read(written(tmp_path / "a.vec", "2 2\n" + content)).vectors, numbers)


def test_text_of_many_numbers_is_text(tmp_path: Path) -> None:
    """More of them than the beginning that a file is known by."""
    wide = np.random.default_rng(0).normal(size=(2, 2000)).astype(np.float32)
    content = "".join(f"{word} {' '.join(map(repr, row.tolist()))}\n" for word, row in zip("ab", wide, strict=True))
    assert np.array_equal(read(written(tmp_path / "a.vec", "2 2000\n" + content)).vectors, wide)


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path: Path) -> None:
    for number, head in enumerate(("", "4 3\n")):
        same(read(written(tmp_path / f"a{number}.txt", "\ufeff" + head + text())))


def test_blank_lines_of_any_kind_are_none(tmp_path: Path) -> None:
    same(read(written(tmp_path / "a.txt", text(end="\r\n") + "\r\n   \r\n")))


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_compressed_arrays_are_read(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", words=np.array([word.encode() for word in WORDS]), vectors=VECTORS)
    ending = {gzip.compress: ".gz", lzma.compress: ".xz"}[pack]
    same(read(written(tmp_path / f"b.npz{ending}", pack((tmp_path / "a.npz").read_bytes()))))


def test_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file"):
        read(tmp_path / "a.txt")


def test_the_sieve_holds_little(tmp_path: Path) -> None:
    """Its blocks pass one by one, whatever their number."""
    sieve = entries.Sieve("line")
    passed = sieve.fit(entries.Block([b"%d" % n], np.ones((1, 2), np.float32), [n]) for n in range(3))
    assert next(passed)[0] == ["0"]
    assert sieve.count == 1
