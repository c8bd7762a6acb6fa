"""A KOS made here as DICOM JSON (PS3.18 annex F), straight from the model.

Says element by element what `kinote.keyobject.writer` writes. The test holds it against the JSON of the
written bytes: scanning these again would take longer than all else that making a note does.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from json.encoder import encode_basestring as _quoted

from kinote.dicom import sop_classes
from kinote.dicom.person_names import PersonName
from kinote.keyobject import concepts
from kinote.keyobject.codes import Code
from kinote.keyobject.languages import language_code
from kinote.keyobject.model import (
    DocumentContext,
    InstanceReference,
    KeyObjectDocument,
    Observer,
    Person,
    Reference,
    RequestReference,
)

#: The JSON text of a value, an item or an attribute.
Json = str

_PADDING = "\0 "
_SEVERAL = "\\"


def document_json(document: KeyObjectDocument) -> list[tuple[str, Json]]:
    """The attributes of a document in order of their tags: the tag, and `{"vr":…}` as text."""
    context, selection = document.context, document.selection
    attributes = (
        ("00080005", _text("CS", "ISO_IR 192")),
        ("00080016", _uid(sop_classes.KEY_OBJECT_SELECTION)),
        ("00080018", _uid(context.sop_instance_uid)),
        ("00080020", _text("DA", context.study_date)),
        ("00080023", _text("DA", context.content_date)),
        ("00080030", _text("TM", context.study_time)),
        ("00080033", _text("TM", context.content_time)),
        ("00080050", _text("SH", context.accession_number)),
        ("00080060", _text("CS", "KO")),
        ("00080070", _text("LO", context.manufacturer)),
        ("00080080", _optional("LO", context.institution_name)),
        ("00080090", _name(context.referring_physician_name)),
        ("00080201", _text("SH", context.timezone)),
        ("00081030", _optional("LO", context.study_description)),
        ("0008103E", _optional("LO", context.series_description)),
        ("00081111", _sequence()),
        ("00100010", _name(context.patient_name)),
        ("00100020", _text("LO", context.patient_id)),
        ("00100021", _optional("LO", context.issuer_of_patient_id)),
        ("00100030", _text("DA", context.patient_birth_date)),
        ("00100040", _text("CS", context.patient_sex)),
        ("0020000D", _uid(context.study_instance_uid)),
        ("0020000E", _uid(context.series_instance_uid)),
        ("00200010", _text("SH", context.study_id)),
        ("00200011", f'{{"vr":"IS","Value":[{context.series_number}]}}'),
        ("00200013", f'{{"vr":"IS","Value":[{context.instance_number}]}}'),
        ("0040A040", _text("CS", "CONTAINER")),
        ("0040A043", _code(selection.title)),
        ("0040A050", _text("CS", "SEPARATE")),
        ("0040A370", _sequence(*map(_request, context.requests)) if context.requests else None),
        ("0040A375", _sequence(*_by_study(_evidence(selection.references)))),
        (
            "0040A504",
            _sequence(_item_of(("00080105", _text("CS", "DCMR")), ("0040DB00", _text("CS", "2010")))),
        ),
        ("0040A525", _identical_documents(context)),
        ("0040A730", _sequence(*_content(document))),
    )
    return [(tag, attribute) for tag, attribute in attributes if attribute is not None]


def _content(document: KeyObjectDocument) -> Iterable[Json]:
    selection = document.selection
    if selection.description:
        yield _item(
            "CONTAINS", "TEXT", concepts.KEY_OBJECT_DESCRIPTION, "0040A160", _long(selection.description)
        )
    for modifier in selection.modifiers:
        yield _coded("HAS CONCEPT MOD", concepts.DOCUMENT_TITLE_MODIFIER, modifier)
    for procedure in selection.procedure_codes:
        yield _coded("HAS CONCEPT MOD", concepts.PROCEDURE_CODE, procedure)
    if selection.language:
        yield _coded("HAS CONCEPT MOD", concepts.LANGUAGE, language_code(selection.language))
    for observer in selection.observers:
        yield from _observer(observer)
    for reference in selection.references:
        yield _reference(reference)


def _observer(observer: Observer) -> Iterable[Json]:
    context = "HAS OBS CONTEXT"
    if isinstance(observer, Person):
        yield _coded(context, concepts.OBSERVER_TYPE, concepts.PERSON)
        yield _item(context, "PNAME", concepts.PERSON_OBSERVER_NAME, "0040A123", _name(observer.name))
        if observer.login:
            yield _item(
                context, "TEXT", concepts.PERSON_OBSERVER_LOGIN_NAME, "0040A160", _long(observer.login)
            )
        return
    yield _coded(context, concepts.OBSERVER_TYPE, concepts.DEVICE)
    yield _item(context, "UIDREF", concepts.DEVICE_OBSERVER_UID, "0040A124", _uid(observer.uid))
    if observer.name:
        yield _item(context, "TEXT", concepts.DEVICE_OBSERVER_NAME, "0040A160", _long(observer.name))


def _coded(relationship: str, concept: Code, value: Code) -> Json:
    return _item(relationship, "CODE", concept, "0040A168", _code(value))


def _item(relationship: str, value_type: str, concept: Code, tag: str, value: Json) -> Json:
    return _item_of(
        ("0040A010", _text("CS", relationship)),
        ("0040A040", _text("CS", value_type)),
        ("0040A043", _code(concept)),
        (tag, value),
    )


def _reference(reference: Reference) -> Json:
    state, maps = reference.presentation_state, reference.real_world_value_maps
    referenced = _item_of(
        ("0008114B", _sequence(*map(_sop_reference, maps)) if maps else None),
        ("00081150", _uid(reference.instance.sop_class_uid)),
        ("00081155", _uid(reference.instance.sop_instance_uid)),
        ("00081160", _numbers("IS", reference.frames)),
        ("00081199", _sequence(_sop_reference(state)) if state else None),
        ("0040A0B0", _numbers("US", reference.waveform_channels)),
        ("0062000B", _numbers("US", reference.segments)),
    )
    return _item_of(
        ("00081199", _sequence(referenced)),
        ("0040A010", _text("CS", "CONTAINS")),
        ("0040A040", _text("CS", reference.value_type)),
    )


def _evidence(references: Iterable[Reference]) -> Iterable[InstanceReference]:
    for reference in references:
        yield reference.instance
        if reference.presentation_state:
            yield reference.presentation_state
        yield from reference.real_world_value_maps


def _by_study(instances: Iterable[InstanceReference]) -> Iterable[Json]:
    studies: dict[str, dict[str, dict[str, InstanceReference]]] = {}
    for instance in instances:
        series = studies.setdefault(instance.study_instance_uid, {})
        series.setdefault(instance.series_instance_uid, {}).setdefault(instance.sop_instance_uid, instance)
    for study_uid, series in studies.items():
        items = (
            _item_of(
                ("00081199", _sequence(*map(_sop_reference, listed.values()))), ("0020000E", _uid(series_uid))
            )
            for series_uid, listed in series.items()
        )
        yield _item_of(("00081115", _sequence(*items)), ("0020000D", _uid(study_uid)))


def _identical_documents(context: DocumentContext) -> Json | None:
    return _sequence(*_by_study(context.identical_documents)) if context.identical_documents else None


def _request(request: RequestReference) -> Json:
    procedure = request.requested_procedure_code
    return _item_of(
        ("00080050", _text("SH", request.accession_number)),
        ("00081110", _sequence()),
        ("0020000D", _uid(request.study_instance_uid)),
        ("00321060", _text("LO", request.requested_procedure_description)),
        ("00321064", _code(procedure) if procedure else _sequence()),
        ("00401001", _text("SH", request.requested_procedure_id)),
        ("00402016", _text("LO", request.placer_order_number)),
        ("00402017", _text("LO", request.filler_order_number)),
    )


def _sop_reference(instance: InstanceReference) -> Json:
    return (
        f'{{"00081150":{{"vr":"UI","Value":["{instance.sop_class_uid}"]}},'
        f'"00081155":{{"vr":"UI","Value":["{instance.sop_instance_uid}"]}}}}'
    )


def _code(code: Code) -> Json:
    # Codes are equal without their meaning, which is part of what is written.
    return _code_json(code.value, code.scheme, code.meaning)


@lru_cache(maxsize=1024)
def _code_json(value: str, scheme: str, meaning: str) -> Json:
    is_uri = value.startswith(("urn:", "http:", "https:"))
    return _sequence(
        _item_of(
            ("00080100", _text("SH", value) if len(value) <= 16 else None),
            ("00080102", _text("SH", scheme)),
            ("00080104", _text("LO", meaning)),
            ("00080119", _text("UC", value) if len(value) > 16 and not is_uri else None),
            ("00080120", _single("UR", value) if len(value) > 16 and is_uri else None),
        )
    )


def _item_of(*attributes: tuple[str, Json | None]) -> Json:
    present = [f'"{tag}":{attribute}' for tag, attribute in attributes if attribute is not None]
    return "{" + ",".join(present) + "}"


def _sequence(*items: Json) -> Json:
    return f'{{"vr":"SQ","Value":[{",".join(items)}]}}' if items else '{"vr":"SQ"}'


def _optional(vr: str, value: str) -> Json | None:
    return _text(vr, value) if value else None


def _uid(value: str) -> Json:
    return f'{{"vr":"UI","Value":["{value}"]}}'


@lru_cache(maxsize=4096)
def _text(vr: str, value: str) -> Json:
    text = value.strip("\0 ")
    if not text:
        return f'{{"vr":"{vr}"}}'
    parts = [part.strip(" \0") for part in text.split("\\")]
    return f'{{"vr":"{vr}","Value":[{",".join(_quoted(part) if part else "null" for part in parts)}]}}'


def _long(value: str) -> Json:
    return _single("UT", value.rstrip("\0 "))


def _single(vr: str, value: str) -> Json:
    return f'{{"vr":"{vr}","Value":[{_quoted(value)}]}}'


@lru_cache(maxsize=1024)
def _name(value: str) -> Json:
    if not value:
        return '{"vr":"PN"}'
    return f'{{"vr":"PN","Value":[{",".join(map(_groups, value.strip(_PADDING).split(_SEVERAL)))}]}}'


def _groups(value: str) -> Json:
    name = PersonName.parse(value)
    groups = (("Alphabetic", name.alphabetic), ("Ideographic", name.ideographic), ("Phonetic", name.phonetic))
    present = [f'"{group}":{_quoted(text)}' for group, text in groups if text]
    return "{" + ",".join(present) + "}" if present else "null"


def _numbers(vr: str, numbers: tuple[int, ...]) -> Json | None:
    return f'{{"vr":"{vr}","Value":[{",".join(map(str, numbers))}]}}' if numbers else None
