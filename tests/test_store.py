"""The store: whatever is killed, damaged, full or shared, what it gives is what was computed."""

from __future__ import annotations

import errno
import inspect
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amalgam import store
from amalgam.cache import clear, listing
from amalgam.errors import RequestError, WorkError
from amalgam.progress import Silent

CHUNKS = 6
ROWS = 5 * 4096 + 77


def produced(where: slice) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays that any process computes alike."""
    rows = np.arange(where.start, where.stop)
    return {
        "scores": np.sin(rows[:, None] * np.arange(1, 4)).astype(np.float32),
        "rows": rows,
        "count.rows": np.asarray(len(rows)),
        "count.by_third": np.bincount(rows % 3, minlength=3),
    }


class Asked:
    """`produced`, and which slices were asked for."""

    def __init__(self) -> None:
        self.starts: list[int] = []

    def __call__(self, where: slice) -> dict[str, np.ndarray[Any, Any]]:
        self.starts.append(where.start)
        return produced(where)


class Notes(Silent):
    """A bar that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[tuple[int, str]] = []

    def advance(self, rows: int, note: str = "") -> None:
        self.notes.append((rows, note))


def fill(produce: Callable[[slice], dict[str, np.ndarray[Any, Any]]] = produced, rows: int = ROWS) -> store.Stored:
    return store.fill("votes", "key", rows, produce, about={"who": "a test"})


def content(folder: Path) -> dict[str, bytes]:
    """Every file of an entry; the card without the time it was written."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    card = json.loads(found.pop("card.json"))
    card.pop("created")
    return {**found, "card": json.dumps(card).encode()}


SHARED = f"""
from __future__ import annotations
from typing import Any
import numpy as np
from amalgam import store
from amalgam.progress import Silent
ROWS = {ROWS}
{inspect.getsource(produced)}
{inspect.getsource(Notes)}
"""
"""What this file and its subprocesses share; they do not import the file, to start without torch."""

WORKER = """
    import sys, time

    log, seconds = open(sys.argv[1], "a", buffering=1), float(sys.argv[2])

    def slow(where):
        time.sleep(seconds)
        log.write(f"{where.start}\\n")
        return produced(where)

    bar = Notes()
    print("ready", flush=True)
    stored = store.fill("votes", "key", ROWS, slow, about={"who": "a test"}, bar=bar)
    print(stored.computed, stored.reused, stored.repaired, stored.waited, any("waits" in note for _, note in bar.notes))
"""


def worker(log: Path, seconds: float) -> subprocess.Popen[str]:
    code = SHARED + textwrap.dedent(WORKER)
    command = [sys.executable, "-c", code, str(log), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_what_was_produced_is_read_back_and_not_computed_again() -> None:
    first, asked = fill(), Asked()
    second = fill(asked)
    assert (first.computed, first.reused, first.repaired, first.waited) == (CHUNKS, 0, 0, False)
    assert (second.computed, second.reused, second.repaired, second.waited) == (0, CHUNKS, 0, False)
    assert asked.starts == []
    truth = produced(slice(0, ROWS))
    for stored in (first, second):
        assert stored.rows == ROWS == len(stored.arrays["scores"])
        assert stored.arrays["scores"].shape == (ROWS, 3)
        assert np.array_equal(stored.whole("scores"), truth["scores"])
        assert stored.whole("rows").dtype == truth["rows"].dtype
        assert stored.total("count.rows") == ROWS
        assert np.array_equal(stored.total("count.by_third"), truth["count.by_third"])
        assert set(stored.arrays) == {"scores", "rows"}


def test_numpy_and_sha256sum_read_it_without_amalgam(home: Path) -> None:
    fill()
    folder = home / "votes" / "key"
    alone = np.concatenate([np.load(file) for file in sorted(folder.glob("*/scores.npy"))])
    assert np.array_equal(alone, produced(slice(0, ROWS))["scores"])
    card = json.loads((folder / "card.json").read_text())
    assert card["arrays"]["scores"] == {"dtype": "<f4", "shape": [3]}
    assert (card["rows"], card["chunk"], card["chunks"]) == (ROWS, 4096, CHUNKS)
    assert (card["kind"], card["key"], card["about"]) == ("votes", "key", {"who": "a test"})
    assert set(card["versions"]) == {"amalgam", "numpy", "torch"}
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder / "00000", check=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), rows=st.integers(0, 40), chunk=st.integers(1, 17), width=st.integers(0, 3))
def test_any_rows_any_slice_any_index(
    data: st.DataObject, rows: int, chunk: int, width: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(home, ignore_errors=True)
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # most of the time, and no matter here
    monkeypatch.setattr(store, "CHUNK", chunk)
    truth = np.asfortranarray(np.random.default_rng(rows).normal(size=(rows, width, 2)))
    flags = np.arange(rows) % 2 == 0
    stored = fill(
        lambda where: {"a": truth[where], "b": flags[where], "count.n": np.asarray(flags[where].sum())}, rows=rows
    )
    where = data.draw(st.slices(rows))
    assert np.array_equal(stored.arrays["a"][where], truth[where])
    assert np.array_equal(stored.arrays["b"][where], flags[where])
    picks = st.lists(st.integers(-rows, rows - 1), max_size=30) if rows else st.just([])
    index = np.asarray(data.draw(picks), dtype=np.int64)
    assert np.array_equal(stored.arrays["a"][index], truth[index])
    assert np.array_equal(stored.arrays["a"][torch.as_tensor(index)], truth[index])
    assert stored.arrays["a"][index].dtype == truth.dtype
    assert stored.total("count.n") == flags.sum()


@pytest.mark.parametrize("index", [[ROWS], [-ROWS - 1]])
def test_a_row_that_is_not_there(index: list[int]) -> None:
    with pytest.raises(IndexError, match=f"^scores has {ROWS} rows$"):
        fill().arrays["scores"][index]


def test_only_slices_and_integers_pick_rows() -> None:
    with pytest.raises(IndexError, match=r"^rows are picked by a slice or 1-D integers, not bool of shape \(3,\)$"):
        fill().arrays["scores"][np.array([True, False, True])]


@pytest.mark.parametrize("attempt", range(3))
def test_a_killed_run_goes_on_where_it_was(attempt: int, home: Path, tmp_path: Path) -> None:
    """Killed at random moments until it ends; each chunk that was finished stays, the result is the undisturbed one."""
    chance = random.Random(attempt)
    log, folder = tmp_path / "log", home / "votes" / "key"
    log.touch()
    for _ in range(4):
        before = {path.name for path in folder.glob("[0-9]*")}
        asked = len(log.read_text().split())
        process = worker(log, 0.02)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.14))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        starts = log.read_text().split()[asked:]
        assert not {f"{int(start) // 4096:05d}" for start in starts} & before
    kept, again = {path.name for path in folder.glob("[0-9]*")}, Asked()
    stored = fill(again)
    assert {f"{start // 4096:05d}" for start in again.starts} == {f"{n:05d}" for n in range(CHUNKS)} - kept
    assert (stored.computed, stored.reused, stored.repaired) == (CHUNKS - len(kept), len(kept), 0)
    disturbed = content(folder)
    clear()
    fill()
    assert disturbed == content(folder)  # and no draft is left


def test_killed_while_writing_leaves_a_draft_that_the_next_run_removes(home: Path) -> None:
    fill(rows=10)
    draft = home / "votes" / "key" / ".00001.abcdefgh.draft"
    beside = home / "votes" / ".key.abcdefgh.draft"
    strangers = home / "votes" / ".key2.abcdefgh.draft"
    for path in (draft, beside, strangers):
        path.mkdir()
        (path / "scores.npy").write_bytes(b"half")
    fill(rows=10)
    assert [draft.exists(), beside.exists(), strangers.exists()] == [False, False, True]


def test_two_processes_share_one_computation(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    both = [worker(log, 0.4), worker(log, 0.4)]
    said = sorted(process.communicate(timeout=60)[0].splitlines()[1] for process in both)
    assert said == [f"0 {CHUNKS} 0 True True", f"{CHUNKS} 0 0 False False"]
    assert [int(start) for start in log.read_text().split()] == list(range(0, ROWS, 4096))
    shared = content(home / "votes" / "key")
    clear()
    fill()
    assert shared == content(home / "votes" / "key")


def _flip(chunk: Path) -> None:
    path = chunk / "scores.npy"
    damaged = bytearray(path.read_bytes())
    damaged[1000] ^= 1
    path.write_bytes(damaged)


def _cut(chunk: Path) -> None:
    os.truncate(chunk / "scores.npy", 5000)


def _file_instead(chunk: Path) -> None:
    shutil.rmtree(chunk)
    chunk.touch()


@pytest.mark.parametrize(
    "damage",
    [
        _flip,
        _cut,
        lambda chunk: (chunk / "scores.npy").unlink(),
        lambda chunk: (chunk / "count.rows.npy").unlink(),
        lambda chunk: (chunk / "SHA256SUMS").unlink(),
        lambda chunk: (chunk / "SHA256SUMS").write_bytes(b"\xff"),
        lambda chunk: (chunk / "stranger.npy").write_bytes(b"?"),
        shutil.rmtree,
        _file_instead,
    ],
    ids=["bit", "cut", "file", "count", "sums", "no_sums", "stranger", "chunk", "no_chunk"],
)
def test_a_damaged_chunk_is_computed_again(damage: Callable[[Path], object], home: Path) -> None:
    whole = fill()
    before = content(whole.folder)
    damage(whole.folder / "00002")
    asked, bar = Asked(), Notes()
    stored = store.fill("votes", "key", ROWS, asked, about={"who": "a test"}, bar=bar)
    assert asked.starts == [2 * 4096]
    assert (stored.computed, stored.reused, stored.repaired) == (1, CHUNKS - 1, 1)
    assert bar.notes == [
        *[(4096, "found in the store")] * 2,
        (4096, "a damaged chunk was computed again"),
        *[(4096, "found in the store")] * 2,
        (77, "found in the store"),
    ]
    assert content(whole.folder) == before
    assert fill().repaired == 0


@pytest.mark.parametrize("text", [None, "", "[]", '{"rows": 1}'])
def test_a_missing_or_damaged_card_is_written_again(text: str | None) -> None:
    folder = fill().folder
    before = content(folder)
    (folder / "card.json").unlink()
    if text is not None:
        (folder / "card.json").write_text(text)
    stored = fill()
    assert (stored.computed, stored.reused) == (0, CHUNKS)
    assert content(folder) == before


def test_a_run_that_dies_in_a_repair_leaves_no_card() -> None:
    folder = fill().folder
    _flip(folder / "00003")

    def dies(where: slice) -> dict[str, np.ndarray[Any, Any]]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(dies)
    assert not (folder / "card.json").exists()
    assert fill().computed == 1


def test_chunks_of_another_size_are_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    fill()
    monkeypatch.setattr(store, "CHUNK", 1000)
    stored = fill()
    assert stored.reused == 0
    assert np.array_equal(stored.whole("rows"), np.arange(ROWS))


def test_a_chunk_with_other_arrays_is_no_use(home: Path) -> None:
    folder = fill().folder
    other = store.fill("votes", "other", ROWS, lambda where: {"a": np.zeros(where.stop - where.start)}, about={})
    shutil.rmtree(folder / "00001")
    shutil.copytree(other.folder / "00001", folder / "00001")
    assert (fill().repaired, fill().repaired) == (1, 0)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3)}, r"'a' of shape (3,) has not one row for each of 10 rows"),
        ({"a": np.zeros(())}, r"'a' of shape () has not one row for each of 10 rows"),
        ({"../a": np.zeros(10)}, r"'../a' is no plain name of an array"),
        ({".a": np.zeros(10)}, r"'.a' is no plain name of an array"),
        ({"a": np.array([object()] * 10)}, r"Object arrays cannot be saved when allow_pickle=False"),
    ],
)
def test_a_producer_that_breaks_its_promise(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole message is compared
        fill(lambda where: arrays, rows=10)
    assert str(raised.value) == message


def test_a_producer_that_changes_its_mind(home: Path) -> None:
    def fickle(where: slice) -> dict[str, np.ndarray[Any, Any]]:
        return {"a": np.zeros(where.stop - where.start, np.float32 if where.start else np.float64)}

    with pytest.raises(ValueError, match=r"00001 would hold other arrays than those before it: {'a': Form\(dtype="):
        fill(fickle)
    assert not (home / "votes" / "key" / "00001").exists()


def test_a_card_that_is_no_json_is_refused_before_the_work() -> None:
    asked = Asked()
    with pytest.raises(TypeError):
        store.fill("votes", "key", ROWS, asked, about={"what": object()})
    assert asked.starts == []


FULL = """
    import resource
    from amalgam.errors import WorkError

    def grows(where):
        if where.start == 3 * 4096:
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        return produced(where)

    try:
        store.fill("votes", "key", ROWS, grows, about={"who": "a test"})
    except WorkError as error:
        print(error)
"""


def _full(path: Path, why: str) -> str:
    return (
        f"{path} could not be written: {why}; free some space, or point the command elsewhere "
        "(--out, AMALGAM_HOME), and run it again: what is finished is kept"
    )


def test_a_full_disk_keeps_what_is_finished(home: Path) -> None:
    command = [sys.executable, "-c", SHARED + textwrap.dedent(FULL)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    folder = home / "votes" / "key"
    assert said.stdout == _full(folder / "00003", "the disk is full or a limit is reached") + "\n"
    assert sorted(path.name for path in folder.iterdir()) == ["00000", "00001", "00002"]  # no draft, no card
    stored = fill()
    assert (stored.computed, stored.reused, stored.repaired) == (3, 3, 0)
    assert np.array_equal(stored.whole("scores"), produced(slice(0, ROWS))["scores"])


@pytest.mark.parametrize(
    ("number", "why"), [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the disk quota is used up")]
)
def test_no_space_left(number: int, why: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(path: Path, array: object, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(np, "save", save)
        with pytest.raises(WorkError) as raised:
            fill()
    folder = home / "votes" / "key"
    assert str(raised.value) == _full(folder / "00000", why)
    assert list(folder.iterdir()) == []
    assert fill().computed == CHUNKS


def test_a_home_that_is_a_file(home: Path) -> None:
    home.write_text("")
    with pytest.raises(RequestError) as raised:
        fill()
    assert str(raised.value) == (
        f"the store {home} cannot be used: not a directory; set AMALGAM_HOME to a folder you can write to"
    )


def test_a_home_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = tmp_path / "denied"
    denied.mkdir(mode=0o555)
    monkeypatch.setenv("AMALGAM_HOME", str(denied))
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(RequestError) as raised:
        fill()
    assert str(raised.value) == (
        f"the store {denied} cannot be used: permission denied; set AMALGAM_HOME to a folder you can write to"
    )


def test_home_is_read_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_HOME", str(tmp_path / "elsewhere"))
    assert store.home() == tmp_path / "elsewhere"
    assert fill(rows=1).folder == tmp_path / "elsewhere" / "votes" / "key"
    monkeypatch.delenv("AMALGAM_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert store.home().name == "amalgam"
    if sys.platform == "linux":
        assert store.home() == tmp_path / "cache" / "amalgam"


@pytest.mark.parametrize("key", ["../x", "/etc", "", ".", "a/b", "a.lock", "a" * 129, "a\n", "a\0"])
def test_a_key_cannot_escape(key: str) -> None:
    message = f"{key!r} is no key of the store; a key is made of letters, digits, - and _"
    for refused in (
        lambda: store.fill("votes", key, 1, produced, about={}),
        lambda: store.put_folder("teachers", key, lambda folder: None, {}),
    ):
        with pytest.raises(RequestError) as raised:
            refused()
        assert str(raised.value) == message
    with pytest.raises(RequestError) as raised:
        clear("votes", key)
    assert str(raised.value) == f"the store {store.home()} has no entry {key!r}; `amalgam cache` lists what it has"


@pytest.mark.parametrize("link", ["votes", "votes/key"])
def test_links_that_lead_out_of_the_store(link: str, home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "key").mkdir(parents=True)
    (outside / "key.lock").touch()
    (outside / "key" / "precious").write_text("mine")
    (home / link).parent.mkdir(parents=True)
    (home / link).symlink_to(outside)
    (home / link).parent.joinpath("key.lock").touch()
    with pytest.raises(RequestError) as raised:
        fill()
    assert str(raised.value) == f"votes/key of the store {home} is a link that leads out of it; remove the link"
    cleared = clear()
    assert cleared.freed == 0
    assert (outside / "key" / "precious").read_text() == "mine"
    assert (home / link).is_symlink() == (link == "votes")


def _save(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "more").mkdir()
    (folder / "more" / "config.json").write_text("{}")


def test_put_folder_writes_once_and_mends() -> None:
    made: list[Path] = []

    def write(folder: Path) -> None:
        made.append(folder)
        _save(folder)

    folder = store.put_folder("teachers", "key", write, {"teacher": "t"})
    assert store.put_folder("teachers", "key", write, {"teacher": "t"}) == folder == store.home() / "teachers" / "key"
    assert len(made) == 1
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert json.loads((folder / "card.json").read_text())["about"] == {"teacher": "t"}
    damages: list[Callable[[], object]] = [
        lambda: (folder / "model.safetensors").write_bytes(b"weighty"),
        lambda: (folder / "more" / "config.json").unlink(),
        lambda: (folder / "card.json").unlink(),
        lambda: (folder / "SHA256SUMS").unlink(),
    ]
    for number, damage in enumerate(damages, start=2):
        damage()
        bar = Notes()
        store.put_folder("teachers", "key", write, {"teacher": "t"}, bar)
        assert bar.notes == [(0, "a damaged folder is made again")]
        assert len(made) == number
        assert (folder / "model.safetensors").read_bytes() == b"weights"
        assert (folder / "more" / "config.json").read_text() == "{}"


def test_put_folder_that_fails_leaves_nothing(home: Path) -> None:
    def fails(folder: Path) -> None:
        _save(folder)
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        store.put_folder("teachers", "key", fails, {})
    assert [path.name for path in (home / "teachers").iterdir()] == ["key.lock"]


def test_put_folder_on_a_full_disk(home: Path) -> None:
    def fails(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(WorkError) as raised:
        store.put_folder("teachers", "key", fails, {})
    assert str(raised.value) == _full(home / "teachers" / "key", "the disk is full")


def test_listing_and_clearing(home: Path) -> None:
    assert listing() == []
    fill()
    store.fill("targets", "key", 10, produced, about={"strategy": "ant"})
    store.put_folder("teachers", "t", _save, {"teacher": "t"})
    old = time.time() - 1000
    os.utime(home / "votes" / "key" / "card.json", (old, old))
    items = {(item.kind, item.key): item for item in listing()}
    assert set(items) == {("votes", "key"), ("targets", "key"), ("teachers", "t")}
    assert items["targets", "key"].about == {"strategy": "ant"}
    assert all(item.finished for item in items.values())
    for item in items.values():
        folder = home / item.kind / item.key
        assert item.size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) > 0
    assert items["votes", "key"].last_used.timestamp() == pytest.approx(old, abs=1)
    fill()
    (used,) = (item.last_used for item in listing() if item.kind == "votes")
    assert used.timestamp() == pytest.approx(time.time(), abs=60)

    first = clear("targets")
    assert (first.freed, first.entries, first.busy) == (items["targets", "key"].size, 1, ())
    assert {(item.kind, item.key) for item in listing()} == {("votes", "key"), ("teachers", "t")}
    second = clear(key="t")
    assert second.freed == items["teachers", "t"].size
    third = clear()
    assert (third.freed, third.entries) == (items["votes", "key"].size, 1)
    assert listing() == []
    assert fill().computed == CHUNKS


def test_an_unfinished_entry_is_listed_and_cleared(home: Path) -> None:
    fill()
    (home / "votes" / "key" / "card.json").unlink()
    (home / "votes" / ".key.abcdefgh.draft").mkdir()
    (home / "votes" / ".key.abcdefgh.draft" / "half").write_bytes(b"12345")
    (item,) = listing()
    assert (item.finished, item.about) == (False, {})
    assert clear().freed == item.size
    assert [path.name for path in (home / "votes").iterdir()] == ["key.lock"]


def test_a_folder_that_is_not_the_stores_is_left(home: Path) -> None:
    mine = home / "teachers" / "mine"
    mine.mkdir(parents=True)
    (home / "teachers" / "README.md").write_text("mine too")
    assert (listing(), clear().entries) == ([], 0)
    assert sorted(path.name for path in (home / "teachers").iterdir()) == ["README.md", "mine"]


def test_an_entry_at_work_is_left_and_said(home: Path, tmp_path: Path) -> None:
    store.fill("targets", "idle", 10, produced, about={})
    process = worker(tmp_path / "log", 0.3)
    try:
        while not (home / "votes" / "key" / "00000").exists():
            time.sleep(0.02)
        cleared = clear()
    finally:
        process.communicate()
    assert (cleared.entries, cleared.busy) == (1, ("votes/key",))
    assert [item.kind for item in listing()] == ["votes"]
    assert fill().reused == CHUNKS


@pytest.mark.parametrize("harm", [clear, lambda: _cut(store.home() / "votes" / "key" / "00000")], ids=["gone", "cut"])
def test_an_entry_harmed_under_a_reader(harm: Callable[[], object]) -> None:
    stored = fill()
    harm()
    with pytest.raises(WorkError) as raised:
        stored.arrays["scores"][:3]
    path = stored.folder / "00000" / "scores.npy"
    assert str(raised.value) == f"{path} was removed or damaged while it was in use; run the command again"


MEMORY = """
    import resource, sys
    import numpy as np
    from amalgam import store

    rows = int(sys.argv[1])
    ones = lambda where: {"a": np.full((where.stop - where.start, 8), 1.5)}
    stored = store.fill("votes", "key", rows, ones, about={})
    total, chance = 0.0, np.random.default_rng(0)
    for start in range(0, rows, 1000):
        total += stored.arrays["a"][start : start + 1000].sum()
    for _ in range(20):
        total += stored.arrays["a"][chance.integers(0, rows, 1000)].sum()
    assert total == (rows + 20_000) * 8 * 1.5
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_rows() -> None:
    """13 MB and 64 MB of votes, written, read in order and at random: the peak is the same."""
    peaks = []
    for rows in (200_000, 1_000_000):
        command = [sys.executable, "-c", textwrap.dedent(MEMORY), str(rows)]
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        clear()
    assert peaks[1] < 1.1 * peaks[0]


def test_the_store_needs_no_torch() -> None:
    code = "import sys, amalgam.store, amalgam.cache; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"
