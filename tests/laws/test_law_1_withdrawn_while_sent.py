"""Law 1: an object that is withdrawn after it was found, and before its bytes are opened, does not leave.

On every interface that hands out bytes. The moment in between is arranged by a door whose look-ups are followed by the
withdrawal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from sqlalchemy import bindparam

from kinote.catalog.schema.tables import instance
from kinote.catalog.sql.statements import FindOne
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.command.network.named_objects import Named, named_objects
from kinote.command.store.client import Client
from kinote.command.store.in_process import answered_here
from kinote.delivery import transmit
from kinote.dimse.transport.tls import TlsOptions
from kinote.holdings import door as door_module
from kinote.holdings.door import Door
from kinote.holdings.stored import stored_bytes
from kinote.intake.receiver import Receiver
from kinote.peers.known import PeersInUse
from kinote.peers.reaching.calling import Caller
from kinote.scp import rooms as scp_rooms
from kinote.scp.options import ScpOptions
from kinote.scp.server import DicomServer
from kinote.storage.local import local_stores
from kinote.web.application import Rooms, create_application
from tests.actors import OPEN, ORIGIN
from tests.clock import clock
from tests.databases import new_sqlite_index
from tests.peers.known import known
from tests.scp.face import Face, face
from tests.scp.test_services import got, moved, withdraw
from tests.web.objects import INSTANCES, SERIES, STUDY, as_file, image
from tests.web.test_retrieve import dataset_of, parts

WITHDRAWN = f"{SERIES}.2"
OTHERS = [f"{SERIES}.1", f"{SERIES}.3"]


class WithdrawnOnceFound(Door):
    """A door by which, once `is_due`, the object is withdrawn right after it was found."""

    is_due = False

    def find(self, *arguments: Any, **options: Any) -> Any:
        return self._then_withdraw(super().find(*arguments, **options))

    def find_instance(self, *arguments: Any, **options: Any) -> Any:
        return self._then_withdraw(super().find_instance(*arguments, **options))

    def select(self, *arguments: Any, **options: Any) -> Any:
        return self._then_withdraw(super().select(*arguments, **options))

    def _then_withdraw(self, found: Any) -> Any:
        objects = found if isinstance(found, list) else [found]
        if self.is_due and WITHDRAWN in [each.sop_instance_uid for each in objects]:
            self.is_due = False
            self._catalog.write(lambda transaction: withdraw(transaction, WITHDRAWN))
        return found


class Product:
    """Three images in one series, the second flagged by a note; both interfaces, and another entity to send to."""

    def __init__(self, catalog: Catalog, door: WithdrawnOnceFound, receiver: Receiver, other: Face) -> None:
        self.catalog = catalog
        self.door = door
        self.other = other
        self.rooms = Rooms(catalog, receiver, door, clock=clock, policy=OPEN)
        options = ScpOptions(port=0)
        self.scp = scp_rooms.Rooms(
            catalog, receiver, door, options, OPEN, PeersInUse.only(known(other.entity("OTHER")))
        )

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(create_application(self.rooms))

        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **options)

        with start_blocking_portal() as portal:
            return portal.call(asked)

    @contextmanager
    def face(self) -> Iterator[Face]:
        server = DicomServer(self.scp)
        try:
            yield Face(self.scp, server)
        finally:
            server.close()


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    catalog = Catalog(CatalogOptions(new_sqlite_index(tmp_path / "index.db")))
    stores = local_stores(tmp_path / "data")
    receiver = Receiver(catalog, stores, clock=clock)
    with face(tmp_path / "other", ScpOptions(port=0, titles=("OTHER",))) as other:
        opened = Product(catalog, WithdrawnOnceFound(catalog, stores, clock=clock), receiver, other)
        for number in (1, 2, 3):
            upload = receiver.open(ORIGIN)
            upload.write(as_file(image(number)))
            assert upload.finish().result(60).kind == "stored"
        yield opened
    receiver.close()
    catalog.close()


def one(resource: str) -> Callable[[Product], list[str]]:
    """A resource of the one instance: it is sent, or unknown."""

    def sent(product: Product) -> list[str]:
        product.door.is_due = True
        answer = product.request("GET", f"{INSTANCES}/{WITHDRAWN}{resource}")
        assert answer.status_code in (200, 404), answer.text
        return [*OTHERS, *([WITHDRAWN] if answer.status_code == 200 else [])]

    return sent


def by_multipart(product: Product) -> list[str]:
    product.door.is_due = True
    answer = product.request("GET", f"/dicomweb/studies/{STUDY}")
    assert answer.status_code == 200
    return [str(dataset_of(file).SOPInstanceUID) for _, file in parts(answer)]


def by_metadata(product: Product) -> list[str]:
    product.door.is_due = True
    answer = product.request("GET", f"/dicomweb/studies/{STUDY}/metadata")
    return [each["00080018"]["Value"][0] for each in answer.json()]


def by_get(product: Product) -> list[str]:
    product.door.is_due = True
    with product.face() as opened:
        answers, received = got(opened, StudyInstanceUID=STUDY)
    assert (answers[-1].status, answers[-1].failed) == (0, 0)
    return [*received]


def by_move(product: Product) -> list[str]:
    product.door.is_due = True
    with product.face() as opened:
        assert moved(opened, "OTHER", PatientID="P1").status == 0
    return arrived(product)


def by_send(product: Product) -> list[str]:
    product.door.is_due = True
    with answered_here(create_application(product.rooms)) as transport:
        store = Client("http://localhost", transport)
        objects = named_objects(store, Named(studies=(STUDY,)))
        for each in transmit.send_objects(
            Caller(product.other.entity("OTHER"), "TESTER", TlsOptions()), objects
        ):
            assert each.sent is not None
            assert each.sent.kind in ("completed", "gone")
        store.close()
    return arrived(product)


def arrived(product: Product) -> list[str]:
    with product.other.rooms.catalog.read() as connection:
        return [each.sop_instance_uid for each in product.other.rooms.door.find(connection, STUDY)]


def by_summary(product: Product) -> list[str]:
    title = {"scheme": "DCM", "value": "113000"}
    asked = {"title": title, "description": "", "references": [{"sop_instance_uid": WITHDRAWN}]}
    made = product.request("POST", f"/api/v1/studies/{STUDY}/notes", json=asked)
    assert made.status_code == 201, made.text
    product.door.is_due = True
    shown = product.request("GET", f"{made.headers['location']}/rendered")
    return [*OTHERS, *([WITHDRAWN] if "<img" in shown.text else [])]


INTERFACES = {
    "WADO-RS, one instance": one("?accept=application/dicom"),
    "WADO-RS, one instance in multipart": one(""),
    "WADO-RS, study": by_multipart,
    "frames": one("/frames/1"),
    "rendered": one("/rendered"),
    "rendered frame": one("/frames/1/rendered"),
    "thumbnail": one("/thumbnail"),
    "bulk data": one("/bulkdata/7FE00010"),
    "C-GET": by_get,
    "C-MOVE": by_move,
    "kinote send": by_send,
    "summary": by_summary,
}


@pytest.mark.parametrize("interface", INTERFACES)
def test_law_1_what_is_withdrawn_once_it_was_found_does_not_leave(product: Product, interface: str) -> None:
    assert sorted(INTERFACES[interface](product)) == OTHERS
    assert not product.door.is_due


@pytest.mark.parametrize("interface", INTERFACES)
def test_breach_of_law_1_what_was_live_once_leaves_and_is_noticed(
    product: Product, monkeypatch: pytest.MonkeyPatch, interface: str
) -> None:
    around = FindOne(stored_bytes(instance).where(instance.c.id == bindparam("id")))
    monkeypatch.setattr(door_module, "_LIVE_BYTES", around)
    assert sorted(INTERFACES[interface](product)) == sorted([*OTHERS, WITHDRAWN])


def test_law_1_metadata_drop_what_is_withdrawn_once_it_was_found(product: Product) -> None:
    assert by_metadata(product) == OTHERS
