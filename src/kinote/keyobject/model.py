"""The Key Object Selection document as values (PS3.3 A.35.4, PS3.16 TID 2010).

Constructors are strict: what they take can be written as a conformant document and is read back as the
same, so no half-valid object ever exists. What is wrong with a received document is
`kinote.keyobject.reader`'s to say. Attributes of patient and study are copied as they were received,
their faults with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from kinote.dicom import sop_classes, uids
from kinote.dicom.dates import parse_date, parse_offset, parse_time
from kinote.keyobject.codes import Code
from kinote.keyobject.languages import is_language_tag
from kinote.keyobject.texts import LONGEST_SHORT_VALUE, problem_with, problem_with_copy
from kinote.keyobject.titles import modifiers_for

ValueType = Literal["IMAGE", "WAVEFORM", "COMPOSITE"]

#: The largest number IS can hold, and US (PS3.5 table 6.2-1).
_LARGEST_IS = 2**31 - 1
_LARGEST_US = 2**16 - 1


class InvalidKeyObjectError(ValueError):
    """A document that must not exist; `field` names what is wrong with it."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"{field}: {what}")
        self.field = field


def _require(condition: bool, field: str, what: str) -> None:
    if not condition:
        raise InvalidKeyObjectError(field, what)


def _require_text(vr: str, field: str, text: str) -> None:
    problem = problem_with(vr, text)
    if problem:
        raise InvalidKeyObjectError(field, problem)


def _require_uids(holder: object, names: tuple[str, ...]) -> None:
    """Received UIDs may be odd: they must be usable as keys and writable."""
    for name in names:
        value = getattr(holder, name)
        if not uids.is_tolerable(value) or len(value) > 64:
            raise InvalidKeyObjectError(name, f"{value!r} is no UID")


def _require_code(field: str, code: Code) -> None:
    _require(bool(code.meaning), field, f"the code {code.value} of {code.scheme} has no meaning")
    _require_text("SH", field, code.scheme)
    _require_text("LO", field, code.meaning)
    _require(code.value.isprintable() and "\\" not in code.value, field, f"{code.value!r} is no code value")
    _require(code.value.strip(" ") == code.value, field, f"{code.value!r} begins or ends with a space")
    _require(code.value.isascii() or len(code.value) <= 16, field, f"{code.value!r} is no code value")


@lru_cache(maxsize=1024)
def value_type_of(sop_class_uid: str) -> ValueType:
    """The content item that flags instances of a class (TID 2010 rows 8 to 10)."""
    if sop_classes.is_image(sop_class_uid):
        return "IMAGE"
    return "WAVEFORM" if sop_classes.is_waveform(sop_class_uid) else "COMPOSITE"


@dataclass(frozen=True, slots=True)
class InstanceReference:
    """One instance, and the series and study it lies in."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str

    def __post_init__(self) -> None:
        _require_uids(
            self, ("study_instance_uid", "series_instance_uid", "sop_class_uid", "sop_instance_uid")
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """A flagged instance, with frames or segments of it and the presentation state to apply.

    `waveform_channels` are pairs of multiplex group and channel, one after the other.
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
        _require(
            self.value_type == "IMAGE", field, "only images have frames, segments and presentation states"
        )
        _require(not (self.frames and self.segments), "frames", "frames and segments exclude each other")
        if self.frames:
            _require(
                sop_classes.is_multiframe_capable(class_uid),
                "frames",
                f"{sop_classes.name(class_uid)} has no frames",
            )
            _require_numbers("frames", self.frames, _LARGEST_IS)
            length = sum(len(str(number)) + 1 for number in self.frames)
            _require(
                length <= LONGEST_SHORT_VALUE, "frames", "are more than one reference holds; flag all instead"
            )
        if self.segments:
            _require(
                sop_classes.is_segmentation(class_uid),
                "segments",
                f"{sop_classes.name(class_uid)} has no segments",
            )
            _require_numbers("segments", self.segments, _LARGEST_US)
            _require(
                len(self.segments) * 2 <= LONGEST_SHORT_VALUE, "segments", "are more than a reference holds"
            )
        if self.presentation_state:
            _require(
                sop_classes.is_presentation_state(self.presentation_state.sop_class_uid),
                "presentation_state",
                f"{sop_classes.name(self.presentation_state.sop_class_uid)} is no presentation state",
            )

    def _check_waveform(self) -> None:
        _require(self.value_type == "WAVEFORM", "waveform_channels", "only waveforms have channels")
        _require(len(self.waveform_channels) % 2 == 0, "waveform_channels", "channels come in pairs")
        _require(
            all(0 <= number <= _LARGEST_US for number in self.waveform_channels),
            "waveform_channels",
            f"are numbers from 0 to {_LARGEST_US}",
        )
        _require(
            len(self.waveform_channels) * 2 <= LONGEST_SHORT_VALUE,
            "waveform_channels",
            "are more than one reference holds",
        )

    @property
    def value_type(self) -> ValueType:
        """The content item that flags it (TID 2010 rows 8 to 10), by SOP class."""
        return value_type_of(self.instance.sop_class_uid)

    @property
    def instances(self) -> tuple[InstanceReference, ...]:
        """All that the evidence must list for it (PS3.3 C.17.2.3): the instance and what applies to it."""
        if self.presentation_state:
            return (self.instance, self.presentation_state, *self.real_world_value_maps)
        return (self.instance, *self.real_world_value_maps)


def _require_numbers(field: str, numbers: tuple[int, ...], largest: int) -> None:
    _require(all(number >= 1 for number in numbers), field, f"{field} are counted from 1")
    _require(all(number <= largest for number in numbers), field, f"{field} go to {largest}")
    _require(len(set(numbers)) == len(numbers), field, "a number is given twice")


@dataclass(frozen=True, slots=True)
class Person:
    """A person observer (TID 1003): a name in DICOM form, and the login name where one is known."""

    name: str
    login: str = ""

    def __post_init__(self) -> None:
        _require(bool(self.name.strip(" ^=")), "author.name", "a person has a name")
        _require_text("PN", "author.name", self.name)
        _require_text("UT", "author.login", self.login)


@dataclass(frozen=True, slots=True)
class Device:
    """A device observer (TID 1004)."""

    uid: str
    name: str = ""

    def __post_init__(self) -> None:
        _require(uids.is_valid(self.uid), "author.uid", f"{self.uid!r} is no UID")
        _require_text("UT", "author.name", self.name)


Observer = Person | Device


@dataclass(frozen=True, slots=True)
class KeyObjectSelection:
    """What a note says: TID 2010 without its envelope. References keep their order."""

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
            not self.language or is_language_tag(self.language),
            "language",
            f"{self.language!r} is no RFC 5646 language tag, e.g. en-GB",
        )
        _require_text("UT", "description", self.description)
        _require_code("title", self.title)
        for code in self.modifiers:
            _require_code("modifiers", code)
        for code in self.procedure_codes:
            _require_code("procedure_codes", code)
        rule = modifiers_for(self.title)
        if rule is not None and rule.mandatory:
            _require(
                any(code in rule.codes for code in self.modifiers),
                "modifiers",
                f"{self.title.meaning} needs a modifier of CID {rule.context_group}",
            )
        self._check_instances()

    def _check_instances(self) -> None:
        """An instance lies in one series, has one class, and is flagged once in the same way."""
        known: dict[str, InstanceReference] = {}
        flagged: dict[str, list[Reference]] = {}
        for reference in self.references:
            same = flagged.setdefault(reference.instance.sop_instance_uid, [])
            _require(reference not in same, "references", "a reference is given twice")
            same.append(reference)
            for instance in reference.instances:
                if known.setdefault(instance.sop_instance_uid, instance) != instance:
                    raise InvalidKeyObjectError(
                        "references",
                        f"{instance.sop_instance_uid} is given with two series, studies or classes",
                    )

    def evidence(self) -> tuple[InstanceReference, ...]:
        """All instances the document names, each once, in order of first mention."""
        known: dict[str, InstanceReference] = {}
        for reference in self.references:
            for instance in reference.instances:
                known.setdefault(instance.sop_instance_uid, instance)
        return tuple(known.values())


@dataclass(frozen=True, slots=True)
class RequestReference:
    """One item of Referenced Request Sequence (PS3.3 C.17.6.2), as the study was received with it."""

    study_instance_uid: str
    accession_number: str = ""
    requested_procedure_id: str = ""
    requested_procedure_description: str = ""
    placer_order_number: str = ""
    filler_order_number: str = ""

    def __post_init__(self) -> None:
        _require_uids(self, ("study_instance_uid",))
        for name in self.__slots__:
            _require_copy(f"requests.{name}", getattr(self, name))


def _require_copy(field: str, text: str) -> None:
    problem = problem_with_copy(text)
    if problem:
        raise InvalidKeyObjectError(field, problem)


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
        _require_uids(self, ("study_instance_uid", "series_instance_uid", "sop_instance_uid"))
        _require(
            parse_date(self.content_date) is not None and self.content_date.isdigit(),
            "content_date",
            f"{self.content_date!r} is no date YYYYMMDD",
        )
        _require(
            parse_time(self.content_time) is not None and ":" not in self.content_time,
            "content_time",
            f"{self.content_time!r} is no time HHMMSS.FFFFFF",
        )
        _require(parse_offset(self.timezone) is not None, "timezone", f"{self.timezone!r} is no UTC offset")
        for name in ("series_number", "instance_number"):
            _require(0 <= getattr(self, name) <= _LARGEST_IS, name, f"goes from 0 to {_LARGEST_IS}")
        _require_text("LO", "series_description", self.series_description)
        _require_text("LO", "manufacturer", self.manufacturer)
        for name in _COPIED:
            _require_copy(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class KeyObjectDocument:
    """One KOS: an envelope and what it says."""

    context: DocumentContext
    selection: KeyObjectSelection

    def __post_init__(self) -> None:
        evidence = self.selection.evidence()
        for instance in evidence:
            _require(
                instance.sop_instance_uid != self.context.sop_instance_uid,
                "references",
                "a key object does not flag itself",
            )
            _require(
                instance.series_instance_uid != self.context.series_instance_uid
                or instance.sop_class_uid == sop_classes.KEY_OBJECT_SELECTION,
                "series_instance_uid",
                "a key object lies in a series of its own, not in one it flags",
            )
        self._check_identical_documents({instance.study_instance_uid for instance in evidence})

    def _check_identical_documents(self, studies: set[str]) -> None:
        """One copy in each referenced study, and each names all the others (PS3.3 C.17.6.2.1)."""
        if len(studies) == 1 and not self.context.identical_documents:
            return
        named = [copy.study_instance_uid for copy in self.context.identical_documents]
        _require(
            sorted(named) == sorted(studies - {self.context.study_instance_uid}),
            "identical_documents",
            "a key object over several studies names its copy in each of the others",
        )
        _require(
            all(
                copy.sop_class_uid == sop_classes.KEY_OBJECT_SELECTION
                and copy.sop_instance_uid != self.context.sop_instance_uid
                for copy in self.context.identical_documents
            ),
            "identical_documents",
            "the copies are other key objects",
        )
