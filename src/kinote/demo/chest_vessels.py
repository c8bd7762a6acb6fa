"""The vessels of the chest phantom's lungs: trees that fork from each hilum outwards."""

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
class _Piece:
    """A straight piece of a vessel; lengths in millimetres."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float


def paint_vessels(picture: Array, x: Array, y: Array, z: float, lungs: Array, value: float) -> None:
    """Paint what the plane at height z cuts of the vessels, where there is lung."""
    pieces, first, last = _by_height()
    for at in np.flatnonzero((first < z) & (z < last)):
        piece = pieces[at]
        (x0, y0, z0), (x1, y1, z1), radius = piece.start, piece.end, piece.radius
        # Small, and there are thousands: only the neighbourhood is painted.
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
def _by_height() -> tuple[tuple[_Piece, ...], Point, Point]:
    """All pieces, and between which heights each of them lies."""
    pieces = _pieces()
    ends = np.array([(piece.start[2], piece.end[2]) for piece in pieces])
    reach = np.array([piece.radius + 1 for piece in pieces])
    return pieces, ends.min(axis=1) - reach, ends.max(axis=1) + reach


def _pieces() -> tuple[_Piece, ...]:
    random = np.random.default_rng(7)
    pieces: list[_Piece] = []
    for side in (-1, 1):
        for tree in range(_TREES):
            # Evenly up and down, so that no lobe stays empty.
            slope = 2.2 * (tree + 0.5) / _TREES - 1.1
            direction = np.array([side * 0.8, random.normal(0, 0.75), slope])
            _grow(pieces, np.array([side * 34.0, 2.0, 122.0]), direction, 3.9, 0, random)
    return tuple(pieces)


def _grow(
    pieces: list[_Piece],
    point: Point,
    direction: Point,
    radius: float,
    generation: int,
    random: np.random.Generator,
) -> None:
    for _ in range(3):
        direction = _unit(_unit(direction) + random.normal(0, 0.15, 3))
        end = point + direction * (7.5 - 0.6 * generation)
        pieces.append(_Piece(_plain(point), _plain(end), radius))
        point = end
    if generation + 1 == _GENERATIONS or abs(point[0]) > 135 or not 30 < point[2] < 265:
        return
    for _ in range(2):
        fork = _unit(direction) + random.normal(0, 0.45, 3)
        _grow(pieces, point, fork, radius * 0.77, generation + 1, random)


def _unit(vector: Point) -> Point:
    return vector / np.linalg.norm(vector)


def _plain(point: Point) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in point)
    return x, y, z
