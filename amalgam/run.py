"""The run directory: made once, locked while somebody writes it, never silently overwritten."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from amalgam.embeddings.words import WORDS
from amalgam.errors import RequestError
from amalgam.files import writable, write_text
from amalgam.recipe import Run, dump, read_any
from amalgam.schema import read_yaml

RECIPE, REPORT, STUDENT, ONNX, CHECKPOINTS, LOGS = (
    "recipe.yaml", "report.json", "student", "student.onnx", "checkpoints", "logs",
)  # fmt: skip


def finished(folder: Path) -> bool:
    """Whether a run has its report, which is written last."""
    return (folder / REPORT).is_file()


def is_of_words(folder: Path) -> bool:
    """Whether a directory holds a run of words, or the embedding that one made; False where nothing is there."""
    if any((folder / below / WORDS).is_file() for below in (".", STUDENT)):
        return True
    return (folder / RECIPE).is_file() and "vocabulary" in read_yaml(folder / RECIPE, "recipe")


def chief() -> bool:
    """Whether this is the main process of a launch of several, as the launcher tells it; it alone shows and writes."""
    return os.environ.get("RANK", "0") == "0"


def fresh(name: str, parent: Path = Path("runs")) -> Path:
    """A new directory `runs/<name>-<n>`, made now, so that two runs started together get one each."""
    with writable(parent, "a directory of yours with --out"):
        parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        try:
            (parent / f"{name}-{number}").mkdir()
        except FileExistsError:
            number += 1
        else:
            return parent / f"{name}-{number}"


@contextmanager
def placed(out: Path | None, name: str, wanted: bool = True) -> Iterator[Path | None]:
    """`out`, or where there is none and one is wanted a fresh directory, which a request that is refused leaves not."""
    made = fresh(name) if out is None and wanted else None
    try:
        yield out if made is None else made
    except RequestError:
        if made is not None:
            with suppress(OSError):  # something is kept in it
                made.rmdir()
        raise


@contextmanager
def opened(out: Path | None, recipe: Run, resume: bool, keep: bool, chief: bool) -> Iterator[Path | None]:
    """The run directory of a recipe, locked until the work ends.

    Args:
        out: where; None makes a fresh `runs/<name>-<n>`.
        recipe: the recipe; written into the directory, or held against the one there.
        resume: go on with what is there.
        keep: whether there is a directory at all.
        chief: whether this is the main process; the others only read.

    A request that turns out to be wrong before any work was done leaves no directory behind, so that the mended one may
    have it.

    Raises:
        RequestError: the directory holds something else, another recipe, or a run that another process is writing.
    """
    from filelock import FileLock, Timeout

    if resume:
        require(out)
    if not keep or not chief:
        yield out if keep else None
        return
    folder = out if out is not None else fresh(recipe.name)
    _refuse_foreign(folder, resume)
    lock = FileLock(folder / ".lock")
    try:
        with writable(folder, "another directory with --out"):
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
    except Timeout:
        raise RequestError(f"another process is writing {folder}; wait for it, or choose another --out") from None
    begun = (folder / RECIPE).is_file()
    try:
        _agree(folder / RECIPE, recipe)
        yield folder
    except RequestError:
        if not begun and set(os.listdir(folder)) <= {RECIPE, ".lock"}:
            with suppress(OSError):  # another process may be about to use it
                (folder / RECIPE).unlink(missing_ok=True)
                (folder / ".lock").unlink(missing_ok=True)
                folder.rmdir()
        raise
    finally:
        lock.release()


def versions() -> dict[str, str]:
    """The versions a run's numbers may depend on."""
    names = (
        "amalgam", "torch", "torchvision", "timm", "torchmetrics", "accelerate", "onnx", "onnxruntime", "numpy",
        "scipy", "scikit-learn", "pandas", "pyarrow", "tslearn", "Pillow", "networkx",
    )  # fmt: skip
    found = {name: version(name) for name in names}
    try:
        found["transformers"] = version("transformers")
    except PackageNotFoundError:
        found["transformers"] = "not installed"
    return {"python": platform.python_version(), **found}


def resolved(recipe: Run) -> Run:
    """A recipe with the versions that it is run with."""
    return recipe.model_copy(update={"made_with": versions()})


def require(out: Path | None) -> None:
    """Refuse to resume where there is no run."""
    if out is None:
        raise RequestError("--resume needs the run to go on with: --out runs/NAME")
    if not (out / RECIPE).is_file():
        raise RequestError(f"--resume: {out} holds no run (no {RECIPE}); start one there without --resume")


def _refuse_foreign(folder: Path, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"--out {folder} is a file; name a directory")
    if resume:
        return
    there = sorted(os.listdir(folder)) if folder.is_dir() else []
    if [name for name in there if name != ".lock"]:
        ended = "a finished run" if (folder / REPORT).is_file() else "a run" if RECIPE in there else "other files"
        raise RequestError(
            f"--out {folder} already holds {ended}, which is never overwritten; choose another directory"
            + (", or go on with it: --resume" if RECIPE in there else "")
        )


def _agree(path: Path, recipe: Run) -> None:
    """Write the recipe, or refuse to go on with a run that was made with another one."""
    if not path.is_file():
        write_text(path, dump(resolved(recipe)))
        return
    before = read_any(str(path)).model_dump(exclude={"made_with"})
    now = recipe.model_dump(exclude={"made_with"})
    changed = sorted(key for key in now if now[key] != before[key])
    if changed:
        raise RequestError(
            f"{path} differs from the requested run in {', '.join(changed)}; a run goes on with the recipe it began "
            "with: leave the change out, or start another run"
        )
