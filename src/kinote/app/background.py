"""What a server does by itself for as long as it runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from threading import Event

from kinote.alerting.telling import TELL_ALERTS, AlertMessenger, TellAlerts
from kinote.app.application import Application
from kinote.app.fetching import fetching
from kinote.catalog.nodes import Node
from kinote.delivery.archives.asking import ASK_COMMITMENT, AskCommitment
from kinote.delivery.archives.following import ArchiveFollower
from kinote.delivery.availability.following import AvailabilityFollower
from kinote.delivery.availability.telling import TELL_AVAILABILITY, TellAvailability
from kinote.delivery.commitment.telling import TELL_COMMITMENT, TellCommitment
from kinote.delivery.orders.account import CHECK_DELIVERY, CheckDelivery
from kinote.delivery.orders.carrying_out import CarryOut
from kinote.delivery.orders.held import held_destinations
from kinote.delivery.orders.keeping import DeliveryKeeper
from kinote.delivery.orders.notices import NoticeSender
from kinote.delivery.orders.ordering import DELIVER
from kinote.delivery.orders.ways.calling import Calling
from kinote.delivery.routing.following import RouteFollower
from kinote.holdings.health import (
    MOVED_AWAY,
    index_damaged,
)
from kinote.holdings.last_use import LastUse
from kinote.holdings.reaping.reaper import Reaper
from kinote.holdings.reconciling.reconciler import Reconciler
from kinote.holdings.removing.removal import remove_remembered
from kinote.holdings.repeatedly import Repeatedly
from kinote.holdings.scrubbing.slow_scrub import SlowScrub
from kinote.intake.refusals import RefusedArrivals
from kinote.intake.settling_jobs import COMPARE_HELD, CompareHeld
from kinote.jobs.kinds import JobKind
from kinote.jobs.workers import Handler, WorkerOptions, Workers
from kinote.migration.following.followers import Followers
from kinote.notes.acts.undo_windows import UndoWindows
from kinote.notes.creator.making_awaited import MAKE_WAITING
from kinote.notes.creator.making_jobs import MAKE_KEY_OBJECTS, MakeKeyObjects, make_in_background
from kinote.notes.registrar.registering_jobs import REGISTER_AGAIN, RegisterAgain, register_outdated
from kinote.notes.registrar.waiting_jobs import MakeWaiting
from kinote.retention.headroom import Volume
from kinote.retention.keeping import CacheKeeper
from kinote.retention.units.following import UnitCounter
from kinote.security.audit_messages.sending import AuditSending
from kinote.settings.model import Settings
from kinote.storage.volume import room_of

log = logging.getLogger(__name__)

#: Seconds after the start before the first check whether a backup is due.
_FIRST_BACKUP = 60.0

#: Seconds for checking the pages of one table of the index.
_CHECK_BESIDE = 60.0

#: Seconds between two checks that the data directory is in its place.
_LOOK_AT_PLACE = 15.0

#: Seconds between two checks for jobs required by a new version or a setting.
_LOOK_FOR_JOBS = 3600.0


@contextmanager
def at_work(
    application: Application, uses: LastUse, refusals: RefusedArrivals, node: Node | None, settings: Settings
) -> Iterator[None]:
    """Do what a server does by itself while the block lasts. Commands are not nodes, and do nothing."""
    with ExitStack() as closing:
        if node is not None:
            # Commands have the index for themselves, or ask a server.
            application.peers.follow()
            _keep_the_index_current(closing, application, uses, refusals)
            _look_after_bytes(closing, application, node, settings)
            _make_backups(closing, application)
            if settings.job_workers:
                _do_jobs(closing, application, node, settings)
        yield


def _keep_the_index_current(
    closing: ExitStack, application: Application, uses: LastUse, refusals: RefusedArrivals
) -> None:
    closing.callback(Repeatedly("last-use", uses.step, Event()).close)
    closing.callback(Repeatedly("ledger", application.ledger.step, Event(), first=1.0).close)
    windows = UndoWindows(application.catalog, application.clock)
    # What became due while no server ran is told before anybody can ask.
    windows.step()
    closing.callback(Repeatedly("undo-windows", windows.step, Event(), first=1.0).close)
    closing.callback(Repeatedly("refused-arrivals", refusals.step, Event(), first=1.0).close)
    if application.trail is not None:
        closing.callback(Repeatedly("audit", application.trail.step, Event(), first=1.0).close)
    if application.audit_sending is not None:
        _send_audit_messages(closing, application.audit_sending, application.node)
    closing.callback(Repeatedly("data-directory", partial(_see_to_place, application), Event()).close)
    closing.callback(Repeatedly("index-pages", partial(_check_pages, application), Event()).close)
    closing.callback(application.soundness.end)


def _send_audit_messages(closing: ExitStack, sending: AuditSending, node: str) -> None:
    closing.callback(sending.close, node)
    step = partial(sending.step, node)
    closing.callback(Repeatedly("audit-messages", step, sending.ending, first=1.0).close)


def _look_after_bytes(closing: ExitStack, application: Application, node: Node, settings: Settings) -> None:
    reaper = Reaper(
        application.catalog,
        application.stores,
        application.clock,
        node=node.id,
        delays=settings.purge_delays(),
        store_is_there=application.store_is_there,
        record=application.trail.write if application.trail is not None else None,
    )
    closing.callback(reaper.close)
    units = UnitCounter(application.catalog, application.clock)
    closing.callback(Repeatedly("retention-units", units.step, Event()).close)
    keeper = CacheKeeper(
        application.catalog,
        application.clock,
        node=node.id,
        volume=lambda: Volume(*room_of(application.directory.path)),
        remove_evicted=partial(remove_remembered, application.catalog, application.stores),
    )
    closing.callback(keeper.close)
    closing.callback(Repeatedly("retention", keeper.step, Event()).close)
    closing.callback(Repeatedly("reaper", reaper.step, Event()).close)
    if settings.reconcile_days:
        reconciler = Reconciler(
            application.catalog,
            application.stores,
            application.clock,
            node=node.id,
            every=timedelta(days=settings.reconcile_days),
            store_is_there=application.store_is_there,
            living=partial(_living, application),
            unowned=application.unowned,
        )
        closing.callback(reconciler.close)
        closing.callback(Repeatedly("reconciler", reconciler.step, Event()).close)
    if settings.scrub_days:
        ending = Event()
        scrub = SlowScrub(
            application.catalog,
            application.stores,
            application.clock,
            node=node.id,
            within=timedelta(days=settings.scrub_days),
            store_is_there=application.store_is_there,
            wait=ending.wait,
        )
        closing.callback(scrub.close)
        closing.callback(Repeatedly("scrub", scrub.step, ending).close)


def _make_backups(closing: ExitStack, application: Application) -> None:
    closing.callback(Repeatedly("backups", application.backups.step, Event(), first=_FIRST_BACKUP).close)


def _do_jobs(closing: ExitStack, application: Application, node: Node, settings: Settings) -> None:
    closing.callback(_workers(application, node, settings).close)
    if settings.delivery_workers:
        closing.callback(_delivery_workers(application, node, settings).close)
    keeper = DeliveryKeeper(application.catalog, application.clock)
    closing.callback(Repeatedly("deliveries", keeper.step, Event()).close)
    sender = NoticeSender(application.catalog, application.clock)
    closing.callback(Repeatedly("notices", sender.step, Event()).close)
    closing.callback(Repeatedly("jobs-to-make", partial(_make_jobs, application, settings), Event()).close)
    follower = AvailabilityFollower(
        application.catalog, application.clock, quiet=timedelta(seconds=settings.availability_quiet_seconds)
    )
    closing.callback(Repeatedly("availability", follower.step, Event()).close)
    archives = ArchiveFollower(
        application.catalog,
        application.clock,
        partial(remove_remembered, application.catalog, application.stores),
    )
    closing.callback(Repeatedly("archives", archives.step, Event()).close)
    routes = RouteFollower(application.catalog, application.clock)
    closing.callback(Repeatedly("routes", routes.step, Event()).close)
    if settings.follow_minutes:
        followers = Followers(
            application.catalog,
            *fetching(application, settings),
            application.clock,
            node=node.id,
            every=timedelta(minutes=settings.follow_minutes),
        )
        closing.callback(followers.close)
        closing.callback(Repeatedly("followed-peers", followers.step, Event(), first=1.0).close)
    messenger = AlertMessenger(application.catalog, application.clock, settings.alert_options())
    closing.callback(Repeatedly("alert-messages", messenger.step, Event()).close)


def _living(application: Application) -> set[str]:
    """Return the marks of the processes that may be writing bytes."""
    own = {application.presence.mark} if application.presence is not None else set()
    return own | set(application.others())


def _make_jobs(application: Application, settings: Settings) -> float:
    """Make the jobs required by a new version or a setting. Return the seconds until the next check."""
    register_outdated(application.catalog, application.clock)
    if settings.make_key_objects:
        make_in_background(application.catalog, application.clock)
    return _LOOK_FOR_JOBS


#: Kinds of jobs that may wait long for other systems: they have their own workers.
DELIVERY_KINDS = (DELIVER, CHECK_DELIVERY)

#: The kinds of jobs.
JOB_KINDS = (
    REGISTER_AGAIN,
    MAKE_KEY_OBJECTS,
    MAKE_WAITING,
    TELL_AVAILABILITY,
    COMPARE_HELD,
    TELL_ALERTS,
    TELL_COMMITMENT,
    ASK_COMMITMENT,
    *DELIVERY_KINDS,
)


def _workers(application: Application, node: Node, settings: Settings) -> Workers:
    """Start the workers for jobs."""
    scp = settings.scp_options()
    handlers: dict[JobKind, Handler] = {
        REGISTER_AGAIN: RegisterAgain(application.catalog, application.door, application.clock),
        MAKE_KEY_OBJECTS: MakeKeyObjects(application.catalog, application.clock),
        MAKE_WAITING: MakeWaiting(application.clock),
        TELL_AVAILABILITY: TellAvailability(
            application.catalog, application.clock, title=scp.titles[0], tls=scp.tls
        ),
        COMPARE_HELD: CompareHeld(
            application.catalog, application.stores, application.door, application.clock
        ),
        TELL_ALERTS: TellAlerts(application.catalog, application.clock, settings.alert_options()),
        ASK_COMMITMENT: AskCommitment(
            application.catalog, application.clock, application.peers, title=scp.titles[0], tls=scp.tls
        ),
        TELL_COMMITMENT: TellCommitment(application.catalog, application.clock, application.peers, scp.tls),
    }
    options = WorkerOptions(settings.job_workers, timedelta(days=settings.job_days))
    return Workers(
        application.catalog,
        handlers,
        application.clock,
        name=node.id,
        options=options,
        known=DELIVERY_KINDS if settings.delivery_workers else (),
    )


def _delivery_workers(application: Application, node: Node, settings: Settings) -> Workers:
    """Start the workers for deliveries, separate from other jobs, which a slow destination must not delay."""
    scp = settings.scp_options()
    calling = Calling(scp.titles[0], scp.tls, settings.authorization_folder)
    handlers: dict[JobKind, Handler] = {
        DELIVER: CarryOut(application.catalog, application.door, application.clock, calling),
        CHECK_DELIVERY: CheckDelivery(application.catalog, application.clock, calling),
    }
    options = WorkerOptions(settings.delivery_workers, timedelta(days=settings.job_days))
    return Workers(
        application.catalog,
        handlers,
        application.clock,
        name=f"{node.id}-deliveries",
        options=options,
        held=held_destinations(application.clock),
        beside=True,
    )


def _see_to_place(application: Application) -> float:
    """Check that the data directory is in its place and locked. Return the seconds until the next check."""
    if not application.directory.is_in_place():
        log.error("%s", MOVED_AWAY.text)
    return _LOOK_AT_PLACE


def _check_pages(application: Application) -> float:
    """Check another table of the index. Return the seconds until the next."""
    before = len(application.soundness.faults)
    application.soundness.step(_CHECK_BESIDE, passes_over=True)
    if len(application.soundness.faults) > before:
        log.error("%s", index_damaged(application.soundness.faults).text)
    for table in application.soundness.passed_over:
        log.warning("The table %s of the index is too large for its pages to be checked", table)
    application.soundness.passed_over.clear()
    return _LOOK_FOR_JOBS if application.soundness.is_done else _LOOK_AT_PLACE
