"""Alerts reach people by jobs: what is sent, what is tried again, and that no message names a patient."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path

import pytest

import kinote
from kinote.alerting.channels import AlertOptions, MailOptions, WebhookOptions
from kinote.alerting.meanings import MEANINGS, UNKNOWN, meaning_of
from kinote.alerting.telling import TELL_ALERTS, AlertMessenger, TellAlerts, send_test
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.alerts import AlertWatch
from kinote.holdings.health import Alert
from kinote.jobs.leased import Done, Failed, PermanentError
from tests.alerting.receivers import Hook, Mailbox, free_port, mail_server, web_server
from tests.clock import clock
from tests.jobs.shop import Shop

#: What may stand in a sentence of an alert, and never in a message.
PATIENT = "DOE^JANE 4711-ID 19700131 ACC-0815 1.2.840.99.1"

DAMAGED = Alert("OBJECTS_DAMAGED", f"The stored bytes of 12 objects of {PATIENT} are damaged.", 12)
DEAD = Alert("JOBS_DEAD", f"A job about {PATIENT} is dead.")
STRANGE = Alert("NEVER_HEARD_OF", f"Something about {PATIENT}.")


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mail_server() as server:
        yield server


@pytest.fixture
def hook() -> Iterator[Hook]:
    with web_server() as server:
        yield server


class Kinote:
    """A server that tells of alerts, step by step."""

    def __init__(self, catalog: Catalog, options: AlertOptions) -> None:
        self.shop = Shop(catalog, {TELL_ALERTS.name: TELL_ALERTS})
        # That of PostgreSQL, by which its jobs are, cannot be set.
        self.shop.clock.now = clock()
        self.options = options

    def work(self, *wrong: Alert) -> list[str]:
        """These are wrong now; do the jobs that follow, and return what came of each."""
        catalog, now = self.shop.catalog, self.shop.clock
        AlertWatch(catalog, now, "here", lambda: wrong).step()
        AlertMessenger(catalog, now, self.options).step()
        handler = TellAlerts(catalog, now, self.options)
        found = []
        while (job := self.shop.claim()) is not None:
            try:
                outcome: Done | Failed = handler(job)  # type: ignore[assignment]
            except Exception as error:
                outcome = Failed(str(error), for_good=isinstance(error, PermanentError))
            assert self.shop.settle(job, outcome)
            found.append(self.shop.state(job.id))
        return found

    def later(self, by: timedelta) -> None:
        self.shop.clock.now += by
        if not self.shop.catalog.is_sqlite:
            self.shop.age(by)
        self.shop.pass_time(timedelta())


def options(box: Mailbox | None, hook: Hook | None = None) -> AlertOptions:
    port = box.port if box is not None else free_port()
    return AlertOptions(
        mail=MailOptions("127.0.0.1", port, "none", "kinote@example.org", ("pacs@example.org",)),
        webhooks=() if hook is None else (WebhookOptions("chat", hook.url, "0123456789abcdef"),),
        address="https://kinote.example",
        server="pacs1",
    )


def test_alerts_come_by_mail_and_webhook_and_name_no_patient(
    catalog: Catalog, box: Mailbox, hook: Hook
) -> None:
    server = Kinote(catalog, options(box, hook))
    assert server.work() == []
    assert server.work(DAMAGED, DEAD, STRANGE) == ["done", "done"]
    server.later(timedelta(hours=1))
    assert server.work(DEAD) == ["done", "done"]
    first, second = box.mails
    assert first["Subject"] == "Kinote on pacs1: 3 new alerts"
    assert second["Subject"] == "Kinote on pacs1: 2 cleared"
    text = first.get_content()
    assert "JOBS_DEAD" in text
    assert "There are 10 or more." in text
    assert "https://kinote.example/alerts" in text
    said = [json.loads(each.body) for each in hook.posted]
    assert [[each["code"] for each in one["new"]] for one in said] == [
        ["OBJECTS_DAMAGED", "JOBS_DEAD", "NEVER_HEARD_OF"],
        [],
    ]
    assert said[0]["new"][2]["meaning"] == UNKNOWN.sentence
    whole = "".join(str(mail) + mail.get_content() for mail in box.mails)
    whole += "".join(each.body.decode() + str(each.headers) for each in hook.posted)
    assert [word for word in PATIENT.split() if word in whole] == []


def test_breach_of_privacy_is_noticed(
    catalog: Catalog, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinote.alerting.messages.Said.line", property(lambda said: PATIENT))
    Kinote(catalog, options(box)).work(DEAD)
    assert PATIENT in box.mails[0].get_content().replace("\n", " ")


def test_a_mail_server_that_is_away_is_tried_again_and_told_what_holds_then(
    catalog: Catalog, box: Mailbox
) -> None:
    server = Kinote(catalog, options(None))
    assert server.work(DEAD) == ["retry"]
    assert server.work(DEAD) == [], "one job at a time"
    server.options = options(box)
    server.later(timedelta(hours=1))
    assert server.work(DAMAGED) == ["done"]
    assert "OBJECTS_DAMAGED" in box.mails[0].get_content()
    assert "JOBS_DEAD" not in box.mails[0].get_content()


def test_what_is_refused_for_good_is_dead_and_only_something_new_calls_again(
    catalog: Catalog, box: Mailbox
) -> None:
    server = Kinote(catalog, options(box))
    box.answers = ["554 no", "554 no"]
    assert server.work(DEAD) == ["dead"]
    server.shop.clock.now += timedelta(hours=2)
    assert server.work(DEAD) == []
    server.shop.clock.now += timedelta(minutes=1)
    assert server.work(DEAD, DAMAGED) == ["dead"]
    server.shop.clock.now += timedelta(minutes=1)
    assert server.work(DEAD, DAMAGED, STRANGE) == ["done"]
    assert box.mails[0]["Subject"] == "Kinote on pacs1: 3 new alerts"


def test_the_same_message_sent_again_has_the_same_id(catalog: Catalog, hook: Hook) -> None:
    server = Kinote(catalog, replace(options(None, hook), mail=None))
    hook.statuses = [503]
    assert server.work(DEAD) == ["retry"]
    server.later(timedelta(hours=1))
    assert server.work(DEAD) == ["done"]
    first, again = hook.posted
    assert first.headers["Kinote-Delivery"] == again.headers["Kinote-Delivery"]
    server.later(timedelta(hours=1))
    assert server.work(DEAD, DAMAGED) == ["done"]
    assert hook.posted[2].headers["Kinote-Delivery"] != first.headers["Kinote-Delivery"]


def test_a_digest_comes_once_a_day_also_when_nothing_is_wrong(catalog: Catalog, box: Mailbox) -> None:
    now = clock().astimezone()
    at = (now - timedelta(minutes=30)).time()
    server = Kinote(catalog, replace(options(box), digest_at=time(at.hour, at.minute), severity="error"))
    assert server.work() == ["done"]
    assert server.work() == []
    assert box.mails[0]["Subject"] == "Kinote on pacs1, daily: no alert is open"
    server.later(timedelta(hours=23))
    assert server.work() == []
    server.later(timedelta(hours=1))
    assert server.work(DAMAGED) == ["done", "done"]
    assert {mail["Subject"] for mail in box.mails[1:]} == {
        "Kinote on pacs1: 1 new alert",
        "Kinote on pacs1, daily: 1 open alert",
    }
    assert not any(word in str(mail) for mail in box.mails for word in PATIENT.split())


def test_a_channel_that_is_no_longer_set_is_left_alone(catalog: Catalog, box: Mailbox) -> None:
    server = Kinote(catalog, options(box))
    AlertWatch(catalog, server.shop.clock, "here", lambda: [DEAD]).step()
    AlertMessenger(catalog, server.shop.clock, server.options).step()
    server.options = AlertOptions()
    assert server.work(DEAD) == ["done"]
    assert box.mails == []


def test_a_test_message_says_what_came_of_each_channel(box: Mailbox, hook: Hook) -> None:
    hook.statuses = [404]
    mail, webhook = send_test(options(box, hook), clock)
    assert (mail["channel"], mail["sent"]) == ("mail", True)
    assert webhook == {
        "channel": "webhook chat",
        "sent": False,
        "sentence": "The webhook chat at 127.0.0.1 refused it (404).",
    }
    assert send_test(AlertOptions(), clock) == []


def test_every_alert_has_a_meaning_for_messages_and_on_the_page() -> None:
    package = Path(kinote.__file__).parent
    code = re.compile(r'\bAlert\(\s*"([A-Z_]+)"')
    made = {
        found for path in package.rglob("*.py") for found in code.findall(path.read_text(encoding="utf-8"))
    }
    assert made == set(MEANINGS)
    assert meaning_of("OF_ANOTHER_VERSION") is UNKNOWN
