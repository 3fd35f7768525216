"""Whether an embedding fits into memory is asked before the work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from amalgam.embeddings import room
from amalgam.embeddings.room import memory, require_room
from amalgam.errors import RequestError
from amalgam.strategies import lle
from amalgam.strategies.aaeme import AAEME
from amalgam.strategies.lle import LLE
from amalgam.strategies.simme import SimME
from tests.strategies.lexicons import never, rotated


def numbers(words: int, width: int) -> int:
    return words * width + 4 * width * width


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A machine of so many bytes."""
    return lambda there: monkeypatch.setattr(room, "memory", lambda: there)


def test_the_largest_width_is_named_that_there_is_room_for(small: Callable[[int], None]) -> None:
    small(4 * numbers(1000, 300))
    require_room(partial(numbers, 1000), 300)
    with pytest.raises(RequestError, match=r"student.width is 301, which takes 0 GiB of memory .* choose 300 at most"):
        require_room(partial(numbers, 1000), 301)
    with pytest.raises(RequestError, match=r"student.width is 100,000, which takes 149 GiB .* choose 300 at most"):
        require_room(partial(numbers, 1000), 100_000)


def test_where_there_is_no_room_for_any_width_words_are_too_many(small: Callable[[int], None]) -> None:
    small(100)
    with pytest.raises(RequestError, match=r"too little for any width: take fewer words, with vocabulary.minimum"):
        require_room(partial(numbers, 1000), 10)


def test_a_containers_limit_is_less_than_the_machines_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_LIMIT", tmp_path / "memory.max")
    physical = memory()
    (tmp_path / "memory.max").write_text("max\n")
    assert memory() == physical
    (tmp_path / "memory.max").write_text("1048576\n")
    assert memory() == 2**20


@pytest.mark.parametrize("method", [SimME(), SimME(step="least_squares"), AAEME()])
def test_methods_that_choose_a_width_refuse_it_before_any_work(
    method: SimME | AAEME, small: Callable[[int], None]
) -> None:
    lexicon = rotated(words=200)
    small(2**24)
    with pytest.raises(RequestError, match=r"student.width is 100,000, which takes .* choose [\d,]+ at most"):
        method.vectors(lexicon, 100_000, never)


def test_a_least_squares_step_takes_more_than_a_gradients(small: Callable[[int], None]) -> None:
    lexicon = rotated(words=200)
    small(4 * len(lexicon.words) * 4000)
    assert SimME().vectors(lexicon, 4000, lambda *_, **__: None).shape == (len(lexicon.words), 4000)
    with pytest.raises(RequestError, match="choose"):
        SimME(step="least_squares").vectors(lexicon, 4000, never)


def test_words_too_many_for_lle_are_refused_before_their_neighbours_are_sought(small: Callable[[int], None]) -> None:
    lexicon = rotated(words=200)
    small(4 * lle.numbers(len(lexicon.words), 10) - 1)
    with pytest.raises(RequestError, match=r"student.width is 10, .* take fewer words"):
        LLE().vectors(lexicon, 10, never)


def test_more_directions_of_more_words_take_more() -> None:
    """Where all of few words' are computed, and where some of many words' are iterated."""
    found = [lle.numbers(20_000, width) for width in (10, 1000, 2000, 3000, 4000, 5000)]
    assert found == sorted(found)
    assert lle.numbers(500, 10) == 2 * 3 * 500**2
