"""Laws 6 and 8 under SIGKILL: what was acknowledged is there, whole, and nothing else is left behind."""

from __future__ import annotations

import contextlib
import io
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import instance, instance_bytes, owed_removal
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.files.part10 import find_dataset
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import DimseError
from kinote.dimse.invoking import store
from kinote.dimse.statuses import SUCCESS
from kinote.keyobject.model import Reference
from kinote.keyobject.writer import encode_file
from kinote.lifecycle import counts
from kinote.storage.local import local_stores
from tests.command_line import kinote
from tests.intake.objects import CT, image
from tests.kept_bytes import kept_places
from tests.keyobject.documents import document
from tests.keyobject.documents import instance as flagged
from tests.laws.life import Life
from tests.laws.living_product import LivingProduct, open_sink
from tests.running_server import RunningServer
from tests.scale import SCALE
from tests.walked import digest_of_data_set

SENDERS = 10


class Sender(threading.Thread):
    """Sends images and key objects until the server is gone; remembers what was acknowledged."""

    def __init__(self, first: int) -> None:
        super().__init__(daemon=True)
        self.acknowledged: dict[str, str] = {}
        self._first = first


class WebSender(Sender):
    """By STOW-RS."""

    def __init__(self, url: str, first: int) -> None:
        super().__init__(first)
        self._url = url

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            for number in range(self._first, self._first + 100_000):
                uid, data = an_object(number)
                try:
                    answer = client.post(
                        "/dicomweb/studies", content=data, headers={"Content-Type": "application/dicom"}
                    )
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    self.acknowledged[uid] = digest(data)


class DicomSender(Sender):
    """By C-STORE."""

    def __init__(self, port: int, first: int) -> None:
        super().__init__(first)
        self._peer = ApplicationEntity("KINOTE", "127.0.0.1", port)

    def run(self) -> None:
        syntaxes = (EXPLICIT_VR_LITTLE_ENDIAN,)
        proposal = Proposal([(CT, syntaxes), (KEY_OBJECT_SELECTION, syntaxes)])
        # The end of the server is that of the association.
        with contextlib.suppress(DimseError), association(self._peer, "TESTER", proposal) as opened:
            for number in range(self._first, self._first + 100_000):
                uid, file = an_object(number)
                context = opened.context_for(CT if number % 3 else KEY_OBJECT_SELECTION)
                assert context is not None
                data = io.BytesIO(file)
                assert find_dataset(data) == EXPLICIT_VR_LITTLE_ENDIAN
                if store(opened, context, uid, data.read()).status == SUCCESS:
                    self.acknowledged[uid] = digest(file)


class Person(threading.Thread):
    """Makes a note of what has been acknowledged, and withdraws some of it, until the server is gone."""

    def __init__(self, url: str, senders: Sequence[Sender], chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.notes: list[int] = []
        self.withdrawn: list[str] = []
        self._url = url
        self._senders = senders
        self._chance = chance

    def run(self) -> None:
        with contextlib.suppress(httpx.HTTPError), httpx.Client(base_url=self._url, timeout=60) as client:
            while True:
                known = [uid for sender in self._senders for uid in list(sender.acknowledged)]
                images = [uid for uid in known if uid.startswith("1.2.3.4.")]
                if not images:
                    time.sleep(0.01)
                    continue
                self._make(client, self._chance.choice(images))
                self._withdraw(client, self._chance.choice(known))

    def _make(self, client: httpx.Client, uid: str) -> None:
        explained = client.get(f"/api/v1/instances/{uid}/explain").json()["items"][0]
        note = {
            "title": {"scheme": "DCM", "value": "113000"},
            "description": "made under fire",
            "references": [{"sop_instance_uid": uid}],
        }
        answer = client.post(f"/api/v1/studies/{explained['study_instance_uid']}/notes", json=note)
        if answer.status_code == 201:
            self.notes.append(answer.json()["id"])

    def _withdraw(self, client: httpx.Client, uid: str) -> None:
        body = {"act": "quality", "text": "a reason", "instances": [uid]}
        if client.post("/api/v1/withdrawals", json=body).status_code == 201:
            self.withdrawn.append(uid)


def wait_for_all(senders: Sequence[Sender]) -> None:
    """Until each has had an acknowledgement."""
    deadline = time.monotonic() + 60
    while not all(sender.acknowledged for sender in senders):
        assert time.monotonic() < deadline, "the senders do not get on"
        time.sleep(0.01)


def an_object(number: int) -> tuple[str, bytes]:
    if number % 3:
        return f"1.2.3.4.{number}", image(number, rows=16 + number % 64)
    source = document(Reference(flagged(number + 1)), description=f"Note {number}")
    uid = f"1.2.3.50.{number}"
    return uid, encode_file(replace(source, context=replace(source.context, sop_instance_uid=uid)))


def digest(data: bytes) -> str:
    return digest_of_data_set(data)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_law_6_and_8_kills_lose_nothing_that_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under sending, making, withdrawing and purging."""
    monkeypatch.setenv("KINOTE_PURGE_AFTER", "0")
    monkeypatch.setenv("KINOTE_UNDO_SECONDS", "1")
    chance = random.Random(20261124)
    data = tmp_path / "data"
    acknowledged: dict[str, str] = {}
    withdrawn: set[str] = set()
    notes: set[int] = set()
    for round_number in range(SCALE.kills):
        # In turns without and with a receiver process.
        server = RunningServer(data, receivers=round_number % 2)
        (port,) = server.dicom_ports()
        firsts = [1 + (round_number * SENDERS + number) * 100_000 for number in range(SENDERS)]
        senders: list[Sender] = [
            WebSender(server.url, first) if number % 2 else DicomSender(port, first)
            for number, first in enumerate(firsts)
        ]
        for sender in senders:
            sender.start()
        wait_for_all(senders)
        person = Person(server.url, senders, chance)
        person.start()
        threading.Event().wait(chance.uniform(0, 2))
        server.kill()
        for sender in senders:
            sender.join(60)
            acknowledged |= sender.acknowledged
        person.join(60)
        withdrawn |= set(person.withdrawn)
        notes |= set(person.notes)
    server = RunningServer(data)
    server.stop()
    assert len(acknowledged) >= SENDERS * SCALE.kills
    assert withdrawn
    assert notes
    check_store(data, acknowledged)
    check_acts(data, withdrawn, notes)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_law_6_and_8_a_kill_at_any_commit_leaves_what_the_laws_say(tmp_path: Path) -> None:
    """Under sending, making, withdrawing, rejecting and purging; jobs end afterwards, and what is marked goes."""
    done = kinote(
        tmp_path / "lives", str(SCALE.each_commit), cwd=tmp_path, module="tests.laws.killed_at_commits"
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    assert "commits" in done.stdout


def check_store(data: Path, acknowledged: dict[str, str]) -> None:
    catalog = Catalog(CatalogOptions(f"sqlite:///{data / 'kinote.sqlite'}"))
    stores = local_stores(data)
    try:
        with catalog.read() as connection:
            assert counts.differences(connection) == []
            rows = connection.execute(
                select(
                    instance.c.sop_instance_uid,
                    instance.c.digest,
                    instance.c.store,
                    instance.c.file_key,
                    instance.c.dataset_offset,
                    instance.c.residence,
                    instance_bytes.c.dataset,
                ).outerjoin(instance_bytes, instance_bytes.c.instance == instance.c.id)
            ).all()
            owed = {(row.store, row.key) for row in connection.execute(select(owed_removal))}
        stored = {row.sop_instance_uid: row.digest for row in rows}
        assert acknowledged.items() <= stored.items()
        kept = {(row.store, row.file_key) for row in rows if row.file_key}
        assert kept <= kept_places(stores) <= kept | owed
        for row in rows:
            if row.residence == "none":
                assert row.file_key is row.dataset is None
            elif row.file_key:
                with stores.open(row.store, row.file_key) as file:
                    assert digest(file.read()) == row.digest
            else:
                assert row.dataset
    finally:
        stores.close()
        catalog.close()


def check_acts(data: Path, withdrawn: set[str], notes: set[int]) -> None:
    """What was withdrawn is out of use, notes are there, each job ends, and what is marked goes."""
    with open_sink() as (sink, entity):
        product = LivingProduct(f"sqlite:///{data / 'kinote.sqlite'}", data, [entity])
        try:
            product.clock.now = datetime.now(UTC)
            life = Life(product, sink)
            live = set(life.rows.live)
            assert not live & withdrawn
            assert notes <= {row.id for row in product.rows("SELECT id FROM note")}
            life.end()
        finally:
            product.close()
