"""Signing in by a real OpenID provider: with tokens that expire and keys that change while somebody marks images."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.journey import PATIENCE, note_called, open_study, to_position
from tests.browser.openid import OpenIdProvider, installed
from tests.demo_data import copied
from tests.running_server import RunningServer

#: Seconds for which tokens are valid: five minutes, in the time of a test.
SHORT = 2


@pytest.fixture(scope="module")
def sites(
    tmp_path_factory: pytest.TempPathFactory, demo_data: Path
) -> Iterator[tuple[RunningServer, OpenIdProvider]]:
    installed()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.MonkeyPatch.context() as setting:
        for name, value in (
            ("AUTHENTICATION", "local"),
            ("OPENID_ISSUER", f"http://127.0.0.1:{port}"),
            ("OPENID_CLIENT_ID", "kinote"),
            ("OPENID_CLIENT_SECRET", "a secret of both"),
            ("OPENID_NAME", "St. Elsewhere"),
            ("OPENID_ROLES", "radiologist=author"),
        ):
            setting.setenv(f"KINOTE_{name}", value)
        # Without any user: the provider knows some.
        server = RunningServer(copied(demo_data, tmp_path_factory.mktemp("openid") / "data"), command="demo")
    with OpenIdProvider(port, server.url, SHORT) as provider:
        yield server, provider
    server.stop()


@pytest.fixture
def page(browser: Browser, sites: tuple[RunningServer, OpenIdProvider]) -> Iterator[Page]:
    context = browser.new_context(base_url=sites[0].url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def sign_in(page: Page) -> None:
    page.get_by_test_id("sign-in-by-provider").click()
    page.locator("input[name=login]").fill("rhea")
    page.locator("input[name=password]").fill("anything")
    page.locator("button[type=submit]").click()
    # The provider asks whether Kinote may know who it is.
    page.locator("button[type=submit]").click()


def test_signing_in_by_the_provider_and_marking_while_keys_change(
    page: Page, sites: tuple[RunningServer, OpenIdProvider], tmp_path: Path
) -> None:
    _, provider = sites
    page.goto("/")
    expect(page.get_by_test_id("sign-in-by-provider")).to_have_text("Sign in with St. Elsewhere")
    page.screenshot(path=tmp_path / "sign-in.png")
    sign_in(page)
    expect(page.get_by_test_id("user-name")).to_have_text("Reader, Rhea")
    open_study(page, "CT")
    to_position(page, 3)
    page.get_by_test_id("star").click()
    page.get_by_test_id("draft-description").fill("While keys changed")
    before = provider.ask("counts")
    provider.ask("rotate")
    page.wait_for_timeout(2 * SHORT * 1000)
    page.get_by_test_id("draft-save").click()
    expect(note_called(page, "While keys changed")).to_be_visible()
    after = provider.ask("counts")
    assert after["refreshed"] > before["refreshed"]
    assert after["keys"] > before["keys"]

    # The provider ends the session: the draft is there again after the next sign-in.
    to_position(page, 5)
    page.get_by_test_id("star").click()
    page.get_by_test_id("draft-description").fill("Over the end of a session")
    provider.ask("refuse")
    page.wait_for_timeout(2 * SHORT * 1000)
    dialog = page.get_by_test_id("expired-dialog")
    # Whatever the page asks for first notices it.
    if dialog.count() == 0:
        # Not by the mouse: the dialog may open meanwhile, and would catch it.
        page.get_by_test_id("draft-save").dispatch_event("click")
    expect(dialog).to_be_visible()
    page.screenshot(path=tmp_path / "expired.png")
    page.get_by_test_id("sign-in-by-provider").click()
    expect(page.get_by_test_id("draft-description")).to_have_value("Over the end of a session")
    page.get_by_test_id("draft-save").click()
    expect(note_called(page, "Over the end of a session")).to_be_visible()

    # Signing out ends both sessions.
    page.get_by_test_id("sign-out").click()
    page.locator("button[name=logout]").click()
    expect(page.get_by_test_id("sign-in-page")).to_be_visible()
    page.get_by_test_id("sign-in-by-provider").click()
    expect(page.locator("input[name=login]")).to_be_visible()
