"""Students and embeddings in the Hub's form: a folder, a repository, and back, without a network."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from accelerate import Accelerator
from huggingface_hub import ModelCard, constants

import amalgam
from amalgam import registry
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError
from amalgam.report import Known, Report
from amalgam.student import Student, build
from amalgam.wordreport import Known as Source
from amalgam.wordreport import WordReport
from tests.hubs import COMMIT, FolderApi, Repository, online, serving

ROWS = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
SETTINGS = {
    "name": "sea", "strategy": {"name": "ant"}, "teachers": ["onnx:/home/me/secret/birds.onnx@/home/me/birds.txt", "b"],
    "data": {"source": "/home/me/secret/sea.csv", "join": [], "held_out": "~/secret/test.csv", "test": "test",
             "options": {"labels": ["/not/me"]}},
}  # fmt: skip


def a_student(seed: int = 0) -> Student:
    torch.manual_seed(seed)
    student = build({"name": "mlp", "hidden": [3]}, (4,), ("bird", "sea"), "test")
    student.tasks, student.features = {}, ("a", "b", "c", "d")
    student.seen = np.arange(3, dtype=np.uint64)
    return student.eval()


def a_report(student: Student, **more: Any) -> Report:
    told: dict[str, Any] = {
        "recipe": "sea",
        "strategy": "ant",
        "created": "2026-11-21T08:00:00+00:00",
        "student": Known.of(student, "mlp"),
        "teachers": (Known(name="birds", labels=("bird",), source="onnx:birds.onnx@birds.txt", licence="MIT"),),
        "export": {"file": "student.onnx", "bytes": 4},
        "settings": SETTINGS,
    }
    return Report(**{**told, **more})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run directory, as `distill` leaves one."""
    folder, student = tmp_path / "run", a_student()
    student.save(folder / "student")
    (folder / "student.onnx").write_bytes(b"onnx")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(SETTINGS))
    a_report(student).write(folder)
    return folder


@pytest.fixture
def words_run(tmp_path: Path) -> Path:
    folder, words = tmp_path / "words", WordVectors(("sea", "sky"), np.arange(6, dtype=np.float32).reshape(2, 3))
    words.save(folder / "student")
    (folder / "student.onnx").write_bytes(b"onnx")
    WordReport(
        recipe="simme", strategy="simme", created="2026", words=2, width=3, error=None, fingerprint=words.fingerprint,
        sources=(Source(name="news", words=2, dimensions=3, shared=2, source="news.vec", licence="cc-by-4.0"),),
        export={"file": "student.onnx"}, settings={"teachers": ["/home/me/secret/news.vec"], "vocabulary": {}},
    ).write(folder)  # fmt: skip
    return folder


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


OWN = {"config.json", "model.safetensors", "trained_on.npy", "README.md"}
OF_A_RUN = {*OWN, "report.json", "recipe.yaml", "student.onnx"}


@pytest.mark.parametrize("below", ["", "student"])
def test_a_run_becomes_a_folder_as_the_hub_holds_it_and_comes_back(run: Path, below: str, tmp_path: Path) -> None:
    made = amalgam.load(run / below).save_pretrained(tmp_path / "made")
    assert made == tmp_path / "made"
    assert names(made) == OF_A_RUN
    again = amalgam.from_pretrained(made)
    assert isinstance(again, Student)
    assert np.array_equal(again.predict_proba(ROWS), a_student().predict_proba(ROWS))
    assert again.seen is not None
    assert again.seen.tolist() == [0, 1, 2]
    assert (made / "student.onnx").read_bytes() == b"onnx"
    report = again.report
    assert report is not None
    assert (report.recipe, report.teachers, report.student) == (
        "sea",
        a_report(a_student()).teachers,
        a_report(again).student,
    )
    twice = again.save_pretrained(tmp_path / "twice")
    assert {path.name: path.read_bytes() for path in twice.iterdir()} == {
        path.name: path.read_bytes() for path in made.iterdir()
    }


def test_the_card_is_the_hubs(run: Path, tmp_path: Path) -> None:
    made = amalgam.load(run).save_pretrained(tmp_path / "made")
    card = ModelCard.load(made / "README.md")
    assert card.data.to_dict() == {
        "library_name": "amalgam",
        "pipeline_tag": "tabular-classification",
        "tags": [
            "amalgam", "knowledge-distillation", "knowledge-amalgamation", "ant", "multi-label-classification", "onnx",
        ],
        "license": "mit",
    }  # fmt: skip
    assert "Of your files it has the names alone: put their folders back." in card.text
    assert "Of your files" not in ModelCard.load(run / "README.md").text


def test_no_folder_of_the_users_is_told(run: Path, words_run: Path, tmp_path: Path) -> None:
    for model in (amalgam.load(run), amalgam.load_words(words_run)):
        made = model.save_pretrained(tmp_path / type(model).__name__)
        for name in ("README.md", "report.json", "recipe.yaml"):
            assert "secret" not in (made / name).read_text(), name
    told = yaml.safe_load((tmp_path / "MLP" / "recipe.yaml").read_text())
    assert told["teachers"] == ["onnx:birds.onnx@birds.txt", "b"]
    assert told["data"]["source"] == "sea.csv"
    assert told["data"]["held_out"] == "test.csv"


def test_words_go_there_and_back(words_run: Path, tmp_path: Path) -> None:
    for below in ("", "student"):
        words = amalgam.load_words(words_run / below)
        made = words.save_pretrained(tmp_path / f"made{below}")
        assert names(made) == {
            "README.md", "recipe.yaml", "report.json", "student.onnx", "vectors.safetensors", "words.txt",
        }  # fmt: skip
    again = amalgam.from_pretrained(made)
    assert isinstance(again, WordVectors)
    assert again.words == words.words
    assert np.array_equal(again.vectors, words.vectors)
    assert again.report is not None
    assert again.report.sources == WordReport.read(words_run).sources
    card = ModelCard.load(made / "README.md")
    assert (card.data.license, card.data.pipeline_tag) == ("cc-by-4.0", "feature-extraction")
    assert "`vectors.safetensors` has the vectors, `words.txt` their words" in card.text


def test_a_student_that_no_run_made_says_so(tmp_path: Path) -> None:
    a_student().save(tmp_path / "plain")
    made = amalgam.from_pretrained(tmp_path / "plain").save_pretrained(tmp_path / "made")
    assert names(made) == OWN
    card = ModelCard.load(made / "README.md")
    assert card.data.get("license") is None
    assert "was not written down" in card.text
    assert "amalgam distill" not in card.text
    assert "Licence" not in card.text
    assert amalgam.from_pretrained(made).report is None
    words = WordVectors(("a",), np.zeros((1, 2), np.float32)).save_pretrained(tmp_path / "words")
    assert names(words) == {"README.md", "vectors.safetensors", "words.txt"}
    text = ModelCard.load(words / "README.md").text
    assert "The student has 1 words of 2 numbers." in text
    assert "Licence" not in text


def test_a_student_in_memory_is_published_with_its_report_alone(tmp_path: Path) -> None:
    student = a_student()
    student.report = a_report(student, teachers=(Known(name="x", labels=("bird",)),))
    made = student.save_pretrained(tmp_path / "made")
    assert names(made) == OF_A_RUN - {"student.onnx"}  # its run kept no file
    text = ModelCard.load(made / "README.md").text
    assert "student.onnx" not in text
    assert "| `x` | in memory | unknown |" in text
    assert "Its teachers or rows were in memory: name them again to `amalgam.distill`" in text
    assert json.loads((made / "report.json").read_text())["export"] == {}


def test_a_student_that_was_changed_is_not_published_with_the_old_numbers(run: Path, tmp_path: Path) -> None:
    student = amalgam.load(run)
    with torch.no_grad():
        next(student.parameters()).add_(1)
    with pytest.raises(RequestError) as raised:
        student.save_pretrained(tmp_path / "made")
    assert str(raised.value) == (
        "the weights are not those that the run's report tells of: the model was changed after its run. Save it "
        "(`save`), load it from there, and publish that: its card then claims nothing that was measured before"
    )
    assert not (tmp_path / "made").exists()
    student.save(tmp_path / "changed")
    assert names(amalgam.load(tmp_path / "changed").save_pretrained(tmp_path / "made")) == OWN


def test_an_onnx_file_that_may_be_of_other_weights_stays_behind(run: Path, tmp_path: Path) -> None:
    """A report from before does not say of which weights it is."""
    content = json.loads((run / "report.json").read_text())
    del content["student"]["fingerprint"]
    (run / "report.json").write_text(json.dumps(content))
    made = amalgam.load(run).save_pretrained(tmp_path / "made")
    assert names(made) == OF_A_RUN - {"student.onnx"}
    assert "student.onnx" not in (made / "README.md").read_text()


def test_a_published_student_is_a_teacher_whose_licence_is_known(run: Path, tmp_path: Path) -> None:
    made = amalgam.load(run).save_pretrained(tmp_path / "made")
    for spec in (run, run / "student", made, f"torch:{made}"):
        seat = registry.load(str(spec), Accelerator(cpu=True))
        assert seat.licence == "mit", spec
        assert str(tmp_path) not in seat.source
    (run / "README.md").write_text("# no front matter")
    assert registry.load(str(run), Accelerator(cpu=True)).licence is None


def test_where_a_student_was_read_from_does_not_change_what_it_is_as_a_teacher(run: Path, tmp_path: Path) -> None:
    made = amalgam.load(run).save_pretrained(tmp_path / "made")
    one, other = amalgam.load(run), amalgam.load(made)
    assert one.report is not None
    first, second = (
        registry.seat_of(each, 1, Accelerator(cpu=True), trust=False, progress=None) for each in (one, other)
    )
    assert first.fingerprint == second.fingerprint is not None


@pytest.mark.parametrize("there", ["a file in it", "a file"])
def test_nothing_is_overwritten(there: str, tmp_path: Path) -> None:
    place = tmp_path / "there"
    if there == "a file":
        place.write_text("mine")
    else:
        place.mkdir()
        (place / "mine.txt").write_text("mine")
    with pytest.raises(RequestError) as raised:
        a_student().save_pretrained(place)
    assert str(raised.value) == f"{place} holds something already, which is never overwritten; name a new folder"
    (tmp_path / "empty").mkdir()
    assert names(a_student().save_pretrained(tmp_path / "empty")) == OWN


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"file/made cannot be written .*; name a new folder of yours"):
        a_student().save_pretrained(tmp_path / "file" / "made")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what is pushed ends up."""
    home = tmp_path / "hub"
    home.mkdir()
    monkeypatch.setattr(FolderApi, "home", home, raising=False)
    monkeypatch.setattr(FolderApi, "told", [], raising=False)
    monkeypatch.setattr("huggingface_hub.HfApi", FolderApi)
    monkeypatch.setattr("amalgam.online._reachable", lambda address: True)
    return home


def test_what_is_pushed_predicts_the_same_when_it_comes_back(run: Path, words_run: Path, hub: Path) -> None:
    student = amalgam.load(run)
    assert student.push_to_hub("me/sea", private=True, token="hf_mine") == "https://hub.test/me/sea"
    assert names(hub / "me" / "sea") == OF_A_RUN
    again = amalgam.from_pretrained(hub / "me" / "sea")
    assert isinstance(again, Student)
    assert np.array_equal(again.predict_proba(ROWS), student.predict_proba(ROWS))
    given, made, sent = FolderApi.told
    assert (given["token"], made, sent) == ("hf_mine", {"private": True}, {"message": "Upload what amalgam distilled"})
    words = amalgam.load_words(words_run)
    words.push_to_hub("me/words")
    back = amalgam.from_pretrained(hub / "me" / "words")
    assert isinstance(back, WordVectors)
    assert np.array_equal(back["sky"], words["sky"])


def test_a_push_removes_what_an_earlier_one_left_and_nothing_else(run: Path, hub: Path) -> None:
    amalgam.load(run).push_to_hub("me/sea")
    (hub / "me" / "sea" / "picture.png").write_text("mine")
    a_student(seed=1).push_to_hub("me/sea")
    assert names(hub / "me" / "sea") == {*OWN, "picture.png"}  # no ONNX file of other weights


@pytest.fixture
def published(run: Path, tmp_path: Path) -> dict[str, bytes]:
    """A repository's files, some of which nobody should fetch."""
    made = amalgam.load(run).save_pretrained(tmp_path / "published")
    files = {path.name: path.read_bytes() for path in made.iterdir()}
    evil = (
        "pytorch_model.bin",
        "code.py",
        "../../evil.json",
        "student/../../config.json",
        "/etc/evil",
        "x/config.json",
    )
    return {**files, **dict.fromkeys(evil, b"evil")}


def test_a_repository_is_fetched_file_by_file_and_then_kept(
    published: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repository, place = Repository(published), tmp_path / "deep" / "cache"
    with serving(repository, monkeypatch, place):
        student = amalgam.from_pretrained("me/good")
    assert isinstance(student, Student)
    assert np.array_equal(student.predict_proba(ROWS), a_student().predict_proba(ROWS))
    assert student.report is not None
    fetched = {path.split(f"{COMMIT}/")[1] for path in repository.asked if "/resolve/" in path}
    assert fetched == {"config.json", "model.safetensors", "trained_on.npy", "report.json"}
    home = place / "models--me--good"
    assert {path.name for path in (home / "snapshots" / COMMIT).iterdir()} == fetched
    written = [path for path in (tmp_path / "deep").rglob("*") if path.is_file()]
    assert written
    assert all(path.is_relative_to(place) for path in written)
    assert not [path for path in written if b"evil" in path.read_bytes() and "trees" not in path.parts]
    online(monkeypatch, "http://127.0.0.1:9", place)  # where nobody listens
    again = amalgam.from_pretrained("me/good")
    assert isinstance(again, Student)
    assert np.array_equal(again.predict_proba(ROWS), a_student().predict_proba(ROWS))


def test_a_run_that_was_uploaded_whole_is_a_student_too(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with serving(Repository(files), monkeypatch, tmp_path / "cache"):
        student = amalgam.from_pretrained("me/good", "main", cache=tmp_path / "other")
    assert isinstance(student, Student)
    assert student.labels == ("bird", "sea")
    assert not (tmp_path / "cache").exists()


def test_what_leads_out_of_the_cache_is_not_read(
    published: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serving(Repository(published), monkeypatch, tmp_path / "cache"):
        amalgam.from_pretrained("me/good")
        home = tmp_path / "cache" / "models--me--good"
        weights = home / "snapshots" / COMMIT / "model.safetensors"
        weights.unlink()
        weights.symlink_to(tmp_path / "run" / "student" / "model.safetensors")
        with pytest.raises(RequestError) as raised:
            amalgam.from_pretrained("me/good")
    assert str(raised.value) == (
        f"{weights} leads out of {home}, where all of 'me/good' should lie; remove it from the cache"
    )


NOT_FETCHED = "'me/good' is no folder here, and was not fetched from the Hub"


@pytest.mark.parametrize(
    ("name", "revision", "fails", "message"),
    [
        (
            "runs/no/such", None, None,
            "'runs/no/such' is no folder here, and was not fetched from the Hub, for it is no name of a repository; "
            "these are owner/name",
        ),
        (
            "me/none", None, None,
            "'me/none' is no folder here, and was not fetched from the Hub: there is no such repository that you may "
            "see; look for a slip, or log in (`hf auth login`, or a token)",
        ),
        (
            "me/good", "none", None,
            f"{NOT_FETCHED}: 'me/good' has no such revision; leave it out for its newest",
        ),
        (
            "me/good", None, (403, "GatedRepo"),
            f"{NOT_FETCHED}: its owner gives access on request; ask on its page, and log in",
        ),
    ],
)  # fmt: skip
def test_a_repository_that_is_not_there(
    name: str,
    revision: str | None,
    fails: tuple[int, str] | None,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with serving(Repository({}, fails), monkeypatch, tmp_path), pytest.raises(RequestError) as raised:
        amalgam.from_pretrained(name, revision)
    assert str(raised.value) == message


def test_without_a_network_nobody_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    online(monkeypatch, "http://127.0.0.1:9", tmp_path)
    began = time.monotonic()
    with pytest.raises(RequestError) as raised:
        amalgam.from_pretrained("me/good")
    assert str(raised.value) == (
        f"{NOT_FETCHED}, which cannot be reached (http://127.0.0.1:9 cannot be reached); not all of it is in the "
        "cache, so try again with a network, or name a folder"
    )
    with pytest.raises(RequestError) as raised:
        a_student().push_to_hub("me/good")
    assert str(raised.value) == (
        "'me/good' was not pushed to the Hub, which cannot be reached (http://127.0.0.1:9 cannot be reached); try "
        "again with a network"
    )
    assert time.monotonic() - began < 10
    assert not constants.HF_HUB_OFFLINE


@pytest.mark.parametrize(
    ("fails", "message"),
    [
        ((401, ""), "'me/good' was not pushed to the Hub: you may not; log in (`hf auth login`, or a token that may)"),
        ((403, ""), "'me/good' was not pushed to the Hub: you may not; log in (`hf auth login`, or a token that may)"),
        ((400, ""), "'me/good' was not pushed to the Hub, which answered 400 ("),
    ],
)
def test_a_push_that_the_hub_refuses(
    fails: tuple[int, str], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serving(Repository({}, fails), monkeypatch, tmp_path), pytest.raises(RequestError) as raised:
        a_student().push_to_hub("me/good", token="hf_mine")
    assert str(raised.value).startswith(message)


def test_a_push_to_no_name_of_a_repository() -> None:
    with pytest.raises(RequestError) as raised:
        a_student().push_to_hub("me/very/good")
    assert str(raised.value) == (
        "'me/very/good' was not pushed to the Hub, for it is no name of a repository; these are owner/name"
    )


def test_a_folder_has_no_revision(run: Path) -> None:
    with pytest.raises(RequestError) as raised:
        amalgam.from_pretrained(run, "v1")
    assert str(raised.value) == f"{run} is a folder here, and has no revision 'v1'; leave it out"


@pytest.mark.parametrize("content", [None, {"architectures": ["BertModel"]}])
def test_what_amalgam_did_not_make_is_named(content: object, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(RequestError) as raised:
        amalgam.from_pretrained(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path} holds nothing that amalgam made: expected config.json and model.safetensors of a student, or "
        "words.txt and vectors.safetensors of an embedding"
    )


def test_a_pickle_is_never_read(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one in place of the weights, nor one among the row numbers."""

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return pytest.fail, ("a pickle was read",)

    np.save(run / "student" / "trained_on.npy", np.array([Evil()], object), allow_pickle=True)
    with pytest.raises(RequestError, match="is damaged"):
        amalgam.from_pretrained(run)
    (run / "student" / "trained_on.npy").unlink()
    torch.save({"a": Evil()}, run / "student" / "model.safetensors")
    with pytest.raises(RequestError, match="is damaged"):
        amalgam.from_pretrained(run)
