"""What a channel is told: each condition once, what comes and goes not too often, and nothing that people have seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from kinote.alerting.due import due, of_a_day, record
from kinote.catalog.schema.tables import alert, alert_told
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.alerts import KEPT, Condition, acknowledge, renew, snooze
from tests.actors import ROE

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

DEAD = Condition("JOBS_DEAD", "", "error", "A job is dead.")
FULL = Condition("DISK_FULL", "", "error", "No room.")
BEHIND = Condition("SCRUB_BEHIND", "", "warning", "Behind.")


@dataclass
class Channel:
    """A channel that is told whenever something is due."""

    catalog: Catalog
    now: datetime = datetime(2026, 11, 30, 8, tzinfo=UTC)
    severity: str = "warning"
    pause: timedelta = 5 * MINUTE
    told: list[tuple[list[str], list[str]]] = field(default_factory=list)

    def look(self, *holding: Condition, after: timedelta = MINUTE) -> tuple[list[str], list[str]] | None:
        """So much later these conditions hold; what the channel is told."""
        self.now += after
        self.catalog.write(lambda tx: renew(tx, holding, "here", self.now))
        with self.catalog.read() as connection:
            what = due(
                connection,
                "mail",
                self.now,
                severity=self.severity,  # type: ignore[arg-type]
                pause=self.pause,
                repeat=HOUR,
            )
        if not what:
            return None
        self.catalog.write(lambda tx: record(tx, "mail", what, self.now))
        self.times = [each.times for each in what.new]
        return [each.code for each in what.new], [each.code for each in what.cleared]

    def open(self) -> int:
        with self.catalog.read() as connection:
            query = select(alert.c.id).where(alert.c.cleared_at == "")
            return int(connection.execute(query).scalar_one())


@pytest.fixture
def channel(catalog: Catalog) -> Channel:
    return Channel(catalog)


def test_an_alert_is_told_once_and_so_is_its_end(channel: Channel) -> None:
    assert channel.look() is None
    assert channel.look(DEAD) == (["JOBS_DEAD"], [])
    assert channel.look(DEAD, after=10 * HOUR) is None
    assert channel.look() == ([], ["JOBS_DEAD"])
    assert channel.look(after=10 * HOUR) is None


def test_what_comes_within_the_pause_is_told_together(channel: Channel) -> None:
    assert channel.look(DEAD) == (["JOBS_DEAD"], [])
    assert channel.look(DEAD, BEHIND) is None
    assert channel.look(DEAD, BEHIND, FULL) is None
    assert channel.look(DEAD, BEHIND, FULL, after=3 * MINUTE) == (["DISK_FULL", "SCRUB_BEHIND"], [])


def test_what_has_ended_before_it_was_told_is_not_told(channel: Channel) -> None:
    assert channel.look(DEAD) == (["JOBS_DEAD"], [])
    assert channel.look(DEAD, FULL) is None
    assert channel.look(DEAD) is None
    assert channel.look(DEAD, after=HOUR) is None


def test_a_condition_that_comes_and_goes_does_not_flood(channel: Channel) -> None:
    for number in range(80):
        # It comes and goes every three minutes, for four hours.
        told = channel.look(*([DEAD] if number % 2 else []), after=3 * MINUTE)
        if told is not None:
            channel.told.append(told)
    new = [times for times in channel.told if times[0]]
    assert 4 <= len(new) <= 5
    assert len(channel.told) <= 2 * len(new)
    assert channel.look(DEAD, after=2 * HOUR) == (["JOBS_DEAD"], [])
    assert channel.times[0] > 5, "it says how often it has come"


def test_what_people_have_seen_is_not_told(channel: Channel) -> None:
    channel.pause = timedelta()
    channel.catalog.write(lambda tx: renew(tx, [DEAD], "here", channel.now))
    key = channel.open()
    channel.catalog.write(lambda tx: snooze(tx, key, channel.now + 3 * HOUR, ROE, channel.now))
    assert channel.look(DEAD) is None
    assert channel.look(DEAD, after=3 * HOUR) == (["JOBS_DEAD"], [])
    channel.catalog.write(lambda tx: snooze(tx, key, channel.now + 3 * HOUR, ROE, channel.now))
    assert channel.look(DEAD, after=2 * HOUR) is None
    assert channel.look(DEAD, after=2 * HOUR) == (["JOBS_DEAD"], []), "it may wait no longer"
    channel.catalog.write(lambda tx: snooze(tx, key, channel.now + 3 * HOUR, ROE, channel.now))
    channel.catalog.write(lambda tx: acknowledge(tx, key, ROE, channel.now))
    assert channel.look(DEAD, after=4 * HOUR) is None


def test_warnings_can_be_left_to_the_digest(channel: Channel) -> None:
    channel.severity = "error"
    assert channel.look(DEAD, BEHIND) == (["JOBS_DEAD"], [])
    assert channel.look(after=HOUR) == ([], ["JOBS_DEAD"])


def test_more_of_the_same_is_no_end_of_it(channel: Channel) -> None:
    channel.pause = timedelta()
    assert channel.look(DEAD) == (["JOBS_DEAD"], [])
    many = Condition("JOBS_DEAD", "10 or more", "error", "Ten are dead.")
    assert channel.look(many) == (["JOBS_DEAD"], [])
    assert channel.look() == ([], ["JOBS_DEAD", "JOBS_DEAD"])


def test_what_was_told_is_forgotten_with_the_alerts(channel: Channel) -> None:
    channel.look(DEAD)
    channel.look(after=HOUR)
    assert channel.look(FULL, after=KEPT + HOUR) == (["DISK_FULL"], [])
    with channel.catalog.read() as connection:
        assert [row.code for row in connection.execute(select(alert_told))] == ["DISK_FULL"]


def test_a_digest_has_what_is_open_and_what_ended_within_a_day(channel: Channel) -> None:
    channel.look(FULL)
    channel.look()
    channel.now += 25 * HOUR
    for _ in range(3):
        channel.look(DEAD)
        channel.look(DEAD, BEHIND)
        channel.look(BEHIND)
    with channel.catalog.read() as connection:
        day = of_a_day(connection, channel.now)
    assert [(each.code, each.state) for each in day.open] == [("SCRUB_BEHIND", "not acknowledged")]
    assert [(each.code, each.times) for each in day.cleared] == [("JOBS_DEAD", 3), ("SCRUB_BEHIND", 2)]
