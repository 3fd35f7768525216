"""A small BERT, made here: its own tokenizer's numbers, masks, weights from a folder, and back without the hub."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import amalgam
from amalgam import datasets, edge
from amalgam.datasets import DataOptions
from amalgam.errors import RequestError
from amalgam.report import Known, Report
from amalgam.signals import TensorRows
from amalgam.student import build
from amalgam.tokens import Reading, copy_tokenizer, same_tokenizer

pytest.importorskip("transformers")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "blue", "green", "sky", "leaf", "##s", "the", "a"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import AutoConfig, AutoModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    made = AutoModel.from_config(
        AutoConfig.for_model("bert", vocab_size=len(WORDS), max_position_embeddings=20, **small)
    )
    made.save_pretrained(folder)
    return folder


def student(model: Path, steps: int = 8, **settings: Any) -> Any:
    torch.manual_seed(0)
    return build({"name": "huggingface", "model": str(model), **settings}, (steps, 1), ("a", "b"), "test").eval()


def test_texts_are_read_by_the_models_tokenizer(model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("t,y\nThe sky,1\nred leafs and a sky,0\n")
    options = DataOptions(text=("t",), labels=("y",), tokenizer=str(model), longest=5)
    loaded = datasets.load(str(tmp_path / "x.csv"), options)
    place = {word: number for number, word in enumerate(WORDS)}
    first = [place[one] for one in ("[CLS]", "the", "sky", "[SEP]")]
    second = [place[one] for one in ("[CLS]", "red", "leaf", "##s", "[SEP]")]
    np.testing.assert_array_equal(loaded.rows.inputs(slice(None))[..., 0], [[*first, np.nan], second])
    assert loaded.notes[0].startswith("1 of 2 texts have more than 5 words")
    assert Reading(9, str(model)).read(["?", "sky"]).numbers == [[], [place["[CLS]"], place["sky"], place["[SEP]"]]]


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_features_are_the_models_states(model: Path, pooling: str) -> None:
    from transformers import AutoModel, AutoTokenizer

    texts = ["the sky", "red leafs a a blue sky"]
    own = student(model, pooling=pooling)
    with torch.no_grad():
        said = AutoModel.from_pretrained(model).eval()(
            **AutoTokenizer.from_pretrained(model)(texts, padding=True, return_tensors="pt")
        )
    states = said.last_hidden_state
    wanted = states[:, 0] if pooling == "first" else torch.stack([states[0, :4].mean(0), states[1].mean(0)])
    found = own.each(texts, lambda output: output.features)[0]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_it_is_read_back_without_its_folder(model: Path, tmp_path: Path) -> None:
    own = student(model)
    own.save(tmp_path / "student")
    rows = torch.tensor([[2.0, 5, 3, torch.nan], [2, 6, 8, 3]])[..., None]
    wanted = own.logits(rows)
    config = (tmp_path / "student" / "config.json").read_text()
    (tmp_path / "student" / "config.json").write_text(config.replace(str(model), str(tmp_path / "gone")))
    torch.testing.assert_close(amalgam.load(tmp_path / "student").logits(rows), wanted)


GRAPH = {"root": "r", "edges": {"r": ["a", "b"]}, "groups": {"g": ["a", "b"]}, "labels": {"x": ["a", "b"]}}


@pytest.mark.parametrize("kind", ["huggingface", "path_decoder"])
def test_what_is_published_tells_no_path_of_this_machine_and_reads_texts_elsewhere(
    kind: str, model: Path, tmp_path: Path
) -> None:
    home, texts = tmp_path / "secret" / "bert", ["the sky", "red leafs"]
    shutil.copytree(model, home)
    named = {"name": "huggingface", "model": str(home)}
    spec = named if kind == "huggingface" else {"name": kind, "graph": GRAPH, "encoder": named}
    torch.manual_seed(0)
    own = build(spec, (8, 1), ("a", "b"), "test").eval()
    own.reading = Reading(8, str(home))
    wanted = own.logits(texts)
    own.save(tmp_path / "run" / "student")
    told = Known.of(own, kind)
    Report(recipe="sky", strategy="kd", created="2026", student=told, teachers=(), export={"a": 1}).write(
        tmp_path / "run"
    )
    loaded = amalgam.load(tmp_path / "run")
    loaded.export(tmp_path / "run" / "student.onnx", np.full((3, 8, 1), 5.0, np.float32))
    loaded.refuse(TensorRows(values=torch.full((3, 8, 1), 12.0), texts=Reading(tokenizer=str(home)), name="x.csv"))

    made = loaded.save_pretrained(tmp_path / "made")
    shutil.rmtree(home.parent)
    shutil.rmtree(tmp_path / "run")
    written = {path.relative_to(made).as_posix(): path.read_bytes() for path in made.rglob("*") if path.is_file()}
    assert {"config.json", "student.onnx", "README.md", "report.json", "tokenizer/tokenizer.json"} <= set(written)
    assert [name for name, content in written.items() if b"secret" in content or bytes(tmp_path) in content] == []
    again = amalgam.load(made)
    torch.testing.assert_close(again.logits(texts), wanted)
    np.testing.assert_allclose(edge.Student(made / "student.onnx").logits(texts), wanted.numpy(), atol=1e-5)

    shutil.rmtree(made / "tokenizer")
    with pytest.raises(RequestError, match=r"no copy of it lies in `tokenizer` beside the file; .*tokenizer=FOLDER"):
        edge.Student(made / "student.onnx").logits(texts)
    light = edge.Student(made / "student.onnx", tokenizer=str(model))
    np.testing.assert_allclose(light.logits(texts), wanted.numpy(), atol=1e-5)
    with pytest.raises(RequestError, match=r"the tokenizer in .*tokenizer, which is gone, and whoever gets the"):
        again.save_pretrained(tmp_path / "another")


def test_tokenizers_are_the_same_that_number_texts_alike(model: Path, tmp_path: Path) -> None:
    copy_tokenizer(str(model), tmp_path)
    Reading(3, str(model)).read(["a sky and another"])  # how much it read last does not count
    assert same_tokenizer(str(model), str(tmp_path))
    assert same_tokenizer(None, None)
    assert not same_tokenizer(None, str(model))
    other = tmp_path / "other"
    shutil.copytree(tmp_path, other)
    (other / "tokenizer.json").write_text((other / "tokenizer.json").read_text().replace('"leaf"', '"loaf"'))
    assert not same_tokenizer(str(model), str(other))


def test_it_is_an_encoder_of_a_path_decoder(model: Path) -> None:
    spec = {"name": "path_decoder", "graph": GRAPH, "encoder": {"name": "huggingface", "model": str(model)}}
    own = build(spec, (8, 1), ("a", "b"), "test")
    assert own.logits(["the sky", "red"]).shape == (2, 2)
    assert own.settings.encoder["pretrained"] is False  # type: ignore[attr-defined]  # it is read back without the hub
    own(torch.full((2, 8, 1), 5.0)).prefixes.sum().backward()
    assert own.encoder.network.embeddings.word_embeddings.weight.grad is not None  # type: ignore[union-attr]


def test_what_is_refused(model: Path, tmp_path: Path) -> None:
    hashed = TensorRows(values=torch.full((3, 8, 1), 12345.0), texts=Reading(), name="x.csv")
    with pytest.raises(RequestError, match=r"texts of x.csv were read by hashing words, and the student hugg"):
        student(model).refuse(hashed)
    student(model).refuse(TensorRows(values=torch.full((3, 8, 1), 12.0), texts=Reading(tokenizer=str(model))))
    with pytest.raises(
        RequestError, match=r"reads 20 parts of words at most, and the texts have 21; .* `longest` to 20"
    ):
        student(model, steps=21)
    assert not student(model).accepts((21, 1))
    with pytest.raises(RequestError, match=r"no model '.*nowhere'"):
        student(tmp_path / "nowhere")
    with pytest.raises(RequestError, match=r"no tokenizer '.*nowhere'"):
        Reading(5, str(tmp_path / "nowhere")).read(["a"])
    with pytest.raises(RequestError, match="the student huggingface reads texts"):
        build({"name": "huggingface", "model": str(model)}, (64,), ("a",), "test")


def test_without_transformers_it_says_what_to_install(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(RequestError, match=r"needs transformers; install amalgam\[text\]"):
        student(model)
    with pytest.raises(RequestError, match=r"needs transformers; install amalgam\[text\]"):
        Reading(5, "another").read(["a"])
