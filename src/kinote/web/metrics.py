"""Metrics for Prometheus (`GET /metrics`)."""

from __future__ import annotations

import math
from collections import Counter as Counted
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response

from kinote.decoding.pool import Decoded
from kinote.holdings.alerts import alerts
from kinote.intake.outcome import Outcome
from kinote.jobs.lists import Number, numbers
from kinote.jobs.states import State
from kinote.lifecycle.purging.lists import counts as purge_counts
from kinote.lifecycle.rejection.proposals import waiting
from kinote.lifecycle.rejection.rules import ACTS_BY_TITLE
from kinote.memory.shared import MEMORY
from kinote.retention import headroom
from kinote.retention.evictions import regret
from kinote.telemetry.registry import REGISTRY
from kinote.web.rooms import Rooms, rooms_of

_REQUESTS = Histogram(
    "kinote_http_request_seconds",
    "Time from the request's headers to the end of its answer.",
    ["method", "route", "status"],
    registry=REGISTRY,
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)
_OBJECTS = Counter(
    "kinote_objects_received",
    "Objects offered to intake, by what became of them.",
    ["outcome"],
    registry=REGISTRY,
)
_NOTES = Counter(
    "kinote_notes", "Notes made, revised and withdrawn through the REST API.", ["act"], registry=REGISTRY
)

_BACKGROUND = Histogram(
    "kinote_background_write_seconds",
    "How long pieces of background work held a writer of the index; none should take more than 0.05.",
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1, 3),
)
_DECODING = Histogram(
    "kinote_decoding_seconds",
    "How long decoding processes had a compressed frame, by codec and by what became of it.",
    ["codec", "outcome"],
    registry=REGISTRY,
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)
_MEMORY = Gauge(
    "kinote_memory_charged_bytes",
    "Memory that requests have at the moment in the main process.",
    registry=REGISTRY,
)
_MEMORY.set_function(lambda: MEMORY.held)
_MEMORY_LIMIT = Gauge(
    "kinote_memory_limit_bytes", "Memory that requests may have together in it.", registry=REGISTRY
)
_MEMORY_LIMIT.set_function(lambda: MEMORY.size)
_MEMORY_REFUSALS = Gauge(
    "kinote_memory_refusals",
    "Requests and objects that were refused since it started, as there was no memory in time.",
    registry=REGISTRY,
)
_MEMORY_REFUSALS.set_function(lambda: MEMORY.refused)
_DECODING_WAIT = Histogram(
    "kinote_decoding_wait_seconds",
    "How long compressed frames waited for a decoding process.",
    registry=REGISTRY,
    buckets=(0.001, 0.01, 0.1, 1, 10, 60),
)
_QUARANTINED = Gauge(
    "kinote_quarantined_files",
    "Files that recovery set aside, and nobody has looked at yet.",
    registry=REGISTRY,
)
_UNKNOWN = Gauge(
    "kinote_files_unknown_to_index",
    "Files without a row that start-up recovery did not touch, since they are more than a crash can leave.",
    registry=REGISTRY,
)
_DAMAGED = Gauge(
    "kinote_damaged_objects",
    "Objects whose stored bytes are not those that were received.",
    registry=REGISTRY,
)

_SCRUB_PROGRESS = Gauge(
    "kinote_scrub_progress",
    "What part of the stored objects the slow scrub has read in its pass, from 0 to 1.",
    registry=REGISTRY,
)
_SCRUB_ENDED = Gauge(
    "kinote_scrub_last_ended_timestamp_seconds",
    "When the last whole pass of the slow scrub ended, in seconds since 1970; 0 if none has.",
    registry=REGISTRY,
)

_PURGES = Gauge(
    "kinote_purges",
    "Purges that are not done: removing (bytes to be removed), failed, and dead of these.",
    ["state"],
    registry=REGISTRY,
)

_ALERTS = Gauge(
    "kinote_alerts",
    "Alerts whose condition holds, by severity and by what people have said: new, acknowledged or snoozed.",
    ["severity", "state"],
    registry=REGISTRY,
)

_CACHE = Gauge(
    "kinote_cache_bytes", "Bytes of live images in the cache, as they were counted.", registry=REGISTRY
)
_HEADROOM = Gauge(
    "kinote_cache_headroom_hours",
    "Hours until the volume is full at the measured rate of arrival; infinite if not within a year.",
    registry=REGISTRY,
)
_REGRET = Gauge(
    "kinote_evicted_objects_wanted_back",
    "Of the objects that were evicted in the last 30 days, those whose bytes have come back.",
    registry=REGISTRY,
)

_JOBS = Gauge(
    "kinote_jobs",
    "Jobs of each kind and state, counted up to 100,000.",
    ["kind", "state"],
    registry=REGISTRY,
)
_OLDEST_JOB = Gauge(
    "kinote_job_oldest_seconds",
    "How long ago the oldest job of each kind and state was made.",
    ["kind", "state"],
    registry=REGISTRY,
)
_DEAD_JOBS = Gauge("kinote_jobs_dead", "Jobs that could not be done, of all kinds.", registry=REGISTRY)
_REJECTIONS = Gauge(
    "kinote_rejections_waiting",
    "Rejections by senders that are not named for it, which wait for a person, by their title.",
    ["title"],
    registry=REGISTRY,
)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    _REQUESTS.labels(method, route, str(status)).observe(seconds)


def observe_outcome(outcome: Outcome) -> None:
    """Count the outcome of a received object."""
    _OBJECTS.labels(outcome.kind).inc()


def observe_background(seconds: float) -> None:
    """Record how long a piece of background work held a writer of the index."""
    _BACKGROUND.observe(seconds)


def observe_decoding(frame: Decoded) -> None:
    """Count a compressed frame processed by a decoding process."""
    _DECODING.labels(frame.codec.name, frame.outcome).observe(frame.seconds)
    _DECODING_WAIT.observe(frame.waited)


def observe_note(act: str) -> None:
    """Count a note `made`, `revised` or `withdrawn`."""
    _NOTES.labels(act).inc()


async def metrics(request: Request) -> Response:
    rooms = rooms_of(request)
    health = await rooms.read(rooms.health)
    _QUARANTINED.set(health.quarantined)
    _UNKNOWN.set(health.unknown)
    _DAMAGED.set(health.damaged.count)
    if health.scrub is not None:
        _SCRUB_PROGRESS.set(health.scrub.fraction)
        _SCRUB_ENDED.set(health.scrub.ended_at.timestamp() if health.scrub.ended_at else 0)
    await rooms.read(lambda: _tell_purges(rooms))
    now = rooms.clock()
    await rooms.read(lambda: _tell_alerts(rooms, now))
    await rooms.read(lambda: _tell_cache(rooms, now))
    _tell_jobs(await rooms.read(lambda: _numbers_of_jobs(rooms)), now)
    waits = await rooms.read(lambda: _rejections_waiting(rooms))
    for title in ACTS_BY_TITLE:
        _REJECTIONS.labels(title.value).set(waits.get(title.value, 0))
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _tell_purges(rooms: Rooms) -> None:
    with rooms.catalog.read() as connection:
        found = purge_counts(connection)
    _PURGES.labels("removing").set(found.removing)
    _PURGES.labels("failed").set(found.failed)
    _PURGES.labels("dead").set(found.dead)


def _tell_cache(rooms: Rooms, now: datetime) -> None:
    with rooms.catalog.read() as connection:
        expected = headroom.arrivals(connection, now)
        _CACHE.set(headroom.cached_bytes(connection))
        _REGRET.set(sum(each["recalled"] for each in regret(connection, now)))
    with suppress(OSError):
        until_full = expected.hours_until(now, rooms.volume().free)
        _HEADROOM.set(math.inf if until_full is None else until_full)


def _tell_alerts(rooms: Rooms, now: datetime) -> None:
    with rooms.catalog.read() as connection:
        found = Counted(
            (each["severity"], each["state"]) for each in alerts(connection, "open", now, limit=1000)
        )
    for severity in ("warning", "error"):
        for state in ("new", "acknowledged", "snoozed"):
            _ALERTS.labels(severity, state).set(found[severity, state])


def _numbers_of_jobs(rooms: Rooms) -> list[Number]:
    with rooms.catalog.read() as connection:
        return numbers(connection)


def _rejections_waiting(rooms: Rooms) -> dict[str, int]:
    with rooms.catalog.read() as connection:
        return waiting(connection)


def _tell_jobs(found: Sequence[Number], now: datetime) -> None:
    # Series whose source is gone are removed.
    _JOBS.clear()
    _OLDEST_JOB.clear()
    for each in found:
        made_at = datetime.fromisoformat(each.oldest_made_at)
        _JOBS.labels(each.kind, each.state).set(each.count)
        _OLDEST_JOB.labels(each.kind, each.state).set(max((now - made_at).total_seconds(), 0))
    _DEAD_JOBS.set(sum(each.count for each in found if each.state is State.DEAD))
