"""Marks of viewers that write no key objects become rows of the table of notes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kinote.catalog.transactions.catalog import Catalog
from kinote.command.migrations.collecting import collect_marks
from kinote.migration.marks.collecting import Collected, collect
from tests.migration import marks_of_viewers as viewers
from tests.migration.tables import import_table, imported
from tests.notes.sample_studies import KEY_OBJECT

STUDY = "1.2.1"


def collected(folder: Path, *labels: str, **files: bytes) -> tuple[list[dict[str, str]], Collected]:
    """Write files into a folder, and collect their marks."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    account = Collected()
    return list(collect([folder], labels, account)), account


def of(rows: list[dict[str, str]], *columns: str) -> list[tuple[str, ...]]:
    return [tuple(each.get(column, "") for column in columns) for each in rows]


def key_images(*uids: str, **said: Any) -> dict[str, Any]:
    """What Horos says of a study: its key images, and an image that was one before."""
    images = [{"isKeyImage": True, "sopInstanceUID": uid} for uid in uids]
    images.append({"isKeyImage": False, "sopInstanceUID": "1.2.1.1.99"})
    series = {"seriesInstanceUID": "000001 1.2.1.1", "seriesDICOMUID": "1.2.1.1", "images": images}
    return {"studyInstanceUID": STUDY, "patientID": "P1", "series": [series], **said}


def test_marks_in_images_of_osirix_are_one_note_of_a_study_with_frames_from_one(tmp_path: Path) -> None:
    rows, account = collected(
        tmp_path,
        one=viewers.image("1.2.1.1.1", "0"),
        none=viewers.image("1.2.1.1.2"),
        many=viewers.image("1.2.1.2.1", ["4", "0"], NumberOfFrames=6),
        other=viewers.image("1.3.1.1.1", "0"),
    )
    assert of(rows, "note", "sop_instance_uid", "frames", "series_instance_uid", "patient_id", "issuer") == [
        ("osirix 1.2.1", "1.2.1.2.1", "1 5", "1.2.1.2", "P1", "HOSPITAL"),
        ("osirix 1.2.1", "1.2.1.1.1", "", "1.2.1.1", "P1", "HOSPITAL"),
        ("osirix 1.3.1", "1.3.1.1.1", "", "1.3.1.1", "P1", "HOSPITAL"),
    ]
    assert (len(account.notes), account.rows, account.left) == (2, 3, [])


@pytest.mark.parametrize(
    "attributes",
    [
        {"marked": "Systole"},
        {"marked": "1"},
        {"marked": "0", "FrameNumbersOfInterest": 1},
    ],
    ids=["words", "a frame that there is not", "as the standard means it"],
)
def test_other_descriptions_of_frames_are_no_marks_and_are_reported(
    tmp_path: Path, attributes: dict[str, Any]
) -> None:
    rows, account = collected(tmp_path, one=viewers.image("1.2.1.1.1", **attributes))
    assert rows == []
    assert [Path(left.file).name for left in account.left] == ["one"]


def test_the_newest_annotations_of_osirix_count_and_images_add_their_frames(tmp_path: Path) -> None:
    rows, account = collected(
        tmp_path,
        a=viewers.annotations_report("1.2.1.9.2", key_images("1.2.1.1.1", "1.2.1.2.1"), ContentTime="150000"),
        b=viewers.annotations_report("1.2.1.9.1", key_images("1.2.1.1.7")),
        c=viewers.image("1.2.1.2.1", "2", NumberOfFrames=6),
        d=viewers.image("1.2.1.1.3", "0"),
    )
    assert of(rows, "sop_instance_uid", "frames", "created", "sop_class_uid") == [
        ("1.2.1.1.1", "", "20190503150000", ""),
        ("1.2.1.2.1", "3", "", viewers.ENHANCED_CT),
        ("1.2.1.1.3", "", "", viewers.CT),
    ]
    assert account.left == []


def test_what_osirix_has_besides_is_reported(tmp_path: Path) -> None:
    rows, account = collected(
        tmp_path,
        comments=viewers.annotations_report(
            "1.2.1.9.1", key_images("1.2.1.1.1", comment="Ask", albums=["Teaching"])
        ),
        regions=viewers.osirix_report("1.2.1.9.2", "OsiriX ROI SR", b"streamtyped"),
        broken=viewers.osirix_report("1.3.1.9.1", "OsiriX Annotations SR", b"<plist><dict><key>"),
        nothing=viewers.osirix_report("1.4.1.9.1", "OsiriX Annotations SR", b""),
        short=viewers.image("1.2.1.1.1", "0")[:300],
        text=b"no DICOM",
    )
    assert len(rows) == 1
    left = {Path(each.file).name: each.sentence for each in account.left}
    assert left.keys() == {"comments", "regions", "broken", "nothing", "short"}
    assert "albums, comment" in left["comments"]
    assert account.counts["passed over"] == 1


def test_hostile_property_lists_are_reported_and_take_no_memory(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><plist><string>&b;</string></plist>'
    deep = b"<plist>" + b"<array>" * 50_000 + b"</array>" * 50_000 + b"</plist>"
    odd = (
        b"<plist><dict><key>series</key><array><string>x</string>"
        b"<dict><key>images</key><true/></dict></array></dict></plist>"
    )
    files = {
        f"file{number}": viewers.osirix_report(f"1.{number}.1.9.1", "OsiriX Annotations SR", document)
        for number, document in enumerate((bomb, deep, odd), start=2)
    }
    rows, account = collected(tmp_path, **files)
    assert rows == []
    assert {Path(each.file).name for each in account.left} == {"file2", "file3"}


def test_key_images_of_cornerstone_are_notes_by_label_and_measurements_are_reported(tmp_path: Path) -> None:
    groups = [
        viewers.measurement_group("Probe:KeyImage", viewers.reference("1.2.1.1.1"), "Nodule"),
        viewers.measurement_group("Length", viewers.reference("1.2.1.1.2")),
        viewers.measurement_group("Probe:KeyImage", viewers.reference("1.2.1.1.3", [2, 3]), "Nodule"),
        viewers.measurement_group("Probe:KeyImage", viewers.reference("1.2.1.1.4")),
    ]
    images = [f"1.2.1.1.{number}" for number in range(1, 5)]
    rows, account = collected(
        tmp_path, report=viewers.measurement_report("1.2.1.8.1", groups, images, "Roe^Richard")
    )
    assert of(rows, "note", "sop_instance_uid", "frames", "description", "series_instance_uid") == [
        ("report 1.2.1.8.1 1", "1.2.1.1.1", "", "Nodule", "1.2.1.1"),
        ("report 1.2.1.8.1 1", "1.2.1.1.3", "2 3", "Nodule", "1.2.1.1"),
        ("report 1.2.1.8.1 2", "1.2.1.1.4", "", "", "1.2.1.1"),
    ]
    assert {(each["author"], each["created"], each["study_instance_uid"]) for each in rows} == {
        ("Roe^Richard", "20260301091500", STUDY)
    }
    assert [each.sentence for each in account.left] == [
        "Measurements of the report cannot be carried over: 1."
    ]


def test_presentation_states_with_the_label_are_notes_and_no_others(tmp_path: Path) -> None:
    rows, account = collected(
        tmp_path,
        "key image",
        key=viewers.presentation_state("1.2.1.3.1", "KEY IMAGE", ["1.2.1.1.1", "1.2.1.1.2"]),
        other=viewers.presentation_state("1.2.1.3.2", "MEASUREMENT", ["1.2.1.1.1"]),
    )
    assert of(
        rows, "note", "sop_instance_uid", "presentation_state_uid", "description", "author", "created"
    ) == [
        (
            "presentation state 1.2.1.3.1",
            uid,
            "1.2.1.3.1",
            "Mass in the left lung",
            "Roe^Richard",
            "20250402101112",
        )
        for uid in ("1.2.1.1.1", "1.2.1.1.2")
    ]
    assert account.counts["presentation states without the label"] == 1


def test_the_table_can_be_imported_and_importing_it_again_changes_nothing(
    tmp_path: Path, catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    group = viewers.measurement_group("Probe:KeyImage", viewers.reference("1.4.1.1.1"), "Knoten ä")
    for name, content in {
        "osirix": viewers.image("1.2.1.1.1", "0"),
        "annotations": viewers.annotations_report("1.2.1.9.1", key_images("1.2.1.1.5")),
        "report": viewers.measurement_report("1.4.1.8.1", [group], ["1.4.1.1.1"], "unknown^unknown"),
        "state": viewers.presentation_state("1.5.1.3.1", "KEY", ["1.5.1.1.1"]),
        "key object": viewers.written(viewers.instance("1.2.1.7.1", KEY_OBJECT)),
    }.items():
        (folder / name).write_bytes(content)
    table, report = tmp_path / "marks.jsonl", tmp_path / "left.jsonl"
    collect_marks([folder], table, ["KEY"], report, as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "files": 5,
        "key objects": 1,
        "notes": 3,
        "rows": 4,
        "left": 0,
    }
    assert report.read_text() == ""
    first = import_table(catalog, table.read_bytes(), "jsonl")
    assert {each.kind for each in first} == {"waiting"}, first
    rows = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    assert imported(catalog, rows) == imported(catalog, rows)
    assert {each.kind for each in imported(catalog, rows)} <= {"waiting", "known"}
