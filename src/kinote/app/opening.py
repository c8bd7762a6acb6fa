"""Opens the packages in order, and closes them in reverse."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from kinote.app.application import Application, Purpose, telling_of_folder, telling_of_index
from kinote.app.background import at_work
from kinote.app.interfaces import rejection_rules
from kinote.app.taking_over import (
    catalog_options,
    is_there,
    mark_end,
    open_directory,
    recover_left,
    require_data_directory,
    take_over,
)
from kinote.backup.making import Source
from kinote.backup.running import Backups
from kinote.catalog.nodes import Node
from kinote.catalog.schema.soundness import Soundness
from kinote.catalog.sql.dialects import shown
from kinote.catalog.sql.unavailable import IndexDamagedError
from kinote.catalog.transactions.catalog import Catalog
from kinote.decoding.shared import decoding_processes
from kinote.delivery.archives.recall import Recaller
from kinote.delivery.ledger import Ledger
from kinote.delivery.routing.from_settings import mirror_routes
from kinote.dimse.transport.tls import TlsOptions
from kinote.holdings.door import Door
from kinote.holdings.journal.beginning import begin
from kinote.holdings.journal.keeping import Journal, end_left
from kinote.holdings.last_use import LastUse
from kinote.holdings.opening.in_place_stores import reach_in_place
from kinote.holdings.opening.installation import Places, found_marks, prove_together
from kinote.holdings.opening.recovery import Recovered
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
from kinote.storage.directory.marks import directory_mark
from kinote.storage.directory.presence import Presence
from kinote.storage.journal_files import journal_folder
from kinote.storage.local import KINDS, local_stores, store_roots
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
        require_data_directory(settings.data)
    with open_directory(settings, unless_served=unless_served) as directory, ExitStack() as closing:
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
                catalog_options(url, settings),
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
                        recovered = recover_left(presence, catalog, stores, places, clock())
                    if directory.was_alone and purpose != "look":
                        is_marked = take_over(recovered, purpose, marks, places, catalog, clock())
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
                there = partial(is_there, {KINDS[kind]: root for kind, root in places.stores.items()}, stores)
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
                mark_end(places, url, catalog, clock())
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
