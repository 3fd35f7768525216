"""SimME through the shared trainer: it learns, holds pairs out, goes on where it stopped, and touches few rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from amalgam.embeddings import Lexicon, align, from_arrays
from amalgam.embeddings.maskout import all_pairs
from amalgam.embeddings.model import Embedding
from amalgam.embeddings.relations import Relations, groups_of, units
from amalgam.errors import RequestError
from amalgam.progress import Silent
from amalgam.signals import TensorRows
from amalgam.training.settings import Training
from amalgam.training.trainer import Fit, fit

TRAINING = Training(
    epochs=6, batch_size=16, optimizer="sgd", momentum=0.0, learning_rate=40.0, clip_norm=None, patience=None,
    validation=0.5, keep="last", threads=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    """Two sources of 48 words each, 32 in common, rotations of one space seen with a little noise."""
    draw = np.random.default_rng(2)
    space = draw.normal(size=(64, 5))
    words = [f"w{number}" for number in range(64)]

    def seen(which: slice, noise: float) -> np.ndarray[Any, Any]:
        turned = space[which] @ np.linalg.qr(draw.normal(size=(5, 5)))[0]
        return (turned + noise * draw.normal(size=turned.shape)).astype(np.float32)

    return align(
        [
            from_arrays("a", words[:48], seen(slice(0, 48), 0.05)),
            from_arrays("b", words[16:], seen(slice(16, 64), 0.05)),
        ]
    )


def trained(lexicon: Lexicon, settings: Training, folder: Path | None = None, **more: Any) -> tuple[Embedding, Fit]:
    torch.manual_seed(0)
    model, rows = Embedding(64, 5), torch.arange(64)[:, None]
    relations = Relations(lexicon, rows, groups=groups_of(64))
    found = fit(
        model, TensorRows(values=rows), relations, all_pairs, settings,
        seed=0, accelerator=Accelerator(cpu=True), held=relations.held_out(), folder=folder, **more,
    )  # fmt: skip
    return model, found


def test_it_learns_what_the_sources_say_and_pairs_it_never_saw(lexicon: Lexicon) -> None:
    _, found = trained(lexicon, TRAINING.model_copy(update={"epochs": 60}))
    assert found.rows == 64
    assert found.history[-1]["loss"] < 0.15 * found.history[0]["loss"]
    assert found.history[-1]["validation"] < 0.3 * found.history[0]["validation"]


def test_the_last_weights_are_kept() -> None:
    """Where the best are others: of noise, what is held out cannot be learned."""
    draw, words = np.random.default_rng(0), [f"w{number}" for number in range(64)]
    noise = align([from_arrays(name, words, draw.normal(size=(64, 4)).astype(np.float32)) for name in "ab"])
    settings = TRAINING.model_copy(update={"epochs": 12, "learning_rate": 5.0})
    last, found = trained(noise, settings)
    best, again = trained(noise, settings.model_copy(update={"keep": "best"}))
    assert found.best_epoch == again.best_epoch < 12
    shorter, _ = trained(noise, settings.model_copy(update={"epochs": found.best_epoch}))
    assert torch.equal(best.weight, shorter.weight)
    assert not torch.equal(last.weight, best.weight)


def test_of_what_nothing_is_held_out_the_training_is_measured(lexicon: Lexicon) -> None:
    """The groups of these words are such that no two are opposite; a loss of nothing is not 0."""
    torch.manual_seed(0)
    model, rows = Embedding(64, 5), torch.arange(64)[:, None]
    relations = Relations(lexicon, rows, groups=torch.ones(64, dtype=torch.uint8))
    found = fit(
        model, TensorRows(values=rows), relations, all_pairs, TRAINING,
        seed=0, accelerator=Accelerator(cpu=True), held=relations.held_out(),
    )  # fmt: skip
    assert [one["validation"] for one in found.history] == [one["loss"] for one in found.history]


def test_a_few_rows_change(lexicon: Lexicon) -> None:
    torch.manual_seed(0)
    before = Embedding(64, 5)
    model, _ = trained(lexicon, TRAINING.model_copy(update={"epochs": 1}))
    assert bool((model.weight != before.weight).any(1).all())  # in an epoch every word has its turn
    model.bias.requires_grad_(False)
    model.zero_grad()
    sight = Relations(lexicon, torch.arange(64)[:, None]).at(torch.tensor([3, 9, 40]))
    all_pairs(model(sight.words), sight).sum.backward()
    assert model.weight.grad is not None
    assert model.weight.grad.is_sparse
    assert sorted(model.weight.grad.coalesce().indices()[0].tolist()) == [3, 9, 40]


def test_a_stopped_training_goes_on_bit_for_bit(lexicon: Lexicon, tmp_path: Path) -> None:
    class Stop(Silent):
        """Interrupts after so many batches."""

        left = 9

        def advance(self, rows: int, note: str = "") -> None:
            """One batch."""
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    settings = TRAINING.model_copy(update={"checkpoint_seconds": 0.0})
    whole, _ = trained(lexicon, settings)
    with pytest.raises(KeyboardInterrupt):
        trained(lexicon, settings, tmp_path, progress=Stop())
    resumed, found = trained(lexicon, settings, tmp_path)
    assert found.resumed_at is not None
    assert torch.equal(resumed.weight, whole.weight)
    assert torch.equal(resumed.bias, whole.bias)


def test_progress_counts_pairs(lexicon: Lexicon) -> None:
    class Watch(Silent):
        """Remembers what it was told."""

        total, unit, done = 0, "", 0

        def step(self, name: str, total: int, unit: str = "rows") -> Any:
            """The step."""
            self.total, self.unit = total, unit
            return super().step(name, total, unit)

        def advance(self, rows: int, note: str = "") -> None:
            """Some pairs."""
            self.done += rows

    watch = Watch()
    trained(lexicon, TRAINING, progress=watch, count=lambda words: words * (words - 1) // 2, unit="pairs")
    assert (watch.total, watch.unit, watch.done) == (6 * 4 * 120, "pairs", 6 * 4 * 120)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"optimizer": "adam"}, "training.optimizer is adam"),
        ({"momentum": 0.9}, "training.momentum is 0.9"),
        ({"weight_decay": 0.1}, "training.weight_decay is 0.1"),
        ({"clip_norm": 5.0}, "training.clip_norm is 5.0"),
    ],
)
def test_what_would_touch_every_row_is_refused(change: dict[str, object], says: str, lexicon: Lexicon) -> None:
    with pytest.raises(RequestError, match=says):
        trained(lexicon, TRAINING.model_copy(update=change))


def test_the_cosines_are_those_of_the_space(lexicon: Lexicon) -> None:
    """Of words that only one source knows each, no source says anything; the others they share tell it nearly."""
    model, _ = trained(lexicon, TRAINING.model_copy(update={"epochs": 150, "schedule": "cosine"}))
    own = units(model.vectors())
    a, b = ({word: row for word, row in zip(one.words, one.vectors, strict=True)} for one in lexicon.sources)
    first, second = (units(torch.from_numpy(np.stack([one[f"w{n}"] for n in range(16, 48)]))) for one in (a, b))
    places = [lexicon.words.index(f"w{number}") for number in range(16, 48)]
    error = (own[places] @ own[places].T - (first @ first.T + second @ second.T) / 2).abs()
    assert error.mean() < 0.05
