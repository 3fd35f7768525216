"""Stand-ins for the Hub: a server on this machine that repositories are fetched from, and an interface that keeps what
is pushed in a folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repository:
    """What lies in `me/good`, and how the server answers.

    Attributes:
        files: path → content.
        fails: what it says instead: a status, and the Hub's code for why.
        asked: the paths that were asked for.
    """

    files: dict[str, bytes]
    fails: tuple[int, str] | None = None
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, content and headers."""
        self.asked.append(path)
        if self.fails is not None:
            return self.fails[0], b"", {"X-Error-Code": self.fails[1]}
        if not path.removeprefix("/api/models").startswith("/me/good/"):
            return 404, b"", {"X-Error-Code": "RepoNotFound"}
        if path == "/api/models/me/good/revision/none":
            return 404, b"", {"X-Error-Code": "RevisionNotFound"}
        as_json = {"Content-Type": "application/json"}
        if "/revision/" in path:
            return 200, json.dumps({"id": "me/good", "sha": COMMIT, "siblings": []}).encode(), as_json
        if "/tree/" in path:
            told = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in self.files.items()
            ]
            return 200, json.dumps(told).encode(), as_json
        content = self.files[path.split(f"/resolve/{COMMIT}/")[1]]
        return 200, content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}


@contextmanager
def serving(repository: Repository, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[None]:
    """The Hub's client asks a server on this machine, and keeps what it fetches in a cache of the test's own."""
    from huggingface_hub import constants

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Nothing is shown."""

        def do_GET(self) -> None:
            status, content, headers = repository.answer(unquote(self.path.partition("?")[0]))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_POST = do_GET

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        online(monkeypatch, address, cache)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def online(monkeypatch: pytest.MonkeyPatch, address: str, cache: Path) -> None:
    """The Hub's client asks an address, without a proxy."""
    from huggingface_hub import constants

    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


class FolderApi:
    """`huggingface_hub.HfApi` whose repositories are folders."""

    home: ClassVar[Path]
    told: ClassVar[list[dict[str, Any]]]

    def __init__(self, **given: Any) -> None:
        self.told.append(given)

    def create_repo(self, repo_id: str, *, private: bool | None, exist_ok: bool) -> Any:
        """A folder; the answer is an address that knows the repository's name."""

        class Address(str):
            pass

        made = Address(f"https://hub.test/{repo_id}")
        made.repo_id = repo_id  # type: ignore[attr-defined]
        (self.home / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        self.told.append({"private": private})
        return made

    def upload_folder(
        self, *, repo_id: str, folder_path: Path, commit_message: str, delete_patterns: list[str]
    ) -> None:
        """Delete what matches, then copy."""
        there = self.home / repo_id
        for path in list(there.iterdir()):
            if any(fnmatch(path.name, pattern) for pattern in delete_patterns):
                path.unlink()
        shutil.copytree(folder_path, there, dirs_exist_ok=True)
        self.told.append({"message": commit_message})
