"""Alerts as rows: what needs a person's attention, since when, who has seen it, and until when it is snoozed.

Only the end of its condition clears an alert. If the condition holds again later, a new alert is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, select

from kinote.catalog.nodes import living_nodes
from kinote.catalog.schema.tables import alert
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.health import Alert
from kinote.security.actors import Actor
from kinote.telemetry.clock import Clock

#: How long cleared alerts are kept.
KEPT = timedelta(days=90)

#: Seconds between two checks of the conditions.
_LOOK_AGAIN = 30.0

#: Conditions that each server knows of itself only.
_OF_ONE_SERVER = frozenset(
    {
        "DATA_DIRECTORY_MOVED",
        "DISK_NEARLY_FULL",
        "FILES_NOT_SET_ASIDE",
        "FILES_UNKNOWN_TO_INDEX",
        "FOLDER_IN_PLACE_AWAY",
        "FOLDERS_UNREADABLE",
        "RECEIVER_PROCESS_DOWN",
    }
)

_NODE = "node "

#: The subject of an alert about ten or more things: the power of ten that their number has reached.
_OR_MORE = " or more"

#: Alerts that can wait until the next working day. All others are errors.
_WARNINGS = frozenset(
    {
        "BACKUP_TOO_OLD",
        "CLOCK_IN_DOUBT",
        "COMMITMENTS_NOT_TOLD",
        "QUARANTINE_NOT_EMPTY",
        "RECEIVER_PROCESS_DOWN",
        "SCRUB_BEHIND",
    }
)

Severity = Literal["warning", "error"]

#: The states of alerts that a list can be limited to.
Wanted = Literal["open", "cleared", "all"]


class AlertNotFoundError(LookupError):
    """There is no open alert with this number. Its condition may have ended."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that holds now. `subject` distinguishes several with the same code."""

    code: str
    subject: str
    severity: Severity
    sentence: str


def conditions(found: Iterable[Alert], node: str) -> list[Condition]:
    """Return what a server finds wrong as conditions."""
    return [
        Condition(
            each.code,
            each.subject or (f"{_NODE}{node}" if each.code in _OF_ONE_SERVER else _or_more(each.number)),
            "warning" if each.code in _WARNINGS else "error",
            each.text,
        )
        for each in found
    ]


def _or_more(number: int) -> str:
    return f"{10 ** (len(str(number)) - 1)}{_OR_MORE}" if number >= 10 else ""


def _power(subject: str) -> int:
    return int(subject.removesuffix(_OR_MORE)) if subject.endswith(_OR_MORE) else 0


def _at_their_most(holding: Sequence[Condition], rows: Sequence[Any]) -> list[Condition]:
    """Return the conditions. Where a number has fallen, keep the old one: fewer things are no news."""
    found = []
    for each in holding:
        if each.subject and not each.subject.endswith(_OR_MORE):
            found.append(each)
            continue
        before = [row.subject for row in rows if row.code == each.code and row.subject.endswith(_OR_MORE)]
        most = max((each.subject, *before), key=_power)
        found.append(replace(each, subject=most) if _power(most) > _power(each.subject) else each)
    return found


class AlertWatch:
    """Checks the conditions of a node repeatedly and keeps the rows of alerts up to date."""

    def __init__(
        self, catalog: Catalog, clock: Clock, node: str, look: Callable[[], Sequence[Alert]]
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._node = node
        self._look = look

    def step(self) -> float:
        """Check once. Return the seconds until the next check."""
        holding = conditions(self._look(), self._node)
        with self._catalog.read() as connection:
            if not differs(connection, holding, self._node, self._clock()):
                return _LOOK_AGAIN
        self._catalog.submit(
            lambda transaction: renew(transaction, holding, self._node, self._clock()), background=True
        ).result()
        return _LOOK_AGAIN


def differs(connection: Connection, holding: Sequence[Condition], node: str, now: datetime) -> bool:
    """Return whether the open alerts differ from these conditions, or some are too old to be kept."""
    rows = _open(connection)
    said = {(row.code, row.subject): (row.severity, row.sentence) for row in rows}
    holds = {
        (each.code, each.subject): (each.severity, each.sentence) for each in _at_their_most(holding, rows)
    }
    mine = {key: value for key, value in said.items() if _is_ours(key[1], connection, node, now)}
    old = (
        select(alert.c.id)
        .where(alert.c.cleared_at != "", alert.c.cleared_at < timestamp(now - KEPT))
        .limit(1)
    )
    return mine != holds or connection.execute(old).first() is not None


def renew(transaction: Connection, holding: Sequence[Condition], node: str, now: datetime) -> None:
    """Open alerts for conditions that have begun to hold, and clear those of conditions that no longer hold."""
    # If two servers look at once, the second sees the alerts of the first.
    dialects.lock_names(transaction, ["kinote alerts"])
    rows = _open(transaction)
    known = {(row.code, row.subject): row for row in rows}
    holds = {(each.code, each.subject): each for each in _at_their_most(holding, rows)}
    for key, row in known.items():
        if key not in holds and _is_ours(row.subject, transaction, node, now):
            transaction.execute(alert.update().where(alert.c.id == row.id).values(cleared_at=timestamp(now)))
    for key, each in holds.items():
        values = {"severity": each.severity, "sentence": each.sentence}
        if key in known:
            transaction.execute(alert.update().where(alert.c.id == known[key].id).values(**values))
        else:
            transaction.execute(
                alert.insert(),
                {"code": each.code, "subject": each.subject, "since": timestamp(now), **values},
            )
    transaction.execute(
        alert.delete().where(alert.c.cleared_at != "", alert.c.cleared_at < timestamp(now - KEPT))
    )


def _is_ours(subject: str, connection: Connection, node: str, now: datetime) -> bool:
    """Return whether this node maintains an alert: one of all nodes, its own, or one of a node that has ended."""
    if not subject.startswith(_NODE):
        return True
    of = subject.removeprefix(_NODE)
    return of == node or of not in {each.id for each in living_nodes(connection, now)}


def _open(connection: Connection) -> Sequence[Any]:
    return connection.execute(select(alert).where(alert.c.cleared_at == "")).all()


def alerts(
    connection: Connection, wanted: Wanted, now: datetime, *, before: int | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Return alerts, the latest first, with numbers below `before`."""
    query = select(alert)
    if wanted == "open":
        query = query.where(alert.c.cleared_at == "")
    elif wanted == "cleared":
        query = query.where(alert.c.cleared_at != "")
    if before is not None:
        query = query.where(alert.c.id < before)
    return [_json(row, now) for row in connection.execute(query.order_by(alert.c.id.desc()).limit(limit))]


def acknowledge(transaction: Connection, key: int, by: Actor, now: datetime) -> dict[str, Any]:
    """Record that somebody has seen an alert and deals with it. Raises `AlertNotFoundError`."""
    return _change(
        transaction, key, {"acknowledged_at": timestamp(now), **by.columns("acknowledged_by")}, now
    )


def snooze(transaction: Connection, key: int, until: datetime, by: Actor, now: datetime) -> dict[str, Any]:
    """Snooze an alert until a time. A time that is not in the future ends the snooze. Raises `AlertNotFoundError`."""
    return _change(transaction, key, {"snoozed_until": timestamp(until), **by.columns("snoozed_by")}, now)


def own(transaction: Connection, key: int, owner: str, by: Actor, now: datetime) -> dict[str, Any]:
    """Record who has to deal with an alert. An empty `owner` means nobody. Raises `AlertNotFoundError`."""
    values = {"owner": owner, "owned_at": timestamp(now), **by.columns("owned_by")}
    return _change(transaction, key, values, now)


def number_open(connection: Connection, now: datetime) -> dict[str, int]:
    """Count the open alerts by their state: new, acknowledged and snoozed."""
    numbers = {"new": 0, "acknowledged": 0, "snoozed": 0}
    for row in _open(connection):
        numbers[_state(row, now)] += 1
    return numbers


def _change(transaction: Connection, key: int, values: dict[str, str], now: datetime) -> dict[str, Any]:
    is_it = (alert.c.id == key) & (alert.c.cleared_at == "")
    if not transaction.execute(alert.update().where(is_it).values(**values)).rowcount:
        raise AlertNotFoundError(f"There is no open alert {key}.")
    return _json(transaction.execute(select(alert).where(is_it)).one(), now)


def _json(row: Any, now: datetime) -> dict[str, Any]:
    seen_by = Actor.stored(row.acknowledged_by_kind, row.acknowledged_by_name, row.acknowledged_by_address)
    snoozed_by = Actor.stored(row.snoozed_by_kind, row.snoozed_by_name, row.snoozed_by_address)
    owned_by = Actor.stored(row.owned_by_kind, row.owned_by_name, row.owned_by_address)
    return {
        "id": row.id,
        "state": _state(row, now),
        "severity": row.severity,
        "code": row.code,
        "subject": row.subject,
        "sentence": row.sentence,
        "since": row.since,
        "cleared_at": row.cleared_at or None,
        "acknowledged_at": row.acknowledged_at or None,
        "acknowledged_by": str(seen_by) if seen_by else None,
        "snoozed_until": row.snoozed_until or None,
        "snoozed_by": str(snoozed_by) if snoozed_by else None,
        "owner": row.owner or None,
        "owned_at": row.owned_at or None,
        "owned_by": str(owned_by) if owned_by else None,
    }


def _state(row: Any, now: datetime) -> str:
    if row.cleared_at:
        return "cleared"
    if row.snoozed_until > timestamp(now):
        return "snoozed"
    return "acknowledged" if row.acknowledged_at else "new"
