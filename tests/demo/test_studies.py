"""The demo studies: conformant, always the same, and the notes flag what is in them."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from kinote.demo import chest, identity
from kinote.demo.chest_ct import COLUMNS, ROWS, SPACING, earlier_chest_ct
from kinote.demo.notes import DEMO_NOTES, DemoNote
from kinote.demo.studies import REAL_IMAGES, DemoStudies, build, real_images
from kinote.dicom.values.uids import is_valid
from kinote.keyobject.titles import MAKEABLE_GROUPS, modifiers_for, title_group


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoStudies:
    return build(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def made(demo: DemoStudies) -> dict[str, Path]:
    """The files that the project made, by SOP Instance UID."""
    real = set(real_images())
    return {_header(path).SOPInstanceUID: path for path in demo.files if path not in real}


def _header(path: Path) -> Dataset:
    return pydicom.dcmread(path, stop_before_pixels=True)


def test_the_installed_pydicom_has_the_real_images(demo: DemoStudies) -> None:
    assert len(real_images()) == len(REAL_IMAGES)
    assert set(real_images()) <= set(demo.files)


def test_each_series_is_conformant(made: dict[str, Path]) -> None:
    one_of_each = {path.parent: path for path in made.values()}
    for path in one_of_each.values():
        result = subprocess.run(["dciodvfy", "-new", path], check=False, capture_output=True, text=True)
        assert [line for line in result.stderr.splitlines() if line.startswith("Error")] == [], path


def test_every_object_has_uids_of_its_own(demo: DemoStudies, made: dict[str, Path]) -> None:
    assert len(made) == len(demo.files) - len(REAL_IMAGES)
    assert all(map(is_valid, made))


def test_made_again_it_is_the_same() -> None:
    def digests() -> list[str]:
        return [hashlib.sha256(dataset.PixelData).hexdigest() for dataset in earlier_chest_ct()]

    first = digests()
    assert first == digests()
    assert len(set(first)) == len(first)


def test_patients_are_told_apart_by_number_and_issuer(made: dict[str, Path]) -> None:
    headers = [_header(path) for path in made.values()]
    assert {header.PatientID for header in headers} == {"DEMO-1001", "DEMO-1002", "DEMO-1003"}
    assert {header.IssuerOfPatientID for header in headers} == {"KINOTE-DEMO"}


def test_the_slice_that_the_notes_mark_shows_the_nodule(made: dict[str, Path]) -> None:
    uid = identity.CHEST_CT.instance_uid(2, identity.NODULE_SLICE)
    image = pydicom.dcmread(made[uid])
    hounsfield = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
    column = round(chest.NODULE.centre[0] / SPACING + (COLUMNS - 1) / 2)
    row = round(chest.NODULE.centre[1] / SPACING + (ROWS - 1) / 2)
    assert np.mean(hounsfield[row - 2 : row + 3, column - 2 : column + 3]) > 0
    beside = round(2.5 * chest.NODULE.radius / SPACING)
    assert np.median(hounsfield[row - beside : row + beside, column - beside : column + beside]) < -700


@pytest.mark.parametrize("note", DEMO_NOTES, ids=lambda note: f"{note.title.meaning} {note.language}")
def test_notes_flag_what_is_there(note: DemoNote, made: dict[str, Path]) -> None:
    assert title_group(note.title) in MAKEABLE_GROUPS
    assert modifiers_for(note.title) is None
    for reference in note.references:
        header = _header(made[reference.sop_instance_uid])
        assert all(1 <= frame <= header.NumberOfFrames for frame in reference.frames)
        if reference.presentation_state_uid:
            state = _header(made[reference.presentation_state_uid])
            shown = state.ReferencedSeriesSequence[0].ReferencedImageSequence[0]
            assert shown.ReferencedSOPInstanceUID == reference.sop_instance_uid
    studies = {_header(made[reference.sop_instance_uid]).StudyInstanceUID for reference in note.references}
    assert note.study_instance_uid in studies
