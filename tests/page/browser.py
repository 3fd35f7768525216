"""A Chromium without a window, a static server, and what a page shows, read from its elements."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SWITCHES = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
SECONDS = 60_000  # milliseconds: machines of CI are slow


def chromium() -> str:
    """The Chromium of this machine; the test is skipped where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("there is no Chromium on this machine; apt install chromium")


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser with a new profile."""
    path = chromium()
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed; pip install playwright")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=SWITCHES, chromium_sandbox=False)
        yield browser
        browser.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder, served as `python -m http.server` does."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Opened:
    """A page in a browser; at the end nothing in it went wrong and nothing came from elsewhere."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def settle(self) -> None:
        """Wait until it has answered its latest input."""
        self.page.wait_for_selector("body[data-ready][data-idle=true]", timeout=SECONDS)

    def shown(self) -> dict[str, float]:
        """Label → the probability that is shown, unrounded."""
        self.settle()
        bars = self.page.locator(".bar[data-probability]").evaluate_all(
            "every => every.map(one => [one.dataset.label, Number(one.dataset.probability)])"
        )
        return dict(bars)

    def agrees(self, labels: tuple[str, ...], wanted: NDArray[Any]) -> None:
        """What is shown is what torch says of one row (1, L)."""
        shown = self.shown()
        assert set(shown) == set(labels)
        np.testing.assert_allclose([shown[label] for label in labels], wanted[0], atol=1e-3)

    def decided(self) -> set[str]:
        """The labels that are marked."""
        self.settle()
        return set(self.page.locator(".bar.decided").evaluate_all("every => every.map(one => one.dataset.label)"))

    def example(self, place: int) -> None:
        """Choose an example."""
        self.page.click(f".example[data-example='{place}']")


@contextmanager
def opened(browser: Browser, folder: Path, width: int = 1000) -> Iterator[Opened]:
    """A page, served below another folder, without a network once it is there."""
    wrong = list[str]()
    with served(folder.parent) as address:
        context = browser.new_context(viewport={"width": width, "height": 850})
        page = context.new_page()
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(address) else wrong.append(asked.url))
        page.goto(f"{address}/{folder.name}/")
        found = Opened(page)
        found.settle()
        context.set_offline(True)
        yield found
        context.close()
    assert wrong == [], wrong
