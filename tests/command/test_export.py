"""`kinote export`: sets of real studies that others read, that come back the same, and that are whole or not there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.fileset import FileSet
from sqlalchemy import func, select
from typer.testing import CliRunner

from kinote.app import open_application
from kinote.catalog.schema.tables import delivery, study
from kinote.command.main import app
from kinote.command.media import export as exporting
from kinote.media.iso_image import write_image
from kinote.media.reading_back import NotAsMadeError
from kinote.media.set_folder import MARK
from kinote.settings.model import Settings
from tests.command.test_peer_commands import Typed, store, typed
from tests.web.objects import STUDY, as_file, image

#: Longer under scripts/soak.
pytestmark = pytest.mark.soak

__all__ = ["store", "typed"]

DATA = Path(os.environ.get("KINOTE_TEST_DATA", "/none"))

#: Of the test data in CI; all of it otherwise.
FOLDERS = [""] if os.environ.get("KINOTE_SOAK") else ["IHE+RAD.MADO", "ImagingDataCommons+highdicom"]


def run(data: Path, *arguments: str | Path) -> Any:
    """What a command prints with `--json`, whatever its exit status."""
    found = CliRunner().invoke(app, [*map(str, arguments), "--data", str(data), "--json"])
    assert found.exit_code in (0, 1), found.output
    return json.loads(found.output[found.output.index("{") :])


def studies(data: Path) -> list[str]:
    with (
        open_application(Settings.model_validate({"data": data})) as application,
        application.catalog.read() as connection,
    ):
        query = select(study.c.study_instance_uid).where(study.c.instance_count > 0)
        return [option for uid in connection.scalars(query) for option in ("--study", uid)]


def complaints(command: str, *files: Path) -> set[str]:
    """What a checker of David Clunie says is wrong, without the names of files."""
    said = subprocess.run([command, *files], capture_output=True, text=True, check=False)
    lines = (said.stdout + said.stderr).splitlines()
    return {
        re.sub(r" ?(?:for file|versus|within file) <[^>]*>", "", line) for line in lines if "Error" in line
    }


def test_real_studies_go_to_media_are_read_by_others_and_come_back(store: Typed, tmp_path: Path) -> None:
    sent = [DATA / folder for folder in FOLDERS]
    run(tmp_path / "data", "import", *sent)
    wanted = studies(tmp_path / "data")
    made = run(tmp_path / "data", "export", *wanted, "--folder", tmp_path / "set")
    objects = [path for path in (tmp_path / "set/DICOM").rglob("*") if path.is_file()]
    assert made["objects"] == len(objects) > 5

    # Whatever is wrong with the directory comes from the values of the objects: their UIDs, which it must name.
    assert {
        each
        for each in complaints("dciodvfy", tmp_path / "set/DICOMDIR")
        if "Illegal root for UID" not in each
    } == set()
    subprocess.run(["dcmdump", "+E", tmp_path / "set/DICOMDIR"], capture_output=True, check=True)
    originals = [path for folder in sent for path in folder.rglob("*") if path.is_file()]
    whole = {each for each in complaints("dcentvfy", *objects) if "Missing SOPInstanceUID" not in each}
    assert whole <= complaints("dcentvfy", *originals)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        listed = {each.SOPInstanceUID for each in FileSet(tmp_path / "set/DICOMDIR")}
        syntaxes = {}
        for path in originals:
            try:
                one = pydicom.dcmread(path, stop_before_pixels=True)
                syntaxes[one.SOPInstanceUID] = one.file_meta.TransferSyntaxUID
            except (pydicom.errors.InvalidDicomError, AttributeError):
                continue
    assert listed == {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in objects}

    write_image(tmp_path / "set", tmp_path / "set.iso", "KINOTE")
    back = run(tmp_path / "second", "import", tmp_path / "set.iso")
    assert (back["counts"]["stored"], back["counts"]["held"]) == (len(objects), 0)
    again = run(tmp_path / "second", "import", *sent)
    as_they_were = [uid for uid in listed if syntaxes.get(uid) == "1.2.840.10008.1.2.1"]
    assert again["counts"]["known"] >= len(as_they_were) > 5


@pytest.fixture
def small(store: Typed, tmp_path: Path) -> Typed:
    (tmp_path / "one.dcm").write_bytes(as_file(image(1)))
    store("import", str(tmp_path / "one.dcm"))
    return store


def test_an_export_is_a_zip_file_or_an_image_that_is_imported_again(small: Typed, tmp_path: Path) -> None:
    for option, name in (("--zip", "set.zip"), ("--iso", "set.iso")):
        assert "1 objects, read back" in small("export", "--study", STUDY, option, str(tmp_path / name))
        report = json.loads(small("import", str(tmp_path / name), "--json"))
        assert report["counts"]["known"] == 1
        assert "exists already" in small("export", "--study", STUDY, option, str(tmp_path / name), status=2)
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        assert {"DICOMDIR", "INDEX.HTM", "README.TXT", "DIGESTS.TXT"} <= {*archive.namelist()}


def test_a_place_that_is_taken_is_refused_before_anything_is_given_away(small: Typed, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / MARK).write_text("")
    for arguments, said in (
        (["--folder", "full"], "is not empty"),
        (["--folder", "half"], "interrupted"),
        (["--folder", "one.dcm"], "is not a folder"),
        (["--folder", "dangling"], "is not a folder"),
        (["--zip", "dangling"], "exists already"),
        (["--zip", "nowhere/set.zip"], "no folder"),
        ([], "Name one of"),
        (["--zip", "a", "--iso", "b"], "Name one of"),
    ):
        assert said in " ".join(small("export", "--study", STUDY, *arguments, status=2).split())
    assert (tmp_path / "full/mine.txt").read_text() == "mine"
    with (
        open_application(Settings.model_validate({"data": tmp_path / "data"})) as application,
        application.catalog.read() as connection,
    ):
        given = connection.execute(select(func.count()).select_from(delivery)).scalar_one()
    assert given == 0


def test_images_of_an_export_have_their_names_once_all_are_whole(
    small: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2, 5):
        file = tmp_path / f"{number}.dcm"
        file.write_bytes(as_file(image(number, Rows=1400, Columns=1400, PixelData=bytes(2 * 1400 * 1400))))
        small("import", str(file))
    written = write_image
    begun: list[Path] = []

    def fails_at_the_second(folder: Path, making: Path, volume: str) -> None:
        begun.append(making)
        if len(begun) > 1:
            raise NotAsMadeError("the disk is full")
        written(folder, making, volume)

    asked = ("export", "--study", STUDY, "--iso", str(tmp_path / "s.iso"), "--size-limit", "10")
    with monkeypatch.context() as patched:
        patched.setattr(exporting, "write_image", fails_at_the_second)
        assert "the disk is full" in small(*asked, status=1)
    assert len(begun) == 2 and not [*tmp_path.glob("s*.iso*")]
    small(*asked)
    assert {path.name for path in tmp_path.glob("s*.iso*")} >= {"s-1.iso", "s-2.iso"}
    assert not [*tmp_path.glob("*.incomplete*")]
