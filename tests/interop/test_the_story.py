"""The fault of the system that Kinote replaces, played again: a job dies, and nothing else follows of it.

There, objects that were marked for deletion vanished from the screen when a job that registered or created a key object
had failed. They were never deleted, and were sent on, so that the counts of other systems differed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pydicom
import pytest
from sqlalchemy import text

from kinote.dicom.dictionary.transfer_syntaxes import IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking
from kinote.dimse.commands import CMoveResponse
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.information_models import STUDY_ROOT
from kinote.notes.creator.making_jobs import MAKE_KEY_OBJECTS, make_in_background
from kinote.notes.registrar.registering_jobs import REGISTER_AGAIN, register_found
from kinote.scp.options import ScpOptions
from tests.interop.dcmtk import storescp
from tests.interop.own_network import own_network
from tests.laws.arrivals import FIRST, Image, KeyObject, image_uid
from tests.laws.living_product import LivingProduct
from tests.scp.face import Face, face
from tests.scp.requests import encoded, request

DCMTK = ApplicationEntity("STORESCP", "127.0.0.1", 11115)

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Scene:
    """A Kinote, a second one, and the folder in which a receiver of DCMTK keeps what comes."""

    product: LivingProduct
    second: Face
    received: Path

    def note(self, *numbers: int) -> dict[str, Any]:
        body = {
            "title": {"scheme": "DCM", "value": "113000"},
            "description": f"of {numbers}",
            "author": {"name": "Doe^Jane"},
            "references": [{"sop_instance_uid": image_uid(FIRST, number)} for number in numbers],
        }
        answer = self.product.client.post(f"/api/v1/studies/{FIRST}/notes", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def marked_for_deletion(self, note: dict[str, Any]) -> str:
        """Withdraw a note; gives the UID of its key object."""
        answer = self.product.client.request("DELETE", f"/api/v1/notes/{note['id']}?reason=mistaken")
        assert answer.status_code == 200, answer.text
        return str(note["key_objects"][0]["sop_instance_uid"])

    def job_dies(self, kind: str) -> None:
        """Each of its workers is killed, until there are no attempts left."""
        for _ in range(100):
            (row,) = [row for row in self.product.shop.rows() if row.kind == kind]
            if row.state == "dead":
                return
            self.product.shop.claim("killed")
            self.product.pass_time(timedelta(hours=2))
            self.product.sweep()
        raise AssertionError("The job does not die")

    def reaper_runs(self) -> None:
        for _ in range(3):
            self.product.pass_time(DAY)
            self.product.windows.step()
            self.product.reaper.step()

    def move(self, destination: str) -> CMoveResponse:
        with self.product.face.called((STUDY_ROOT.move, (IMPLICIT_VR_LITTLE_ENDIAN,))) as association:
            asked = encoded(request("STUDY", StudyInstanceUID=FIRST), IMPLICIT_VR_LITTLE_ENDIAN)
            return list(invoking.move(association, STUDY_ROOT.move, destination, asked))[-1]

    def live(self) -> set[str]:
        account = self.product.get(f"/api/v1/studies/{FIRST}/account")
        found = set(account["by_standing"]["live"]["sop_instance_uids"])
        assert len(found) == account["stored_instance_count"] == self._counted_by_query()
        return found

    def _counted_by_query(self) -> int:
        (study,) = self.product.get("/dicomweb/studies", StudyInstanceUID=FIRST)
        return int(study["00201208"]["Value"][0])

    def at_the_second(self) -> set[str]:
        rooms = self.second.rooms
        with rooms.catalog.read() as connection:
            return {each.sop_instance_uid for each in rooms.door.find(connection, FIRST)}

    def at_dcmtk(self) -> set[str]:
        files = [path for path in self.received.rglob("*") if path.is_file()]
        return {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in files}

    def is_gone(self, uid: str) -> bool:
        (row,) = self.product.rows(
            "SELECT i.standing, i.residence, i.file_key, b.instance AS has_bytes FROM instance i "
            "LEFT JOIN instance_bytes b ON b.instance = i.id WHERE i.sop_instance_uid = :uid",
            uid=uid,
        )
        return (row.standing, row.residence, row.file_key, row.has_bytes) == ("purged", "none", None, None)

    def dead_jobs(self) -> list[Any]:
        """What people see of them."""
        return [row for row in self.product.shop.rows() if row.state == "dead"]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with own_network(), _opened(tmp_path) as opened:
        yield opened


@contextmanager
def _opened(folder: Path) -> Iterator[Scene]:
    with (
        storescp(folder / "dcmtk", DCMTK) as received,
        face(folder / "second", ScpOptions(port=0, titles=("SECOND",))) as second,
    ):
        data = folder / "first"
        data.mkdir()
        product = LivingProduct(f"sqlite:///{data / 'kinote.sqlite'}", data, [second.entity("SECOND"), DCMTK])
        try:
            yield Scene(product, second, received)
        finally:
            product.close()


def _sent_everywhere(scene: Scene) -> None:
    """Counts agree at both, and nothing came there that is not live."""
    live = scene.live()
    for destination, arrived in (("SECOND", scene.at_the_second), ("STORESCP", scene.at_dcmtk)):
        answer = scene.move(destination)
        # The second Kinote takes what it does not understand with a warning.
        assert ((answer.completed or 0) + (answer.warning or 0), answer.failed) == (len(live), 0)
        assert arrived() == live, destination


def test_a_job_that_dies_registering_hides_nothing_and_keeps_nothing(scene: Scene) -> None:
    product = scene.product
    from_elsewhere = KeyObject(FIRST, 1, (), broken=True)
    outcomes = product.receive([Image(FIRST, 1).file, Image(FIRST, 2).file, from_elsewhere.file])
    assert [outcome.kind for outcome in outcomes] == ["stored"] * 3
    product.catalog.write(
        lambda transaction: register_found(transaction, "error", "", actor="somebody", clock=product.clock)
    )
    scene.job_dies(REGISTER_AGAIN.name)
    kept, marked = scene.note(1), scene.note(1, 2)
    gone = scene.marked_for_deletion(marked)
    scene.reaper_runs()
    assert scene.is_gone(gone)
    assert gone not in scene.live()
    assert {from_elsewhere.uid, kept["key_objects"][0]["sop_instance_uid"]} <= scene.live()
    _sent_everywhere(scene)
    # It is plainly visible on the page of its study, with the reason; and so is the dead job.
    shown = product.items(f"studies/{FIRST}/notes")
    (placeholder,) = [each for each in shown if each["title"] is None]
    assert placeholder["key_objects"][0]["sop_instance_uid"] == from_elsewhere.uid
    assert any(each["severity"] == "error" and each["text"] for each in placeholder["findings"])
    (dead,) = scene.dead_jobs()
    assert "stopped responding" in dead.reason
    assert product.items("jobs", state="dead")[0]["reason"] == dead.reason


def _derivable(scene: Scene, uid: str, **values: str) -> None:
    """As an import of notes leaves it: a row that determines the bytes, and no bytes."""

    def work(transaction: Any) -> None:
        (key,) = transaction.execute(
            text("SELECT id FROM instance WHERE sop_instance_uid = :uid"), {"uid": uid}
        ).scalars()
        transaction.execute(text("DELETE FROM instance_bytes WHERE instance = :id"), {"id": key})
        transaction.execute(
            text("UPDATE instance SET residence = 'derivable', digest = NULL, size = NULL WHERE id = :id"),
            {"id": key},
        )
        for column, value in values.items():
            transaction.execute(
                text(f"UPDATE key_object SET {column} = :value WHERE instance = :id"),  # noqa: S608
                {"id": key, "value": value},
            )

    scene.product.catalog.write(work)


def _with_a_job_that_dies_creating(scene: Scene, **values: str) -> str:
    """A note of which the bytes are still to be made, the job for it, and one that is marked for deletion."""
    product = scene.product
    product.receive([Image(FIRST, 1).file, Image(FIRST, 2).file])
    migrated = scene.note(1)["key_objects"][0]["sop_instance_uid"]
    _derivable(scene, migrated, **values)
    make_in_background(product.catalog, product.clock)
    scene.job_dies(MAKE_KEY_OBJECTS.name)
    scene.note(2)
    gone = scene.marked_for_deletion(scene.note(1, 2))
    scene.reaper_runs()
    assert scene.is_gone(gone)
    assert gone not in scene.live()
    assert migrated in scene.live()
    (dead,) = scene.dead_jobs()
    assert dead.reason
    return str(migrated)


def test_a_job_that_dies_creating_hides_nothing_and_keeps_nothing(scene: Scene) -> None:
    """The bytes are made when they are needed, so that the counts agree although the job is dead."""
    migrated = _with_a_job_that_dies_creating(scene)
    _sent_everywhere(scene)
    assert migrated in scene.at_dcmtk()


def test_what_cannot_be_created_is_told_and_not_only_left_out(scene: Scene) -> None:
    """No bytes can ever be made: the counts differ by this one object, and everybody is told which it is, and why."""
    migrated = _with_a_job_that_dies_creating(scene, made_from='{"writer": 1}')
    live = scene.live()
    for destination, arrived in (("SECOND", scene.at_the_second), ("STORESCP", scene.at_dcmtk)):
        answer = scene.move(destination)
        assert (answer.completed, answer.failed) == (len(live) - 1, 1)
        assert answer.status == 0xB000
        assert arrived() == live - {migrated}, destination
    (note,) = [
        each
        for each in scene.product.items(f"studies/{FIRST}/notes")
        if each["key_objects"][0]["sop_instance_uid"] == migrated
    ]
    assert note["standing"] == "live"
    (finding,) = note["findings"]
    assert (finding["code"], finding["severity"]) == ("NOT_MADE", "error")
    assert "version 1 of the writer" in finding["text"]
    (explained,) = scene.product.items(f"instances/{migrated}/explain")
    assert finding in explained["findings"]
