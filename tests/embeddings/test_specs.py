"""What a user names as a source is found, and what is not there is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors

from amalgam.embeddings import Source, from_arrays
from amalgam.embeddings.specs import bundled, find, given
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError

VECTORS = np.array([[1, 2], [3, 4]], dtype=np.float32)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_HOME", str(tmp_path / "home"))


def told(source: Source) -> tuple[str, list[str], list[list[float]]]:
    return source.name, list(source.words), source.vectors.tolist()


def test_files_and_runs(tmp_path: Path) -> None:
    made = WordVectors(("a", "b"), VECTORS)
    made.write_word2vec(tmp_path / "news.bin", binary=True)
    (tmp_path / "run").mkdir()
    made.save(tmp_path / "run" / "student")
    assert told(find(f"{tmp_path}/news.bin")) == ("news", ["a", "b"], VECTORS.tolist())
    assert told(find(f"{tmp_path}/news.bin?form=binary&name=mine")) == ("mine", ["a", "b"], VECTORS.tolist())
    for folder in ("run", "run/student"):
        assert told(find(f"{tmp_path}/{folder}?name=meta")) == ("meta", ["a", "b"], VECTORS.tolist())


def test_a_source_tells_what_was_named_and_whose_terms_it_is_under(tmp_path: Path) -> None:
    made = WordVectors(("a", "b"), VECTORS)
    made.write_word2vec(tmp_path / "news.bin", binary=True)
    found = find(f"{tmp_path}/news.bin?license=cc-by-4.0&name=mine")
    assert (found.named, found.licence) == ("news.bin", "cc-by-4.0")
    made.save(tmp_path / "run" / "student")
    assert (find(f"{tmp_path}/run").named, find(f"{tmp_path}/run").licence) == ("run", None)
    (tmp_path / "run" / "README.md").write_text("---\nlicense: mit\n---\n")
    assert find(f"{tmp_path}/run").licence == "mit"
    in_memory = given(made, 1)
    assert (in_memory.named, in_memory.licence) == ("", None)


def test_whatever_of_gensims_is_offered_can_be_read() -> None:
    assert {"lee_fasttext.vec", "pang_lee_polarity_fasttext.vec"} <= set(bundled())
    assert all(len(find(f"gensim:{name}").words) > 0 for name in bundled())


def test_gensims_own() -> None:
    assert {"lee_fasttext.vec", "pang_lee_polarity_fasttext.vec"} <= set(bundled())
    assert find("gensim:lee_fasttext.vec").vectors.shape == (1762, 10)


def keyed() -> KeyedVectors:
    made = KeyedVectors(2)
    made.add_vectors(["a", "b"], VECTORS)
    return made


@pytest.mark.parametrize(
    "one",
    [from_arrays("source-3", ["a", "b"], VECTORS), WordVectors(("a", "b"), VECTORS), keyed(), (("a", "b"), VECTORS)],
    ids=lambda one: type(one).__name__,
)
def test_what_is_in_memory(one: Any) -> None:
    assert told(given(one, 3)) == ("source-3", ["a", "b"], VECTORS.tolist())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere.vec", "embeddings nowhere.vec: no such file, and AMALGAM_DATA names no folder"),
        (
            "a.vec?from=text",
            "source 'a.vec?from=text': unknown key 'from'; did you mean 'form'? (known: form, license, name)",
        ),
        ("a.vec?form=txt", "source 'a.vec?form=txt': form is 'txt', expected text, binary, npz"),
        (".", "{} holds no embedding (vectors.safetensors and words.txt); name a finished run"),
    ],
)
def test_what_is_not_there(spec: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AMALGAM_DATA", raising=False)
    with pytest.raises(RequestError) as error:
        given(spec, 1)
    assert str(error.value) == message.format(".")


@pytest.mark.parametrize("name", ["lee_fastext.vec", "../test_data/lee_fasttext.vec", "/etc/passwd"])
def test_no_path_leads_out_of_gensims_folder(name: str) -> None:
    with pytest.raises(RequestError, match="gensim brings no embeddings"):
        find(f"gensim:{name}")


def test_what_is_no_embedding() -> None:
    with pytest.raises(RequestError, match="source 2 is a int, expected a path"):
        given(7, 2)
