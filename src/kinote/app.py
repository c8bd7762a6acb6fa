"""Puts the house together: opens the rooms in order, and closes them in reverse."""

from __future__ import annotations

import logging
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Literal

from fastapi import FastAPI
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kinote.catalog.nodes import ForeignHostError, Node
from kinote.catalog.schema.migrations import ForeignSchemaError
from kinote.catalog.schema.soundness import Soundness
from kinote.catalog.sql import dialects
from kinote.catalog.sql.dialects import WrongEncodingError, shown
from kinote.catalog.sql.unavailable import IndexDamagedError, IndexFullError
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions, NoConnectionError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.decoding.shared import decoding_processes
from kinote.delivery.availability.following import AvailabilityFollower
from kinote.delivery.availability.telling import TELL_AVAILABILITY, TellAvailability
from kinote.delivery.ledger import Ledger
from kinote.dimse.acceptor import AddressTakenError
from kinote.dimse.tls import TlsFileError
from kinote.holdings.alerts import AlertWatch
from kinote.holdings.door import Door
from kinote.holdings.health import (
    DISK_FULL,
    MOVED_AWAY,
    Alert,
    HoldingsHealth,
    health,
    index_damaged,
    index_not_written,
)
from kinote.holdings.installation import (
    Marks,
    NotTogetherError,
    Places,
    found_marks,
    give_marks,
    open_anew,
    prove_together,
)
from kinote.holdings.last_use import LastUse
from kinote.holdings.law_check import check_after
from kinote.holdings.reaping.reaper import Reaper
from kinote.holdings.reconciling.reconciler import Reconciler
from kinote.holdings.recovery import Others, Recovered, recover
from kinote.holdings.repeatedly import Repeatedly
from kinote.holdings.scrubbing.progress import ScrubProgress, scrub_progress
from kinote.holdings.scrubbing.scrub import scrub_after
from kinote.holdings.scrubbing.slow_scrub import SlowScrub
from kinote.intake.outcome import Outcome
from kinote.intake.packets.taking_on import Channels
from kinote.intake.receiver import Receiver
from kinote.intake.refusals import RefusedArrivals
from kinote.intake.settling_jobs import COMPARE_HELD, CompareHeld
from kinote.jobs.kinds import JobKind
from kinote.jobs.lists import number_of_dead
from kinote.jobs.workers import Handler, WorkerOptions, Workers
from kinote.lifecycle.purging.lists import counts as purge_counts
from kinote.lifecycle.rejection.proposals import are_urgent, waiting
from kinote.lifecycle.rejection.rules import RejectionRules
from kinote.notes.acts.undo_windows import UndoWindows, number_late
from kinote.notes.creator.making import KeyObjectMaker
from kinote.notes.creator.making_jobs import MAKE_KEY_OBJECTS, MakeKeyObjects, make_in_background
from kinote.notes.registrar.registering_jobs import REGISTER_AGAIN, RegisterAgain, register_outdated
from kinote.peers.from_settings import mirror
from kinote.peers.known import PeersInUse
from kinote.peers.peer import Endpoint
from kinote.peers.probing import Answer, probe
from kinote.scp import rooms as scp_rooms
from kinote.scp.receiving.messages import Beginning
from kinote.scp.receiving.processes import ReceiverProcesses
from kinote.scp.server import DicomServer
from kinote.security.actors import Actor
from kinote.security.policy import Policy
from kinote.security.rights import Right
from kinote.settings.model import Settings
from kinote.storage.data_directory import DataDirectory, is_data_directory
from kinote.storage.local import KINDS, left_arriving, local_stores, store_roots
from kinote.storage.marks import UnreadableMarkError, has_mark
from kinote.storage.presence import Presence
from kinote.storage.store import StorageError
from kinote.storage.stores import Stores
from kinote.storage.volume import NoRoomError
from kinote.telemetry.clock import Clock, system_clock
from kinote.web.application import Rooms, WebOptions, create_application
from kinote.web.metrics import observe_background, observe_decoding, observe_outcome

log = logging.getLogger(__name__)

#: Seconds that a start may take to check the pages of the index. What is left is checked beside the server, each table
#: for so long.
_CHECK_AT_START, _CHECK_BESIDE = 3.0, 60.0

#: Seconds between two looks at whether the data directory is in its place.
_LOOK_AT_PLACE = 15.0

#: Seconds until the first look for alerts.
_FIRST_LOOK = 2.0

#: Bytes that are left on the volume of the data directory before somebody is told; on a small one, its twentieth part.
_FREE_AT_LEAST = 5 * 1024**3

#: Seconds between two looks for jobs that follow from a new version or a setting.
_LOOK_FOR_JOBS = 3600.0


class HouseError(RuntimeError):
    """The house cannot be opened; the message says what is in the way and what to do."""


#: What a house is opened for. To `serve`: recovery sets aside what the last server left half-done. To `work` in it, as
#: commands do that change something. To `look`: nothing is written.
Purpose = Literal["serve", "work", "look"]


@dataclass(frozen=True, slots=True)
class House:
    """The open rooms of one Kinote."""

    directory: DataDirectory
    catalog: Catalog
    stores: Stores
    receiver: Receiver
    door: Door
    clock: Clock
    #: Whether a store can be reached, by its id.
    store_is_there: Callable[[int], bool]
    #: This process among those that have the data directory open; None for one that only looks.
    presence: Presence | None
    #: The systems that are known.
    peers: PeersInUse
    #: What other systems are given.
    ledger: Ledger
    #: What start-up recovery did; nothing where the house was not opened to serve.
    recovered: Recovered
    #: What is known of the pages of the index.
    soundness: Soundness
    #: The id of this server among the nodes; empty for a command.
    node: str = ""

    @property
    def others(self) -> Others:
        """Who else has the data directory open, for recovery."""
        return self.presence.others if self.presence is not None else dict


@contextmanager
def open_house(
    settings: Settings,
    purpose: Purpose = "work",
    clock: Clock = system_clock,
    *,
    makes_new: bool = True,
    unless_served: bool = False,
) -> Iterator[House]:
    """Open the data directory and all rooms on it, once it is proved that they belong together.

    A folder that is no data directory becomes one if it `makes_new` ones, and never for who looks only.
    Raises `DataDirectoryInUseError` if another has it, or, `unless_served`, if a server does with which it could be
    shared; `HouseError` if it or the index cannot be used.
    """
    if purpose == "look" or not makes_new:
        _see_that_it_is_one(settings.data)
    with _open_directory(settings, unless_served=unless_served) as directory, ExitStack() as closing:
        url = settings.database or directory.index_url
        places = Places(directory.path, store_roots(directory.path), shown(url))
        with _telling_of_index(url), _telling_of_folder(directory.path):
            marks = found_marks(places, url)
            prove_together(marks, places)
            presence = None if purpose == "look" else Presence(directory.path)
            if presence is not None:
                # Closed last: until then something of this process may be half-done.
                closing.callback(presence.close)
            soundness = _sound(url) if purpose == "serve" else Soundness(url)
            catalog = Catalog(
                _catalog_options(url, settings),
                observe_background=observe_background,
                is_in_place=directory.is_in_place,
            )
        closing.enter_context(decoding_processes(settings.decoding_options(), observe_decoding))
        try:
            is_marked = False
            with _among_nodes(catalog, url, purpose, clock) as node:
                with _telling_of_index(url), _telling_of_folder(directory.path):
                    stores = local_stores(directory.path, presence.mark if presence else "")
                    recovered = Recovered()
                    if purpose == "serve" and presence is not None:
                        recovered = _recover(presence, catalog, stores, places, clock())
                    if directory.was_alone and purpose != "look":
                        is_marked = _take_over(recovered, purpose, marks, places, catalog, clock())
                directory.recovered()
                refusals = RefusedArrivals(catalog, clock)
                there = partial(_is_there, {KINDS[kind]: root for kind, root in places.stores.items()})
                uses = LastUse(catalog, clock)
                door = Door(
                    catalog,
                    stores,
                    clock=clock,
                    make=KeyObjectMaker(catalog, writes=purpose != "look"),
                    store_is_there=there,
                    used=_no_use if purpose == "look" else uses.note,
                    writes=purpose != "look",
                )
                with _telling_of_index(url):
                    if node is not None:
                        _mirror_settings(catalog, settings, node, clock())
                    peers = PeersInUse(catalog)
                receiver = Receiver(
                    catalog,
                    stores,
                    clock=clock,
                    observe=partial(_observe, refusals),
                    open_copy=door.open_copy,
                    rejections=rejection_rules(settings, peers),
                )
                house = House(
                    directory,
                    catalog,
                    stores,
                    receiver,
                    door,
                    clock,
                    there,
                    presence,
                    peers,
                    Ledger(catalog, clock),
                    recovered,
                    soundness,
                    node.id if node is not None else "",
                )
                try:
                    with _at_work(house, uses, refusals, node, settings):
                        yield house
                finally:
                    peers.close()
                    receiver.close()
                    house.ledger.write()
                    if purpose != "look":
                        refusals.close()
                    uses.write()
                    stores.close()
            if is_marked and directory.is_alone():
                _end(places, url, catalog, clock())
        finally:
            catalog.close()


def _sound(url: str) -> Soundness:
    """Check the pages of the index for as long as a start may take. Raises `IndexDamagedError`."""
    soundness = Soundness(url)
    soundness.step(_CHECK_AT_START)
    if soundness.faults:
        raise IndexDamagedError.because("; ".join(soundness.faults[:3]))
    return soundness


def _catalog_options(url: str, settings: Settings) -> CatalogOptions:
    # SQLite's connections are its own: they cost nobody else anything.
    return (
        CatalogOptions.within(url, settings.database_connections)
        if settings.database
        else CatalogOptions(url)
    )


@contextmanager
def _among_nodes(catalog: Catalog, url: str, purpose: Purpose, clock: Clock) -> Iterator[Node | None]:
    """A server is a node while the block lasts; commands are none: they do nothing on behalf of others."""
    if purpose != "serve":
        yield None
        return
    with _telling_of_index(url):
        node = Node(catalog, socket.gethostname(), clock)
    try:
        yield node
    finally:
        node.close()


@contextmanager
def _at_work(
    house: House, uses: LastUse, refusals: RefusedArrivals, node: Node | None, settings: Settings
) -> Iterator[None]:
    """What a server does by itself while the block lasts."""
    with ExitStack() as closing:
        if node is not None:
            # Commands have the index for themselves, or ask a server.
            house.peers.follow()
            closing.callback(Repeatedly("last-use", uses.step, Event()).close)
            closing.callback(Repeatedly("ledger", house.ledger.step, Event(), first=1.0).close)
            windows = UndoWindows(house.catalog, house.clock)
            # What fell due while no server ran is told before anybody can ask.
            windows.step()
            closing.callback(Repeatedly("undo-windows", windows.step, Event(), first=1.0).close)
            closing.callback(Repeatedly("refused-arrivals", refusals.step, Event(), first=1.0).close)
            closing.callback(Repeatedly("data-directory", partial(_see_to_place, house), Event()).close)
            closing.callback(Repeatedly("index-pages", partial(_check_pages, house), Event()).close)
            closing.callback(house.soundness.end)
        if node is not None:
            reaper = Reaper(
                house.catalog,
                house.stores,
                house.clock,
                node=node.id,
                delays=settings.purge_delays(),
                store_is_there=house.store_is_there,
            )
            closing.callback(reaper.close)
            closing.callback(Repeatedly("reaper", reaper.step, Event()).close)
        if node is not None and settings.reconcile_days:
            reconciler = Reconciler(
                house.catalog,
                house.stores,
                house.clock,
                node=node.id,
                every=timedelta(days=settings.reconcile_days),
                store_is_there=house.store_is_there,
                living=partial(_living, house),
            )
            closing.callback(reconciler.close)
            closing.callback(Repeatedly("reconciler", reconciler.step, Event()).close)
        if node is not None and settings.scrub_days:
            ending = Event()
            scrub = SlowScrub(
                house.catalog,
                house.stores,
                house.clock,
                node=node.id,
                within=timedelta(days=settings.scrub_days),
                store_is_there=house.store_is_there,
                wait=ending.wait,
            )
            closing.callback(scrub.close)
            closing.callback(Repeatedly("scrub", scrub.step, ending).close)
        if node is not None and settings.job_workers:
            closing.callback(_workers(house, node, settings).close)
            making = partial(_make_jobs, house, settings)
            closing.callback(Repeatedly("jobs-to-make", making, Event()).close)
            follower = AvailabilityFollower(
                house.catalog, house.clock, quiet=timedelta(seconds=settings.availability_quiet_seconds)
            )
            closing.callback(Repeatedly("availability", follower.step, Event()).close)
        yield


def _living(house: House) -> set[str]:
    """The marks of the processes that may have bytes on their way."""
    own = {house.presence.mark} if house.presence is not None else set()
    return own | set(house.others())


def _make_jobs(house: House, settings: Settings) -> float:
    """Make the jobs that follow from a new version or a setting; gives the seconds until it is looked again."""
    register_outdated(house.catalog, house.clock)
    if settings.make_key_objects:
        make_in_background(house.catalog, house.clock)
    return _LOOK_FOR_JOBS


#: The kinds of jobs that there are.
JOB_KINDS = (REGISTER_AGAIN, MAKE_KEY_OBJECTS, TELL_AVAILABILITY, COMPARE_HELD)


def _workers(house: House, node: Node, settings: Settings) -> Workers:
    """Begin to do jobs."""
    scp = settings.scp_options()
    handlers: dict[JobKind, Handler] = {
        REGISTER_AGAIN: RegisterAgain(house.catalog, house.door, house.clock),
        MAKE_KEY_OBJECTS: MakeKeyObjects(house.catalog, house.clock),
        TELL_AVAILABILITY: TellAvailability(house.catalog, house.clock, title=scp.titles[0], tls=scp.tls),
        COMPARE_HELD: CompareHeld(house.catalog, house.stores, house.door, house.clock),
    }
    options = WorkerOptions(settings.job_workers, timedelta(days=settings.job_days))
    return Workers(house.catalog, handlers, house.clock, name=node.id, options=options)


def _mirror_settings(catalog: Catalog, settings: Settings, node: Node, now: datetime) -> None:
    """Write the peers and destinations of the settings into the index."""
    destinations = [destination.destination() for destination in settings.destinations]
    for remark in catalog.write(
        lambda transaction: mirror(transaction, settings.peers(), destinations, node.id, now)
    ):
        log.warning("%s", remark)


def _see_to_place(house: House) -> float:
    """See that the data directory is where it was and locked; gives the seconds until it is looked again."""
    if not house.directory.is_in_place():
        log.error("%s", MOVED_AWAY.text)
    return _LOOK_AT_PLACE


def _check_pages(house: House) -> float:
    """Check one more table of the index; gives the seconds until the next."""
    before = len(house.soundness.faults)
    house.soundness.step(_CHECK_BESIDE, passes_over=True)
    if len(house.soundness.faults) > before:
        log.error("%s", index_damaged(house.soundness.faults).text)
    for table in house.soundness.passed_over:
        log.warning("The table %s of the index is too large for its pages to be checked", table)
    house.soundness.passed_over.clear()
    return _LOOK_FOR_JOBS if house.soundness.is_done else _LOOK_AT_PLACE


def _observe(refusals: RefusedArrivals, outcome: Outcome) -> None:
    """Count what became of a received object, and remember what was not taken."""
    observe_outcome(outcome)
    refusals.note(outcome)


def _no_use(_instance: int, _by: Actor) -> None:
    """Nothing is written."""


def _see_that_it_is_one(path: Path) -> None:
    with _telling_of_folder(path):
        if not is_data_directory(path):
            raise HouseError(
                f"{path.absolute()} is no data directory of Kinote, and nothing was made there. "
                "Choose another with --data."
            )


@contextmanager
def _open_directory(settings: Settings, *, unless_served: bool = False) -> Iterator[DataDirectory]:
    with _telling_of_folder(settings.data):
        directory = DataDirectory(settings.data, shared=bool(settings.database), unless_served=unless_served)
    try:
        yield directory
    finally:
        directory.close()


def _is_there(roots: Mapping[int, Path], store: int) -> bool:
    return store in roots and has_mark(roots[store])


def _all_are_there(house: House) -> bool:
    return all(house.store_is_there(store.id) for store in house.stores)


def _recover(
    presence: Presence, catalog: Catalog, stores: Stores, places: Places, now: datetime
) -> Recovered:
    """Set aside what processes left that have ended, whoever else is up."""
    with presence.recovering() as may_recover:
        if may_recover:
            left = left_arriving(places.directory)
            return recover(catalog, stores, now, left=left, others=presence.others)
    log.warning("Start-up recovery is left to the next start: another server is still busy with its own")
    return Recovered()


def _take_over(
    recovered: Recovered, purpose: Purpose, marks: Marks, places: Places, catalog: Catalog, now: datetime
) -> bool:
    """Mark, where nobody else has the directory; gives whether the end is to be marked, too."""
    unknown = recovered.unknown
    made_before_marks = marks.directory is None and marks.index is not None and marks.index.has_instances
    if made_before_marks and unknown:
        raise NotTogetherError(
            f"The index {places.index} does not know {unknown} objects in {places.directory}, more than a crash can "
            "leave. It is not the newest index of this data directory, or it is that of another one. Bring back the "
            "right one. If this is what is left, run `kinote doctor --adopt` first."
        )
    # Where recovery has doubts, the right index may still be brought back: it must not come to be an older one.
    if unknown or (made_before_marks and purpose != "serve"):
        return False
    open_anew(marks, places, catalog, now)
    return True


def _end(places: Places, url: str, catalog: Catalog, now: datetime) -> None:
    """A copy of the index taken until now is an older one from here on."""
    try:
        open_anew(found_marks(places, url), places, catalog, now)
    except (OSError, SQLAlchemyError, UnreadableMarkError):
        log.warning("The data directory and its index could not be marked as closed", exc_info=True)


def adopt(settings: Settings) -> None:
    """Let the index be the one of this data directory and store, whatever they say of themselves.

    For an administrator who has seen that it is the newest there is. Raises as `open_house`.
    """
    with _open_directory(settings) as directory:
        url = settings.database or directory.index_url
        places = Places(directory.path, store_roots(directory.path), shown(url))
        with _telling_of_index(url), _telling_of_folder(directory.path):
            marks = found_marks(places, url, damaged_as_none=True)
            local_stores(directory.path).close()
            catalog = Catalog(_catalog_options(url, settings))
            try:
                give_marks(marks, places, catalog, system_clock())
            finally:
                catalog.close()


@contextmanager
def _telling_of_folder(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or path.absolute()
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        reason = f"{place} is no folder" if in_the_way else f"{place}: {error.strerror}"
        raise HouseError(
            f"The data directory {path.absolute()} cannot be used: {reason}. "
            "Let Kinote write there, or choose another one with --data."
        ) from error


@contextmanager
def _telling_of_index(url: str) -> Iterator[None]:
    try:
        yield
    except (
        NotTogetherError,
        UnreadableMarkError,
        ForeignHostError,
        NoConnectionError,
        WrongEncodingError,
        IndexFullError,
        IndexDamagedError,
    ) as error:
        raise HouseError(str(error)) from error
    except (SQLAlchemyError, ImportError, ForeignSchemaError, CommitInDoubtError) as error:
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            name = address.database
            remedy = "Put back a copy of the data directory, or choose another one with --data."
        else:
            name = shown(address)
            remedy = "See that the database is there, and that the setting database says how to reach it."
        if isinstance(error, DBAPIError) and dialects.is_out_of_connections(error):
            remedy = (
                "It lets nobody else in. Lower the setting database_connections of the servers that use it, "
                "or raise its max_connections."
            )
        raise HouseError(f"The index {name} cannot be used: {_reason(error)} {remedy}") from error


def _reason(error: Exception) -> str:
    """What the database or its driver says, as one sentence: without SQL, and without hints of the driver's."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig else error
    first_line, *_ = str(said).splitlines() or [type(said).__name__]
    return first_line.rstrip(".") + "."


def policy(house: House) -> Policy:
    """Who may do what, with what peers are named for."""
    return Policy(rights_of=partial(_rights_of, house.peers))


def rejection_rules(settings: Settings, peers: PeersInUse) -> RejectionRules:
    """What rejection notes of others may do: by the settings, and by the right that their sender has at that time."""
    allowed = Policy(rights_of=partial(_rights_of, peers)).allowed
    return settings.rejection_rules(lambda actor: allowed(actor, Right.REJECT))


def _rights_of(peers: PeersInUse, caller: Actor) -> frozenset[Right]:
    """What a peer is named for, by its AE title; that it calls from its host is seen when its association is taken."""
    peer = peers.known.callers.get(caller.name)
    if peer is None or not peer.is_enabled:
        return frozenset()
    return frozenset(Right(right.value) for right in peer.rights)


def _scrub_progress(house: House, settings: Settings, connection: Connection) -> ScrubProgress:
    return scrub_progress(connection, timedelta(days=settings.scrub_days), house.clock())


def web_application(
    house: House, settings: Settings, alerts: Callable[[], Sequence[Alert]] = tuple
) -> FastAPI:
    """The HTTP face of an open house; it tells the `alerts` of others beside its own."""
    rooms = Rooms(
        catalog=house.catalog,
        receiver=house.receiver,
        door=house.door,
        clock=house.clock,
        policy=policy(house),
        health=partial(_health, house, settings, alerts),
        prove=partial(_prove, house),
        scrub=partial(
            scrub_after, house.catalog, house.stores, house.clock, store_is_there=house.store_is_there
        ),
        check_laws=lambda position: check_after(house.catalog, house.stores, position, house.store_is_there),
        purge_delays=settings.purge_delays(),
        job_kinds=JOB_KINDS,
        peers=house.peers,
        record_for=house.ledger.record_for,
        probe=partial(_probe, settings),
        rejections=rejection_rules(settings, house.peers),
        options=WebOptions(
            allowed_hosts=settings.allowed_hosts,
            allowed_origins=settings.allowed_origins,
            hosts_needed=settings.hosts_needed(),
            requests_per_client=settings.http_requests_per_client,
            undo_window=timedelta(seconds=settings.undo_seconds),
        ),
    )
    return create_application(rooms)


def _probe(settings: Settings, name: str, endpoint: Endpoint) -> Answer:
    options = settings.scp_options()
    return probe(name, endpoint, options.titles[0], options.tls)


def _health(house: House, settings: Settings, alerts: Callable[[], Sequence[Alert]]) -> HoldingsHealth:
    found = health(
        house.catalog,
        house.stores.quarantine,
        house.recovered,
        partial(_all_are_there, house),
        partial(_scrub_progress, house, settings) if settings.scrub_days else None,
        house.directory.is_in_place,
    )
    with house.catalog.read() as connection:
        dead = number_of_dead(connection)
        late = number_late(connection, house.clock())
        rejections = waiting(connection)
        purges = purge_counts(connection).dead
    own = [_dead_jobs(dead)] if dead else []
    if late:
        own.append(_late_notes(late))
    if purges:
        own.append(_dead_purges(purges))
    if house.catalog.write_trouble is not None:
        own.append(index_not_written(house.catalog.write_trouble))
    if house.soundness.faults:
        own.append(index_damaged(house.soundness.faults))
    own += [DISK_FULL] if _is_full(house) else _space_left(house)
    waits = [_waiting_rejections(rejections)] if rejections else []
    # What may harm a patient comes before everything else.
    first, later = (waits, []) if are_urgent(rejections) else ([], waits)
    return replace(found, others=(*first, *alerts(), *own, *later))


def _is_full(house: House) -> bool:
    try:
        house.stores.large.see_that_it_takes_more()
    except NoRoomError:
        return True
    except StorageError:
        # That the folder is not in its place is told otherwise.
        return False
    return False


def _late_notes(number: int) -> Alert:
    are = "withdrawal is" if number == 1 else "withdrawals are"
    return Alert(
        "UNDO_WINDOWS_LATE",
        f"{number} {are} past the undo window, and the rejection notes are not live yet, so that others are not told. "
        "The log of the server says why; it goes on trying.",
    )


def _waiting_rejections(numbers: dict[str, int]) -> Alert:
    count = sum(numbers.values())
    what = "rejection waits" if count == 1 else "rejections wait"
    how = "Accept or refuse them with `kinote rejections`, and give the peer the right `reject` if it should have it."
    if are_urgent(numbers):
        return Alert(
            "SAFETY_REJECTIONS_WAITING",
            f"{count} {what} for a decision, at least one of them for patient safety: its sender may not reject, so "
            f"what may harm a patient is still shown. {how}",
        )
    return Alert(
        "REJECTIONS_WAITING", f"{count} {what} for a decision: the sender may not reject by itself. {how}"
    )


def watch_alerts(house: House, settings: Settings, alerts: Callable[[], Sequence[Alert]]) -> Repeatedly:
    """Keep the alerts of the index in step with what is wrong, until it is closed."""
    watch = AlertWatch(
        house.catalog, house.clock, house.node, lambda: _health(house, settings, alerts).alerts
    )
    return Repeatedly("alerts", watch.step, Event(), first=_FIRST_LOOK)


def _space_left(house: House) -> Iterator[Alert]:
    usage = shutil.disk_usage(house.directory.path)
    if usage.free < min(_FREE_AT_LEAST, usage.total // 20):
        yield Alert(
            "DISK_NEARLY_FULL",
            f"The volume of the data directory has {usage.free // 2**20} MB left. When it is full, nothing more is "
            "taken in. Make room, or move the data directory to a larger volume.",
        )


def _dead_purges(number: int) -> Alert:
    return Alert(
        "PURGES_DEAD",
        f"{number} withdrawn objects could not be purged, or their bytes not be removed. See `kinote purges failures` "
        "for the reasons, and have them tried again with `kinote purges retry`.",
    )


def _dead_jobs(number: int) -> Alert:
    are = "job is" if number == 1 else "jobs are"
    return Alert(
        "JOBS_DEAD",
        f"{number} {are} dead: what was to be done was not. See `kinote jobs list --state dead` for the reasons, and "
        "run them again or cancel them.",
    )


def _receivers(house: House, settings: Settings) -> ReceiverProcesses | None:
    number = settings.receivers()
    if not number:
        return None
    limits = settings.scp_options().limits
    return ReceiverProcesses(
        number,
        Channels(house.receiver),
        Beginning(house.stores.large, limits.largest_object, limits.largest_pdu),
        house.clock,
        # What they write has the mark of this process: it is protected as long as one of them lives.
        inherited=[house.presence.descriptor] if house.presence is not None else [],
    )


def _prove(house: House, challenge: str) -> str | None:
    announcement = house.directory.announcement
    return announcement.proof(challenge) if announcement else None


def dicom_server(house: House, settings: Settings, associations: int, unassociated: int) -> DicomServer:
    """The DICOM face of an open house, which listens from then on. Raises `HouseError` where it cannot.

    There are file descriptors for so many associations, and connections that are none yet.
    """
    options = settings.scp_options()
    limits = options.limits.within(associations, unassociated)
    rooms = scp_rooms.Rooms(
        house.catalog,
        house.receiver,
        house.door,
        replace(options, limits=limits),
        policy(house),
        house.peers,
        record_for=house.ledger.record_for,
    )
    receivers = _receivers(house, settings)
    try:
        with ExitStack() as failing:
            if receivers is not None:
                failing.callback(receivers.close)
            server = DicomServer(rooms, receivers)
            failing.pop_all()
            return server
    except AddressTakenError as error:
        raise HouseError(f"{error}. Choose another port with --dicom-port.") from error
    except TlsFileError as error:
        raise HouseError(str(error)) from error
