"""What is wrong with an open application, as alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import Event
from typing import Any

from sqlalchemy import Connection

from kinote.app.application import Application
from kinote.delivery.orders.keeping import FailedDeliveries, failed_deliveries
from kinote.delivery.routing.rows import failing
from kinote.holdings.alerts import AlertWatch
from kinote.holdings.health import (
    DISK_FULL,
    Alert,
    HoldingsHealth,
    health,
    index_damaged,
    index_not_written,
)
from kinote.holdings.opening.in_place_stores import folders_away, is_in_place_folder, read_in_place
from kinote.holdings.reaping.clock_check import clock_alerts
from kinote.holdings.repeatedly import Repeatedly
from kinote.holdings.scrubbing.progress import ScrubProgress, scrub_progress
from kinote.jobs.lists import number_of_dead
from kinote.keyobject.titles import REJECTED_FOR_PATIENT_SAFETY_REASONS
from kinote.lifecycle.archives.evidence import Archive, archives_in_use
from kinote.lifecycle.commitment.given import senders_not_told
from kinote.lifecycle.purging.lists import number_of_dead as number_of_dead_purges
from kinote.lifecycle.rejection.proposals import urgent, waiting
from kinote.lifecycle.second_person.requests import number_waiting
from kinote.notes.acts.undo_windows import number_late
from kinote.retention.shortfall import Shortfall, shortfall
from kinote.settings.model import Settings
from kinote.storage.store import StorageError
from kinote.storage.volume import NoRoomError

#: Seconds until the first check of the conditions.
_FIRST_LOOK = 2.0

#: The number of waiting rejections for patient safety, the latest ones, that have an alert each.
_TOLD_ONE_BY_ONE = 20


def health_of(
    application: Application, settings: Settings, alerts: Callable[[], Sequence[Alert]]
) -> HoldingsHealth:
    found = health(
        application.catalog,
        application.stores.quarantine,
        application.recovered,
        partial(_all_are_there, application),
        partial(_scrub_progress, application, settings) if settings.scrub_days else None,
        application.directory.is_in_place,
    )
    with application.catalog.read() as connection:
        dead = number_of_dead(connection)
        late = number_late(connection, application.clock())
        rejections = waiting(connection)
        unconfirmed = number_waiting(connection, application.clock())
        safety = urgent(connection, _TOLD_ONE_BY_ONE)
        purges = number_of_dead_purges(connection)
        routes = failing(connection, _TOLD_ONE_BY_ONE)
        deliveries = failed_deliveries(connection)
        # If nothing is purged, nobody checks the clock.
        suspended = [each for each in archives_in_use(connection) if each.suspended_at]
        lacks = shortfall(connection)
        untold = senders_not_told(connection, _TOLD_ONE_BY_ONE)
        clock = [] if settings.purge_delays().is_off else clock_alerts(connection)
    own = clock + ([_dead_jobs(dead)] if dead else [])
    own += [_suspended(each) for each in suspended]
    if lacks is not None:
        own.append(_must_stay(lacks))
    own += [_untold_commitments(*each) for each in untold]
    if late:
        own.append(_late_notes(late))
    if deliveries is not None:
        own += _failed_deliveries(deliveries)
    if unconfirmed:
        own.append(_unconfirmed_withdrawals(unconfirmed))
    if purges:
        own.append(_dead_purges(purges))
    if application.audit_sending is not None and (trouble := application.audit_sending.trouble()) is not None:
        own.append(Alert("AUDIT_MESSAGES_NOT_SENT", f"{trouble} They wait in the audit trail until it does."))
    own += [_failing_route(route) for route in routes]
    if application.catalog.write_trouble is not None:
        own.append(index_not_written(application.catalog.write_trouble))
    if application.soundness.faults:
        own.append(index_damaged(application.soundness.faults))
    own += application.backups.alerts()
    own += application.unowned.alerts
    own += folders_away(application.stores)
    own += [DISK_FULL] if _is_full(application) else _space_left(application)
    number_urgent = rejections.pop(REJECTED_FOR_PATIENT_SAFETY_REASONS.value, 0)
    # What may harm a patient comes before everything else.
    first = _safety_rejections(safety, number_urgent)
    later = [_waiting_rejections(number)] if (number := sum(rejections.values())) else []
    unknown = max(found.unknown, application.unowned.too_many)
    return replace(
        found,
        unknown=unknown,
        others=(*first, *alerts(), *own, *later),
        read_in_place=read_in_place(application.stores),
    )


def _scrub_progress(application: Application, settings: Settings, connection: Connection) -> ScrubProgress:
    return scrub_progress(connection, timedelta(days=settings.scrub_days), application.clock())


def _is_full(application: Application) -> bool:
    try:
        application.stores.large.see_that_it_takes_more()
    except NoRoomError:
        return True
    except StorageError:
        # There is another alert if the folder is not in its place.
        return False
    return False


def _all_are_there(application: Application) -> bool:
    return all(
        application.store_is_there(store.id)
        for store in application.stores
        if is_in_place_folder(application.stores, store.id) is None
    )


def _late_notes(number: int) -> Alert:
    are = "withdrawal is" if number == 1 else "withdrawals are"
    return Alert(
        "UNDO_WINDOWS_LATE",
        f"{number} {are} past the undo window, and the rejection notes are not live yet, so that others are not told. "
        "The log of the server says why; it goes on trying.",
        number,
    )


def _unconfirmed_withdrawals(number: int) -> Alert:
    what = "withdrawal waits" if number == 1 else "withdrawals wait"
    return Alert(
        "WITHDRAWALS_UNCONFIRMED",
        f"{number} {what} for a second person, and nothing of it is withdrawn yet. See `kinote withdrawals waiting`, "
        "and confirm or refuse it under Withdrawals, or with `kinote withdrawals confirm` and `refuse`.",
        number,
    )


def _suspended(archive: Archive) -> Alert:
    return Alert(
        "ARCHIVE_SUSPENDED",
        f"Nothing is evicted on the word of the archive {archive.name!r}. {archive.suspended_because} See to the "
        "archive, and resume it with `kinote archives resume` when it can be relied upon again.",
        subject=f"archive {archive.name}",
    )


def _must_stay(lacks: Shortfall) -> Alert:
    return Alert(
        "CACHE_FULL_OF_WHAT_MUST_STAY",
        f"The cache is beyond its bounds: {_size(lacks.wanted)} ought to go, and only {_size(lacks.frees)} may. When "
        "the volume is full, no image is taken. `kinote retention status` and `kinote retention rules` say what "
        "protects the rest: rules, holds, or that no archive has committed to it. Change that, or make room.",
    )


def _size(number: int) -> str:
    return f"{number / 2**30:.1f} GB" if number >= 2**30 else f"{number // 2**20} MB"


def _untold_commitments(sender: str, number: int, fault: str) -> Alert:
    results = "result" if number == 1 else "results"
    return Alert(
        "COMMITMENTS_NOT_TOLD",
        f"{sender} could not be told {number} {results} of storage commitment, and may keep its copies for ever: "
        f"{fault}",
        subject=f"sender {sender}",
    )


def _safety_rejections(keys: Sequence[int], number: int) -> list[Alert]:
    """Return an alert for each of these rejections: a new one is a new alert."""
    found = [
        Alert(
            "SAFETY_REJECTIONS_WAITING",
            f"Rejection {key}, for patient safety, waits for a decision: its sender may not reject, or named the "
            f"earlier UID of an object, so what may harm a patient is still shown. {_HOW_TO_DECIDE}",
            subject=f"rejection {key}",
        )
        for key in keys
    ]
    if number > len(keys):
        found.append(
            Alert(
                "SAFETY_REJECTIONS_WAITING",
                f"{number} rejections for patient safety wait for a decision, of which the last {len(keys)} are told "
                f"of one by one. {_HOW_TO_DECIDE}",
                number,
            )
        )
    return found


_HOW_TO_DECIDE = (
    "Accept or refuse them with `kinote rejections`, and give the peer the right `reject` if it should "
    "have it."
)


def _waiting_rejections(number: int) -> Alert:
    what = "rejection waits" if number == 1 else "rejections wait"
    return Alert(
        "REJECTIONS_WAITING",
        f"{number} {what} for a decision: the sender may not reject by itself, or named the earlier UID of an object. "
        f"{_HOW_TO_DECIDE}",
        number,
    )


def watch_alerts(
    application: Application, settings: Settings, alerts: Callable[[], Sequence[Alert]]
) -> Repeatedly:
    """Update the alerts of the index until it is closed."""
    watch = AlertWatch(
        application.catalog,
        application.clock,
        application.node,
        lambda: health_of(application, settings, alerts).alerts,
    )
    return Repeatedly("alerts", watch.step, Event(), first=_FIRST_LOOK)


def _space_left(application: Application) -> Iterator[Alert]:
    try:
        little = application.room.little()
    except OSError:
        # There is another alert if the directory is not in its place.
        return
    if little is not None:
        yield Alert(
            "DISK_NEARLY_FULL",
            f"The volume of the data directory has {little // 2**20} MB left. When it is full, nothing more is "
            "taken in. Make room, or move the data directory to a larger volume.",
        )


def _dead_purges(number: int) -> Alert:
    objects = "object" if number == 1 else "objects"
    return Alert(
        "PURGES_DEAD",
        f"{number} withdrawn {objects} could not be purged, or their bytes not be removed. See `kinote purges "
        "failures` for the reasons, and have them tried again with `kinote purges retry`.",
        number,
    )


def _failing_route(route: Any) -> Alert:
    return Alert(
        "ROUTE_FAILED",
        f"The route {route.name!r} cannot act since {route.failed_at}: {route.failure} `kinote routes results` says "
        "on what. Change the route, or its destination, and deliver that by hand.",
        subject=f"route {route.name}",
    )


def _failed_deliveries(found: FailedDeliveries) -> Iterator[Alert]:
    if found.differing:
        lack = "delivery lacks objects" if found.differing == 1 else "deliveries lack objects"
        yield Alert(
            "DELIVERIES_DIFFER",
            f"{found.differing} {lack} at the destination that it has acknowledged. See `kinote deliveries list "
            "--state failed`, and send them again with `kinote deliveries retry`.",
            found.differing,
        )
    if other := found.number - found.differing:
        have = "delivery has" if other == 1 else "deliveries have"
        yield Alert(
            "DELIVERIES_FAILED",
            f"{other} {have} failed. See `kinote deliveries list --state failed` for the reasons; send them again with "
            "`kinote deliveries retry`, or take note of them with `kinote deliveries acknowledge`.",
            other,
        )


def _dead_jobs(number: int) -> Alert:
    are = "job is" if number == 1 else "jobs are"
    return Alert(
        "JOBS_DEAD",
        f"{number} {are} dead: what was to be done was not. See `kinote jobs list --state dead` for the reasons, and "
        "run them again or cancel them.",
        number,
    )
