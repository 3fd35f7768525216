"""distill of a transfer: the run as a story, from a large source and a small target to a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from amalgam import registry, run
from amalgam.classes import probabilities
from amalgam.ending import kept, measure, reported
from amalgam.errors import listed
from amalgam.evaluation import measurable
from amalgam.feasibility import feasible_transfer, pretraining_of, refuse_unreadable
from amalgam.figures import MOST_CLASSES
from amalgam.fingerprint import fingerprint, of_array, of_code, of_each_row, of_rows
from amalgam.journal import Journal
from amalgam.labels import LabelSpace
from amalgam.panel import Panel, Seat, told_apart
from amalgam.parts import Parts, apportion, refuse_leaks
from amalgam.processes import nonce, processes, tracked
from amalgam.progress import Progress, Silent
from amalgam.recipe import TransferRecipe
from amalgam.report import ANNOTATED, Known, Report
from amalgam.signals import Rows
from amalgam.sourcing import labelled, read
from amalgam.student import Student, build, load
from amalgam.thumbnails import Thumbnails, taken
from amalgam.training.settings import CODE as TRAINING
from amalgam.training.trainer import Fit, fit
from amalgam.transfer import CODE
from amalgam.transfer.begin import adopt, last_of, learned
from amalgam.transfer.coach import Coach, Heads, own_loss
from amalgam.transfer.method import Beside, Transfer
from amalgam.transfer.policy import Policy
from amalgam.transfer.reward import Reward
from amalgam.transfer.source import Source, unknown_to
from amalgam.transfer.target import Target, divided, target_of
from amalgam.transfer.told import Pretraining, Transferred, told


def distill(
    recipe: TransferRecipe,
    *,
    rows: Rows | None = None,
    held_out: Rows | None = None,
    sources: Mapping[str, Rows | None] | None = None,
    teachers: Sequence[Any] = (),
    out: Path | None = None,
    keep: bool = True,
    resume: bool = False,
    trust: bool = False,
    progress: Progress | None = None,
) -> tuple[Student, Report]:
    """Learn a target from a few labelled rows, with the help of a source.

    Args:
        recipe: the run.
        rows: the target's rows in memory, instead of the recipe's data.
        held_out: annotated rows in memory to measure on.
        sources: name → rows in memory, in the order of the recipe's sources; None for one that a file holds.
        teachers: teachers of the Python API, instead of the recipe's.
        out: the run directory; None makes a fresh one below `runs/`.
        keep: whether there is a run directory at all.
        resume: go on with the run in `out`.
        trust: the user's word that code which cards name may run.
        progress: who shows the steps.

    Raises:
        RequestError: something in the request must be mended.
        WorkError: the work failed.
    """
    method = feasible_transfer(recipe, keep, bool(sources))
    accelerator = processes()
    shown = progress or Silent()
    with run.opened(out, recipe, resume, keep, True) as folder, ExitStack() as passing:
        if folder is not None and run.finished(folder):
            shown.say(f"{folder} is finished; nothing is left to do")
            return load(folder), Report.read(folder)
        journal = Journal(shown, nonce(), passing)
        with journal.timed("data"):
            parts = apportion(_showing(recipe), rows, held_out, journal.progress)
            if recipe.training.augment is not None:
                recipe.training.augment.check(parts.learn.shape)
            target = target_of(parts.learn)
            exam = examined(recipe, method, target, accelerator.device)
            space, student = LabelSpace(target.rows.labels, (), target.tasks), untaught(recipe, target, parts.features)
            panel = Panel((), space)
            refuse_unreadable(recipe, panel, Parts(target.rows, parts.test), student)
            if parts.test is not None:
                measurable(parts.test, space.names, "the target has")
            found = read(recipe, student, sources, journal)
        for note in parts.notes:
            journal.note(note)
        with journal.timed("teachers"):
            seats = told_apart([
                registry.seat_of(one, number, accelerator, trust=trust, progress=journal.progress)
                for number, one in enumerate(list(teachers) or list(recipe.teachers), start=1)
            ])  # fmt: skip
            _refuse_leaks(parts, found, seats)
            source = labelled(found, seats, journal)
            if source is not None and (odd := unknown_to(source, space.names)) and len(odd) < len(space.names):
                journal.note(f"no source has a class named {listed(odd)}: what it is learned from is the target alone")
        with journal.timed("pretraining"):
            head, took = begun(student, recipe, method, target, source, accelerator, journal)
        student.seen = _behind(target, source)
        with journal.timed("training"):
            fitted, policy, rewarded = taught(
                recipe, method, student, head, target, exam, source, accelerator, folder, journal
            )
        with journal.timed("evaluation"):
            evaluation = measure(student, panel, parts.test, journal)
        exported = kept(student, recipe, folder, Parts(target.rows, parts.test), seats, journal)
        report = reported(
            recipe,
            student,
            accelerator,
            journal,
            teachers=tuple(map(Known.seated, seats)),
            data={
                "learnt from": len(target.rows),
                ANNOTATED: len(target.rows),
                **({} if source is None else {"source": len(source.rows)}),
                **({} if parts.test is None else {"measured on": len(parts.test)}),
            },
            history=fitted.history,
            policy=rewarded,
            evaluation=evaluation,
            transfer=None if source is None else transferred(source, policy, took),
            export=exported,
        )
        if folder is not None:
            report.write(
                folder, None if source is None or report.transfer is None else images_of(source, report.transfer)
            )
        return student, report


def _showing(recipe: TransferRecipe) -> TransferRecipe:
    """The recipe with all annotations shown, where nothing says how many are."""
    if recipe.data.shows_some:
        return recipe
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"labelled": 1.0})})


def untaught(recipe: TransferRecipe, target: Target, features: tuple[str, ...]) -> Student:
    """The student that the seed alone decides, for the target's rows and the columns that are their features."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        student = build(recipe.student, target.rows.shape, target.rows.labels, f"recipe {recipe.name}, student")
    student.tasks, student.features, student.reading = target.tasks, features, target.rows.texts
    return student


def examined(
    recipe: TransferRecipe, method: Transfer, target: Target, device: torch.device
) -> tuple[Target, Reward] | None:
    """The target's rows that are learned while a policy is, and its reward, told by the others; None without a policy.

    Raises:
        RequestError: too few rows, or of too few kinds, to tell the reward by.
    """
    if not isinstance(method, Beside):
        return None
    learn, held = divided(target, method.validation, recipe.seed)
    return learn, Reward(
        held.rows.inputs(slice(None)).to(device), held.truth.probabilities.to(device), held.spans, method.reward,
        method.reward_batch,
    )  # fmt: skip


def begun(
    student: Student,
    recipe: TransferRecipe,
    method: Transfer,
    target: Target,
    source: Source | None,
    accelerator: Accelerator,
    journal: Journal,
) -> tuple[nn.Module | None, Pretraining]:
    """Eq. (3): (α_s, α_t) is (1, 0) in the first N_S steps, which learn the source alone.

    The student, in place, begins with what a network of its kind learned in them, and is scaled as that was.

    Returns:
        that network's head for the source's classes, None where nothing was learned, or another source; and the
        seconds that networks took.
    """
    if source is None or not (method.pretraining or isinstance(method, Beside)):
        student.scaling.fit(target.rows)
        return None, Pretraining()

    took = dict[str, float]()

    def taught_by(some: Source) -> Student:
        first, took["source" if some is source else "redrawn"] = learned(
            some, recipe.student, method.pretraining, pretraining_of(recipe), recipe.seed,
            accelerator=accelerator, progress=journal.progress, where=f"recipe {recipe.name}, student",
        )  # fmt: skip
        return first

    def ask(some: Source) -> Tensor:
        first = taught_by(some)
        return probabilities(first.logits(target.rows.inputs(slice(None))), some.spans)

    first = taught_by(method.begins_with(source, ask, recipe.seed))
    adopt(student, first)
    return last_of(first) if first.labels == source.rows.labels else None, Pretraining(**took)


def taught(
    recipe: TransferRecipe,
    method: Transfer,
    student: Student,
    head: nn.Module | None,
    target: Target,
    exam: tuple[Target, Reward] | None,
    source: Source | None,
    accelerator: Accelerator,
    folder: Path | None,
    journal: Journal,
) -> tuple[Fit, Policy | None, tuple[dict[str, float], ...]]:
    """Train the student, in place; with a policy first on a part of the target's rows, then on all of them (§5).

    Returns:
        the last training, the policy, and the history of the training that it learned in, where that is another.
    """
    training, device = recipe.training, accelerator.device
    key = fingerprint(
        "transfer", of_rows(target.rows), of_array(target.truth.probabilities.numpy()),
        None if source is None else [of_rows(source.rows), of_array(source.said.numpy())],
        recipe.strategy, recipe.student, training.model_dump(mode="json"), recipe.seed, of_code(*CODE, *TRAINING),
    )  # fmt: skip

    def lesson(rows: Target, coach: Coach | None, name: str, stage: str) -> Fit:
        """Eq. (4): the weights that minimise the joint loss, a step of the trainer's optimiser for each action."""
        beside = None if coach is None or head is None else Heads(deepcopy(head), coach.spans)
        with tracked(training, f"{recipe.name}-{stage}", None if folder is None else folder / run.LOGS) as there:
            return fit(
                student, rows.rows, rows.truth, own_loss, training.of(len(rows.rows)),
                seed=recipe.seed, accelerator=there, companion=beside, coach=coach,
                folder=None if folder is None else folder / run.CHECKPOINTS / stage, key=f"{key}-{stage}",
                progress=journal.progress, name=name,
            )  # fmt: skip

    if not isinstance(method, Beside) or exam is None or source is None:
        return lesson(target, None, "training", "target"), None, ()
    learn, reward = exam
    policy = method.policy(source.said.shape[1]).to(device)
    coach = Coach(source, policy, reward, method.source_batch, method.multiple, device)
    beginning = deepcopy(student.state_dict())
    fitted = lesson(learn, coach, "training with the policy", "policy")
    warn(policy, journal)
    if not method.again:
        return fitted, policy, ()
    student.load_state_dict(beginning)
    further = Coach(source, policy, None, method.source_batch, method.multiple, device)
    return lesson(target, further, "training on all labelled rows", "again"), policy, fitted.history


def transferred(source: Source, policy: Policy | None, took: Pretraining) -> Transferred:
    """What the report says of the source and of the weights of its classes."""
    weights, alpha = (None, None) if policy is None else (policy.expected.cpu(), policy.expected_alpha)
    return replace(told(source, weights, alpha), pretraining=took)


def images_of(source: Source, found: Transferred) -> Thumbnails | None:
    """The rows of a source that a report shows, where they are images."""
    numbered = replace(source.rows, ids=torch.arange(len(source.rows)))
    return taken(numbered, (), (row for one in found.classes[:MOST_CLASSES] for row in one.examples))


def warn(policy: Policy, journal: Journal) -> None:
    """A note where the policy has given up the source."""
    if policy.mode == "learned" and float(policy.expected.max()) < 0.05:
        journal.note("the policy weighs every class of the source at nearly 0: it does not help this target")
    elif policy.expected_alpha < 0.01 * policy.beta:
        journal.note("the policy weighs the source as a whole at nearly 0: it does not help this target")


def _behind(target: Target, source: Source | None) -> np.ndarray[Any, np.dtype[np.uint64]]:
    rows = [target.rows] if source is None else [target.rows, source.rows]
    return np.unique(np.concatenate([of_each_row(one) for one in rows]))


def _refuse_leaks(parts: Parts, found: Mapping[str, Rows], seats: Sequence[Seat]) -> None:
    """Refuse test rows that are among the target's or a source's, or that a teacher learned from."""
    panel = Panel(tuple(seats), LabelSpace((), ()))
    for rows in (parts.learn, *found.values()):
        refuse_leaks(panel, replace(parts, learn=rows))
