"""Key objects of migrated notes leave by C-GET and C-MOVE's way: made then, once, the same for all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking, statuses
from kinote.dimse.associations.negotiation import Context
from kinote.dimse.commands import CGetResponse, CStoreRequest, CStoreResponse
from kinote.dimse.information_models import STUDY_ROOT
from kinote.keyobject import writer
from kinote.notes.creator.making import KeyObjectMaker
from tests.catalog.archive import CT
from tests.migration.tables import imported, residences, row
from tests.notes.sample_studies import FIRST, IMAGE, KEY_OBJECT, dataset, object_of, receive
from tests.notes.test_law_11_made_again import hold_law_11
from tests.scp.face import Face, face
from tests.scp.requests import encoded, request


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Face]:
    """A face with an image, and a note about it whose key object has no bytes."""
    with face(tmp_path / "data") as opened:
        catalog = opened.rooms.catalog
        maker = KeyObjectMaker(catalog)
        opened.rooms.door._make = maker
        opened.rooms.door._look = maker.look
        receive(catalog, dataset(object_of(IMAGE)))
        imported(catalog, [row("1", IMAGE)])
        yield opened


def got(opened: Face) -> tuple[CGetResponse, dict[str, bytes]]:
    """The last answer to a C-GET of the study, and what came, by class."""
    received: dict[str, bytes] = {}

    def store(_context: Context, command: CStoreRequest, data: Iterator[memoryview]) -> CStoreResponse:
        received[command.affected_sop_class_uid] = b"".join(bytes(piece) for piece in data)
        return CStoreResponse(message_id_being_responded_to=command.message_id, status=statuses.SUCCESS)

    contexts = (
        (STUDY_ROOT.get, (IMPLICIT_VR_LITTLE_ENDIAN,)),
        *((each, (EXPLICIT_VR_LITTLE_ENDIAN,)) for each in (CT, KEY_OBJECT)),
    )
    with opened.called(*contexts, storing=frozenset({CT, KEY_OBJECT})) as association:
        asked = encoded(request("STUDY", StudyInstanceUID=FIRST), IMPLICIT_VR_LITTLE_ENDIAN)
        *_, last = invoking.get(association, STUDY_ROOT.get, asked, store)
    return last, received


def test_law_11_all_who_get_a_study_at_once_get_the_same_key_object(migrated: Face) -> None:
    assert residences(migrated.rooms.catalog) == ["derivable"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: got(migrated), range(4)))
    assert [answer.completed for answer, _ in answers] == [2] * 4
    assert len({received[KEY_OBJECT] for _, received in answers}) == 1
    assert residences(migrated.rooms.catalog) == ["local"]
    hold_law_11(migrated.rooms.catalog)


def test_law_5_a_key_object_that_cannot_be_made_holds_nothing_else_back(
    migrated: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_document: object) -> bytes:
        raise RecursionError("too deep")

    monkeypatch.setattr(writer, "encode", fails)
    answer, received = got(migrated)
    assert (answer.status, answer.completed, answer.failed) == (statuses.SUB_OPERATIONS_WITH_FAILURES, 1, 1)
    assert received.keys() == {CT}
