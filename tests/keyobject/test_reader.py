"""The tolerant reader: the key objects of the field, and what may be wrong with one."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from kinote.dicom.elements.dataset import scan
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.keyobject.findings import RULES
from kinote.keyobject.model import Reference
from kinote.keyobject.reader import LIMITS, MAX_BYTES, read, read_dataset
from kinote.keyobject.readers import content
from kinote.keyobject.reading import FoundInstance, FoundObserver, Reading
from kinote.keyobject.titles import TitleGroup, title_group
from kinote.keyobject.writer import encode
from tests.keyobject.documents import EXPLICIT, GSPS, ULTRASOUND, VALUE_MAP, document, instance
from tests.keyobject.variants.changes import OTHER_STUDY, code, item, series, sop, titled, with_value, without
from tests.keyobject.variants.table import BY_ID, VARIANTS
from tests.keyobject.variants.variant import STUDY, Variant, changed, deflated, encoded, good

IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


def codes(reading: Reading) -> set[str]:
    return {finding.code for finding in reading.findings}


@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.id for variant in VARIANTS])
def test_an_odd_document_is_understood_with_its_findings(variant: Variant) -> None:
    reading = variant.reading()
    off = {finding.code for finding in reading.findings if finding.severity != "info"}
    assert off == variant.codes, reading.findings
    assert {finding.code for finding in reading.findings if finding.severity == "info"} == variant.infos
    assert len(reading.distinct_references) == variant.references
    is_unreadable = any(RULES[code].severity == "error" for code in variant.codes)
    expected = "unreadable" if is_unreadable else "registered with findings" if off else "registered"
    assert reading.registration == expected


def test_all_is_kept_of_a_document_that_lists_references_only_in_its_evidence() -> None:
    """V27: frames in the evidence, as Weasis writes them."""
    reading = BY_ID["V27"].reading()
    assert reading.references_from == "evidence"
    assert [reference.frames for reference in reading.references] == [(), (3, 7)]


@pytest.mark.parametrize(
    ("value", "scheme", "group"),
    [
        ("113001", "DCM", TitleGroup.REJECTION),
        ("113001", "DICOM", TitleGroup.OTHER),
        ("113001", "99X", TitleGroup.OTHER),
        ("113004", "DICOM", TitleGroup.CLINICAL),
    ],
)
def test_nothing_acts_by_guess(value: str, scheme: str, group: TitleGroup) -> None:
    """V17, V20: a rejection is one by value and scheme DCM as written."""
    reading = changed(titled(CodeValue=value, CodingSchemeDesignator=scheme))
    assert reading.title is not None
    assert title_group(reading.title) is group


def test_a_title_is_shown_by_what_its_code_means() -> None:
    assert changed(titled(CodeValue="113003")).title_text == "For Surgery"
    assert changed(titled(CodeMeaning="")).title_text == "Of Interest"
    assert changed(without("ConceptNameCodeSequence")).title_text == "Untitled"
    assert changed(titled(CodeValue="X", CodingSchemeDesignator="99X", CodeMeaning="")).title_text == "X"


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_a_data_set_that_was_walked_already_is_read_alike(syntax: str) -> None:
    data = encoded(good(), syntax)
    assert read_dataset(scan(data, syntax), syntax) == read(data, syntax)
    assert read_dataset(scan(data, syntax), "1.2.840.10008.1.2.4.50") == read(data, "1.2.840.10008.1.2.4.50")


def test_broken_references_are_listed() -> None:
    reading = BY_ID["V31 letters"].reading()
    assert [(one.place, one.sop_instance_uid) for one in reading.broken_references] == [
        ("ContentSequence[2]", f"{STUDY}.abc")
    ]


def test_the_study_is_inferred_where_the_evidence_lacks_it() -> None:
    reading = BY_ID["V33"].reading()
    assert reading.referenced_studies == (STUDY,)


@pytest.mark.parametrize(
    ("declared", "text", "finding"),
    [
        (b"ISO_IR 192", "Überblick".encode("latin-1"), "CHARACTER_SET"),
        (b"", "Überblick".encode("latin-1"), "CHARACTER_SET_UNDECLARED"),
        (b"", "Überblick".encode(), "CHARACTER_SET_UNDECLARED"),
        (b"ISO_IR 999", "Überblick".encode(), "CHARACTER_SET_UNKNOWN"),
        (b"ISO_IR 192", "Überblick".encode(), None),
        (b"ISO_IR 100", "Überblick".encode("latin-1"), None),
        (b"ISO 2022 IR 6\\ISO 2022 IR 87", b"\x1b$B7k@a\x1b(B", None),
        (b"ISO 2022 IR 100\\ISO 2022 IR 87", b"\x1b$B7k@a\x1b(B", None),
    ],
)
def test_text_is_decoded_whatever_it_is_declared_as(
    declared: bytes, text: bytes, finding: str | None
) -> None:
    """V48 to V50; nothing is replaced by U+FFFD."""
    plain = encode(document(description="X" * (len(text) + len(text) % 2)))
    data = plain.replace(b"X" * (len(text) + len(text) % 2), text.ljust(len(text) + len(text) % 2))
    padded = declared + b" " * (len(declared) % 2)
    reading = read(with_value(data, 0x00080005, "CS", padded), EXPLICIT)
    assert codes(reading) == ({finding} if finding else set())
    assert reading.description == ("結節" if b"87" in declared else "Überblick")


@pytest.mark.parametrize(
    ("declared", "name", "finding"),
    [
        (b"\\ISO 2022 IR 149", b"\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6", None),
        # Code extensions end with a component (PS3.5 6.1.2.5.3), so that the second one has no escape sequence.
        (b"\\ISO 2022 IR 149", b"\x1b$)C\xc8\xab^\xb1\xe6", "CHARACTER_SET"),
        (b"\\ISO 2022 IR 87", b"\x1b$Zname", "CHARACTER_SET"),
        (b"", b"\x1b$B;3ED\x1b(B", "CHARACTER_SET_UNDECLARED"),
    ],
)
def test_names_are_checked_by_the_rules_of_names(declared: bytes, name: bytes, finding: str | None) -> None:
    data = with_value(encode(document()), 0x00080005, "CS", declared + b" " * (len(declared) % 2))
    reading = read(with_value(data, 0x00100010, "PN", name + b" " * (len(name) % 2)), EXPLICIT)
    assert codes(reading) == ({finding} if finding else set())


def test_an_attribute_that_stands_twice_is_noted_and_the_last_one_counts() -> None:
    element = struct.pack("<HH2sH", 0x0010, 0x0020, b"LO", 6)
    data = encode(document())
    at = data.index(struct.pack("<HH2s", 0x0010, 0x0020, b"LO"))
    reading = read(data[:at] + element + b"FIRST " + data[at:], EXPLICIT)
    assert codes(reading) == {"ELEMENT_REPEATED"}
    assert reading.patient_id == read(data, EXPLICIT).patient_id


def test_a_creation_date_stands_in_for_a_missing_content_date() -> None:
    dataset = good()
    del dataset.ContentDate
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = "20260102", "030405"
    made = read(encoded(dataset), EXPLICIT).made
    assert made is not None
    assert made.isoformat() == "2026-01-02T03:04:05+01:00"


def test_a_document_of_the_future_is_noted() -> None:
    data = encode(document())
    before = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
    assert codes(read(data, EXPLICIT, now=before)) == {"DATED_IN_FUTURE"}
    assert not codes(read(data, EXPLICIT, now=before.replace(hour=6)))


def test_observers_of_senders_that_leave_out_the_type() -> None:
    dataset = good()
    names = [("PNAME", "121008", {"PersonName": "Doe^A"}), ("PNAME", "121008", {"PersonName": "Roe^B"})]
    dataset.ContentSequence += [
        item("HAS OBS CONTEXT", vt, code(value, "DCM", "x"), **values) for vt, value, values in names
    ]
    dataset.ContentSequence.append(
        item("HAS OBS CONTEXT", "UIDREF", code("121012", "DCM", "Device Observer UID"), UID="1.2.9")
    )
    assert read(encoded(dataset), EXPLICIT).observers == (
        FoundObserver("person", "Doe^A"),
        FoundObserver("person", "Roe^B"),
        FoundObserver("device", uid="1.2.9"),
    )


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_other_transfer_syntaxes_are_read_alike(syntax: str) -> None:
    """V57, V58."""
    data = encoded(good(), EXPLICIT if syntax == DEFLATED else syntax)
    assert read(deflated(data) if syntax == DEFLATED else data, syntax) == read(encoded(good()), EXPLICIT)


@pytest.mark.parametrize(
    ("declared", "actual"),
    [
        (EXPLICIT, IMPLICIT),
        (IMPLICIT, EXPLICIT),
        (BIG_ENDIAN, EXPLICIT),
        (EXPLICIT, BIG_ENDIAN),
        (DEFLATED, EXPLICIT),
        ("1.2.840.10008.1.2.4.50", EXPLICIT),
    ],
)
def test_a_wrongly_declared_transfer_syntax_is_found_out(declared: str, actual: str) -> None:
    """V83, V96."""
    reading = read(encoded(good(), actual), declared)
    assert codes(reading) == {"TRANSFER_SYNTAX"}
    assert reading.references == read(encoded(good()), EXPLICIT).references


def test_padding_is_noted_and_anything_else_after_the_end_is_not_read() -> None:
    """V62."""
    data = encode(document())
    assert codes(read(data + bytes(40), EXPLICIT)) == {"STRUCTURE"}
    unreadable = read(data + b"GARBAGE!", EXPLICIT)
    assert (unreadable.registration, codes(unreadable)) == ("unreadable", {"NOT_READABLE"})
    assert unreadable.references == ()


def test_values_under_other_representations_are_read() -> None:
    """V46: Text Value as LT, Concept Name as UN."""
    dataset = good()
    dataset.ContentSequence[0]["TextValue"].VR = "LT"
    reading = read(encoded(dataset), EXPLICIT)
    assert codes(reading) == {"VR_UNEXPECTED"}
    assert reading.description == "A nodule"
    plain = encode(document())
    at = plain.index(struct.pack("<HH2sH", 0x40, 0xA043, b"SQ", 0))
    length = struct.unpack_from("<I", plain, at + 8)[0]
    inner = implicit_of(plain[at + 20 : at + 12 + length])
    unknown = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inner)) + inner
    sent = (
        plain[:at]
        + struct.pack("<HH2sHI", 0x40, 0xA043, b"UN", 0, len(unknown))
        + unknown
        + plain[at + 12 + length :]
    )
    reading = read(sent, EXPLICIT)
    assert reading.title_text == "Of Interest"
    assert codes(reading) == {"VR_UNEXPECTED"}


def implicit_of(elements: bytes) -> bytes:
    """Short explicit elements, encoded implicitly."""
    out, at = b"", 0
    while at < len(elements):
        length = struct.unpack_from("<H", elements, at + 6)[0]
        out += elements[at : at + 4] + struct.pack("<I", length) + elements[at + 8 : at + 8 + length]
        at += 8 + length
    return out


def test_a_long_description_is_read_whole() -> None:
    """V95: a megabyte of text."""
    text = "Größe " * 200_000
    assert read(encode(document(description=text.strip())), EXPLICIT).description == text.strip()


# --- hostile input --------------------------------------------------------------------------------


def test_twenty_thousand_references_in_bounded_steps_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(document(*(Reference(instance(number)) for number in range(1, 20_001))))
    steps: list[int] = []
    finish = DataSetScanner.finish

    def counted(scanner: DataSetScanner) -> None:
        finish(scanner)
        steps.append(scanner.steps)

    monkeypatch.setattr(DataSetScanner, "finish", counted)
    tracemalloc.start()
    reading = read(data, EXPLICIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(reading.distinct_references) == 20_000
    # A reference is an item with four elements and an item in the content, and an item of two in the evidence.
    assert steps[0] < 10 * 20_000 + 200
    assert peak < 20 * len(data)


def test_more_references_than_are_read_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MAX_REFERENCES", 200)
    most = [Reference(instance(number)) for number in range(1, 202)]
    assert read(encode(document(*most[:200])), EXPLICIT).registration == "registered"
    reading = read(encode(document(*most)), EXPLICIT)
    assert (reading.registration, codes(reading)) == ("unreadable", {"TOO_LARGE"})
    assert reading.references == ()
    assert reading.sop_instance_uid == "1.2.3.50.1"


def test_a_document_beyond_the_limit_is_not_looked_at() -> None:
    reading = read(bytes(MAX_BYTES + 1), EXPLICIT)
    assert (reading.registration, codes(reading)) == ("unreadable", {"TOO_LARGE"})


@pytest.mark.parametrize("depth", [30, 10_000])
@pytest.mark.parametrize("is_closed", [True, False])
def test_content_nested_deep_is_too_deep(depth: int, is_closed: bool) -> None:
    begin = struct.pack("<HH2sHIHHI", 0x40, 0xA730, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    reading = read(begin * depth + end * depth * is_closed, EXPLICIT)
    assert reading.registration == "unreadable"
    # What can be walked says more than that; what is cut off before it is too deep to be walked is that.
    assert ("TOO_DEEP" if is_closed or depth > LIMITS.depth else "NOT_READABLE") in codes(reading)


def test_a_deflated_bomb_is_too_large_and_costs_no_more_than_the_limit() -> None:
    """It is given up as soon as it inflates beyond the limit, and no more than that is held."""
    plain = encode(document())
    text = struct.pack("<HH2sHI", 0x0099, 0x0010, b"UT", 0, 0xFFFFFFFE)
    deflate = zlib.compressobj(9, wbits=-15)
    bomb = deflate.compress(plain + text) + b"".join(deflate.compress(bytes(1 << 20)) for _ in range(80))
    tracemalloc.start()
    reading = read(bomb, DEFLATED)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (reading.registration, codes(reading)) == ("unreadable", {"TOO_LARGE"})
    assert peak < 3 * MAX_BYTES


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_cut_document_has_no_wrong_reference(data: st.DataObject) -> None:
    whole = encode(document(Reference(instance(1)), Reference(instance(2, ULTRASOUND), frames=(3, 12))))
    syntax = data.draw(st.sampled_from([EXPLICIT, IMPLICIT, DEFLATED]))
    sent = {EXPLICIT: whole, IMPLICIT: encoded(good(), IMPLICIT), DEFLATED: deflated(whole)}[syntax]
    reading = read(sent[: data.draw(st.integers(0, len(sent) - 1))], syntax)
    assert reading.registration == "unreadable" or reading.references_from == "evidence"
    known = {instance(1).sop_instance_uid, instance(2).sop_instance_uid}
    assert {reference.sop_instance_uid for reference in reading.references} <= known


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_never_raise(data: st.DataObject) -> None:
    damaged = bytearray(encode(document(Reference(instance(1)), Reference(instance(2, ULTRASOUND)))))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    reading = read(bytes(damaged), data.draw(st.sampled_from([EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])))
    assert reading.registration in ("registered", "registered with findings", "unreadable")
    assert (reading.registration == "unreadable") == (not reading.references)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_a_reading(data: bytes) -> None:
    assert read(data, EXPLICIT).registration == "unreadable"


def test_identical_documents_and_evidence_are_read() -> None:
    reading = BY_ID["V97 incomplete"].reading()
    assert [copy.sop_instance_uid for copy in reading.identical_documents] == [f"{STUDY}.77.1"]
    assert reading.evidence[1] == FoundInstance(OTHER_STUDY, f"{OTHER_STUDY}.1", ULTRASOUND, f"{STUDY}.4.2")


def test_the_table_has_every_variant_of_the_reference_once() -> None:
    """V26 and V32 are not used."""
    numbers = {int(number) for row in VARIANTS if (number := row.id[1:].split()[0]).isdigit()}
    assert set(range(1, 101)) - numbers == {26, 32}
    assert len(BY_ID) == len(VARIANTS)


def test_what_is_off_is_counted_for_each_of_many_items_that_are_alike_and_in_every_document() -> None:
    def references(count: int) -> bytes:
        whole = encode(document(*(Reference(instance(number)) for number in range(1, count + 1))))
        plain = whole.replace(b"CS\x08\0CONTAINS", b"CS\x08\0        ")
        assert plain.count(b"CS\x08\0        ") >= count
        return plain

    for count in (3, 5):
        data = references(count)
        missing = data.count(b"CS\x08\0        ")
        (found,) = [one for one in read(data, EXPLICIT).findings if one.code == "RELATIONSHIP_MISSING"]
        assert f"({missing} times)" in found.text


@pytest.mark.parametrize(
    ("name", "class_uid"),
    [("ReferencedSOPSequence", GSPS), ("ReferencedRealWorldValueMappingInstanceSequence", VALUE_MAP)],
)
def test_several_that_are_to_be_applied_are_told(name: str, class_uid: str) -> None:
    def several(dataset: Dataset) -> None:
        both = []
        for uid in ("1.2.3.4.8", "1.2.3.4.9"):
            applied = Dataset()
            applied.ReferencedSOPClassUID, applied.ReferencedSOPInstanceUID = class_uid, uid
            both.append(applied)
        setattr(sop(dataset), name, both)
        series(dataset).ReferencedSOPSequence.extend(both)

    reading = changed(several)
    assert codes(reading) == {"APPLIED_SEVERAL"}
    named = [each.sop_instance_uid for each in reading.references[0].instances[1:]]
    assert named == (["1.2.3.4.8"] if class_uid == GSPS else ["1.2.3.4.8", "1.2.3.4.9"])
