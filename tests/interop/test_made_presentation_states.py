"""Presentation states made here, before dciodvfy and DCMTK: dcmp2pgm shows images with them as Kinote does."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image

from kinote.catalog.instances.headers import header_of
from kinote.decoding.frame_decoder import decode_frame
from kinote.demo.chest_ct import chest_ct
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.dicom.pixels import pictures
from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.presenting.presentation_states import presentation, read_state
from kinote.notes.presentations.states import Identity, ImageHeader, state_dataset
from kinote.notes.presentations.view import Area, View, Window
from tests.interop.peers import dciodvfy_errors, run
from tests.web.objects import as_file

EXPLICIT = "1.2.840.10008.1.2.1"
STATE, SERIES = "1.2.826.0.1.3680043.10.9998.61.1", "1.2.826.0.1.3680043.10.9998.61"

VIEWS = {
    "lung window": View(window=Window(-600, 1500)),
    "inverted": View(window=Window(40, 400), inverted=True),
    "turned and flipped": View(window=Window(40, 400), rotation=90, flipped=True),
    "a part": View(window=Window(40, 400), area=Area(11, 21, 42, 52)),
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of the chest phantom, as a file."""
    path = tmp_path_factory.mktemp("image") / "image.dcm"
    path.write_bytes(as_file(next(chest_ct())))
    return path


def state(image: Path, view: View) -> bytes:
    dataset = pydicom.dcmread(image)
    written = io.BytesIO()
    # Without its file meta.
    pydicom.Dataset(dataset).save_as(
        written, implicit_vr=False, little_endian=True, enforce_file_format=False
    )
    identity = Identity(
        study_instance_uid=dataset.StudyInstanceUID,
        series_instance_uid=SERIES,
        sop_instance_uid=STATE,
        series_number=1,
        description="Of Interest",
        made=("20261201", "101500", "+0100"),
        creator="Reader^Rhea",
        manufacturer="Kinote",
    )
    study = {
        keyword: str(dataset.get(keyword, ""))
        for keyword in (
            "PatientName",
            "PatientID",
            "PatientBirthDate",
            "PatientSex",
            "StudyDate",
            "StudyTime",
            "StudyID",
            "AccessionNumber",
            "ReferringPhysicianName",
        )
    }
    header = ImageHeader(header_of(written.getvalue(), EXPLICIT), ())
    return state_dataset(identity, study, header, view, sop_instance_uid=dataset.SOPInstanceUID, frames=())


def ours(image: Path, made: bytes) -> NDArray[np.uint8]:
    uid = str(pydicom.dcmread(image, stop_before_pixels=True).SOPInstanceUID)
    with open_frames(image) as frames:
        found = presentation(read_state(made, EXPLICIT), EXPLICIT, uid, 1)
        encoded = pictures.render_frame(frames, 1, decode_frame(frames, 1), format="png", state=found)
    return np.asarray(Image.open(io.BytesIO(encoded)))


@pytest.mark.parametrize("name", VIEWS)
def test_others_show_what_kinote_shows(shown: Path, tmp_path: Path, name: str) -> None:
    made = state(shown, VIEWS[name])
    path = tmp_path / "state.dcm"
    path.write_bytes(file_meta_bytes("1.2.840.10008.5.1.4.1.1.11.1", STATE, EXPLICIT) + made)
    assert dciodvfy_errors(path) == []
    code, output = run("dcmp2pgm", "-p", path, shown, tmp_path / "theirs.pgm")
    assert code == 0, output
    theirs = np.asarray(Image.open(tmp_path / "theirs.pgm"))
    mine = ours(shown, made)
    if area := VIEWS[name].area:
        # dcmp2pgm shows the whole image always.
        theirs = theirs[area.upper - 1 : area.lower, area.left - 1 : area.right]
    assert mine.shape == theirs.shape
    assert np.abs(mine.astype(int) - theirs.astype(int)).max() <= 1
