"""What every table is: methods × settings, the protocol, and the published numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr, model_validator

from amalgam.bench.naming import check_keys, check_methods, check_shown
from amalgam.errors import RequestError
from amalgam.metrics import MEASURES

FORBID = ConfigDict(extra="forbid", frozen=True)

Role = Literal["compared", "variant", "bound"]

SUPERVISED = "supervised"
"""The strategy name of the bound that learns from the truth."""


def _with_name(spec: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(spec.get("name"), str):
        raise ValueError("a mapping with a `name`")
    return spec


Named = Annotated[dict[str, Any], AfterValidator(_with_name)]
"""A strategy's or a student's `name` and its settings."""


class Method(BaseModel):
    """A row of the table.

    Attributes:
        shown: its name for readers; the key by default.
        strategy: the strategy's `name` and hyperparameters, or just its name; `supervised` learns from the truth.
        role: `compared` methods are ranked and tested against each other; a `variant` of one and a `bound`, which sees
            what no method may see, stand beside them.
        note: what a reader should know of it.
    """

    model_config = FORBID

    shown: Annotated[str, AfterValidator(check_shown)] = ""
    strategy: Named
    role: Role = "compared"
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = {"strategy": given}
        if isinstance(given, dict) and isinstance(given.get("strategy"), str):
            given = {**given, "strategy": {"name": given["strategy"]}}
        return given


class Column(BaseModel):
    """A setting of a table: a column group.

    Attributes:
        student: what is added to the table's `student`; one that names another stands alone.
        training: what is added to the table's `training`.
        methods: method → what is added to its strategy here, where a paper chose for each data set.
        expected: method → the published measures, `[mean, sd]` in the order of the table's `measures`.
        expected_by_task: task → method → these, of a table that is ranked by task.
    """

    model_config = FORBID

    student: dict[str, Any] = {}
    training: dict[str, Any] = {}
    methods: dict[str, dict[str, Any]] = {}
    expected: dict[str, tuple[tuple[float, float], ...]] = {}
    expected_by_task: dict[str, dict[str, tuple[tuple[float, float], ...]]] = {}

    @property
    def rows_of(self) -> str:
        """What is measured on, so that settings of the same are known to depend on each other."""
        raise NotImplementedError


class Quick(BaseModel):
    """What `--quick` runs: fewer settings and seeds, and shorter trainings, to see that everything works.

    Attributes:
        settings: which.
        seeds: how many at most.
        training: what is added to every training.
    """

    model_config = FORBID

    settings: tuple[str, ...] = Field(min_length=1)
    seeds: int = Field(default=2, gt=0)
    training: dict[str, Any] = {}


class Table(BaseModel):
    """A paper's table: what its statistics need to know of it.

    Attributes:
        name: what it is called.
        title: what it shows.
        paper: where it is printed.
        protocol: how it is measured, in plain words; printed with every output.
        measures: the keys of `metrics.BENCHED` it compares, in the paper's order.
        headline: the method that the tests are against.
        exclusive: whether labels exclude each other: teachers and students choose one class a row.
        by_task: whether every label is ranked on its own, as a task; averages over tasks follow.
        student: the student, `name` and settings.
        training: the trainer's settings for students.
        methods: the rows, by key (see `naming.check_keys`).
        settings: the column groups, by key.
        quick: what `--quick` runs.
    """

    model_config = FORBID

    name: StrictStr = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str
    paper: str = ""
    protocol: str
    measures: tuple[str, ...] = tuple(measure.key for measure in MEASURES)
    headline: StrictStr
    exclusive: bool = False
    by_task: bool = False
    student: Named
    training: dict[str, Any] = {}
    methods: Mapping[str, Method] = Field(min_length=1)
    settings: Mapping[str, Column] = Field(min_length=1)
    quick: Quick | None = None

    @model_validator(mode="after")
    def _meets(self) -> Self:
        check_keys("methods", self.methods)
        check_keys("settings", self.settings)
        check_methods({key: self.shown(key) for key in self.methods})
        for key, one in self.methods.items():
            if one.strategy["name"] == SUPERVISED and one.role != "bound":
                raise ValueError(f"methods.{key}.role to be 'bound', for it learns from the truth, not {one.role!r}")
        if self.headline not in self.compared:
            raise ValueError(
                f"a headline among the compared methods ({', '.join(self.compared)}), not {self.headline!r}"
            )
        if self.by_task and self.exclusive:
            raise ValueError("by_task without exclusive: a task is a label that is yes or no by itself")
        if self.quick is not None:
            for name in self.quick.settings:
                if name not in self.settings:
                    raise ValueError(f"quick.settings among {', '.join(self.settings)}, not {name!r}")
        for name, setting in self.settings.items():
            for method, added in setting.methods.items():
                if method not in self.methods:
                    raise ValueError(f"settings.{name}.methods for methods of the table, not {method!r}")
                if "name" in added:
                    raise ValueError(f"settings.{name}.methods.{method} to keep the method's strategy, without a name")
            self._check_published(name, setting)
        return self

    def _check_published(self, name: str, setting: Column) -> None:
        """Published numbers are of the table's methods, one pair for each measure, and by task where the ranks are."""
        idle, where = ("expected", "expected_by_task") if self.by_task else ("expected_by_task", "expected")
        if getattr(setting, idle):
            raise ValueError(
                f"settings.{name}.{where} instead of {idle}, for the table is "
                f"{'' if self.by_task else 'not '}ranked by task"
            )
        tasks = {f"{where}.{task}": of for task, of in setting.expected_by_task.items()}
        for key, methods in (tasks if self.by_task else {where: setting.expected}).items():
            for method, published in methods.items():
                if method not in self.methods:
                    raise ValueError(f"settings.{name}.{key} for methods of the table, not {method!r}")
                if len(published) != len(self.measures):
                    raise ValueError(
                        f"settings.{name}.{key}.{method} with a pair [mean, sd] for each of the measures "
                        f"({', '.join(self.measures)}), not {len(published)}"
                    )

    @property
    def compared(self) -> tuple[str, ...]:
        """The methods that are ranked against each other."""
        return tuple(key for key, method in self.methods.items() if method.role == "compared")

    def expected(self, setting: str, method: str, measure: str) -> tuple[float, float] | None:
        """The published mean and standard deviation, if there is one."""
        published = self.settings[setting].expected.get(method)
        return None if published is None else published[self.measures.index(measure)]

    def shown(self, method: str) -> str:
        """A method's name for readers; a bound that no key names is its own name."""
        return self.methods[method].shown or method if method in self.methods else method

    def student_of(self, setting: Column) -> dict[str, Any]:
        """The student of a setting, `name` and settings: the table's with what the setting changes, or another."""
        another = setting.student.get("name", self.student["name"]) != self.student["name"]
        return {**({} if another else self.student), **setting.student}

    def quickly(self) -> Self:
        """The table that `--quick` runs."""
        if self.quick is None:
            raise RequestError(f"table {self.name!r} has no `quick:`, which says what --quick runs; run it whole")
        settings = {
            name: one.model_copy(update={"training": {**one.training, **self.quick.training}})
            for name, one in self.settings.items()
            if name in self.quick.settings
        }
        return self.model_copy(update={"settings": settings})
