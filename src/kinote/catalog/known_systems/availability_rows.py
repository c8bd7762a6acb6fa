"""Studies of which destinations have to be told: what is owed, what is due, and what has been settled."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, case, func, select
from sqlalchemy.dialects import postgresql, sqlite

from kinote.catalog.feed_position import FeedPosition
from kinote.catalog.schema.tables import owed_availability
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.dialects import is_sqlite, lock_names

#: Up to where destinations are owed what the change feed says. It moves only while a destination wants to be told.
POSITION = FeedPosition("availability position")

_owed = owed_availability.c


@dataclass(frozen=True, slots=True)
class DueStudy:
    """A study of which a destination is to be told now."""

    study_instance_uid: str
    revision: int
    changed_at: datetime


def lock(transaction: Connection) -> None:
    """Let no other server read the feed for notifications until the transaction has ended."""
    lock_names(transaction, ["kinote availability"])


def owe(
    transaction: Connection,
    destinations: Iterable[int],
    studies: Iterable[str],
    *,
    now: datetime,
    quiet: timedelta,
    longest: timedelta,
) -> None:
    """Note that these studies have changed, for each of these destinations.

    They are told when a study has been `quiet` for so long, and `longest` after its first change at the latest.
    """
    rows = [
        {
            "destination": destination,
            "study_instance_uid": study,
            "changed_at": timestamp(now),
            "due_at": timestamp(now + quiet),
            "at_latest": timestamp(now + longest),
        }
        for destination in sorted(destinations)
        for study in sorted(studies)
    ]
    if not rows:
        return
    new = (sqlite.insert if is_sqlite(transaction) else postgresql.insert)(owed_availability)
    due = case((new.excluded.due_at < _owed.at_latest, new.excluded.due_at), else_=_owed.at_latest)
    transaction.execute(
        new.on_conflict_do_update(
            index_elements=[_owed.destination, _owed.study_instance_uid],
            set_={
                "revision": _owed.revision + 1,
                "changed_at": new.excluded.changed_at,
                # One that was refused begins anew.
                "due_at": case((_owed.refusal == "", due), else_=new.excluded.due_at),
                "at_latest": case((_owed.refusal == "", _owed.at_latest), else_=new.excluded.at_latest),
                "refusal": "",
            },
        ),
        rows,
    )


def due(connection: Connection, destination: int, *, now: datetime, limit: int) -> list[DueStudy]:
    """Return the studies of which a destination is to be told now, the most urgent first."""
    query = (
        select(_owed.study_instance_uid, _owed.revision, _owed.changed_at)
        .where(_owed.destination == destination, _owed.refusal == "", _owed.due_at <= timestamp(now))
        .order_by(_owed.due_at, _owed.study_instance_uid)
        .limit(limit)
    )
    return [
        DueStudy(uid, revision, datetime.fromisoformat(changed_at))
        for uid, revision, changed_at in connection.execute(query)
    ]


def latest_change_due(connection: Connection, *, now: datetime) -> dict[int, str]:
    """Return the destinations that are to be told something now, each with the moment of the latest change."""
    query = (
        select(_owed.destination, func.max(_owed.changed_at))
        .where(_owed.refusal == "", _owed.due_at <= timestamp(now))
        .group_by(_owed.destination)
    )
    return {destination: latest for destination, latest in connection.execute(query)}


def settle(transaction: Connection, destination: int, told: DueStudy) -> None:
    """Forget a study of which a destination has been told, unless it has changed meanwhile."""
    transaction.execute(owed_availability.delete().where(_is(destination, told)))


def refuse(transaction: Connection, destination: int, told: DueStudy, refusal: str) -> None:
    """Note why a destination has refused to be told of a study, unless this has changed meanwhile."""
    transaction.execute(owed_availability.update().where(_is(destination, told)).values(refusal=refusal))


def postpone(transaction: Connection, destination: int, told: DueStudy, until: datetime) -> None:
    """Let a study be due again only then, unless it has changed meanwhile."""
    later = owed_availability.update().where(_is(destination, told)).values(due_at=timestamp(until))
    transaction.execute(later)


def forget(transaction: Connection, but: Collection[int]) -> None:
    """Forget what is owed to destinations that are not to be told of anything any more: all `but` these."""
    transaction.execute(owed_availability.delete().where(_owed.destination.not_in(sorted(but))))


def number_refused(connection: Connection, destination: int) -> int:
    """Return of how many studies a destination has refused to be told."""
    query = select(func.count()).where(_owed.destination == destination, _owed.refusal != "")
    return connection.execute(query.select_from(owed_availability)).scalar_one()


def _is(destination: int, told: DueStudy) -> ColumnElement[bool]:
    return and_(
        _owed.destination == destination,
        _owed.study_instance_uid == told.study_instance_uid,
        _owed.revision == told.revision,
    )
