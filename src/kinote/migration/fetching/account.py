"""The account of fetches from other systems: the progress of each, and what of each series is here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, tuple_

from kinote.catalog.schema.tables import fetch, fetched_series
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.sql.statements import insert_new
from kinote.migration.fetching.source import ListedSeries

#: The number of UIDs of missing instances stored for each series.
_NAMED = 100


@dataclass(frozen=True, slots=True)
class FetchedSeries:
    """A fetched series: what is listed or flagged, what of that is missing here, and why."""

    series: ListedSeries
    kind: str
    listed: int
    missing: Sequence[str]
    reason: str = ""


def begin_fetch(transaction: Connection, source: str, wants: str, now: datetime) -> tuple[int, str, int]:
    """Start a fetch, or continue an unfinished one.

    Returns its key, the last completed study, and their number.
    """
    at = timestamp(now)
    row = {"source": source, "wants": wants, "begun_at": at, "changed_at": at}
    insert_new(transaction, fetch, [row], unique=["source", "wants"])
    found = transaction.execute(select(fetch).where(fetch.c.source == source, fetch.c.wants == wants)).one()
    if found.ended_at is None:
        return found.id, found.position, found.studies
    transaction.execute(
        fetch.update()
        .where(fetch.c.id == found.id)
        .values(position="", studies=0, begun_at=at, changed_at=at, ended_at=None, problem="")
    )
    transaction.execute(fetched_series.delete().where(fetched_series.c.fetch == found.id))
    return found.id, "", 0


def write_study(
    transaction: Connection,
    key: int,
    study_instance_uid: str,
    studies: int,
    found: Sequence[FetchedSeries],
    now: datetime,
) -> None:
    """Record the result of a study, which is then complete."""
    transaction.execute(
        fetched_series.delete().where(
            fetched_series.c.fetch == key, fetched_series.c.of_study == study_instance_uid
        )
    )
    statements.insert_rows(
        transaction,
        fetched_series,
        [
            {
                "fetch": key,
                "of_study": study_instance_uid,
                "series_instance_uid": each.series.series_instance_uid,
                "study_instance_uid": each.series.study_instance_uid,
                "kind": each.kind,
                "listed": each.listed,
                "here": each.listed - len(each.missing),
                "missing": json.dumps(list(each.missing[:_NAMED])),
                "reason": each.reason,
            }
            for each in _together(found)
        ],
    )
    transaction.execute(
        fetch.update()
        .where(fetch.c.id == key)
        .values(position=study_instance_uid, studies=studies, changed_at=timestamp(now))
    )


def _together(found: Sequence[FetchedSeries]) -> list[FetchedSeries]:
    """Return each series of a kind once: documents may contradict each other about its study."""
    by_series: dict[tuple[str, str], FetchedSeries] = {}
    for each in found:
        key = (each.series.series_instance_uid, each.kind)
        if (other := by_series.get(key)) is not None:
            each = replace(
                other,
                listed=other.listed + each.listed,
                missing=[*other.missing, *each.missing],
                reason=other.reason or each.reason,
            )
        by_series[key] = each
    return list(by_series.values())


def end_fetch(transaction: Connection, key: int, now: datetime, problem: str) -> None:
    """Record that a fetch is complete, or the problem that has stopped it."""
    ended = None if problem else timestamp(now)
    transaction.execute(
        fetch.update()
        .where(fetch.c.id == key)
        .values(ended_at=ended, changed_at=timestamp(now), problem=problem)
    )


def account_of(connection: Connection, key: int) -> dict[str, int]:
    """Return the account of a fetch: series and instances that were listed, that are here, and that are not."""
    row = connection.execute(
        select(
            func.count().label("series"),
            func.coalesce(func.sum(fetched_series.c.listed), 0).label("listed"),
            func.coalesce(func.sum(fetched_series.c.here), 0).label("here"),
        ).where(fetched_series.c.fetch == key)
    ).one()
    listed, here = int(row.listed), int(row.here)
    return {"series": int(row.series), "listed": listed, "here": here, "missing": listed - here}


def fetches(connection: Connection) -> list[dict[str, Any]]:
    """Return all fetches with their accounts, the latest first."""
    rows = connection.execute(select(fetch).order_by(fetch.c.begun_at.desc(), fetch.c.id.desc())).all()
    return [{**row._mapping, "account": account_of(connection, row.id)} for row in rows]


def missing_series(
    connection: Connection, key: int, *, after: tuple[str, str, str], limit: int
) -> list[dict[str, Any]]:
    """Return series with missing instances, in the order of study, series and kind, after a position."""
    rows = connection.execute(
        select(fetched_series)
        .where(
            fetched_series.c.fetch == key,
            fetched_series.c.here < fetched_series.c.listed,
            tuple_(*_ORDER) > after,
        )
        .order_by(*_ORDER)
        .limit(limit)
    )
    return [
        {name: value for name, value in row._mapping.items() if name != "fetch"}
        | {"missing": json.loads(row.missing)}
        for row in rows
    ]


_ORDER = (fetched_series.c.of_study, fetched_series.c.series_instance_uid, fetched_series.c.kind)
