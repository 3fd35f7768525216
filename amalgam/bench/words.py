"""Numbers and names as the readers of a table see them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

ABSENT = "–"
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def decimal(value: float, digits: int = 4) -> str:
    """A share as papers print it: `.9302`, `1.0000`, `−.0120`; `–` when it is not known."""
    if math.isnan(value):
        return ABSENT
    text = f"{abs(value):.{digits}f}"
    sign = "−" if value < 0 and float(text) else ""
    return sign + text.removeprefix("0" if text.startswith("0.") else "")


def spread(mean: float, sd: float, digits: int = 4) -> str:
    """`.9302 ± .0126`; the mean alone when there is no deviation."""
    return decimal(mean, digits) if math.isnan(sd) else f"{decimal(mean, digits)} ± {decimal(sd, digits)}"


def chance(p: float) -> str:
    """A p-value: `.0312`, or `< .0001`."""
    return "< .0001" if p < 0.0001 else decimal(p)


def rank(value: float) -> str:
    """An average rank, to two digits."""
    return ABSENT if math.isnan(value) else f"{value:.2f}"


def plural(number: int, what: str) -> str:
    """`1 setting`, `7 settings`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def among(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last


def of_one_data_set(data: Iterable[str]) -> str:
    """`3 settings are of one data set (scene) and 2 of another (yeast)`; nothing when each is of its own.

    Args:
        data: the data SPEC of each setting.
    """
    several = [(Path(spec).name, number) for spec, number in Counter(data).items() if number > 1]
    said = [
        f"{number} of another ({name})" if place else f"{number} settings are of one data set ({name})"
        for place, (name, number) in enumerate(several)
    ]
    return among(said) if said else ""


def ordinal(place: int) -> str:
    """`first`, …, `tenth`, `11th`."""
    if place <= len(_ORDINALS):
        return _ORDINALS[place - 1]
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th") if place % 100 not in (11, 12, 13) else "th"
    return f"{place}{ending}"


def span(numbers: Sequence[int]) -> str:
    """`7`, or `6–8` when they differ."""
    return f"{min(numbers):,}" if min(numbers) == max(numbers) else f"{min(numbers):,}–{max(numbers):,}"
