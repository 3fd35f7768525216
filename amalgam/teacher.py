"""What a teacher can be asked, and the card that describes one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, StrictStr, field_validator

from amalgam.schema import parse, read_yaml

if TYPE_CHECKING:
    from torch import Tensor


@runtime_checkable
class Teacher(Protocol):
    """A frozen model and the labels it knows."""

    labels: Sequence[str]


@runtime_checkable
class Scorer(Teacher, Protocol):
    """A teacher that scores inputs.

    It may also have: `name`, `fingerprint`, `license`, `exclusive` (all labels are the classes of one task), or
    `tasks`: task → its classes, side by side among its labels.
    """

    def score(self, inputs: Tensor) -> Tensor:
        """Logits (B, len(labels)) of inputs (B, ...)."""


@runtime_checkable
class ConditionalScorer(Scorer, Protocol):
    """A scorer that can take some labels as told."""

    def score_given(self, inputs: Tensor, believed: Tensor, clamp: bool) -> Tensor:
        """Logits (B, len(labels)) given beliefs.

        Args:
            inputs: (B, ...).
            believed: logits (B, len(labels)), NaN where nothing is believed.
            clamp: hold the believed labels fixed; otherwise they are only where the teacher starts from.
        """


@runtime_checkable
class FeatureScorer(Scorer, Protocol):
    """A scorer that shows its last representation."""

    def score_and_features(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, len(labels)) and features (B, D)."""


@runtime_checkable
class HeadScorer(FeatureScorer, Protocol):
    """A feature scorer whose last layer can be asked on its own, with other features in place of its own."""

    def head(self, features: Tensor) -> Tensor:
        """Logits (B, len(labels)) of features (B, D), differentiable; for its own features close to its own scores."""


NETWORKS = ("timm", "torchvision")
"""Adapters whose networks have a name, a card's `model`; `source` is a file with weights."""

FETCHING = ("weights", "weights_backbone", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path")
"""Arguments of constructors that read weights, some of them by unpickling."""


class Schooling(BaseModel):
    """How a built-in teacher is trained, once, when its weights are absent.

    Attributes:
        data: the data SPEC.
        options: how it is read; must be the recipe's.
        part: which part of that data is the teacher's own; it never sees another.
        parts: the shares of the split, part name → share; must be the recipe's, so that no test row leaks.
        split_seed: the seed of the split.
        student: the student the teacher is trained as, `name` and its settings.
        training: the trainer's settings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: StrictStr
    options: dict[str, Any] = {}
    part: StrictStr
    parts: dict[str, float]
    split_seed: int = 0
    student: dict[str, Any]
    training: dict[str, Any] = {}


class Images(BaseModel):
    """How an image network's weights were learned to read, where its library's configuration says otherwise.

    Attributes:
        size: height and width that images are brought to.
        mean: of each channel, of values from 0 to 1.
        deviation: of each channel.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: tuple[PositiveInt, PositiveInt] | None = None
    mean: tuple[float, ...] | None = None
    deviation: tuple[PositiveFloat, ...] | None = None


class Card(BaseModel):
    """The YAML that describes a teacher.

    Attributes:
        name: what it is called.
        description: what a reader wants to know of it.
        license: of its weights, as the Hub spells it (`mit`, `cc-by-4.0`), or in words.
        adapter: which library the model is of: a file in `amalgam/adapters`.
        labels: the names of its outputs, in order.
        source: the model's file, beside the card; for `custom`, `module:function`.
        model: the library's name of the network (timm, torchvision).
        pretrained: whether the weights are the library's own, from the hub's cache or the hub, instead of `source`.
        layer: the layer whose output are its features, where they are not what enters the last one (timm, torchvision).
        images: how the network reads images, where its library's configuration is not how it was trained.
        constructor: `module:name` that builds the model the weights belong to (torch), or returns it fitted (sklearn).
        arguments: what the constructor is called with.
        scores: what the model's outputs are; an adapter turns them into logits once.
        exclusive: its labels exclude each other (softmax).
        tasks: task → its classes, of which a row has one (a softmax of their own), side by side among the labels;
            other labels are yes or no. Tasks of teachers meet by name.
        sha256: the checksum of `source`; when given, any other file is refused.
        schooling: how a built-in teacher is trained, for a card without `source`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: StrictStr = Field(min_length=1)
    description: str = ""
    license: StrictStr | None = Field(default=None, min_length=1)
    adapter: StrictStr
    labels: tuple[Any, ...] = ()  # checked by amalgam.labels.canonical, which says why a number is no label
    source: StrictStr | None = None
    model: StrictStr | None = None
    pretrained: bool = False
    layer: StrictStr | None = None
    images: Images = Images()
    constructor: StrictStr | None = None
    arguments: dict[str, Any] = {}
    scores: Literal["logits", "probabilities", "decisions", "votes"] = "logits"
    exclusive: bool = False
    tasks: dict[str, tuple[StrictStr, ...]] = {}
    sha256: StrictStr | None = None
    schooling: Schooling | None = None

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if Path(name).name != name or name in {".", ".."}:
            raise ValueError("a plain name, not a path")
        return name


def read_card(path: Path) -> Card:
    """The card in a YAML file; RequestError when it is missing, no YAML, or has a wrong key."""
    return parse(Card, read_yaml(path, "card"), f"card {path}")
