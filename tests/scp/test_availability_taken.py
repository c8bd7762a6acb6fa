"""Instance Availability Notifications of peers: durable before they are answered, the last word counts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pynetdicom import AE
from sqlalchemy import select

from kinote.catalog.schema.tables import told_availability
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import statuses
from kinote.dimse.command_sets.normalized import NCreateRequest
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.operations.normalized import n_create
from kinote.dimse.operations.offered import Answered, Asked, Offer, Offered
from kinote.scp.availability.notification import (
    INSTANCE_AVAILABILITY_NOTIFICATION,
    NotificationError,
    read_notification,
)
from kinote.scp.availability.taking import availability_offers
from tests.clock import clock
from tests.peers.known import known
from tests.scp.face import OPTIONS, Face, face

STUDY = "1.2.3"


def notification(**availability: str) -> Dataset:
    """Of instances of one series, by the last part of their UID."""
    series = Dataset()
    series.SeriesInstanceUID = f"{STUDY}.4"
    series.ReferencedSOPSequence = [Dataset() for _ in availability]
    for reference, (name, said) in zip(series.ReferencedSOPSequence, availability.items(), strict=True):
        reference.RetrieveAETitle = "ARCHIVE"
        reference.InstanceAvailability = said
        reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        reference.ReferencedSOPInstanceUID = f"{STUDY}.4.{name[1:]}"
    made = Dataset()
    made.ReferencedPerformedProcedureStepSequence = []
    made.StudyInstanceUID = STUDY
    made.ReferencedSeriesSequence = [series]
    return made


def encoded(dataset: Dataset, *, implicit_vr: bool = False) -> bytes:
    file = DicomBytesIO(io.BytesIO().getvalue())
    file.is_implicit_VR, file.is_little_endian = implicit_vr, True
    write_dataset(file, dataset)
    return bytes(file.getvalue())


@contextmanager
def taking(folder: Path) -> Iterator[Face]:
    """The DICOM face of a product that knows the peer ARCHIVE, and takes calls of anybody."""
    handlers: list[Offer] = []

    def take(asked: Asked) -> Answered:
        return handlers[0].handler(asked)

    offered = Offered([Offer(INSTANCE_AVAILABILITY_NOTIFICATION, NCreateRequest, take)])
    peer = known(ApplicationEntity("ARCHIVE"))
    with face(folder, OPTIONS, peer, normalized=offered) as opened:
        handlers += availability_offers(opened.rooms.catalog, opened.rooms.peers, clock)
        yield opened


def rows(opened: Face) -> dict[str, tuple[str, str]]:
    with opened.rooms.catalog.read() as connection:
        found = connection.execute(select(told_availability)).all()
    return {row.sop_instance_uid: (row.availability, row.retrieve_ae_title) for row in found}


def test_a_peer_tells_by_pynetdicom_and_its_last_word_counts(tmp_path: Path) -> None:
    with taking(tmp_path / "data") as opened:
        ae = AE(ae_title="ARCHIVE")
        ae.add_requested_context(INSTANCE_AVAILABILITY_NOTIFICATION)
        calling = ae.associate(opened.host, opened.port, ae_title=opened.rooms.options.titles[0])
        assert calling.is_established
        for said in ({"_1": "ONLINE", "_2": "NEARLINE"}, {"_2": "UNAVAILABLE", "_3": "OFFLINE"}):
            status, _ = calling.send_n_create(
                notification(**said), INSTANCE_AVAILABILITY_NOTIFICATION, "1.2.3.99"
            )
            assert status.Status == statuses.SUCCESS
        calling.release()
        assert rows(opened) == {
            "1.2.3.4.1": ("ONLINE", "ARCHIVE"),
            "1.2.3.4.2": ("UNAVAILABLE", "ARCHIVE"),
            "1.2.3.4.3": ("OFFLINE", "ARCHIVE"),
        }


@pytest.mark.parametrize(
    ("title", "change", "status"),
    [
        ("STRANGER", {}, statuses.NOT_AUTHORIZED),
        ("ARCHIVE", {"StudyInstanceUID": ""}, statuses.MISSING_ATTRIBUTE),
        ("ARCHIVE", {"ReferencedSeriesSequence": []}, statuses.MISSING_ATTRIBUTE),
    ],
)
def test_who_is_not_known_or_says_too_little_is_refused_and_nothing_is_kept(
    tmp_path: Path, title: str, change: dict[str, Any], status: int
) -> None:
    wrong = notification(_1="ONLINE")
    for keyword, value in change.items():
        setattr(wrong, keyword, value)
    with (
        taking(tmp_path / "data") as opened,
        opened.called(INSTANCE_AVAILABILITY_NOTIFICATION, title=title) as calling,
    ):
        answer, _ = n_create(calling, INSTANCE_AVAILABILITY_NOTIFICATION, "1.2.3.98", encoded(wrong))
        assert answer.status == status
        # The association goes on.
        again, _ = n_create(
            calling, INSTANCE_AVAILABILITY_NOTIFICATION, "1.2.3.97", encoded(notification(_1="ONLINE"))
        )
        assert (again.status == statuses.SUCCESS) is (title == "ARCHIVE")
        assert len(rows(opened)) == (1 if title == "ARCHIVE" else 0)


@pytest.mark.parametrize("syntax", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN])
@pytest.mark.parametrize(
    ("said", "status"),
    [("ONLINE", None), ("", statuses.MISSING_ATTRIBUTE), ("PERHAPS", statuses.INVALID_ATTRIBUTE_VALUE)],
)
def test_a_notification_is_read_whole_or_refused(syntax: str, said: str, status: int | None) -> None:
    data = encoded(notification(_1="NEARLINE", _2=said), implicit_vr=syntax == IMPLICIT_VR_LITTLE_ENDIAN)
    if status is None:
        read = read_notification(data, syntax)
        assert [each.availability for each in read.told] == ["NEARLINE", said]
        assert read.study_instance_uid == STUDY
        return
    with pytest.raises(NotificationError) as raised:
        read_notification(data, syntax)
    assert raised.value.status == status


@pytest.mark.parametrize("cut", [1, 30, 90])
def test_a_notification_that_ends_too_early_is_refused(cut: int) -> None:
    data = encoded(notification(_1="ONLINE"))
    with pytest.raises(NotificationError):
        read_notification(data[:-cut], EXPLICIT_VR_LITTLE_ENDIAN)
