"""A store with studies and notes, and its deliveries, whose jobs are done by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import delivery as ledger
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.orders.account import CHECK_DELIVERY, CheckDelivery
from kinote.delivery.orders.carrying_out import CarryOut
from kinote.delivery.orders.held import held_destinations
from kinote.delivery.orders.lists import objects, one
from kinote.delivery.orders.ordering import DELIVER, Ordered, Selected, order
from kinote.delivery.orders.ways.calling import Calling
from kinote.dimse.transport.tls import TlsOptions
from kinote.holdings.door import Door
from kinote.intake.receiver import Receiver
from kinote.jobs.claiming import claim
from kinote.jobs.leased import Failed, LeasedJob, Outcome, PermanentError
from kinote.jobs.moments import moment_of
from kinote.lifecycle import acts
from kinote.lifecycle.withdrawals import withdrawal
from kinote.notes.creator.making import KeyObjectMaker
from kinote.peers import destination_acts
from kinote.peers.destination import Policy
from kinote.peers.peer import Endpoint
from kinote.storage.local import local_stores
from tests.actors import ORIGIN, ROE
from tests.clock import clock
from tests.intake.objects import image
from tests.jobs.shop import Shop
from tests.peers.wanted import added, archive, sending_to

STUDY = "1.2.3"


class Outbox:
    """Orders, and carries out by hand what was ordered."""

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        self.catalog = catalog
        self.stores = local_stores(folder / "data")
        maker = KeyObjectMaker(catalog)
        self.door = Door(catalog, self.stores, clock=clock, make=maker, look=maker.look)
        self.receiver = Receiver(catalog, self.stores, clock=clock, open_copy=self.door.open_copy)
        self.shop = Shop(catalog, {DELIVER.name: DELIVER, CHECK_DELIVERY.name: CHECK_DELIVERY})
        self.calling = Calling("KINOTE", TlsOptions())
        self.handlers: dict[str, Any] = {
            DELIVER.name: CarryOut(catalog, self.door, self.shop.clock, self.calling),
            CHECK_DELIVERY.name: CheckDelivery(catalog, self.shop.clock, self.calling),
        }

    def close(self) -> None:
        self.receiver.close()
        self.stores.close()

    def receive(self, *files: bytes) -> None:
        for data in files:
            upload = self.receiver.open(ORIGIN)
            upload.write(data)
            outcome = upload.finish().result(60)
            assert outcome.kind == "stored", outcome

    def images(self, number: int, first: int = 1) -> list[str]:
        self.receive(*(image(each) for each in range(first, first + number)))
        return [f"1.2.3.4.{each}" for each in range(first, first + number)]

    def destination(self, endpoint: Endpoint, name: str = "Archive", policy: Policy | None = None) -> int:
        (reached,) = added(self.catalog, archive(name, endpoint)).endpoints
        wanted = sending_to(reached, name, policy)
        return self.catalog.write(
            lambda transaction: destination_acts.add_destination(transaction, wanted, clock(), by=ROE)
        ).id

    def order(self, destination: int, *studies: str, **options: Any) -> Ordered:
        selected = options.pop("selected", Selected(studies=studies or (STUDY,)))
        return self.catalog.write(
            lambda transaction: order(
                transaction, destination, selected, by=ROE, clock=self.shop.clock, **options
            )
        )

    def withdraw(self, *uids: str) -> None:
        self.catalog.write(
            lambda transaction: withdrawal.withdraw(
                transaction, list(uids), act=acts.QUALITY, text="blurred", by=ROE, now=clock()
            )
        )

    def claim(self) -> LeasedJob | None:
        def claiming(transaction: Connection) -> Any:
            now = moment_of(transaction, self.shop.clock)
            held = held_destinations(self.shop.clock)
            return claim(transaction, self.shop.kinds, self.shop.turns, "w", now, held)

        claimed = self.catalog.write(claiming)
        if claimed is None:
            return None
        return LeasedJob(self.catalog, self.shop.clock, self.shop.kinds[claimed.kind], claimed)

    def step(self) -> Outcome | Failed | None:
        """Do the next job; gives what came of it, None where there is none to be done now."""
        job = self.claim()
        if job is None:
            return None
        outcome: Outcome | Failed
        try:
            outcome = self.handlers[job.kind.name](job)
        except PermanentError as error:
            outcome = Failed(str(error), for_good=True)
        except Exception as error:
            outcome = Failed(str(error))
        self.catalog.write(partial(job.settle, outcome=outcome, chance=0.0))
        return outcome

    def carry_out(self, attempts: int = 30) -> list[Outcome | Failed]:
        """Do all that is there now."""
        found: list[Outcome | Failed] = []
        while (outcome := self.step()) is not None and len(found) < attempts:
            found.append(outcome)
        return found

    def pass_time(self, by: timedelta = timedelta(hours=2)) -> None:
        self.shop.pass_time(by)

    def one(self, key: int) -> dict[str, Any]:
        with self.catalog.read() as connection:
            return one(connection, key, clock=self.shop.clock)

    def account(self, key: int) -> tuple[str, dict[str, Any]]:
        """The state of a delivery, and its account but for what is none or unknown."""
        found = self.one(key)
        return found["state"], {name: value for name, value in found["account"].items() if value}

    def objects(self, key: int) -> dict[str, str]:
        with self.catalog.read() as connection:
            return {
                each["sop_instance_uid"]: each["state"]
                for each in objects(connection, key, None, after=None, limit=10_000)
            }

    def ledger(self) -> dict[str, str]:
        with self.catalog.read() as connection:
            rows = connection.execute(select(ledger.c.sop_instance_uid, ledger.c.state))
            return {row.sop_instance_uid: row.state for row in rows}


@contextmanager
def outbox(catalog: Catalog, folder: Path) -> Iterator[Outbox]:
    opened = Outbox(catalog, folder)
    try:
        yield opened
    finally:
        opened.close()
