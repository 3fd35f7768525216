"""The recipe: one run, as a YAML file whose every key is checked; read, overridden, found by name or path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictStr, field_validator, model_validator

from amalgam.anchors import anchor_recipe
from amalgam.datasets import DataOptions
from amalgam.embeddings.lexicon import Vocabulary
from amalgam.errors import RequestError
from amalgam.schema import assigned, parse, read_yaml
from amalgam.shelf import find_recipe
from amalgam.training.settings import Training

_FORBID = ConfigDict(extra="forbid", frozen=True)


class Joined(BaseModel):
    """Further rows that the student learns from, with labels of their own.

    Attributes:
        source: the data SPEC.
        options: how it is read.
        labelled: the share of its annotated rows whose annotations a strategy may see.
    """

    model_config = _FORBID

    source: StrictStr
    options: DataOptions = DataOptions()
    labelled: float = Field(default=1.0, gt=0, le=1)


class Data(BaseModel):
    """Where rows come from and who may see which.

    Attributes:
        source: the data SPEC: a name (`digits`), or a path to a file.
        options: how the file is read: which columns are labels, and so on.
        parts: the shares of a stratified split, part name → share. None takes annotated rows as 80 % `unlabelled` and
            20 % `test`; and all rows as `unlabelled` where none is annotated, or, with `labelled`, not all are.
        split_seed: the seed of the split.
        student: the part the student learns from, without its annotations.
        labelled: the share of that part whose annotations a strategy may see that learns from a few labelled rows; a
            stratified draw, with a row of every label. None shows none.
        shots: the same as a number: so many rows of every label.
        shows: part → what its rows are annotated with, where parts have been labelled by different people: a source of
            the strategy's label graph, or a list of labels. The student then learns from all these parts.
        join: further data that the student learns from, whose labels meet the others' in the strategy's label graph.
        test: the part that is measured on, which nobody learns from.
        held_out: the data SPEC of a file to measure on, instead of a part.
        held_out_options: how that file is read; `options` by default.
    """

    model_config = _FORBID

    source: StrictStr
    options: DataOptions = DataOptions()
    parts: dict[str, float] | None = None
    split_seed: int = 0
    student: StrictStr = "unlabelled"
    labelled: float | None = Field(default=None, gt=0, le=1)
    shots: int | None = Field(default=None, gt=0)
    shows: dict[str, StrictStr | tuple[StrictStr, ...]] = {}
    join: tuple[Joined, ...] = ()
    test: StrictStr = "test"
    held_out: StrictStr | None = None
    held_out_options: DataOptions | None = None

    @model_validator(mode="after")
    def _one_amount(self) -> Data:
        if self.labelled is not None and self.shots is not None:
            raise ValueError("labelled or shots, not both: a share of the rows, or so many of every label")
        return self

    @property
    def shows_some(self) -> bool:
        """Whether some of the student's rows show their annotations."""
        return self.labelled is not None or self.shots is not None


class Labels(BaseModel):
    """How the teachers' labels meet.

    Attributes:
        aliases: common name → other names that teachers or data use for the same label.
        names: the student's labels in order, when they are not simply the union in alphabetical order.
    """

    model_config = _FORBID

    aliases: dict[str, tuple[str, ...]] = {}
    names: tuple[str, ...] | None = None

    @field_validator("aliases")
    @classmethod
    def _one_common_name(cls, aliases: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        common: dict[str, str] = {}
        for name, others in aliases.items():
            for other in others:
                if common.setdefault(other, name) != name:
                    raise ValueError(f"one common name for each ({other!r} is under {common[other]!r} and {name!r})")
                if other != name and other in aliases:
                    raise ValueError(f"aliases that are no common names ({other!r} is both)")
        return aliases

    @field_validator("names")
    @classmethod
    def _each_once(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is not None and len(set(names)) < len(names):
            raise ValueError("each label once")
        return names


class Run(BaseModel):
    """What every recipe says.

    Attributes:
        name: what the run is called.
        description: what it shows.
        strategy: the strategy's `name` and its hyperparameters.
        teachers: whom to learn from, as SPECs.
        student: the student's `name` and its settings.
        training: the trainer's settings.
        seed: of everything random but the split.
        export: whether the run ends with an ONNX file.
        made_with: versions a resolved recipe was run with; for readers.
    """

    model_config = _FORBID

    name: StrictStr = Field(min_length=1)
    description: str = ""
    strategy: dict[str, Any]
    teachers: tuple[StrictStr, ...] = ()
    student: dict[str, Any]
    training: Training = Training()
    seed: int = Field(default=0, ge=0, lt=2**31)
    export: bool = True
    made_with: dict[str, str] = {}

    @field_validator("strategy", "student", mode="before")
    @classmethod
    def _named(cls, spec: object) -> object:
        return {"name": spec} if isinstance(spec, str) else spec

    @field_validator("strategy", "student")
    @classmethod
    def _has_name(cls, spec: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(spec.get("name"), str):
            raise ValueError("a mapping with a `name`")
        return spec

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if Path(name).name != name or name in {".", ".."}:
            raise ValueError("a plain name, not a path")
        return name


class Recipe(Run):
    """A run whose teachers answer rows, and whose student learns to.

    Attributes:
        teachers: SPECs: card names, paths to cards, or `adapter:source[@labels]`.
        data: where rows come from.
        labels: how the teachers' labels meet.
        live: ask the teachers anew about every random view that the student sees (`training.augment`), instead of once
            about the plain rows.
        contributions: distil again without each of the teachers, to tell what it contributes: as many runs more.
    """

    data: Data
    labels: Labels = Labels()
    student: dict[str, Any] = {"name": "label_chain"}
    live: bool = False
    contributions: bool = False


class TransferRecipe(Recipe):
    """A run whose student learns a target from a few labelled rows, with the help of a large source.

    Attributes:
        data: the target.
        sources: data sets with classes of their own.
        teachers: who labels the rows of sources, where nobody annotated these.
        student: one whose logits are made of its features by its last layer alone.
        pretraining: what is different in the training's settings while a network learns the source.
    """

    sources: tuple[Joined, ...]
    pretraining: dict[str, Any] = {}
    student: dict[str, Any] = {"name": "mlp"}


class Extension(BaseModel):
    """An embedding that is extended.

    Attributes:
        run: the directory of a finished run, whose words are kept.
        bound: how far the unit vector of one of these may move; at 0 their vectors stay as they are.
    """

    model_config = _FORBID

    run: Path
    bound: float = Field(default=0.0, ge=0, le=2)


class WordRecipe(Run):
    """A run whose teachers are embeddings of words, and so is its student.

    Attributes:
        teachers: SPECs of embeddings, see `embeddings.specs.find`.
        vocabulary: which words the student has.
        extend: the embedding that the teachers' words are added to; None makes a new one.
        student: an `embedding` and its `width`.
        measured: the sets that it is measured on, beside its teachers, see `amalgam.wordtests`.
    """

    vocabulary: Vocabulary
    extend: Extension | None = None
    student: dict[str, Any] = {"name": "embedding"}
    measured: tuple[StrictStr, ...] = ()

    @field_validator("student", mode="before")
    @classmethod
    def _of_words(cls, spec: object) -> object:
        return {"name": "embedding", **spec} if isinstance(spec, dict) else spec  # there is no other student


AnyRecipe: TypeAlias = Recipe | WordRecipe


def read(name: str, changes: Mapping[str, object] | None = None, assignments: Sequence[str] = ()) -> Recipe:
    """A recipe of rows by name or path, with what the user changed; see `read_any`."""
    found = read_any(name, changes, assignments)
    if isinstance(found, Recipe):
        return found
    raise RequestError(f"recipe {name} has a `vocabulary`: it makes one embedding of several, and has no rows")


def read_any(name: str, changes: Mapping[str, object] | None = None, assignments: Sequence[str] = ()) -> AnyRecipe:
    """A recipe by name or path, with what the user changed.

    Args:
        name: see `shelf.find_recipe`.
        changes: top-level keys that replace the file's, or `a.b` for one key below; a `strategy` or `student` that is
            a name replaces only another one.
        assignments: `key=value` as `--set` takes them; the value is YAML.

    Raises:
        RequestError: no such recipe, or the first key that is wrong.
    """
    path = find_recipe(name)
    content = read_yaml(path, "recipe")
    if "vocabulary" in content and "data" in (changes or {}):
        raise RequestError(f"recipe {name} makes one embedding of several; name them with --teacher, and no --data")
    if not content.get("made_with"):  # a resolved recipe names its paths in full
        anchor_recipe(content, path.parent)
    for key, value in (changes or {}).items():
        _change(content, key, value)
    for assignment in assignments:
        key, value = assigned(assignment, "--set", "training.epochs=50")
        _put(content, key, value)
    anchor_recipe(content, Path.cwd())
    where = f"recipe {path}"
    near = get_close_matches("vocabulary", content, n=1)
    if near and not {"data", "vocabulary"} & set(content):
        raise RequestError(
            f"{where} has neither `data`, of rows, nor a `vocabulary`, of words, but {near[0]!r}; is that misspelt?"
        )
    if "vocabulary" in content:
        return parse(WordRecipe, content, where)
    return parse(TransferRecipe if "sources" in content else Recipe, content, where)


def resolve(content: dict[str, Any], where: str) -> Recipe:
    """A recipe whose paths, typed by the user in this folder, are absolute, so that it can be read anywhere.

    Args:
        content: the recipe's keys and values.
        where: who has them, for messages.
    """
    anchor_recipe(content, Path.cwd())
    return parse(TransferRecipe if "sources" in content else Recipe, content, where)


def _change(content: dict[str, Any], key: str, value: object) -> None:
    """One of the user's changes; naming the strategy or student that is there already keeps its settings."""
    if key in {"strategy", "student"}:
        there = content.get(key)
        if value == (there.get("name") if isinstance(there, dict) else there):
            return
    if key in {"teachers", "data"}:
        content["description"] = ""  # it told of others
    _put(content, key, value)


def dump(recipe: Run) -> str:
    """The recipe as YAML; reading it again gives the same recipe."""
    return written(recipe.model_dump(mode="json"))


def written(settings: Mapping[str, Any]) -> str:
    """The keys and values of a recipe as YAML, in their order."""
    text: str = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True, width=120)
    return text


def _put(content: dict[str, Any], key: str, value: object) -> None:
    *path, last = key.split(".")
    for step in path:
        below = content.setdefault(step, {})
        if isinstance(below, str):  # `strategy: ant` is short for `strategy: {name: ant}`
            below = content[step] = {"name": below}
        if not isinstance(below, dict):
            raise RequestError(f"--set {key}: {step!r} holds {below!r}, which has no keys below it")
        content = below
    content[last] = value
