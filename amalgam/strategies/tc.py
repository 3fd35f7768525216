"""TC, teacher coordinator (knowledge-amalgamation, ch. 3, Eqs. 6–14): one classifier from teachers of other classes.

Each teacher tells the classes apart that it knows, and is at a loss with any other, without knowing it. From a few
labelled rows a trust learner learns which teachers know the class of a row; their distributions, weighed by that trust,
add up to a distribution over all classes, which the student learns from all rows.

As printed, trust is learned by an LSTM that has a dozen series to learn from. The options beside it are ours; what they
gain is in docs/tables.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from amalgam.classes import among, as_targets, one_hot, truth_of, whole
from amalgam.errors import RequestError, listed
from amalgam.losses import cross_entropy
from amalgam.panel import Ballots, Panel
from amalgam.probe import linear_probe
from amalgam.rocket import Rocket
from amalgam.signals import Loss, ProbabilityTargets, Rows, StudentOutput, Votes
from amalgam.strategy import Account, Grid, Learn, Paper, Strategy
from amalgam.students.recurrent import Recurrent

_CHUNK = 1024
Evidence = Literal["lstm", "rocket", "outputs", "both"]
Normalise = Literal["softmax", "logits", "share", "none"]


@dataclass(frozen=True)
class Learned:
    """What the few labelled rows told.

    Attributes:
        reader: series (B, T, C) to features of them; None where the series are not looked at.
        outputs: whether the teachers' outputs are looked at.
        judge: features to logits, of K teachers or of L classes.
        temperatures: (K,) what each teacher's logits are divided by.
    """

    reader: nn.Module | None
    outputs: bool
    judge: nn.Module
    temperatures: Tensor


@dataclass(frozen=True)
class TC(Strategy[Learned]):
    """Teacher coordinator.

    Attributes:
        evidence: what trust is learned from. `lstm` (the paper): the series, by an LSTM. `rocket`: the series, by a
            linear model on random-convolution features, which a dozen rows suffice for. `outputs`: what the teachers
            say, by a linear model. `both`: the last two together.
        judged: what is learned of a row: which `teachers` know its class (the paper, Eq. 9), or which of the `classes`
            it has; a teacher is then trusted as much as all its classes together.
        normalise: how the trust of all teachers is made relative. `softmax` of the probabilities e (Eq. 8), which keeps
            two teachers within .27 and .73; `logits`, a softmax of what e is the sigmoid of; `share`, e over its sum;
            `none`, as Eq. 11 needs of trust that is a probability already.
        shared: what becomes of a class that several teachers know: the `sum` of what they say (as Eq. 11 reads, which
            counts it once for each), or the `mean`.
        mix: the share of the judge's own distribution over the classes in the target; needs `judged: classes`.
        blend: whether the two are mixed by their `arithmetic` or `geometric` mean.
        calibrate: whether each teacher's logits are first brought to a temperature, that which fits the labelled rows
            of its classes best.
        labelled: whether the labelled rows' targets are their annotations.
        hard: whether the student learns the likeliest class alone, not the distribution.
        layers: of the LSTM.
        hidden: units of each of its layers.
        epochs: of its training, all of them.
        batch_size: rows of a step.
        learning_rate: of it.
        features: of the random convolutions, about.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="TC: Semi-Supervised Knowledge Amalgamation for Sequence Classification (AAAI 2021)",
        where="knowledge-amalgamation, chapter 3",
        equations=tuple(range(6, 15)),
        files=("strategies/tc.py", "students/recurrent.py", "classes.py"),
    )
    exclusive: ClassVar[bool | None] = True
    sees_labels: ClassVar[bool] = True
    trains: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = (
        "amalgam.probe", "amalgam.rocket", "amalgam.series", "amalgam.student", "amalgam.students._series",
        "amalgam.students.recurrent",
    )  # fmt: skip

    evidence: Evidence = "lstm"
    judged: Literal["teachers", "classes"] = "teachers"
    normalise: Normalise = "softmax"
    shared: Literal["sum", "mean"] = "sum"
    mix: Annotated[float, Field(ge=0, le=1)] = 0.0
    blend: Literal["arithmetic", "geometric"] = "geometric"
    calibrate: bool = False
    labelled: bool = False
    hard: bool = False
    layers: PositiveInt = 1
    hidden: PositiveInt = 8
    epochs: PositiveInt = 1000
    batch_size: PositiveInt = 8
    learning_rate: PositiveFloat = 0.01
    features: PositiveInt = 1000

    def __post_init__(self) -> None:
        """Refuse a mixture with a distribution that nobody learns."""
        if self.mix and self.judged == "teachers":
            raise RequestError("strategy 'tc': `mix` needs the judge's distribution over classes; set judged: classes")

    def prepare(self, panel: Panel, rows: Rows, ballots: Ballots, learn: Learn) -> Learned:
        """Step 1, the trust learner, from the labelled rows alone."""
        assert rows.annotated is not None
        classes = truth_of(rows.annotated)
        where = (classes >= 0).nonzero()[:, 0]
        some, truth, known = rows.take(where), classes[where], panel.space.known
        scores = torch.stack(
            [panel.space.spread(k, torch.as_tensor(one[where])) for k, one in enumerate(ballots.scores)]
        )
        temperatures = torch.ones(len(panel.seats))
        if self.calibrate:
            temperatures = calibrated(scores, truth, known)
        if self.evidence == "lstm":
            judge = self._lstm(panel, some, truth, known, learn)
            return Learned(None, False, judge, temperatures)
        reader = None
        if self.evidence in ("rocket", "both"):
            reader = Rocket(rows.shape, self.features)
            reader.fit(rows)
        state = Learned(reader, self.evidence in ("outputs", "both"), nn.Identity(), temperatures)
        seen = self._features(state, some, scores)
        return replace(state, judge=self._linear(panel, seen, truth, known))

    def _lstm(self, panel: Panel, some: Rows, truth: Tensor, known: Tensor, learn: Learn) -> nn.Module:
        """Eqs. (6), (7): the LSTM whose outputs' sigmoid is e, trained by Eq. (9); or one that says the class."""
        by_class = self.judged == "classes"
        names = panel.space.names if by_class else [seat.name for seat in panel.seats]
        shape = some.shape
        settings = Recurrent.Settings(layers=self.layers, hidden=self.hidden)
        wanted = as_targets(some.annotated)[0] if by_class else membership(truth, known)
        targets = ProbabilityTargets(wanted, torch.ones_like(wanted), spans=whole(wanted) if by_class else ())

        def make() -> Recurrent:
            network = Recurrent(shape, names, settings)
            network.scaling.fit(some)
            return network

        how: dict[str, Any] = {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
        }
        how |= {"patience": None, "validation": 0.0}  # a dozen rows leave none to stop by
        judge: nn.Module = learn(make, targets, learn_trust, "trust learner", rows=some, settings=how)
        return judge

    def _linear(self, panel: Panel, seen: Tensor, truth: Tensor, known: Tensor) -> nn.Module:
        """The judge on features (n, F): of the classes at once, or of each teacher whether it knows the class."""
        if self.judged == "classes":
            without = [name for column, name in enumerate(panel.space.names) if not bool((truth == column).any())]
            if without:
                raise RequestError(
                    f"no labelled row has the class {listed(without)}, and with `judged: classes` strategy 'tc' learns "
                    "each from at least one; raise data.labelled, label one, or choose `judged: teachers` without `mix`"
                )
            return linear_probe(seen, truth, panel.space.names)
        judge = nn.Linear(seen.shape[1], len(panel.seats)).requires_grad_(False)
        for k, member in enumerate(membership(truth, known).T):
            if bool(member.all()):  # it knows every class there is
                judge.weight[k], judge.bias[k] = 0.0, math.log(len(member) + 1)
                continue
            name = panel.seats[k].name
            one = linear_probe(seen, member.long(), (f"unknown to {name}", f"known to {name}"))
            judge.weight[k], judge.bias[k] = one.weight[1] - one.weight[0], one.bias[1] - one.bias[0]
        return judge

    def _features(self, state: Learned, rows: Rows, scores: Tensor) -> Tensor:
        """What the judge looks at, (B, F)."""
        parts = []
        if state.reader is not None:
            parts.append(torch.cat([state.reader(inputs) for _, inputs in rows.chunks(_CHUNK)]))
        if state.outputs:
            said = (scores / state.temperatures[:, None, None]).nan_to_num(nan=-torch.inf).log_softmax(-1)
            told = said.clamp_min(-10.0).masked_fill(scores.isnan(), 0.0).transpose(0, 1).flatten(1)
            parts.append(told / told.shape[1] ** 0.5 / 4)
        return torch.cat(parts, dim=1)

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: Learned) -> ProbabilityTargets:
        """Step 2, the knowledge amalgamator."""
        said = specialised(votes.scores, state.temperatures)
        trust, posterior = self._trust(rows, votes, state)
        target = combine(said, trust, votes.known, self.shared)
        if posterior is not None and self.mix:
            target = mixed(target, posterior, self.mix, self.blend)
        likeliest = one_hot(target).float()
        counts = {"trust": likeliest.T @ trust, "chosen": likeliest.sum(0)}
        if self.hard:
            target = likeliest
        if self.labelled:
            truth, known = as_targets(rows.annotated)
            target = torch.where(known > 0, truth, target)
        return ProbabilityTargets(target, torch.ones_like(target), counts, spans=whole(target))

    def account(self, panel: Panel, rows: Rows, votes: Votes, state: Learned) -> Account:
        """The trust in each teacher and, where the judge is of classes, what it says itself."""
        trust, posterior = self._trust(rows, votes, state)
        return Account({"trust": trust}, {} if posterior is None else {"judge": posterior})

    def _trust(self, rows: Rows, votes: Votes, state: Learned) -> tuple[Tensor, Tensor | None]:
        """The trust in each teacher (B, K), and the judge's distribution over classes (B, L) if it has one."""
        judged = self._judged(rows, votes, state)
        if self.judged == "teachers":
            return relative(trusted(judged), judged, self.normalise), None
        posterior = judged.softmax(1)
        return relative(*class_trust(posterior, votes.known), self.normalise), posterior

    def _judged(self, rows: Rows, votes: Votes, state: Learned) -> Tensor:
        """The judge's logits (B, K) of teachers or (B, L) of classes."""
        with torch.no_grad():
            if self.evidence == "lstm":
                device = next(state.judge.parameters()).device
                said = [state.judge(inputs.to(device)).logits.cpu() for _, inputs in rows.chunks(_CHUNK)]
                return torch.cat(said)
            judged: Tensor = state.judge(self._features(state, rows, votes.scores))
            return judged

    def facts(self, panel: Panel, counts: Mapping[str, Tensor]) -> dict[str, int]:
        """How many rows have each class as the likeliest of their target."""
        chosen = zip(panel.space.names, counts["chosen"].tolist(), strict=True)
        return {f"rows whose target is {label}": round(count) for label, count in chosen}

    def grid(self, panel: Panel, counts: Mapping[str, Tensor]) -> Grid:
        """How much each teacher was trusted with the rows whose target is a class, on average."""
        mean = (counts["trust"] / counts["chosen"][:, None]).tolist()
        values = tuple(tuple(None if math.isnan(one) else round(one, 4) for one in row) for row in mean)
        says = "Mean trust in a teacher, over the rows whose target is the class; a dash where no row's is."
        return Grid(says, panel.space.names, tuple(seat.name for seat in panel.seats), values)


def trusted(logits: Tensor) -> Tensor:
    """Eqs. (6), (7): e = σ(W_a · h_a + b_a), the probability that a teacher knows the class of a row, (B, K).

    Args:
        logits: W_a · h_a + b_a with h_a the LSTM's final hidden state.
    """
    return logits.sigmoid()


def relative(trust: Tensor, logits: Tensor, how: Normalise) -> Tensor:
    """Eq. (8): P(y ∈ Y_k | X) = softmax(e), or another way to make trust relative, (B, K).

    Args:
        trust: e, (B, K).
        logits: what e is the sigmoid of.
        how: see `TC`.
    """
    if how == "softmax":
        return trust.softmax(1)
    if how == "logits":
        return logits.softmax(1)
    return trust / trust.sum(1, keepdim=True).clamp_min(1e-9) if how == "share" else trust


def membership(truth: Tensor, known: Tensor) -> Tensor:
    """The 1_{T_k} of Eq. (9): whether each teacher knows the class of each row, (B, K) of 0 and 1.

    Args:
        truth: classes (B,).
        known: (K, L) bool.
    """
    return known.T[truth].float()


def learn_trust(output: StudentOutput, targets: ProbabilityTargets) -> Loss:
    """Eq. (9): J = −Σ_k 1_k log e_k + (1 − 1_k) log(1 − e_k); the printed second logarithm lacks its "1 −".

    A judge of classes learns their cross-entropy instead.
    """
    return cross_entropy(output.logits, targets)


def specialised(scores: Tensor, temperatures: Tensor) -> Tensor:
    """Eq. (10): P(y | y ∈ Y_k, X), each teacher's softmax over its own classes, 0 elsewhere, (K, B, L).

    Args:
        scores: (K, B, L) logits, NaN where unknown.
        temperatures: (K,) what the logits are divided by; 1 in the paper.
    """
    return among(scores / temperatures[:, None, None])


def class_trust(posterior: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """A teacher is trusted as much as its classes are likely together: Σ_{y ∈ Y_k} q(y), and its logit, (B, K) each.

    Args:
        posterior: q, (B, L).
        known: (K, L) bool.
    """
    trust = (posterior @ known.T.to(posterior)).clamp(1e-6, 1 - 1e-6)
    return trust, trust.logit()


def combine(said: Tensor, trust: Tensor, known: Tensor, shared: Literal["sum", "mean"]) -> Tensor:
    """Eq. (11): P(y | X) from P(y | y ∈ Y_k, X) · P(y ∈ Y_k | X) of the teachers that know y, (B, L).

    The text has one teacher for a class. Of several, what they say is added or averaged; then the distribution is
    brought to a sum of 1.

    Args:
        said: (K, B, L), 0 where a teacher does not know the class.
        trust: (B, K).
        known: (K, L) bool.
        shared: see `TC`.
    """
    joint = torch.einsum("kbl,bk->bl", said, trust)
    if shared == "mean":
        joint = joint / known.sum(0)
    return joint / joint.sum(1, keepdim=True).clamp_min(1e-12)


def mixed(target: Tensor, posterior: Tensor, share: float, blend: Literal["arithmetic", "geometric"]) -> Tensor:
    """A target mixed with the judge's own distribution, (B, L)."""
    if blend == "arithmetic":
        return (1 - share) * target + share * posterior
    logs = (1 - share) * target.clamp_min(1e-12).log() + share * posterior.clamp_min(1e-12).log()
    return logs.softmax(1)


def calibrated(scores: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """The temperature (K,) at which each teacher is likeliest to say the classes of the labelled rows that it knows.

    Guo, Pleiss, Sun, Weinberger (ICML 2017), sought between 1/8 and 8; 1 for a teacher that knows fewer than two rows.

    Args:
        scores: (K, n, L) logits on labelled rows, NaN where unknown.
        truth: their classes (n,).
        known: (K, L) bool.
    """
    found = torch.ones(len(scores))
    grid = 2.0 ** torch.linspace(-3, 3, 61)
    for k, own in enumerate(scores):
        mine = known[k][truth]
        if int(mine.sum()) < 2:
            continue
        said = specialised(own[mine].expand(len(grid), -1, -1), grid)
        likelihood = said.gather(2, truth[mine].expand(len(grid), -1)[..., None]).clamp_min(1e-12).log().sum((1, 2))
        found[k] = grid[likelihood.argmax()]
    return found
