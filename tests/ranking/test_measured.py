"""k learned from measured transfers: the table, what is worked out of it, and what is refused by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amalgam import datasets
from amalgam.datasets import DataOptions
from amalgam.progress import Silent
from amalgam.ranking import measured, p2l
from amalgam.ranking.candidates import Reader
from amalgam.ranking.distances import Look
from amalgam.ranking.divergences import EPSILON
from amalgam.ranking.measured import Fit, Transfer, transfers
from amalgam.ranking.reference import Reference
from tests.reference import ranking as reference

from .given import refused


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five tables of positive columns, of other means and sizes."""
    monkeypatch.chdir(tmp_path)
    for place in range(5):
        mean = np.array([1 + place, 5 - place, 2])
        values = mean + np.random.default_rng(place).random((20 + 60 * ((place * 3) % 5), 3))
        np.savez(f"d{place}.npz", inputs=values.astype(np.float32))
    return tmp_path


def table(lines: str, header: str = "target,source,gain") -> Path:
    Path("gains.csv").write_text(f"{header}\n{lines}\n")
    return Path("gains.csv")


def fit(path: Path, reader: Reference | None = None, told: DataOptions | None = None, **how: Any) -> Fit:
    return measured.fit(path, Reader(told or DataOptions(), Silent()), reader, Look(**how), Silent())


def full(targets: int = 3) -> Path:
    """Gains of the sources that go by size, by nearness and by chance."""
    chance = np.random.default_rng(1)
    lines = [
        f"d{t}.npz,d{s}.npz,{-abs(s - t) + 0.8 * ((s * 3) % 5) + 0.3 * chance.normal():.3f}"
        for t in range(targets)
        for s in range(5)
        if s != t
    ]
    return table("\n".join(lines))


def test_lines_are_read_with_their_numbers_and_sizes(here: Path) -> None:
    path = table("a,b,0.5,10\n\na,c,-1e-3,\n", "target,source,gain,size")
    found, notes = transfers(path)
    assert found == [Transfer(2, "a", "b", 0.5, 10), Transfer(4, "a", "c", -0.001, None)]
    assert notes == ()
    more, notes = transfers(table("x,1,a,b\ny,2,a,c", "seed,gain,target,source"))
    assert [one.gain for one in more] == [1, 2]
    assert notes == ("gains.csv has the columns 'seed' besides, which are not read",)


@pytest.mark.parametrize("divergence", ["kl", "euclidean"])
def test_what_is_learned_is_what_the_reference_works_out(here: Path, divergence: Any) -> None:
    path = full()
    values = {f"d{place}.npz": np.load(f"d{place}.npz")["inputs"] for place in range(5)}
    told, _ = transfers(path)
    sizes, far, gains = list[Any](), list[Any](), list[Any]()
    for target in ("d0.npz", "d1.npz", "d2.npz"):
        own = [one for one in told if one.target == target]
        about = reference.summary(values[target])
        sizes.append([len(values[one.source]) for one in own])
        far.append([reference.divergence(divergence, about, reference.summary(values[one.source]), EPSILON)
                    for one in own])  # fmt: skip
        gains.append([one.gain for one in own])
    found = fit(path, divergence=divergence)
    assert found.k == reference.fit_k(sizes, far, gains, list(p2l.GRID))
    assert found.rho == pytest.approx(reference.mean_spearman(sizes, far, gains, found.k))
    assert found.by_size == pytest.approx(reference.mean_spearman(sizes, far, gains, 0.0))
    alone = [reference.spearman([-one for one in d], g) for d, g in zip(far, gains, strict=True)]
    assert found.by_divergence == pytest.approx(np.mean(alone))
    apart = []
    for place in range(3):
        others = [one for one in range(3) if one != place]
        k = reference.fit_k([sizes[one] for one in others], [far[one] for one in others],
                            [gains[one] for one in others], list(p2l.GRID))  # fmt: skip
        apart.append(reference.spearman(reference.estimate(sizes[place], far[place], k), gains[place]))
    assert found.left_out == pytest.approx(np.mean(apart))
    assert (found.targets, found.transfers, found.divergence) == (3, 12, divergence)
    assert found.curve[found.grid.index(found.k)] == found.rho == max(found.curve)


def test_of_one_target_nothing_is_left_out(here: Path) -> None:
    found = fit(full(1))
    assert found.left_out is None
    assert found.as_json()["left_out"] is None


def test_sizes_of_the_table_count_instead_of_the_rows(here: Path) -> None:
    """Gains that go by the sizes that are told, and against the rows that are there."""
    rows = {place: 20 + 60 * ((place * 3) % 5) for place in range(1, 5)}
    lines = "\n".join(f"d0.npz,d{place}.npz,{-count},{10**6 // count}" for place, count in rows.items())
    found = fit(table(lines, "target,source,gain,size"))
    assert found.by_size == 1
    assert fit(table(lines.replace(",,", ","), "target,source,gain,ignored")).by_size == -1


def test_each_data_set_is_read_and_seen_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, seen = list[str](), list[str]()
    load = datasets.load

    def counting(spec: str, *rest: Any) -> Any:
        read.append(spec)
        return load(spec, *rest)

    class Eyes(Reference):
        """Counts whom it sees."""

        def features(self, rows: Any, chunk: int = 1024) -> Any:
            seen.append(rows.name)
            return super().features(rows, chunk)

    monkeypatch.setattr(datasets, "load", counting)
    found = fit(full(), Eyes("columns", lambda inputs: inputs))
    assert sorted(read) == sorted(seen) == [f"d{place}.npz" for place in range(5)]
    assert found == fit(full())


def test_an_option_that_means_nothing_is_refused(here: Path) -> None:
    assert "the data option `xml` means nothing for any of d0.npz, d1.npz" in refused(
        lambda: fit(full(1), told=DataOptions(xml="labels.xml"))
    )


@pytest.mark.parametrize(
    ("lines", "header", "says"),
    [
        ("", "target,source,gains", "gains.csv line 1 has no column 'gain'; did you mean 'gains'? (columns: 'target'"),
        ("", "", "gains.csv line 1 has no column 'target'"),
        ("", "target,source,gain", "gains.csv has no lines below its names; write one for each measured transfer"),
        ("a,b,1\na,b,2", "target,source,gain", "gains.csv line 3 has the target and the source of line 2; write one"),
        ("a,b,1\na,c,2\nb,c,1", "target,source,gain", "gains.csv line 4: the target 'b' has no other source"),
        ("a,b,much\na,c,2", "target,source,gain", "gains.csv line 2: gain is 'much', expected a number"),
        ("a,b,nan\na,c,2", "target,source,gain", "gains.csv line 2: gain is 'nan', expected a number"),
        ("a,b\na,c,2", "target,source,gain", "gains.csv line 2: gain is None, expected a number"),
        ("a,,1\na,c,2", "target,source,gain", "gains.csv line 2 names no source; write a data SPEC"),
        ("a,b,1,0\na,c,2,9", "target,source,gain,size", "gains.csv line 2: size is '0', expected a number of rows"),
        ("d0.npz,d1.npz,1\nd0.npz,nosuch,2", "target,source,gain", "gains.csv line 3: unknown data 'nosuch'"),
        ("d0.npz,d1.npz,1\nd0.npz,digits,2", "target,source,gain", "gains.csv line 3: digits has rows of the shape"),
    ],
)
def test_wrong_tables_are_refused_by_line(here: Path, lines: str, header: str, says: str) -> None:
    path = table(lines, header)
    assert says in refused(lambda: fit(path))


def test_no_table_is_refused(here: Path) -> None:
    assert "--fit-k gains.csv: no such file; expected a CSV file of target, source, gain" in refused(
        lambda: fit(Path("gains.csv"))
    )
    Path("gains.csv").write_bytes(b"\xff\xfe\x00")
    assert "gains.csv is no UTF-8 text" in refused(lambda: fit(Path("gains.csv")))
    assert "--divergence 'far' is none of kl" in refused(lambda: fit(full(1), divergence="far"))
