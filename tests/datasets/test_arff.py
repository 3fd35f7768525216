"""Reading ARFF: a round trip through files written here, and every complaint whole."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amalgam.datasets import arff
from amalgam.errors import RequestError

COMPRESS = {"": bytes, ".xz": lzma.compress, ".bz2": bz2.compress, ".gz": gzip.compress}

names = st.text(st.sampled_from("abz019 ,'\"\\{}%?-\t@äß"), min_size=1, max_size=8)
numbers = st.one_of(st.none(), st.floats(width=32, allow_nan=False, allow_infinity=False))


def quote(text: str, mark: str) -> str:
    """A name or value as Weka writes it."""
    for plain, escaped in (("\\", "\\\\"), (mark, f"\\{mark}"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return f"{mark}{text}{mark}"


@st.composite
def files(draw: Any) -> tuple[list[tuple[str, list[str] | None]], list[list[Any]], str, bool]:
    """Attributes (name, nominal values or None), rows (numbers, places of values, None), their text, sparse or not."""
    mark = draw(st.sampled_from("'\""))
    columns = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    values = st.one_of(st.none(), st.lists(names.filter(lambda text: text != "?"), min_size=1, max_size=3, unique=True))
    attributes = [(name, draw(values)) for name in columns]
    sparse = draw(st.booleans())
    space = draw(st.sampled_from(["", " ", " \t "]))
    lines, rows = [], []
    for _ in range(draw(st.integers(1, 5))):
        row, cells = [], []
        for place, (_, declared) in enumerate(attributes):
            if sparse and draw(st.booleans()):
                row.append(0)
                continue
            value = draw(numbers if declared is None else st.one_of(st.none(), st.integers(0, len(declared) - 1)))
            row.append(value)
            cell = "?" if value is None else repr(value) if declared is None else quote(declared[value], mark)
            cells.append(f"{place} {cell}" if sparse else cell)
        rows.append(row)
        joined = f"{space},{space}".join(cells)
        lines.append(f"{{{joined}}}" if sparse else joined)
    kinds = ["NUMERIC" if v is None else "{" + f",{space}".join(quote(x, mark) for x in v) + "}" for _, v in attributes]
    header = [f"@ATTRIBUTE {quote(name, mark)} {kind}" for (name, _), kind in zip(attributes, kinds, strict=True)]
    text = "\n".join(["% a comment", "@Relation 'it\\'s -C 1'", "", *header, "@DATA", "% more", "", *lines, ""])
    return attributes, rows, text, sparse


@settings(max_examples=150, deadline=None)
@given(files(), st.sampled_from(list(COMPRESS)))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, file: Any, suffix: str) -> None:
    attributes, rows, text, _ = file
    path = tmp_path_factory.mktemp("arff") / f"x.arff{suffix}"
    path.write_bytes(COMPRESS[suffix](text.encode()))
    read = arff.read(path)
    assert read.relation == "it's -C 1"
    assert [(one.name, list(one.values)) for one in read.attributes] == [(n, v or []) for n, v in attributes]
    expected = np.array([[np.nan if cell is None else cell for cell in row] for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(read.codes, expected)
    written = text.split("\n")
    assert [written[line - 1] for line in read.lines] == written[-1 - len(rows) : -1]


def test_blocks_and_lines_join_up(tmp_path: Path) -> None:
    path = tmp_path / "x.arff"
    path.write_text(
        "@relation r\n@attribute a real\n@data\n" + "".join(f"%\n{row}\n" for row in range(arff._BLOCK + 9))
    )
    read = arff.read(path)
    np.testing.assert_array_equal(read.codes[:, 0], np.arange(arff._BLOCK + 9))
    np.testing.assert_array_equal(read.lines, 5 + 2 * np.arange(arff._BLOCK + 9))


def test_dense_and_sparse_rows_may_stand_together(tmp_path: Path) -> None:
    path = tmp_path / "x.arff"
    path.write_text("@relation r\n@attribute a real\n@attribute b real\n@data\n1,2\n{1 3}\n{}\n4,5\n")
    np.testing.assert_array_equal(arff.read(path).codes, [[1, 2], [0, 3], [0, 0], [4, 5]])


def test_a_skipped_attribute_may_be_of_any_type(tmp_path: Path) -> None:
    path = tmp_path / "x.arff"
    path.write_text("@relation r\n@attribute who string\n@attribute a real\n@data\n'Ann, B.',2\n")
    read = arff.read(path, skip=["who"])
    assert [one.kind for one in read.attributes] == ["skipped", "numeric"]
    np.testing.assert_array_equal(read.codes, [[np.nan, 2]])


HEAD = "@relation r\n@attribute a numeric\n@attribute b {red, green}\n@data\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + "1,red\n2\n",
            "{} line 6 has 1 values, expected 2, one for each attribute; the line is damaged or the file cut short",
        ),
        (
            HEAD + "1,red,3\n",
            "{} line 5 has 3 values, expected 2, one for each attribute; the line is damaged or the file cut short",
        ),
        (
            HEAD + "1,red\n% why\n2,gren\n",
            "{} line 7: attribute 'b' has no value 'gren'; did you mean 'green'? (declared: 'red', 'green')",
        ),
        (HEAD + "1,red\nx,red\n", "{} line 6: attribute 'a' is 'x', expected a number, or ? for a missing value"),
        (HEAD + "{0 x}\n", "{} line 5: attribute 'a' is 'x', expected a number, or ? for a missing value"),
        (HEAD + "{0 1}\n{0 1,2 red}\n", "{} line 6: no attribute at place '2'; places are 0 to 1"),
        (HEAD + "{-1 1}\n", "{} line 5: no attribute at place '-1'; places are 0 to 1"),
        (HEAD + "{0 1}\n{b red}\n", "{} line 6: no attribute at place 'b'; places are 0 to 1"),
        (HEAD + "{0 1,1}\n", "{} line 5: a sparse row is pairs of place and value, `{{0 1.5,7 2}}`"),
        (HEAD + "{0 1,0 2}\n", "{} line 5: place 0 is given twice; leave one"),
        (
            HEAD + "{0 1}\n{0 1,1 re",
            "{} line 6 has no closing brace; the line is damaged or the file cut short",
        ),
        (HEAD, "{} has no rows after @data: it is empty or cut short"),
        ("@relation r\n@attribute a numeric\n", "{} has no @data line: it is cut short, or no ARFF file"),
        ("", "{} has no @data line: it is cut short, or no ARFF file"),
        ("a,b\n1,2\n", "{} line 1: expected @relation or @attribute, found 'a,b'"),
        ("@relation r\n@attribute a real\n1\n", "{} line 3: expected @relation, @attribute or @data, found '1'"),
        ("@relation r\n@data\n1\n", "{} line 2: expected @relation or @attribute, found '@data'"),
        ("@relation r\n@attribute a\n", "{} line 2: expected `@attribute NAME TYPE`, found '@attribute a'"),
        (
            "@relation r\n@attribute a real\n@attribute 'a' real\n@data\n",
            "{} line 3: a second attribute 'a'; rename one of them",
        ),
        (
            "@relation r\n@attribute a {x,y,x}\n@data\n",
            "{} line 2: attribute 'a' declares the same value twice; leave one",
        ),
        (
            "@relation r\n@attribute a string\n@data\nx\n",
            "{} line 2: attribute 'a' is of type 'string', expected numeric or nominal; leave it out with the data "
            "option `drop`",
        ),
    ],
)
def test_complaints_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.arff"
    path.write_text(text)
    with pytest.raises(RequestError, match=f"^{re.escape(message.format(path))}$"):
        arff.read(path)


def test_a_row_that_is_wrong_in_a_late_block_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.arff"
    path.write_text(HEAD + "1,red\n" * arff._BLOCK + "1,blue\n")
    message = f"{path} line {arff._BLOCK + 5}: attribute 'b' has no value 'blue' (declared: 'red', 'green')"
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        arff.read(path)


@pytest.mark.parametrize("suffix", [".xz", ".bz2", ".gz"])
def test_a_compressed_file_cut_short_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.arff{suffix}"
    packed = COMPRESS[suffix]((HEAD + "".join(f"{row},red\n" for row in range(3000))).encode())
    path.write_bytes(packed[: len(packed) // 2])
    message = f"{path} is cut short: its {suffix} stream has no end; fetch the file again"
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        arff.read(path)


@pytest.mark.parametrize(
    ("suffix", "said"),
    [
        (".xz", "is damaged (Input format not supported by decoder); fetch the file again"),
        (".bz2", "cannot be read: Invalid data stream"),
        (".gz", "is damaged (Not a gzipped file (b'@r')); fetch the file again"),
    ],
)
def test_a_file_that_is_not_compressed_as_it_says_is_named(tmp_path: Path, suffix: str, said: str) -> None:
    path = tmp_path / f"x.arff{suffix}"
    path.write_text(HEAD + "1,red\n")
    with pytest.raises(RequestError, match=f"^{re.escape(f'{path} {said}')}$"):
        arff.read(path)


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.arff"
    path.write_bytes(HEAD.encode() + b"1,gr\xfcn\n")
    with pytest.raises(
        RequestError, match=f"^{re.escape(str(path))} is not UTF-8 text \\(invalid start byte\\); convert"
    ):
        arff.read(path)
    with pytest.raises(RequestError, match=f"^data {re.escape(str(tmp_path / 'y.arff'))}: no such file$"):
        arff.read(tmp_path / "y.arff")
