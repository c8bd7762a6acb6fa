"""Signing in by the viewer: who is signed in, what is offered, and a draft that outlives its session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.journey import note_called, open_study, to_position
from tests.running_server import RunningServer

PASSWORD = "a long good password"

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="module")
def signing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("signing")
    environment = {**os.environ, "KINOTE_AUTHENTICATION": "local"}
    # One process for all three: each takes a second to begin.
    added = (
        "from typer.testing import CliRunner; from kinote.command.main import app\n"
        "for login, name, role in (('rhea', 'Reader^Rhea', 'author'), ('rolf', 'Look^Rolf', 'reader')):\n"
        f"    done = CliRunner().invoke(app, ['users', 'add', login, '--name', name, '--role', role, "
        f"'--password-stdin', '--data', 'data'], input='{PASSWORD}\\n')\n"
        "    assert done.exit_code == 0, done.output\n"
    )
    subprocess.run(
        [sys.executable, "-c", added],
        cwd=folder,
        env={**environment, "PYTHONPATH": f"{SOURCE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        check=True,
    )
    with pytest.MonkeyPatch.context() as setting:
        setting.setenv("KINOTE_AUTHENTICATION", "local")
        server = RunningServer(folder / "data", command="demo")
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser, signing_server: RunningServer) -> Iterator[Page]:
    context = browser.new_context(base_url=signing_server.url, viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    yield opened
    context.close()
    assert faults == []


def sign_in(page: Page, login: str, password: str = PASSWORD) -> None:
    page.get_by_test_id("sign-in-login").fill(login)
    page.get_by_test_id("sign-in-password").fill(password)
    page.get_by_test_id("sign-in").click()


def test_signing_in_and_out(page: Page, tmp_path: Path) -> None:
    page.goto("/notes")
    expect(page.get_by_test_id("sign-in-page")).to_be_visible()
    expect(page.get_by_test_id("nav-notes")).to_have_count(0)
    page.screenshot(path=tmp_path / "sign-in.png")
    sign_in(page, "rhea", "not the password")
    expect(page.get_by_test_id("problem")).to_contain_text("Login or password are wrong")
    page.screenshot(path=tmp_path / "wrong-password.png")
    sign_in(page, "rhea")
    expect(page.get_by_test_id("user-name")).to_have_text("Reader, Rhea")
    expect(page.get_by_test_id("nav-notes")).to_have_attribute("aria-current", "page")
    expect(page.get_by_test_id("nav-held")).to_have_count(0)
    assert page.evaluate("document.cookie") == ""
    page.reload()
    expect(page.get_by_test_id("user-name")).to_be_visible()
    page.get_by_test_id("sign-out").click()
    expect(page.get_by_test_id("sign-in-page")).to_be_visible()


def test_a_reader_is_not_offered_what_it_may_not_do(page: Page, tmp_path: Path) -> None:
    page.goto("/")
    sign_in(page, "rolf")
    expect(page.get_by_test_id("user-name")).to_be_visible()
    open_study(page, "CT")
    expect(page.get_by_test_id("star")).to_have_count(0)
    expect(page.get_by_test_id("note-revise")).to_have_count(0)
    page.keyboard.press("k")
    expect(page.get_by_test_id("draft-description")).to_have_count(0)
    page.screenshot(path=tmp_path / "reader.png")


def test_a_draft_survives_an_expired_session(
    page: Page, signing_server: RunningServer, tmp_path: Path
) -> None:
    page.goto("/")
    sign_in(page, "rhea")
    expect(page.get_by_test_id("user-name")).to_be_visible()
    open_study(page, "CT")
    to_position(page, 3)
    page.get_by_test_id("star").click()
    page.get_by_test_id("draft-description").fill("Seen before the session ended")
    expect(page.get_by_test_id("draft-author")).to_have_value("Reader^Rhea")
    expect(page.get_by_test_id("draft-author")).not_to_be_editable()
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    httpx.delete(f"{signing_server.url}/api/v1/session", cookies=cookies, trust_env=False).raise_for_status()
    page.get_by_test_id("draft-save").click()
    dialog = page.get_by_test_id("expired-dialog")
    expect(dialog).to_be_visible()
    page.screenshot(path=tmp_path / "expired.png")
    sign_in(page, "rhea")
    expect(dialog).to_have_count(0)
    expect(page.get_by_test_id("draft-description")).to_have_value("Seen before the session ended")
    page.get_by_test_id("draft-save").click()
    note = note_called(page, "Seen before the session ended")
    expect(note).to_be_visible()
    expect(note.get_by_test_id("note-author")).to_contain_text("Reader, Rhea")
    expect(note.get_by_test_id("note-withdraw")).to_be_visible()
    stored = page.evaluate("JSON.stringify(Object.keys(localStorage))")
    assert not any(PASSWORD in key for key in json.loads(stored))
