"""ANT with every choice it offers, teachers of every kind at one table: the batched code equals the slow truth."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import pytest
import torch

from amalgam.panel import Ballots, Panel
from amalgam.strategies.ant import ANT, Exchange, Indicator
from tests.laws import untaught
from tests.reference import ant as slow
from tests.reference import dependence, habit
from tests.reference.panels import mixed_panel
from tests.strategies.seated import seated

PANELS = 48  # enough of every kind
PREVALENCES = (0.0, 0.25, 0.5, 1.0)
INDICATORS = get_args(slow.Indicator)  # those that have a slow truth


def test_every_indicator_has_a_slow_truth() -> None:
    """That of `surprise`, a factor on the trust of `calibrated`, is in tests/test_surprise.py."""
    assert set(get_args(Indicator)) == {*INDICATORS, "surprise"}


def is_settled(truth: slow.Amalgamation, contradiction: str) -> bool:
    """Whether nothing hung on the last digits of a number: then float32 decides as the truth does."""
    margins = [float("inf")]
    for round, (logits, trusted) in enumerate(truth.weighed, start=1):
        told = {(one.transferee, one.label) for one in truth.transfers if one.round < round}
        margins += [abs(one) for each in logits for one in each.values()]
        for m, n, label in shared(trusted):
            if not told & {(m, label), (n, label)}:
                margins.append(abs(trusted[m][label] - trusted[n][label]))
    for label in truth.integrated:
        candidates = [each[label] for each in truth.logits if label in each]
        if contradiction == "mean":
            margins.append(abs(sum(candidates) / len(candidates)))
        elif contradiction == "confident":
            margins += [abs(one + other) for one in candidates for other in candidates]
    return min(margins) > 2e-3


def shared(logits: Sequence[slow.Logits]) -> list[tuple[int, int, str]]:
    """Every two teachers, the earlier first, with every label that both know."""
    return [(m, n, label) for n, one in enumerate(logits) for m in range(n) for label in one if label in logits[m]]


def spread(panel: Panel, said: Sequence[Sequence[slow.Logits]]) -> torch.Tensor:
    """What the truth says of rows, row by row and teacher by teacher, as (K, B, L), NaN where it says nothing."""
    names = panel.space.names
    rows = [[[each.get(label, torch.nan) for label in names] for each in row] for row in said]
    return torch.tensor(rows).transpose(0, 1)


@pytest.mark.parametrize("revision", get_args(slow.Revision))
@pytest.mark.parametrize("indicator", INDICATORS)
def test_every_choice_equals_slow_for_any_rows_in_any_order(indicator: Any, revision: Any) -> None:
    """Teachers of all kinds; the rows whose decisions are clear, in any order, cut into two chunks."""
    seen: Counter[tuple[bool | str, str]] = Counter()
    for seed in range(PANELS):
        drawn, chance, prevalence = mixed_panel(seed, indicator, revision), random.Random(seed), PREVALENCES[seed % 4]
        choices: dict[str, Any] = {
            "indicator": indicator,
            "revision": revision,
            "clamp": drawn.clamp,
            "rounds": drawn.rounds,
            "contradiction": drawn.contradiction,
            "temperature": drawn.temperature,
        }
        said = [[slow.first(teacher) for teacher in drawn.at(row)] for row in range(drawn.rows)]
        learned = [slow.Learned(habit.learn(one, prevalence), dependence.learn(one)) for one in zip(*said, strict=True)]
        truths = [slow.amalgamate(drawn.at(row), learned=learned, **choices) for row in range(drawn.rows)]
        order = [row for row, truth in enumerate(truths) if is_settled(truth, drawn.contradiction)]
        if not order:
            continue
        chance.shuffle(order)
        cut = chance.randint(0, len(order))
        truths = [truths[row] for row in order]
        seen.update(
            (what, example)
            for truth in truths
            for example in happened(truth)
            for what in (drawn.clamp, str(prevalence))
        )

        strategy = ANT(prevalence=prevalence, **choices)
        panel, rows, ballots = seated(drawn)
        state = strategy.prepare(panel, rows, ballots, untaught)
        chunks = [torch.tensor(one, dtype=torch.long) for one in (order[:cut], order[cut:])]
        parts = [(panel, rows.take(one), votes_on(ballots, one), state) for one in chunks if len(one)]
        assert_told(panel, [strategy.exchange(*part) for part in parts], truths)
        made = [strategy.targets(*part) for part in parts]
        got = torch.cat([one.probabilities for one in made])
        wanted = torch.tensor([[truth.integrated[label] for label in panel.space.names] for truth in truths])
        torch.testing.assert_close(got, wanted, rtol=0, atol=0.0 if drawn.temperature == 0 else 1e-4)
        assert all(bool(one.weights.eq(1).all()) for one in made)
        assert_counted(strategy, panel, [one.counts for one in made], truths)

    for clamp in (False, True):
        assert seen[clamp, "transfer"] > 0.3 * seen[clamp, "clear"] > 30, seen
        assert min(seen[clamp, what] for what in ("again", "changed")) > 10, seen
    for prevalence in PREVALENCES:
        assert min(seen[str(prevalence), what] for what in ("transfer", "again", "changed")) > 2, seen
        assert (seen[str(prevalence), "moved"] > 5) == (prevalence > 0), seen


def happened(truth: slow.Amalgamation) -> list[str]:
    """What the truth of a row is an example of."""
    last = max((one.round for one in truth.transfers), default=0)
    examples = {
        "clear": True,
        "transfer": last > 0,
        "again": last > 1,
        "changed": bool(truth.changed),
        "moved": bool(truth.moved),
    }
    return [what for what, does in examples.items() if does]


def assert_told(panel: Panel, made: Sequence[Exchange], truths: Sequence[slow.Amalgamation]) -> None:
    """Exchanges, one after the other, are the truth of their rows."""

    def all_of(name: str) -> torch.Tensor:
        return torch.cat([getattr(one, name) for one in made], dim=1)

    believed = spread(panel, [truth.received for truth in truths])
    for name, wanted in {
        "original": spread(panel, [truth.original for truth in truths]),
        "scores": spread(panel, [truth.logits for truth in truths]),
        "believed": believed,
    }.items():
        torch.testing.assert_close(all_of(name), wanted, rtol=1e-4, atol=1e-3, equal_nan=True)
    assert torch.equal(all_of("received"), ~believed.isnan())
    changed = {(k, row, label) for row, truth in enumerate(truths) for k, label in truth.changed}
    assert counted(panel, all_of("changed").long()).keys() == changed
    transfers = Counter((one.transferor, one.transferee, one.label) for truth in truths for one in truth.transfers)
    assert counted(panel, torch.stack([one.transfers for one in made]).sum(0)) == transfers


def assert_counted(
    strategy: ANT, panel: Panel, made: Sequence[Mapping[str, torch.Tensor]], truths: Sequence[slow.Amalgamation]
) -> None:
    """The counts of chunks, which add up, and their facts, are those of the truth."""
    counts = {name: torch.stack([one[name] for one in made]).sum(0) for name in made[0]}
    transfers = Counter((one.transferor, one.transferee, one.label) for truth in truths for one in truth.transfers)
    changed = Counter(pair for truth in truths for pair in truth.changed)
    moved = Counter(pair for truth in truths for pair in truth.moved)
    contradicted: Counter[tuple[str]] = Counter()
    for row in (truth.original for truth in truths):
        contradicted.update({(label,) for m, n, label in shared(row) if (row[m][label] > 0) != (row[n][label] > 0)})
    assert counts.keys() == {"contradictions", "transfers", "changed", "moved"}
    assert counted(panel, counts["transfers"]) == transfers
    assert counted(panel, counts["changed"]) == changed
    assert counted(panel, counts["moved"]) == moved
    assert counted(panel, counts["contradictions"]) == contradicted
    among = Counter((m, n) for m, n, _ in transfers.elements())
    assert strategy.facts(panel, counts) == {
        "contradicted labels": contradicted.total(),
        "transfers": transfers.total(),
        **{f"transfers t{m} → t{n}": times for (m, n), times in among.items()},
        "other labels changed by transfers": changed.total(),
        **({"decisions moved by prevalence": moved.total()} if strategy.prevalence else {}),
    }


def counted(panel: Panel, counts: torch.Tensor) -> dict[tuple[Any, ...], int]:
    """Counts (…, L) that are not 0: their place, with the label in words, → how many."""
    return {(*place[:-1], panel.space.names[place[-1]]): int(counts[*place]) for place in counts.nonzero().tolist()}


def votes_on(ballots: Ballots, rows: torch.Tensor) -> Any:
    """The votes on some rows, in their order."""
    return Ballots(ballots.panel, len(rows), tuple(one[rows] for one in ballots.scores)).at(slice(0, len(rows)))
