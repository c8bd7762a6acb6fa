"""The pages of those who look after a server: jobs, alerts, rejections, purges, removals, explanations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from kinote.catalog.schema.tables import instance
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.jobs.leased import Failed
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.purging.delays import PurgeDelays
from kinote.lifecycle.purging.tombstones import entomb, mark_removed, remember_failure
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.notes.registrar.registering_jobs import REGISTER_AGAIN
from tests.actors import ROE
from tests.alerting.receivers import Hook, Mailbox, mail_server, web_server
from tests.browser.journey import PATIENCE
from tests.browser.test_layout import MISPLACED
from tests.clock import clock
from tests.command_line import kinote
from tests.intake.objects import image
from tests.jobs.shop import Shop
from tests.jobs.test_workers import until
from tests.lifecycle import rejected
from tests.notes.sample_studies import IMAGE, IMAGE_2
from tests.running_server import RunningServer

SIZES = [(1440, 900), (390, 844)]

NOTE = "1.2.1.80.1"


class LookedAfter:
    """A server with something of everything, and who receives its messages."""

    def __init__(self, folder: Path, box: Mailbox, hook: Hook) -> None:
        self.box = box
        self.hook = hook
        (folder / "kinote.toml").write_text(
            f"""
            purge_after = 1
            reconcile_days = 0
            backup_folder = "{folder / "backups"}"
            backup_hours = 0
            scrub_days = 0
            smtp_host = "127.0.0.1"
            smtp_port = {box.port}
            smtp_security = "none"
            smtp_sender = "kinote@example.org"
            alert_mail_to = ["pacs@example.org"]
            [[alert_webhooks]]
            name = "chat"
            url = "{hook.url}"
            secret = "0123456789abcdef"
            """
        )
        data = folder / "data"
        _import(folder, *(image(number) for number in range(1, 6)))
        catalog = Catalog(CatalogOptions(f"sqlite:///{data / 'kinote.sqlite'}"))
        _fill(catalog)
        catalog.close()
        self.server = RunningServer(data)
        # The server first looks for alerts when it has had some seconds to start.
        until(lambda: self.open_alerts() >= 3)

    def open_alerts(self) -> int:
        """How many alerts are open."""
        answer = httpx.get(f"{self.server.url}/api/v1/alerts", trust_env=False, timeout=60)
        return len(answer.json()["items"])


def _import(folder: Path, *files: bytes) -> None:
    for number, content in enumerate(files):
        (folder / f"{number}.dcm").write_bytes(content)
    names = [f"{number}.dcm" for number in range(len(files))]
    done = kinote("import", *names, "--data", "data", cwd=folder)
    assert done.returncode == 0, done.stderr


def _fill(catalog: Catalog) -> None:
    """Leave a dead job, rejections that wait, and withdrawals: purged, about to be, and failed."""
    shop = Shop(catalog, {REGISTER_AGAIN.name: REGISTER_AGAIN})
    shop.clock.now = clock()
    for _ in range(3):
        shop.enqueue(REGISTER_AGAIN, {})
        assert shop.settle(shop.claimed(), Failed("The document could not be read.", for_good=True))
    rejected.receive(
        catalog,
        rejected.image(IMAGE),
        rejected.rejection(NOTE, IMAGE, IMAGE_2, title=rejected.SAFETY),
        rejected.rejection("1.2.1.80.2", IMAGE_2),
        by=rejected.STRANGER,
        now=clock(),
    )
    now = clock()
    for uid, when in (("1.2.3.4.1", now - timedelta(days=3)), ("1.2.3.4.2", now), ("1.2.3.4.3", now)):
        catalog.write(
            lambda tx, uid=uid, when=when: withdraw(  # type: ignore[misc]
                tx, [uid], act=QUALITY, text="blurred", by=ROE, now=when
            )
        )
    with catalog.read() as connection:
        query = select(instance.c.sop_instance_uid, instance.c.id)
        keys = {uid: key for uid, key in connection.execute(query)}
    buried, failed = keys["1.2.3.4.1"], keys["1.2.3.4.3"]
    later = now + timedelta(days=2)
    assert catalog.write(lambda tx: entomb(tx, [buried], PurgeDelays(timedelta(days=1)), later))
    catalog.write(lambda tx: mark_removed(tx, [buried], now))
    for _ in range(8):
        catalog.write(lambda tx: remember_failure(tx, failed, "The disk says no.", now))


@pytest.fixture(scope="module")
def looked_after(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LookedAfter]:
    with ExitStack() as closing:
        box = closing.enter_context(mail_server())
        hook = closing.enter_context(web_server())
        made = LookedAfter(tmp_path_factory.mktemp("looked-after"), box, hook)
        closing.callback(made.server.stop)
        yield made


@pytest.fixture
def page(browser: Browser, looked_after: LookedAfter) -> Iterator[Page]:
    context = browser.new_context(base_url=looked_after.server.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    yield opened
    context.close()
    assert faults == []


def give_reason(page: Page, dialog: str, reason: str) -> None:
    page.get_by_test_id(f"{dialog}-reason").fill(reason)
    page.get_by_test_id(f"{dialog}-who").fill("Fischer^Anna")


PAGES = [
    ("/jobs", "job-row"),
    ("/alerts", "alert-row"),
    ("/rejections", "rejection-row"),
    ("/purges", "purge-row"),
    ("/purges?view=purged", "purge-row"),
    ("/purges?view=failed", "purge-row"),
    ("/removed", "removed-row"),
    ("/explain?what=uid&text=1.2.3.4.1", "copy"),
]


@pytest.mark.parametrize("size", SIZES)
def test_the_pages_fit_their_screens(page: Page, size: tuple[int, int], tmp_path: Path) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    for path, row in PAGES:
        page.goto(path)
        expect(page.get_by_test_id(row).first).to_be_visible()
        name = path.strip("/").replace("?", "-").replace("&", "-").replace("=", "-")
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        assert page.evaluate(MISPLACED) == [], path


def test_alerts_are_told_acknowledged_owned_and_snoozed(
    page: Page, looked_after: LookedAfter, tmp_path: Path
) -> None:
    page.goto("/")
    badge = page.get_by_test_id("alerts-badge")
    expect(badge).to_contain_text(f"{looked_after.open_alerts()} open alerts")
    page.get_by_test_id("nav-alerts").click()
    page.get_by_test_id("alerts-who").fill("Roe^Richard")
    row = page.get_by_test_id("alert-row").and_(page.locator("[data-code=JOBS_DEAD]"))
    row.get_by_test_id("alert-acknowledge").press("Enter")
    expect(row.get_by_test_id("alert-state")).to_have_text("acknowledged")
    row.get_by_test_id("alert-own").click()
    page.get_by_test_id("owner-name").fill("Fischer^Anna")
    page.screenshot(path=tmp_path / "owner.png")
    page.get_by_test_id("owner-confirm").click()
    expect(row.get_by_test_id("alert-owner")).to_have_text("Fischer, Anna sees to it")
    other = page.get_by_test_id("alert-row").and_(page.locator("[data-code=PURGES_DEAD]"))
    other.get_by_test_id("alert-snooze").select_option("8")
    expect(other.get_by_test_id("alert-state")).to_have_text("snoozed")
    page.screenshot(path=tmp_path / "alerts.png")
    page.get_by_test_id("alert-test").click()
    expect(page.get_by_test_id("alert-test-result")).to_contain_text("took it for 1 of 1 receivers")
    page.screenshot(path=tmp_path / "alert-test.png")
    assert any("test message" in mail["Subject"] for mail in looked_after.box.mails)
    expect(page.get_by_test_id("alert-test-result")).to_contain_text("The webhook chat")
    expect(row).to_contain_text("by Roe^Richard")
    row.get_by_role("link", name="Look at them").click()
    expect(page.get_by_test_id("job-row")).to_have_count(3)


def test_a_queue_is_paused_and_jobs_are_done_something_to_by_a_counted_filter(
    page: Page, tmp_path: Path
) -> None:
    page.goto("/jobs?state=dead")
    expect(page.get_by_test_id("job-row")).to_have_count(3)
    queue = page.get_by_test_id("queue-row").and_(page.locator("[data-kind=register-again]"))
    queue.get_by_test_id("queue-change").click()
    page.get_by_test_id("queue-to-halted").check()
    give_reason(page, "queue-dialog", "the disk is slow")
    page.screenshot(path=tmp_path / "queue.png")
    page.get_by_test_id("queue-dialog-confirm").click()
    expect(queue.get_by_test_id("queue-state")).to_have_text("halted")
    expect(queue).to_contain_text("the disk is slow")

    page.get_by_test_id("job-row").first.get_by_test_id("job-select").check()
    expect(page.get_by_test_id("job-selection")).to_have_text("1 job selected")
    page.get_by_test_id("jobs-retry").click()
    expect(page.get_by_test_id("job-act-preview")).to_contain_text("1 job will be run again")
    give_reason(page, "job-act-dialog", "the disk is mended")
    page.screenshot(path=tmp_path / "job-act.png")
    page.get_by_test_id("job-act-dialog-confirm").click()
    expect(page.get_by_test_id("job-row")).to_have_count(2)

    page.get_by_test_id("jobs-cancel").click()
    expect(page.get_by_test_id("job-act-preview")).to_contain_text("2 jobs will be cancelled")
    give_reason(page, "job-act-dialog", "not needed")
    page.get_by_test_id("job-act-dialog-confirm").click()
    expect(page.get_by_test_id("no-jobs")).to_be_visible()

    page.get_by_test_id("job-state-filter").select_option("queued")
    row = page.get_by_test_id("job-row").first
    expect(row.get_by_test_id("job-sentence")).to_contain_text("Its queue is halted")
    row.get_by_test_id("job-history").click()
    expect(row).to_contain_text("the disk is mended")
    page.screenshot(path=tmp_path / "jobs.png", full_page=True)


def test_rejections_are_accepted_and_dismissed(page: Page, tmp_path: Path) -> None:
    page.goto("/rejections")
    rows = page.get_by_test_id("rejection-row")
    expect(rows).to_have_count(2)
    safety = rows.filter(has_text="patient safety")
    safety.get_by_test_id("rejection-accept").click()
    give_reason(page, "decide-dialog", "wrong side")
    page.screenshot(path=tmp_path / "rejection.png")
    page.get_by_test_id("decide-dialog-confirm").click()
    expect(safety.get_by_test_id("rejection-state")).to_have_text("in force")
    other = rows.nth(1)
    other.get_by_test_id("rejection-dismiss").click()
    give_reason(page, "decide-dialog", "it is sharp")
    page.get_by_test_id("decide-dialog-confirm").click()
    expect(other.get_by_test_id("rejection-state")).to_have_text("dismissed")
    page.screenshot(path=tmp_path / "rejections.png")
    page.reload()
    expect(page.get_by_test_id("no-rejections")).to_be_visible()


def test_failed_purges_are_tried_again(page: Page, tmp_path: Path) -> None:
    page.goto("/purges")
    page.get_by_test_id("purges-failed").press("Enter")
    row = page.get_by_test_id("purge-row")
    expect(row).to_contain_text("The disk says no.")
    page.get_by_test_id("purge-retry").click()
    expect(page.get_by_test_id("announcer")).to_have_text("1 object will be tried again")
    expect(row).to_contain_text("again")
    page.screenshot(path=tmp_path / "purges-again.png")


def test_what_was_removed_is_counted_and_exported(page: Page, tmp_path: Path) -> None:
    page.goto("/removed")
    row = page.get_by_test_id("removed-row").filter(has_text="roe")
    expect(row).to_contain_text("quality")
    answer = page.request.get(page.get_by_test_id("removed-csv").get_attribute("href") or "")
    assert "blurred" in answer.text()
    page.get_by_test_id("removed-1").click()
    expect(row).to_contain_text("2")
    page.screenshot(path=tmp_path / "removed.png")
    row.get_by_role("link").click()
    expect(page.get_by_test_id("withdrawal-row")).to_have_count(2)


def test_what_is_missing_is_explained_by_what_one_has(page: Page, tmp_path: Path) -> None:
    page.goto("/explain")
    expect(page.get_by_test_id("nothing-asked")).to_be_visible()

    def ask(what: str, text: str, *codes: str) -> None:
        page.get_by_test_id("explain-what").select_option(what)
        page.get_by_test_id("explain-text").fill(text)
        page.get_by_test_id("explain-text").press("Enter")
        causes = page.get_by_test_id("cause")
        expect(causes).to_have_count(len(codes))
        for position, code in enumerate(codes):
            expect(causes.nth(position)).to_have_attribute("data-code", code)

    ask("uid", "1.2.3.4.1", "PURGED")
    expect(page.get_by_test_id("copy")).to_contain_text("purged")
    ask("uid", "1.2.3", "WITHDRAWN", "PURGED")
    ask("uid", "1.9.9", "NEVER_OFFERED")
    page.get_by_test_id("explain-what").select_option("patient")
    page.get_by_test_id("explain-text").fill("P1")
    page.get_by_test_id("explain-ask").click()
    causes = page.get_by_test_id("cause")
    expect(causes.and_(page.locator("[data-code=WITHDRAWN]"))).to_be_visible()
    expect(causes.and_(page.locator("[data-code=PURGED]"))).to_be_visible()
    page.screenshot(path=tmp_path / "explain.png", full_page=True)
    ask("accession", "A-UNKNOWN", "NEVER_OFFERED")
    page.get_by_test_id("explain-what").select_option("sender")
    page.get_by_test_id("explain-since").fill("2026-01-01T00:00")
    ask("sender", "NOBODY", "NEVER_OFFERED")
    page.screenshot(path=tmp_path / "explain-sender.png")


def test_a_backup_is_made_and_is_the_last_good_one(page: Page, tmp_path: Path) -> None:
    page.goto("/backups")
    expect(page.get_by_test_id("last-good-backup")).to_contain_text("no good backup")
    expect(page.get_by_test_id("no-backups")).to_be_visible()
    page.get_by_test_id("make-backup").click()
    expect(page.get_by_test_id("backup-state")).to_have_text("good", timeout=60_000)
    expect(page.get_by_test_id("last-good-backup")).to_contain_text("was made")
    expect(page.get_by_test_id("backup-warning")).to_have_count(0)
    expect(page.get_by_test_id("make-backup")).to_have_text("Make a backup now")
    page.screenshot(path=tmp_path / "backups.png")
