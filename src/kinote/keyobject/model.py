"""The Key Object Selection document as values (PS3.3 A.35.4, PS3.16 TID 2010).

Constructors are strict. What they accept can be written as a conformant document and reads back as equal values, so
no invalid object ever exists. Problems of received documents belong to `kinote.keyobject.reader`. Attributes of
patient and study may have faults: documents of others are written again as they were received.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from kinote.dicom.dictionary import sop_classes
from kinote.dicom.values import uids
from kinote.dicom.values.dates import is_date, is_offset, is_time
from kinote.keyobject.codes import Code
from kinote.keyobject.titles import MANIFEST_WITH_DESCRIPTION, has_standard_meaning, modifiers_for
from kinote.keyobject.validity import (
    InvalidKeyObjectError,
    require,
    require_code,
    require_copy,
    require_numbers,
    require_text,
    require_uids,
)
from kinote.keyobject.values.languages import is_language_tag
from kinote.keyobject.values.texts import LONGEST_SHORT_VALUE

ValueType = Literal["IMAGE", "WAVEFORM", "COMPOSITE"]

#: The largest number in IS, and in US (PS3.5 table 6.2-1).
_LARGEST_IS = 2**31 - 1
_LARGEST_US = 2**16 - 1


@lru_cache(maxsize=1024)
def value_type_of(sop_class_uid: str) -> ValueType:
    """Return the value type of items that reference instances of a class (TID 2010 rows 8 to 10)."""
    if sop_classes.is_image(sop_class_uid):
        return "IMAGE"
    return "WAVEFORM" if sop_classes.is_waveform(sop_class_uid) else "COMPOSITE"


@dataclass(frozen=True, slots=True)
class InstanceReference:
    """One instance with its series and study."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str

    def __post_init__(self) -> None:
        require_uids(self, ("study_instance_uid", "series_instance_uid", "sop_class_uid", "sop_instance_uid"))


@dataclass(frozen=True, slots=True)
class Reference:
    """A flagged instance, with frames or segments of it and the presentation state to apply.

    `waveform_channels` are pairs of multiplex group and channel, one after the other. A document names at most one
    real world value mapping (PS3.3 C.18.4); a reading has as many as were sent.
    """

    instance: InstanceReference
    frames: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()
    waveform_channels: tuple[int, ...] = ()
    presentation_state: InstanceReference | None = None
    real_world_value_maps: tuple[InstanceReference, ...] = ()

    def __post_init__(self) -> None:
        if self.frames or self.segments or self.presentation_state or self.real_world_value_maps:
            self._check_image()
        if self.waveform_channels:
            self._check_waveform()

    def _check_image(self) -> None:
        field = "frames" if self.frames else "segments" if self.segments else "presentation_state"
        class_uid = self.instance.sop_class_uid
        require(
            self.value_type == "IMAGE", field, "only images have frames, segments and presentation states"
        )
        require(not (self.frames and self.segments), "frames", "frames and segments exclude each other")
        if self.frames:
            require(
                sop_classes.is_multiframe_capable(class_uid),
                "frames",
                f"{sop_classes.name(class_uid)} has no frames",
            )
            require_numbers("frames", self.frames, _LARGEST_IS)
            length = sum(len(str(number)) + 1 for number in self.frames)
            require(
                length <= LONGEST_SHORT_VALUE, "frames", "are more than one reference holds; flag all instead"
            )
        if self.segments:
            require(
                sop_classes.is_segmentation(class_uid),
                "segments",
                f"{sop_classes.name(class_uid)} has no segments",
            )
            require_numbers("segments", self.segments, _LARGEST_US)
            require(
                len(self.segments) * 2 <= LONGEST_SHORT_VALUE, "segments", "are more than a reference holds"
            )
        if self.presentation_state:
            require(
                sop_classes.is_presentation_state(self.presentation_state.sop_class_uid),
                "presentation_state",
                f"{sop_classes.name(self.presentation_state.sop_class_uid)} is no presentation state",
            )
        self._check_value_maps()

    def _check_value_maps(self) -> None:
        field = "real_world_value_maps"
        maps = self.real_world_value_maps
        for value_map in maps:
            class_uid = value_map.sop_class_uid
            require(
                class_uid == sop_classes.REAL_WORLD_VALUE_MAPPING,
                field,
                f"{sop_classes.name(class_uid)} is no real world value mapping",
            )
        require(len(maps) <= 1, field, "a reference names one mapping at most")

    def _check_waveform(self) -> None:
        require(self.value_type == "WAVEFORM", "waveform_channels", "only waveforms have channels")
        require(len(self.waveform_channels) % 2 == 0, "waveform_channels", "channels come in pairs")
        require(
            all(0 <= number <= _LARGEST_US for number in self.waveform_channels),
            "waveform_channels",
            f"are numbers from 0 to {_LARGEST_US}",
        )
        require(
            len(self.waveform_channels) * 2 <= LONGEST_SHORT_VALUE,
            "waveform_channels",
            "are more than one reference holds",
        )

    @property
    def value_type(self) -> ValueType:
        """The value type of the item that flags it (TID 2010 rows 8 to 10), by SOP class."""
        return value_type_of(self.instance.sop_class_uid)

    @property
    def flagging(self) -> object:
        """Everything that distinguishes it from other references to the same instance. Readers merge equal ones.

        The real world value mapping is not part of it: it says how pixels are measured, not what is flagged.
        """
        state = self.presentation_state
        return (
            self.instance.sop_instance_uid,
            self.frames,
            self.segments,
            self.waveform_channels,
            state.sop_instance_uid if state else "",
        )

    @property
    def instances(self) -> tuple[InstanceReference, ...]:
        """All instances that the evidence must list for it (PS3.3 C.17.2.3): the flagged one and those to apply."""
        if self.presentation_state:
            return (self.instance, self.presentation_state, *self.real_world_value_maps)
        return (self.instance, *self.real_world_value_maps)


@dataclass(frozen=True, slots=True)
class Person:
    """A person observer (TID 1003): a name in DICOM form, and the login name if it is known."""

    name: str
    login: str = ""

    def __post_init__(self) -> None:
        require(bool(self.name.strip()), "author.name", "a person has a name")
        require_text("PN", "author.name", self.name)
        require_text("UT", "author.login", self.login)


@dataclass(frozen=True, slots=True)
class Device:
    """A device observer (TID 1004)."""

    uid: str
    name: str = ""

    def __post_init__(self) -> None:
        require(uids.is_valid(self.uid), "author.uid", f"{self.uid!r} is no UID")
        require_text("UT", "author.name", self.name)


Observer = Person | Device


@dataclass(frozen=True, slots=True)
class KeyObjectSelection:
    """The content of a note: TID 2010 without its header. References keep their order."""

    title: Code
    references: tuple[Reference, ...]
    modifiers: tuple[Code, ...] = ()
    description: str = ""
    language: str = ""
    observers: tuple[Observer, ...] = ()
    procedure_codes: tuple[Code, ...] = ()

    def __post_init__(self) -> None:
        require(bool(self.references), "references", "a key object flags at least one instance")
        require(
            not self.language or is_language_tag(self.language),
            "language",
            f"{self.language!r} is no RFC 5646 language tag, e.g. en-GB",
        )
        require_text("UT", "description", self.description)
        require(not self.description or bool(self.description.strip()), "description", "is blank")
        require_code("title", self.title)
        for code in self.modifiers:
            require_code("modifiers", code)
        for code in self.procedure_codes:
            require_code("procedure_codes", code)
        require(
            has_standard_meaning(self.title),
            "title",
            f"{self.title.value} of DCM does not mean {self.title.meaning!r}",
        )
        require(
            self.title != MANIFEST_WITH_DESCRIPTION,
            "title",
            "a manifest with description has an image library (TID 2010 row 11), which is read and not written",
        )
        self._check_modifiers()
        self._check_instances()

    def _check_modifiers(self) -> None:
        rule = modifiers_for(self.title)
        if rule is None:
            return
        require(
            not rule.mandatory or any(code in rule.codes for code in self.modifiers),
            "modifiers",
            f"{self.title.meaning} needs a modifier of CID {rule.context_group}",
        )
        for code in self.modifiers:
            require(
                code in rule.codes or code.scheme != "DCM",
                "modifiers",
                f"{code} is not of CID {rule.context_group}",
            )

    def _check_instances(self) -> None:
        """Check that an instance has one series and one class, and is flagged once in the same way."""
        known: dict[str, InstanceReference] = {}
        flagged: set[object] = set()
        for reference in self.references:
            flagged.add(reference.flagging)
            for instance in reference.instances:
                if known.setdefault(instance.sop_instance_uid, instance) != instance:
                    raise InvalidKeyObjectError(
                        "references",
                        f"{instance.sop_instance_uid} is given with two series, studies or classes",
                    )
        require(len(flagged) == len(self.references), "references", "a reference is given twice")

    def evidence(self) -> tuple[InstanceReference, ...]:
        """Return all instances that the document names, each once, in order of first mention."""
        known: dict[str, InstanceReference] = {}
        for reference in self.references:
            for instance in reference.instances:
                known.setdefault(instance.sop_instance_uid, instance)
        return tuple(known.values())


@dataclass(frozen=True, slots=True)
class RequestReference:
    """One item of Referenced Request Sequence (PS3.3 C.17.6.2), as received with the study."""

    study_instance_uid: str
    accession_number: str = ""
    requested_procedure_id: str = ""
    requested_procedure_description: str = ""
    placer_order_number: str = ""
    filler_order_number: str = ""
    requested_procedure_code: Code | None = None

    def __post_init__(self) -> None:
        require_uids(self, ("study_instance_uid",))
        for name in _REQUEST_TEXTS:
            require_copy(f"requests.{name}", getattr(self, name))
        if self.requested_procedure_code is not None:
            require_code("requests.requested_procedure_code", self.requested_procedure_code)


_REQUEST_TEXTS = (
    "study_instance_uid",
    "accession_number",
    "requested_procedure_id",
    "requested_procedure_description",
    "placer_order_number",
    "filler_order_number",
)


_COPIED = (
    "institution_name",
    "patient_name",
    "patient_id",
    "issuer_of_patient_id",
    "patient_birth_date",
    "patient_sex",
    "study_date",
    "study_time",
    "study_id",
    "study_description",
    "accession_number",
    "referring_physician_name",
)


@dataclass(frozen=True, slots=True)
class DocumentContext:
    """The header of a document: identity, and the patient and study attributes as received with the study.

    Texts have their DICOM form (dates `YYYYMMDD`, names with `^`). An attribute without a value is empty.
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
    #: The copies of this document in other studies (PS3.3 C.17.6.2.1).
    identical_documents: tuple[InstanceReference, ...] = ()

    def __post_init__(self) -> None:
        require_uids(self, ("study_instance_uid", "series_instance_uid", "sop_instance_uid"))
        for field, holds, form in (
            ("content_date", is_date, "date YYYYMMDD"),
            ("content_time", is_time, "time HHMMSS.FFFFFF"),
            ("timezone", is_offset, "UTC offset"),
        ):
            value = getattr(self, field)
            require(holds(value), field, f"{value!r} is no {form}")
        for name in ("series_number", "instance_number"):
            require(0 <= getattr(self, name) <= _LARGEST_IS, name, f"goes from 0 to {_LARGEST_IS}")
        require_text("LO", "series_description", self.series_description)
        require_text("LO", "manufacturer", self.manufacturer)
        for name in _COPIED:
            require_copy(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class KeyObjectDocument:
    """One KOS: its header and its content."""

    context: DocumentContext
    selection: KeyObjectSelection

    def __post_init__(self) -> None:
        evidence = self.selection.evidence()
        for instance in evidence:
            require(
                instance.sop_instance_uid != self.context.sop_instance_uid,
                "references",
                "a key object does not flag itself",
            )
            require(
                instance.series_instance_uid != self.context.series_instance_uid
                or instance.sop_class_uid == sop_classes.KEY_OBJECT_SELECTION,
                "series_instance_uid",
                "a key object lies in a series of its own, not in one it flags",
            )
        self._check_identical_documents()

    def _check_identical_documents(self) -> None:
        """Check that each study of flagged instances has one copy that names all others (PS3.3 C.17.6.2.1)."""
        copies = self.context.identical_documents
        named = [copy.study_instance_uid for copy in copies]
        flagged = {reference.instance.study_instance_uid for reference in self.selection.references}
        others = flagged - {self.context.study_instance_uid}
        require(
            len(flagged) == 1 or others <= set(named),
            "identical_documents",
            "a key object over several studies names its copy in each of the others",
        )
        require(
            len(set(named)) == len(named) and self.context.study_instance_uid not in named,
            "identical_documents",
            "each copy lies in a study of its own",
        )
        require(
            all(
                copy.sop_class_uid == sop_classes.KEY_OBJECT_SELECTION
                and copy.sop_instance_uid != self.context.sop_instance_uid
                for copy in copies
            ),
            "identical_documents",
            "the copies are other key objects",
        )


__all__ = [
    "Device",
    "DocumentContext",
    "InstanceReference",
    "InvalidKeyObjectError",
    "KeyObjectDocument",
    "KeyObjectSelection",
    "Observer",
    "Person",
    "Reference",
    "RequestReference",
    "ValueType",
    "value_type_of",
]
