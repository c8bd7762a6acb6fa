"""Documents for tests: a strategy over everything the model can hold, and a plain one."""

from __future__ import annotations

from hypothesis import strategies as st

from kinote.dicom import uids
from kinote.keyobject.codes import Code, dcm
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
from kinote.keyobject.titles import OF_INTEREST, TITLES, modifiers_for

EXPLICIT = "1.2.840.10008.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.3.1"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
VALUE_MAP = "1.2.840.10008.5.1.4.1.1.67"
KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"


def instance(number: int, sop_class_uid: str = CT, study: str = "1.2.3") -> InstanceReference:
    return InstanceReference(study, f"{study}.4", sop_class_uid, f"{study}.4.{number}")


def plain_context(**changes: object) -> DocumentContext:
    values: dict[str, object] = {
        "study_instance_uid": "1.2.3",
        "series_instance_uid": "1.2.3.50",
        "sop_instance_uid": "1.2.3.50.1",
        "content_date": "20261124",
        "content_time": "063000",
        "timezone": "+0100",
        "manufacturer": "Kinote",
        "patient_name": "Doe^Jane",
        "patient_id": "P1",
        "patient_sex": "F",
        "patient_birth_date": "19700101",
        "study_date": "20261123",
        "study_time": "120000",
        "study_id": "1",
        "accession_number": "A1",
        "referring_physician_name": "Roe^Richard",
        **changes,
    }
    return DocumentContext(**values)  # type: ignore[arg-type]


def document(*references: Reference, description: str = "A nodule") -> KeyObjectDocument:
    selection = KeyObjectSelection(
        OF_INTEREST, references or (Reference(instance(1)),), description=description
    )
    return KeyObjectDocument(plain_context(), selection)


def copies(*studies: str) -> tuple[InstanceReference, ...]:
    """The identical documents in other studies."""
    return tuple(InstanceReference(study, f"{study}.50", KEY_OBJECT, f"{study}.50.1") for study in studies)


#: Text of any script; DICOM has no use for control characters and lone surrogates.
_any_text = st.text(
    st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40
) | st.sampled_from(
    ["左上葉の結節影", "ورم في الفص العلوي", "Knoten 🫁 links", "узелок", "e\u0301 ≠ é", "\u202eabc"]
)
lines = _any_text.map(lambda text: text.replace("\\", "/").strip(" ")).filter(lambda text: text.strip() != "")
short_texts = lines.map(lambda text: text[:16].strip(" ")).filter(lambda text: text.strip() != "")
names = short_texts.map(lambda text: text.replace("=", "-").replace("^", "-"))
person_names = names | st.builds("{}^{}={}".format, names, names, names)
descriptions = st.just("") | st.lists(_any_text, min_size=1, max_size=3).map(
    lambda parts: "\r\n\t".join(parts).rstrip(" ")
).filter(lambda text: text.strip() != "")
numbers = st.lists(st.integers(1, 9999), min_size=1, max_size=4, unique=True).map(tuple)
private_codes = st.builds(
    Code,
    st.sampled_from(["P1", "a-code-value-of-more-than-sixteen-characters", "urn:oid:1.2.3.4.5.6.7", "編"]),
    st.just("99TEST"),
    short_texts,
)


@st.composite
def references(draw: st.DrawFn, number: int, study: str) -> Reference:
    sop_class_uid = draw(st.sampled_from([CT, ULTRASOUND, SEGMENTATION, ECG, REPORT, GSPS, KEY_OBJECT]))
    target = instance(number, sop_class_uid, study)
    if sop_class_uid == ECG:
        return Reference(target, waveform_channels=draw(st.sampled_from([(), (1, 1), (1, 2, 65535, 0)])))
    if sop_class_uid not in (CT, ULTRASOUND, SEGMENTATION):
        return Reference(target)
    state = draw(st.none() | st.just(InstanceReference(study, f"{study}.9", GSPS, f"{study}.9.{number}")))
    maps = draw(
        st.just(()) | st.just((InstanceReference(study, f"{study}.8", VALUE_MAP, f"{study}.8.{number}"),))
    )
    frames = draw(st.just(()) | numbers) if sop_class_uid == ULTRASOUND else ()
    segments = draw(st.just(()) | numbers) if sop_class_uid == SEGMENTATION else ()
    return Reference(
        target, frames=frames, segments=segments, presentation_state=state, real_world_value_maps=maps
    )


@st.composite
def selections(draw: st.DrawFn, studies: tuple[str, ...]) -> KeyObjectSelection:
    selected = [
        draw(references(number, studies[number % len(studies)]))
        for number in range(draw(st.integers(len(studies), 6)))
    ]
    title = draw(st.sampled_from(TITLES) | private_codes)
    rule = modifiers_for(title)
    modifiers = draw(st.lists(private_codes, max_size=1))
    if rule is not None:
        modifiers.append(draw(st.sampled_from(rule.codes)))
    observers = st.builds(Person, person_names, st.just("") | lines) | st.builds(
        Device, st.just("2.25.77"), st.just("") | lines
    )
    return KeyObjectSelection(
        title=title,
        references=tuple(draw(st.permutations(selected))),
        modifiers=tuple(modifiers),
        description=draw(descriptions),
        language=draw(st.sampled_from(["", "en-GB", "ja", "sr-Latn-RS", "tlh"])),
        observers=tuple(draw(st.lists(observers, max_size=3))),
        procedure_codes=draw(st.just(()) | st.just((dcm("113000", "Of Interest"),))),
    )


@st.composite
def documents(draw: st.DrawFn) -> KeyObjectDocument:
    studies = draw(st.sampled_from([("1.2.3",), ("1.2.3", "1.2.7")]))
    some_text = st.just("") | short_texts
    requests = st.builds(
        RequestReference, st.just("1.2.3"), some_text, some_text, some_text, some_text, some_text
    )
    context = plain_context(
        sop_instance_uid=uids.uid_from("test", draw(st.text(max_size=5))),
        content_time=draw(st.sampled_from(["063000.123456", "06", "235959"])),
        timezone=draw(st.sampled_from(["-0330", "+0900", "+0000"])),
        series_number=draw(st.integers(0, 2**31 - 1)),
        series_description=draw(some_text),
        institution_name=draw(some_text),
        patient_id=draw(short_texts),
        patient_name=draw(person_names),
        issuer_of_patient_id=draw(some_text),
        study_date=draw(st.sampled_from(["", "20261123"])),
        study_description=draw(some_text),
        accession_number=draw(some_text),
        requests=tuple(draw(st.lists(requests, max_size=2))),
        identical_documents=copies(*studies[1:]),
    )
    return KeyObjectDocument(context, draw(selections(studies)))
