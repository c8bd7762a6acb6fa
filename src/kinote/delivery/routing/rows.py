"""The rows of routes: written, found, listed; waits that are due; results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, case, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from kinote.catalog.feed_position import FeedPosition
from kinote.catalog.schema.tables import destination, route, route_result, route_wait, routed_object
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects
from kinote.catalog.sql.dialects import is_sqlite

#: Up to where routes have acted on the change feed. It moves only while a route is active.
POSITION = FeedPosition("route position")

#: How long results are kept.
KEPT = timedelta(days=90)

_ALL = select(route, destination.c.name.label("destination_name")).join(
    destination, destination.c.id == route.c.destination
)


def lock(transaction: Connection) -> None:
    """Prevent others from changing or running routes until the transaction has ended."""
    dialects.lock_names(transaction, ["kinote routes"])


def route_row(connection: Connection, key: int) -> RowMapping | None:
    """Return a route by its key, ended or not."""
    return connection.execute(_ALL.where(route.c.id == key)).mappings().one_or_none()


def row_in_use(connection: Connection, name: str) -> RowMapping | None:
    """Return the route of this name that has not ended."""
    query = _ALL.where(route.c.name == name, route.c.ended_at.is_(None))
    return connection.execute(query).mappings().one_or_none()


def last_ended(connection: Connection, name: str, origin: str) -> RowMapping | None:
    """Return the route of an origin that had this name and ended last."""
    query = _ALL.where(route.c.name == name, route.c.origin == origin, route.c.ended_at.is_not(None))
    return connection.execute(query.order_by(route.c.ended_at.desc()).limit(1)).mappings().one_or_none()


def rows_in_use(connection: Connection) -> Sequence[RowMapping]:
    """Return all routes that have not ended, in the order of their keys."""
    return connection.execute(_ALL.where(route.c.ended_at.is_(None)).order_by(route.c.id)).mappings().all()


def page_of_rows(
    connection: Connection, *, after: tuple[str, int] | None, limit: int, with_ended: bool
) -> Sequence[RowMapping]:
    """Return routes after a name and key, in the order of names."""
    query = _ALL.order_by(route.c.name, route.c.id).limit(limit)
    if after is not None:
        query = query.where(tuple_(route.c.name, route.c.id) > after)
    if not with_ended:
        query = query.where(route.c.ended_at.is_(None))
    return connection.execute(query).mappings().all()


def insert(transaction: Connection, values: Mapping[str, Any]) -> int:
    """Write a new route and return its key."""
    _begin_anew_if_none_is_active(transaction)
    return int(transaction.execute(route.insert().values(values).returning(route.c.id)).scalar_one())


def update(transaction: Connection, key: int, values: Mapping[str, Any]) -> None:
    """Write these columns of a route, increase its version, and clear its failure."""
    _begin_anew_if_none_is_active(transaction)
    transaction.execute(
        route.update()
        .where(route.c.id == key)
        .values(**values, version=route.c.version + 1, failure="", failed_at="")
    )


def _begin_anew_if_none_is_active(transaction: Connection) -> None:
    """Let the route that is being written act on what happens from now on, and not since the last one ended."""
    active = select(route.c.id).where(route.c.ended_at.is_(None), route.c.is_enabled).limit(1)
    if transaction.execute(active).first() is None:
        POSITION.begin(transaction)


def note_failure(transaction: Connection, key: int, failure: str, now: datetime) -> None:
    """Record why a route cannot act; an empty `failure` means that it could."""
    at = timestamp(now) if failure else ""
    since = case((route.c.failed_at == "", at), else_=route.c.failed_at) if failure else ""
    transaction.execute(route.update().where(route.c.id == key).values(failure=failure, failed_at=since))


def failing(connection: Connection, limit: int) -> Sequence[Any]:
    """Return name, failure and time of routes that cannot act. Routes are few."""
    query = select(route.c.name, route.c.failure, route.c.failed_at).where(
        route.c.ended_at.is_(None), route.c.failure != ""
    )
    return connection.execute(query.order_by(route.c.id).limit(limit)).all()


def wait(
    transaction: Connection,
    routes: Mapping[int, timedelta],
    studies: Iterable[str],
    *,
    now: datetime,
    longest: int,
) -> None:
    """Make each route wait until these studies have been quiet for its time, but at most `longest` times that."""
    rows = [
        {
            "route": key,
            "study_instance_uid": uid,
            "due_at": timestamp(now + quiet),
            "at_latest": timestamp(now + quiet * longest),
        }
        for uid in sorted(set(studies))
        for key, quiet in sorted(routes.items())
    ]
    if not rows:
        return
    new = (sqlite.insert if is_sqlite(transaction) else postgresql.insert)(route_wait)
    soonest = case(
        (new.excluded.due_at < route_wait.c.at_latest, new.excluded.due_at), else_=route_wait.c.at_latest
    )
    transaction.execute(
        new.on_conflict_do_update(
            index_elements=[route_wait.c.route, route_wait.c.study_instance_uid], set_={"due_at": soonest}
        ),
        rows,
    )


def due(connection: Connection, now: datetime, limit: int) -> Sequence[Any]:
    """Return the waits whose time has come, the oldest first."""
    query = select(route_wait.c.route, route_wait.c.study_instance_uid).where(
        route_wait.c.due_at <= timestamp(now)
    )
    return connection.execute(query.order_by(route_wait.c.due_at).limit(limit)).all()


def next_due(connection: Connection) -> str | None:
    """Return when the next wait is due; None if there is none."""
    found: str | None = connection.execute(select(func.min(route_wait.c.due_at))).scalar_one()
    return found


def end_wait(transaction: Connection, key: int, study_instance_uid: str) -> None:
    transaction.execute(
        route_wait.delete().where(
            route_wait.c.route == key, route_wait.c.study_instance_uid == study_instance_uid
        )
    )


def number_waiting(connection: Connection, key: int) -> int:
    """Return for how many studies a route waits."""
    query = select(func.count()).select_from(route_wait).where(route_wait.c.route == key)
    return connection.execute(query).scalar_one()


def write_result(transaction: Connection, values: Mapping[str, Any]) -> None:
    transaction.execute(route_result.insert(), dict(values))


def forget_results(transaction: Connection, now: datetime) -> None:
    """Remove the results that are too old to be kept."""
    transaction.execute(route_result.delete().where(route_result.c.at < timestamp(now - KEPT)))


def results(connection: Connection, key: int, *, before: int | None, limit: int) -> Sequence[RowMapping]:
    """Return results of a route, the latest first, with numbers below `before`."""
    query = select(route_result).where(route_result.c.route == key)
    if before is not None:
        query = query.where(route_result.c.id < before)
    return connection.execute(query.order_by(route_result.c.id.desc()).limit(limit)).mappings().all()


def counts(connection: Connection, keys: Sequence[int]) -> dict[int, dict[str, int]]:
    """Count the results of routes by their outcome."""
    query = (
        select(route_result.c.route, route_result.c.outcome, func.count())
        .where(route_result.c.route.in_(keys))
        .group_by(route_result.c.route, route_result.c.outcome)
    )
    found: dict[int, dict[str, int]] = {key: {} for key in keys}
    for key, outcome, number in connection.execute(query):
        found[key][outcome] = number
    return found


def note_routed(transaction: Connection, to: int, delivery: int, instances: Sequence[int]) -> None:
    """Record that a delivery brings these instances to a destination."""
    new = (sqlite.insert if is_sqlite(transaction) else postgresql.insert)(routed_object)
    transaction.execute(
        new.on_conflict_do_update(
            index_elements=[routed_object.c.destination, routed_object.c.instance],
            set_={"delivery": new.excluded.delivery},
        ),
        [{"destination": to, "instance": key, "delivery": delivery} for key in instances],
    )
