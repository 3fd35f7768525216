"""How a student is trained: the trainer's settings, with defaults that suit a small student on little data."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from amalgam.training.augment import Augment

CODE = tuple(f"amalgam.training.{name}" for name in ("trainer", "state", "coach", "feed", "settings", "augment"))
"""The modules whose change makes other weights of the same rows, targets and settings."""


_FEW = 100


class Training(BaseModel):
    """The trainer's settings.

    Attributes:
        epochs: passes over the training rows, at most.
        batch_size: rows of one optimiser step, over all processes and micro-batches together.
        accumulate: micro-batches a step is cut into, for students too large for one.
        optimizer: which optimiser of torch.
        learning_rate: its rate at the top of the schedule.
        weight_decay: its weight decay.
        momentum: of `sgd`.
        schedule: what happens to the rate after the warm-up.
        warmup: share of all steps over which the rate rises from zero.
        clip_norm: the largest gradient norm; None does not clip.
        precision: `bf16` and `fp16` are automatic mixed precision.
        ema: decay of an exponential moving average of the weights, which is then the student; None keeps none.
        validation: share of the rows held out for early stopping; what is measured there is the same loss against the
            surrogate targets: no ground truth is assumed.
        patience: epochs without a better validation loss before training stops; None always trains to the end.
        improvement: by what share of all that was gained since the first epoch the best validation loss must be beaten
            to count as better; above 0, a loss that creeps on for ever stops, too. A share of the loss itself would be
            no fair measure: soft targets leave it far above zero, hard ones do not.
        keep: which weights the student ends with: the `best` by validation loss, or the `last`, of which no copy is
            kept: where the weights are most of the memory.
        compile: torch.compile the student.
        threads: CPU threads of torch while training; None leaves torch its own choice. One is best for a small student:
            its operations are too short to share.
        workers: processes that read rows which do not fit in memory.
        checkpoint_seconds: at least this long between two checkpoints (and at least fifty times as long as one takes).
        tracker: an Accelerate tracker, such as `tensorboard`, that logs every epoch.
        augment: how the random views are drawn that the student sees; None shows it the plain inputs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=200, gt=0)
    batch_size: int = Field(default=32, gt=0)
    accumulate: int = Field(default=1, gt=0)
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup: float = Field(default=0.0, ge=0, le=1)
    clip_norm: float | None = Field(default=5.0, gt=0)
    precision: Literal["no", "bf16", "fp16"] = "no"
    ema: float | None = Field(default=None, gt=0, lt=1)
    validation: float = Field(default=0.1, ge=0, lt=1)
    patience: int | None = Field(default=20, gt=0)
    improvement: float = Field(default=0.0, ge=0, lt=1)
    keep: Literal["best", "last"] = "best"
    compile: bool = False
    threads: int | None = Field(default=None, gt=0)
    workers: int = Field(default=0, ge=0)
    checkpoint_seconds: float = Field(default=1.0, ge=0)
    tracker: str | None = None
    augment: Augment | None = None

    @field_validator("precision", mode="before")
    @classmethod
    def _no_is_no_boolean(cls, precision: object) -> object:
        return "no" if precision is False else precision  # YAML reads an unquoted `no` as false

    def of(self, rows: int) -> Training:
        """These settings for some labelled rows: fewer than 100 leave none to stop by, and train for all epochs."""
        return self if rows >= _FEW else self.model_copy(update={"validation": 0.0, "patience": None})

    def better(self, loss: float, best: float, first: float) -> bool:
        """Whether a validation loss counts as better than the best so far, given that of the first epoch."""
        return math.isinf(best) or loss < best - self.improvement * (first - best)
