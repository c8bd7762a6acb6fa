"""The strict model: what cannot be written as a conformant document cannot be made."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kinote.keyobject.codes import Code, dcm
from kinote.keyobject.model import (
    Device,
    InstanceReference,
    InvalidKeyObjectError,
    KeyObjectDocument,
    KeyObjectSelection,
    Person,
    Reference,
    RequestReference,
)
from kinote.keyobject.titles import (
    BEST_IN_SET,
    BEST_IN_SET_OF,
    MANIFEST_WITH_DESCRIPTION,
    OF_INTEREST,
    QUALITY_REASONS,
)
from tests.keyobject.documents import (
    CT,
    ECG,
    GSPS,
    KEY_OBJECT,
    REPORT,
    SEGMENTATION,
    ULTRASOUND,
    VALUE_MAP,
    copies,
    document,
    instance,
    plain_context,
)

ONE = (Reference(instance(1)),)


def selection(**changes: object) -> KeyObjectSelection:
    return KeyObjectSelection(**{"title": OF_INTEREST, "references": ONE, **changes})  # type: ignore[arg-type]


def made(reference: Reference, **context: object) -> KeyObjectDocument:
    return KeyObjectDocument(plain_context(**context), selection(references=(reference,)))


REFUSED: list[tuple[str, Callable[[], object]]] = [
    ("sop_instance_uid", lambda: InstanceReference("1.2", "1.3", CT, "")),
    ("study_instance_uid", lambda: InstanceReference("1.x", "1.3", CT, "1.4")),
    ("sop_instance_uid", lambda: InstanceReference("1.2", "1.3", CT, "1." + "9" * 63)),
    ("frames", lambda: Reference(instance(1), frames=(1,))),
    ("frames", lambda: Reference(instance(1, ULTRASOUND), frames=(0,))),
    ("frames", lambda: Reference(instance(1, ULTRASOUND), frames=(2, 2))),
    ("frames", lambda: Reference(instance(1, ULTRASOUND), frames=(2**31,))),
    ("frames", lambda: Reference(instance(1, ULTRASOUND), frames=tuple(range(1, 20_000)))),
    ("frames", lambda: Reference(instance(1, REPORT), frames=(1,))),
    ("frames", lambda: Reference(instance(1, SEGMENTATION), frames=(1,), segments=(1,))),
    ("segments", lambda: Reference(instance(1, ULTRASOUND), segments=(1,))),
    ("segments", lambda: Reference(instance(1, SEGMENTATION), segments=(2**16,))),
    ("waveform_channels", lambda: Reference(instance(1, ECG), waveform_channels=(1,))),
    ("waveform_channels", lambda: Reference(instance(1), waveform_channels=(1, 1))),
    ("waveform_channels", lambda: Reference(instance(1, ECG), waveform_channels=(1, 2**16))),
    ("presentation_state", lambda: Reference(instance(1), presentation_state=instance(2))),
    ("presentation_state", lambda: Reference(instance(1, REPORT), presentation_state=instance(2, GSPS))),
    ("real_world_value_maps", lambda: Reference(instance(1), real_world_value_maps=(instance(2, GSPS),))),
    (
        "real_world_value_maps",
        lambda: Reference(
            instance(1), real_world_value_maps=(instance(2, VALUE_MAP), instance(3, VALUE_MAP))
        ),
    ),
    ("references", lambda: selection(references=())),
    ("references", lambda: selection(references=ONE * 2)),
    (
        "references",
        lambda: selection(
            references=(*ONE, Reference(instance(1), real_world_value_maps=(instance(2, VALUE_MAP),)))
        ),
    ),
    (
        "references",
        lambda: selection(references=(*ONE, Reference(InstanceReference("1.9", "1.9.1", CT, "1.2.3.4.1")))),
    ),
    ("title", lambda: selection(title=Code("X", "99X"))),
    ("title", lambda: selection(title=MANIFEST_WITH_DESCRIPTION)),
    ("title", lambda: selection(title=dcm("113000", "For Surgery"))),
    ("title", lambda: selection(title=Code("X", "99X", "m" * 65))),
    ("title", lambda: selection(title=Code("X\\Y", "99X", "m"))),
    ("title", lambda: selection(title=Code("X", "99X" * 6, "m"))),
    ("modifiers", lambda: selection(title=BEST_IN_SET)),
    ("modifiers", lambda: selection(title=BEST_IN_SET, modifiers=(Code("X", "99X", "mine"),))),
    ("modifiers", lambda: selection(title=BEST_IN_SET, modifiers=(BEST_IN_SET_OF[0], QUALITY_REASONS[0]))),
    ("description", lambda: selection(description="a\x00b")),
    ("description", lambda: selection(description="ends ")),
    ("description", lambda: selection(description="\u3000")),
    ("description", lambda: selection(description="\ud800")),
    ("language", lambda: selection(language="not a tag")),
    ("author.name", lambda: Person(" ")),
    ("author.name", lambda: Person("a\\b")),
    ("author.name", lambda: Person("a=b=c=d")),
    ("author.name", lambda: Person("n" * 65)),
    ("author.name", lambda: Person("a^b^c^d^e^f")),
    ("author.name", lambda: Person("a=a^b^c^d^e^f")),
    ("author.login", lambda: Person("a", "line\x07")),
    ("author.uid", lambda: Device("")),
    ("content_date", lambda: plain_context(content_date="2026-11-24")),
    ("content_time", lambda: plain_context(content_time="08:30:00")),
    ("content_date", lambda: plain_context(content_date="\uff12\uff10261124")),
    ("content_date", lambda: plain_context(content_date="20261124 ")),
    ("content_time", lambda: plain_context(content_time=" 083000")),
    ("content_time", lambda: plain_context(content_time="083000\n")),
    ("content_time", lambda: plain_context(content_time="\uff1083000")),
    ("timezone", lambda: plain_context(timezone="")),
    ("timezone", lambda: plain_context(timezone="+0100 ")),
    ("timezone", lambda: plain_context(timezone="+\uff10100")),
    ("timezone", lambda: plain_context(timezone="+9900")),
    ("series_number", lambda: plain_context(series_number=-1)),
    ("series_description", lambda: plain_context(series_description="d" * 65)),
    ("patient_id", lambda: plain_context(patient_id="\udfff")),
    ("study_description", lambda: plain_context(study_description="x" * 65_535)),
    ("study_instance_uid", lambda: RequestReference("")),
    ("requests.accession_number", lambda: RequestReference("1.2", "\ud800")),
    (
        "requests.requested_procedure_code",
        lambda: RequestReference("1.2", requested_procedure_code=Code("X", "99X")),
    ),
    ("references", lambda: made(Reference(instance(1, KEY_OBJECT)), sop_instance_uid="1.2.3.4.1")),
    ("series_instance_uid", lambda: made(Reference(instance(1)), series_instance_uid="1.2.3.4")),
    (
        "identical_documents",
        lambda: KeyObjectDocument(
            plain_context(), selection(references=(*ONE, Reference(instance(1, study="1.2.7"))))
        ),
    ),
    ("identical_documents", lambda: made(*ONE, identical_documents=copies("1.2.3"))),
    ("identical_documents", lambda: made(*ONE, identical_documents=copies("1.2.7") * 2)),
    ("identical_documents", lambda: made(*ONE, identical_documents=(instance(9, CT, "1.2.7"),))),
]


@pytest.mark.parametrize(("field", "make"), REFUSED, ids=[f"{n}-{row[0]}" for n, row in enumerate(REFUSED)])
def test_what_is_not_conformant_is_refused_by_the_name_of_its_field(
    field: str, make: Callable[[], object]
) -> None:
    with pytest.raises(InvalidKeyObjectError) as refusal:
        make()
    assert refusal.value.field == field
    assert str(refusal.value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("sop_class_uid", "value_type"),
    [
        (CT, "IMAGE"),
        (SEGMENTATION, "IMAGE"),
        ("1.2.840.10008.5.1.4.1.1.82.1", "IMAGE"),
        (ECG, "WAVEFORM"),
        ("1.2.840.10008.5.1.4.1.1.9.100.1", "COMPOSITE"),
        (GSPS, "COMPOSITE"),
        ("1.2.9", "COMPOSITE"),
    ],
)
def test_classes_decide_the_items(sop_class_uid: str, value_type: str) -> None:
    assert Reference(instance(1, sop_class_uid)).value_type == value_type


def test_frames_of_a_parametric_map_can_be_flagged() -> None:
    assert Reference(instance(1, "1.2.840.10008.5.1.4.1.1.30"), frames=(2,)).frames == (2,)


def test_attributes_of_a_study_are_copied_with_their_faults() -> None:
    """A note must not fail because a modality wrote 70 characters or a line break into a description."""
    context = plain_context(study_description="x" * 70 + "\n", patient_id="A\\B", study_date="yesterday")
    assert KeyObjectDocument(context, selection()).context == context


def test_a_key_object_may_flag_others_of_its_own_series() -> None:
    made(Reference(instance(1, KEY_OBJECT)), series_instance_uid="1.2.3.4")


def test_the_evidence_lists_what_applies_to_a_reference_once() -> None:
    state = instance(9, GSPS)
    two = (
        Reference(instance(1), presentation_state=state),
        Reference(instance(2), presentation_state=state),
    )
    assert selection(references=two).evidence() == (instance(1), state, instance(2))
    assert document().selection.evidence() == (instance(1),)
