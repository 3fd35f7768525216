"""The folder of a page: what else lies there is never lost, and a page is there whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amalgam.errors import RequestError
from amalgam.files import draft_folder, remove, writable

PAGE = "page.json"
"""What a page knows; a folder with it is one. Under `files` it lists all that lies there."""
_INSTEAD = "a folder of yours"


def refuse_others(folder: Path) -> None:
    """RequestError for a place that holds anything but a page of amalgam's own making."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RequestError(f"{folder} is there already and is no folder; name a new one for the page")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        known = set(json.loads((folder / PAGE).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise RequestError(
            f"{folder} is there already and holds no page of amalgam's; nothing in it was touched, name a new folder"
        ) from None
    there = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    if strange := sorted(there - known):
        raise RequestError(
            f"{folder} holds {strange[0]!r} beside the page, which would be lost; move it away, or name a new folder"
        )


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `folder`: at once where nothing is there, else by two renames.

    Whoever looks between the two finds nothing; a process that is killed there leaves the older page beside it, under
    a name that begins with a dot. On failure the older page stays.
    """
    place = folder.absolute()
    with writable(folder, _INSTEAD):
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".older", dir=place.parent))
        new, old = aside / "new", aside / "old"
        try:
            with draft_folder(new) as draft:
                yield draft
            if place.exists():
                os.rename(place, old)
            try:
                os.rename(new, place)
            except OSError:
                if old.exists():
                    os.rename(old, place)
                raise
        finally:
            remove(aside)
