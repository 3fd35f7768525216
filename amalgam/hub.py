"""Students and embeddings as the Hub holds them: written into a folder, read back from there or the Hub, and pushed."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, overload

from amalgam import __version__, run, student
from amalgam.embeddings.words import VECTORS, WORDS, WordVectors
from amalgam.errors import RequestError
from amalgam.files import draft_folder, full_disk, without_folders, writable, write_text
from amalgam.fingerprint import of_tensors
from amalgam.modelcard import README
from amalgam.online import asked_once
from amalgam.recipe import written
from amalgam.report import Known, Report
from amalgam.report import card as card_of_rows
from amalgam.student import Student
from amalgam.tokens import BESIDE
from amalgam.wordreport import WordReport
from amalgam.wordreport import card as card_of_words

Model: TypeAlias = Student | WordVectors
"""What a run makes."""
_TOKENIZER = tuple(f"{BESIDE[2:]}/{name}" for name in ("tokenizer.json", "tokenizer_config.json"))
_NEEDED = ("config.json", "model.safetensors", "trained_on.npy", *_TOKENIZER, VECTORS, WORDS)
_FETCHED = tuple(below + name for name in (*_NEEDED, run.REPORT) for below in ("", f"{run.STUDENT}/"))
"""The files of a repository that are fetched, by their whole names: weights, words and JSON, none that holds code."""
_OURS = (*_NEEDED, run.REPORT, run.RECIPE, run.ONNX)


def save_pretrained(model: Model, folder: str | Path) -> Path:
    """Write a student, or an embedding of words, into a new folder, as the Hub holds it.

    Beside its own files (`Student.save`, `WordVectors.save`) there are its model card, `README.md`; and, of one that a
    run made, `report.json`, `recipe.yaml` with the names of your files but not their folders, and the run's
    `student.onnx`, where there is one.

    Args:
        model: what to write.
        folder: where; what is there is never overwritten.

    Raises:
        RequestError: the folder holds something, cannot be written, the model was changed after its run, or a tokenizer
            that it reads texts with is gone.
    """
    folder, report = Path(folder), _told(model)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise RequestError(f"{folder} holds something already, which is never overwritten; name a new folder")
    _refuse_unreadable(model)
    with writable(folder, "a new folder of yours"), draft_folder(folder) as made:
        model.save(made)
        onnx = None if report is None or not report.export else _exported(model, report)
        if onnx is not None:
            shutil.copyfile(onnx, made / run.ONNX)
        if report is None:
            told = _unknown(model)
        else:
            told = report.model_copy(
                update={
                    "settings": _without_folders(report.settings),
                    "export": {} if onnx is None else report.export,
                }
            )
            write_text(made / run.REPORT, json.dumps(told.to_dict(), indent=2, ensure_ascii=False) + "\n")
            if told.settings:
                write_text(made / run.RECIPE, written(told.settings))
        card = card_of_words(told, True) if isinstance(told, WordReport) else card_of_rows(told, True)
        write_text(made / README, card)
    return folder


def from_pretrained(
    name: str | Path, revision: str | None = None, *, token: str | None = None, cache: str | Path | None = None
) -> Model:
    """The student, or the embedding of words, in a folder or in a repository of the Hub.

    Of a repository only the files of `_FETCHED` are fetched, once, into the Hub's cache; without a network what is
    there already is taken. Nothing in them is run: weights are safetensors, all else is text and numbers.

    Args:
        name: a folder of `save_pretrained` or `Student.save`, a run directory, or a repository, `owner/name`.
        revision: of a repository: a branch, a tag or a commit; `main` by default.
        token: for a repository that not everybody may read; by default the one that you are logged in with.
        cache: where the Hub's files are kept; by default in its cache.

    Raises:
        RequestError: there is no such folder or repository, it cannot be reached, or holds nothing of amalgam's.
    """
    folder = Path(name)
    if not folder.is_dir():
        folder = _fetched(str(name), revision, token, cache)
    elif revision is not None:
        raise RequestError(f"{folder} is a folder here, and has no revision {revision!r}; leave it out")
    if run.is_of_words(folder):
        return WordVectors.load(folder)
    if not _holds_student(folder):
        raise RequestError(
            f"{name} holds nothing that amalgam made: expected config.json and {_NEEDED[1]} of a student, or {WORDS} "
            f"and {VECTORS} of an embedding"
        )
    return student.load(folder)


def push_to_hub(
    model: Model,
    repo_id: str,
    *,
    private: bool | None = None,
    message: str = "Upload what amalgam distilled",
    token: str | None = None,
) -> str:
    """Push a student, or an embedding of words, to the Hub, as `save_pretrained` writes it.

    Files of ours that an earlier push left there and this one has not are removed; others stay.

    Args:
        model: what to push.
        repo_id: the repository, `owner/name`; it is made where there is none.
        private: whether one that is made is private; by default as its owner has it.
        message: of the commit.
        token: of somebody who may write there; by default the one that you are logged in with.

    Returns:
        The repository's address.

    Raises:
        RequestError: no such name, nobody is logged in who may write there, the Hub cannot be reached, or the model was
            changed after its run.
    """
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as temporary:
        folder = save_pretrained(model, Path(temporary) / "model")
        with _mendable(f"{repo_id!r} was not pushed to", repo_id, "try again with a network"), asked_once():
            api = HfApi(token=token, library_name="amalgam", library_version=__version__)
            made = api.create_repo(repo_id, private=private, exist_ok=True)
            api.upload_folder(
                repo_id=made.repo_id, folder_path=folder, commit_message=message, delete_patterns=list(_OURS)
            )
    return str(made)


@overload
def report_of(model: Student) -> Report | None: ...


@overload
def report_of(model: WordVectors) -> WordReport | None: ...


def report_of(model: Model) -> Report | WordReport | None:
    """The report beside a model that was read from a folder; None where there is none.

    Raises:
        RequestError: it is damaged.
    """
    home = _home(model)
    if home is None or not run.finished(home):
        return None
    return Report.read(home) if isinstance(model, Student) else WordReport.read(home)


def _home(model: Model) -> Path | None:
    """The run directory, or the folder of `save_pretrained`, that a model was read from."""
    folder = model.folder
    return folder.parent if folder is not None and folder.name == run.STUDENT else folder


def _told(model: Model) -> Report | WordReport | None:
    """What a run says of a model; RequestError when the model is another by now."""
    report = model.report
    told = report.fingerprint if isinstance(report, WordReport) else report.student.fingerprint if report else None
    if told is not None and told != _fingerprint(model):
        raise RequestError(
            "the weights are not those that the run's report tells of: the model was changed after its run. Save it "
            "(`save`), load it from there, and publish that: its card then claims nothing that was measured before"
        )
    return report


def _refuse_unreadable(model: Model) -> None:
    """RequestError for a student that nobody could give texts to."""
    reading = model.reading if isinstance(model, Student) else None
    if reading is not None and reading.local and not Path(str(reading.tokenizer)).is_dir():
        raise RequestError(
            f"the student reads texts with the tokenizer in {reading.tokenizer}, which is gone, and whoever gets the "
            "student needs it; put it there again"
        )


def _fingerprint(model: Model) -> str:
    return of_tensors(model.state_dict()) if isinstance(model, Student) else model.fingerprint


def _exported(model: Model, report: Report | WordReport) -> Path | None:
    """The ONNX file of the run that a model was read from; None where that is not sure to be of these weights."""
    known = report.fingerprint if isinstance(report, WordReport) else report.student.fingerprint
    home = _home(model)
    if home is None or known is None or not (home / run.ONNX).is_file():
        return None
    return home / run.ONNX


def _unknown(model: Model) -> Report | WordReport:
    """What can be said of a model that no run tells of."""
    about = {"strategy": "", "created": datetime.now(UTC).isoformat(timespec="seconds")}
    if isinstance(model, Student):
        kind = type(model).__module__.rpartition(".")[2]
        return Report(recipe=kind, student=Known.of(model, kind), teachers=(), **about)
    width = int(model.vectors.shape[1])
    return WordReport(recipe="embedding", words=len(model.words), width=width, sources=(), error=None, **about)


def _without_folders(settings: Any) -> Any:
    """A recipe's keys and values, with the names of files but not their folders."""
    if isinstance(settings, dict):
        return {key: _without_folders(value) for key, value in settings.items()}
    if isinstance(settings, list):
        return [_without_folders(value) for value in settings]
    return without_folders(settings) if isinstance(settings, str) else settings


def _holds_student(folder: Path) -> bool:
    """Whether a folder has a student of amalgam's, which may be damaged, as loading it tells better."""
    for path in (folder / "config.json", folder / run.STUDENT / "config.json"):
        with suppress(ValueError, OSError):
            content = json.loads(path.read_text(encoding="utf-8"))
            return isinstance(content, dict) and "student" in content
    return False


def _fetched(name: str, revision: str | None, token: str | None, cache: str | Path | None) -> Path:
    """The folder in the Hub's cache with the files of a repository that are wanted."""
    from huggingface_hub import constants, snapshot_download

    what = f"{name!r} is no folder here, and was not fetched from"
    else_ = "not all of it is in the cache, so try again with a network, or name a folder"
    place = Path(cache or constants.HF_HUB_CACHE).expanduser()
    with _mendable(what, name, else_), asked_once(), full_disk(place):
        folder = Path(
            snapshot_download(
                name, revision=revision, allow_patterns=list(_FETCHED), token=token, cache_dir=cache,
                library_name="amalgam", library_version=__version__,
            )
        )  # fmt: skip
    home = (place / f"models--{name.replace('/', '--')}").resolve()
    for path in (folder / file for file in _FETCHED):
        if path.exists() and not path.resolve().is_relative_to(home):
            raise RequestError(
                f"{path} leads out of {home}, where all of {name!r} should lie; remove it from the cache"
            )
    return folder


@contextmanager
def _mendable(what: str, repo_id: str, without: str) -> Iterator[None]:
    """The Hub's errors as sentences.

    Args:
        what: how they begin: what was not done.
        repo_id: with which repository.
        without: what to do without a network.
    """
    from huggingface_hub import errors

    where = f"{what} the Hub"
    try:
        yield
    except errors.HFValidationError:
        raise RequestError(f"{where}, for it is no name of a repository; these are owner/name") from None
    except errors.GatedRepoError:
        raise RequestError(f"{where}: its owner gives access on request; ask on its page, and log in") from None
    except errors.RepositoryNotFoundError:
        raise RequestError(
            f"{where}: there is no such repository that you may see; look for a slip, or log in (`hf auth login`, or a "
            "token)"
        ) from None
    except errors.RevisionNotFoundError:
        raise RequestError(f"{where}: {repo_id!r} has no such revision; leave it out for its newest") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            raise RequestError(f"{where}: you may not; log in (`hf auth login`, or a token that may)") from None
        raise RequestError(f"{where}, which answered {status} ({_reason(error)}); try again later") from None
    except (OSError, errors.HTTPError) as error:  # type: ignore[attr-defined]  # that of its own client
        raise RequestError(f"{where}, which cannot be reached ({_reason(error)}); {without}") from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:150]
