"""Documents for tests: a strategy over everything the model can hold, and a plain one."""

from __future__ import annotations

from hypothesis import strategies as st

from kinote.dicom import uids
from kinote.keyobject.codes import Code
from kinote.keyobject.model import (
    Device,
    DocumentContext,
    InstanceReference,
    KeyObjectDocument,
    KeyObjectSelection,
    Person,
    Reference,
    RequestReference,
)
from kinote.keyobject.titles import BEST_IN_SET, BEST_IN_SET_OF, OF_INTEREST, TITLES

CT = "1.2.840.10008.5.1.4.1.1.2"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.3.1"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"


def instance(number: int, sop_class_uid: str = CT, study: str = "1.2.3") -> InstanceReference:
    return InstanceReference(study, f"{study}.4", sop_class_uid, f"{study}.4.{number}")


def document(*references: Reference, description: str = "A nodule") -> KeyObjectDocument:
    context = DocumentContext(
        study_instance_uid="1.2.3",
        series_instance_uid="1.2.3.50",
        sop_instance_uid="1.2.3.50.1",
        content_date="20261124",
        content_time="063000",
        timezone="+0100",
        manufacturer="Kinote",
        patient_name="Doe^Jane",
        patient_id="P1",
        patient_sex="F",
        patient_birth_date="19700101",
        study_date="20261123",
        study_time="120000",
        study_id="1",
        accession_number="A1",
        referring_physician_name="Roe^Richard",
    )
    selection = KeyObjectSelection(
        OF_INTEREST, references or (Reference(instance(1)),), description=description
    )
    return KeyObjectDocument(context, selection)


#: Text of any script; DICOM has no use for control characters and lone surrogates.
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).filter(
    lambda text: text.strip(" ") == text and not text.endswith("\0")
)
short_texts = texts.map(lambda text: text.replace("\\", "/")[:16].strip(" ")).filter(bool)
names = short_texts.map(lambda text: text.replace("=", "-").replace("^", "-")).filter(bool)
numbers = st.lists(st.integers(1, 9999), min_size=1, max_size=4, unique=True).map(tuple)


@st.composite
def references(draw: st.DrawFn, number: int, study: str) -> Reference:
    sop_class_uid = draw(st.sampled_from([CT, ULTRASOUND, SEGMENTATION, ECG, REPORT, GSPS]))
    target = instance(number, sop_class_uid, study)
    if sop_class_uid == ECG:
        return Reference(target, waveform_channels=draw(st.sampled_from([(), (1, 1), (1, 2, 2, 0)])))
    if sop_class_uid not in (CT, ULTRASOUND, SEGMENTATION):
        return Reference(target)
    state = draw(st.none() | st.just(InstanceReference(study, f"{study}.9", GSPS, f"{study}.9.{number}")))
    frames = draw(st.just(()) | numbers) if sop_class_uid == ULTRASOUND else ()
    segments = draw(st.just(()) | numbers) if sop_class_uid == SEGMENTATION else ()
    return Reference(target, frames=frames, segments=segments, presentation_state=state)


@st.composite
def documents(draw: st.DrawFn) -> KeyObjectDocument:
    studies = draw(st.sampled_from([("1.2.3",), ("1.2.3", "1.2.7")]))
    selected = tuple(
        draw(references(number, studies[number % len(studies)]))
        for number in range(draw(st.integers(len(studies), 6)))
    )
    title = draw(
        st.sampled_from(TITLES) | st.builds(Code, st.just("PRIVATE1"), st.just("99TEST"), short_texts)
    )
    modifiers = (draw(st.sampled_from(BEST_IN_SET_OF)),) if title == BEST_IN_SET else ()
    observers = draw(
        st.lists(
            st.builds(Person, names, st.just("") | short_texts)
            | st.builds(Device, st.just("2.25.77"), st.just("") | short_texts),
            max_size=2,
        )
    )
    selection = KeyObjectSelection(
        title=title,
        references=selected,
        modifiers=modifiers,
        description=draw(st.just("") | texts),
        language=draw(st.sampled_from(["", "en-GB", "ja"])),
        observers=tuple(observers),
    )
    copies = tuple(
        InstanceReference(study, f"{study}.50", KEY_OBJECT, f"{study}.50.1") for study in studies[1:]
    )
    context = DocumentContext(
        study_instance_uid="1.2.3",
        series_instance_uid="1.2.3.50",
        sop_instance_uid=uids.uid_from("test", draw(st.text(max_size=5))),
        content_date="20261124",
        content_time="063000.123456",
        timezone="-0330",
        patient_id=draw(short_texts),
        patient_name=draw(names),
        accession_number=draw(st.just("") | short_texts),
        requests=draw(st.just(()) | st.just((RequestReference("1.2.3", "A1", "RP1"),))),
        identical_documents=copies,
    )
    return KeyObjectDocument(context, selection)
