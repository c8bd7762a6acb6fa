"""The services of the DICOM face over associations: what is taken, what is refused and how that is said."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from sqlalchemy import Connection, update

from kinote.catalog.schema.tables import instance
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking, statuses
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.negotiation import Context
from kinote.dimse.commands import CGetResponse, CMoveResponse, CStoreRequest, CStoreResponse
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import RejectedError
from kinote.dimse.information_models import PATIENT_ROOT, STUDY_ROOT
from kinote.lifecycle import acts
from kinote.lifecycle.withdrawals import withdrawal
from kinote.peers.entities import ServiceName
from kinote.scp.options import ScpLimits, ScpOptions
from kinote.scp.queries import query
from tests.actors import PROGRAM, ROE
from tests.kept_bytes import nobodys
from tests.peers.known import known
from tests.scp.face import OPTIONS, PROCESSES, Face, face
from tests.scp.requests import encoded, request
from tests.web.objects import CT, STUDY, image

PRIVATE = "1.2.3.4.5.6.7"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
J2K = "1.2.840.10008.1.2.4.90"


@pytest.fixture
def open_face(tmp_path: Path) -> Iterator[Face]:
    with face(tmp_path / "data") as opened:
        yield opened


@pytest.fixture(params=PROCESSES)
def processes(request: pytest.FixtureRequest) -> int:
    """The test runs without a receiver process and with one."""
    return int(request.param)


@pytest.fixture
def storing_face(tmp_path: Path, processes: int) -> Iterator[Face]:
    with face(tmp_path / "data", processes=processes) as opened:
        yield opened


def bare(dataset: Dataset, *, implicit: bool = False) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    return buffer.getvalue()


def stored(association: Association, dataset: Dataset, uid: str | None = None) -> CStoreResponse:
    context = association.context_for(CT)
    assert context is not None
    return invoking.store(association, context, uid or str(dataset.SOPInstanceUID), bare(dataset))


def fill(opened: Face, count: int = 3) -> None:
    with opened.called(CT) as association:
        for number in range(1, count + 1):
            assert stored(association, image(number)).status == statuses.SUCCESS


# --- who is let in --------------------------------------------------------------------------------


def test_echo(open_face: Face) -> None:
    with open_face.called(invoking.VERIFICATION) as association:
        assert invoking.echo(association).status == statuses.SUCCESS
        assert invoking.echo(association).status == statuses.SUCCESS


def test_a_title_that_is_not_ours_is_rejected(open_face: Face) -> None:
    with (
        pytest.raises(RejectedError, match="permanently: it does not have the AE title"),
        open_face.called(invoking.VERIFICATION, called="OTHER"),
    ):
        pass


def test_callers_are_known_by_title_and_host_and_may_do_what_is_said(tmp_path: Path) -> None:
    options = ScpOptions(port=0, unknown_callers=False, any_called_title=True)
    peers = (
        known(ApplicationEntity("CT1", "127.0.0.1"), frozenset({ServiceName.STORE})),
        known(ApplicationEntity("FAR", "192.0.2.7")),
    )
    with face(tmp_path / "data", options, *peers) as opened:
        with opened.called(
            CT, STUDY_ROOT.find, invoking.VERIFICATION, title="CT1", called="ANY"
        ) as association:
            assert [context.abstract_syntax for context in association.contexts.values()] == [CT]
        for title in ("FAR", "NOBODY"):
            with (
                pytest.raises(RejectedError, match="it does not know our AE title"),
                opened.called(CT, title=title),
            ):
                pass


@pytest.mark.parametrize(
    ("sop_class", "private", "is_taken"),
    [
        (CT, False, True),
        (SEGMENTATION, False, True),
        ("1.2.840.10008.5.1.4.1.1.999.1", False, True),
        (PRIVATE, True, True),
        (PRIVATE, False, False),
        ("1.2.840.10008.1.20.1", True, False),
        ("1.2.840.10008.1.3.10", True, False),
        ("1.2.840.10008.5.1.4.31", True, False),
    ],
)
def test_which_classes_are_stored(tmp_path: Path, sop_class: str, private: bool, is_taken: bool) -> None:
    options = ScpOptions(port=0, private_classes=private)
    with face(tmp_path / "data", options) as opened, opened.called(sop_class) as association:
        assert (association.context_for(sop_class) is not None) is is_taken


# --- storing --------------------------------------------------------------------------------------


def test_what_is_stored_comes_back_as_it_was_sent(storing_face: Face) -> None:
    sent = {number: bare(image(number)) for number in (1, 2)}
    fill(storing_face, 2)
    assert got(storing_face, StudyInstanceUID=STUDY)[1] == {f"1.2.3.4.{n}": data for n, data in sent.items()}


def test_again_and_held_and_refused_are_said(storing_face: Face) -> None:
    with storing_face.called(CT) as association:
        assert stored(association, image(1)).status == statuses.SUCCESS
        assert stored(association, image(1)).status == statuses.SUCCESS
        other = stored(association, image(1, PatientName="Roe^Richard"))
        assert other.status == statuses.COERCION
        assert other.error_comment == "An instance with this SOP Instance UID is live with other byt..."
        mistaken = stored(association, image(2), uid="1.2.3.9")
        assert mistaken.status == statuses.DATA_SET_DOES_NOT_MATCH
        assert mistaken.error_comment is not None
        assert mistaken.error_comment.startswith("The object's SOP Instance UID is 1.2.3.4.2")
        nowhere = image(3)
        del nowhere.StudyInstanceUID
        assert stored(association, nowhere).status == statuses.DATA_SET_DOES_NOT_MATCH
        context = association.context_for(CT)
        assert context is not None
        cut = invoking.store(association, context, "1.2.3.4.4", bare(image(4))[:-100])
        assert cut.status == statuses.CANNOT_UNDERSTAND
        assert invoking.store(association, context, "1.2.3.4.4", b"").status >= statuses.OUT_OF_RESOURCES
        assert invoking.store(association, context, "no uid", b"12345678").error_comment == (
            "Affected SOP Instance UID is no UID."
        )
        # The association goes on after all that.
        assert stored(association, image(5)).status == statuses.SUCCESS


@pytest.mark.parametrize("storing", [frozenset(), frozenset({CT})], ids=["another class", "another role"])
def test_an_object_in_a_context_that_is_not_for_it(storing_face: Face, storing: frozenset[str]) -> None:
    accepted = CT if storing else invoking.VERIFICATION
    with storing_face.called(accepted, storing=storing) as association:
        context = association.context_for(accepted)
        assert context is not None
        command = CStoreRequest(
            message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3.4.1", has_data_set=True
        )
        association.send(context, command, bare(image(1)))
        answer = association.receive_due().command
        assert isinstance(answer, CStoreResponse)
        assert answer.status == statuses.SOP_CLASS_NOT_SUPPORTED
    assert not got(storing_face, StudyInstanceUID=STUDY)[1]


def test_an_object_larger_than_is_taken(tmp_path: Path, processes: int) -> None:
    options = ScpOptions(port=0, limits=ScpLimits(largest_object=200_000))
    with (
        face(tmp_path / "data", options, processes=processes) as opened,
        opened.called(CT) as association,
    ):
        answer = stored(association, image(1, rows=512, columns=512))
        assert answer.status == statuses.OUT_OF_RESOURCES
        assert stored(association, image(2)).status == statuses.SUCCESS
    assert nobodys(tmp_path / "data") == set()


# --- getting --------------------------------------------------------------------------------------


def got(
    opened: Face,
    *,
    level: str = "STUDY",
    syntaxes: tuple[str, ...] = (EXPLICIT_VR_LITTLE_ENDIAN,),
    stop_after: int | None = None,
    answering: int = statuses.SUCCESS,
    **keys: Any,
) -> tuple[list[CGetResponse], dict[str, bytes]]:
    """The answers to a C-GET and the data sets that came."""
    received: dict[str, bytes] = {}

    def store(context: Context, command: CStoreRequest, data: Iterator[memoryview]) -> CStoreResponse:
        received[command.affected_sop_instance_uid] = b"".join(bytes(piece) for piece in data)
        return CStoreResponse(message_id_being_responded_to=command.message_id, status=answering)

    contexts = ((STUDY_ROOT.get, (IMPLICIT_VR_LITTLE_ENDIAN,)), (CT, syntaxes))
    with opened.called(*contexts, storing=frozenset({CT})) as association:
        asked = encoded(request(level, **keys), IMPLICIT_VR_LITTLE_ENDIAN)
        return list(invoking.get(association, STUDY_ROOT.get, asked, store)), received


def test_get_says_how_many_and_what_failed(open_face: Face) -> None:
    fill(open_face)
    answers, received = got(open_face, StudyInstanceUID=STUDY)
    assert answers[-1].status == statuses.SUCCESS
    assert (answers[-1].completed, answers[-1].failed, answers[-1].warning) == (3, 0, 0)
    assert len(received) == 3
    answers, _ = got(open_face, StudyInstanceUID=STUDY, answering=statuses.COERCION)
    assert (answers[-1].status, answers[-1].warning) == (statuses.SUB_OPERATIONS_WITH_FAILURES, 3)
    answers, _ = got(open_face, StudyInstanceUID=STUDY, answering=statuses.OUT_OF_RESOURCES)
    assert (answers[-1].status, answers[-1].failed) == (statuses.OUT_OF_RESOURCES_SUB_OPERATIONS, 3)
    assert answers[-1].has_data_set


def test_one_image_of_a_study_and_none(open_face: Face) -> None:
    fill(open_face)
    assert [*got(open_face, level="IMAGE", SOPInstanceUID=["1.2.3.4.2", "1.2.3.4.3"])[1]] == [
        "1.2.3.4.2",
        "1.2.3.4.3",
    ]
    answers, received = got(open_face, StudyInstanceUID="1.2.99")
    assert (answers[-1].status, answers[-1].completed, received) == (statuses.SUCCESS, 0, {})


@pytest.mark.parametrize(
    ("level", "keys", "comment"),
    [
        ("STUDY", {"StudyInstanceUID": ""}, "(0020,000D): a value is needed at STUDY level"),
        ("SERIES", {"StudyInstanceUID": STUDY}, "(0020,000E): a value is needed at SERIES level"),
        ("STUDY", {"StudyInstanceUID": "1.2.*"}, "(0020,000D): is no UID"),
        ("PATIENT", {"PatientID": "P1"}, "(0008,0052) PATIENT: Study Root has STUDY, SERIES, IMAGE"),
    ],
)
def test_what_cannot_be_got(open_face: Face, level: str, keys: dict[str, Any], comment: str) -> None:
    answers, _ = got(open_face, level=level, **keys)
    assert answers[-1].status == statuses.IDENTIFIER_DOES_NOT_MATCH
    assert answers[-1].error_comment == comment


def test_where_no_syntax_is_taken_it_is_said(open_face: Face) -> None:
    fill(open_face, 1)
    answers, received = got(open_face, StudyInstanceUID=STUDY, syntaxes=(J2K,))
    assert answers[-1].status == statuses.OUT_OF_RESOURCES_SUB_OPERATIONS
    assert answers[-1].error_comment == "The receiver takes neither Explicit VR Little Endian, in whic..."
    assert not received


def test_what_the_receiver_does_not_take_as_stored_is_re_encoded(open_face: Face) -> None:
    fill(open_face, 1)
    _, received = got(open_face, StudyInstanceUID=STUDY, syntaxes=(IMPLICIT_VR_LITTLE_ENDIAN,))
    assert received == {"1.2.3.4.1": bare(image(1), implicit=True)}


def test_what_is_withdrawn_is_in_no_answer(open_face: Face) -> None:
    fill(open_face)
    open_face.rooms.catalog.write(lambda transaction: withdraw(transaction, "1.2.3.4.2"))
    assert [*got(open_face, StudyInstanceUID=STUDY)[1]] == ["1.2.3.4.1", "1.2.3.4.3"]
    found = list(finding(open_face, request("IMAGE", StudyInstanceUID=STUDY, SeriesInstanceUID="1.2.3.4")))
    assert len(found) == 2


@pytest.mark.parametrize("residence", ["damaged", "none", "remote", "derivable"])
def test_bytes_that_cannot_be_had_are_one_failed_sub_operation(open_face: Face, residence: str) -> None:
    fill(open_face)
    its_bytes_are(open_face, "1.2.3.4.2", residence)
    answers, received = got(open_face, StudyInstanceUID=STUDY)
    assert [*received] == ["1.2.3.4.1", "1.2.3.4.3"]
    assert (answers[-1].status, answers[-1].completed, answers[-1].failed) == (
        statuses.SUB_OPERATIONS_WITH_FAILURES,
        2,
        1,
    )
    assert re.match("The (stored )?bytes (are|have) ", answers[-1].error_comment or "")
    (alone,), _ = got(open_face, level="IMAGE", SOPInstanceUID="1.2.3.4.2")
    assert (alone.status, alone.failed) == (statuses.OUT_OF_RESOURCES_SUB_OPERATIONS, 1)


def its_bytes_are(opened: Face, uid: str, residence: str) -> None:
    opened.rooms.catalog.write(
        lambda transaction: transaction.execute(
            update(instance).where(instance.c.sop_instance_uid == uid).values(residence=residence)
        )
    )


def withdraw(transaction: Connection, uid: str) -> None:
    withdrawal.withdraw(
        transaction,
        [uid],
        act=acts.QUALITY,
        text="",
        by=ROE,
        now=datetime.now(UTC),
    )


def finding(opened: Face, asked: Dataset) -> Iterator[bytes]:
    with opened.called((STUDY_ROOT.find, (IMPLICIT_VR_LITTLE_ENDIAN,))) as association:
        identifier = encoded(asked, IMPLICIT_VR_LITTLE_ENDIAN)
        for answer, found in invoking.find(association, STUDY_ROOT.find, identifier):
            if statuses.is_pending(answer.status):
                yield found


def test_a_query_that_is_given_up_is_cancelled_and_the_association_goes_on(open_face: Face) -> None:
    fill(open_face, 30)
    asked = encoded(
        request("IMAGE", StudyInstanceUID=STUDY, SeriesInstanceUID="1.2.3.4"), IMPLICIT_VR_LITTLE_ENDIAN
    )
    with open_face.called((STUDY_ROOT.find, (IMPLICIT_VR_LITTLE_ENDIAN,))) as association:
        for _ in range(3):
            answers = invoking.find(association, STUDY_ROOT.find, asked)
            assert statuses.is_pending(next(answers)[0].status)
            answers.close()
        assert len(list(invoking.find(association, STUDY_ROOT.find, asked))) == 31


def test_a_query_that_gets_no_turn_is_refused_and_one_that_ends_leaves_its_turn(
    open_face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "_WAITING", 0.01)
    fill(open_face, 1)
    asked = request("STUDY", StudyInstanceUID=STUDY)
    turns = 0
    while open_face.rooms.queries.take("127.0.0.1", 0):
        turns += 1
    identifier = encoded(asked, IMPLICIT_VR_LITTLE_ENDIAN)
    with open_face.called((STUDY_ROOT.find, (IMPLICIT_VR_LITTLE_ENDIAN,))) as association:
        ((answer, _),) = invoking.find(association, STUDY_ROOT.find, identifier)
    assert answer.status == statuses.OUT_OF_RESOURCES
    for _ in range(turns):
        open_face.rooms.queries.give_back("127.0.0.1")
    for _ in range(turns + 1):
        assert len(list(finding(open_face, asked))) == 1


# --- moving ---------------------------------------------------------------------------------------


def moved(opened: Face, destination: str, **keys: Any) -> CMoveResponse:
    with opened.called((PATIENT_ROOT.move, (IMPLICIT_VR_LITTLE_ENDIAN,))) as association:
        asked = encoded(request("PATIENT", **keys), IMPLICIT_VR_LITTLE_ENDIAN)
        return list(invoking.move(association, PATIENT_ROOT.move, destination, asked))[-1]


def test_move_to_another(tmp_path: Path) -> None:
    with face(tmp_path / "second", ScpOptions(port=0, titles=("SECOND",))) as second:
        gone = ApplicationEntity("GONE", "127.0.0.1", 1)
        with face(tmp_path / "first", OPTIONS, known(second.entity("SECOND")), known(gone)) as first:
            fill(first)
            answer = moved(first, "SECOND", PatientID="P1")
            assert (answer.status, answer.completed) == (statuses.SUCCESS, 3)
            assert got(second, StudyInstanceUID=STUDY)[1] == got(first, StudyInstanceUID=STUDY)[1]
            unreachable = moved(first, "GONE", PatientID="P1")
            assert unreachable.status == statuses.OUT_OF_RESOURCES_SUB_OPERATIONS
            assert unreachable.failed == 3
            assert unreachable.error_comment == "GONE at 127.0.0.1:1 cannot be reached: Connection refused"
            unknown = moved(first, "NOBODY", PatientID="P1")
            assert unknown.status == statuses.MOVE_DESTINATION_UNKNOWN
            assert unknown.error_comment == "NOBODY has no address here: add it as a peer"


def test_an_object_found_damaged_in_its_middle_fails_alone(tmp_path: Path) -> None:
    with (
        face(tmp_path / "second", ScpOptions(port=0, titles=("SECOND",))) as second,
        face(tmp_path / "first", OPTIONS, known(second.entity("SECOND"))) as first,
    ):
        fill(first, 1)
        with first.called(CT) as association:
            for number in (2, 3):
                assert stored(association, image(number, rows=2200, columns=2200)).status == 0
        with first.rooms.catalog.read() as connection:
            (_, large, _) = first.rooms.door.find(connection, STUDY)
        with first.rooms.door.open(large, PROGRAM).file:
            pass  # From now on it is compared by pieces.
        first.rooms.catalog.write(lambda transaction: None)
        damage(tmp_path / "first", large.sop_instance_uid)
        answer = moved(first, "SECOND", PatientID="P1")
        assert (answer.status, answer.completed, answer.failed) == (0xB000, 2, 1)
        assert answer.error_comment == "The stored bytes are damaged and are not sent: instance 1.2.3..."
        assert [*got(second, StudyInstanceUID=STUDY)[1]] == ["1.2.3.4.1", "1.2.3.4.3"]
        again = moved(first, "SECOND", PatientID="P1")
        assert (again.status, again.completed, again.failed) == (0xB000, 2, 1)


def damage(data: Path, uid: str) -> None:
    """Alter the end of the only file that names this UID."""
    (path,) = (
        path for path in (data / "objects").rglob("*.dcm") if f"{uid}\0".encode() in path.read_bytes()[:2000]
    )
    content = path.read_bytes()
    path.write_bytes(content[:-1000] + bytes(1000))
