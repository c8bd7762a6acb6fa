"""Jobs for display: pages of jobs, one job with its history, and counts by kind and state."""

from __future__ import annotations

import heapq
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, func, literal_column, select

from kinote.catalog.schema.tables import job, job_event, job_failed_object
from kinote.jobs.kinds import JobKind
from kinote.jobs.queues import Queue, queues
from kinote.jobs.sentences import of_state, sentence
from kinote.jobs.states import State

#: Jobs of a kind and state are counted up to this number.
MOST_COUNTED = 100_000

#: Maximum history entries and failed objects that are shown with a job.
_MOST_SHOWN = 1000


class JobNotFoundError(LookupError):
    """There is no such job, or it ended so long ago that it was removed."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """A selection of jobs. An empty `state` or `kind` and a `destination` of None match all."""

    state: str = ""
    kind: str = ""
    destination: str | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """The number of jobs of a kind in a state, up to `MOST_COUNTED`, and when the oldest of them was created."""

    kind: str
    state: State
    count: int
    oldest_made_at: str


def page(
    connection: Connection, wanted: JobFilter, known: Collection[str], *, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """Return up to `limit` jobs as JSON, newest first, each with a sentence that explains its state.

    `known` contains the kinds of job that this server knows. `before` is the id of the last job already seen.
    """
    set_queues = queues(connection)
    return [
        _as_json(row, set_queues.get(row.kind), known)
        for row in islice(_rows(connection, wanted, before, limit), limit)
    ]


def one(connection: Connection, key: int, known: Collection[str]) -> dict[str, Any]:
    """Return a job as JSON with its payload, history and failed objects. Raises `JobNotFoundError` if there is none."""
    row = connection.execute(_SHOWN.add_columns(job.c.payload).where(job.c.id == key)).one_or_none()
    if row is None:
        raise JobNotFoundError(f"There is no job {key}. Jobs are removed some time after they end.")
    history = select(
        job_event.c.happened_at,
        job_event.c.event,
        job_event.c.from_state,
        job_event.c.to_state,
        job_event.c.attempt,
        job_event.c.actor,
        job_event.c.reason,
    ).where(job_event.c.job == key)
    failed = select(
        job_failed_object.c.instance,
        job_failed_object.c.may_be_tried_again,
        job_failed_object.c.reason,
        job_failed_object.c.failed_at,
    ).where(job_failed_object.c.job == key)
    events = connection.execute(history.order_by(job_event.c.id.desc()).limit(_MOST_SHOWN)).mappings().all()
    return {
        **_as_json(row, queues(connection).get(row.kind), known),
        "payload": json.loads(row.payload),
        "history": [dict(each) for each in reversed(events)],
        "failed_objects": [
            {**each, "may_be_tried_again": bool(each["may_be_tried_again"])}
            for each in connection.execute(
                failed.order_by(job_failed_object.c.instance).limit(_MOST_SHOWN)
            ).mappings()
        ],
    }


def numbers(connection: Connection) -> list[Number]:
    """Count the jobs of each kind and state."""
    found = []
    for state in State:
        for kind in _kinds(connection, state):
            of_it = select(job.c.id).where(job.c.state == state, job.c.kind == kind)
            count = select(func.count()).select_from(of_it.limit(MOST_COUNTED).subquery())
            oldest = select(job.c.made_at).where(job.c.state == state, job.c.kind == kind)
            found.append(
                Number(
                    kind,
                    state,
                    connection.execute(count).scalar_one(),
                    connection.execute(oldest.order_by(job.c.id).limit(1)).scalar_one(),
                )
            )
    return found


def last_death(connection: Connection, kind: JobKind, natural_key: str) -> str | None:
    """Return when the last dead job with this natural key died; None if none is dead."""
    query = select(func.max(job.c.ended_at)).where(
        job.c.state == State.DEAD, job.c.kind == kind.name, job.c.natural_key == natural_key
    )
    died_at: str | None = connection.execute(query).scalar_one()
    return died_at


def sentences_of(
    connection: Connection, kind: JobKind, natural_keys: Collection[str], known: Collection[str]
) -> dict[str, str]:
    """Return a sentence about the state of each job that has not ended, by its natural key."""
    if not natural_keys:
        return {}
    query = _SHOWN.add_columns(job.c.natural_key).where(
        job.c.kind == kind.name,
        job.c.natural_key.in_(natural_keys),
        # Repeats the WHERE clause of the partial index literally, so that SQLite uses it.
        job.c.natural_key != literal_column("''"),
        job.c.ended_at.is_(None),
    )
    queue = queues(connection).get(kind.name)
    return {
        row.natural_key: sentence({name: getattr(row, name) for name in _SHOWN_NAMES}, queue, known)
        for row in connection.execute(query)
    }


def number_of_dead(connection: Connection) -> int:
    """Count the dead jobs, up to `MOST_COUNTED`."""
    dead = select(job.c.id).where(job.c.state == State.DEAD).limit(MOST_COUNTED)
    return connection.execute(select(func.count()).select_from(dead.subquery())).scalar_one()


def numbers_as_json(connection: Connection, known: Collection[str]) -> list[dict[str, Any]]:
    """Return the counts as JSON, each with a sentence that explains the state."""
    set_queues = queues(connection)
    return [
        {
            "kind": each.kind,
            "state": str(each.state),
            "count": each.count,
            "is_more": each.count >= MOST_COUNTED,
            "oldest_made_at": each.oldest_made_at,
            "sentence": of_state(each.state, set_queues.get(each.kind), each.kind in known),
        }
        for each in numbers(connection)
    ]


def matching_ids(connection: Connection, wanted: JobFilter, limit: int) -> list[int]:
    """Return the ids of up to `limit` jobs that match a filter."""
    return [row.id for row in islice(_rows(connection, wanted, None, limit), limit)]


def _rows(connection: Connection, wanted: JobFilter, before: int | None, limit: int) -> Iterator[Any]:
    """Return the matching jobs, newest first, from an index in this order."""
    query = _SHOWN if before is None else _SHOWN.where(job.c.id < before)
    if wanted.destination is not None and wanted.destination != "":
        query = query.where(
            job.c.destination == wanted.destination, job.c.destination != literal_column("''")
        )
        query = _also(query, wanted)
        yield from connection.execute(query.order_by(job.c.id.desc()).limit(limit))
        return
    if wanted.destination == "":
        query = query.where(job.c.destination == "")
    if not wanted.state and not wanted.kind:
        yield from connection.execute(query.order_by(job.c.id.desc()).limit(limit))
        return
    # The index is ordered by state and kind first, so each combination is read in order, and these are merged.
    states = [State(wanted.state)] if wanted.state else list(State)
    lines = [
        connection.execute(
            query.where(job.c.state == state, job.c.kind == kind).order_by(job.c.id.desc()).limit(limit)
        ).all()
        for state in states
        for kind in ([wanted.kind] if wanted.kind else list(_kinds(connection, state)))
    ]
    yield from heapq.merge(*lines, key=lambda row: row.id, reverse=True)


def _also(query: Select[Any], wanted: JobFilter) -> Select[Any]:
    if wanted.state:
        query = query.where(job.c.state == wanted.state)
    return query.where(job.c.kind == wanted.kind) if wanted.kind else query


def _kinds(connection: Connection, state: State) -> Iterator[str]:
    """Yield the kinds with jobs in a state, with one index lookup for each."""
    last = ""
    while True:
        following = select(job.c.kind).where(job.c.state == state, job.c.kind > last)
        found = connection.execute(following.order_by(job.c.kind).limit(1)).scalar_one_or_none()
        if found is None:
            return
        yield found
        last = found


_SHOWN = select(
    job.c.id,
    job.c.kind,
    job.c.destination,
    job.c.state,
    job.c.priority,
    job.c.attempt,
    job.c.attempts_allowed,
    job.c.made_at,
    job.c.changed_at,
    job.c.until_at,
    job.c.ended_at,
    job.c.worker,
    job.c.actor,
    job.c.reason,
    job.c.progress,
)


def _as_json(row: Any, queue: Queue | None, known: Collection[str]) -> dict[str, Any]:
    columns: Mapping[str, Any] = {name: getattr(row, name) for name in _SHOWN_NAMES}
    return {
        **columns,
        "progress": json.loads(row.progress),
        "sentence": sentence(columns, queue, known),
    }


_SHOWN_NAMES = tuple(str(column.key) for column in _SHOWN.selected_columns)
