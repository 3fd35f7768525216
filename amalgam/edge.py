"""Exported students where there is no torch: `Student("student.onnx").predict(rows)` with numpy and onnxruntime alone.

Of amalgam this imports what reads texts and what says errors, so on a device `pip install --no-deps amalgam` beside
numpy and onnxruntime is enough. A file that was quantised is read just so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amalgam.errors import AmalgamError, RequestError, WorkError, nearest
from amalgam.tokens import BESIDE, Reading, series, texts_in

Floats = NDArray[np.float32]

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_ROWS = 2**14  # vectors that are looked up at once


class Student:
    """A student from its ONNX file; it answers as the student it was exported from does.

    Args:
        path: what `amalgam export` wrote.
        tokenizer: of a student of texts that were read by a tokenizer, its name or where it is on this machine; None
            takes the one that the file names, which may be a copy in `tokenizer` beside it, or in `student/tokenizer`.

    Attributes:
        labels: the names of its L outputs.
        tasks: task → its classes, of which a row has the likeliest one alone.
        nodes: of a student that walks down a label graph, the names of the graph's nodes; else none.
        features: the names of its input columns, where the data named them.
        shape: of one input; a size that may be any is None.
        about: all that the file says of itself.

    Raises:
        RequestError: no such file, one that is no exported student, or onnxruntime is not installed.
    """

    def __init__(self, path: str | Path, *, tokenizer: str | None = None) -> None:
        self._run, self.about = opened(Path(path))
        if "amalgam.ids" in self.about:
            raise RequestError(f"{path} is an embedding of words; open it with amalgam.edge.Embedding")
        if "amalgam.labels" not in self.about:
            raise RequestError(f"{path} is no student that amalgam exported (it has no metadata `amalgam.labels`)")
        self.labels: tuple[str, ...] = tuple(self._told("labels"))
        self.tasks: dict[str, tuple[str, ...]] = {key: tuple(of) for key, of in self._told("tasks", {}).items()}
        if not self.tasks and self._told("exclusive", False):
            self.tasks = {"class": self.labels}
        self.nodes: tuple[str, ...] = tuple(self._told("nodes", ()))
        self.features: tuple[str, ...] = tuple(self._told("features", ()))
        entry = self._run.get_inputs()[0]
        self.shape = tuple(one if isinstance(one, int) else None for one in entry.shape[1:])
        self._type = _TYPES.get(entry.type, np.float32)
        self._masks = self._told("preprocessing", {}).get("nan") == "missing"
        texts = self._told("texts", None)
        self._reading = None
        if texts is not None:
            self._reading = Reading(texts["longest"], tokenizer or _tokenizer_near(Path(path), texts["tokenizer"]))
        column = {label: place for place, label in enumerate(self.labels)}
        self._spans = [(min(column[label] for label in classes), len(classes)) for classes in self.tasks.values()]

    def __repr__(self) -> str:
        """Its kind, and what it reads and says."""
        return f"Student({self.about.get('amalgam.student', 'unknown')}, {self.shape} → {len(self.labels)} labels)"

    def logits(self, inputs: ArrayLike | Sequence[str], batch_size: int = 1024) -> Floats:
        """Logits (N, L) of inputs (N, *shape), raw features; or, of a student of texts, of N texts as they are.

        Args:
            inputs: the rows.
            batch_size: rows at a time.

        Raises:
            RequestError: inputs that are no numbers, of another shape or infinite; NaN, or for a student that reads
                missing values a row of nothing else.
        """
        parts = [one for (one,) in self._each(inputs, ("logits",), batch_size)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.labels)), np.float32)

    def predict_proba(self, inputs: ArrayLike | Sequence[str]) -> Floats:
        """The probability of each label, (N, L); the classes of a task share 1 among them."""
        said = self.logits(inputs)
        found: Floats = np.exp(-np.logaddexp(0, -said)).astype(np.float32)
        for first, many in self._spans:
            own = said[:, first : first + many]
            raised = np.exp(own - own.max(1, keepdims=True))
            found[:, first : first + many] = raised / raised.sum(1, keepdims=True)
        return found

    def predict(self, inputs: ArrayLike | Sequence[str]) -> NDArray[np.bool_]:
        """Which labels each row has, (N, L) bool: those with a probability above one half, a task's likeliest class."""
        said = self.logits(inputs)
        found = said > 0
        for first, many in self._spans:
            best = said[:, first : first + many].argmax(1)
            found[:, first : first + many] = best[:, None] == np.arange(many)
        return found

    def walk(self, inputs: ArrayLike | Sequence[str], batch_size: int = 1024) -> list[list[tuple[str, float]]]:
        """The path of each row down the label graph: the nodes after the root, and the probability of each step.

        Raises:
            RequestError: the student walks down no label graph; what `logits` raises.
        """
        if not self.nodes:
            raise RequestError("this student walks down no label graph; ask for predict or predict_proba")
        found = list[list[tuple[str, float]]]()
        for path, steps in self._each(inputs, ("path", "steps"), batch_size):
            for nodes, chances in zip(path.tolist(), steps.tolist(), strict=True):
                walked = zip(nodes, chances, strict=True)
                found.append([(self.nodes[node], chance) for node, chance in walked if node >= 0])
        return found

    def _told(self, key: str, *default: Any) -> Any:
        """What the metadata say, as JSON."""
        written = self.about.get(f"amalgam.{key}")
        if written is None and default:
            return default[0]
        try:
            return json.loads(written or "null")
        except json.JSONDecodeError:
            raise WorkError(f"the file's metadata `amalgam.{key}` are no JSON; export it again") from None

    def _each(
        self, inputs: ArrayLike | Sequence[str], outputs: Sequence[str], batch_size: int
    ) -> Iterator[list[NDArray[Any]]]:
        """Some outputs of inputs, batch by batch."""
        values = self._values(inputs)
        entry = self._run.get_inputs()[0].name
        for start in range(0, len(values), batch_size):
            with _refused(f"the file cannot read rows of the shape {values.shape[1:]}"):
                said = self._run.run(outputs, {entry: values[start : start + batch_size]})
            yield [one.astype(np.float32) if one.dtype == np.float16 else one for one in said]

    def _values(self, inputs: ArrayLike | Sequence[str]) -> NDArray[Any]:
        """Inputs as numbers that the file reads, (N, *shape); RequestError for what it does not."""
        texts = texts_in(inputs)
        if texts is not None and self._reading is None:
            raise RequestError("the inputs are texts, and this student reads numbers")
        try:
            values = np.asarray(inputs if texts is None else self._numbers(texts), dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise RequestError(f"the inputs are no rows of numbers ({error})") from None
        given = values.shape[1:]
        fits = len(given) == len(self.shape) and all(
            own in (None, size) for own, size in zip(self.shape, given, strict=True)
        )
        if values.ndim < 2 or not fits or 0 in given:
            wanted = ", ".join("any" if one is None else str(one) for one in self.shape)
            raise RequestError(f"inputs have the shape {values.shape}, expected (rows, {wanted})")
        _require_values(values, self._masks)
        return values.astype(self._type, copy=False)

    def _numbers(self, texts: Sequence[str]) -> Floats:
        """Texts as series of their words' numbers, as long as the file wants them."""
        assert self._reading is not None
        if self._reading.tokenizer == BESIDE:
            raise RequestError(
                "the student reads texts with a tokenizer of its own, and no copy of it lies in `tokenizer` beside the "
                "file; name its folder: Student(..., tokenizer=FOLDER)"
            )
        found = series(self._reading.read(texts).numbers)
        if (steps := self.shape[0]) is None:
            return found
        fixed = np.full((len(found), steps, 1), np.nan, np.float32)
        fixed[:, : found.shape[1]] = found[:, :steps]
        return fixed


class Embedding:
    """An embedding of words from its ONNX file.

    Args:
        path: what `amalgam export` wrote of a run of words.

    Attributes:
        words: V words, each once.
        about: all that the file says of itself.

    Raises:
        RequestError: no such file, one that is no exported embedding, or onnxruntime is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        self._run, self.about = opened(Path(path))
        if "amalgam.words" not in self.about:
            raise RequestError(f"{path} is no embedding that amalgam exported with its words; export it again")
        self.words: tuple[str, ...] = tuple(json.loads(self.about["amalgam.words"]))

    def __contains__(self, word: object) -> bool:
        """Whether it has a word."""
        return word in self._places

    def __len__(self) -> int:
        """How many words."""
        return len(self.words)

    def __getitem__(self, word: str) -> Floats:
        """The vector (d,) of a word; RequestError names the nearest that is there."""
        if word not in self._places:
            folded = f"; did you mean {word.lower()!r}?" if word.lower() in self._places else ""
            raise RequestError(
                f"no word {word!r} among {len(self.words):,}{folded or nearest(word, self.words[:_ROWS])}"
            )
        found: Floats = self.vectors([self._places[word]])[0]
        return found

    def vectors(self, ids: ArrayLike) -> Floats:
        """The vectors (n, d) of words, by their places (n,) among `words`."""
        found: Floats = np.asarray(self._run.run(["vectors"], {"ids": np.asarray(ids, dtype=np.int64)})[0], np.float32)
        return found

    def nearest(self, word: str, count: int = 10) -> list[tuple[str, float]]:
        """The k words with the largest cosine to a word, and the cosines, itself not among them; k is at least 1."""
        if count < 1:
            raise RequestError(f"{count} neighbours of {word!r} are asked for; ask for one or more")
        own = self[word]
        cosines = np.zeros(len(self.words), np.float32)
        for start in range(0, len(self.words), _ROWS):
            some = self.vectors(np.arange(start, min(start + _ROWS, len(self.words))))
            lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(own)
            np.divide(some @ own, lengths, out=cosines[start : start + _ROWS], where=lengths > 0)
        cosines[self._places[word]] = -np.inf
        best = np.argsort(-cosines, kind="stable")[: min(count, len(self.words) - 1)]
        return [(self.words[place], float(cosines[place])) for place in best]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words)}


def _tokenizer_near(path: Path, told: str | None) -> str | None:
    """The tokenizer that a file names; BESIDE where its copy should be near the file and is not."""
    places = [path.parent / BESIDE, path.parent / "student" / BESIDE] if told == BESIDE else []
    return next((str(place.resolve()) for place in places if place.is_dir()), told)


def opened(path: Path) -> tuple[Any, Mapping[str, str]]:
    """A file as onnxruntime runs it, and its metadata.

    Raises:
        RequestError: no such file, a damaged one, or onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise RequestError(
            "an exported student is run by onnxruntime, which is not installed; pip install onnxruntime"
        ) from None
    if not path.is_file():
        raise RequestError(f"{path} is no file; name what amalgam export wrote, such as runs/ant-1/student.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised, it need not be printed as well
    with _refused(f"{path} is no ONNX file that onnxruntime can run; export it again", RequestError):
        run = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return run, run.get_modelmeta().custom_metadata_map


@contextmanager
def _refused(why: str, kind: type[AmalgamError] = WorkError) -> Iterator[None]:
    """What onnxruntime fails with becomes a sentence."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "RuntimeException")
    try:
        yield
    except tuple(getattr(state, name) for name in kinds) as error:
        raise kind(f"{why} ({' '.join(str(error).split())[:200]})") from None


def _require_values(values: Floats, masks: bool) -> None:
    """RequestError for the first row (of N, *shape) with a value that the student cannot read."""
    inner = tuple(range(1, values.ndim))
    if not masks:
        bad, why = ~np.isfinite(values).all(inner), "is NaN or infinite; fill or drop missing values first"
    elif np.isinf(values).any():
        bad, why = np.isinf(values).any(inner), "is infinite; write NaN where a value is missing"
    else:
        bad, why = np.isnan(values).all(inner), "has no value at all, only NaN; drop it first"
    if bad.any():
        raise RequestError(f"row {int(bad.argmax())} of the inputs {why}")
