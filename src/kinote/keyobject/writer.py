"""Writing Key Object Selection documents: model to bytes, in Explicit VR Little Endian.

The same document always gives the same bytes (law 11). Elements are put in order of their tags by the
code itself; the tests compare with pydicom and dciodvfy. The rules are those of PS3.3 A.35.4 and C.17.6
and of TID 2010; the description comes first among the items, since viewers show a key object by the text
of its first item.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache

from kinote.dicom import sop_classes
from kinote.dicom.part10 import file_meta_bytes
from kinote.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.keyobject.codes import Code, dcm
from kinote.keyobject.model import (
    DocumentContext,
    InstanceReference,
    KeyObjectDocument,
    Observer,
    Person,
    Reference,
    RequestReference,
)

_LONG_FORM = frozenset({"SQ", "UT", "UC", "UR", "OB", "OW", "UN"})

TITLE_MODIFIER = dcm("113011", "Document Title Modifier")
DESCRIPTION = dcm("113012", "Key Object Description")
LANGUAGE = dcm("121049", "Language of Content Item and Descendants")
OBSERVER_TYPE = dcm("121005", "Observer Type")
PERSON = dcm("121006", "Person")
DEVICE = dcm("121007", "Device")
PERSON_NAME = dcm("121008", "Person Observer Name")
LOGIN_NAME = dcm("128774", "Person Observer's Login Name")
DEVICE_UID = dcm("121012", "Device Observer UID")
DEVICE_NAME = dcm("121013", "Device Observer Name")
PROCEDURE = dcm("121023", "Procedure Code")


def encode(document: KeyObjectDocument) -> bytes:
    """The data set of a document."""
    context, selection = document.context, document.selection
    return b"".join(
        (
            _repeated(0x00080005, "CS", "ISO_IR 192"),
            _repeated(0x00080016, "UI", sop_classes.KEY_OBJECT_SELECTION),
            _text(0x00080018, "UI", context.sop_instance_uid),
            _repeated(0x00080020, "DA", context.study_date),
            _repeated(0x00080023, "DA", context.content_date),
            _repeated(0x00080030, "TM", context.study_time),
            _text(0x00080033, "TM", context.content_time),
            _repeated(0x00080050, "SH", context.accession_number),
            _repeated(0x00080060, "CS", "KO"),
            _repeated(0x00080070, "LO", context.manufacturer),
            _repeated_if(0x00080080, "LO", context.institution_name),
            _repeated(0x00080090, "PN", context.referring_physician_name),
            _repeated(0x00080201, "SH", context.timezone),
            _repeated_if(0x00081030, "LO", context.study_description),
            _optional(0x0008103E, "LO", context.series_description),
            _sequence(0x00081111, ()),
            _repeated(0x00100010, "PN", context.patient_name),
            _repeated(0x00100020, "LO", context.patient_id),
            _repeated_if(0x00100021, "LO", context.issuer_of_patient_id),
            _repeated(0x00100030, "DA", context.patient_birth_date),
            _repeated(0x00100040, "CS", context.patient_sex),
            _repeated(0x0020000D, "UI", context.study_instance_uid),
            _text(0x0020000E, "UI", context.series_instance_uid),
            _repeated(0x00200010, "SH", context.study_id),
            _text(0x00200011, "IS", str(context.series_number)),
            _repeated(0x00200013, "IS", str(context.instance_number)),
            _repeated(0x0040A040, "CS", "CONTAINER"),
            _code(0x0040A043, selection.title),
            _repeated(0x0040A050, "CS", "SEPARATE"),
            _requests(context),
            _sequence(0x0040A375, _by_study(_evidence(selection.references))),
            _TEMPLATE,
            _identical_documents(context),
            _sequence(0x0040A730, _content(document)),
        )
    )


def encode_file(document: KeyObjectDocument) -> bytes:
    """A document as a DICOM file (PS3.10)."""
    meta = file_meta_bytes(
        sop_classes.KEY_OBJECT_SELECTION, document.context.sop_instance_uid, EXPLICIT_VR_LITTLE_ENDIAN
    )
    return meta + encode(document)


def _content(document: KeyObjectDocument) -> Iterable[bytes]:
    """The items below the root, each with its relationship to it (TID 2010)."""
    selection = document.selection
    if selection.description:
        yield _item("CONTAINS", "TEXT", DESCRIPTION, _text(0x0040A160, "UT", selection.description))
    if selection.language:
        tag = Code(selection.language, "RFC5646", selection.language)
        yield _item("HAS CONCEPT MOD", "CODE", LANGUAGE, _code(0x0040A168, tag))
    for modifier in selection.modifiers:
        yield _item("HAS CONCEPT MOD", "CODE", TITLE_MODIFIER, _code(0x0040A168, modifier))
    for procedure in selection.procedure_codes:
        yield _item("HAS CONCEPT MOD", "CODE", PROCEDURE, _code(0x0040A168, procedure))
    for observer in selection.observers:
        yield from _observer(observer)
    for reference in selection.references:
        yield _reference(reference)


def _observer(observer: Observer) -> Iterable[bytes]:
    """TID 1002 with TID 1003 or 1004."""
    kind = PERSON if isinstance(observer, Person) else DEVICE
    yield _item("HAS OBS CONTEXT", "CODE", OBSERVER_TYPE, _code(0x0040A168, kind))
    if isinstance(observer, Person):
        yield _item("HAS OBS CONTEXT", "PNAME", PERSON_NAME, _text(0x0040A123, "PN", observer.name))
        if observer.login:
            yield _item("HAS OBS CONTEXT", "TEXT", LOGIN_NAME, _text(0x0040A160, "UT", observer.login))
        return
    yield _item("HAS OBS CONTEXT", "UIDREF", DEVICE_UID, _text(0x0040A124, "UI", observer.uid))
    if observer.name:
        yield _item("HAS OBS CONTEXT", "TEXT", DEVICE_NAME, _text(0x0040A160, "UT", observer.name))


def _item(relationship: str, value_type: str, concept: Code, value: bytes) -> bytes:
    return (
        _repeated(0x0040A010, "CS", relationship)
        + _repeated(0x0040A040, "CS", value_type)
        + _code(0x0040A043, concept)
        + value
    )


def _reference(reference: Reference) -> bytes:
    """An IMAGE, WAVEFORM or COMPOSITE item; a purpose of reference is forbidden here."""
    referenced = [
        _repeated(0x00081150, "UI", reference.instance.sop_class_uid),
        _text(0x00081155, "UI", reference.instance.sop_instance_uid),
    ]
    if reference.frames:
        referenced.append(_text(0x00081160, "IS", "\\".join(map(str, reference.frames))))
    if reference.presentation_state:
        referenced.append(_sequence(0x00081199, (_sop_reference(reference.presentation_state),)))
    if reference.real_world_value_maps:
        referenced.append(_sequence(0x0008114B, map(_sop_reference, reference.real_world_value_maps)))
        referenced.sort(key=lambda element: struct.unpack_from("<HH", element))
    if reference.waveform_channels:
        referenced.append(_numbers(0x0040A0B0, reference.waveform_channels))
    if reference.segments:
        referenced.append(_numbers(0x0062000B, reference.segments))
    return (
        _sequence(0x00081199, (b"".join(referenced),))
        + _repeated(0x0040A010, "CS", "CONTAINS")
        + _repeated(0x0040A040, "CS", reference.value_type)
    )


def _evidence(references: Iterable[Reference]) -> Iterable[InstanceReference]:
    """Everything the content names, presentation states and value maps included (PS3.3 C.17.2.3)."""
    for reference in references:
        yield reference.instance
        if reference.presentation_state:
            yield reference.presentation_state
        yield from reference.real_world_value_maps


def _by_study(instances: Iterable[InstanceReference]) -> Iterable[bytes]:
    """The Hierarchical SOP Instance Reference Macro (PS3.3 C.17.2.1), each instance once."""
    studies: dict[str, dict[str, dict[str, InstanceReference]]] = {}
    for instance in instances:
        series = studies.setdefault(instance.study_instance_uid, {})
        series.setdefault(instance.series_instance_uid, {}).setdefault(instance.sop_instance_uid, instance)
    for study_uid, series in studies.items():
        items = (
            _sequence(0x00081199, map(_sop_reference, instances.values()))
            + _text(0x0020000E, "UI", series_uid)
            for series_uid, instances in series.items()
        )
        yield _sequence(0x00081115, items) + _text(0x0020000D, "UI", study_uid)


def _identical_documents(context: DocumentContext) -> bytes:
    if not context.identical_documents:
        return b""
    return _sequence(0x0040A525, _by_study(context.identical_documents))


def _requests(context: DocumentContext) -> bytes:
    return _sequence(0x0040A370, map(_request, context.requests)) if context.requests else b""


def _request(request: RequestReference) -> bytes:
    return b"".join(
        (
            _text(0x00080050, "SH", request.accession_number),
            _sequence(0x00081110, ()),
            _text(0x0020000D, "UI", request.study_instance_uid),
            _text(0x00321060, "LO", request.requested_procedure_description),
            _sequence(0x00321064, ()),
            _text(0x00401001, "SH", request.requested_procedure_id),
            _text(0x00402016, "LO", request.placer_order_number),
            _text(0x00402017, "LO", request.filler_order_number),
        )
    )


def _sop_reference(instance: InstanceReference) -> bytes:
    return _repeated(0x00081150, "UI", instance.sop_class_uid) + _text(
        0x00081155, "UI", instance.sop_instance_uid
    )


def _code(tag: int, code: Code) -> bytes:
    # Codes are equal without their meaning, which is part of what is written.
    return _written_code(tag, code.value, code.scheme, code.meaning)


@lru_cache(maxsize=1024)
def _written_code(tag: int, value_text: str, scheme: str, meaning: str) -> bytes:
    """A code sequence with one item (PS3.3 8.8); values beyond 16 characters are Long or URN Code Values."""
    if len(value_text) <= 16:
        value = (_text(0x00080100, "SH", value_text), b"")
    elif value_text.startswith(("urn:", "http:", "https:")):
        value = (b"", _text(0x00080120, "UR", value_text))
    else:
        value = (b"", _text(0x00080119, "UC", value_text))
    scheme_and_meaning = _text(0x00080102, "SH", scheme) + _text(0x00080104, "LO", meaning)
    return _sequence(tag, (value[0] + scheme_and_meaning + value[1],))


def _optional(tag: int, vr: str, value: str) -> bytes:
    return _text(tag, vr, value) if value else b""


def _text(tag: int, vr: str, value: str) -> bytes:
    encoded = value.encode("utf-8")
    if len(encoded) & 1:
        encoded += b"\0" if vr == "UI" else b" "
    return _element(tag, vr, encoded)


@lru_cache(maxsize=4096)
def _repeated(tag: int, vr: str, value: str) -> bytes:
    """A text that other documents have as well: of the study, the patient, the equipment."""
    return _text(tag, vr, value)


def _repeated_if(tag: int, vr: str, value: str) -> bytes:
    return _repeated(tag, vr, value) if value else b""


def _numbers(tag: int, numbers: tuple[int, ...]) -> bytes:
    return _element(tag, "US", struct.pack(f"<{len(numbers)}H", *numbers))


def _sequence(tag: int, items: Iterable[bytes]) -> bytes:
    body = b"".join([_ITEM + len(item).to_bytes(4, "little") + item for item in items])
    return _element(tag, "SQ", body)


def _element(tag: int, vr: str, value: bytes) -> bytes:
    beginning, size = _beginning(tag, vr)
    return beginning + len(value).to_bytes(size, "little") + value


_ITEM = struct.pack("<HH", 0xFFFE, 0xE000)


@lru_cache(maxsize=1024)
def _beginning(tag: int, vr: str) -> tuple[bytes, int]:
    """Tag and value representation, and how many bytes the length after them has (PS3.5 7.1.2)."""
    beginning = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return (beginning + b"\0\0", 4) if vr in _LONG_FORM else (beginning, 2)


_TEMPLATE = _sequence(0x0040A504, (_text(0x00080105, "CS", "DCMR") + _text(0x0040DB00, "CS", "2010"),))
