"""Every odd document of the field comes to a running product by every face, on every database.

What becomes of it stands in the table of variants. All rows go into one product: each under UIDs of its own and of a
patient of its own, so that none has to do with another.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kinote.dimse.invoking import store
from kinote.intake.importing import import_sources, local_sink
from kinote.keyobject.findings import RULES
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.media.sources import sources
from kinote.scp import rooms as scp_rooms
from kinote.scp.server import DicomServer
from tests.actors import OPEN, ORIGIN, ROE
from tests.databases import PostgresServer, new_sqlite_index
from tests.keyobject.documents import KEY_OBJECT
from tests.keyobject.variants.table import VARIANTS
from tests.keyobject.variants.variant import FACES, SOP, Face, Fate, Variant, placed, placed_uid
from tests.laws.product import Json, Product
from tests.scp.face import OPTIONS
from tests.scp.face import Face as DicomFace
from tests.web.objects import multipart

#: Status of C-STORE and Warning Reason of STOW-RS for what is kept with a reservation (PS3.4 Table B.2-1).
SUCCESS, NOT_AS_SENT, NOT_UNDERSTOOD = 0, 0xB000, 0xB007


class Running:
    """A product with its faces open, and what is sent to it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.product = Product(url, folder / "data")
        rooms = scp_rooms.Rooms(self.product.catalog, self.product.receiver, self.product.door, OPTIONS, OPEN)
        self._server = DicomServer(rooms)
        self._dicom = DicomFace(rooms, self._server)

    def close(self) -> None:
        self._server.close()
        self.product.close()

    def prepare(self, row: Variant, number: int) -> None:
        """What must be there before the row comes."""
        self.let_in(row.before, number)
        if row.withdrawn:
            uids = [placed_uid(uid, number) for uid in row.withdrawn]
            now = datetime.now(UTC)
            self.product.catalog.write(
                lambda transaction: withdraw(transaction, uids, act=QUALITY, text="", by=ROE, now=now)
            )

    def let_in(self, files: tuple[bytes, ...], number: int) -> None:
        for outcome in self.product.receive([placed(file, number) for file in files]):
            assert outcome.kind == "stored"

    def send(self, face: Face, row: Variant, number: int) -> Answer:
        return {"C-STORE": self._store, "STOW-RS": self._stow, "import": self._import}[face](row, number)

    def _store(self, row: Variant, number: int) -> Answer:
        with self._dicom.called((row.sop_class, (row.syntax,))) as association:
            context = association.context_for(row.sop_class)
            assert context is not None
            answer = store(association, context, placed_uid(SOP, number), row.placed(number))
        return Answer(answer.status)

    def _stow(self, row: Variant, number: int) -> Answer:
        body, headers = multipart([row.file(number)])
        answer = self.product.client.post("/dicomweb/studies", content=body, headers=headers)
        told = answer.json()
        for sequence, element in (
            ("00081199", "00081196"),
            ("00081198", "00081197"),
            ("0008119A", "00081197"),
        ):
            for item in told.get(sequence, {}).get("Value", ()):
                return Answer(item[element]["Value"][0] if element in item else SUCCESS, answer.status_code)
        raise AssertionError(told)

    def _import(self, row: Variant, number: int) -> Answer:
        folder = self.folder / f"import-{number}"
        folder.mkdir()
        (folder / "IM000001").write_bytes(row.file(number))
        (imported,) = import_sources(sources([folder]), local_sink(self.product.receiver, ORIGIN))
        outcome = imported.outcome
        return Answer(outcome.status or outcome.warning or SUCCESS, kind=outcome.kind)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a face says: the status of C-STORE or reason of STOW-RS, its HTTP status, the kind of an import."""

    status: int
    http: int = 0
    kind: str = ""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("variants")
    if request.param == "sqlite":
        url = new_sqlite_index(folder / "kinote.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgresql_server")
        template = request.getfixturevalue("postgresql_template")
        url = server.create(f"kinote_{uuid.uuid4().hex}", template=template)
    opened = Running(url, folder)
    yield opened
    opened.close()


BEGUN = datetime.now(UTC)

NUMBERS = {
    (row.id, face): number for number, (row, face) in enumerate((r, f) for r in VARIANTS for f in FACES)
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("row", VARIANTS, ids=[row.id for row in VARIANTS])
def test_what_becomes_of_an_odd_document(running: Running, row: Variant, face: Face) -> None:
    number, fate = NUMBERS[row.id, face], row.fates[face]
    running.prepare(row, number)
    answer = running.send(face, row, number)
    assert answer == expected_answer(row, fate, face, number)
    hold_stored(running.product, row, fate, number)
    if fate.kind == "stored":
        hold_note(running.product, row, fate, number, row.statuses, settled=not row.after)
        if row.after:
            running.let_in(row.after, number)
            hold_note(running.product, row, fate, number, row.statuses_after, settled=True)
        hold_again(running.product, row, fate, number)


def expected_answer(row: Variant, fate: Fate, face: Face, number: int) -> Answer:
    status = {"refused": fate.status, "held": NOT_AS_SENT}.get(fate.kind, SUCCESS)
    if fate.kind in ("stored", "known") and registration(row, fate) == "unreadable":
        status = NOT_UNDERSTOOD
    if face == "STOW-RS":
        # Nothing stored is 409, and 400 where nothing could even be named (PS3.18 Table 10.5.3-1).
        is_named = placed_uid(SOP, number).encode() in row.file(number)
        return Answer(status, {"refused": 409 if is_named else 400}.get(fate.kind, 202 if status else 200))
    return Answer(status, kind=fate.kind if face == "import" else "")


def registration(row: Variant, fate: Fate) -> str | None:
    """What is made of it; None for what is no key object."""
    severities = {RULES[code].severity for code in row.codes | fate.codes}
    if row.sop_class != KEY_OBJECT:
        return None
    if "error" in severities:
        return "unreadable"
    return "registered with findings" if "warning" in severities else "registered"


def hold_stored(product: Product, row: Variant, fate: Fate, number: int) -> None:
    """Standing, registration and findings, as the administrator is told."""
    told = product.get(f"/api/v1/instances/{placed_uid(SOP, number)}/explain")
    copies = told["items"] if told else []
    assert len(copies) == {"refused": 0, "stored": 1, "known": 1, "held": 2}[fate.kind]
    if fate.kind == "held":
        assert copies[1]["standing"] == "held"
        assert copies[1]["registration"] is None
    if fate.kind == "stored":
        (copy,) = copies
        assert copy["standing"] == "live"
        assert copy["registration"] == registration(row, fate)
        found = {item["code"] for item in copy["findings"]}
        assert found == (set() if row.sop_class != KEY_OBJECT else row.codes | row.infos | fate.codes)
    assert all(copy["standing"] == "live" for copy in copies[:1])


def hold_again(product: Product, row: Variant, fate: Fate, number: int) -> None:
    """Read again by the same reader, it is what it was when it came."""
    answer = product.client.post(f"/api/v1/instances/{placed_uid(SOP, number)}/register")
    if row.sop_class != KEY_OBJECT:
        assert answer.status_code == 409
        return
    became = answer.json()
    assert (became["registration"], became["changed"]) == (registration(row, fate), False)
    hold_stored(product, row, fate, number)


def hold_note(
    product: Product,
    row: Variant,
    fate: Fate,
    number: int,
    statuses: tuple[str, ...] | None,
    *,
    settled: bool,
) -> None:
    """What the study shows: the note with what it flags, or a placeholder that says why there is none."""
    shown = [each for each in _everything(product, number) if _carries(each, number)]
    made = registration(row, fate)
    if made is None:
        assert shown == []
        return
    (item,) = shown
    found = {each["code"] for each in item["findings"]}
    if made == "unreadable":
        assert (item["title"], item["references"]) == (None, [])
        assert found == row.codes | row.infos | fate.codes
        return
    assert item["title"] is not None
    assert item["key_objects"][0]["registration"] == made
    noted = row.noted if settled else row.noted & {"REJECTION_NOT_AUTHORISED"}
    assert found == row.codes | row.infos | fate.codes | noted
    told = tuple(each["status"] for each in item["references"])
    assert told == (statuses or ("pending",) * row.references)
    if row.created:
        assert item["created"] == row.created
    else:
        assert datetime.fromisoformat(item["created"]) >= BEGUN
    if row.frames is not None and settled:
        assert tuple(tuple(each["frames"]) for each in item["references"]) == row.frames


def _everything(product: Product, number: int) -> list[Json]:
    (copy,) = product.items(f"instances/{placed_uid(SOP, number)}/explain")
    return product.items(f"studies/{copy['study_instance_uid']}/notes", all="true")


def _carries(note: Json, number: int) -> bool:
    return any(each["sop_instance_uid"] == placed_uid(SOP, number) for each in note["key_objects"])
