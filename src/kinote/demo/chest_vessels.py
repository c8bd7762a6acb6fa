"""The lung vessels of the chest phantom: trees that branch from each hilum outwards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from kinote.demo.shapes import Array, around, edge, paint

_TREES = 18
_GENERATIONS = 5

Point = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Segment:
    """A straight segment of a vessel. Lengths are in millimetres."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float


def paint_vessels(picture: Array, x: Array, y: Array, z: float, lungs: Array, value: float) -> None:
    """Paint the cross-sections of the vessels at height z within the shape `lungs`."""
    segments, first, last = _by_height()
    for at in np.flatnonzero((first < z) & (z < last)):
        segment = segments[at]
        (x0, y0, z0), (x1, y1, z1), radius = segment.start, segment.end, segment.radius
        # There are thousands of small segments, so only the neighbourhood of each is painted.
        part = (
            around(y, (y0 + y1) / 2, abs(y1 - y0) / 2 + radius),
            around(x, (x0 + x1) / 2, abs(x1 - x0) / 2 + radius),
        )
        dx, dy, dz = x[:, part[1]] - x0, y[part[0], :] - y0, z - z0
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2 + (z1 - z0) ** 2
        along = np.clip((dx * (x1 - x0) + dy * (y1 - y0) + dz * (z1 - z0)) / length, 0, 1)
        squared = (
            (dx - along * (x1 - x0)) ** 2 + (dy - along * (y1 - y0)) ** 2 + (dz - along * (z1 - z0)) ** 2
        )
        paint(picture[part], edge(radius - np.sqrt(squared)) * lungs[part], value)


@cache
def _by_height() -> tuple[tuple[_Segment, ...], Point, Point]:
    """Return all segments, and the lowest and highest z of each."""
    segments = _segments()
    ends = np.array([(segment.start[2], segment.end[2]) for segment in segments])
    reach = np.array([segment.radius + 1 for segment in segments])
    return segments, ends.min(axis=1) - reach, ends.max(axis=1) + reach


def _segments() -> tuple[_Segment, ...]:
    random = np.random.default_rng(7)
    segments: list[_Segment] = []
    for side in (-1, 1):
        for tree in range(_TREES):
            # Evenly distributed, so that no lobe stays empty.
            slope = 2.2 * (tree + 0.5) / _TREES - 1.1
            direction = np.array([side * 0.8, random.normal(0, 0.75), slope])
            _grow(segments, np.array([side * 34.0, 2.0, 122.0]), direction, 3.9, 0, random)
    return tuple(segments)


def _grow(
    segments: list[_Segment],
    point: Point,
    direction: Point,
    radius: float,
    generation: int,
    random: np.random.Generator,
) -> None:
    for _ in range(3):
        direction = _unit(_unit(direction) + random.normal(0, 0.15, 3))
        end = point + direction * (7.5 - 0.6 * generation)
        segments.append(_Segment(_as_tuple(point), _as_tuple(end), radius))
        point = end
    if generation + 1 == _GENERATIONS or abs(point[0]) > 135 or not 30 < point[2] < 265:
        return
    for _ in range(2):
        fork = _unit(direction) + random.normal(0, 0.45, 3)
        _grow(segments, point, fork, radius * 0.77, generation + 1, random)


def _unit(vector: Point) -> Point:
    return vector / np.linalg.norm(vector)


def _as_tuple(point: Point) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in point)
    return x, y, z
