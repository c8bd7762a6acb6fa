"""The checker: what a producer should know before somebody else's archive finds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom.uid import UID

from kinote.command.check import check_files
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.keyobject.check import Report, check, check_file
from kinote.keyobject.findings import RULES, Findings, found
from kinote.keyobject.reader import read
from kinote.keyobject.writer import encode, encode_file
from tests.dicom.elements import Writer
from tests.keyobject.documents import EXPLICIT, document
from tests.keyobject.variants.changes import code, item, with_value
from tests.keyobject.variants.table import VARIANTS
from tests.keyobject.variants.variant import Variant, deflated, encoded, good

IMPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.50"


def nested_sequences(levels: int) -> bytes:
    writer = Writer(EXPLICIT)
    content = b""
    for _ in range(levels):
        content = writer.sequence(0x0040A730, writer.item(content))
    return writer.element(0x00080016, "UI", KEY_OBJECT_SELECTION.encode()) + content


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def test_our_own_are_faultless() -> None:
    assert check_file(encode_file(document())) == Report("registered", ())


def test_files_without_meta_and_with_anothers() -> None:
    """V59, V61."""
    assert codes(check_file(encode(document()))) == {"FILE_META_MISSING"}
    other = file_meta_bytes("1.2.840.10008.5.1.4.1.1.2", "1.2.3", EXPLICIT) + encode(document())
    report = check_file(other)
    assert codes(report) == {"FILE_META_MISMATCH"}
    assert report.registration == "registered with findings"


def test_what_is_no_dicom_is_an_error() -> None:
    report = check_file(b"no DICOM at all" * 30)
    assert report.registration == "unreadable"
    assert report.has_errors


@pytest.mark.parametrize(
    ("syntax", "dataset", "expected"),
    [
        (IMPLICIT, encode(document()), {"TRANSFER_SYNTAX"}),
        (JPEG, encode(document()), {"TRANSFER_SYNTAX"}),
        (EXPLICIT, encoded(good(), IMPLICIT), {"TRANSFER_SYNTAX"}),
        (EXPLICIT, deflated(encode(document())), {"TRANSFER_SYNTAX"}),
        (DEFLATED, encode(document()), {"TRANSFER_SYNTAX"}),
        (EXPLICIT, nested_sequences(120), {"TOO_DEEP"}),
        (DEFLATED, deflated(encode(document()) + bytes(80 * 1024 * 1024)), {"TOO_LARGE"}),
    ],
)
def test_a_file_is_read_as_the_reader_reads_its_data_set(
    syntax: str, dataset: bytes, expected: set[str]
) -> None:
    data = file_meta_bytes(KEY_OBJECT_SELECTION, document().context.sop_instance_uid, syntax) + dataset
    assert codes(check_file(data)) - {"FILE_META_MISMATCH"} == expected


def test_a_bare_implicit_data_set_is_guessed_and_not_wrongly_declared() -> None:
    assert codes(check_file(encoded(good(), IMPLICIT))) == {"FILE_META_MISSING"}


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.id)
def test_no_finding_stands_twice_at_a_place(variant: Variant) -> None:
    findings = check(variant.dataset(), variant.syntax).findings
    assert len({(finding.code, finding.place) for finding in findings}) == len(findings)


def test_what_is_no_key_object_is_told_and_nothing_else() -> None:
    dataset = good()
    dataset.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2")
    del dataset.ContentSequence
    report = check(encoded(dataset), EXPLICIT)
    assert [finding.code for finding in report.findings] == ["NOT_A_KEY_OBJECT"]
    assert report.registration == "unreadable"


def test_folders_are_searched_and_one_without_key_objects_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_bytes(b"no DICOM")
    (checked,) = check_files([other])
    assert [finding.code for finding in checked.findings] == ["NO_KEY_OBJECTS"]
    assert (checked.file, checked.registration) == (str(other), "unreadable")
    (other / "sub").mkdir()
    (other / "sub" / "kos.dcm").write_bytes(encode_file(document()))
    assert [item.file for item in check_files([other])] == [str(other / "sub" / "kos.dcm")]
    assert [finding.code for item in check_files([tmp_path / "empty"]) for finding in item.findings] == [
        "NO_KEY_OBJECTS"
    ]


def test_attributes_that_must_be_there_if_only_empty() -> None:
    dataset = good()
    del dataset.ReferringPhysicianName
    del dataset.TimezoneOffsetFromUTC
    report = check(encoded(dataset), EXPLICIT)
    assert codes(report) == {"TYPE_2_MISSING", "TIMEZONE_MISSING"}
    assert "Referring Physician's Name" in report.findings[0].text


def test_observers_languages_and_relationships() -> None:
    dataset = good()
    language = code("121049", "DCM", "Language of Content Item and Descendants")
    login = code("128774", "DCM", "Person Observer's Login Name")
    english = code("eng", "ISO639_2", "English")
    dataset.ContentSequence += [
        item("HAS CONCEPT MOD", "CODE", language, ConceptCodeSequence=[english]),
        item("HAS OBS CONTEXT", "TEXT", login, TextValue="jdoe"),
        item("INFERRED FROM", "CODE", language, ConceptCodeSequence=[english]),
    ]
    assert codes(check(encoded(dataset), EXPLICIT)) == {
        "LANGUAGE_SCHEME",
        "OBSERVER_INCOMPLETE",
        "RELATIONSHIP_ILLEGAL",
    }


def test_values_that_are_too_long() -> None:
    data = with_value(encode(document()), 0x00080050, "SH", b"A" * 18)
    assert codes(check(data, EXPLICIT)) == {"VALUE_TOO_LONG"}


def test_the_report_as_json_has_the_keys_of_the_command() -> None:
    printed = json.loads(json.dumps(check_file(encode(document())).as_json()))
    assert printed["registration"] == "registered with findings"
    assert set(printed["findings"][0]) == {"code", "severity", "place", "text"}


def test_every_finding_is_documented_with_its_severity() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "findings.md").read_text()
    rows = [line.split(" | ") for line in documented.splitlines() if line.startswith("| `")]
    assert {row[0].strip("|` "): row[1] for row in rows} == {
        name: rule.severity for name, rule in RULES.items()
    }


def test_findings_are_gathered_once_with_how_often() -> None:
    findings = Findings()
    for number in range(20_000):
        findings.add("REF_BROKEN", f"ContentSequence[{number}]", str(number))
    findings.add("NO_REFERENCES")
    first, second = findings.as_tuple()
    assert first.code == "NO_REFERENCES"
    assert second.place == "ContentSequence[0]"
    assert second.text.endswith("left out: 0, 1, 2 and others. (20000 times)")


def test_what_was_found_is_shown_short_and_printable() -> None:
    """Whatever stands where a word should: sentences go into the index, onto terminals and pages."""
    modality = b"K\0O\x1b[31m" + b"A" * 60_000 + b"\0\0\0B"
    reading = read(with_value(encode(document()), 0x00080060, "CS", modality), EXPLICIT)
    for findings in (
        reading.findings,
        check(with_value(encode(document()), 0x00080060, "CS", modality), EXPLICIT).findings,
    ):
        (finding,) = (each for each in findings if each.code == "MODALITY")
        assert finding.text.startswith("The modality is K\\x00O\\x1b[31mAAAA")
        assert finding.text.isprintable()
        assert len(finding.text) < 250
    error = found("NOT_READABLE", detail="x\0" * 5_000)
    assert error.text.isprintable() and len(error.text) < 700


@pytest.mark.parametrize("name", sorted(RULES))
def test_sentences_are_sentences(name: str) -> None:
    sentence = RULES[name].sentence
    assert sentence[0].isupper() or sentence.startswith("{}")
    assert sentence.endswith(".")
    assert sentence.count("{}") <= 1
