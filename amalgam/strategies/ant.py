"""ANT, adaptive knowledge transfer (knowledge-amalgamation, ch. 4, Eqs. 15–37).

Multi-label teachers over different label sets make one student that knows dependencies nobody saw together.

Where teachers contradict each other on a label, the one whose prediction is trusted tells the other, which revises its
other labels accordingly; that may make new contradictions, and so on. Everything is batched over rows.

The chain that students and teachers of the paper are (Eqs. 29–36) is `students/label_chain.py`. Eqs. 17–25 are the
proof that a better informed prediction of a shared label informs the others better (Theorem 1); they compute nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from amalgam.conditional import Dependence, learn_dependence
from amalgam.habit import Habit, learn_habit
from amalgam.labels import tasks_of
from amalgam.losses import cross_entropy, stepwise
from amalgam.panel import Ballots, Panel
from amalgam.signals import Loss, ProbabilityTargets, Rows, StudentOutput, Targets, Votes
from amalgam.strategy import Learn, Paper, Strategy
from amalgam.surprise import Expectations, learn_expectations
from amalgam.teacher import ConditionalScorer


@dataclass(frozen=True)
class Learned:
    """What is known of the teachers by number, of those of whom it is needed.

    Attributes:
        habits: how each usually scores its labels.
        dependences: how its labels depend on each other.
        expectations: what all are expected to say of a row, by what they say of all others.
    """

    habits: Mapping[int, Habit]
    dependences: Mapping[int, Dependence]
    expectations: Expectations | None = None

    def thresholds(self, panel: Panel, scores: Tensor) -> Tensor:
        """(K, 1, L) the logits above which the teachers' decisions lie, 0 where none was learned."""
        found = torch.zeros(len(panel.seats), 1, scores.shape[2], dtype=scores.dtype, device=scores.device)
        for k, habit in self.habits.items():
            found[k] = panel.space.spread(k, habit.threshold[None].to(found)).nan_to_num(0.0)
        return found


Indicator = Literal["positive", "confidence", "calibrated", "surprise", "familiarity", "agreement"]


@dataclass(frozen=True, kw_only=True)
class ANT(Strategy[Learned]):
    """Adaptive knowledge transfer.

    Attributes:
        indicator: who is trusted where teachers contradict each other. `positive` (the paper): the surest positive
            teacher tells the negative ones. The others let the likeliest to be right tell, whichever its side:
            `confidence`, whose logit is largest; `calibrated`, whose logit is largest beside those it usually gives
            on that side of the label; `surprise`, the same, times e^δ where its claim goes δ spreads beyond what its
            answers for all other rows lead to expect; `familiarity`, whose logits for the whole row are largest beside
            its usual ones; `agreement`, whose other labels make its claim most expected, by how its labels depend on
            each other.
        revision: how a told teacher revises its other labels. `teacher`: it is asked again, if it can be told;
            `dependence`: by how its labels depend on each other over all rows, as for a teacher that cannot.
        clamp: whether a told label is fixed in the told teacher; otherwise it is only where the teacher starts from
            (the authors' code).
        rounds: of transfer, at most; None goes on until no contradiction is left to transfer, 1 has no recursion,
            0 only integrates.
        contradiction: the target of a label on which teachers still contradict each other. `positive` (Eq. 28): the
            highest probability. `mean`: that of the mean logit. `confident`: that of the surest teacher.
        prevalence: how far each teacher's decisions move from p > 0.5 (0, the paper) to where it affirms each label on
            as many rows as its probabilities add up to (1). It pays where labels are rare and teachers hesitate.
        temperature: what the integrated logits are divided by to make targets; 1 in the paper, 0 makes the targets hard
            decisions.
        supervise: which logits of a chain student meet the targets: `steps`, every step's, summed (the authors' code,
            and stabler); `final`, those of Eq. 34 alone, as Eq. 37 reads.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="ANT: Adaptive Knowledge Transfer for multi-label classifiers (AAAI 2023)",
        where="knowledge-amalgamation, chapter 4",
        equations=(*range(15, 17), *range(26, 38)),
        files=("strategies/ant.py", "students/label_chain.py", "losses.py"),
    )

    indicator: Indicator = "positive"
    revision: Literal["teacher", "dependence"] = "teacher"
    clamp: bool = False
    rounds: int | None = None
    contradiction: Literal["positive", "mean", "confident"] = "positive"
    prevalence: Annotated[float, Field(ge=0, le=1)] = 0.0
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    supervise: Literal["steps", "final"] = "steps"

    def prepare(self, panel: Panel, rows: Rows, ballots: Ballots, learn: Learn) -> Learned:
        """Learn what the teachers usually say, and how the labels of those depend on each other that need it."""
        votes, everyone = partial(ballots.own, size=4096), range(len(panel.seats))
        habitual = self.prevalence > 0 or (self.rounds != 0 and self.indicator in ("calibrated", "surprise"))
        weighed = self.indicator in ("familiarity", "agreement")
        compared = self.rounds != 0 and self.indicator == "surprise"
        dependent = [k for k in everyone if weighed or not _revises(panel.seats[k].teacher, self.revision)]
        return Learned(
            {k: learn_habit(partial(votes, k), self.prevalence) for k in everyone} if habitual else {},
            {k: learn_dependence(votes(k)) for k in dependent} if self.rounds != 0 else {},
            learn_expectations(rows, [partial(ballots.own_at, k) for k in everyone]) if compared else None,
        )

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: Learned) -> ProbabilityTargets:
        """Transfers until none is left, then Eq. (28)."""
        exchange = self.exchange(panel, rows, votes, state)
        logits = integrate(exchange.scores, votes.known, self.contradiction)
        counts = {
            "contradictions": contradicted(exchange.original, votes.known).sum(0),
            "transfers": exchange.transfers,
            "changed": exchange.changed.sum(1),
            "moved": ((exchange.original > 0) != (votes.read() > 0)).sum(1),
        }
        said = probabilities(logits / self.temperature) if self.temperature else (logits > 0).to(logits.dtype)
        return ProbabilityTargets(said, torch.ones_like(logits), counts)

    def exchange(self, panel: Panel, rows: Rows, votes: Votes, state: Learned) -> Exchange:
        """What the teachers tell each other of a chunk of rows, and what each says in the end."""
        exchange = Exchange(panel, rows, votes, state, self)
        rounds = 0
        while (self.rounds is None or rounds < self.rounds) and exchange.round():
            rounds += 1
        return exchange

    def facts(self, panel: Panel, counts: Mapping[str, Tensor]) -> dict[str, int]:
        """How often teachers contradicted and told each other, who told whom, and what it changed."""
        names = [seat.name for seat in panel.seats]
        told = counts["transfers"].sum(2)
        between = {
            f"transfers {names[m]} → {names[n]}": int(told[m, n]) for m, n in told.nonzero().tolist() if told[m, n]
        }
        return {
            "contradicted labels": int(counts["contradictions"].sum()),
            "transfers": int(told.sum()),
            **between,
            "other labels changed by transfers": int(counts["changed"].sum()),
            **({"decisions moved by prevalence": int(counts["moved"].sum())} if self.prevalence else {}),
        }

    def loss(self, output: StudentOutput, targets: Targets) -> Loss:
        """Eq. (37), for the final logits or summed over the steps of a chain."""
        assert isinstance(targets, ProbabilityTargets)
        return stepwise(output, targets) if self.learns_stepwise else cross_entropy(output.logits, targets)

    @property
    def learns_stepwise(self) -> bool:
        """Unless the final logits alone are supervised."""
        return self.supervise == "steps"


def probabilities(logits: Tensor) -> Tensor:
    """Eqs. (15), (16), (35), (36): P = σ(L), element by element."""
    return logits.sigmoid()


def contradicted(scores: Tensor, known: Tensor) -> Tensor:
    """The relations R of section 4.5.1 that matter: (B, L) bool, labels that one teacher affirms and another denies.

    Args:
        scores: (K, B, L) logits, NaN where unknown.
        known: (K, L) bool.
    """
    positive = scores > 0  # NaN is not
    return positive.any(0) & (~positive & known[:, None]).any(0)


def trust(
    panel: Panel,
    scores: Tensor,
    thresholds: Tensor,
    indicator: Indicator,
    learned: Learned,
    surprise: Tensor | None = None,
) -> Tensor:
    """How likely each teacher's side of each label is to be right, (K, B, L), comparable between teachers.

    Args:
        panel: K teachers.
        scores: (K, B, L) logits minus thresholds, NaN where unknown.
        thresholds: (K, 1, L).
        indicator: see `ANT`.
        learned: of all teachers, for the indicators that weigh a teacher by what it usually says.
        surprise: (K, B, L) by how many spreads each answer lies above what was expected, for the indicator of that
            name.
    """
    if indicator == "positive":
        return scores
    if indicator == "confidence":
        return scores.abs()
    weighed = list[Tensor]()
    for k, (spread, threshold) in enumerate(zip(scores, thresholds, strict=True)):
        own = panel.space.own(k, spread)
        if indicator in ("calibrated", "surprise"):
            weighed.append(panel.space.spread(k, learned.habits[k].sureness(own)))
            continue
        usual, said = learned.dependences[k], own + panel.space.own(k, threshold)
        if indicator == "familiarity":
            size = said.square().mean(1, keepdim=True).sqrt() / usual.size.square().mean().sqrt().clamp_min(1e-9)
            weighed.append(panel.space.spread(k, size.expand_as(said)))
        else:
            expected = usual.expected(said) - panel.space.own(k, threshold)
            weighed.append(panel.space.spread(k, torch.where(own > 0, expected, -expected)))
    sure = torch.stack(weighed)
    return sure if surprise is None else sure * torch.where(scores > 0, surprise, -surprise).exp()


def indicate(
    scores: Tensor, known: Tensor, received: Tensor, indicator: Indicator, trusted: Tensor
) -> tuple[Tensor, Tensor]:
    """The transfer indicator of section 4.5.1: who tells whom.

    The paper leaves open what happens after a transfer; here a teacher is told a label at most once, and does not pass
    on what it was told, so the exchange ends. Among several possible transferors the most trusted tells, the earliest
    of equals.

    Args:
        scores: (K, B, L) logits, NaN where unknown.
        known: (K, L) bool.
        received: (K, B, L) bool, labels that were told already.
        indicator: see `ANT`.
        trusted: (K, B, L) `trust`.

    Returns:
        transferor (B, L) long, and transferee (K, B, L) bool.
    """
    own = known[:, None] & ~received
    transferor = torch.where(own, trusted, -torch.inf).argmax(0)
    told = scores.gather(0, transferor[None])[0]
    differs = own & ((scores > 0) != (told > 0))
    if indicator == "positive":
        differs &= told > 0
    return transferor, differs


def integrate(scores: Tensor, known: Tensor, contradiction: str = "positive") -> Tensor:
    """Eqs. (27), (28): one logit for each label from the teachers that know it, (B, L).

    The least where all are at or below zero (p ≤ 0.5), the greatest where all are above; where teachers contradict each
    other, the greatest as well in the paper (`positive`), or the mean logit, or the surest.

    Args:
        scores: (K, B, L) logits, NaN where unknown.
        known: (K, L) bool.
        contradiction: `positive`, `mean` or `confident`.
    """
    least = torch.where(known[:, None], scores, torch.inf).amin(0)
    greatest = torch.where(known[:, None], scores, -torch.inf).amax(0)
    agreed = torch.where(greatest <= 0, least, greatest)
    if contradiction == "positive":
        return agreed
    if contradiction == "mean":
        settled = scores.nanmean(0)
    else:
        surest = torch.where(known[:, None], scores.abs(), -torch.inf).argmax(0, keepdim=True)
        settled = scores.gather(0, surest)[0]
    return torch.where(contradicted(scores, known), settled, agreed)


class Exchange:
    """The teachers' present scores on a chunk of rows, and what they have told each other.

    All logits are measured from the teachers' thresholds, so that above 0 they affirm.

    Attributes:
        original: (K, B, L) what each teacher said at first.
        scores: (K, B, L) what each says now.
        believed: (K, B, L) what each was told, NaN where nothing.
        transfers: (K, K, L) how many rows a teacher told another of a label: from, to, label.
    """

    def __init__(self, panel: Panel, rows: Rows, votes: Votes, learned: Learned, strategy: ANT) -> None:
        self.panel, self.rows, self.known, self.strategy, self.learned = panel, rows, votes.known, strategy, learned
        scores = votes.read()
        self.thresholds = learned.thresholds(panel, scores)
        self.original = scores - self.thresholds
        self.scores, self.believed = self.original.clone(), torch.full_like(scores, torch.nan)
        teachers, _, labels = scores.shape
        self.transfers = torch.zeros(teachers, teachers, labels, dtype=torch.long)  # from, to, label
        self.surprise = None if learned.expectations is None else self._surprise(scores, learned.expectations)

    def _surprise(self, scores: Tensor, expectations: Expectations) -> Tensor:
        """(K, B, L) by how many spreads each answer lies above what was expected of its teacher."""
        space, inputs = self.panel.space, self.rows.inputs(slice(0, len(self.rows)))
        own = [space.own(k, said) for k, said in enumerate(scores.cpu())]
        found = [space.spread(k, one) for k, one in enumerate(expectations.surprise(inputs, own))]
        return torch.stack(found).to(scores.device)

    @property
    def received(self) -> Tensor:
        """(K, B, L) bool: the labels that were told."""
        return ~self.believed.isnan()

    @property
    def changed(self) -> Tensor:
        """(K, B, L) bool: the other labels that a teacher decides otherwise than at first."""
        return ((self.scores > 0) != (self.original > 0)) & ~self.received

    def round(self) -> bool:
        """One round of transfers, all decided on the present scores; whether there was any."""
        indicator = self.strategy.indicator
        trusted = trust(self.panel, self.scores, self.thresholds, indicator, self.learned, self.surprise)
        transferor, transferee = indicate(self.scores, self.known, self.received, indicator, trusted)
        if not bool(transferee.any()):
            return False
        told = self.scores.gather(0, transferor[None])
        self.believed = torch.where(transferee, told, self.believed)
        for k in range(len(self.panel.seats)):
            self.transfers[k] += (transferee & (transferor == k)).sum(1).cpu()
        for k, listens in enumerate(transferee.any(2)):
            if bool(listens.any()):
                self.revise(k, listens.nonzero()[:, 0])
        return True

    def revise(self, teacher: int, where: Tensor) -> None:
        """Eq. (26): a teacher's scores of some rows, given all it has been told of them."""
        space, clamp = self.panel.space, self.strategy.clamp
        threshold = space.own(teacher, self.thresholds[teacher])
        believed = space.own(teacher, self.believed[teacher, where]) + threshold
        if _revises(self.panel.seats[teacher].teacher, self.strategy.revision):
            revised = self.panel.score_given(teacher, self.rows.inputs(where.cpu()), believed, clamp)
        else:
            said = space.own(teacher, self.original[teacher, where]) + threshold
            revised = self.learned.dependences[teacher].given(said, believed, clamp)
        revised = revised.to(self.scores.device) - threshold
        self.scores[teacher, where] = space.spread(teacher, revised)
        if clamp:
            told = self.believed[teacher, where]
            self.scores[teacher, where] = torch.where(told.isnan(), self.scores[teacher, where], told)


def _revises(teacher: object, revision: str) -> bool:
    """Whether a teacher is asked itself; one with a softmax is not, whose beliefs are no sigmoid logits."""
    return revision == "teacher" and isinstance(teacher, ConditionalScorer) and not tasks_of(teacher)
