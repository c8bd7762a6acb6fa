"""A running Kinote with its demo studies, and Chromium to look at it with, for the tests of the viewer."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.journey import PATIENCE
from tests.demo_data import copied
from tests.running_server import RunningServer

# Of itself, Playwright expects what is about to appear within five seconds.
expect.set_options(timeout=PATIENCE)

#: Without these, Chromium looks for hosts of its maker at every start.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory, demo_data: Path) -> Iterator[str]:
    server = RunningServer(copied(demo_data, tmp_path_factory.mktemp("demo") / "data"), command="demo")
    yield server.url
    server.stop()


# Not for the session: while Playwright is on, its event loop counts as running in the tests' own thread, and the
# tests of the HTTP face, which watch for calls that block a loop, would blame whatever they call themselves.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing: install the package chromium")
        pytest.skip("Chromium is missing: the viewer is not tested")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser, demo_server: str) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=demo_server, viewport={"width": 1440, "height": 900})
    opened.set_default_timeout(PATIENCE)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page of its own; a script error or a breach of the content security policy in it fails the test."""
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on(
        "console",
        lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None,
    )
    yield opened
    assert faults == []


@pytest.fixture
def description() -> str:
    return f"肝臓の病変 {uuid.uuid4()}"
