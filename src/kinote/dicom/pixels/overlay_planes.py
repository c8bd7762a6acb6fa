"""Overlay planes (PS3.3 C.9.2): one-bit graphics drawn over a frame in white; for regions, only the outline.

A plane is stored in Overlay Data (60xx,3000), or in one bit of the pixel words (PS3.5 8.1.2, retired).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.dictionary.transfer_syntaxes import TransferSyntax
from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.pixels.samples import Samples, bands

GROUPS = range(0x6000, 0x6020, 2)
_ROWS, _COLUMNS, _FRAMES = 0x0010, 0x0011, 0x0015
_TYPE, _ORIGIN, _FRAME_ORIGIN = 0x0040, 0x0050, 0x0051
_BIT_POSITION, _DATA = 0x0102, 0x3000

#: The number of bits of a plane that are read at once.
_BAND = 1 << 22

_WHITE = 255

#: Rows, columns and origins have 16 bits, frame numbers 32 (PS3.6). Greater values come from a wrong VR.
_LONGEST_SIDE = 1 << 16
_MOST_FRAMES = 1 << 31


@dataclass(frozen=True, slots=True)
class _Plane:
    """A plane of `rows` x `columns` bits. Its first bit lies over the pixel `top`, `left` of the image, from 0.

    `tag` is its data element; None if the plane is in bit `position` of the words. `first_bit` is its offset in the
    data.
    """

    group: int
    rows: int
    columns: int
    top: int
    left: int
    is_region: bool
    tag: int | None
    position: int
    first_bit: int


class Planes(Protocol):
    """The source of planes: an object with its bytes."""

    @property
    def header(self) -> DataSet:
        """The header of the object."""

    @property
    def transfer_syntax(self) -> TransferSyntax:
        """The transfer syntax of the object."""

    def value(self, tag: int, start: int, length: int) -> bytes:
        """Read bytes of a value; fewer at its end."""


def draw_overlays(
    picture: NDArray[np.uint8],
    frames: Planes,
    frame: int,
    samples: Samples,
    groups: Collection[int] | None = None,
) -> None:
    """Draw the planes of a frame, counted from 1, on its greys or colours: all, or those of these groups."""
    for plane in _planes(frames.header, frame):
        if groups is not None and plane.group not in groups:
            continue
        if plane.tag is None:
            _draw_embedded(picture, samples, plane)
            continue
        for first, flags in _flags(frames, plane, len(picture)):
            top = plane.top + first
            _draw(picture, _outline(flags) if plane.is_region else flags, top, plane.left)


def _planes(header: DataSet, frame: int) -> Iterator[_Plane]:
    for group in GROUPS:
        base = group << 16
        rows, columns = header.integer(base | _ROWS), header.integer(base | _COLUMNS)
        is_embedded = header.vr(base | _DATA) is None
        position = header.integer(base | _BIT_POSITION) or 0
        if not rows or not columns or rows < 0 or columns < 0 or (is_embedded and position <= 0):
            continue
        if max(rows, columns) > _LONGEST_SIDE:
            continue
        # Beyond these bounds, no part of a plane lies over an image.
        origin = (*header.integers(base | _ORIGIN), 1, 1)[:2]
        number = header.integer(base | _FRAMES)
        index = 0
        if number is not None:
            index = frame - (header.integer(base | _FRAME_ORIGIN) or 1)
            if not 0 <= index < min(number, _MOST_FRAMES):
                continue
        yield _Plane(
            group=group,
            rows=rows,
            columns=columns,
            top=_bounded(origin[0] - 1),
            left=_bounded(origin[1] - 1),
            is_region=header.text(base | _TYPE) == "R",
            tag=None if is_embedded else base | _DATA,
            position=position,
            first_bit=index * rows * columns,
        )


def _bounded(offset: int) -> int:
    return min(max(offset, -_LONGEST_SIDE), _LONGEST_SIDE)


def _flags(frames: Planes, plane: _Plane, height: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the rows of a plane that lie over the image, a few at a time, with the number of the first."""
    assert plane.tag is not None
    is_swapped = not frames.transfer_syntax.little_endian and frames.header.vr(plane.tag) == "OW"
    begin, end = max(-plane.top, 0), min(plane.rows, height - plane.top)
    step = max(_BAND // plane.columns, 1)
    for first in range(begin, end, step):
        count = min(step, end - first)
        bit = plane.first_bit + first * plane.columns
        start = bit // 16 * 2
        length = (bit + count * plane.columns + 15) // 16 * 2 - start
        data = frames.value(plane.tag, start, length)
        if is_swapped:
            data = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
        flags = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[bit - 8 * start :]
        whole = min(len(flags) // plane.columns, count)
        if whole:
            yield first, flags[: whole * plane.columns].reshape(whole, plane.columns)
        if whole < count:
            # The data are truncated: what there is has been drawn.
            return


def _draw_embedded(picture: NDArray[np.uint8], samples: Samples, plane: _Plane) -> None:
    """Draw a plane stored in a bit of the words, unless that bit belongs to the pixel value."""
    array: NDArray[Any] = samples.array
    words = samples.words
    if words is None or array.ndim != 2 or array.dtype.kind != "u" or plane.position >= 8 * array.itemsize:
        return
    if words.shift <= plane.position < words.shift + words.bits:
        return
    for some in bands(array):
        flags = (array[some] >> plane.position & 1).astype(np.uint8)
        _draw(picture, _outline(flags) if plane.is_region else flags, some.start, 0)


def _draw(picture: NDArray[np.uint8], flags: NDArray[np.uint8], top: int, left: int) -> None:
    height, width = picture.shape[:2]
    across = slice(max(-left, 0), max(width - left, 0))
    down = slice(max(-top, 0), max(height - top, 0))
    shown = flags[down, across]
    if shown.size:
        place = picture[max(top, 0) : max(top, 0) + len(shown), max(left, 0) : max(left, 0) + shown.shape[1]]
        place[shown.astype(bool)] = _WHITE


def _outline(flags: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep those pixels of a region that have a neighbour outside of it."""
    inner = flags.copy()
    inner[1:] &= flags[:-1]
    inner[:-1] &= flags[1:]
    inner[:, 1:] &= flags[:, :-1]
    inner[:, :-1] &= flags[:, 1:]
    # A region that reaches the edge of the plane ends there.
    inner[:, 0] = inner[:, -1] = 0
    return flags & ~inner
