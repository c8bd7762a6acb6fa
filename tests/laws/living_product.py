"""The whole product in this process with all that a server does by itself, done step by step, and with its own time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Connection, select

from kinote.catalog.nodes import Node
from kinote.catalog.schema.tables import node
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.archives.fetching import Fetched, NotFetchedError, Wanted
from kinote.delivery.archives.recall import Recaller
from kinote.delivery.ledger import Ledger
from kinote.delivery.orders.account import CHECK_DELIVERY, CheckDelivery
from kinote.delivery.orders.carrying_out import CarryOut
from kinote.delivery.orders.ordering import DELIVER
from kinote.delivery.orders.ways.calling import Calling
from kinote.dimse import statuses
from kinote.dimse.associations.acceptor import Acceptor, Caller, Listening
from kinote.dimse.associations.admission import Refused
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.negotiation import Acceptance, Service, answer_to
from kinote.dimse.commands import CStoreRequest, CStoreResponse
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.information_models import STUDY_ROOT
from kinote.dimse.protocol.pdu import AssociateReject, AssociateRequest
from kinote.dimse.transport.tls import NO_CERTIFICATES
from kinote.holdings.door import Door
from kinote.holdings.opening.recovery import recover
from kinote.holdings.reaping.reaper import Reaper
from kinote.holdings.stored import Stored
from kinote.intake.outcome import Outcome
from kinote.intake.receiver import Receiver
from kinote.jobs.workers import Handler
from kinote.lifecycle.archives.evidence import Archive
from kinote.lifecycle.purging.delays import PurgeDelays
from kinote.lifecycle.rejection.rules import RejectionRules
from kinote.notes.acts.undo_windows import UndoWindows
from kinote.notes.creator.making import KeyObjectMaker
from kinote.notes.creator.making_jobs import MAKE_KEY_OBJECTS, MakeKeyObjects
from kinote.notes.registrar.registering_jobs import REGISTER_AGAIN, RegisterAgain
from kinote.peers.known import PeersInUse
from kinote.peers.peer import Endpoint
from kinote.scp import rooms as scp_rooms
from kinote.scp.options import ScpOptions
from kinote.scp.server import DicomServer
from kinote.security.origins import Interface, Origin
from kinote.storage.local import local_stores
from kinote.web.application import Rooms, create_application
from kinote.web.rooms import WebOptions
from tests.actors import OPEN, ORIGIN
from tests.jobs.shop import Clock, Shop, _age
from tests.laws.product import LIMIT, Client, Product
from tests.lifecycle.rejected import ARCHIVE, RULES, STRANGER
from tests.peers.known import known
from tests.scp.face import Face

#: The undo window of withdrawals, and how long after them bytes stay.
UNDO_WINDOW, PURGE_AFTER = timedelta(minutes=10), timedelta(days=1)

#: Seconds between two signs of life that never come by themselves.
_NEVER = 86_400.0

#: What the sink does not answer.
QUERIES = {STUDY_ROOT.find, STUDY_ROOT.get, STUDY_ROOT.move}

FROM_ARCHIVE, FROM_STRANGER = (Origin(Interface.C_STORE, actor) for actor in (ARCHIVE, STRANGER))

CALLING = Calling("KINOTE", NO_CERTIFICATES)

KINDS = {kind.name: kind for kind in (REGISTER_AGAIN, MAKE_KEY_OBJECTS, DELIVER, CHECK_DELIVERY)}


class Sink:
    """A peer that takes what it is sent. After `takes` objects it refuses, or with `loses_answers` ends without one."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.takes = 1000
        self.loses_answers = False
        #: Whether it says that it has stored what it throws away.
        self.forgets = False
        #: What it really keeps, by UID: the transfer syntax and the data set; and what it has said that it stored.
        self.kept: dict[str, tuple[str, bytes]] = {}
        self.answered: set[str] = set()
        self._lock = threading.Lock()

    def expect(self, takes: int = 1000, *, loses_answers: bool = False) -> None:
        with self._lock:
            self.taken, self.takes, self.loses_answers = [], takes, loses_answers

    def negotiate(self, request: AssociateRequest, caller: Caller) -> Acceptance | AssociateReject:
        service = Service(lambda proposed: proposed[0] if proposed else None)
        return answer_to(request, lambda uid: None if uid in QUERIES else service)

    def serve(self, association: Association, caller: Caller) -> None:
        while (message := association.receive()) is not None:
            request = message.command
            assert isinstance(request, CStoreRequest)
            dataset = b"".join(bytes(piece) for piece in association.data_set())
            uid = request.affected_sop_instance_uid
            with self._lock:
                is_taken = len(self.taken) < self.takes
                if is_taken or self.loses_answers:
                    self.taken.append(uid)
                    if not self.forgets:
                        self.kept[uid] = message.context.transfer_syntax, dataset
                if is_taken:
                    self.answered.add(uid)
            if not is_taken and self.loses_answers:
                association.abort()
                return
            answer = CStoreResponse(
                message_id_being_responded_to=request.message_id,
                affected_sop_class_uid=request.affected_sop_class_uid,
                affected_sop_instance_uid=request.affected_sop_instance_uid,
                status=statuses.SUCCESS if is_taken else 0xA700,
            )
            association.send(message.context, answer)

    def failed(self, caller: Caller, why: str) -> None:
        """Whoever looks whether this runs connects and says nothing."""

    def refused(self, caller: Caller, why: Refused) -> None:
        """Nobody is, with as few connections as there are."""


@contextmanager
def open_sink() -> Iterator[tuple[Sink, ApplicationEntity]]:
    """A peer that listens while the block lasts."""
    sink = Sink()
    acceptor = Acceptor([Listening("127.0.0.1", 0)], sink)
    try:
        yield sink, ApplicationEntity("SINK", *acceptor.addresses[0])
    finally:
        acceptor.close()


class LentClient(Client):
    """A client whose application is the same for all products one after the other: to make one takes a second."""

    _application: FastAPI | None = None

    def __init__(self, rooms: Rooms) -> None:
        cls = type(self)
        if cls._application is None:
            cls._application = create_application(rooms)
        cls._application.state.rooms = rooms
        self._begin(cls._application)


class SinkRecaller(Recaller):
    """Recalls from the sink, without a network in between."""

    def __init__(self, product: LivingProduct, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._product = product

    def _fetched(self, archive: Archive, endpoint: Endpoint, wanted: Wanted) -> Fetched:
        return self._product.gives(wanted)


def _gives_nothing(wanted: Wanted) -> Fetched:
    raise NotFetchedError("There is no archive")


class LivingProduct(Product):
    """A product whose time is `clock`, and whose undo windows, reaper and jobs go on when they are told to.

    `ARCHIVE` may reject here; what others reject waits for a person.
    """

    def __init__(
        self, url: str, data: Path, entities: Sequence[ApplicationEntity] = (), rules: RejectionRules = RULES
    ) -> None:
        self.clock = Clock()
        self.steady = 0.0
        self.peers = [replace(known(each), id=number) for number, each in enumerate(entities, start=1)]
        self.rules = rules
        self.delays = PurgeDelays(PURGE_AFTER)
        #: What an archive gives back.
        self.gives: Callable[[Wanted], Fetched] = _gives_nothing
        super().__init__(url, data)

    def _open(self) -> None:
        self.stores = local_stores(self.data)
        self.catalog = Catalog(self._options)
        self.recovered = recover(self.catalog, self.stores, self.clock())
        self.node = Node(self.catalog, socket.gethostname(), self.clock, every=_NEVER)
        peers = PeersInUse.only(*self.peers)
        self.ledger = Ledger(self.catalog, self.clock)
        self.door = Door(
            self.catalog,
            self.stores,
            clock=self.clock,
            make=KeyObjectMaker(self.catalog),
            recall=self._recall,
        )
        self.receiver = Receiver(
            self.catalog,
            self.stores,
            clock=self.clock,
            open_copy=self.door.open_copy,
            rejections=self.rules,
        )
        self.recaller = SinkRecaller(
            self, self.catalog, self.receiver.open, self.clock, peers, title="KINOTE", tls=NO_CERTIFICATES
        )
        self.client = LentClient(
            Rooms(
                self.catalog,
                self.receiver,
                self.door,
                WebOptions(undo_window=UNDO_WINDOW),
                clock=self.clock,
                policy=OPEN,
                purge_delays=self.delays,
                peers=peers,
                record_for=self.ledger.record_for,
                rejections=self.rules,
            )
        )
        dicom = scp_rooms.Rooms(
            self.catalog,
            self.receiver,
            self.door,
            ScpOptions(port=0),
            OPEN,
            peers,
            record_for=self.ledger.record_for,
        )
        self._server = DicomServer(dicom)
        self.face = Face(dicom, self._server)
        self.windows = UndoWindows(self.catalog, self.clock, steady=lambda: self.steady)
        self.reaper = Reaper(
            self.catalog,
            self.stores,
            self.clock,
            node=self.node.id,
            delays=self.delays,
            store_is_there=lambda store: True,
            steady=lambda: self.steady,
        )
        self.shop = Shop(self.catalog, KINDS)
        self.shop.clock = self.clock
        self.handlers: dict[str, Handler] = {
            REGISTER_AGAIN.name: RegisterAgain(self.catalog, self.door, self.clock),
            MAKE_KEY_OBJECTS.name: MakeKeyObjects(self.catalog, self.clock),
            DELIVER.name: CarryOut(self.catalog, self.door, self.shop.clock, CALLING),
            CHECK_DELIVERY.name: CheckDelivery(self.catalog, self.shop.clock, CALLING),
        }

    def _recall(self, stored: Stored) -> None:
        self.recaller(stored)

    def close(self) -> None:
        self._end()
        self.reaper.close()
        self.node.close()
        self._close_catalog()

    def _end(self) -> None:
        self._server.close()
        self.client.close()
        self.recaller.close()
        self.receiver.close()

    def _close_catalog(self) -> None:
        self.stores.close()
        self.catalog.close()

    def restart(self, *, killed: bool = False) -> None:
        """End and begin again. A killed server leaves its turn and its life in the index, and its ledger unwritten."""
        self._end()
        if killed:
            # The thread that would give signs of life ends, and says nothing.
            self.node._ending.set()
        else:
            self.ledger.write()
            self.reaper.close()
            self.node.close()
        self._close_catalog()
        self._open()

    def receive_from(self, origin: Origin, files: Sequence[bytes]) -> list[Outcome]:
        """Let a sender's files in, all handed over before waiting."""
        futures = []
        for file in files:
            upload = self.receiver.open(origin)
            upload.write(file)
            futures.append(upload.finish())
        return [future.result(LIMIT) for future in futures]

    def receive(self, files: Sequence[bytes]) -> list[Outcome]:
        return self.receive_from(ORIGIN, files)

    def pass_time(self, by: timedelta) -> None:
        """So much time passes for everything here; nobody looks yet what is due."""
        self.clock.now += by
        self.steady += by.total_seconds()
        if not self.catalog.is_sqlite:
            # Of jobs and nodes the database says what time it is.
            self.catalog.write(lambda transaction: _age_all(transaction, by))

    def sweep(self) -> None:
        """What a server does about jobs whose time has come."""
        self.shop.pass_time(timedelta(0))


def _age_all(transaction: Connection, by: timedelta) -> None:
    _age(transaction, by)
    for row in transaction.execute(select(node)).all():
        older = timestamp(datetime.fromisoformat(row.heartbeat_at) - by)
        transaction.execute(node.update().where(node.c.id == row.id).values(heartbeat_at=older))
