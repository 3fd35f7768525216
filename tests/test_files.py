"""Files and folders are whole or absent; paths cannot escape."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from amalgam import files
from amalgam.errors import RequestError, WorkError


def _full(path: Path, why: str) -> str:
    return (
        f"{path} could not be written: {why}; free some space, or point the command elsewhere "
        "(--out, AMALGAM_HOME), and run it again: what is finished is kept"
    )


def test_a_draft_that_succeeds_takes_the_place(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    files.write_text(path, "first")
    files.write_text(path, "second, ü")
    assert path.read_text(encoding="utf-8") == "second, ü"
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_draft_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")

    def write() -> None:
        with files.draft(path) as temporary:
            temporary.write_text("half")
            assert path.read_text() == "before"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_is_flushed_before_it_takes_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[bool] = []
    path, folder = tmp_path / "a.txt", tmp_path / "folder"
    monkeypatch.setattr(os, "fsync", lambda handle: there.append(path.exists() or folder.exists()))
    files.write_text(path, "text")
    assert there == [False]
    path.unlink()
    with files.draft_folder(folder) as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "a").write_text("a")
        (temporary / "b").write_text("b")
    assert there == [False] * 3


def test_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    folder = tmp_path / "folder"

    def write(fail: bool) -> None:
        with files.draft_folder(folder) as temporary:
            (temporary / "a").write_text("a")
            assert not folder.exists()
            if fail:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(fail=True)
    assert list(tmp_path.iterdir()) == []
    write(fail=False)
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [folder]
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EFBIG, "the file is too large"),
    ],
)
@pytest.mark.parametrize("draft", [files.draft, files.draft_folder])
def test_a_full_disk_is_said(
    draft: Callable[[Path], AbstractContextManager[Path]], number: int, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    with pytest.raises(WorkError) as raised, draft(path):
        raise OSError(number, os.strerror(number))
    assert str(raised.value) == _full(path, why)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_for_a_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mkstemp(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "mkstemp", mkstemp)
    with pytest.raises(WorkError) as raised:
        files.write_text(tmp_path / "a", "text")
    assert str(raised.value) == _full(tmp_path / "a", "the disk is full")


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "I/O error"), OSError("strange"), ValueError("4 requested and 2")]
)
def test_other_errors_stay_what_they_are(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as raised, files.draft(tmp_path / "a"):
        raise error
    assert raised.value is error


LIBRARIES = {
    "text": ("temporary.write_text('x' * 50_000)", "the file is too large"),
    "numpy": ("np.save(temporary, np.zeros(50_000))", "the disk is full or a limit is reached"),
    "safetensors": (
        "from safetensors.numpy import save_file; save_file({'a': np.zeros(50_000)}, temporary)",
        "the file is too large",
    ),
    "torch": ("import torch; torch.save(torch.zeros(50_000), temporary)", "the disk is full or a limit is reached"),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_meets_a_real_limit(library: str, tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk; each library tells of it in its own way."""
    statement, why = LIBRARIES[library]
    path = tmp_path / "a.npy"
    code = f"""
        import resource
        from pathlib import Path
        import numpy as np
        from amalgam import files
        from amalgam.errors import WorkError

        try:
            with files.draft(Path({str(path)!r})) as temporary:
                resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
                {statement}
        except WorkError as error:
            print(error)
    """
    said = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert said.stdout == _full(path, why) + "\n", said.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (FileExistsError, errno.EEXIST),
        (FileNotFoundError, errno.ENOENT),
        (IsADirectoryError, errno.EISDIR),
        (NotADirectoryError, errno.ENOTDIR),
        (PermissionError, errno.EACCES),
    ],
)
def test_a_place_that_cannot_be_written_is_said(
    kind: type[OSError], number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mkdir(*_: object, **__: object) -> None:
        raise kind(number, "the reason")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(RequestError) as raised, files.writable(tmp_path / "a"), files.draft(tmp_path / "a"):
        pass
    assert str(raised.value) == f"{tmp_path / 'a'} cannot be written (the reason); name a file in a folder of yours"


@pytest.mark.parametrize("name", ["a", "b/c", "b/../a", "./a"])
def test_names_that_stay_inside(name: str, tmp_path: Path) -> None:
    assert files.inside(tmp_path, name, "card x") == (tmp_path / name).resolve()


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "b/../../a", "link/a"])
def test_names_that_lead_out(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(RequestError) as raised:
        files.inside(folder, name, "card x")
    assert str(raised.value) == f"card x names {name!r}, which leads out of {folder}; keep the file beside it"


def test_a_name_that_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as raised:
        files.inside(tmp_path, "a\0b", "card x")
    assert str(raised.value) == "card x names 'a\\x00b', which is no path of a file; name a file beside it"


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="links in a circle resolve to themselves")
def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(RequestError) as raised:
        files.inside(tmp_path, "a", "card x")
    assert str(raised.value) == "card x names 'a', which is no path of a file; name a file beside it"


def _sealed(folder: Path) -> Path:
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_bytes(b"one")
    (folder / "deep" / "b").write_bytes(b"two")
    files.seal(folder)
    return folder


def test_a_sealed_folder_is_whole_until_it_is_touched(tmp_path: Path) -> None:
    folder = _sealed(tmp_path / "folder")
    assert files.is_whole(folder)
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    (folder / "deep" / "b").write_bytes(b"twp")
    assert not files.is_whole(folder)
    (folder / "deep" / "b").write_bytes(b"two")
    assert files.is_whole(folder)
    (folder / "deep" / "b").rename(folder / "b")
    assert not files.is_whole(folder)
    assert not files.is_whole(tmp_path / "nowhere")


def test_removing_a_link_leaves_what_it_leads_to(tmp_path: Path) -> None:
    folder, link = _sealed(tmp_path / "folder"), tmp_path / "link"
    link.symlink_to(folder)
    files.remove(link)
    files.remove(link)
    assert not link.is_symlink()
    assert files.is_whole(folder)
    files.remove(folder / "a")
    files.remove(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ("onnx:/home/me x/birds.onnx@/home/me/birds.txt", "onnx:birds.onnx@birds.txt"),
        ("timm:resnet18@a,b?source=/home/me/w.safetensors", "timm:resnet18@a,b?source=w.safetensors"),
        ("~/rows.csv", "rows.csv"),
        (r"C:\Users\me\rows.csv", "rows.csv"),
        ("models/birds.onnx", "models/birds.onnx"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("custom:module:function", "custom:module:function"),
        ("torchvision:VOC2007", "torchvision:VOC2007"),
    ],
)
def test_folders_of_the_users_are_left_out(spec: str, shown: str) -> None:
    assert files.without_folders(spec) == shown
