"""Display shutters (PS3.3 C.7.6.11): what lies outside is covered, by default in black."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.pixels.functional_groups import FrameAttributes

_SHAPE = 0x00181600
_LEFT, _RIGHT, _UPPER, _LOWER = 0x00181602, 0x00181604, 0x00181606, 0x00181608
_CENTER, _RADIUS, _VERTICES = 0x00181610, 0x00181612, 0x00181620
_PRESENTATION_VALUE = 0x00181622
_FRAME_DISPLAY_SHUTTER_SEQUENCE = 0x00189472

#: Polygons with more corners are ignored.
_MOST_VERTICES = 1024

_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")

#: No image reaches this far, in pixels.
_FAR = 1 << 20


def close_shutter(picture: NDArray[np.uint8], frame: FrameAttributes) -> None:
    """Cover what lies outside of any shutter of a frame, on its greys or colours. Invalid shapes are ignored."""
    shutter = frame.macro(_FRAME_DISPLAY_SHUTTER_SEQUENCE)
    shapes = {shape.upper() for shape in shutter.texts(_SHAPE)}
    if not shapes:
        return
    grey = (shutter.integer(_PRESENTATION_VALUE) or 0) >> 8 & 0xFF
    if "RECTANGULAR" in shapes:
        _outside_rectangle(picture, shutter, grey)
    circle = _circle(shutter) if "CIRCULAR" in shapes else None
    corners = _corners(shutter) if "POLYGONAL" in shapes else []
    if corners:
        _outside_polygon(picture, corners, grey)
    if circle is None:
        return
    down, across, radius = circle
    columns = np.arange(1, picture.shape[1] + 1, dtype=np.float64)
    for row in range(len(picture)):
        picture[row, (columns - across) ** 2 + (row + 1 - down) ** 2 > radius**2] = grey


def _outside_rectangle(picture: NDArray[np.uint8], shutter: DataSet, grey: int) -> None:
    """Cover what lies outside. Edges are rows and columns counted from 1, the first and last that are seen."""
    left, right, upper, lower = (shutter.integer(tag) for tag in (_LEFT, _RIGHT, _UPPER, _LOWER))
    if left is None or right is None or upper is None or lower is None or left > right or upper > lower:
        return
    picture[: max(upper - 1, 0)] = grey
    picture[max(lower, 0) :] = grey
    picture[:, : max(left - 1, 0)] = grey
    picture[:, max(right, 0) :] = grey


def _circle(shutter: DataSet) -> tuple[int, int, int] | None:
    """Return row and column of the centre, and the radius."""
    center, radius = shutter.integers(_CENTER), shutter.integer(_RADIUS)
    return (center[0], center[1], radius) if len(center) == 2 and radius is not None and radius > 0 else None


def _corners(shutter: DataSet) -> list[tuple[int, int]]:
    """Return column and row of each corner, from 0; empty if they do not form a polygon."""
    numbers = shutter.integers(_VERTICES)
    if len(numbers) < 6 or len(numbers) % 2 or len(numbers) > 2 * _MOST_VERTICES:
        return []
    near = [min(max(number - 1, -_FAR), _FAR) for number in numbers]
    return list(zip(near[1::2], near[::2], strict=True))


def _outside_polygon(picture: NDArray[np.uint8], corners: Sequence[tuple[int, int]], grey: int) -> None:
    """Cover what lies outside. Corners are column and row, from 0. What lies on the edge is inside."""
    across, down = np.array(corners, np.float64).T
    next_across, next_down = np.roll(across, -1), np.roll(down, -1)
    columns = np.arange(picture.shape[1], dtype=np.float64)
    for row in range(len(picture)):
        crossed = (down > row) != (next_down > row)
        begin, slope = across[crossed], (next_across - across)[crossed] / (next_down - down)[crossed]
        crossings = np.sort(begin + (row - down[crossed]) * slope)
        # Inside, the number of edges to the left is odd.
        before, until = (np.searchsorted(crossings, columns, side) for side in _SIDES)
        inside = (before % 2 == 1) | (until % 2 == 1)
        for edge in np.flatnonzero((down == row) & (next_down == row)):
            ends = sorted((across[edge], next_across[edge]))
            inside |= (columns >= ends[0]) & (columns <= ends[1])
        picture[row, ~inside] = grey
