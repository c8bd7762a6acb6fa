"""What DCMTK, pydicom and GDCM all read, Kinote reads too, unless it is decided otherwise, kind by kind."""

from __future__ import annotations

import io
import random
import re
import subprocess
import warnings
from pathlib import Path
from typing import Literal

import gdcm
import pydicom
import pytest

from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.part10 import FileScanner, file_meta_bytes
from tests.dicom.re_encoding import BIG, EXPLICIT, IMPLICIT, any_data_set, written
from tests.scale import SCALE

#: What stays refused though all three read it, by what Kinote says of it, and why.
DECIDED = {
    # The length after it has 16 or 32 bits. The three do not agree which, and so not on what follows.
    r"There is no value representation b'": "letters that are none stand where a representation belongs",
}


def _deviating(chance: random.Random) -> bytes:
    """A file with one small fault of chance in its head or at its end."""
    syntax = chance.choice([EXPLICIT, EXPLICIT, IMPLICIT, BIG])
    meta = file_meta_bytes("1.2.840.10008.5.1.4.1.1.7", "1.2.3.4.5", syntax)
    file = bytearray(meta + written(any_data_set(chance), syntax))
    at = chance.randrange(132, min(len(file), 2500))
    match chance.choice(["byte", "bit", "length", "less", "more", "cut", "zeros", "appended"]):
        case "byte":
            file[at] = chance.randrange(256)
        case "bit":
            file[at] ^= 1 << chance.randrange(8)
        case "length":
            file[at : at + 4] = b"\xff\xff\xff\xff"
        case "less":
            del file[at : at + chance.choice([1, 2, 4, 8])]
        case "more":
            file[at:at] = file[at : at + chance.choice([2, 4, 8, 12])]
        case "cut":
            del file[-chance.choice([1, 2, 3, 8]) :]
        case "zeros":
            file += bytes(chance.choice([1, 2, 7, 8, 128]))
        case _:
            file += chance.randbytes(chance.choice([1, 2, 4, 8, 20]))
    return bytes(file)


def _refusal(file: bytes) -> str:
    scanner = FileScanner()
    try:
        scanner.feed(file)
        scanner.finish()
    except DicomError as error:
        return str(error)
    return ""


def _do_all_others_read(path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(io.BytesIO(path.read_bytes()), force=True)
            for _ in dataset.iterall():
                pass
    except Exception:  # Whatever pydicom raises, it does not read it.
        return False
    dumped = subprocess.run(["dcmdump", "-q", "-M", path], capture_output=True, check=False)
    if (
        dumped.returncode
        or dumped.stderr
        or b"(0008,0018)" not in dumped.stdout
        or "SOPInstanceUID" not in dataset
    ):
        return False
    reader = gdcm.Reader()
    reader.SetFileName(str(path))
    return bool(reader.Read())


@pytest.mark.soak
def test_what_all_others_read_is_read_or_decided(tmp_path: Path) -> None:
    chance = random.Random(5)
    path = tmp_path / "deviating.dcm"
    undecided = []
    for _ in range(SCALE.mutations // 10):
        file = _deviating(chance)
        refusal = _refusal(file)
        if not refusal or any(re.match(pattern, refusal) for pattern in DECIDED):
            continue
        path.write_bytes(file)
        if _do_all_others_read(path):
            undecided.append(refusal)
    assert undecided == []


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize("of_meta", ["explicit", "implicit", "big endian"])
def test_file_meta_information_in_any_encoding_is_read(syntax: str, of_meta: str) -> None:
    """It should be explicit little endian (PS3.10 7.1). Some writers encode it as the data set."""
    uids = {0x0002: "1.2.840.10008.5.1.4.1.1.7", 0x0003: "1.2.3.4.5", 0x0010: syntax}
    meta = b""
    for number, uid in uids.items():
        value = uid.encode() + b"\0" * (len(uid) % 2)
        order: Literal["big", "little"] = "big" if of_meta == "big endian" else "little"
        head = (2).to_bytes(2, order) + number.to_bytes(2, order)
        is_implicit = of_meta == "implicit"
        length = len(value).to_bytes(4 if is_implicit else 2, order)
        meta += head + (b"" if is_implicit else b"UI") + length + value
    scanner = FileScanner()
    scanner.feed(bytes(128) + b"DICM" + meta + written(any_data_set(random.Random(3)), syntax))
    found = scanner.finish()
    assert found.meta is not None
    assert (found.transfer_syntax, found.meta.text(0x00020003)) == (syntax, "1.2.3.4.5")
    assert found.dataset.text(0x00080018) == "1.2.3.4.5"
