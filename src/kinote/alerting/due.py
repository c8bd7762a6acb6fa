"""What to tell a channel, and the record that it was told.

What is due follows from the rows of alerts and of earlier messages. A message that could not be sent is therefore made
again from the present state: an alert that has been cleared, acknowledged or snoozed meanwhile is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from kinote.alerting.messages import Said, said_of
from kinote.catalog.schema.tables import alert, alert_channel, alert_told
from kinote.catalog.schema.timestamps import timestamp
from kinote.holdings.alerts import KEPT, Severity


@dataclass(frozen=True, slots=True)
class Due:
    """What is new for a channel and what has ended since it was told, and since when the newest of it is due."""

    new: tuple[Said, ...]
    cleared: tuple[Said, ...]
    keys: tuple[tuple[int, str, str], ...]
    parts: tuple[str, ...]
    since: str
    number_open: int

    def __bool__(self) -> bool:
        return bool(self.new or self.cleared)


def due(
    connection: Connection,
    channel: str,
    now: datetime,
    *,
    severity: Severity,
    pause: timedelta = timedelta(),
    repeat: timedelta,
) -> Due:
    """Return what a channel is to be told now.

    That is nothing for `pause` after its last message, so that what comes then is told together. A condition that comes
    and goes is told once in `repeat`, and that it has ended only while it has. With the severity `error`, warnings are
    not told.
    """
    rows = connection.execute(select(alert).where(alert.c.cleared_at == "")).all()
    wanted = [row for row in rows if severity == "warning" or row.severity == "error"]
    told = {
        (row.code, row.subject): row
        for row in connection.execute(select(alert_told).where(alert_told.c.channel == channel))
    }
    if pause and _sent_at(connection, channel) > timestamp(now - pause):
        return Due((), (), (), (), "", len(rows))
    new = [row for row in wanted if _is_new(row, told.get((row.code, row.subject)), now, repeat)]
    ended = _ended(connection, told.values(), {row.code for row in rows})
    return Due(
        tuple(
            said_of(row, times=_times(connection, row, told.get((row.code, row.subject))))
            for row in _by_severity(new)
        ),
        tuple(said_of(row) for row in ended),
        tuple((row.id, row.code, row.subject) for row in new),
        tuple(
            sorted(
                f"{row.id} {before.told_at if (before := told.get((row.code, row.subject))) else ''}"
                for row in (*new, *ended)
            )
        ),
        max(
            [max(row.since, row.snoozed_until) for row in new] + [row.cleared_at for row in ended], default=""
        ),
        len(rows),
    )


def _is_new(row: Any, told: Any, now: datetime, repeat: timedelta) -> bool:
    if row.acknowledged_at or row.snoozed_until > timestamp(now):
        return False
    if told is None:
        return True
    # A reported alert is reported again when its snooze ends.
    if told.alert == row.id and told.told_at >= row.snoozed_until:
        return False
    return bool(told.told_at <= timestamp(now - repeat))


def _ended(connection: Connection, told: Any, open_codes: set[str]) -> Sequence[Any]:
    """Return the alerts whose end has not been told. If more things have the same code now, it has not ended."""
    keys = [row.alert for row in told if not row.cleared_told_at and row.code not in open_codes]
    rows: list[Any] = []
    for start in range(0, len(keys), 500):
        some = select(alert).where(alert.c.id.in_(keys[start : start + 500]), alert.c.cleared_at != "")
        rows += connection.execute(some.order_by(alert.c.id)).all()
    return rows


def _times(connection: Connection, row: Any, told: Any) -> int:
    """Return how often a condition has come since it was told of."""
    if told is None:
        return 1
    came = select(func.count()).where(
        alert.c.since > told.told_at, alert.c.code == row.code, alert.c.subject == row.subject
    )
    return max(1, connection.execute(came).scalar_one())


def _by_severity(rows: Sequence[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: (row.severity != "error", row.since, row.id))


def record(transaction: Connection, channel: str, told: Due, now: datetime) -> None:
    """Record that a channel was told."""
    moment = timestamp(now)
    for key, code, subject in told.keys:
        is_it = (
            (alert_told.c.channel == channel)
            & (alert_told.c.code == code)
            & (alert_told.c.subject == subject)
        )
        transaction.execute(alert_told.delete().where(is_it))
        transaction.execute(
            alert_told.insert(),
            {"channel": channel, "code": code, "subject": subject, "alert": key, "told_at": moment},
        )
    keys = [each.alert for each in told.cleared]
    for start in range(0, len(keys), 500):
        transaction.execute(
            alert_told.update()
            .where(alert_told.c.channel == channel, alert_told.c.alert.in_(keys[start : start + 500]))
            .values(cleared_told_at=moment)
        )
    # Subjects name servers, and there are ever more of these.
    transaction.execute(
        alert_told.delete().where(
            alert_told.c.channel == channel,
            alert_told.c.told_at < timestamp(now - KEPT),
            alert_told.c.alert.not_in(select(alert.c.id).where(alert.c.cleared_at == "")),
        )
    )
    _mark(transaction, channel, sent_at=moment)


def _sent_at(connection: Connection, channel: str) -> str:
    found = connection.execute(
        select(alert_channel.c.sent_at).where(alert_channel.c.name == channel)
    ).scalar_one_or_none()
    return found or ""


def _mark(transaction: Connection, channel: str, **values: str) -> None:
    updated = transaction.execute(
        alert_channel.update().where(alert_channel.c.name == channel).values(**values)
    )
    if not updated.rowcount:
        transaction.execute(alert_channel.insert(), {"name": channel, **values})


def digest_sent_at(connection: Connection, channel: str) -> str:
    """Return when a channel had its last digest; "" if never."""
    found = connection.execute(
        select(alert_channel.c.digest_at).where(alert_channel.c.name == channel)
    ).scalar_one_or_none()
    return found or ""


def record_digest(transaction: Connection, channel: str, now: datetime) -> None:
    """Record that a channel had a digest."""
    _mark(transaction, channel, digest_at=timestamp(now))


@dataclass(frozen=True, slots=True)
class OfADay:
    """All open alerts, and those that ended in the last 24 hours: one for each code."""

    open: tuple[Said, ...]
    cleared: tuple[Said, ...]


def of_a_day(connection: Connection, now: datetime) -> OfADay:
    """Return what a digest says."""
    rows = connection.execute(select(alert).where(alert.c.cleared_at == "")).all()
    since = timestamp(now - timedelta(days=1))
    ended = select(alert.c.code, func.max(alert.c.id).label("last"), func.count().label("times")).where(
        alert.c.cleared_at > since, alert.c.cleared_at != ""
    )
    counted = {row.last: row.times for row in connection.execute(ended.group_by(alert.c.code))}
    last = connection.execute(select(alert).where(alert.c.id.in_(list(counted))).order_by(alert.c.code)).all()
    return OfADay(
        tuple(said_of(row, state=_state(row, now)) for row in _by_severity(rows)),
        tuple(said_of(row, times=counted[row.id]) for row in last),
    )


def _state(row: Any, now: datetime) -> str:
    if row.snoozed_until > timestamp(now):
        return f"waits until {row.snoozed_until[:16].replace('T', ' ')} UTC"
    return "acknowledged" if row.acknowledged_at else "not acknowledged"
