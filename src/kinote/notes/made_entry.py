"""What the index keeps of a KOS made here, straight from its document.

The same as `kinote.catalog.entry.entry_of` finds in the written bytes; the test compares the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from kinote.catalog import normal, packed_header
from kinote.catalog.attributes import INSTANCE_ATTRIBUTES, SERIES_ATTRIBUTES
from kinote.catalog.completion import DESCRIBING
from kinote.catalog.entry import InstanceEntry, Row
from kinote.catalog.timestamps import timestamp
from kinote.dicom import sop_classes
from kinote.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.keyobject.model import KeyObjectDocument
from kinote.notes.document_json import document_json

#: Where an instance made here came from.
MADE_HERE = "kinote"

_SERIES_TAGS = frozenset(f"{tag:08X}" for tag in SERIES_ATTRIBUTES)
_INSTANCE_TAGS = frozenset(f"{tag:08X}" for tag in INSTANCE_ATTRIBUTES)

#: A document says of its study what the study's row says: there is nothing to complete.
_STUDY_ROW: Row = dict.fromkeys(DESCRIBING, "")


def made_entry(document: KeyObjectDocument, dataset: bytes, now: datetime) -> InstanceEntry:
    """The entry of a document whose study is in the index; `dataset` is what was written of it."""
    context, title = document.context, document.selection.title
    # One line for each attribute, as everywhere in the index (`kinote.catalog.attribute_lines`).
    lines = [(tag, f'"{tag}":{attribute}') for tag, attribute in document_json(document)]
    digest = hashlib.sha256(dataset).hexdigest()
    return InstanceEntry(
        study_instance_uid=context.study_instance_uid,
        series_instance_uid=context.series_instance_uid,
        sop_instance_uid=context.sop_instance_uid,
        sop_class_uid=sop_classes.KEY_OBJECT_SELECTION,
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        digest=digest,
        patient_id=normal.text(context.patient_id),
        issuer_of_patient_id=normal.text(context.issuer_of_patient_id),
        study_row=_STUDY_ROW,
        series_row=_series_row(document, lines),
        instance_row={
            "instance_number": context.instance_number,
            "frames": None,
            "pixel_rows": None,
            "pixel_columns": None,
            "content_date": normal.date(context.content_date),
            "content_time": normal.time(context.content_time),
            "observed": "",
            "concept_scheme": normal.text(title.scheme),
            "concept_value": normal.text(title.value) if len(title.value) <= 16 else "",
            "concept_meaning": normal.text(title.meaning),
            "attributes": _selected(lines, _INSTANCE_TAGS),
            "sop_instance_uid": context.sop_instance_uid,
            "sop_class_uid": sop_classes.KEY_OBJECT_SELECTION,
            "transfer_syntax_uid": EXPLICIT_VR_LITTLE_ENDIAN,
            "residence": "local",
            "digest": digest,
            "size": len(dataset),
            "received_at": timestamp(now),
            "received_from": MADE_HERE,
        },
        metadata=packed_header.pack(_object(line for _, line in lines).encode()),
    )


def _series_row(document: KeyObjectDocument, lines: Sequence[tuple[str, str]]) -> Row:
    context = document.context
    return {
        "series_instance_uid": context.series_instance_uid,
        "modality": "KO",
        "series_number": context.series_number,
        "series_description": normal.text(context.series_description),
        "body_part_examined": "",
        "performed_procedure_step_start_date": "",
        "performed_procedure_step_start_time": "",
        "scheduled_procedure_step_id": "",
        "requested_procedure_id": "",
        "attributes": _selected(lines, _SERIES_TAGS),
    }


def _selected(lines: Sequence[tuple[str, str]], wanted: frozenset[str]) -> str:
    return _object(line for tag, line in lines if tag in wanted)


def _object(lines: Iterable[str]) -> str:
    return "{" + ",\n".join(lines) + "}"
