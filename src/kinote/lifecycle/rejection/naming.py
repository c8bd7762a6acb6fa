"""The instances that a rejection note names, in its content, in its evidence, or in both."""

from __future__ import annotations

from dataclasses import dataclass

from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.keyobject.codes import Code
from kinote.keyobject.reading import Reading
from kinote.keyobject.titles import DATA_RETENTION_POLICY_EXPIRED


@dataclass(frozen=True, slots=True)
class NamedInstance:
    """An instance that a rejection note names.

    `is_disputed`: the note has it deleted, and content and evidence do not both name it.
    """

    sop_instance_uid: str
    is_key_object: bool
    is_disputed: bool


def instances_of(reading: Reading, title: Code, own_uid: str) -> list[NamedInstance]:
    """Return the instances that a rejection note rejects, in order of their UIDs. A note does not reject itself.

    Titles that hide do so with all that content or evidence names: in doubt nobody is shown what may be harmful.
    113039 permits deletion, so it acts only on what both name.
    """
    content = {
        reference.sop_instance_uid: reference.sop_class_uid
        for reference in reading.distinct_references
        if reading.references_from == "content"
    }
    evidence = {each.sop_instance_uid: each.sop_class_uid for each in reading.evidence}
    deletes = title == DATA_RETENTION_POLICY_EXPIRED
    return [
        NamedInstance(
            uid,
            is_key_object=KEY_OBJECT_SELECTION in (content.get(uid), evidence.get(uid)),
            is_disputed=deletes and not (uid in content and uid in evidence),
        )
        for uid in sorted((content.keys() | evidence.keys()) - {own_uid, ""})
    ]
