"""A small student of every kind, with rows that it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from amalgam.labels import Tasks
from amalgam.signals import TensorRows
from amalgam.student import Student, build
from amalgam.tokens import Reading

LABELS = ("a", "b", "c", "d")
TASKS: Tasks = {"letter": LABELS[:3]}
GRAPH = {
    "root": "thing",
    "edges": {"thing": ["animal", "d"], "animal": ["a", "b", "c"]},
    "groups": {"kind": ["animal", "d"], "which": ["a", "b", "c"]},
    "labels": {"x": list(LABELS)},
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "blue", "green", "sky", "leaf", "##s", "the", "a"]
TEXTS = ["The sky", "red leafs and a blue sky, a green leaf", "a", "the the red sky", "leaf blue red", "a green sky"]
RESNET = {"name": "timm", "model": "resnet18", "arguments": {"layers": [1] * 4, "channels": [4, 4, 4, 8]}}


def series(count: int, steps: int = 11) -> Tensor:
    """Series of many lengths, with holes."""
    generator = torch.Generator().manual_seed(count)
    values = 4 + 3 * torch.randn(count, steps, 2, generator=generator)
    values[torch.rand(values.shape, generator=generator) < 0.15] = torch.nan
    lengths = torch.randint(1, steps + 1, (count,), generator=generator)
    values[torch.arange(steps) >= lengths[:, None]] = torch.nan
    values[:, 0, 0] = torch.arange(count).float()
    return values


def words(count: int, steps: int = 9) -> Tensor:
    """Numbers of the words of texts of many lengths."""
    generator = torch.Generator().manual_seed(count)
    values = torch.randint(0, len(WORDS), (count, steps, 1), generator=generator).float()
    values[torch.arange(steps) >= torch.randint(1, steps + 1, (count, 1), generator=generator)] = torch.nan
    return values


def plain(*shape: int) -> Callable[[int], Tensor]:
    return lambda count: 4 + 3 * torch.randn(count, *shape, generator=torch.Generator().manual_seed(count))


KINDS: dict[str, tuple[dict[str, Any], Callable[[int], Tensor]]] = {
    "label_chain": ({"name": "label_chain", "hidden": 5}, plain(6)),
    "mlp": ({"name": "mlp", "hidden": [5]}, plain(6)),
    "recurrent": ({"name": "recurrent", "hidden": 5, "layers": 2, "missing_channel": True}, series),
    "convolutional": ({"name": "convolutional", "channels": 6, "scale": "series"}, series),
    "text": ({"name": "text", "vectors": 99, "hidden": 5, "embedding": 4}, words),
    "path_decoder": (
        {"name": "path_decoder", "graph": GRAPH, "hidden": 4, "embedding": 3,
         "encoder": {"name": "text", "vectors": 99, "layers": 0, "embedding": 4, "pooling": "mean"}},
        words,
    ),
    "timm": (RESNET, plain(1, 12, 16)),
    "torchvision": ({"name": "torchvision", "model": "squeezenet1_1"}, plain(1, 32, 32)),
    "huggingface": ({"name": "huggingface", "model": "bert"}, words),
}  # fmt: skip


def made(kind: str, folder: Path) -> Student:
    """A student, with a task of three classes beside a label; of the model in a folder's `bert`."""
    spec, rows = KINDS[kind]
    if kind == "huggingface":
        spec = {**spec, "model": str(bert(folder / "bert"))}
    torch.manual_seed(0)
    some = rows(40)
    student = build(spec, tuple(some.shape[1:]), LABELS, "test")
    student.tasks = TASKS
    student.scaling.fit(TensorRows(values=some))
    if kind == "text":
        student.reading = Reading(longest=7)
    with torch.no_grad():  # far apart, so that decisions differ from row to row
        for weight in student.parameters():
            weight.mul_(2 if kind in ("text", "path_decoder", "recurrent") else 1)
    return student.eval()


def bert(folder: Path) -> Path:
    """A small BERT and its tokenizer."""
    from transformers import AutoConfig, AutoModel, BertTokenizerFast

    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    config = AutoConfig.for_model("bert", vocab_size=len(WORDS), max_position_embeddings=20, **small)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder
