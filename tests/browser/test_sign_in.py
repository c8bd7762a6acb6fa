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

from tests.browser.journey import PATIENCE, note_called, open_study, to_position
from tests.demo_data import copied
from tests.running_server import RunningServer

PASSWORD = "a long good password"

#: How often a page is looked at again, each half second, for what is written later.
TIMES = 120

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="module")
def signing_server(tmp_path_factory: pytest.TempPathFactory, demo_data: Path) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("signing")
    copied(demo_data, folder / "data")
    environment = {**os.environ, "KINOTE_AUTHENTICATION": "local"}
    # One process for all of them: each takes a second to begin.
    added = (
        "from typer.testing import CliRunner; from kinote.command.main import app\n"
        "for login, name, role in (('rhea', 'Reader^Rhea', 'author'), ('rolf', 'Look^Rolf', 'reader'), "
        "('ada', 'Admin^Ada', 'administrator'), ('petra', 'Privacy^Petra', 'privacy officer')):\n"
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
    context.set_default_timeout(PATIENCE)
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
    expect(page.get_by_test_id("nav-objects")).to_have_count(0)
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
    httpx.delete(
        f"{signing_server.url}/api/v1/session", cookies=cookies, trust_env=False, timeout=60
    ).raise_for_status()
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


def test_an_administrator_looks_after_users_and_tokens(
    page: Page, signing_server: RunningServer, tmp_path: Path
) -> None:
    page.goto("/users")
    sign_in(page, "ada")
    expect(page.get_by_test_id("user-row")).to_have_count(4)
    # What administrators do is seen by others.
    expect(page.get_by_test_id("nav-audit")).to_have_count(0)
    page.get_by_test_id("add-user").click()
    page.get_by_test_id("new-login").fill("nora")
    page.get_by_test_id("new-name").fill("New^Nora")
    page.get_by_test_id("new-password").fill("short")
    page.get_by_test_id("role-author").check()
    page.screenshot(path=tmp_path / "add-user.png")
    page.get_by_test_id("add-user-confirm").click()
    expect(page.get_by_test_id("problem")).to_contain_text("12")
    page.get_by_test_id("new-password").fill(PASSWORD)
    page.get_by_test_id("add-user-confirm").click()
    added = page.get_by_test_id("user-row").filter(has_text="nora")
    expect(added).to_contain_text("New, Nora")
    added.get_by_test_id("user-roles").click()
    page.get_by_test_id("role-reader").uncheck()
    page.get_by_test_id("roles-confirm").click()
    expect(added.locator("td").nth(1)).to_have_text("author")
    page.screenshot(path=tmp_path / "users.png")
    added.get_by_test_id("user-enabled").click()
    page.get_by_test_id("disable-confirm").click()
    expect(added).to_contain_text("disabled")
    refused = httpx.post(
        f"{signing_server.url}/api/v1/session",
        json={"login": "nora", "password": PASSWORD},
        trust_env=False,
        timeout=60,
    )
    assert refused.status_code == 401
    # Nobody takes away their own access by mistake.
    own = page.get_by_test_id("user-row").filter(has_text="Admin, Ada")
    expect(own.get_by_test_id("user-enabled")).to_have_count(0)

    page.goto("/tokens")
    page.get_by_test_id("add-token").click()
    page.get_by_test_id("token-user").fill("rhea")
    page.get_by_test_id("token-name").fill("Nodule finder")
    page.get_by_test_id("add-token-confirm").click()
    token = page.get_by_test_id("made-token").inner_text()
    headers = {"Authorization": f"Bearer {token}"}
    studies = f"{signing_server.url}/api/v1/studies"
    assert httpx.get(studies, headers=headers, trust_env=False, timeout=60).status_code == 200
    page.keyboard.press("Escape")
    expect(page.get_by_text(token)).to_have_count(0)
    page.get_by_test_id("revoke-token").click()
    page.get_by_test_id("revoke-confirm").click()
    expect(page.get_by_test_id("token-row")).to_contain_text("revoked")
    page.screenshot(path=tmp_path / "tokens.png")
    assert httpx.get(studies, headers=headers, trust_env=False, timeout=60).status_code == 401
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    assert PASSWORD not in stored
    assert token not in stored


def test_a_privacy_officer_sees_who_saw_a_patient_and_what_was_removed(
    page: Page, signing_server: RunningServer, tmp_path: Path
) -> None:
    with httpx.Client(base_url=signing_server.url, trust_env=False, timeout=60) as rolf:
        rolf.post("/api/v1/session", json={"login": "rolf", "password": PASSWORD}).raise_for_status()
        (study, *_) = rolf.get("/dicomweb/studies").json()
        uid, patient = study["0020000D"]["Value"][0], study["00100020"]["Value"][0]
        rolf.get(f"/api/v1/studies/{uid}").raise_for_status()
        assert rolf.delete("/api/v1/notes/1?reason=x").status_code == 403
    page.goto("/audit")
    sign_in(page, "petra")
    expect(page.get_by_test_id("nav-users")).to_have_count(0)
    page.get_by_test_id("audit-patient").fill(patient)
    page.wait_for_url("**/audit?patient=*")
    row = page.get_by_test_id("audit-row").filter(has_text="rolf").filter(has_text="read").first
    # What is only looked at is written every three seconds.
    for _ in range(TIMES):
        page.reload()
        expect(page.get_by_test_id("audit-patient")).to_have_value(patient)
        page.wait_for_timeout(500)
        if row.count():
            break
    expect(row).to_contain_text(patient)
    expect(row).to_contain_text(uid)
    # She may know who saw the study, and not see it.
    expect(row.get_by_role("link")).to_have_count(0)
    page.screenshot(path=tmp_path / "who-saw-this-patient.png")
    page.goto("/audit?event=refused")
    refused = page.get_by_test_id("audit-row").filter(has_text="withdraw").first
    for _ in range(TIMES):
        # Refusals are written as late.
        page.reload()
        expect(page.get_by_test_id("audit-event")).to_have_value("refused")
        page.wait_for_timeout(500)
        if refused.count():
            break
    expect(refused).to_contain_text("rolf")
    page.get_by_test_id("audit-removed").click()
    expect(page.get_by_test_id("audit-event")).to_have_value("withdrawn")
    assert "event=withdrawn" in page.url
    page.screenshot(path=tmp_path / "removed.png")
