"""What there is: recipes, a strategy, the store, the machine."""

from __future__ import annotations

import inspect

from rich.text import Text

from amalgam import shelf
from amalgam.errors import RequestError, WorkError
from amalgam.views.benches import shelved
from amalgam.views.console import columns, console


def list_recipes() -> None:
    """`amalgam recipes list`."""
    from amalgam.schema import read_yaml

    table = columns("recipe", "strategy", "what it shows")
    for name in shelf.names("recipes"):
        content = read_yaml(shelf.shelf("recipes") / f"{name}.yaml", "recipe")
        strategy = content.get("strategy")
        called = strategy.get("name") if isinstance(strategy, dict) else strategy
        table.add_row(*map(Text, (name, str(called), str(content.get("description", "")))))
    console().print(table)
    console().print()
    console().print(shelved("table for `amalgam bench`"))


def show_strategy(name: str) -> None:
    """`amalgam show STRATEGY`."""
    import dataclasses

    from amalgam.strategies import equations, method_class

    strategy = method_class(name)
    to = console()
    paper = strategy.paper
    if paper is not None:
        to.print(Text(paper.title, style="bold"), Text(paper.where))
    to.print(Text(_told(strategy)[0]))
    meanings: dict[str, str] = {}
    for base in reversed(strategy.__mro__):
        meanings |= _told(base)[1]
    table = columns("hyperparameter", "default", "what")
    for field in dataclasses.fields(strategy):
        usual = "to be named" if field.default is dataclasses.MISSING else repr(field.default)
        table.add_row(Text(field.name), Text(usual), Text(meanings.get(field.name, "")))
    found = columns("equation", "function", "where", "what")
    for equation in equations(strategy):
        found.add_row(*map(Text, (equation.number, equation.function, equation.where, equation.says)))
    for filled in (table, found):
        if filled.row_count:
            to.print()
            to.print(filled)


def _told(strategy: type) -> tuple[str, dict[str, str]]:
    """What a docstring says of a class, and of each of its attributes."""
    about, _, listed = inspect.cleandoc(vars(strategy).get("__doc__") or "").partition("\n\nAttributes:\n")
    each: dict[str, str] = {}
    for line in inspect.cleandoc(listed).splitlines():
        name, found, meaning = line.partition(": ")
        if found and not line.startswith(" "):
            each[name] = meaning
        elif each:
            each[[*each][-1]] += f" {line.strip()}"
    return about, each


def list_cache() -> None:
    """`amalgam cache list`."""
    from amalgam.cache import listing
    from amalgam.store import home

    table = columns("kind", "key", "size", "last used", "what")
    items = listing()
    for item in items:
        about = ", ".join(f"{key} {value}" for key, value in item.about.items())
        state = about if item.finished else "unfinished"
        used = item.last_used.strftime("%Y-%m-%d %H:%M")
        table.add_row(*map(Text, (item.kind, item.key, f"{item.size:,}", used, state)))
    to = console()
    to.print(table)
    to.print(Text(f"{len(items)} entries, {sum(item.size for item in items):,} bytes in {home()}"))


def clear_cache(kind: str | None) -> None:
    """`amalgam cache clear`."""
    from typing import get_args

    from amalgam.cache import clear
    from amalgam.store import Kind

    if kind is not None and kind not in get_args(Kind):
        raise RequestError(f"--kind {kind!r} is none of {', '.join(get_args(Kind))}")
    cleared = clear(kind)  # type: ignore[arg-type]
    to = console()
    to.print(Text(f"{cleared.entries} entries deleted, {cleared.freed:,} bytes freed"))
    for busy in cleared.busy:
        to.print(Text(f"left {busy}: another process is writing it"))


def examine() -> None:
    """`amalgam doctor`."""
    from amalgam.doctor import examination

    table = columns("what", "is")
    findings = examination()
    for finding in findings:
        mark = Text("✓ ", style="green") if finding.ok else Text("✗ ", style="red")
        table.add_row(mark + Text(finding.what), Text(finding.says))
    console().print(table)
    broken = [finding.what for finding in findings if not finding.ok]
    if broken:
        raise WorkError(f"this machine cannot do everything: {', '.join(broken)}")
