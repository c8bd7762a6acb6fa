"""Look-up tables in data sets: modality, VOI and palette (PS3.3 C.11.1.1, C.11.2.1.1, C.7.9)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.pixels.pixel_format import PictureError

_LUT_DESCRIPTOR = 0x00283002
_LUT_DATA = 0x00283006
_MAX_SEGMENTS = 65536
_MAX_ENTRIES = 65536


@dataclass(frozen=True, slots=True)
class LookupTable:
    """Maps values from `first` on. Values outside the table take its first or last entry.

    `entries` are unsigned 16 bit words in native byte order, of which `bits` are used.
    """

    first: int
    bits: int
    entries: bytes

    @property
    def highest(self) -> int:
        """The greatest entry."""
        return int(np.frombuffer(self.entries, np.uint16).max())

    def mapped(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Look up values."""
        table = np.frombuffer(self.entries, np.uint16)
        places = np.nan_to_num(np.clip(np.rint(values) - self.first, 0, len(table) - 1)).astype(np.intp)
        found: NDArray[np.float64] = table[places].astype(np.float64)
        return found

    def scaled(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Look up positions in the whole table, 0 to 1. Return the entries, 0 to 1."""
        count = len(self.entries) // 2
        return self.mapped(self.first + shares * (count - 1)) / ((1 << self.bits) - 1)


def lookup_table(item: DataSet, *, signed: bool, little_endian: bool) -> LookupTable | None:
    """Return the table of a Modality or VOI LUT Sequence item; None if it is unusable.

    `signed`: whether the input can be negative. Then the second value of the descriptor is signed too.
    """
    data = item.raw(_LUT_DATA)
    return _table(item, _LUT_DESCRIPTOR, data, signed=signed, little_endian=little_endian)


def palettes(
    header: DataSet, *, signed: bool, little_endian: bool
) -> tuple[LookupTable, LookupTable, LookupTable]:
    """Return the palettes of red, green and blue, each as its own descriptor says. Raises `PictureError` if one is
    missing.

    If entries of 16 bits hold 8 bit values, they do so in all three palettes. A single dark one cannot tell.
    """
    red, green, blue = (
        _palette(header, colour, signed=signed, little_endian=little_endian) for colour in range(3)
    )
    if max(each.highest for each in (red, green, blue)) > 0xFF:
        return red, green, blue
    return replace(red, bits=8), replace(green, bits=8), replace(blue, bits=8)


def _palette(header: DataSet, colour: int, *, signed: bool, little_endian: bool) -> LookupTable:
    data = header.raw(0x00281201 + colour)
    segmented = header.raw(0x00281221 + colour)
    if data is None and segmented is not None:
        descriptor = header.integers(0x00281101 + colour)
        is_bytes = len(descriptor) == 3 and descriptor[2] == 8
        data, little_endian = _expanded(segmented, little_endian, is_bytes=is_bytes), True
    table = _table(header, 0x00281101 + colour, data, signed=signed, little_endian=little_endian)
    if table is None:
        raise PictureError(f"The palette for {('red', 'green', 'blue')[colour]} is missing or damaged.")
    return table


def _table(
    item: DataSet, descriptor_tag: int, data: bytes | None, *, signed: bool, little_endian: bool
) -> LookupTable | None:
    descriptor = item.integers(descriptor_tag)
    if len(descriptor) < 3 or not data:
        return None
    count = descriptor[0] & 0xFFFF or 65536  # PS3.3 C.11.1.1.1: 0 stands for 65536
    first = descriptor[1] & 0xFFFF
    if first > 0x7FFF and (signed or item.vr(descriptor_tag) == "SS"):
        first -= 0x10000
    if len(data) >= 2 * count:
        entries = np.frombuffer(data, "<u2" if little_endian else ">u2", count=count)
    elif len(data) >= count:
        entries = np.frombuffer(data, np.uint8, count=count)
    else:
        return None
    bits = max(descriptor[2] if 1 <= descriptor[2] <= 16 else 16, int(entries.max()).bit_length())
    return LookupTable(first, bits, entries.astype(np.uint16).tobytes())


def _expanded(data: bytes, little_endian: bool, *, is_bytes: bool) -> bytes:
    """Expand a segmented palette (PS3.3 C.7.9.2) to little endian words.

    If entries have 8 bits, so have the numbers in the segments. Some writers still use 16 bits for these: then every
    second byte is 0.
    """
    if is_bytes and any(data[1::2] if little_endian else data[::2]):
        if not little_endian:
            data = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
        words = tuple(data)
    else:
        form = f"{'<' if little_endian else '>'}{len(data) // 2}H"
        words = struct.unpack(form, data[: len(data) // 2 * 2])
    entries: list[int] = []
    for at in islice(_segments(words), _MAX_SEGMENTS):
        length = words[at + 1]
        if words[at] == 0:
            entries.extend(words[at + 2 : at + 2 + length])
        else:
            before = entries[-1] if entries else 0
            entries.extend(np.rint(np.linspace(before, words[at + 2], length + 1)[1:]).astype(int).tolist())
        if len(entries) > _MAX_ENTRIES:
            break
    return struct.pack(f"<{len(entries)}H", *entries)


def _segments(words: tuple[int, ...]) -> Iterator[int]:
    """Yield the start of each discrete (0) and linear (1) segment, in the order they are expanded.

    An indirect segment (2) repeats earlier ones, which must not be indirect.
    """
    at, back, left = 0, -1, 0
    while at + 2 < len(words):
        if back >= 0 and not left:
            at, back = back, -1
            continue
        left -= 1
        kind, length = words[at], words[at + 1]
        if kind == 2 and back < 0 and at + 3 < len(words):
            at, back, left = (words[at + 2] | words[at + 3] << 16) // 2, at + 4, length
        elif kind in (0, 1):
            yield at
            at += 3 if kind else 2 + length
        else:
            raise PictureError(f"The segmented palette is damaged: it has a segment of type {kind}.")
