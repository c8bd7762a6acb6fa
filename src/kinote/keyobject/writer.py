"""The strict writer: a document as bytes, Explicit VR Little Endian, UTF-8.

It writes bytes and not elements of a library, which makes it fast and leaves nothing to chance: the same
document gives the same bytes, always. Bytes once made are never made otherwise, so a change here that
alters them for the same document raises `WRITER_VERSION`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from struct import Struct

from kinote.dicom import tags
from kinote.dicom.part10 import file_meta_bytes
from kinote.dicom.sop_classes import KEY_OBJECT_SELECTION
from kinote.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.keyobject import concepts
from kinote.keyobject.codes import Code
from kinote.keyobject.languages import language_code
from kinote.keyobject.model import (
    Device,
    InstanceReference,
    KeyObjectDocument,
    KeyObjectSelection,
    Observer,
    Reference,
    RequestReference,
    value_type_of,
)

#: The bytes of a document depend on it (law 11).
WRITER_VERSION = 2

_SHORT = Struct("<H").pack
_LONG = Struct("<I").pack

#: Representations that Specific Character Set has no say in (PS3.5 6.1.2.2).
_OF_NO_CHARACTER_SET = frozenset({b"DA", b"TM", b"CS"})

#: Code values beyond it are Long Code Values, and URNs are URN Code Values (PS3.3 8.1 and 8.8).
_SHORT_CODE_VALUE = 16
_URN = ("urn:", "http:", "https:")


def encode(document: KeyObjectDocument) -> bytes:
    """The data set of a document."""
    context, selection = document.context, document.selection
    parts: list[bytes] = []
    for head, attribute, optional in _ENVELOPE:
        value = getattr(context, attribute) if attribute else ""
        if value or not optional:
            parts.append(_text(head, str(value)) if attribute else head)
    parts += (
        _ROOT,
        _sequence(_CONCEPT_NAME, _code_item(selection.title)),
        _CONTINUITY,
        _requests(context.requests),
        _sequence(_EVIDENCE, _hierarchical(selection.evidence())),
        _TEMPLATE,
        _identical_documents(context.identical_documents),
        _sequence(_CONTENT, b"".join(_content(selection))),
    )
    return b"".join(parts)


def encode_file(document: KeyObjectDocument) -> bytes:
    """A document as a DICOM file (PS3.10)."""
    meta = file_meta_bytes(KEY_OBJECT_SELECTION, document.context.sop_instance_uid, EXPLICIT_VR_LITTLE_ENDIAN)
    return meta + encode(document)


# --- elements: a head is tag and value representation ----------------------------------------------


def _head(tag: int, vr: str) -> bytes:
    head = _SHORT(tag >> 16) + _SHORT(tag & 0xFFFF) + vr.encode()
    return head + b"\0\0" if vr in ("SQ", "UT", "UC", "UR") else head


def _text(head: bytes, value: str) -> bytes:
    """An element of a representation with a two-byte length; UIDs are padded with NUL (PS3.5 9.1)."""
    encoded = value.encode()
    if len(encoded) != len(value) and head[-2:] in _OF_NO_CHARACTER_SET:
        encoded = _as_received(value)
    if len(encoded) & 1:
        encoded += b"\0" if head.endswith(b"UI") else b" "
    return head + _SHORT(len(encoded)) + encoded


def _as_received(value: str) -> bytes:
    """A copied value that is no date, time or code string at all: its bytes were read one by one."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


def _long_text(head: bytes, value: str) -> bytes:
    """An element of a representation with a four-byte length (PS3.5 7.1.2)."""
    encoded = value.encode()
    if len(encoded) & 1:
        encoded += b" "
    return head + _LONG(len(encoded)) + encoded


def _numbers(head: bytes, numbers: tuple[int, ...]) -> bytes:
    return head + _SHORT(2 * len(numbers)) + b"".join(map(_SHORT, numbers))


def _sequence(head: bytes, items: bytes) -> bytes:
    return head + _LONG(len(items)) + items


def _item(elements: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + _LONG(len(elements)) + elements


# --- the envelope ---------------------------------------------------------------------------------


def _requests(requests: tuple[RequestReference, ...]) -> bytes:
    """Referenced Request Sequence: type 1C, so absent where there are none."""
    return _sequence(_REFERENCED_REQUESTS, b"".join(map(_request, requests))) if requests else b""


def _request(request: RequestReference) -> bytes:
    return _item(
        b"".join(
            _requested_procedure(request)
            if attribute == "requested_procedure_code"
            else _text(head, getattr(request, attribute))
            if attribute
            else head
            for head, attribute in _REQUEST
        )
    )


def _requested_procedure(request: RequestReference) -> bytes:
    """Requested Procedure Code Sequence: type 2, of one item at most."""
    code = request.requested_procedure_code
    return _sequence(_REQUESTED_PROCEDURE_CODE, _code_item(code) if code else b"")


def _hierarchical(instances: Iterable[InstanceReference]) -> bytes:
    """The Hierarchical SOP Instance Reference Macro (PS3.3 C.17.2.1), in order of first mention."""
    studies: dict[str, dict[str, list[bytes]]] = {}
    for instance in instances:
        series = studies.setdefault(instance.study_instance_uid, {})
        series.setdefault(instance.series_instance_uid, []).append(_instance_item(instance))
    return b"".join(
        _item(
            _sequence(
                _REFERENCED_SERIES,
                b"".join(
                    _item(_sequence(_REFERENCED_SOP, b"".join(items)) + _text(_SERIES_UID, series_uid))
                    for series_uid, items in series.items()
                ),
            )
            + _text(_STUDY_UID, study_uid)
        )
        for study_uid, series in studies.items()
    )


def _identical_documents(copies: tuple[InstanceReference, ...]) -> bytes:
    return _sequence(_IDENTICAL_DOCUMENTS, _hierarchical(copies)) if copies else b""


# --- the content tree -----------------------------------------------------------------------------


def _content(selection: KeyObjectSelection) -> Iterable[bytes]:
    """The items of TID 2010. Order has no meaning among rows, so the description comes first: some
    viewers label a key object by its first item. The references keep their order."""
    if selection.description:
        yield _text_item(_CONTAINS, concepts.KEY_OBJECT_DESCRIPTION, selection.description)
    for code in selection.modifiers:
        yield _code_value_item(_HAS_CONCEPT_MOD, concepts.DOCUMENT_TITLE_MODIFIER, code)
    for code in selection.procedure_codes:
        yield _code_value_item(_HAS_CONCEPT_MOD, concepts.PROCEDURE_CODE, code)
    if selection.language:
        yield _code_value_item(_HAS_CONCEPT_MOD, concepts.LANGUAGE, language_code(selection.language))
    for observer in selection.observers:
        yield from _observer_items(observer)
    yield from map(_reference_item, selection.references)


def _observer_items(observer: Observer) -> Iterable[bytes]:
    """TID 1002 with TID 1003 or 1004."""
    if isinstance(observer, Device):
        yield _code_value_item(_HAS_OBS_CONTEXT, concepts.OBSERVER_TYPE, concepts.DEVICE)
        yield _named_item("UIDREF", concepts.DEVICE_OBSERVER_UID, _text(_UID, observer.uid))
        if observer.name:
            yield _text_item(_HAS_OBS_CONTEXT, concepts.DEVICE_OBSERVER_NAME, observer.name)
        return
    yield _code_value_item(_HAS_OBS_CONTEXT, concepts.OBSERVER_TYPE, concepts.PERSON)
    yield _named_item("PNAME", concepts.PERSON_OBSERVER_NAME, _text(_PERSON_NAME, observer.name))
    if observer.login:
        yield _text_item(_HAS_OBS_CONTEXT, concepts.PERSON_OBSERVER_LOGIN_NAME, observer.login)


def _named_item(value_type: str, concept: Code, value: bytes) -> bytes:
    return _item(
        _HAS_OBS_CONTEXT + _value_type(value_type) + _sequence(_CONCEPT_NAME, _code_item(concept)) + value
    )


def _text_item(relationship: bytes, concept: Code, value: str) -> bytes:
    return _item(
        relationship
        + _value_type("TEXT")
        + _sequence(_CONCEPT_NAME, _code_item(concept))
        + _long_text(_TEXT_VALUE, value)
    )


def _code_value_item(relationship: bytes, concept: Code, value: Code) -> bytes:
    return _item(
        relationship
        + _value_type("CODE")
        + _sequence(_CONCEPT_NAME, _code_item(concept))
        + _sequence(_CONCEPT_CODE, _code_item(value))
    )


def _reference_item(reference: Reference) -> bytes:
    """TID 2010 rows 8 to 10: the reference and nothing else, a concept name being forbidden."""
    sop_item = _item(_referenced_instance(reference))
    return _item(
        _sequence(_REFERENCED_SOP, sop_item) + _flagged_as(value_type_of(reference.instance.sop_class_uid))
    )


def _referenced_instance(reference: Reference) -> bytes:
    """The Image, Waveform or Composite Object Reference Macro (PS3.3 C.18.3 to C.18.5)."""
    instance = _instance(reference.instance)
    if reference.real_world_value_maps:
        maps = b"".join(map(_instance_item, reference.real_world_value_maps))
        instance = _sequence(_REAL_WORLD_VALUE_MAPS, maps) + instance
    if reference.frames:
        instance += _text(_FRAME_NUMBERS, "\\".join(map(str, reference.frames)))
    if reference.presentation_state:
        instance += _sequence(_REFERENCED_SOP, _instance_item(reference.presentation_state))
    if reference.waveform_channels:
        instance += _numbers(_WAVEFORM_CHANNELS, reference.waveform_channels)
    if reference.segments:
        instance += _numbers(_SEGMENT_NUMBERS, reference.segments)
    return instance


def _instance_item(instance: InstanceReference) -> bytes:
    return _item(_instance(instance))


def _instance(instance: InstanceReference) -> bytes:
    return _class(instance.sop_class_uid) + _text(_INSTANCE_UID, instance.sop_instance_uid)


@lru_cache(maxsize=512)
def _class(sop_class_uid: str) -> bytes:
    return _text(_head(tags.REFERENCED_SOP_CLASS_UID, "UI"), sop_class_uid)


@lru_cache(maxsize=16)
def _value_type(value_type: str) -> bytes:
    return _text(_head(tags.VALUE_TYPE, "CS"), value_type)


@lru_cache(maxsize=4)
def _flagged_as(value_type: str) -> bytes:
    return _CONTAINS + _value_type(value_type)


def _code_item(code: Code) -> bytes:
    # Equal codes may differ in meaning, so the meaning is part of what the cache goes by.
    return _code_item_of(code.value, code.scheme, code.meaning)


@lru_cache(maxsize=4096)
def _code_item_of(value: str, scheme: str, meaning: str) -> bytes:
    """A code sequence's item (PS3.3 8.8), in whichever of the three code value attributes it belongs."""
    designator = _text(_head(tags.CODING_SCHEME_DESIGNATOR, "SH"), scheme)
    named = designator + _text(_head(tags.CODE_MEANING, "LO"), meaning)
    if value.startswith(_URN):
        return _item(named + _long_text(_head(tags.URN_CODE_VALUE, "UR"), value))
    if len(value) > _SHORT_CODE_VALUE:
        return _item(named + _long_text(_head(tags.LONG_CODE_VALUE, "UC"), value))
    return _item(_text(_head(tags.CODE_VALUE, "SH"), value) + named)


# --- heads, and what every document has -----------------------------------------------------------

_CONCEPT_NAME = _head(tags.CONCEPT_NAME_CODE_SEQUENCE, "SQ")
_CONCEPT_CODE = _head(tags.CONCEPT_CODE_SEQUENCE, "SQ")
_CONTENT = _head(tags.CONTENT_SEQUENCE, "SQ")
_EVIDENCE = _head(tags.CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, "SQ")
_IDENTICAL_DOCUMENTS = _head(tags.IDENTICAL_DOCUMENTS_SEQUENCE, "SQ")
_REFERENCED_REQUESTS = _head(tags.REFERENCED_REQUEST_SEQUENCE, "SQ")
_REQUESTED_PROCEDURE_CODE = _head(tags.REQUESTED_PROCEDURE_CODE_SEQUENCE, "SQ")
_REFERENCED_SERIES = _head(tags.REFERENCED_SERIES_SEQUENCE, "SQ")
_REFERENCED_SOP = _head(tags.REFERENCED_SOP_SEQUENCE, "SQ")
_REAL_WORLD_VALUE_MAPS = _head(tags.REFERENCED_REAL_WORLD_VALUE_MAPPING_INSTANCE_SEQUENCE, "SQ")
_INSTANCE_UID = _head(tags.REFERENCED_SOP_INSTANCE_UID, "UI")
_SERIES_UID = _head(tags.SERIES_INSTANCE_UID, "UI")
_STUDY_UID = _head(tags.STUDY_INSTANCE_UID, "UI")
_UID = _head(tags.UID, "UI")
_PERSON_NAME = _head(tags.PERSON_NAME, "PN")
_TEXT_VALUE = _head(tags.TEXT_VALUE, "UT")
_FRAME_NUMBERS = _head(tags.REFERENCED_FRAME_NUMBER, "IS")
_WAVEFORM_CHANNELS = _head(tags.REFERENCED_WAVEFORM_CHANNELS, "US")
_SEGMENT_NUMBERS = _head(tags.REFERENCED_SEGMENT_NUMBER, "US")

_ROOT = _value_type("CONTAINER")
_CONTINUITY = _text(_head(tags.CONTINUITY_OF_CONTENT, "CS"), "SEPARATE")
_TEMPLATE = _sequence(
    _head(tags.CONTENT_TEMPLATE_SEQUENCE, "SQ"),
    _item(
        _text(_head(tags.MAPPING_RESOURCE, "CS"), "DCMR")
        + _text(_head(tags.TEMPLATE_IDENTIFIER, "CS"), "2010")
    ),
)
_CONTAINS = _text(_head(tags.RELATIONSHIP_TYPE, "CS"), "CONTAINS")
_HAS_CONCEPT_MOD = _text(_head(tags.RELATIONSHIP_TYPE, "CS"), "HAS CONCEPT MOD")
_HAS_OBS_CONTEXT = _text(_head(tags.RELATIONSHIP_TYPE, "CS"), "HAS OBS CONTEXT")

#: Patient to Key Object Document modules in order of tags: head, attribute of the context, and whether it
#: is left out when empty (type 3). Rows without an attribute are whole elements.
_ENVELOPE: tuple[tuple[bytes, str, bool], ...] = (
    (_text(_head(tags.SPECIFIC_CHARACTER_SET, "CS"), "ISO_IR 192"), "", False),
    (_text(_head(tags.SOP_CLASS_UID, "UI"), KEY_OBJECT_SELECTION), "", False),
    (_head(tags.SOP_INSTANCE_UID, "UI"), "sop_instance_uid", False),
    (_head(tags.STUDY_DATE, "DA"), "study_date", False),
    (_head(tags.CONTENT_DATE, "DA"), "content_date", False),
    (_head(tags.STUDY_TIME, "TM"), "study_time", False),
    (_head(tags.CONTENT_TIME, "TM"), "content_time", False),
    (_head(tags.ACCESSION_NUMBER, "SH"), "accession_number", False),
    (_text(_head(tags.MODALITY, "CS"), "KO"), "", False),
    (_head(tags.MANUFACTURER, "LO"), "manufacturer", False),
    (_head(tags.INSTITUTION_NAME, "LO"), "institution_name", True),
    (_head(tags.REFERRING_PHYSICIAN_NAME, "PN"), "referring_physician_name", False),
    (_head(tags.TIMEZONE_OFFSET_FROM_UTC, "SH"), "timezone", False),
    (_head(tags.STUDY_DESCRIPTION, "LO"), "study_description", True),
    (_head(tags.SERIES_DESCRIPTION, "LO"), "series_description", True),
    (_sequence(_head(tags.REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, "SQ"), b""), "", False),
    (_head(tags.PATIENT_NAME, "PN"), "patient_name", False),
    (_head(tags.PATIENT_ID, "LO"), "patient_id", False),
    (_head(tags.ISSUER_OF_PATIENT_ID, "LO"), "issuer_of_patient_id", True),
    (_head(tags.PATIENT_BIRTH_DATE, "DA"), "patient_birth_date", False),
    (_head(tags.PATIENT_SEX, "CS"), "patient_sex", False),
    (_head(tags.STUDY_INSTANCE_UID, "UI"), "study_instance_uid", False),
    (_head(tags.SERIES_INSTANCE_UID, "UI"), "series_instance_uid", False),
    (_head(tags.STUDY_ID, "SH"), "study_id", False),
    (_head(tags.SERIES_NUMBER, "IS"), "series_number", False),
    (_head(tags.INSTANCE_NUMBER, "IS"), "instance_number", False),
)

_REQUEST: tuple[tuple[bytes, str], ...] = (
    (_head(tags.ACCESSION_NUMBER, "SH"), "accession_number"),
    (_sequence(_head(tags.REFERENCED_STUDY_SEQUENCE, "SQ"), b""), ""),
    (_head(tags.STUDY_INSTANCE_UID, "UI"), "study_instance_uid"),
    (_head(tags.REQUESTED_PROCEDURE_DESCRIPTION, "LO"), "requested_procedure_description"),
    (_REQUESTED_PROCEDURE_CODE, "requested_procedure_code"),
    (_head(tags.REQUESTED_PROCEDURE_ID, "SH"), "requested_procedure_id"),
    (_head(tags.PLACER_ORDER_NUMBER, "LO"), "placer_order_number"),
    (_head(tags.FILLER_ORDER_NUMBER, "LO"), "filler_order_number"),
)
