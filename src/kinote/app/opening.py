"""Opens the packages in order, and closes them in reverse."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from kinote.app.application import Application, ApplicationError, Purpose, telling_of_folder, telling_of_index
from kinote.app.background import at_work
from kinote.app.interfaces import rejection_rules
from kinote.backup.making import Source
from kinote.backup.replaying import Replayed, replay
from kinote.backup.running import Backups
from kinote.catalog.nodes import Node
from kinote.catalog.schema.soundness import Soundness
from kinote.catalog.sql.dialects import shown
from kinote.catalog.sql.unavailable import IndexDamagedError
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.decoding.shared import decoding_processes
from kinote.delivery.archives.recall import Recaller
from kinote.delivery.ledger import Ledger
from kinote.delivery.routing.from_settings import mirror_routes
from kinote.dimse.transport.tls import TlsOptions
from kinote.holdings.door import Door
from kinote.holdings.journal.beginning import begin
from kinote.holdings.journal.keeping import Journal, end_left, read_all
from kinote.holdings.last_use import LastUse
from kinote.holdings.opening.in_place_stores import is_in_place_folder, reach_in_place
from kinote.holdings.opening.installation import (
    Marks,
    NotTogetherError,
    Places,
    found_marks,
    give_marks,
    open_anew,
    prove_together,
)
from kinote.holdings.opening.recovery import Recovered, recover
from kinote.holdings.reconciling.unowned import Unowned
from kinote.holdings.stored import Stored
from kinote.holdings.unavailable import BytesElsewhereError
from kinote.intake.outcome import Outcome
from kinote.intake.receiver import Receiver
from kinote.intake.refusals import RefusedArrivals
from kinote.memory.shared import MEMORY
from kinote.notes.creator.making import KeyObjectMaker
from kinote.peers.from_settings import mirror
from kinote.peers.known import PeersInUse
from kinote.security.actors import Actor
from kinote.security.audit.trail import AuditTrail
from kinote.security.audit_messages.message import AuditSource
from kinote.security.audit_messages.sending import AuditSending, unsent_from
from kinote.security.audit_messages.syslog import SyslogOptions
from kinote.settings.model import Settings
from kinote.storage.directory.data_directory import DataDirectory, is_data_directory
from kinote.storage.directory.marks import DirectoryMark, UnreadableMarkError, directory_mark, has_mark
from kinote.storage.directory.presence import Presence
from kinote.storage.journal_files import journal_folder
from kinote.storage.local import KINDS, left_arriving, local_stores, store_roots
from kinote.storage.stores import Stores
from kinote.storage.volume import RoomLeft
from kinote.telemetry.clock import Clock, system_clock
from kinote.web.metrics import observe_background, observe_decoding, observe_outcome

log = logging.getLogger(__name__)

#: Seconds that a start may spend on checking the pages of the index. The rest is checked while the server runs.
_CHECK_AT_START = 3.0


@contextmanager
def open_application(
    settings: Settings,
    purpose: Purpose = "work",
    clock: Clock = system_clock,
    *,
    makes_new: bool = True,
    unless_served: bool = False,
) -> Iterator[Application]:
    """Open the data directory and all packages, once it is proved that they belong together.

    A folder that is not a data directory becomes one only with `makes_new`, and never for reading. Raises
    `DataDirectoryInUseError` if another process has it, or, with `unless_served`, if a server has it with which it
    could be shared; and `ApplicationError` if it or the index cannot be used.
    """
    if purpose == "look" or not makes_new:
        _see_that_it_is_one(settings.data)
    with _open_directory(settings, unless_served=unless_served) as directory, ExitStack() as closing:
        url = settings.database or directory.index_url
        places = Places(directory.path, store_roots(directory.path), shown(url))
        with telling_of_index(url), telling_of_folder(directory.path):
            marks = found_marks(places, url)
            prove_together(marks, places)
            presence = None if purpose == "look" else Presence(directory.path)
            if presence is not None:
                # Closed last: until then this process may have unfinished work.
                closing.callback(presence.close)
            soundness = _sound(url) if purpose == "serve" else Soundness(url)
            journal = None if purpose == "look" else _journal(directory.path, clock)
            if journal is not None:
                closing.callback(journal.close)
            catalog = Catalog(
                _catalog_options(url, settings),
                observe_background=observe_background,
                is_in_place=directory.is_in_place,
                journal_writer=journal,
            )
        MEMORY.limit(settings.memory_of_each_process())
        closing.enter_context(decoding_processes(settings.decoding_options(), observe_decoding))
        try:
            is_marked = False
            with _among_nodes(catalog, url, purpose, clock) as node:
                with telling_of_index(url), telling_of_folder(directory.path):
                    stores = local_stores(directory.path, presence.mark if presence else "")
                    recovered = Recovered()
                    if purpose == "serve" and presence is not None:
                        recovered = _recover(presence, catalog, stores, places, clock())
                    if directory.was_alone and purpose != "look":
                        is_marked = _take_over(recovered, purpose, marks, places, catalog, clock())
                    if purpose != "look":
                        _begin_journal(
                            directory.path,
                            catalog,
                            clock(),
                            is_right=purpose == "serve" and not recovered.unknown,
                        )
                directory.recovered()
                refusals = RefusedArrivals(catalog, clock)
                reach_in_place(stores, catalog)
                there = partial(
                    _is_there, {KINDS[kind]: root for kind, root in places.stores.items()}, stores
                )
                uses = LastUse(catalog, clock)
                maker = KeyObjectMaker(catalog, writes=purpose != "look")
                recalling: list[Recaller] = []
                door = Door(
                    catalog,
                    stores,
                    clock=clock,
                    make=maker,
                    look=maker.look,
                    recall=partial(_recall, recalling),
                    store_is_there=there,
                    used=_no_use if purpose == "look" else uses.note,
                    writes=purpose != "look",
                )
                with telling_of_index(url):
                    if node is not None:
                        _mirror_settings(catalog, settings, node, clock())
                    peers = PeersInUse(catalog)
                trail = _trail(catalog, clock, settings) if purpose != "look" else None
                receiver = Receiver(
                    catalog,
                    stores,
                    clock=clock,
                    observe=partial(_observe, refusals),
                    open_copy=door.open_copy,
                    rejections=replace(
                        rejection_rules(settings, peers), record=trail.write if trail is not None else None
                    ),
                )
                scp = settings.scp_options()
                recaller = Recaller(catalog, receiver.open, clock, peers, title=scp.titles[0], tls=scp.tls)
                if purpose != "look":
                    recalling.append(recaller)
                application = Application(
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
                    Unowned(),
                    RoomLeft(directory.path),
                    _backups(settings, catalog, url, places, clock, node),
                    trail,
                    _audit_sending(catalog, clock, settings),
                    recaller,
                    node.id if node is not None else "",
                )
                try:
                    with at_work(application, uses, refusals, node, settings):
                        yield application
                finally:
                    application.backups.close()
                    recaller.close()
                    peers.close()
                    receiver.close()
                    application.ledger.write()
                    if application.trail is not None:
                        application.trail.close()
                    if purpose != "look":
                        refusals.close()
                    uses.write()
                    stores.close()
            if is_marked and directory.is_alone():
                _end(places, url, catalog, clock())
        finally:
            catalog.close()


def _recall(recalling: Sequence[Recaller], stored: Stored) -> None:
    """Recall bytes, once the recaller exists. A process that only reads has none."""
    if not recalling:
        raise BytesElsewhereError(stored.sop_instance_uid)
    recalling[0](stored)


def _backups(
    settings: Settings, catalog: Catalog, url: str, places: Places, clock: Clock, node: Node | None
) -> Backups:
    source = Source(
        catalog,
        url,
        _installation(places.directory),
        places.stores["files"],
        places.stores["packs"],
        journal_folder(places.directory),
    )
    return Backups(source, settings.backup_options(), clock, node.id if node is not None else "")


def _journal(directory: Path, clock: Clock) -> Journal:
    # A new data directory gets its mark while it is opened, before anything is done in it.
    return Journal(journal_folder(directory), clock, lambda: _installation(directory))


def _installation(directory: Path) -> str:
    mark = directory_mark(directory)
    return mark.installation if mark is not None else ""


def _begin_journal(directory: Path, catalog: Catalog, now: datetime, *, is_right: bool) -> None:
    """Make sure that the journal has what the index has. `is_right` says that the index is certainly the newest one."""
    folder = journal_folder(directory)
    if is_right:
        end_left(folder, catalog, _installation(directory))
    begin(catalog, folder, now)


def _sound(url: str) -> Soundness:
    """Check the pages of the index for as long as a start may take. Raises `IndexDamagedError`."""
    soundness = Soundness(url)
    soundness.step(_CHECK_AT_START)
    if soundness.faults:
        raise IndexDamagedError.because("; ".join(soundness.faults[:3]))
    return soundness


def _catalog_options(url: str, settings: Settings) -> CatalogOptions:
    # SQLite connections are our own and cost nobody else anything.
    return (
        CatalogOptions.within(url, settings.database_connections)
        if settings.database
        else CatalogOptions(url)
    )


@contextmanager
def _among_nodes(catalog: Catalog, url: str, purpose: Purpose, clock: Clock) -> Iterator[Node | None]:
    """Register a server as a node while the block lasts. Commands are not nodes: they do nothing on behalf of
    others.
    """
    if purpose != "serve":
        yield None
        return
    with telling_of_index(url):
        node = Node(catalog, socket.gethostname(), clock)
    try:
        yield node
    finally:
        node.close()


def _mirror_settings(catalog: Catalog, settings: Settings, node: Node, now: datetime) -> None:
    """Write the peers, destinations and routes of the settings into the index."""
    destinations = [destination.destination() for destination in settings.destinations]
    routes = [route.route() for route in settings.routes]

    def work(transaction: Connection) -> list[str]:
        remarks = mirror(transaction, settings.peers(), destinations, node.id, now)
        return [*remarks, *mirror_routes(transaction, routes, node.id, now)]

    for remark in catalog.write(work):
        log.warning("%s", remark)


def _observe(refusals: RefusedArrivals, outcome: Outcome) -> None:
    """Count the outcome of a received object, and remember refused ones."""
    observe_outcome(outcome)
    refusals.note(outcome)


def _no_use(_instance: int, _by: Actor) -> None:
    """Record nothing."""


def _trail(catalog: Catalog, clock: Clock, settings: Settings) -> AuditTrail | None:
    if not settings.writes_audit():
        return None
    kept = None if settings.audit_days is None else timedelta(days=settings.audit_days)
    return AuditTrail(
        catalog, clock, kept=kept, unsent_from=unsent_from if settings.audit_syslog_host else None
    )


def _audit_sending(catalog: Catalog, clock: Clock, settings: Settings) -> AuditSending | None:
    if not settings.audit_syslog_host:
        return None
    tls = TlsOptions(settings.tls_certificate, settings.tls_key, settings.tls_authorities)
    options = SyslogOptions(settings.audit_syslog_host, settings.audit_syslog_port, tls)
    source = AuditSource(
        settings.audit_source, settings.audit_site, socket.gethostname() or "localhost", os.getpid()
    )
    return AuditSending(catalog, clock, options, source)


def _see_that_it_is_one(path: Path) -> None:
    with telling_of_folder(path):
        if not is_data_directory(path):
            raise ApplicationError(
                f"{path.absolute()} is no data directory of Kinote, and nothing was made there. "
                "Choose another with --data."
            )


@contextmanager
def _open_directory(settings: Settings, *, unless_served: bool = False) -> Iterator[DataDirectory]:
    with telling_of_folder(settings.data):
        directory = DataDirectory(settings.data, shared=bool(settings.database), unless_served=unless_served)
    try:
        yield directory
    finally:
        directory.close()


def _is_there(roots: Mapping[int, Path], stores: Stores, store: int) -> bool:
    if (folder := is_in_place_folder(stores, store)) is not None:
        return folder.is_there()
    return store in roots and has_mark(roots[store])


def _recover(
    presence: Presence, catalog: Catalog, stores: Stores, places: Places, now: datetime
) -> Recovered:
    """Set aside what processes that have ended left behind, whatever else is running."""
    with presence.recovering() as may_recover:
        if may_recover:
            left = left_arriving(places.directory)
            return recover(catalog, stores, now, left=left, others=presence.others)
    log.warning("Start-up recovery is left to the next start: another server is still busy with its own")
    return Recovered()


def _take_over(
    recovered: Recovered, purpose: Purpose, marks: Marks, places: Places, catalog: Catalog, now: datetime
) -> bool:
    """Write the marks, unless another process has the directory. Return whether the end must be marked too."""
    unknown = recovered.unknown
    made_before_marks = marks.directory is None and marks.index is not None and marks.index.has_instances
    if made_before_marks and unknown:
        raise NotTogetherError(
            f"The index {places.index} does not know {unknown} objects in {places.directory}, more than a crash can "
            "leave. It is not the newest index of this data directory, or it is that of another one. Bring back the "
            "right one. If this is what is left, run `kinote doctor --adopt` first."
        )
    # If recovery has doubts, the right index may still be brought back, and must not become an older one.
    if unknown or (made_before_marks and purpose != "serve"):
        return False
    open_anew(marks, places, catalog, now)
    return True


def _end(places: Places, url: str, catalog: Catalog, now: datetime) -> None:
    """Mark the end, so that a copy of the index taken before is recognized as older."""
    try:
        open_anew(found_marks(places, url), places, catalog, now)
    except (OSError, SQLAlchemyError, UnreadableMarkError):
        log.warning("The data directory and its index could not be marked as closed", exc_info=True)


def adopt(settings: Settings) -> Replayed:
    """Make the index that of this data directory and store, whatever their marks are.

    For an administrator who has checked that it is the newest one. Acts that it lacks are replayed from the journal
    first; if that fails, the index is still not accepted. Raises as `open_application`.
    """
    with _open_directory(settings) as directory:
        url = settings.database or directory.index_url
        places = Places(directory.path, store_roots(directory.path), shown(url))
        with telling_of_index(url), telling_of_folder(directory.path):
            marks = found_marks(places, url, damaged_as_none=True)
            local_stores(directory.path).close()
            journal = read_all(journal_folder(directory.path))
            installation = _installation_to_be(marks, journal.installations - {""})
            if journal.installations - {installation, ""}:
                raise ApplicationError(
                    f"The journal in {journal_folder(directory.path)} is that of another installation than the index "
                    f"{places.index}. Bring back the right index, or move the journal away first."
                )
            if marks.directory is None:
                marks = replace(marks, directory=DirectoryMark(installation, places.index))
            writer = Journal(journal_folder(directory.path), system_clock, lambda: installation)
            catalog = Catalog(_catalog_options(url, settings), journal_writer=writer)
            try:
                # The acts that an older index lacked are in force again.
                found = replay(catalog, journal.entries, system_clock())
                give_marks(marks, places, catalog, system_clock())
            finally:
                catalog.close()
                writer.close()
    found.faults += journal.faults
    return found


def _installation_to_be(marks: Marks, of_journal: set[str]) -> str:
    """Return the id that an installation gets from its marks, in the order of `give_marks`; or from its journal."""
    by_marks = (marks.index and marks.index.installation) or (
        marks.directory and marks.directory.installation
    )
    return by_marks or (of_journal.pop() if len(of_journal) == 1 else uuid.uuid4().hex)
