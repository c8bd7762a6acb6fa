"""Sets in folders, ZIP files and images: whole and read back, or not there."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import tarfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinote.media import containers
from kinote.media.containers import File, SizeError, tarred, zipped
from kinote.media.iso_image import contents, read_image_back, write_image
from kinote.media.reading_back import NotAsMadeError
from kinote.media.set_folder import MARK, SetFolder

CONTENT = {
    "DICOM/ST000001/SE000001/OB000001": b"one" * 1000,
    "DICOM/ST000001/SE000001/OB000002": b"",
    "INDEX.HTM": b"<html/>",
    "DICOMDIR": b"directory",
}


def files(content: dict[str, bytes] = CONTENT, prefix: str = "") -> Iterator[File]:
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in content.items())
    for path, data in {**content, "DIGESTS.TXT": lines.encode()}.items():
        yield File(prefix + path, len(data), iter([data] if data else []))


def interrupted() -> Iterator[File]:
    for number, file in enumerate(files()):
        if number == 3:
            raise OSError("the server has gone")
        yield file


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_folder_is_a_set_once_all_of_it_was_read_back(tmp_path: Path) -> None:
    made = SetFolder(tmp_path / "new")
    made.take(files())
    assert MARK in names(made.root) and not {"DICOMDIR", "INDEX.HTM"} & names(made.root)
    assert made.finish() == len(CONTENT)
    assert names(made.root) == {*CONTENT, "DIGESTS.TXT"}
    with pytest.raises(FileExistsError, match="is not empty"):
        SetFolder(made.root)


def test_a_set_that_was_interrupted_never_looks_whole(tmp_path: Path) -> None:
    made = SetFolder(tmp_path / "set")
    with pytest.raises(OSError, match="has gone"):
        made.take(interrupted())
    # As a kill leaves it.
    assert MARK in names(made.root) and not {"DICOMDIR", "INDEX.HTM"} & names(made.root)
    with pytest.raises(FileExistsError, match="interrupted"):
        SetFolder(made.root)
    with pytest.raises(NotAsMadeError):
        made.finish()
    made.abandon()
    assert not made.root.exists()


def test_bytes_that_the_medium_gives_back_otherwise_are_noticed(tmp_path: Path) -> None:
    made = SetFolder(tmp_path / "set")
    made.take(files())
    (made.root / "DICOM/ST000001/SE000001/OB000001").write_bytes(b"two" * 1000)
    with pytest.raises(NotAsMadeError, match="OB000001"):
        made.finish()
    assert "DICOMDIR" not in names(made.root)


def test_several_sets_lie_in_a_folder_each(tmp_path: Path) -> None:
    made = SetFolder(tmp_path)
    made.take(files(prefix="SET1/"))
    made.take(files(prefix="SET2/"))
    assert made.finish() == 2 * len(CONTENT)
    assert (tmp_path / "SET2/DICOMDIR").is_file() and not (tmp_path / "DICOMDIR").exists()


def test_an_image_has_the_files_under_their_names(tmp_path: Path) -> None:
    made = SetFolder(tmp_path / "set")
    made.take(files())
    made.finish()
    image = tmp_path / "set.iso"
    write_image(made.root, image, "KINOTE_20261130")
    assert read_image_back(image) == len(CONTENT)
    assert {name[1:] for name in contents(image)} == {*CONTENT, "DIGESTS.TXT"}
    data = image.read_bytes()
    image.write_bytes(data.replace(b"oneone", b"onetwo", 1))
    with pytest.raises(NotAsMadeError, match="OB000001"):
        read_image_back(image)


def test_xorriso_reads_an_image(tmp_path: Path) -> None:
    made = SetFolder(tmp_path / "set")
    made.take(files())
    made.finish()
    image = tmp_path / "set.iso"
    write_image(made.root, image, "KINOTE_20261130")
    asked = ["xorriso", "-indev", str(image), "-osirrox", "on", "-extract", "/", str(tmp_path / "out")]
    said = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert "KINOTE_20261130" in said.stderr and "Only_ECMA_119" not in said.stdout
    assert names(tmp_path / "out") == {*CONTENT, "DIGESTS.TXT"}
    assert (tmp_path / "out/DICOM/ST000001/SE000001/OB000001").read_bytes() == b"one" * 1000


def test_a_zip_file_and_a_tar_file_bring_the_same() -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(zipped(files())))) as archive:
        assert archive.testzip() is None
        by_zip = {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(b"".join(tarred(files()))), mode="r|") as archive:
        by_tar = {}
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            by_tar[member.name] = content.read()
    assert by_zip == by_tar and {*by_tar} == {*CONTENT, "DIGESTS.TXT"}


@pytest.mark.parametrize("contain", [zipped, tarred])
def test_a_member_of_another_size_than_was_said_ends_the_file(contain: object) -> None:
    assert callable(contain)
    for size in (2, 4):
        with pytest.raises(SizeError):
            list(contain(iter([File("A", size, iter([b"abc"]))])))


@pytest.mark.parametrize("contain", [zipped, tarred])
def test_memory_does_not_grow_with_what_is_written(contain: object) -> None:
    assert callable(contain)
    chunk = bytes(1 << 18)

    def many(count: int) -> Iterator[File]:
        yield File("A", count * len(chunk), iter([chunk] * count))

    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in contain(many(count)):
            pass
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return taken

    peak(4)
    # What other threads of these tests take meanwhile does not count.
    assert min(peak(200) for _ in range(3)) < peak(8) + 4 * len(chunk)


def test_what_deflate_adds_never_makes_a_member_of_32_bits_too_large() -> None:
    data = random.Random(1).randbytes(1 << 20)
    written = sum(map(len, zipped(iter([File("A", len(data), iter([data]))]))))
    most = zipfile.ZIP64_LIMIT
    assert written > len(data) and containers._LARGE * written / len(data) < most
