"""What was read of a received key object: tolerant values beside the strict ones of the model.

Anything may be empty here; what is empty and why is told by the findings.
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

#: The title of a document that has none (V12).
UNTITLED = Code("untitled", "99KINOTE", "Untitled")

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def _value(cls: type[Class]) -> type[Class]:
    """A frozen dataclass, but frozen to the type checker only.

    What is frozen at run time sets each field by a call and takes four times as long to make, and a document has
    tens of thousands of these.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


@_value
class FoundInstance:
    """An instance as a document names it; study and series are empty where the evidence lacks it."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@_value
class ReadReference:
    """One flagged instance, as found. `frames` and `segments` are empty where all are meant."""

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
        """Whether it names the instance alone, and nothing to apply to it."""
        return self.presentation_state is None and not self.real_world_value_maps

    @property
    def instances(self) -> tuple[FoundInstance, ...]:
        """All that the evidence must list for it (PS3.3 C.17.2.3): the instance and what applies to it."""
        if self.presentation_state:
            return (self.instance, self.presentation_state, *self.real_world_value_maps)
        return (self.instance, *self.real_world_value_maps)

    @property
    def presentation_state_uid(self) -> str:
        return self.presentation_state.sop_instance_uid if self.presentation_state else ""


@_value
class BrokenReference:
    """A reference that names nothing usable: where it stands, and what it has for a UID."""

    place: str
    sop_instance_uid: str


@_value
class FoundObserver:
    """Who made the selection (TID 1002): a person by name and login, or a device by UID and name."""

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
    """A key object as read. Where `registration` is `unreadable` it flags nothing, and `findings` say why."""

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
    #: When it was made: from the content date and time, else from the instance's creation. Aware if the
    #: document gives a timezone, naive if not, None if there is no date to be read.
    made: datetime | None = None
    #: None: there is no usable title, the note is "Untitled".
    title: Code | None = None
    modifiers: tuple[Code, ...] = ()
    procedure_codes: tuple[Code, ...] = ()
    #: Each text that the root contains, in order: one, where the rules are kept.
    descriptions: tuple[str, ...] = ()
    language: str = ""
    language_scheme: str = ""
    observers: tuple[FoundObserver, ...] = ()
    #: What is flagged, in content order and with repetitions.
    references: tuple[ReadReference, ...] = ()
    #: The same with each repetition left out.
    distinct_references: tuple[ReadReference, ...] = ()
    references_from: ReferencesFrom = ""
    broken_references: tuple[BrokenReference, ...] = ()
    #: All instances of the evidence, in order, each once.
    evidence: tuple[FoundInstance, ...] = ()
    identical_documents: tuple[FoundInstance, ...] = ()
    requests: tuple[FoundRequest, ...] = ()
    #: The data set itself, for what this does not name; None if it cannot be read.
    dataset: DataSet | None = field(default=None, repr=False, compare=False)

    @property
    def description(self) -> str:
        return "\n\n".join(self.descriptions)

    @property
    def image_library(self) -> ImageLibrary | None:
        """What a manifest says of series and of the key objects it lists (TID 1600); read when asked for."""
        return read_image_library(self.dataset) if self.dataset is not None else None

    @property
    def title_text(self) -> str:
        """The title for people: its meaning, its code where it has none."""
        title = self.title or UNTITLED
        return title.meaning or title.value

    @property
    def referenced_studies(self) -> tuple[str, ...]:
        """The studies of the flagged instances as far as the document says, each once, in order."""
        return tuple(
            dict.fromkeys(
                reference.instance.study_instance_uid
                for reference in self.references
                if reference.instance.study_instance_uid
            )
        )


def with_findings(reading: Reading, more: tuple[Finding, ...]) -> Reading:
    """The same with findings that were not made by reading it; none of them is an error."""
    if not more:
        return reading
    registration = reading.registration
    if registration == "registered" and any(one.severity == "warning" for one in more):
        registration = "registered with findings"
    return replace(reading, registration=registration, findings=(*reading.findings, *more))
