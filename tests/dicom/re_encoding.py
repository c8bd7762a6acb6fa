"""Data sets of any content, and the same in every encoding that pydicom writes."""

from __future__ import annotations

import copy
import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

_TEXT = "abc XYZ-0123456789"

#: Attributes with a value of chance: one of each kind of representation, and private ones.
_VALUES: dict[int, tuple[str, Callable[[random.Random], Any]]] = {
    0x00080008: ("CS", lambda r: ["ORIGINAL", r.choice(["PRIMARY", "SECONDARY"])]),
    0x00080020: ("DA", lambda r: f"2024{r.randint(1, 12):02}05"),
    0x00080030: ("TM", lambda r: f"{r.randint(0, 23):02}0102.5"),
    0x00080050: ("SH", lambda r: _text(r, 15)),
    0x00080060: ("CS", lambda r: r.choice(["CT", "MR", "US "])),
    0x00081030: ("LO", lambda r: _text(r, 40)),
    0x00091001: ("SL", lambda r: [r.randint(-(2**31), 2**31 - 1) for _ in range(r.randint(1, 3))]),
    0x00091002: ("LO", lambda r: _text(r, 20)),
    0x00091003: ("OB", lambda r: r.randbytes(r.randint(0, 50) * 2)),
    0x00100010: ("PN", lambda r: f"{_text(r, 12)}^{_text(r, 12)}"),
    0x00101030: ("DS", lambda r: [str(r.randint(1, 999)) for _ in range(r.randint(1, 3))]),
    0x00104000: ("LT", lambda r: _text(r, 3000)),
    0x00181310: ("US", lambda r: [r.randint(0, 65535) for _ in range(4)]),
    0x00189074: ("DT", lambda r: "20240105101112"),
    0x00189087: ("FD", lambda r: r.random()),
    0x00189098: ("FD", lambda r: [r.random(), r.random()]),
    0x00200013: ("IS", lambda r: r.randint(1, 9999)),
    0x00209165: ("AT", lambda r: [0x00100010, r.randint(1, 2**31)]),
    0x00189219: ("SS", lambda r: r.randint(-99, 99)),
    0x00281201: ("OW", lambda r: r.randbytes(r.choice([256, 2000]))),
    0x00660016: ("OF", lambda r: r.randbytes(4 * r.randint(1, 500))),
}
_SEQUENCES = (0x00081110, 0x00081115, 0x00400275, 0x0040A730, 0x00091010)


def _text(chance: random.Random, longest: int) -> str:
    return "".join(chance.choice(_TEXT) for _ in range(chance.randint(0, longest))).strip()


def any_data_set(chance: random.Random, depth: int = 0) -> Dataset:
    """A data set with attributes and sequences of chance."""
    made = Dataset()
    for tag in chance.sample(sorted(_VALUES), chance.randint(2, len(_VALUES) if not depth else 5)):
        vr, value = _VALUES[tag]
        made.add_new(tag, vr, value(chance))
    if any(element.tag.is_private for element in made):
        made.add_new(0x00090010, "LO", "KINOTE TESTS")
    if depth < 2:
        for tag in chance.sample(_SEQUENCES, chance.randint(0, 2)):
            items = [any_data_set(chance, depth + 1) for _ in range(chance.randint(0, 3))]
            made.add_new(tag, "SQ", Sequence(items))
            if tag == 0x00091010:
                made.add_new(0x00090010, "LO", "KINOTE TESTS")
    if not depth:
        made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
        made.SOPInstanceUID = "1.2.3.4.5"
        made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3", "1.2.3.4"
        if chance.random() < 0.7:
            made.Rows = made.Columns = 40
            made.BitsAllocated = made.BitsStored = chance.choice([8, 16])
            made.HighBit = made.BitsStored - 1
            made.SamplesPerPixel, made.PixelRepresentation = 1, 0
            made.PhotometricInterpretation = "MONOCHROME2"
            made.PixelData = chance.randbytes(1600 * made.BitsAllocated // 8)
            made["PixelData"].VR = "OW" if made.BitsAllocated > 8 else "OB"
    return made


def written(data: Dataset, syntax: str) -> bytes:
    """A data set in one of the four encodings."""
    if syntax == BIG:
        data = copy.deepcopy(data)
        _swap_words(data)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = syntax != BIG, syntax == IMPLICIT
    write_dataset(buffer, data)
    plain = buffer.getvalue()
    if syntax != DEFLATED:
        return plain
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    done = deflate.compress(plain) + deflate.flush()
    return done + b"\0" * (len(done) % 2)


def _swap_words(data: Dataset) -> None:
    """pydicom writes these as they are."""
    for element in data:
        if element.VR == "SQ":
            for item in element.value:
                _swap_words(item)
        elif (size := {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}.get(element.VR)) and element.value:
            count = len(element.value) // size
            form = {2: "H", 4: "I", 8: "Q"}[size]
            element.value = struct.pack(f">{count}{form}", *struct.unpack(f"<{count}{form}", element.value))


def _undefined(data: Dataset, *, sequences: bool, items: bool) -> Dataset:
    data = copy.deepcopy(data)
    for element in data.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = sequences
            for item in element.value:
                item.is_undefined_length_sequence_item = items
    return data


def _as_unknown(data: Dataset) -> Dataset:
    """What somebody writes who knows no representation but those of PS3.5 A.1's implicit private elements."""
    data = copy.deepcopy(data)
    for level in [
        data,
        *(item for element in data.iterall() if element.VR == "SQ" for item in element.value),
    ]:
        for tag in [each.tag for each in level if each.tag.is_private and each.tag.element > 0xFF]:
            element = level[tag]
            inner = Dataset()
            inner.add(element)
            raw = written(inner, IMPLICIT)
            level[tag] = DataElement(tag, "UN", raw[8:])
    return data


def _with_group_lengths(data: Dataset) -> bytes:
    out = b""
    for group in sorted({element.tag.group for element in data}):
        part = written(data.group_dataset(group), EXPLICIT)
        out += struct.pack("<HH2sHI", group, 0, b"UL", 4, len(part)) + part
    return out


def any_encoding(data: Dataset, chance: random.Random) -> tuple[str, bytes]:
    """The data set in an encoding of chance: its transfer syntax, and the bytes."""
    syntax = chance.choice((IMPLICIT, EXPLICIT, BIG, DEFLATED))
    otherwise = _undefined(data, sequences=chance.random() < 0.5, items=chance.random() < 0.5)
    return syntax, written(otherwise, syntax)


def encodings(data: Dataset) -> Iterator[tuple[str, str, bytes]]:
    """The same data set in other encodings: what is done, the transfer syntax, and the bytes."""
    for name, syntax in (
        ("implicit", IMPLICIT),
        ("explicit", EXPLICIT),
        ("big endian", BIG),
        ("deflated", DEFLATED),
    ):
        for sequences in (False, True):
            for items in (False, True):
                done = f"{name}, lengths of sequences {not sequences}, of items {not items}"
                yield done, syntax, written(_undefined(data, sequences=sequences, items=items), syntax)
    padding = struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 6) + bytes(6)
    yield "padding", EXPLICIT, written(data, EXPLICIT) + padding
    yield "group lengths", EXPLICIT, _with_group_lengths(data)
    if not any(element.VR == "SQ" and element.tag.is_private for element in data.iterall()):
        yield "private elements as UN", EXPLICIT, written(_as_unknown(data), EXPLICIT)
    read = pydicom.dcmread(io.BytesIO(written(data, IMPLICIT)), force=True)
    yield "read by pydicom", EXPLICIT, written(_decoded(read), EXPLICIT)


def _decoded(data: Dataset) -> Dataset:
    for _ in data.iterall():
        pass
    return data


def changes(data: Dataset, chance: random.Random, most: int) -> Iterator[tuple[str, Dataset]]:
    """The data set with one value changed, added or left out, at so many places of chance."""
    places = [(level, element.tag) for level in _levels(data) for element in level]
    for number in chance.sample(range(len(places)), min(most, len(places))):
        tag = places[number][1]
        changed = copy.deepcopy(data)
        level = [(level, element.tag) for level in _levels(changed) for element in level][number][0]
        if tag in (0x00080016, 0x00080018, 0x00090010):
            continue
        element = level[tag]
        if element.VR == "SQ":
            element.value.append(Dataset())
        elif not _changed(element):
            del level[tag]
        yield f"{element.tag} {element.VR}", changed


def _levels(data: Dataset) -> Iterator[Dataset]:
    yield data
    for element in data:
        if element.VR == "SQ":
            for item in element.value:
                yield from _levels(item)


def _changed(element: DataElement) -> bool:
    value = element.value
    if not value and value != 0:
        return False
    match element.VR:
        case "OB" | "OW" | "OF" | "UN":
            element.value = value[:-1] + bytes([value[-1] ^ 1])
        case "SH" | "LO" | "LT" | "PN":
            element.value = str(value)[:-1] + "#"
        case "FD" | "FL":
            element.value = [each + 1 for each in value] if element.VM > 1 else value + 1
        case "US" | "SS" | "SL" | "AT" | "IS":
            element.value = [*value[:-1], int(value[-1]) ^ 1] if element.VM > 1 else int(value) ^ 1
        case _:
            return False
    return True
