"""The strict writer: makes the elements of a document, and its bytes (Explicit VR Little Endian, UTF-8).

It is deterministic: equal documents always give equal elements and bytes. Bytes that were made once must never come
out differently, so a change that alters them for the same document must increase `WRITER_VERSION`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import starmap

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.keyobject.codes import Code
from kinote.keyobject.elements import Element, Item, MadeItems, Numbers, encoded
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
from kinote.keyobject.values import concepts
from kinote.keyobject.values.languages import language_code

#: The bytes of a document depend on this version (law 11).
WRITER_VERSION = 2

#: Longer code values are Long Code Values; URNs are URN Code Values (PS3.3 8.1 and 8.8).
_SHORT_CODE_VALUE = 16
_URN = ("urn:", "http:", "https:")


def elements(document: KeyObjectDocument) -> list[Element]:
    """Return the data set of a document, in order of tags. Both its bytes and its index entry are made of this."""
    context, selection = document.context, document.selection
    return [
        (tags.SPECIFIC_CHARACTER_SET, "CS", "ISO_IR 192"),
        (tags.SOP_CLASS_UID, "UI", KEY_OBJECT_SELECTION),
        (tags.SOP_INSTANCE_UID, "UI", context.sop_instance_uid),
        (tags.STUDY_DATE, "DA", context.study_date),
        (tags.CONTENT_DATE, "DA", context.content_date),
        (tags.STUDY_TIME, "TM", context.study_time),
        (tags.CONTENT_TIME, "TM", context.content_time),
        (tags.ACCESSION_NUMBER, "SH", context.accession_number),
        (tags.MODALITY, "CS", "KO"),
        (tags.MANUFACTURER, "LO", context.manufacturer),
        *_optional_text(tags.INSTITUTION_NAME, context.institution_name),
        (tags.REFERRING_PHYSICIAN_NAME, "PN", context.referring_physician_name),
        (tags.TIMEZONE_OFFSET_FROM_UTC, "SH", context.timezone),
        *_optional_text(tags.STUDY_DESCRIPTION, context.study_description),
        *_optional_text(tags.SERIES_DESCRIPTION, context.series_description),
        (tags.REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, "SQ", ()),
        (tags.PATIENT_NAME, "PN", context.patient_name),
        (tags.PATIENT_ID, "LO", context.patient_id),
        *_optional_text(tags.ISSUER_OF_PATIENT_ID, context.issuer_of_patient_id),
        (tags.PATIENT_BIRTH_DATE, "DA", context.patient_birth_date),
        (tags.PATIENT_SEX, "CS", context.patient_sex),
        (tags.STUDY_INSTANCE_UID, "UI", context.study_instance_uid),
        (tags.SERIES_INSTANCE_UID, "UI", context.series_instance_uid),
        (tags.STUDY_ID, "SH", context.study_id),
        (tags.SERIES_NUMBER, "IS", str(context.series_number)),
        (tags.INSTANCE_NUMBER, "IS", str(context.instance_number)),
        _value_type("CONTAINER"),
        _code(tags.CONCEPT_NAME_CODE_SEQUENCE, selection.title),
        (tags.CONTINUITY_OF_CONTENT, "CS", "SEPARATE"),
        *_optional_items(tags.REFERENCED_REQUEST_SEQUENCE, map(_request, context.requests)),
        (
            tags.CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE,
            "SQ",
            tuple(_hierarchical(selection.evidence())),
        ),
        _TEMPLATE,
        *_optional_items(tags.IDENTICAL_DOCUMENTS_SEQUENCE, _hierarchical(context.identical_documents)),
        (tags.CONTENT_SEQUENCE, "SQ", MadeItems(_content, selection)),
    ]


def encode(document: KeyObjectDocument) -> bytes:
    """Return the bytes of a document's data set."""
    return encoded(elements(document))


#: Writers of earlier versions, by version. A version stays here for as long as its bytes differ from today's for any
#: document, so that a document whose bytes are not made yet gets those that its recipe promises.
OLDER_WRITERS: Mapping[int, Callable[[KeyObjectDocument], bytes]] = {}


def encoder(version: int) -> Callable[[KeyObjectDocument], bytes]:
    """Return the function that encodes documents as this version of the writer does.

    Raises ValueError if that version is not here any more, or not yet.
    """
    if version == WRITER_VERSION:
        return encode
    older = OLDER_WRITERS.get(version)
    if older is None:
        raise ValueError(f"The document was written by version {version} of the writer.")
    return older


def encode_file(document: KeyObjectDocument) -> bytes:
    """Return a document as a DICOM file (PS3.10)."""
    meta = file_meta_bytes(KEY_OBJECT_SELECTION, document.context.sop_instance_uid, EXPLICIT_VR_LITTLE_ENDIAN)
    return meta + encode(document)


def _optional_text(tag: int, text: str) -> tuple[Element, ...]:
    """Return an attribute of type 3, which is left out if it is empty."""
    return ((tag, "LO", text),) if text else ()


def _optional_items(tag: int, items: Iterable[Item]) -> tuple[Element, ...]:
    """Return a sequence of type 1C, which is absent if it has no items."""
    found = tuple(items)
    return ((tag, "SQ", found),) if found else ()


def _request(request: RequestReference) -> Item:
    return (
        (tags.ACCESSION_NUMBER, "SH", request.accession_number),
        (tags.REFERENCED_STUDY_SEQUENCE, "SQ", ()),
        (tags.STUDY_INSTANCE_UID, "UI", request.study_instance_uid),
        (tags.REQUESTED_PROCEDURE_DESCRIPTION, "LO", request.requested_procedure_description),
        # Type 2, with at most one item.
        _code(tags.REQUESTED_PROCEDURE_CODE_SEQUENCE, request.requested_procedure_code),
        (tags.REQUESTED_PROCEDURE_ID, "SH", request.requested_procedure_id),
        (tags.PLACER_ORDER_NUMBER, "LO", request.placer_order_number),
        (tags.FILLER_ORDER_NUMBER, "LO", request.filler_order_number),
    )


def _hierarchical(instances: Iterable[InstanceReference]) -> Iterator[Item]:
    """Return the Hierarchical SOP Instance Reference Macro (PS3.3 C.17.2.1), in order of first mention."""
    studies: dict[str, dict[str, list[InstanceReference]]] = {}
    for instance in instances:
        series = studies.setdefault(instance.study_instance_uid, {})
        series.setdefault(instance.series_instance_uid, []).append(instance)
    for study_uid, series in studies.items():
        listed = tuple(starmap(_series, series.items()))
        yield (tags.REFERENCED_SERIES_SEQUENCE, "SQ", listed), (tags.STUDY_INSTANCE_UID, "UI", study_uid)


def _series(series_uid: str, instances: Sequence[InstanceReference]) -> Item:
    return (
        (tags.REFERENCED_SOP_SEQUENCE, "SQ", MadeItems(map, _instance, instances)),
        (tags.SERIES_INSTANCE_UID, "UI", series_uid),
    )


# --- the content tree -----------------------------------------------------------------------------


def _content(selection: KeyObjectSelection) -> Iterator[Item]:
    """Return the items of TID 2010.

    The order of rows has no meaning. The description comes first, because some viewers label a key object by its
    first item. References keep their order.
    """
    if selection.description:
        yield _text_item("CONTAINS", concepts.KEY_OBJECT_DESCRIPTION, selection.description)
    for code in selection.modifiers:
        yield _code_item("HAS CONCEPT MOD", concepts.DOCUMENT_TITLE_MODIFIER, code)
    for code in selection.procedure_codes:
        yield _code_item("HAS CONCEPT MOD", concepts.PROCEDURE_CODE, code)
    if selection.language:
        yield _code_item("HAS CONCEPT MOD", concepts.LANGUAGE, language_code(selection.language))
    for observer in selection.observers:
        yield from _observer_items(observer)
    yield from map(_reference_item, selection.references)


def _observer_items(observer: Observer) -> Iterator[Item]:
    """Return the items of TID 1002, with TID 1003 or 1004."""
    context = "HAS OBS CONTEXT"
    if isinstance(observer, Device):
        yield _code_item(context, concepts.OBSERVER_TYPE, concepts.DEVICE)
        yield _content_item(context, "UIDREF", concepts.DEVICE_OBSERVER_UID, (tags.UID, "UI", observer.uid))
        if observer.name:
            yield _text_item(context, concepts.DEVICE_OBSERVER_NAME, observer.name)
        return
    name: Element = (tags.PERSON_NAME, "PN", observer.name)
    yield _code_item(context, concepts.OBSERVER_TYPE, concepts.PERSON)
    yield _content_item(context, "PNAME", concepts.PERSON_OBSERVER_NAME, name)
    if observer.login:
        yield _text_item(context, concepts.PERSON_OBSERVER_LOGIN_NAME, observer.login)


def _text_item(relationship: str, concept: Code, text: str) -> Item:
    return _content_item(relationship, "TEXT", concept, (tags.TEXT_VALUE, "UT", text))


def _code_item(relationship: str, concept: Code, code: Code) -> Item:
    return _content_item(relationship, "CODE", concept, _code(tags.CONCEPT_CODE_SEQUENCE, code))


def _content_item(relationship: str, value_type: str, concept: Code, value: Element) -> Item:
    return (
        (tags.RELATIONSHIP_TYPE, "CS", relationship),
        _value_type(value_type),
        _code(tags.CONCEPT_NAME_CODE_SEQUENCE, concept),
        value,
    )


def _reference_item(reference: Reference) -> Item:
    """Return the item of a reference (TID 2010 rows 8 to 10). It has no concept name, which is forbidden."""
    return (
        (tags.REFERENCED_SOP_SEQUENCE, "SQ", (_referenced_instance(reference),)),
        _CONTAINS,
        _value_type(value_type_of(reference.instance.sop_class_uid)),
    )


def _referenced_instance(reference: Reference) -> Item:
    """Return the Image, Waveform or Composite Object Reference Macro (PS3.3 C.18.3 to C.18.5)."""
    item = _instance(reference.instance)
    if reference.real_world_value_maps:
        maps = tuple(map(_instance, reference.real_world_value_maps))
        item = ((tags.REFERENCED_REAL_WORLD_VALUE_MAPPING_INSTANCE_SEQUENCE, "SQ", maps), *item)
    if reference.frames:
        item += ((tags.REFERENCED_FRAME_NUMBER, "IS", "\\".join(map(str, reference.frames))),)
    if reference.presentation_state:
        item += ((tags.REFERENCED_SOP_SEQUENCE, "SQ", (_instance(reference.presentation_state),)),)
    if reference.waveform_channels:
        item += ((tags.REFERENCED_WAVEFORM_CHANNELS, "US", Numbers(reference.waveform_channels)),)
    if reference.segments:
        item += ((tags.REFERENCED_SEGMENT_NUMBER, "US", Numbers(reference.segments)),)
    return item


def _instance(instance: InstanceReference) -> Item:
    return (
        _class(instance.sop_class_uid),
        (tags.REFERENCED_SOP_INSTANCE_UID, "UI", instance.sop_instance_uid),
    )


@lru_cache(maxsize=512)
def _class(sop_class_uid: str) -> Element:
    return tags.REFERENCED_SOP_CLASS_UID, "UI", sop_class_uid


@lru_cache(maxsize=16)
def _value_type(value_type: str) -> Element:
    return tags.VALUE_TYPE, "CS", value_type


def _code(tag: int, code: Code | None) -> Element:
    """Return a code sequence of one item, or of none."""
    # Equal codes may have different meanings, so the meaning is part of the cache key.
    return _code_sequence(tag, *code.texts) if code else (tag, "SQ", ())


@lru_cache(maxsize=4096)
def _code_sequence(tag: int, value: str, scheme: str, meaning: str) -> Element:
    """Return the item of a code (PS3.3 8.8), with its value in the one of three attributes that fits it."""
    named: Item = ((tags.CODING_SCHEME_DESIGNATOR, "SH", scheme), (tags.CODE_MEANING, "LO", meaning))
    if value.startswith(_URN):
        return tag, "SQ", ((*named, (tags.URN_CODE_VALUE, "UR", value)),)
    if len(value) > _SHORT_CODE_VALUE:
        return tag, "SQ", ((*named, (tags.LONG_CODE_VALUE, "UC", value)),)
    return tag, "SQ", (((tags.CODE_VALUE, "SH", value), *named),)


_CONTAINS: Element = (tags.RELATIONSHIP_TYPE, "CS", "CONTAINS")
_TEMPLATE: Element = (
    tags.CONTENT_TEMPLATE_SEQUENCE,
    "SQ",
    (((tags.MAPPING_RESOURCE, "CS", "DCMR"), (tags.TEMPLATE_IDENTIFIER, "CS", "2010")),),
)
