"""onnxruntime-web is taken from npm, a folder or an archive, kept, and never used when it is another."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from amalgam.errors import RequestError, WorkError
from amalgam.page import runtime
from tests.page import made


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    made.pretend(monkeypatch)


def npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let a shell script be the npm of this machine, and nothing else."""
    tool = folder / "bin" / "npm"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)


def refused(package: Path | None = None) -> str:
    with pytest.raises(RequestError) as caught:
        runtime.found(package)
    return str(caught.value)


def test_it_comes_from_npm_once(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = made.package(tmp_path / "packed.tgz")
    npm(tmp_path, monkeypatch, f'echo "$@" >> {tmp_path}/asked; cp {packed} onnxruntime-web.tgz')
    for _ in range(2):
        found = runtime.found()
        assert {name: path.read_bytes() for name, path in found.items()} == made.FILES
        assert all(path.is_relative_to(home / "runtime") for path in found.values())
    assert (tmp_path / "asked").read_text().splitlines() == [
        f"pack onnxruntime-web@{runtime.VERSION} --ignore-scripts --json --loglevel=error"
    ]
    found[runtime.WASM].write_bytes(b"another")  # a cache is not trusted
    assert runtime.found()[runtime.WASM].read_bytes() == made.FILES[runtime.WASM]
    assert len((tmp_path / "asked").read_text().splitlines()) == 2


def test_it_comes_from_a_folder_or_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    archive = made.package(tmp_path / "one.tgz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    for given in (archive, tmp_path, tmp_path / "package"):
        found = runtime.found(given)
        assert {name: path.read_bytes() for name, path in found.items()} == made.FILES
        for path in found.values():
            path.unlink()
    runtime.found(archive)
    assert runtime.found()  # kept: no npm is needed any more


def test_no_npm_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert refused() == (
        f"a page needs onnxruntime-web {runtime.VERSION}, which comes from npm, and there is no npm on this machine; "
        "install Node.js, which brings it, or fetch the package elsewhere (npm pack "
        f"onnxruntime-web@{runtime.VERSION}) and name its .tgz"
    )


@pytest.mark.parametrize(
    ("script", "why"),
    [("echo 'npm error code ENOTFOUND' >&2; exit 1", "npm error code ENOTFOUND"), ("exit 0", "it wrote no file")],
)
def test_npm_that_fails(script: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm(tmp_path, monkeypatch, script)
    with pytest.raises(WorkError, match=f"npm could not fetch onnxruntime-web {runtime.VERSION}: {why}; see whether"):
        runtime.found()


def test_another_version_or_content_is_refused(tmp_path: Path, home: Path) -> None:
    other = made.package(tmp_path / "one.tgz", {**made.FILES, runtime.WASM: b"other"}, version="1.2.3")
    name = f"onnxruntime-web {runtime.VERSION}"
    fetch = f"fetch that version (npm pack onnxruntime-web@{runtime.VERSION})"
    assert refused(other) == f"{other}: dist/{runtime.WASM} is not that of {name} but of 1.2.3; {fetch}"
    tampered = made.package(tmp_path / "two.tgz", {**made.FILES, runtime.SCRIPT: b"steal()"})
    assert refused(tampered) == (
        f"{tampered}: dist/{runtime.SCRIPT} is not that of {name}, though the package says so; {fetch}"
    )
    assert not (home / "runtime").exists()


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    name = f"onnxruntime-web {runtime.VERSION}"
    assert refused(tmp_path / "none.tgz") == f"there is no {tmp_path}/none.tgz; name a .tgz or folder of {name}"
    assert refused(tmp_path) == f"{tmp_path} has no dist/{runtime.SCRIPT}; name a .tgz or folder of {name}"
    noise = tmp_path / "noise.tgz"
    noise.write_bytes(b"noise")
    assert refused(noise).startswith(f"{noise} is no .tgz of npm, or damaged (")
    short = made.package(tmp_path / "short.tgz")
    short.write_bytes(short.read_bytes()[:60])
    assert refused(short).startswith(f"{short} is no .tgz of npm, or damaged (")


def test_nothing_in_an_archive_leads_out(tmp_path: Path) -> None:
    """Names that climb, and links in place of files, are never written nor followed."""
    path, secret = tmp_path / "one.tgz", tmp_path / "secret"
    secret.write_bytes(made.FILES[runtime.WASM])
    with tarfile.open(path, "w:gz") as archive:
        for name in ("package/dist/../../../escaped", str(tmp_path / "absolute"), f"package/dist/{runtime.SCRIPT}"):
            member = tarfile.TarInfo(name)
            member.size = len(made.FILES[runtime.SCRIPT])
            archive.addfile(member, io.BytesIO(made.FILES[runtime.SCRIPT]))
        link = tarfile.TarInfo(f"package/dist/{runtime.WASM}")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)
    assert refused(path).startswith(f"{path} has no dist/{runtime.WASM};")
    assert {one.name for one in tmp_path.iterdir()} <= {"one.tgz", "secret", "home"}
