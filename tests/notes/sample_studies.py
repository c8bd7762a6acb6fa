"""What the tests of notes work with: two studies of one patient, one of another, and KOS that come in."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydicom import dcmwrite
from pydicom.dataset import Dataset
from sqlalchemy import Connection, select

from kinote.catalog.instances.entry import entry_of
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import instance_bytes
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import scan
from kinote.intake.arrival import Arrival
from kinote.intake.filing import file_arrivals
from kinote.intake.outcome import Outcome
from kinote.keyobject import reader, writer
from kinote.keyobject.model import (
    DocumentContext,
    InstanceReference,
    KeyObjectDocument,
    KeyObjectSelection,
    Person,
    Reference,
)
from kinote.keyobject.titles import OF_INTEREST
from kinote.notes.acts.make import make
from kinote.notes.acts.request import NoteRequest, RequestedReference
from kinote.notes.author import Author
from kinote.notes.lists.note import Note
from kinote.notes.lists.queries import note
from kinote.storage.digests import digest_of
from tests.actors import ORIGIN, ROE
from tests.catalog.archive import CT, data_set, store

NOW = datetime(2026, 11, 24, 5, 31, 0, 250000, tzinfo=UTC)

ULTRASOUND = "1.2.840.10008.5.1.4.1.1.3.1"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
STATE = "1.2.840.10008.5.1.4.1.1.11.1"
KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"

#: Two studies of patient P1, one of patient P2.
FIRST, SECOND, OTHER = "1.2.1", "1.2.2", "1.3.1"

IMAGE, IMAGE_2, IMAGE_3 = "1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3"
FRAMES = "1.2.1.2.1"
FIRST_STATE = "1.2.1.3.1"
SEGMENTS = "1.2.1.4.1"
SECOND_IMAGE, SECOND_STATE = "1.2.2.1.1", "1.2.2.3.1"
OTHER_IMAGE = "1.3.1.1.1"


def patient_name(study: str) -> str:
    return "Roe^Richard" if study == OTHER else "Müller^Jürgen=山田^太郎"


def object_of(uid: str, sop_class_uid: str = CT, **attributes: Any) -> Dataset:
    """An instance whose UID begins with those of its series and study."""
    series = uid.rpartition(".")[0]
    study = series.rpartition(".")[0]
    whose = {"PatientID": "P2" if study == OTHER else "P1", "PatientName": patient_name(study)}
    described = {
        "PatientBirthDate": "19700101",
        "PatientSex": "O",
        "StudyDate": "20261123",
        "StudyTime": "1200",
        "StudyID": "S1",
        "StudyDescription": "CT  Thorax",
        "AccessionNumber": f"A{study}",
        "ReferringPhysicianName": "Grün^Ö",
        "InstanceNumber": 1,
        **whose,
        **attributes,
    }
    return data_set(study, series, uid, SOPClassUID=sop_class_uid, **described)


def fill(catalog: Catalog) -> None:
    """Put the three studies into the index."""
    store(
        catalog,
        object_of(IMAGE),
        object_of(IMAGE_2),
        object_of(IMAGE_3),
        object_of(FRAMES, ULTRASOUND, NumberOfFrames=10, Modality="US"),
        object_of(FIRST_STATE, STATE, Modality="PR"),
        object_of(SEGMENTS, SEGMENTATION, NumberOfFrames=3, Modality="SEG"),
        object_of(SECOND_IMAGE, "1.2.840.10008.5.1.4.1.1.4", Modality="MR"),
        object_of(SECOND_STATE, STATE, Modality="PR"),
        object_of(OTHER_IMAGE),
    )


def flag(uid: str, **options: Any) -> RequestedReference:
    return RequestedReference(uid, **options)


def request(*references: RequestedReference | str, **options: Any) -> NoteRequest:
    """A request for a note of interest by Dr. Doe."""
    flagged = tuple(flag(one) if isinstance(one, str) else one for one in references)
    defaults: dict[str, Any] = {
        "title": OF_INTEREST,
        "description": "A nodule",
        "author": Author("person", "Doe^Jane", "jdoe"),
    }
    return NoteRequest(references=flagged, **{**defaults, **options})


def made(catalog: Catalog, wanted: NoteRequest, *, study: str | None = None, now: datetime = NOW) -> Note:
    """Make one note and read it."""
    (number,) = catalog.write(
        lambda transaction: make(transaction, [wanted], study_instance_uid=study, by=ROE, now=now)
    )
    return read(catalog, number)


def read(catalog: Catalog, number: int | None) -> Note:
    assert number is not None
    with catalog.read() as connection:
        found = note(connection, number)
    assert found is not None
    return found


def dataset_of(connection: Connection, sop_instance_uid: str) -> bytes:
    """The bytes of a live object that lies in the index."""
    return bytes(
        connection.execute(
            select(instance_bytes.c.dataset)
            .join(live_instance, live_instance.c.id == instance_bytes.c.instance)
            .where(live_instance.c.sop_instance_uid == sop_instance_uid)
        ).scalar_one()
    )


def bytes_of(catalog: Catalog, one: Note) -> list[bytes]:
    with catalog.read() as connection:
        return [dataset_of(connection, carrier.sop_instance_uid) for carrier in one.key_objects]


def key_object(
    uid: str,
    *flagged: str | Reference,
    copies: Iterable[str] = (),
    patient: str = "P1",
    **options: Any,
) -> bytes:
    """A KOS from elsewhere; its UID and those it flags begin with series and study."""
    references = tuple(one if isinstance(one, Reference) else Reference(place(one)) for one in flagged)
    described: dict[str, Any] = {
        "title": OF_INTEREST,
        "description": "From elsewhere",
        "observers": (Person("Far^Away"),),
    }
    selection = KeyObjectSelection(references=references, **{**described, **options})
    where = place(uid)
    context = DocumentContext(
        study_instance_uid=where.study_instance_uid,
        series_instance_uid=where.series_instance_uid,
        sop_instance_uid=uid,
        content_date="20261101",
        content_time="101112",
        timezone="+0100",
        patient_id=patient,
        patient_name=patient_name(where.study_instance_uid),
        identical_documents=tuple(place(copy, KEY_OBJECT) for copy in copies),
    )
    return writer.encode(KeyObjectDocument(context, selection))


def place(uid: str, sop_class_uid: str = CT) -> InstanceReference:
    series = uid.rpartition(".")[0]
    return InstanceReference(series.rpartition(".")[0], series, sop_class_uid, uid)


def dataset(described: Dataset) -> bytes:
    """The bytes of a data set."""
    buffer = io.BytesIO()
    dcmwrite(buffer, described, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def receive(catalog: Catalog, *datasets: bytes, now: datetime = NOW) -> list[Outcome]:
    """Let data sets in as intake does, in one group."""
    arrivals = [arrival(dataset, now) for dataset in datasets]
    filed = catalog.write(lambda transaction: file_arrivals(transaction, arrivals, now))
    return [one.outcome for one in filed]


def arrival(dataset: bytes, now: datetime) -> Arrival:
    scanned = scan(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    entry = entry_of(
        scanned,
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        digest=digest_of(dataset),
        size=len(dataset),
        origin=ORIGIN.columns(),
        now=now,
    )
    reading = None
    if entry.sop_class_uid == KEY_OBJECT:
        reading = reader.read(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    return Arrival(entry, dataset=dataset, reading=reading)


def later(moment: datetime, seconds: int = 60) -> datetime:
    return moment.fromtimestamp(moment.timestamp() + seconds, moment.tzinfo)
