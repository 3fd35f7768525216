"""PyTorch modules as teachers: weights from safetensors (or a `weights_only` checkpoint), never a pickle with code."""

from __future__ import annotations

import inspect
import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from amalgam.adapters import Conversion, Kind, construct, identity, import_object, source, unanswered
from amalgam.errors import RequestError, listed
from amalgam.fingerprint import of_tensors
from amalgam.labels import Tasks, asked_tasks, canonical, spans_of
from amalgam.student import build
from amalgam.student import load as load_student
from amalgam.teacher import Card
from amalgam.weights import fill, read_weights

_EXPECTED = "a .safetensors file, a .pt, .pth or .bin checkpoint, or a folder that `Student.save` wrote"
_STUDENTS = "amalgam.students."


class TorchTeacher:
    """A frozen module: in evaluation mode, on its device, without gradients; scores come back where the inputs were.

    It has `score_given`, `score_and_features` and `head` exactly when its module has, so that a strategy's needs are
    known before any work.

    Attributes:
        module: the module; it answers with a tensor (B, L) or an object with such `logits`.
        labels: the names of its outputs.
        name: what it is called in messages.
        kind: what the module answers with.
        tasks: its tasks of several classes.
        fingerprint: of weights, settings and code; None when it cannot be told, then its votes are not kept.
        license: of its weights, where their library states it.
    """

    labels: Sequence[str]
    license: str | None = None
    score_given: Callable[[Tensor, Tensor, bool], Tensor]
    score_and_features: Callable[[Tensor], tuple[Tensor, Tensor]]
    head: Callable[[Tensor], Tensor]

    def __init__(
        self,
        module: nn.Module,
        labels: Sequence[object],
        name: str = "torch",
        *,
        kind: Kind = "logits",
        exclusive: bool | None = None,
        tasks: Tasks | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.labels = canonical(labels, {}, f"teacher {name!r}")
        self.module = module.eval() if device is None else module.eval().to(device)
        self.name = name
        self.kind = kind
        self.tasks = asked_tasks(module, tasks, exclusive, self.labels, f"teacher {name!r}")
        self.device = next((one.device for one in [*module.parameters(), *module.buffers()]), torch.device("cpu"))
        spans = spans_of(self.tasks, self.labels)
        self.fingerprint = _fingerprint(module, [self.labels, kind, spans])
        self._logits = Conversion(name, kind, spans)
        if hasattr(module, "score_given"):
            self.score_given = self._score_given
        if hasattr(module, "score_and_features"):
            self.score_and_features = self._score_and_features
            head: Any = getattr(module, "head", None)
            if kind == "logits" and callable(head):
                self.head = head

    def score(self, inputs: Tensor) -> Tensor:
        """Logits (B, L) of inputs (B, ...)."""
        answer = self._ask(self.module, inputs)
        answer = getattr(answer, "logits", answer)
        if not isinstance(answer, Tensor):
            raise RequestError(
                f"teacher {self.name!r} answered with a {type(answer).__name__}, expected a tensor or an object with "
                "`.logits`; wrap the module in one that returns its logits"
            )
        return self._logits(answer).to(inputs.device)

    def _score_given(self, inputs: Tensor, believed: Tensor, clamp: bool) -> Tensor:
        answer = self._ask(self.module.score_given, inputs, believed.to(self.device), clamp)
        return self._logits(answer).to(inputs.device)

    def _score_and_features(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        scores, features = self._ask(self.module.score_and_features, inputs)
        return self._logits(scores).to(inputs.device), features.to(inputs.device)

    def _ask(self, ability: Any, inputs: Tensor, *rest: Any) -> Any:
        with torch.inference_mode():
            try:
                return ability(inputs.to(self.device), *rest)
            except RuntimeError as error:
                # Its subclasses are the device's own troubles (memory, CUDA), not the shape of the inputs.
                if type(error) is not RuntimeError:
                    raise
                raise unanswered(self.name, inputs, error) from error


def wrap(
    module: nn.Module,
    labels: Sequence[str],
    name: str = "torch",
    device: torch.device | None = None,
    *,
    scores: Kind = "logits",
    exclusive: bool | None = None,
    tasks: Tasks | None = None,
) -> TorchTeacher:
    """A module as a teacher. The module itself is put into evaluation mode, and on `device` when one is given.

    Args:
        module: answers inputs (B, ...) with a tensor (B, L) or an object with such `logits`.
        labels: the names of its L outputs, in order.
        name: what it is called in messages.
        device: where it should live; None leaves it where it is.
        scores: what its outputs are.
        exclusive: whether all labels are the classes of one task; None asks the module, a student knows.
        tasks: task → its classes, side by side among the labels; None asks the module where `exclusive` is None, too.
    """
    return TorchTeacher(module, labels, name, kind=scores, exclusive=exclusive, tasks=tasks, device=device)


def load(card: Card, folder: Path, device: torch.device, trust: bool) -> TorchTeacher:
    """The teacher of a card: a saved student's folder, or weights and the constructor they belong to.

    Raises:
        RequestError: a source or constructor that is missing, refused or damaged, or weights of another model.
    """
    path = source(card, folder, _EXPECTED)
    labels: Sequence[Any] = card.labels
    module: nn.Module
    if path.is_dir():
        module = load_student(path)
        if card.labels and tuple(card.labels) != module.labels:
            raise RequestError(
                f"teacher {card.name!r}: its card lists the labels {listed(card.labels)}, but the student in {path} "
                f"has {listed(module.labels)} in this order; leave `labels:` out"
            )
        labels = module.labels
    else:
        what = f"teacher {card.name!r}"
        state = read_weights(path, what, _EXPECTED)
        module = _construct(card, trust)
        mend = ("`constructor:` or `arguments:`", "`arguments:` or `labels:`")
        fill(module, state, what, path, "the constructor's model", mend)
    told = card.exclusive or None
    return wrap(module, labels, card.name, device, scores=card.scores, exclusive=told, tasks=card.tasks or None)


def _construct(card: Card, trust: bool) -> nn.Module:
    what = f"teacher {card.name!r}"
    if card.constructor is None:
        raise RequestError(
            f"{what} has weights but no constructor; write `constructor: module:name` of the model they belong to, "
            "for example `amalgam.students.mlp:MLP`"
        )
    if card.constructor.startswith(_STUDENTS):
        import_object(card.constructor, what, trust)  # a misspelt class is refused, not replaced
        student = card.constructor.removeprefix(_STUDENTS).partition(":")[0]
        settings = {key: value for key, value in card.arguments.items() if key != "shape"}
        shape = card.arguments.get("shape")
        if not isinstance(shape, list | tuple) or not all(isinstance(size, int) for size in shape):
            raise RequestError(
                f"{what} builds a student without the shape of its inputs; write `shape: [64]` under `arguments:`"
            )
        return build({**settings, "name": student}, shape, canonical(card.labels, {}, what), f"{what}, arguments")
    module = construct(card.constructor, card.arguments, what, trust)
    if not isinstance(module, nn.Module):
        raise RequestError(
            f"{what}: {card.constructor!r} returned a {type(module).__name__}, expected a torch.nn.Module"
        )
    return module


def _fingerprint(module: nn.Module, rest: list[object]) -> str | None:
    """Of weights, buffers, attributes and code; None when some code has no source.

    The same weights in another `forward` answer differently, so the whole file of every class and of its bases counts,
    torch's own excepted; other files that they import do not.
    """
    import joblib

    inherited = vars(nn.Module()).keys()
    parts: list[object] = []
    defining: set[str] = set()
    try:
        for path, part in module.named_modules():
            kind = type(part)
            aside = inherited | getattr(kind, "beside", frozenset())  # of a student: where it was read from
            own = {key: value for key, value in vars(part).items() if key not in aside}
            # Pickled in memory and hashed; nothing is ever unpickled.
            parts.append([path, kind.__module__, kind.__qualname__, joblib.hash(own)])
            defining.update(base.__module__ for base in kind.__mro__)
        ours = {name for name in defining if name.partition(".")[0] not in ("builtins", "torch")}
        code = {name: inspect.getsource(sys.modules[name]) for name in ours}
    except (OSError, TypeError, AttributeError, KeyError, pickle.PicklingError):
        return None
    # The state dict leaves out the buffers that are not persistent.
    tensors = of_tensors({**module.state_dict(), **dict(module.named_buffers())})
    return identity("torch", tensors, parts, code, rest)
