"""The result of reading a key object: tolerant values, as opposed to the strict ones of the model.

Every value may be empty; the findings tell why.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, TypeVar, dataclass_transform

from kinote.dicom.elements.dataset import DataSet
from kinote.keyobject.codes import Code
from kinote.keyobject.findings import Finding
from kinote.keyobject.image_library import ImageLibrary, read_image_library

Registration = Literal["registered", "registered with findings", "unreadable"]
ReferencesFrom = Literal["content", "image library", "evidence", ""]

#: The title of a document without one (V12).
UNTITLED = Code("untitled", "99KINOTE", "Untitled")

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def _value(cls: type[Class]) -> type[Class]:
    """Make a dataclass that is frozen for the type checker only.

    Dataclasses that are frozen at run time set each field by a call, which takes four times as long, and a document
    has tens of thousands of these.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


@_value
class FoundInstance:
    """An instance that a document names. Study and series are empty if the evidence lacks it."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@_value
class ReadReference:
    """One flagged instance, as read. Empty `frames` and `segments` mean all of them."""

    instance: FoundInstance
    value_type: str = ""
    frames: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()
    waveform_channels: tuple[int, ...] = ()
    presentation_state: FoundInstance | None = None
    real_world_value_maps: tuple[FoundInstance, ...] = ()

    @property
    def study_instance_uid(self) -> str:
        return self.instance.study_instance_uid

    @property
    def series_instance_uid(self) -> str:
        return self.instance.series_instance_uid

    @property
    def sop_class_uid(self) -> str:
        return self.instance.sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        return self.instance.sop_instance_uid

    @property
    def is_single(self) -> bool:
        """Whether it names only the instance, with nothing to apply to it."""
        return self.presentation_state is None and not self.real_world_value_maps

    @property
    def instances(self) -> tuple[FoundInstance, ...]:
        """All instances that the evidence must list for it (PS3.3 C.17.2.3): the flagged one and those to apply."""
        if self.presentation_state:
            return (self.instance, self.presentation_state, *self.real_world_value_maps)
        return (self.instance, *self.real_world_value_maps)

    @property
    def presentation_state_uid(self) -> str:
        return self.presentation_state.sop_instance_uid if self.presentation_state else ""


@_value
class BrokenReference:
    """A reference that names nothing usable: its place, and the text of its UID."""

    place: str
    sop_instance_uid: str


@_value
class FoundObserver:
    """Who made the selection (TID 1002): a person with name and login, or a device with UID and name."""

    kind: Literal["person", "device"]
    name: str = ""
    login: str = ""
    uid: str = ""


@_value
class FoundRequest:
    """One item of Referenced Request Sequence (PS3.3 C.17.6.2)."""

    study_instance_uid: str
    accession_number: str
    requested_procedure_id: str
    requested_procedure_description: str
    placer_order_number: str
    filler_order_number: str
    requested_procedure_code: Code | None = None


@_value
class Reading:
    """A key object as read. If its `registration` is `unreadable`, it flags nothing, and `findings` say why."""

    registration: Registration
    findings: tuple[Finding, ...]
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    series_instance_uid: str = ""
    study_instance_uid: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    modality: str = ""
    manufacturer: str = ""
    series_description: str = ""
    #: As written.
    content_date: str = ""
    content_time: str = ""
    timezone: str = ""
    #: When it was made: the content date and time, or else the instance's creation. Aware if the document gives a
    #: timezone, naive if not, None if there is no readable date.
    made: datetime | None = None
    #: None means that there is no usable title: the note is "Untitled".
    title: Code | None = None
    modifiers: tuple[Code, ...] = ()
    procedure_codes: tuple[Code, ...] = ()
    #: Each text of the root, in order. A correct document has at most one.
    descriptions: tuple[str, ...] = ()
    language: str = ""
    language_scheme: str = ""
    observers: tuple[FoundObserver, ...] = ()
    #: The flagged references in the order of the content, repetitions included.
    references: tuple[ReadReference, ...] = ()
    #: The same references without repetitions.
    distinct_references: tuple[ReadReference, ...] = ()
    references_from: ReferencesFrom = ""
    broken_references: tuple[BrokenReference, ...] = ()
    #: All instances of the evidence, in order, each once.
    evidence: tuple[FoundInstance, ...] = ()
    identical_documents: tuple[FoundInstance, ...] = ()
    requests: tuple[FoundRequest, ...] = ()
    #: The data set itself, for attributes that have no field here; None if it cannot be read.
    dataset: DataSet | None = field(default=None, repr=False, compare=False)

    @property
    def description(self) -> str:
        """All texts of the note, with a blank line between them."""
        return "\n\n".join(self.descriptions)

    @property
    def image_library(self) -> ImageLibrary | None:
        """The image library of a manifest (TID 1600): its series, and the key objects that it lists. Read on access."""
        return read_image_library(self.dataset) if self.dataset is not None else None

    @property
    def title_text(self) -> str:
        """The title for display: its meaning, or its code if it has none."""
        title = self.title or UNTITLED
        return title.meaning or title.value

    @property
    def referenced_studies(self) -> tuple[str, ...]:
        """The studies of the flagged instances, as far as the document names them, each once, in order."""
        return tuple(
            dict.fromkeys(
                reference.instance.study_instance_uid
                for reference in self.references
                if reference.instance.study_instance_uid
            )
        )


def with_findings(reading: Reading, more: tuple[Finding, ...]) -> Reading:
    """Return the reading with further findings, none of which is an error."""
    if not more:
        return reading
    registration = reading.registration
    if registration == "registered" and any(one.severity == "warning" for one in more):
        registration = "registered with findings"
    return replace(reading, registration=registration, findings=(*reading.findings, *more))
