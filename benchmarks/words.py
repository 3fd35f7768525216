"""SimME at vocabulary scale: pairs per second against the matrix products alone and a loop over pairs, and memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from amalgam.embeddings import Lexicon, align, from_arrays
from amalgam.embeddings.maskout import all_pairs
from amalgam.embeddings.model import Embedding, GaussNewton
from amalgam.embeddings.relations import Relations, groups_of, reach
from amalgam.signals import Loss, TensorRows
from amalgam.training.settings import Training
from amalgam.training.trainer import fit
from benchmarks.common import Result, run, spread, workplace
from benchmarks.memory import peak

TITLE = "SimME: pairs per second, and memory at 400,000 words"
ABOUT = """\
Measured: an epoch of SimME's training by the trainer (`fit`), one thread, three sources of 300 dimensions, which
have two thirds of the words each, a student of 300 dimensions, batches of 1,024 words, of 512 as in our recipes, and of
4,096, all pairs of each: reading the sources' rows, the pairs that are held out, loss, gradient or least-squares step,
the words' update, and the loss of every epoch.

The floor: as many times the same matrix products, on random numbers that are there already: the three sources' cosines,
the student's, and their gradient; for a least-squares step also those of its words' second moment and its inverse with
the gradient and the words. The goal is a ratio of at most 1.3. The run reckons of the cosines, which are symmetric, two
thirds, so that it can be below 1.

The peer: the same loss and gradient pair by pair, with torch's own autograd and optimiser, as public scripts train; on
2,000 pairs, scaled. The goal is 1,000 times.

Memory: the peak resident memory of a fresh process that reads three binary files of 400,000 words × 300 dimensions
each, all words in all of them, and distils them whole: start from `concat_svd`, one epoch, result and report on disk.
The goal is at most 1.5 times the sources' matrices in single precision."""

_WIDTH, _SOURCES = 300, 3
_BATCHES = (1024, 512, 4096)
_FLOORS = {"step: gradient": "matrix products alone", "step: least_squares": "and those of least squares"}


def measure(quick: bool) -> Result:
    """Each way in turn, again and again, so that all meet the machine in the same mood."""
    torch.set_num_threads(1)
    batches, times = (8, 1) if quick else (16, 5)
    lexicon = _lexicon(batches * _BATCHES[0])
    rows, fast = list[tuple[str, ...]](), 0.0
    for batch in _BATCHES:
        many = len(lexicon.words) // batch
        seconds = _in_turn(_ways(lexicon, batch, many), times)
        pairs = many * batch * (batch - 1) / 2
        for name, each in seconds.items():
            floor = seconds[_FLOORS.get(name, name)]
            rows.append(
                (
                    f"{batch:,}",
                    name,
                    spread([pairs / one / 1e6 for one in each], 2),
                    spread([one / other for one, other in zip(each, floor, strict=True)], 2),
                )
            )
        fast = fast or pairs / median(seconds["step: gradient"])
    alone = 200 if quick else 2000
    slow = alone / _one_by_one(lexicon, alone)
    rows.append(("2", "pair by pair", f"{slow / 1e6:.6f}", "–"))
    words = 20_000 if quick else 400_000
    found = _memory(words)
    return Result(
        ("batches of", "how", "million pairs/s", "times the floor's seconds"),
        rows,
        f"All pairs of a batch of {_BATCHES[0]:,} are {fast / slow:,.0f} times as fast as pair by pair. At {words:,} "
        f"words the peak is {found['peak'] / 2**20:,.0f} MiB, {found['peak'] / found['sources']:.2f} times the "
        f"sources' {found['sources'] / 2**20:,.0f} MiB; {found['start'] / 2**20:,.0f} MiB of it were there before the "
        f"work, and the whole run took {found['seconds']:,.0f} seconds.",
    )


def _ways(lexicon: Lexicon, batch: int, many: int) -> dict[str, Callable[[], None]]:
    """An epoch of so many batches, each way."""
    return {
        "matrix products alone": lambda: _products(batch, many),
        "and those of least squares": lambda: _products(batch, many, solved=True),
        "step: gradient": lambda: _epoch(lexicon, Embedding(len(lexicon.words), _WIDTH), 1.0, batch),
        "step: least_squares": lambda: _epoch(lexicon, GaussNewton(reach(lexicon), _WIDTH), 0.5, batch),
    }


def _in_turn(work: Mapping[str, Callable[[], None]], times: int) -> dict[str, list[float]]:
    """The seconds of each way, each time; once more before, to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(times + 1):
        for name, one in work.items():
            began = perf_counter()
            one()
            seconds[name].append(perf_counter() - began)
    return {name: each[1:] for name, each in seconds.items()}


def _lexicon(words: int) -> Lexicon:
    """Random sources in memory, each of two thirds of the words."""
    draw = np.random.default_rng(0)
    names = [f"w{number}" for number in range(words)]
    each = []
    for number in range(_SOURCES):
        known = [place for place in range(words) if place % 3 != number]
        vectors = draw.normal(size=(len(known), _WIDTH)).astype(np.float32)
        each.append(from_arrays(f"source {number}", [names[place] for place in known], vectors))
    return align(each)


def _epoch(lexicon: Lexicon, model: Embedding, rate: float, batch: int) -> None:
    rows = torch.arange(len(lexicon.words))[:, None]
    relations = Relations(lexicon, rows, groups=groups_of(len(rows)))
    settings = Training(
        epochs=1, batch_size=batch, optimizer="sgd", momentum=0.0, clip_norm=None, learning_rate=rate, patience=None,
        validation=0.0, keep="last", threads=1,
    )  # fmt: skip
    loss: Callable[[Any, Any], Loss] = all_pairs
    fit(model, TensorRows(values=rows), relations, loss, settings, seed=0, accelerator=Accelerator(cpu=True))


def _products(batch: int, many: int, solved: bool = False) -> None:
    every, square = torch.randn(_SOURCES + 1, batch, _WIDTH), torch.empty(batch, batch)
    back = torch.empty(batch, _WIDTH)
    for _ in range(many):
        for own in every:
            torch.mm(own, own.T, out=square)
        torch.mm(square, every[-1], out=back)
        if solved:
            moment = torch.mm(every[-1].T, every[-1])
            torch.mm(back, moment)
            torch.mm(every[-1], moment)


def _one_by_one(lexicon: Lexicon, pairs: int) -> float:
    """The seconds of a plain loop over pairs."""
    sources = [
        {word: torch.from_numpy(one.vectors[row]) for row, word in enumerate(one.words)} for one in lexicon.sources
    ]
    model = torch.nn.Embedding(len(lexicon.words), _WIDTH, sparse=True)
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    draw = np.random.default_rng(1).integers(len(lexicon.words), size=(pairs, 2)).tolist()
    began = perf_counter()
    for first, second in draw:
        said = torch.cosine_similarity(model(torch.tensor(first)), model(torch.tensor(second)), dim=0)
        loss = torch.zeros(())
        for own in sources:
            one, other = own.get(lexicon.words[first]), own.get(lexicon.words[second])
            if one is not None and other is not None:
                loss = loss + (said - torch.cosine_similarity(one, other, dim=0)).square()
        if loss.requires_grad:
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return perf_counter() - began


def _memory(words: int) -> dict[str, Any]:
    """What a fresh process took that distils three files of so many words."""
    with workplace() as folder:
        files = [_file(folder / f"{number}.bin", words, number) for number in range(_SOURCES)]
        said = run("benchmarks.words", folder / "run", *files, home=folder / "home").said
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
        return found | {"sources": _SOURCES * words * _WIDTH * 4}


def _file(path: Path, words: int, seed: int) -> Path:
    """Random vectors as word2vec's binary form has them."""
    draw = np.random.default_rng(seed)
    with path.open("wb") as file:
        file.write(f"{words} {_WIDTH}\n".encode())
        for start in range(0, words, 10_000):
            for place, row in enumerate(draw.normal(size=(min(10_000, words - start), _WIDTH)).astype("<f4"), start):
                file.write(f"w{place} ".encode() + row.tobytes() + b"\n")
    return path


def distil(out: str, files: list[str]) -> None:
    """The work of the fresh process; prints what it took as JSON."""
    from amalgam.lexical import distill
    from amalgam.recipe import WordRecipe, read_any

    changes = {"teachers": files, "measured": [], "export": False}
    settings = ("training.epochs=1", "training.batch_size=1024", f"student.width={_WIDTH}")
    recipe = read_any("simme", changes, settings)
    assert isinstance(recipe, WordRecipe)
    began, start = perf_counter(), peak()
    distill(recipe, out=Path(out))
    print(json.dumps({"start": start, "peak": peak(), "seconds": perf_counter() - began}))


if __name__ == "__main__":
    distil(sys.argv[1], sys.argv[2:])
