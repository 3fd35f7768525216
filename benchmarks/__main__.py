"""Run the benchmarks, print their tables, and write them into `docs/benchmarks.md`.

python -m benchmarks [--only floor|tasks|targets|memory|reuse|together|words] [--quick] [--device cpu]
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from benchmarks.common import ROOT, Result

NAMES = ("floor", "tasks", "targets", "memory", "reuse", "together", "words")
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """\
# Benchmarks

Run by hand with `python -m benchmarks`, which rewrites this page; `--only NAME` rewrites one section, `--quick` does a
little of everything and writes nothing. Figures are medians, `[min–max]` of the repetitions beside them. Every measured
process has one thread. Where a figure is a ratio, its two sides ran in turn on the same machine within minutes. A load
average above 1 says that others used the machine, too; CPU seconds are then steadier than the clock.
"""


def main() -> None:
    """Parse the options, measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=NAMES, help="measure one thing")
    parser.add_argument("--quick", action="store_true", help="little work, to try the benchmarks themselves")
    parser.add_argument("--device", default="cpu", help="where `together` trains; the others are of the CPU")
    options = parser.parse_args()
    for name in [options.only] if options.only else NAMES:
        benchmark = import_module(f"benchmarks.{name}")
        print(f"{benchmark.TITLE} …", file=sys.stderr, flush=True)
        load = os.getloadavg()[0]
        where = {"device": options.device} if name == "together" else {}
        found = benchmark.measure(options.quick, **where)
        section = describe(name, benchmark.TITLE, benchmark.ABOUT, found, load)
        print(section)
        if not options.quick:
            write(name, section)


def describe(name: str, title: str, about: str, found: Result, load: float) -> str:
    """A section of the page."""
    table = [" | ".join(line) for line in (found.columns, ("---",) * len(found.columns), *found.rows)]
    lines = "\n".join(f"| {line} |" for line in table)
    return (
        f"## {title}\n\n`python -m benchmarks --only {name}`\n\n{about}\n\n{lines}\n\n{found.meaning}\n\n"
        f"{datetime.now(UTC):%Y-%m-%d}, {machine()}; load average when it began {load:.1f}.\n"
    )


def write(name: str, section: str) -> None:
    """Replace a benchmark's section of the page; the others stay."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    sections = dict(re.findall(r"<!-- (\w+) -->\n(.*?)(?=<!-- |\Z)", page, re.DOTALL))
    sections[name] = section + "\n"
    PAGE.parent.mkdir(exist_ok=True)
    body = "".join(f"<!-- {one} -->\n{sections[one]}" for one in NAMES if one in sections)
    PAGE.write_text(f"{HEAD}\n{body}".rstrip() + "\n", encoding="utf-8")


def machine() -> str:
    """What a reader of the figures must know of the machine; nothing that names it."""
    processor = platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        found = re.search(r"^model name\s*: (.+)$", facts.read_text(), re.MULTILINE)
        processor = found[1] if found else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, torch {version('torch')}"
    )


if __name__ == "__main__":
    main()
