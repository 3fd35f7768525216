"""Rankings: what comes first, how sure that is, what others would choose, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from amalgam.panel import Seat
from amalgam.progress import Silent
from amalgam.ranking import p2l
from amalgam.ranking.distances import Clock, Estimated, Look, Standard, around, distances, drawn
from amalgam.ranking.divergences import EPSILON, Divergence
from amalgam.ranking.entries import BY_ROWS, Candidate, Ranker, Ranking
from amalgam.ranking.rank import rank
from amalgam.ranking.reference import Reference
from amalgam.ranking.scores import SCORES, Score
from amalgam.tokens import Reading
from tests.reference import ranking as reference

from .given import Looks, Votes, refused, rows_of, seated, sources, table

DIVERGENCES: tuple[Divergence, ...] = get_args(Divergence)
PLAIN = Reference("the columns", lambda inputs: inputs)


@pytest.fixture(scope="module")
def digits() -> Any:
    """Images (1797, 1, 8, 8) in an order by chance."""
    images = load_digits().images[:, None] / 16
    return images[np.random.default_rng(0).permutation(len(images))]


def names(ranking: Ranking) -> list[str]:
    return [one.name for one in ranking.entries]


# What comes first.


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_plain_digits_are_nearer_to_digits_than_inverted_ones(digits: Any, divergence: Divergence) -> None:
    some, other, target = digits[:200], digits[200:400], digits[400:550]
    given = sources(inverted=rows_of(1 - some, "i"), plain=rows_of(other, "p"))
    found = rank(rows_of(target), given, divergence=divergence)
    assert names(found) == ["plain", "inverted"]
    assert found.by == "p2l"
    assert found.best.first == 1
    assert found.entries[0].divergence is not None
    assert found.entries[1].divergence is not None
    assert 5 * found.entries[0].divergence < found.entries[1].divergence


def test_of_equally_near_sources_the_larger_comes_first_and_the_largest_is_too_far() -> None:
    target = table(100)
    given = sources(small=table(300, seed=1), large=table(900, seed=1), farthest=table(1000, 3.0, seed=2))
    assert names(rank(target, given, k=-2.0)) == ["large", "small", "farthest"]
    assert names(rank(target, given, k=0.0)) == ["farthest", "large", "small"]
    assert names(rank(target, given, by="largest")) == ["farthest", "large", "small"]
    near = rank(target, given, by="least_divergent")
    assert names(near)[2] == "farthest"
    assert [one.estimate for one in near.entries] == [one.divergence for one in near.entries]


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_a_ranking_is_what_the_reference_works_out(divergence: Divergence) -> None:
    """Of features that are nowhere below 0, with a trimmed mean."""
    chance = np.random.default_rng(0)
    target, given = chance.random((30, 5)), {name: chance.random((20 + 30 * at, 5)) for at, name in enumerate("abc")}
    found = rank(
        rows_of(target), sources(**{name: rows_of(one, name) for name, one in given.items()}), divergence=divergence,
        trim=0.1, k=-0.7, reference=PLAIN,
    )  # fmt: skip
    own = reference.summary(target.astype(np.float32), 0.1)
    far = [
        reference.divergence(divergence, own, reference.summary(one.astype(np.float32), 0.1), EPSILON)
        for one in given.values()
    ]
    sizes = [len(one) for one in given.values()]
    wanted = dict(zip(given, reference.estimate(sizes, far, -0.7), strict=True))
    assert {one.name: one.estimate for one in found.entries} == pytest.approx(wanted, abs=1e-6)
    assert {one.name: one.divergence for one in found.entries} == pytest.approx(dict(zip(given, far, strict=True)))
    for one in found.entries:
        assert (one.by_size or 0.0) + (one.by_divergence or 0.0) == pytest.approx(one.estimate, abs=1e-8)
    assert names(found) == sorted(wanted, key=wanted.__getitem__, reverse=True)


def test_features_below_0_are_taken_apart_by_the_target() -> None:
    """Of standardised columns what lies above the target's mean, and what lies below, are columns of their own."""
    target, near, far = table(200), table(200, 0.2, seed=1), table(200, -2.0, seed=2)
    standard = Standard.of(target.values)
    seen = standard(far.values)
    assert seen.shape == (200, 8)
    assert bool((seen >= 0).all())
    torch.testing.assert_close(seen[:, :4] - seen[:, 4:], (far.values - standard.mean) / standard.deviation)
    assert names(rank(target, sources(far=far, near=near))) == ["near", "far"]
    constant = rows_of(np.ones((9, 2)) * [1.0, -5.0])
    assert torch.equal(Standard.of(constant.values)(constant.values + 2.0)[0], torch.tensor([2.0, 2.0, 0.0, 0.0]))


def test_one_negative_source_makes_all_be_taken_apart() -> None:
    """Else some of its mean would be smoothed away, and its divergence no longer be of a kind with the others'."""
    target, high = rows_of(table(60).values.abs()), rows_of(table(60, seed=1).values.abs(), "high")
    alone = rank(target, sources(high=high), by="least_divergent")
    beside = rank(target, sources(high=high, low=table(60, -1.0, seed=2)), by="least_divergent")
    again = rank(target, sources(low=table(60, -1.0, seed=2), high=high), by="least_divergent")
    far = {name: {one.name: one.divergence for one in ranking.entries}["high"]
           for name, ranking in (("alone", alone), ("beside", beside), ("again", again))}  # fmt: skip
    assert far["beside"] == far["again"] != far["alone"]


def test_the_order_of_candidates_does_not_matter() -> None:
    target, given = table(80), sources(a=table(50, 0.1, 1), b=table(80, 0.5, 2), c=table(300, 1.5, 3))
    ahead, turned = rank(target, given), rank(target, given[::-1])
    assert names(ahead) == names(turned)
    assert [one.estimate for one in ahead.entries] == pytest.approx([one.estimate for one in turned.entries])


def test_a_ranking_is_the_same_each_time_and_of_few_rows_where_these_are_told() -> None:
    target, given = table(300), sources(a=table(500, 0.1, 1), b=table(800, 0.5, 2))
    once, again, few = rank(target, given), rank(target, given), rank(target, given, most=100)
    assert replace(once, seconds={}) == replace(again, seconds={})
    assert (once.rows, few.rows) == (300, 100)
    assert {one.name: one.size for one in few.entries} == {"a": 500, "b": 800}
    assert len(drawn(target, 100, 0)) == 100
    assert drawn(target, 100, 0).ids.tolist() != drawn(target, 100, 1).ids.tolist()


# How sure that is.


def widths(ranking: Ranking) -> list[float]:
    return [(one.high or 0.0) - (one.low or 0.0) for one in ranking.entries]


def holds(ranking: Ranking) -> bool:
    told = [(one.low, one.estimate, one.high) for one in ranking.entries]
    return all(low is not None and value is not None and high is not None and low <= value <= high
               for low, value, high in told)  # fmt: skip


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_an_interval_holds_its_value_and_is_narrower_of_more_rows(divergence: Divergence) -> None:
    few, many = (
        rank(
            table(rows), sources(a=table(rows, 0.1, 1), b=table(rows, 0.4, 2), c=table(rows, 1.0, 3)),
            by="least_divergent", divergence=divergence,
        )
        for rows in (40, 1000)
    )  # fmt: skip
    assert holds(few)
    assert holds(many)
    assert all(2 * narrow < wide for narrow, wide in zip(widths(many), widths(few), strict=True))
    assert all((one.low or 0.0) >= 0 for one in few.entries)


def test_an_interval_holds_its_value_also_where_z_is_at_its_extreme() -> None:
    """Two sources of the same rows, and a third: no resampling is as extreme, for the two then differ."""
    target, twin = table(60), table(60, 0.3, 1)
    found = rank(target, sources(one=twin, two=rows_of(twin.values, "two"), third=table(60, 2.0, 2)))
    assert found.entries[2].name == "third"
    assert found.entries[2].by_divergence == pytest.approx(p2l.K * np.sqrt(2))
    assert holds(found)


def test_the_interval_of_a_small_source_is_not_moved_away_by_its_own_noise() -> None:
    """A mean of 12 resampled rows is twice as noisy as one of 12 rows, and so are the divergences too large."""
    target, given = table(2000), table(12, seed=1)
    look = Look(times=300)
    found = distances(target, [given], Reference("columns", lambda inputs: inputs), look, Clock(), Silent())
    assert found.resampled.shape == (300, 1)
    low, high = found.interval()
    assert low[0] < 0.7 * found.value[0] < found.value[0] < high[0]


def test_an_interval_is_as_wide_as_new_rows_make_divergences_differ_and_holds_the_truth() -> None:
    """Of 60 samples of 100 rows each, whose columns differ a little in their means."""

    def seen(rows: int, source: bool, seed: int) -> Any:
        powers = np.array([1.6, 1.0, 1.0, 0.6]) if source else np.ones(4)
        return rows_of(np.random.default_rng(seed).random((rows, 4)) ** powers)

    def far(rows: int, seed: int) -> Estimated:
        look = Look(times=100, most=10**6)
        return distances(seen(rows, False, seed), [seen(rows, True, seed + 1)], PLAIN, look, Clock(), Silent())

    truth, each = float(far(20_000, 1).value[0]), [far(100, seed) for seed in range(10, 130, 2)]
    ends = np.array([[float(end[0]) for end in one.interval()] for one in each])
    assert np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])) > 0.85
    spread = 2 * 1.96 * np.std([one.value[0] for one in each])
    assert 0.75 < np.mean(ends[:, 1] - ends[:, 0]) / spread < 1.5


def test_resampled_numbers_are_moved_around_their_value() -> None:
    found = around(np.array([1.0, 5.0]), np.array([[2.0, 0.0], [4.0, 2.0]]), 0.5)
    assert found.resampled.tolist() == [[0.5, 4.5], [1.5, 5.5]]


def test_what_is_far_ahead_is_always_first_and_what_is_alike_shares_the_lead() -> None:
    target = table(50)
    clear = rank(target, sources(near=table(100, seed=1), far=table(100, 3.0, 2)))
    assert [one.first for one in clear.entries] == [1, 0]
    doubtful = rank(target, sources(a=table(100, seed=1), b=table(100, seed=2), c=table(100, seed=3)))
    assert sum(one.first or 0.0 for one in doubtful.entries) == pytest.approx(1)
    assert (doubtful.best.first or 1.0) < 0.9


TWO = (
    "of two candidates z is 1 and −1, whatever lies between them: the estimate knows which is larger and which is "
    "nearer, not by how much; look at rows and divergence yourself, or add candidates"
)


def test_equal_estimates_are_told_and_share_the_lead() -> None:
    """Of two sources z is 1 and −1, so that at k = −1 the larger's lead and the nearer's cancel out."""
    found = rank(table(50), sources(near=table(60, seed=1), large=table(600, 2.0, 2)), k=-1.0)
    assert [(one.estimate, one.first) for one in found.entries] == [(0, 0.5), (0, 0.5)]
    same, two = found.notes
    assert same.startswith("'near', 'large' are estimated the same; compare them by another --by")
    assert two == TWO


def test_of_two_candidates_it_is_told_that_distances_say_nothing() -> None:
    """As far as P2L's estimate goes: whatever lies between two sources, the larger one is first at |k| < 1."""
    target, large = table(50), table(600, 9.0, 2)
    two = rank(target, sources(near=table(60, seed=1), large=large))
    assert (two.best.name, two.best.first, two.notes) == ("large", 1.0, (TWO,))
    assert rank(target, sources(near=table(60, seed=1), large=large), by="least_divergent").notes == ()
    three = rank(target, sources(near=table(60, seed=1), large=large, middle=table(200, 1.0, 3)))
    assert three.notes == ()


def test_a_source_that_is_the_target_is_told() -> None:
    target = table(50)
    found = rank(target, sources(same=rows_of(target.values, "same"), other=table(40, 0.5, 1)))
    assert found.best.divergence == 0
    assert found.notes == (TWO, "'same' cannot be told from the target, which it may well be")


# Teachers.


def exam(rows: int = 120, seed: int = 0) -> Any:
    """Annotated rows of three classes, which their first three columns tell."""
    chance = np.random.default_rng(seed)
    known = np.arange(rows) % 3
    return rows_of(np.eye(4)[known] + 0.3 * chance.normal(size=(rows, 4)), "exam", known, "abc")


@pytest.mark.parametrize("by", SCORES)
def test_teachers_are_ranked_by_what_they_say_of_annotated_rows(by: Score) -> None:
    given = [seated("blind", Looks(30.0)), seated("clear", Looks(0.0)), seated("hazy", Looks(1.0))]
    found = rank(exam(), given, by=by)
    assert (found.best.name, found.entries[2].name) == ("clear", "blind")
    assert found.best.kind == "teacher"
    assert found.best.estimate == found.best.scores[by]
    assert found.best.scores.keys() == SCORES.keys()
    assert None not in found.best.scores.values()
    assert holds(found)
    assert found.reference is None
    assert found.best.size is found.best.divergence is found.best.by_size is None
    assert set(found.seconds) == {"target", "sources", "teachers", "bootstrap"}
    assert found.baselines[SCORES[by]] == ("clear",)
    assert all(
        narrow < wide for narrow, wide in zip(widths(rank(exam(1200), given, by=by)), widths(found), strict=True)
    )


def test_by_default_teachers_are_ranked_by_what_all_of_them_have() -> None:
    rows, looks = table(40, name="own"), seated("looks", Looks(0.1))
    known = [seated("one", Looks(0.1), rows), seated("two", Looks(0.2), table(50, 1.0))]
    assert rank(exam(), known).by == "p2l"
    assert rank(exam(), [*known, looks]).by == "log_me"
    assert rank(exam(), [looks, *sources(data=rows)]).by == "log_me"

    class Mute:
        """Classes, and no features."""

        labels, exclusive, fingerprint = ("a", "b", "c"), True, "mute"

        def score(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs[:, :3]

    assert rank(exam(), [looks, seated("mute", Mute())]).by == "leep"
    unannotated = exam().unlabelled()
    assert rank(unannotated, [*known, looks]).by == "p2l"


def test_candidates_that_cannot_be_ranked_come_last_and_are_told() -> None:
    given = [*sources(data=table(40)), seated("votes", Votes()), seated("looks", Looks(0.1))]
    found = rank(exam(), given, by="log_me")
    assert names(found) == ["looks", "data", "votes"]
    assert [one.estimate is None for one in found.entries] == [False, True, True]
    assert found.entries[1].divergence is not None
    assert "'data', 'votes' cannot be ranked by log_me: they are data sets, or teachers that show no features" in (
        found.notes
    )
    by_rows = rank(exam(), given, by="least_divergent")
    assert names(by_rows) == ["data", "votes", "looks"]
    assert (
        "'votes', 'looks' cannot be ranked by least_divergent: nothing says what they were trained on" in by_rows.notes
    )
    leep = rank(exam(), given, by="leep")
    assert "teachers that have no classes of one task" in " ".join(leep.notes)


def test_teachers_that_were_trained_on_the_rows_are_told() -> None:
    from amalgam.fingerprint import of_each_row

    target = exam()
    one = Seat("knows", Looks(0.1), "knows", of_each_row(target)[:30])
    found = rank(target, [Candidate("knows", seat=one), seated("new", Looks(0.2))])
    (note,) = found.notes
    assert note.startswith("knows was trained on 30 of the 120 annotated rows")


def test_rows_that_are_not_annotated_are_not_asked_about() -> None:
    target = exam()
    assert target.annotated is not None
    target.annotated[::2] = torch.nan
    found = rank(target, [seated("a", Looks(0.1)), seated("b", Looks(0.3))], by="log_me")
    alone = rank(exam().take(torch.arange(1, 120, 2)), [seated("a", Looks(0.1)), seated("b", Looks(0.3))], by="log_me")
    assert [one.estimate for one in found.entries] == [one.estimate for one in alone.entries]


# What others would choose, and what is written.


def test_baselines_by_hand() -> None:
    given = [
        *sources(small=table(50, 0.0, 1), large=table(500, 1.0, 2)),
        seated("t", Looks(0.0)),
        seated("u", Looks(9.0)),
    ]
    found = rank(exam(), given, usual="small", by="p2l")
    assert found.baselines == {
        "largest": ("large",), "least divergent": ("small",), **dict.fromkeys(SCORES.values(), ("t",)),
        "usual": ("small",),
    }  # fmt: skip
    equal = rank(table(40), sources(near=table(50, 0.0, 1), far=table(50, 2.0, 2), few=table(20, 1.0, 3)))
    assert equal.baselines == {"largest": ("near", "far"), "least divergent": ("near",)}


def test_a_ranking_is_plain_json_without_nan() -> None:
    given = [*sources(a=table(50, 0.0, 1), b=table(50, 2.0, 2)), seated("votes", Votes()), seated("t", Looks(0.1))]
    for by in get_args(Ranker):
        written = json.dumps(rank(exam(), given, by=by).as_json(), allow_nan=False)
        read = json.loads(written)
        assert {one["name"] for one in read["entries"]} == {"a", "b", "votes", "t"}
        assert read["by"] == by
        assert read["k"] == p2l.K
    assert read["entries"][0]["scores"]["trans_rate"] == read["entries"][0]["estimate"]


# What is refused.


@pytest.mark.parametrize(
    ("given", "how", "says"),
    [
        ([], {}, "nothing to rank; name sources with --source, or teachers with --teacher"),
        ([*sources(a=table(9)), *sources(a=table(9))], {}, "two candidates are called 'a'; give each a name"),
        (sources(a=table(9, columns=3)), {}, "a has rows of the shape (3,) and the target target of (4,)"),
        (sources(a=rows_of(np.zeros((9, 4, 1)))), {}, "they must be of one kind: tables of the same columns"),
        (sources(a=rows_of(np.zeros((0, 4)))), {}, "a has no rows; leave it out, or name a data set that has some"),
        (sources(a=table(9)), {"by": "logme"}, "--by 'logme' is none of p2l, largest, least_divergent, log_me, leep"),
        (sources(a=table(9)), {"divergence": "kld"}, "--divergence 'kld' is none of kl, js, chi2"),
        (sources(a=table(9)), {"usual": "b"}, "--usual 'b' is none of the candidates ('a')"),
        (sources(a=table(9)), {"trim": 0.5}, "--trim 0.5 is a share of values at each end: 0 or more, and below 0.5"),
        (sources(a=table(9)), {"most": 1}, "--most 1 leaves nothing to compare"),
        (sources(a=table(9)), {"times": 0}, "times=0 makes no interval"),
        (sources(a=table(9)), {"k": float("nan")}, "--k nan is no number"),
        (sources(a=table(9)), {"by": "log_me"}, "and there is none among 'a'; name some with --teacher"),
        ([seated("t", Looks(0.1))], {"by": "log_me"}, "and target has none; name its label columns with --labels"),
        ([seated("t", Looks(0.1))], {}, "nothing says what 't' were trained on, which p2l goes by"),
        ([seated("t", Looks(0.1))], {"by": "largest"}, "which largest goes by: name data sets with --source"),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused_by_name(given: list[Candidate], how: dict[str, Any], says: str) -> None:
    assert says in refused(lambda: rank(table(20), given, **how))


def test_targets_that_cannot_be_ranked_for_are_refused() -> None:
    assert "target has 1 rows; a target needs at least 2" in refused(lambda: rank(table(1), sources(a=table(9))))
    alike = rows_of(np.random.default_rng(0).normal(size=(9, 4)), "exam", np.zeros(9, dtype=int), "ab")
    message = refused(lambda: rank(alike, [seated("t", Looks(0.1))], by="log_me"))
    assert "none of 't' can be ranked by log_me" in message
    assert "or all annotated rows of the target are alike" in message
    unsaid = exam()
    assert unsaid.annotated is not None
    unsaid.annotated[:, 0] = torch.nan
    assert "goes by annotated rows of the target, and exam has none" in refused(
        lambda: rank(unsaid, [seated("t", Looks(0.1))], by="leep")
    )
    assert (
        "none of 'v' can be ranked by leep: they are data sets, or teachers that have no classes of one task"
        in refused(lambda: rank(exam(), [seated("v", Votes())], by="leep"))
    )


def test_texts_are_compared_with_texts_alone_that_were_read_alike() -> None:
    texts = replace(rows_of(np.ones((9, 5, 1)), "texts"), texts=Reading())
    others = replace(texts, texts=Reading(tokenizer="some"), name="others")
    series = rows_of(np.ones((9, 5, 1)), "series")
    assert "texts has texts and series numbers" in refused(lambda: rank(texts, sources(series=series)))
    assert "the texts of others were read by some and those of texts by hashing words" in refused(
        lambda: rank(texts, sources(others=others))
    )
    longer = replace(rows_of(np.full((9, 7, 1), 3.0), "longer"), texts=Reading(longest=7))
    found = rank(texts, sources(longer=longer, same=replace(texts, name="same")))
    assert (names(found), found.reference) == (["same", "longer"], "the words of a text")


def test_missing_values_are_refused_by_row() -> None:
    broken = table(9, name="broken")
    broken.values[4, 1] = torch.nan
    message = refused(lambda: rank(table(20), sources(a=broken)))
    assert "the reference (the columns themselves) shows NaN or infinite features of row 4 of broken" in message


def test_rankers_by_rows_and_scores_are_all_there_are() -> None:
    assert set(get_args(Ranker)) == {*BY_ROWS, *SCORES}
