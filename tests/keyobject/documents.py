"""Documents for tests: a strategy over everything the model can hold, and a plain one.

What the model copies with its faults from a received study (dates, sex, UIDs) is drawn without faults: a document
is as right as the study it was made for.
"""

from __future__ import annotations

import dataclasses
from datetime import date

from hypothesis import strategies as st
from pydicom._uid_dict import UID_dictionary

from kinote.dicom.dictionary import sop_classes
from kinote.dicom.values import uids
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
from kinote.keyobject.titles import OF_INTEREST, TITLES, modifiers_for
from kinote.keyobject.values.languages import NAMES

EXPLICIT = "1.2.840.10008.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.3.1"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
VALUE_MAP = "1.2.840.10008.5.1.4.1.1.67"
KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"

#: Every class of composite instances there is (PS3.4 B.5), retired ones too, some that are newer than pydicom's
#: dictionary (segmentations, presentation states of waveforms), and a private one.
STORAGE_CLASSES = (
    *sorted(
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and uid.startswith("1.2.840.10008.5.1.4.") and "Storage" in name
    ),
    *(f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("66.7", "66.8", "9.100.1", "9.100.2")),
    "1.2.3.99999",
)
#: Those of images.
PRESENTATION_STATES = tuple(uid for uid in STORAGE_CLASSES if uid.startswith("1.2.840.10008.5.1.4.1.1.11."))


#: What of a document is copied from its study, with its faults.
COPIED = (
    *("institution_name", "patient_name", "patient_id", "issuer_of_patient_id", "patient_birth_date"),
    *("patient_sex", "study_date", "study_time", "study_id", "study_description", "accession_number"),
    "referring_physician_name",
)


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


def with_title(title: Code) -> KeyObjectDocument:
    """A document that says its code wherever it can."""
    context = plain_context(requests=(RequestReference("1.2.3", requested_procedure_code=title),))
    selection = KeyObjectSelection(
        title, (Reference(instance(1)),), modifiers=(title,), procedure_codes=(title, title)
    )
    return KeyObjectDocument(context, selection)


def copies(*studies: str) -> tuple[InstanceReference, ...]:
    """The identical documents in other studies."""
    return tuple(InstanceReference(study, f"{study}.50", KEY_OBJECT, f"{study}.50.1") for study in studies)


def whole_set(document: KeyObjectDocument) -> list[KeyObjectDocument]:
    """A document and its copies in other studies, each of which names all the others."""
    context = document.context
    own = InstanceReference(
        context.study_instance_uid, context.series_instance_uid, KEY_OBJECT, context.sop_instance_uid
    )
    everywhere = (own, *context.identical_documents)
    return [
        KeyObjectDocument(
            dataclasses.replace(
                context,
                study_instance_uid=here.study_instance_uid,
                series_instance_uid=here.series_instance_uid,
                sop_instance_uid=here.sop_instance_uid,
                identical_documents=tuple(other for other in everywhere if other != here),
            ),
            document.selection,
        )
        for here in everywhere
    ]


# --- anything the model can hold ----------------------------------------------------------------------

#: Text of any script; DICOM has no use for control characters and lone surrogates.
_any_text = st.text(
    st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12
) | st.sampled_from(
    ["左上葉の結節影", "ورم في الفص العلوي", "Knoten 🫁 links", "узелок", "e\u0301 ≠ é", "\u202eabc"]
)


def _held(text: str, most: int) -> str:
    """As much of a text as a value of so many characters holds."""
    return text.replace("\\", "/").strip(" ")[:most].strip(" ")


lines = _any_text.map(lambda text: _held(text, 64)).filter(lambda text: text.strip() != "")
long_lines = lines | st.builds("{}{}".format, lines, st.just("x" * 64)).map(lambda text: _held(text, 64))
short_texts = lines.map(lambda text: _held(text, 16)).filter(lambda text: text.strip() != "")
maybe_long = st.just("") | long_lines
maybe_short = st.just("") | short_texts
_components = short_texts.map(lambda text: text.replace("=", "-").replace("^", "-"))
_groups = st.lists(_components | st.just(""), min_size=1, max_size=3).map("^".join)
person_names = (
    _components
    | st.builds("{}^{}={}".format, _components, _components, _components)
    | st.builds("{}={}={}".format, _components, _groups, _components)
    | st.builds("{}^^^^{}".format, _components, _components)
)
descriptions = (
    st.just("")
    | st.lists(_any_text, min_size=1, max_size=3)
    .map(lambda parts: "\r\n\t".join(parts).rstrip(" "))
    .filter(lambda text: text.strip() != "")
    | st.just("Knoten, 8 mm. " * 300 + "Ende")
)
numbers = st.lists(st.integers(1, 9999), min_size=1, max_size=4, unique=True).map(tuple)
frame_numbers = numbers | st.sampled_from([(1,), (2**31 - 1, 1), tuple(range(1, 3001))])
segment_numbers = numbers | st.just((65535, 1))
channels = st.sampled_from([(), (1, 1), (1, 2, 65535, 0)])
private_codes = st.builds(
    Code,
    st.sampled_from(
        [
            "P1",
            "sixteen-letters!",
            "seventeen-letters",
            "a-code-value-of-more-than-sixteen-characters",
            "urn:oid:1.2.3",
            "urn:oid:1.2.3.45",
            "urn:oid:1.2.3.456",
            "http:x",
            "https://example.org/codes?id=7#note",
            "編",
        ]
    ),
    st.sampled_from(["99TEST", "99編"]),
    long_lines,
)
languages = st.sampled_from(["", *NAMES]) | st.sampled_from(
    ["en-GB", "ja-JP", "sr-Latn-RS", "tlh", "zh-cmn-Hans-CN", "de-x" + "-abcdefgh" * 6]
)
observers = st.builds(Person, person_names, maybe_short | lines) | st.builds(
    Device, st.sampled_from(["2.25.77", "1.2." + "3" * 60, "1.2.34"]), maybe_short | lines
)
#: Days of our time, and no leap seconds: of others DCMTK and dciodvfy say that they are none.
dates = st.dates(date(1900, 1, 1), date(2099, 12, 31)).map(lambda day: f"{day:%Y%m%d}")
times = st.sampled_from(["", "06", "0630", "235959", "120000.000001"])


@st.composite
def instances(draw: st.DrawFn, number: int, study: str) -> InstanceReference:
    """An instance in one of a few series of a study; series and classes by turns, UIDs up to 64 characters."""
    sop_class_uid = draw(
        st.sampled_from([CT, ULTRASOUND, SEGMENTATION, ECG, REPORT, GSPS, KEY_OBJECT])
        | st.sampled_from(STORAGE_CLASSES)
    )
    series = f"{study}.{draw(st.integers(4, 6))}"
    longest = f"{series}.{number}."
    uid = draw(st.sampled_from([f"{series}.{number}", f"{longest}{'7' * (64 - len(longest))}"]))
    return InstanceReference(study, series, sop_class_uid, uid)


@st.composite
def references(draw: st.DrawFn, number: int, study: str) -> list[Reference]:
    """A flagged instance; now and then it is flagged again with other frames, segments or channels."""
    target = draw(instances(number, study))
    kind = Reference(target).value_type
    if kind == "COMPOSITE":
        return [Reference(target)]
    if kind == "WAVEFORM":
        flagged = draw(st.lists(channels, min_size=1, max_size=2, unique=True))
        return [Reference(target, waveform_channels=each) for each in flagged]
    applied = st.builds(
        InstanceReference,
        st.just(study),
        st.just(f"{study}.9"),
        st.just(draw(st.sampled_from(PRESENTATION_STATES))),
        st.just(f"{study}.9.{number}"),
    )
    value_map = InstanceReference(study, f"{study}.8", VALUE_MAP, f"{study}.8.{number}")
    state, maps = draw(st.none() | applied), draw(st.sampled_from([(), (value_map,)]))
    parts: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((), ())]
    if sop_classes.is_multiframe_capable(target.sop_class_uid):
        parts += [(each, ()) for each in draw(st.lists(frame_numbers, max_size=2, unique=True))]
    if sop_classes.is_segmentation(target.sop_class_uid):
        parts += [((), each) for each in draw(st.lists(segment_numbers, max_size=2, unique=True))]
    chosen = draw(st.lists(st.sampled_from(parts), min_size=1, max_size=2, unique=True))
    return [
        Reference(target, frames, segments, presentation_state=state, real_world_value_maps=maps)
        for frames, segments in chosen
    ]


@st.composite
def selections(draw: st.DrawFn, studies: tuple[str, ...]) -> KeyObjectSelection:
    selected = [
        each
        for number in range(draw(st.integers(len(studies), 6)))
        for each in draw(references(number, studies[number % len(studies)]))
    ]
    title = draw(st.sampled_from(TITLES) | private_codes)
    rule = modifiers_for(title)
    modifiers = draw(st.lists(private_codes, max_size=2))
    if rule is not None:
        few = 1 if rule.mandatory else 0
        modifiers += draw(st.lists(st.sampled_from(rule.codes), min_size=few, max_size=2))
    return KeyObjectSelection(
        title=title,
        references=tuple(draw(st.permutations(selected))),
        modifiers=tuple(modifiers),
        description=draw(descriptions),
        language=draw(languages),
        observers=draw(st.lists(observers, max_size=3).map(tuple)),
        procedure_codes=draw(st.lists(private_codes, max_size=2).map(tuple)),
    )


@st.composite
def contexts(draw: st.DrawFn, studies: tuple[str, ...]) -> DocumentContext:
    """The envelope of a document in the first study, over all of them."""
    requests = st.builds(
        RequestReference,
        st.sampled_from(studies),
        maybe_short,
        maybe_short,
        maybe_long,
        maybe_long,
        maybe_long,
        st.none() | private_codes,
    )
    return DocumentContext(
        study_instance_uid=studies[0],
        series_instance_uid=f"{studies[0]}.50",
        sop_instance_uid=uids.uid_from("test", draw(st.text(max_size=5))),
        content_date=draw(dates),
        content_time=draw(times.filter(bool) | st.just("063000.123456")),
        timezone=draw(st.sampled_from(["-0330", "+0900", "+0000", "-1200", "+1400"])),
        series_number=draw(st.integers(0, 2**31 - 1)),
        instance_number=draw(st.integers(0, 2**31 - 1)),
        series_description=draw(maybe_long),
        manufacturer=draw(maybe_long),
        institution_name=draw(maybe_long),
        patient_name=draw(st.just("") | person_names),
        patient_id=draw(long_lines),
        issuer_of_patient_id=draw(maybe_long),
        patient_birth_date=draw(st.just("") | dates),
        patient_sex=draw(st.sampled_from(["", "F", "M", "O"])),
        study_date=draw(st.just("") | dates),
        study_time=draw(times),
        study_id=draw(maybe_short),
        study_description=draw(maybe_long),
        accession_number=draw(maybe_short),
        referring_physician_name=draw(st.just("") | person_names),
        requests=draw(st.lists(requests, max_size=2).map(tuple)),
        identical_documents=copies(*studies[1:]),
    )


@st.composite
def documents(draw: st.DrawFn) -> KeyObjectDocument:
    """A note over one study or several, filed in one of them or in one that it flags nothing of."""
    flagged = draw(st.sampled_from([("1.2.3",), ("1.2.3", "1.2.7"), ("1.2.3", "1.2.7", "2.25.12345")]))
    studies = flagged if draw(st.integers(0, 3)) else ("1.2.99", *(flagged if len(flagged) > 1 else ()))
    return KeyObjectDocument(draw(contexts(studies)), draw(selections(flagged)))


# --- and what studies are received with ---------------------------------------------------------------

#: Copied as they are: empty values, several values, padding and NULs within and around them, escape sequences, text
#: where no character set has a say, names with more or less than they can have.
odd_values = st.sampled_from(
    [
        *("", " ", "\0", "\0 ", " led and trailed ", "a\0b\0", "\0a ", "a\nb\t"),
        *("a\\b", "a\\\\ b \\c ", "\\", " \\ ", "x" * 65, "\x1b$B", "é", "午前", "é\\午", "20260230", "1\\2"),
        *("A^B^C^^", "=山田^太郎", "Y^T=山田^太郎=やまだ^たろう", "A=B=C=D", "^^", "A\\B=C =", "=", "==\\^"),
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def odd_copies() -> st.SearchStrategy[KeyObjectDocument]:
    """A plain document of a study that was received with faults."""
    requests = st.builds(
        RequestReference,
        st.just("1.2.3"),
        *[odd_values] * 5,
        requested_procedure_code=st.none() | private_codes,
    )
    contexts = st.fixed_dictionaries(
        {"requests": st.lists(requests, max_size=2).map(tuple), **dict.fromkeys(COPIED, odd_values)}
    )
    return contexts.map(lambda copied: KeyObjectDocument(plain_context(**copied), document().selection))
