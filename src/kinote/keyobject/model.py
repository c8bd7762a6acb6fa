"""The Key Object Selection document as values (PS3.3 A.35.4, PS3.16 TID 2010).

Constructors are strict: what they take can be written as a conformant document, so no half-valid object
ever exists. What is wrong with a received document is `kinote.keyobject.reader`'s to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from kinote.dicom import sop_classes, uids
from kinote.dicom.dates import parse_date, parse_offset, parse_time
from kinote.keyobject.codes import Code

ValueType = Literal["IMAGE", "WAVEFORM", "COMPOSITE"]

#: RFC 5646, as far as its form goes.
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


class InvalidKeyObjectError(ValueError):
    """A document that must not exist; `field` names what is wrong with it."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"{field}: {what}")
        self.field = field


def _require(condition: bool, field: str, what: str) -> None:
    if not condition:
        raise InvalidKeyObjectError(field, what)


@dataclass(frozen=True, slots=True)
class InstanceReference:
    """One instance, and the series and study it lies in."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str

    def __post_init__(self) -> None:
        for name in ("study_instance_uid", "series_instance_uid", "sop_class_uid", "sop_instance_uid"):
            value = getattr(self, name)
            _require(uids.is_tolerable(value) and len(value) <= 64, name, f"{value!r} is no UID")


@dataclass(frozen=True, slots=True)
class Reference:
    """A flagged instance, with frames or segments of it and the presentation state to apply."""

    instance: InstanceReference
    frames: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()
    waveform_channels: tuple[int, ...] = ()
    presentation_state: InstanceReference | None = None
    real_world_value_maps: tuple[InstanceReference, ...] = ()

    def __post_init__(self) -> None:
        _require(not (self.frames and self.segments), "frames", "frames and segments exclude each other")
        _require(all(number >= 1 for number in self.frames), "frames", "frames are counted from 1")
        _require(all(number >= 1 for number in self.segments), "segments", "segments are counted from 1")
        if self.frames or self.segments or self.presentation_state:
            _require(
                self.value_type == "IMAGE", "frames", "only images have frames, segments and presentation"
            )
        if self.frames:
            _require(
                sop_classes.is_multiframe_capable(self.instance.sop_class_uid),
                "frames",
                f"{sop_classes.name(self.instance.sop_class_uid)} has no frames",
            )
        if self.waveform_channels:
            _require(self.value_type == "WAVEFORM", "waveform_channels", "only waveforms have channels")
            _require(len(self.waveform_channels) % 2 == 0, "waveform_channels", "channels come in pairs")

    @property
    def value_type(self) -> ValueType:
        """The content item that flags it (TID 2010 rows 8 to 10), by SOP class."""
        if sop_classes.is_image(self.instance.sop_class_uid):
            return "IMAGE"
        return "WAVEFORM" if sop_classes.is_waveform(self.instance.sop_class_uid) else "COMPOSITE"


@dataclass(frozen=True, slots=True)
class Person:
    """A person observer (TID 1003): a name in DICOM form, and the login name where one is known."""

    name: str
    login: str = ""

    def __post_init__(self) -> None:
        _require(bool(self.name.strip()), "author.name", "a person has a name")
        _require("\\" not in self.name, "author.name", "a backslash separates values in DICOM")


@dataclass(frozen=True, slots=True)
class Device:
    """A device observer (TID 1004)."""

    uid: str
    name: str = ""

    def __post_init__(self) -> None:
        _require(uids.is_valid(self.uid), "author.uid", f"{self.uid!r} is no UID")


Observer = Person | Device


@dataclass(frozen=True, slots=True)
class KeyObjectSelection:
    """What a note says: TID 2010 without its envelope."""

    title: Code
    references: tuple[Reference, ...]
    modifiers: tuple[Code, ...] = ()
    description: str = ""
    language: str = ""
    observers: tuple[Observer, ...] = ()
    procedure_codes: tuple[Code, ...] = ()

    def __post_init__(self) -> None:
        _require(bool(self.references), "references", "a key object flags at least one instance")
        _require(
            not self.language or _LANGUAGE.fullmatch(self.language) is not None,
            "language",
            f"{self.language!r} is no RFC 5646 language tag, e.g. en-GB",
        )
        for name, code in (("title", self.title), *(("modifiers", code) for code in self.modifiers)):
            _require(bool(code.meaning), name, f"the code {code.value} of {code.scheme} has no meaning")
            _require(len(code.scheme) <= 16, name, "a coding scheme designator has at most 16 characters")


@dataclass(frozen=True, slots=True)
class RequestReference:
    """One item of Referenced Request Sequence (PS3.3 C.17.6.2)."""

    study_instance_uid: str
    accession_number: str = ""
    requested_procedure_id: str = ""
    requested_procedure_description: str = ""
    placer_order_number: str = ""
    filler_order_number: str = ""


@dataclass(frozen=True, slots=True)
class DocumentContext:
    """The envelope: identity, and the patient and study attributes as the study was received with them.

    Texts are as DICOM has them (dates `YYYYMMDD`, names with `^`); an attribute without a value is empty.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    content_date: str
    content_time: str
    timezone: str
    series_number: int = 1
    instance_number: int = 1
    series_description: str = ""
    manufacturer: str = ""
    institution_name: str = ""
    patient_name: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    study_date: str = ""
    study_time: str = ""
    study_id: str = ""
    study_description: str = ""
    accession_number: str = ""
    referring_physician_name: str = ""
    requests: tuple[RequestReference, ...] = ()
    #: The copies of the same document in other studies (PS3.3 C.17.6.2.1).
    identical_documents: tuple[InstanceReference, ...] = ()

    def __post_init__(self) -> None:
        for name in ("study_instance_uid", "series_instance_uid", "sop_instance_uid"):
            value = getattr(self, name)
            _require(uids.is_tolerable(value) and len(value) <= 64, name, f"{value!r} is no UID")
        _require(parse_date(self.content_date) is not None, "content_date", "is no date")
        _require(parse_time(self.content_time) is not None, "content_time", "is no time")
        _require(parse_offset(self.timezone) is not None, "timezone", f"{self.timezone!r} is no UTC offset")


@dataclass(frozen=True, slots=True)
class KeyObjectDocument:
    """One KOS: an envelope and what it says."""

    context: DocumentContext
    selection: KeyObjectSelection

    def __post_init__(self) -> None:
        studies = {reference.instance.study_instance_uid for reference in self.selection.references}
        others = studies - {self.context.study_instance_uid}
        _require(
            not others or len(studies) == 1 or bool(self.context.identical_documents),
            "identical_documents",
            "a key object over several studies names its copies in the others",
        )
