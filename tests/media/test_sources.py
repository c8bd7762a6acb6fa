"""What there is to import: every file once, refused ones with their reason, ZIP files streamed and bounded."""

from __future__ import annotations

import os
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from kinote.dicom.files.dicomdir import MEDIA_STORAGE_DIRECTORY
from kinote.media.sources import Refusal, Source, count, sources

DICOM = bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00\x00\x00\x00\x00" + b"made for tests"
BARE = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"
BARE_IMPLICIT = b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR 100"


def _found(*paths: Path) -> tuple[list[str], dict[str, str]]:
    """Names of what is handed on, and of what is refused with the reason, below the first path."""
    root = str(paths[0] if paths[0].is_dir() else paths[0].parent) + os.sep
    good, refused = [], {}
    for source in sources(paths):
        name = source.name.removeprefix(root)
        if isinstance(source, Source):
            with source.open() as file:
                assert len(file.read()) == source.size
            good.append(name)
        else:
            refused[name] = source.reason
    return good, refused


def _dicomdir(path: Path, *file_ids: list[str]) -> Path:
    directory = Dataset()
    directory.DirectoryRecordSequence = []
    for file_id in file_ids:
        record = Dataset()
        record.DirectoryRecordType = "IMAGE"
        record.ReferencedFileID = file_id
        directory.DirectoryRecordSequence.append(record)
    directory.file_meta = FileMetaDataset()
    directory.file_meta.MediaStorageSOPClassUID = UID(MEDIA_STORAGE_DIRECTORY)
    directory.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(path, directory, enforce_file_format=True)
    return path


def test_folders_are_walked_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/deep/er/x", "c", "a/z"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DICOM)
    assert _found(tmp_path) == (["c", "a/z", "a/deep/er/x", "b/1", "b/2"], {})
    assert count([tmp_path]) == 5


@pytest.mark.parametrize("content", [DICOM, BARE, BARE_IMPLICIT, b"\x02\x00\x00\x00UL\x04\x00" + bytes(200)])
@pytest.mark.parametrize("name", ["object.dcm", ".hidden", "notes.txt", "IM0001", "x.zip"])
def test_content_decides_and_not_the_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert _found(tmp_path) == ([name], {})
    assert _found(tmp_path / name) == ([name], {})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"dear reader\r\n", "text"),
        ("Überraschung".encode(), "text"),
        (b"\xff\xd8\xff\xe0", "a JPEG picture"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\x00\x00\x00\x01Bud1\x00", "a folder view of macOS"),
        (bytes(5000), "something else"),
        (b"\x08\x00\x05\x00\xff\xff\xff\xff", "something else"),
        (b"\x08\x00", "something else"),
    ],
)
def test_what_is_not_dicom_is_refused_by_what_it_is(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "object.dcm").write_bytes(content)
    good, refused = _found(tmp_path)
    assert not good
    assert reason in refused["object.dcm"]


def test_links_that_go_round_are_walked_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(DICOM)
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert _found(tmp_path) == (["a/x"], {})


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    good, refused = _found(tmp_path, tmp_path / "missing")
    assert not good
    assert "pipe" in refused["pipe"]
    assert "cannot be read" in refused["gone"]
    assert "cannot be read" in refused["missing"]


def test_the_files_a_dicomdir_names(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("im1", "im2", "not_named"):
        (tmp_path / "images" / name).write_bytes(DICOM)
    path = _dicomdir(
        tmp_path / "DICOMDIR", ["IMAGES", "IM1"], ["IMAGES", "IM2"], ["IMAGES", "IM1"], ["IMAGES", "IM3"]
    )
    good, refused = _found(path)
    assert good == ["images/im1", "images/im2"]
    assert refused == {"IMAGES/IM3": "DICOMDIR lists this file, but it does not exist."}
    assert count([path]) == 3


def test_a_folder_with_a_dicomdir_reports_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "IM1").write_bytes(DICOM)
    (tmp_path / "NOT_NAMED").write_bytes(DICOM)
    _dicomdir(tmp_path / "DICOMDIR", ["IM1"], ["IM2"])
    good, refused = _found(tmp_path)
    assert good == ["IM1", "NOT_NAMED"]
    assert "table of contents" in refused["DICOMDIR"]
    assert "does not exist" in refused["IM2"]


def test_a_damaged_dicomdir_is_refused(tmp_path: Path) -> None:
    path = _dicomdir(tmp_path / "DICOMDIR", ["IM1"])
    path.write_bytes(path.read_bytes()[:-3])
    assert "cannot be read" in _found(path)[1]["DICOMDIR"]


def test_zip_files_are_read_where_they_are(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/x", DICOM)
        archive.writestr("read me", "dear reader")
        archive.writestr("inner.zip", b"PK\x03\x04 and so on")
    good, refused = _found(tmp_path)
    assert good == ["study.zip!folder/x"]
    assert "text" in refused["study.zip!read me"]
    assert "ZIP file within a ZIP file" in refused["study.zip!inner.zip"]
    assert count([tmp_path]) == 3


def test_members_can_be_opened_after_the_walk(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}", DICOM + bytes([number]))
    kept = [source for source in sources([tmp_path]) if isinstance(source, Source)]
    for number in (2, 0, 1):
        with kept[number].open() as file:
            assert file.read() == DICOM + bytes([number])


def test_members_are_streamed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("large", DICOM + os.urandom(1000) * 20_000)
    (source,) = sources([tmp_path])
    assert isinstance(source, Source)
    tracemalloc.start()
    with source.open() as file:
        while file.read(65536):
            pass
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_a_zip_bomb_is_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("small", DICOM)
        archive.writestr("large", bytes(1_000_000))
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (1 << 30).to_bytes(4, "little")  # its size, unpacked
    path.write_bytes(content)
    good, refused = _found(path)
    assert not good
    assert "which is too much" in refused["bomb.zip"]


def test_a_member_never_gives_more_than_it_says(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", DICOM + bytes(1_000_000))
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    assert "the ZIP file is damaged" in _found(path)[1]["study.zip!x"]


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", DICOM)
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[6] |= 1
    content[directory + 8] |= 1
    path.write_bytes(content)
    assert "encrypted" in _found(path)[1]["study.zip!x"]


def test_methods_that_are_not_known_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", DICOM)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 10] = 97
    path.write_bytes(content)
    assert "method 97" in _found(path)[1]["study.zip!x"]


def test_a_damaged_zip_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    assert "damaged" in _found(tmp_path)[1]["study.zip"]


def test_a_damaged_member_is_an_os_error_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", DICOM + bytes(20_000))
    content = bytearray(path.read_bytes())
    content[10_000] ^= 1
    path.write_bytes(content)
    (source,) = sources([path])
    assert isinstance(source, Source)
    with source.open() as file, pytest.raises(OSError, match="the ZIP file is damaged"):
        file.read()


def _with_method(path: Path, method: int) -> bytearray:
    """A ZIP file of two members, the first of them compressed."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("damaged", DICOM + bytes(20_000), compress_type=method)
        archive.writestr("whole", DICOM)
    return bytearray(path.read_bytes())


def _in_the_data(content: bytearray) -> None:
    # After the properties of LZMA, of which there are nine bytes.
    at = 30 + len("damaged") + 9
    content[at : at + 40] = b"\xff" * 40


def _in_the_local_name(content: bytearray) -> None:
    # Both headers say that the name is in UTF-8.
    content[7] |= 0x08
    content[content.index(b"PK\x01\x02") + 9] |= 0x08
    content[30] = 0xFF


@pytest.mark.parametrize(
    ("method", "damage"),
    [
        (zipfile.ZIP_LZMA, _in_the_data),
        (zipfile.ZIP_BZIP2, _in_the_data),
        (zipfile.ZIP_DEFLATED, _in_the_data),
        (zipfile.ZIP_STORED, _in_the_local_name),
    ],
    ids=["lzma", "bzip2", "deflated", "name"],
)
def test_a_damaged_member_is_told_and_the_rest_goes_on(
    tmp_path: Path, method: int, damage: Callable[[bytearray], None]
) -> None:
    path = tmp_path / "study.zip"
    content = _with_method(path, method)
    damage(content)
    path.write_bytes(content)
    good, refused = _found(path)
    assert good == ["study.zip!whole"]
    assert list(refused) == ["study.zip!damaged"]


@pytest.mark.parametrize("at", [4, 5, 6, 10])
def test_whatever_a_zip_file_says_of_its_members_the_rest_is_found(tmp_path: Path, at: int) -> None:
    """Bytes of the directory are altered one after the other."""
    path = tmp_path / "study.zip"
    content = _with_method(path, zipfile.ZIP_LZMA)
    (tmp_path / "whole.dcm").write_bytes(DICOM)
    begin = content.index(b"PK\x01\x02")
    for offset in range(at, 60, 8):
        for value in (0x00, 0x01, 0x80, 0xFF):
            altered = bytearray(content)
            altered[begin + offset] = value
            path.write_bytes(altered)
            assert "whole.dcm" in [Path(each.name).name for each in sources([tmp_path])]


def test_all_of_the_test_data_is_handed_on_or_refused(test_data: Path) -> None:
    found = list(sources([test_data]))
    assert len(found) == count([test_data])
    refused = [source for source in found if isinstance(source, Refusal)]
    assert len(found) - len(refused) > 180
    assert all(refusal.reason for refusal in refused)


def _image_of(folder: Path, image: Path, *options: str) -> Path:
    asked = ["xorriso", "-as", "mkisofs", *options, "-o", str(image), str(folder)]
    subprocess.run(asked, capture_output=True, check=True)
    return image


@pytest.mark.parametrize(
    "options",
    [("-iso-level", "1"), ("-R",), ("-J",), ("-J", "-R")],
    ids=["level 1", "Rock Ridge", "Joliet", "both"],
)
def test_iso_images_give_their_files_and_what_their_dicomdir_lists_in_vain(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    folder = tmp_path / "set"
    (folder / "DICOM").mkdir(parents=True)
    _dicomdir(folder / "DICOMDIR", ["DICOM", "IM1"], ["DICOM", "IM2"])
    (folder / "DICOM/IM1").write_bytes(DICOM)
    (folder / "DICOM/EXTRA").write_bytes(DICOM * 1000)
    (folder / "README.TXT").write_text("hello")
    image = _image_of(folder, tmp_path / "cd.iso", *options)
    good, refused = _found(image)
    assert {*good} == {"cd.iso!DICOM/IM1", "cd.iso!DICOM/EXTRA"}
    assert refused["cd.iso!DICOM/IM2"] == "DICOMDIR lists this file, but it does not exist."
    assert refused.keys() == {"cd.iso!DICOM/IM2", "cd.iso!DICOMDIR", "cd.iso!README.TXT"}


def test_zip_files_name_what_their_dicomdir_lists_in_vain(tmp_path: Path) -> None:
    _dicomdir(tmp_path / "DICOMDIR", ["DICOM", "IM1"], ["DICOM", "IM2"])
    with zipfile.ZipFile(tmp_path / "cd.zip", "w") as archive:
        archive.write(tmp_path / "DICOMDIR", "SET1/DICOMDIR")
        archive.writestr("SET1/DICOM/IM1", DICOM)
    good, refused = _found(tmp_path / "cd.zip")
    assert good == ["cd.zip!SET1/DICOM/IM1"]
    assert refused.keys() == {"cd.zip!SET1/DICOMDIR", "cd.zip!SET1/DICOM/IM2"}


def test_a_damaged_image_is_refused_or_its_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/IM1").write_bytes(DICOM * 1000)
    whole = _image_of(tmp_path / "set", tmp_path / "cd.iso", "-iso-level", "1").read_bytes()
    at = whole.index(DICOM)
    for size in (40_000, at, at + 5000):
        (tmp_path / "cut.iso").write_bytes(whole[:size])
        (found,) = sources([tmp_path / "cut.iso"])
        assert isinstance(found, Refusal)
        assert "damaged" in found.reason or "ends early" in found.reason


def test_the_files_of_an_image_can_be_read_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for name in ("A", "B"):
        (tmp_path / "set" / name).write_bytes(DICOM + name.encode() * 500_000)
    found = [*sources([_image_of(tmp_path / "set", tmp_path / "cd.iso", "-iso-level", "1")])]
    assert len(found) == 2 and all(isinstance(each, Source) for each in found)
    files = [each.open() for each in found if isinstance(each, Source)]
    for _ in range(40):
        for file in files:
            file.read(10_000)
    assert [file.read()[-1:] for file in files] == [b"A", b"B"]
    for file in files:
        file.close()
