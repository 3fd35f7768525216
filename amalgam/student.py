"""What a student is: inputs to StudentOutput, with its labels and its scaling inside; saved, loaded and exported."""

from __future__ import annotations

import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel
from torch import Tensor, nn

from amalgam.classes import Spans, decided, probabilities
from amalgam.errors import RequestError, nearest
from amalgam.files import draft, write_text
from amalgam.labels import Tasks, spans_of, told_tasks
from amalgam.scaling import Scaling
from amalgam.schema import parse
from amalgam.signals import Decoded, Rows, StudentOutput
from amalgam.tokens import BESIDE, Reading, copy_tokenizer, same_tokenizer, series, texts_in

if TYPE_CHECKING:
    from amalgam.labelgraph.graph import LabelGraph
    from amalgam.report import Report


_SEEN = "trained_on.npy"
_Found = TypeVar("_Found")


class Student(nn.Module, ABC):
    """A student network. Its file in `amalgam/students` is named as the student; there is no list.

    Subclasses take `shape` (of one input), `labels` and a `Settings` of their own, call `super().__init__` first and
    put `self.scaling(inputs)` before everything else.
    """

    class Settings(BaseModel):
        """The hyperparameters of a student; frozen, a misspelt key is refused."""

        model_config = {"extra": "forbid", "frozen": True}

    graph: LabelGraph | None = None  # the label graph that it walks down, if it does
    masks: bool = False  # whether NaN in its inputs means missing values to it
    texts: bool = False  # whether its inputs are texts, the numbers of words
    reading: Reading | None = None  # how the texts that it learned from were read
    settings: Settings
    _report: Report | None = None
    beside = frozenset({"folder", "_report"})  # attributes that say nothing of what it answers
    last: str | None = None  # the module that makes its logits of its features, where that alone does
    tasks: Tasks = MappingProxyType({})  # its tasks of several classes, of which a row has the likeliest one alone
    folder: Path | None = None  # where it was read from
    features: tuple[str, ...] = ()  # the names of its input columns, where the data named them
    seen: NDArray[np.uint64] | None = None  # the rows behind it (`fingerprint.of_each_row`), its teachers' included

    def __init__(self, shape: Sequence[int], labels: Sequence[str], settings: Settings | None = None) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.labels = tuple(labels)
        self.settings = settings or type(self).Settings()
        self.scaling = Scaling(self.shape)

    @abstractmethod
    def forward(self, inputs: Tensor) -> StudentOutput:
        """What the student says of inputs (B, *shape)."""

    def represent(self, inputs: Tensor) -> Tensor:
        """The features (B, D) of inputs (B, *shape)."""
        return self(inputs).features  # type: ignore[no-any-return]

    def score(self, inputs: Tensor) -> Tensor:
        """Logits (B, L): the student as a teacher."""
        logits: Tensor = self(inputs).logits
        return logits

    def score_and_features(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, L) and features (B, D)."""
        output = self(inputs)
        return output.logits, output.features

    @property
    def report(self) -> Report | None:
        """What the run that made it says of it; None where no run made it, or its report is not beside it."""
        if self._report is None:
            from amalgam.hub import report_of

            self._report = report_of(self)
        return self._report

    @report.setter
    def report(self, report: Report | None) -> None:
        self._report = report

    @property
    def spans(self) -> Spans:
        """Where among its labels the classes of its tasks stand."""
        return spans_of(self.tasks, self.labels)

    @property
    def exclusive(self) -> bool:
        """Whether all its labels are the classes of one task."""
        return self.spans == ((0, len(self.labels)),)

    @property
    def device(self) -> torch.device:
        """Where the student lives."""
        return self.scaling.mean.device

    def accepts(self, shape: Sequence[int]) -> bool:
        """Whether inputs may have a shape: the one it was built for, unless its kind says otherwise."""
        return tuple(shape) == self.shape

    def refuse(self, rows: Rows) -> None:
        """RequestError for rows of numbers where it reads texts, or the other way round, or read otherwise."""
        name = type(self).__module__.rpartition(".")[2]
        if self.texts and rows.texts is None:
            raise RequestError(
                f"{rows.name} has rows of numbers, and the student {name} reads texts; say with the data option `text` "
                "where they are"
            )
        if rows.texts is not None and not self.texts:
            raise RequestError(
                f"{rows.name} has rows of texts, and the student {name} reads numbers; choose one of texts, such as "
                "text (of a path_decoder, as its encoder)"
            )
        if (
            self.reading is not None
            and rows.texts is not None
            and not same_tokenizer(self.reading.tokenizer, rows.texts.tokenizer)
        ):
            raise RequestError(
                f"the texts of {rows.name} were read by {rows.texts.tokenizer or 'hashing words'}, and the student "
                f"{name} learns from those read by {self.reading.tokenizer or 'hashing words'}; set the data option "
                "`tokenizer` so"
            )

    def remarks(self) -> list[str]:
        """What a reader of its report must know of how it reads its inputs."""
        return []

    @torch.no_grad()
    def width(self, inputs: Tensor) -> int:
        """D of its features (B, D), as some inputs show it."""
        return int(self(inputs).features.shape[-1])

    def logits(self, inputs: ArrayLike | Tensor | Sequence[str], batch_size: int = 1024) -> Tensor:
        """Logits (N, L) of inputs (N, *shape), on the CPU; raises what `each` does."""
        parts = self.each(inputs, lambda output: output.logits.cpu(), batch_size)
        return torch.cat(parts) if parts else torch.empty(0, len(self.labels))

    def each(
        self,
        inputs: ArrayLike | Tensor | Sequence[str],
        read: Callable[[StudentOutput], _Found],
        batch_size: int = 1024,
    ) -> list[_Found]:
        """What it says of inputs (N, *shape), in evaluation mode, batch by batch; of no rows there are no batches.

        Args:
            inputs: raw features; a student of texts also takes these as they are, a list of N.
            read: makes what is wanted of a batch's output.
            batch_size: rows at a time.

        Raises:
            RequestError: inputs that are no numbers, of another shape or infinite; NaN, or for a student that `masks`
                a row of nothing else.
        """
        if self.texts and (texts := texts_in(inputs)) is not None:
            inputs = series((self.reading or Reading()).read(texts).numbers)
        try:
            values = torch.as_tensor(np.asarray(inputs) if not isinstance(inputs, Tensor) else inputs).float()
        except (TypeError, ValueError) as error:
            raise RequestError(f"the inputs are no rows of numbers ({error})") from None
        if not self.accepts(values.shape[1:]):
            raise RequestError(
                f"inputs have the shape {tuple(values.shape)}, expected (rows, {', '.join(map(str, self.shape))})"
            )
        self._require_values(values)
        was_training = self.training
        self.eval()
        with torch.inference_mode():
            found = [read(self(batch.to(self.device))) for batch in torch.split(values, batch_size) if len(batch)]
        self.train(was_training)
        return found

    def _require_values(self, values: Tensor) -> None:
        """RequestError for the first row (of N, *shape) with a value that the student cannot read."""
        each = values.flatten(1)
        if not self.masks:
            bad, why = ~each.isfinite().all(1), "is NaN or infinite; fill or drop missing values first"
        elif bool(each.isinf().any()):
            bad, why = each.isinf().any(1), "is infinite; write NaN where a value is missing"
        else:
            bad, why = each.isnan().all(1), "has no value at all, only NaN; drop it first"
        if bool(bad.any()):
            raise RequestError(f"row {int(bad.nonzero()[0])} of the inputs {why}")

    def predict_proba(self, inputs: ArrayLike | Tensor | Sequence[str]) -> NDArray[np.float32]:
        """The probability of each label, (N, L); the classes of a task share 1 among them."""
        found: NDArray[np.float32] = probabilities(self.logits(inputs), self.spans).numpy()
        return found

    def predict(self, inputs: ArrayLike | Tensor | Sequence[str]) -> NDArray[np.bool_]:
        """Which labels each row has, (N, L) bool: those with a probability above one half, a task's likeliest class."""
        hard: NDArray[np.bool_] = decided(self.logits(inputs), self.spans).numpy()
        return hard

    def walk(self, output: StudentOutput) -> Decoded | None:
        """The path that it takes for each row of a batch, if it has a label graph to walk down."""
        return None

    def save(self, folder: str | Path) -> Path:
        """Write the student into a folder; `amalgam.load` reads it back.

        `model.safetensors` and `config.json` are the student; `trained_on.npy` has a number for each row behind it, so
        that later runs refuse to measure on those rows; `tokenizer/` is a copy of its tokenizer, where that is a folder
        of this machine. Nothing in them holds a path of it.
        """
        from safetensors.torch import save_file

        folder = Path(folder)
        config = {
            "student": type(self).__module__.rpartition(".")[2],
            "shape": list(self.shape),
            "labels": list(self.labels),
            "tasks": {task: list(classes) for task, classes in self.tasks.items()},
            "features": list(self.features),
            "texts": None if self.reading is None else asdict(self.reading.told()),
            "settings": self.settings.model_dump(mode="json"),
        }
        with draft(folder / "model.safetensors") as path:
            save_file({name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}, path)
        if self.seen is not None:
            with draft(folder / _SEEN) as path:
                np.save(path, self.seen)
        if self.reading is not None and self.reading.local:
            _save_tokenizer(str(self.reading.tokenizer), folder / BESIDE)
        write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")
        return folder

    def export(
        self,
        path: str | Path,
        check: ArrayLike | Tensor | Rows | None = None,
        *,
        opset: int | None = None,
        force: bool = False,
    ) -> Path:
        """Write the student as one ONNX file, checked against torch; see `amalgam.export.export`."""
        from amalgam.export import export

        return export(self, Path(path), check, opset=opset, force=force)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write it into a new folder as the Hub holds it, with its model card; see `amalgam.hub.save_pretrained`."""
        from amalgam.hub import save_pretrained

        return save_pretrained(self, folder)

    def push_to_hub(self, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Push it to the Hub, and return the address there; see `amalgam.hub.push_to_hub`."""
        from amalgam.hub import push_to_hub

        return push_to_hub(self, repo_id, private=private, token=token)


def _save_tokenizer(source: str, target: Path) -> None:
    """Copy a tokenizer, file by file; one that is gone is not there to be copied, and reading texts says so."""
    if not Path(source).is_dir() or target.resolve() == Path(source):
        return
    with tempfile.TemporaryDirectory() as name:
        copy_tokenizer(source, Path(name))
        for file in Path(name).iterdir():
            with draft(target / file.name) as path:
                shutil.copyfile(file, path)


def student_class(name: str) -> type[Student]:
    """The student of a name: the Student in `amalgam/students/<name>.py`; RequestError for an unknown name."""
    known = sorted(path.stem for path in (Path(__file__).parent / "students").glob("[!_]*.py"))
    if name not in known:
        raise RequestError(f"unknown student {name!r}{nearest(name, known)} (known: {', '.join(known)})")
    module = import_module(f"amalgam.students.{name}")
    return next(
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Student) and one.__module__ == module.__name__
    )


def settings_of(spec: dict[str, Any], where: str) -> tuple[type[Student], Student.Settings]:
    """The class and the checked settings of `{"name": ..., **settings}`, before there is anything to build.

    A name may tell a setting `model`, too: `timm:resnet18`.
    """
    name, colon, model = str(spec.get("name")).partition(":")
    kind = student_class(name)
    rest = {key: value for key, value in spec.items() if key != "name"}
    if colon and "model" not in kind.Settings.model_fields:
        raise RequestError(f"{where}: {spec['name']!r} names the model {model!r}, but the student {name} has no models")
    return kind, parse(kind.Settings, {**({"model": model} if colon else {}), **rest}, where)


def build(spec: dict[str, Any], shape: Sequence[int], labels: Sequence[str], where: str) -> Student:
    """A new student from `{"name": ..., **settings}`.

    Args:
        spec: its name and settings, as a recipe or a card gives them.
        shape: of one input.
        labels: its outputs.
        where: who asks, for messages ("recipe ant.yaml, student").
    """
    kind, settings = settings_of(spec, where)
    return kind(shape, labels, settings)


def load(folder: str | Path, kind: type[Student] | None = None) -> Student:
    """The student that `save` wrote.

    Args:
        folder: the folder with `config.json`, or a run directory with `student/` inside.
        kind: the class of a student of one's own; None where it is one of `amalgam/students`.

    Raises:
        RequestError: no student there, or a file that is cut short.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = home = Path(folder)
    if not (folder / "config.json").is_file() and (folder / "student" / "config.json").is_file():
        folder = folder / "student"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")
        with torch.random.fork_rng(devices=[]):  # first weights, replaced at once, cost the caller no random numbers
            kind, settings = (
                settings_of({"name": config["student"], **config["settings"]}, str(folder))
                if kind is None
                else (kind, parse(kind.Settings, config["settings"], str(folder)))
            )
            student = kind(config["shape"], config["labels"], settings)
        student.load_state_dict(weights)
        student.features = tuple(config.get("features", ()))
        student.reading = None if config.get("texts") is None else _reading(folder, **config["texts"])
        one_task = config.get("exclusive", False)  # as students were saved before they had tasks
        student.tasks = told_tasks(config.get("tasks"), one_task, student.labels, f"the student in {folder}")
        if (folder / _SEEN).is_file():
            student.seen = np.load(folder / _SEEN, allow_pickle=False)
    except FileNotFoundError:
        if any((folder / below / "words.txt").is_file() for below in (".", "student")):
            raise RequestError(f"{folder} holds an embedding of words; amalgam.load_words reads it") from None
        raise RequestError(
            f"no student in {folder}: expected config.json and model.safetensors (or a run directory with student/)"
        ) from None
    except (ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RequestError(f"the student in {folder} is damaged ({reason}); copy or distil it again") from None
    student.folder = home.resolve()
    return student.eval()


def _reading(folder: Path, longest: int, tokenizer: str | None) -> Reading:
    """How a student in a folder reads texts; its own tokenizer lies there."""
    return Reading(longest, str((folder / BESIDE).resolve()) if tokenizer == BESIDE else tokenizer)
