"""The index entry of a KOS made here, from the elements that its bytes are made of.

It equals the entry that `kinote.catalog.instances.entry.entry_of` makes of the written bytes; a test compares them.
Scanning the bytes again would take longer than everything else in making a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from kinote.catalog.columns import normal
from kinote.catalog.columns.attributes import INSTANCE_ATTRIBUTES, SERIES_ATTRIBUTES
from kinote.catalog.instances.completion import DESCRIBING
from kinote.catalog.instances.entry import InstanceEntry, Row, instance_columns, series_columns
from kinote.catalog.schema.timestamps import timestamp
from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.values.numbers import parse_integer
from kinote.keyobject.elements import Element, Numbers, text_read
from kinote.notes.creator.index_json import document_json
from kinote.security.actors import Actor
from kinote.security.origins import Interface, Origin
from kinote.storage.digests import digest_of

_OF_SERIES = frozenset(SERIES_ATTRIBUTES)
_OF_INSTANCE = frozenset(INSTANCE_ATTRIBUTES)

#: A document repeats the attributes of the study's row, so there is nothing to complete.
_STUDY_ROW: Row = dict.fromkeys(DESCRIBING, "")


def made_entry(elements: Sequence[Element], dataset: bytes, by: Actor, now: datetime) -> InstanceEntry:
    """Return the entry of a document whose study is in the index. `dataset` is the bytes of its elements, `by` the
    actor who had it made.

    The index has these bytes, so the whole header is made on demand (`kinote.catalog.instances.headers`).
    """
    document = _Written(elements)
    series_uid, sop_uid = document.uid(tags.SERIES_INSTANCE_UID), document.uid(tags.SOP_INSTANCE_UID)
    class_uid = document.uid(tags.SOP_CLASS_UID)
    digest = digest_of(dataset)
    return InstanceEntry(
        study_instance_uid=document.uid(tags.STUDY_INSTANCE_UID),
        series_instance_uid=series_uid,
        sop_instance_uid=sop_uid,
        sop_class_uid=class_uid,
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        digest=digest,
        patient_id=normal.text(document.text(tags.PATIENT_ID)),
        issuer_of_patient_id=normal.text(document.text(tags.ISSUER_OF_PATIENT_ID)),
        study_row=_STUDY_ROW,
        series_row={
            **series_columns(document),
            "attributes": document_json(elements, _OF_SERIES),
            "series_instance_uid": series_uid,
        },
        instance_row={
            **instance_columns(document),
            "attributes": document_json(elements, _OF_INSTANCE),
            "sop_instance_uid": sop_uid,
            "sop_class_uid": class_uid,
            "transfer_syntax_uid": EXPLICIT_VR_LITTLE_ENDIAN,
            "residence": "local",
            "digest": digest.root,
            "digest_algorithm": digest.algorithm,
            "size": len(dataset),
            "received_at": timestamp(now),
            **Origin(Interface.KINOTE, by).columns(),
        },
        metadata=None,
    )


class _Written:
    """A level of a document, which returns what reading its bytes would (`kinote.catalog.instances.entry.Level`)."""

    def __init__(self, elements: Iterable[Element]) -> None:
        self._elements = {element[0]: element for element in elements}

    def uid(self, tag: int) -> str:
        return self.text(tag) or ""

    def text(self, tag: int) -> str | None:
        _, vr, value = self._elements.get(tag, _ABSENT)
        return text_read(vr, value) if isinstance(value, str) else None

    def integer(self, tag: int) -> int | None:
        return parse_integer(self.text(tag) or "")

    def items(self, tag: int) -> Sequence[_Written]:
        _, _, value = self._elements.get(tag, _ABSENT)
        return () if isinstance(value, str | Numbers) else tuple(map(_Written, value))


_ABSENT: Element = (0, "SQ", ())
