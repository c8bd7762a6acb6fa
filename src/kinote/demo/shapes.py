"""Soft-edged shapes and noise for the phantoms.

Lengths are in millimetres. A shape is an array of values from 0 (outside) to 1 (inside), which `paint` uses as opacity.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def grid(columns: int, rows: int, spacing: float) -> tuple[Array, Array]:
    """Return the x of each column and the y of each row, with the origin in the middle."""
    x = (np.arange(columns, dtype=np.float32) - (columns - 1) / 2) * spacing
    y = (np.arange(rows, dtype=np.float32) - (rows - 1) / 2) * spacing
    return x[np.newaxis, :], y[:, np.newaxis]


def edge(distance: Array, width: float = 1.5) -> Array:
    """Return the shape of the points whose `distance` from the border is positive. `width` is that of the soft edge."""
    return np.asarray(np.clip(distance / width + 0.5, 0, 1), dtype=np.float32)


def ellipse_distance(x: Array, y: Array, centre: tuple[float, float], half: tuple[float, float]) -> Array:
    """Return the approximate depth of each point inside an ellipse; negative outside."""
    if min(half) <= 0:
        return np.full(np.broadcast_shapes(x.shape, y.shape), -1e3, dtype=np.float32)
    radius = np.sqrt(((x - centre[0]) / half[0]) ** 2 + ((y - centre[1]) / half[1]) ** 2)
    return np.asarray((1 - radius) * min(half), dtype=np.float32)


def ellipse(
    x: Array, y: Array, centre: tuple[float, float], half: tuple[float, float], width: float = 1.5
) -> Array:
    """Return the shape of an axis-aligned ellipse."""
    return edge(ellipse_distance(x, y, centre, half), width)


def ellipsoid_cut(
    z: float, centre: tuple[float, float, float], half: tuple[float, float, float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the centre and half axes of the ellipse where the plane at height z cuts an ellipsoid."""
    scale = math.sqrt(max(1 - ((z - centre[2]) / half[2]) ** 2, 0.0))
    return centre[:2], (half[0] * scale, half[1] * scale)


def paint(picture: Array, shape: Array, value: float | Array) -> None:
    """Blend a value into the picture, with the shape as opacity."""
    picture += shape * (value - picture)


def around(axis: Array, centre: float, radius: float) -> slice:
    """Return the slice of `axis` within `radius` of `centre`, with up to two more samples on each side.

    The samples of the axis must be evenly spaced.
    """
    flat = axis.ravel()
    spacing = float(flat[1] - flat[0])
    first = int((centre - radius - float(flat[0])) / spacing) - 1
    last = int((centre + radius - float(flat[0])) / spacing) + 3
    return slice(max(first, 0), max(last, 0))


def paint_ellipse(
    picture: Array,
    x: Array,
    y: Array,
    centre: tuple[float, float],
    half: tuple[float, float],
    value: float | Array,
    *,
    width: float = 1.5,
    within: Array | None = None,
) -> None:
    """Paint an ellipse, computing only its neighbourhood. `within` limits it to another shape."""
    if min(half) <= 0:
        return
    part = around(y, centre[1], half[1]), around(x, centre[0], half[0])
    shape = ellipse(x[:, part[1]], y[part[0], :], centre, half, width)
    if within is not None:
        shape = shape * within[part]
    paint(picture[part], shape, value if isinstance(value, float | int) else value[part])


def smooth_noise(shape: tuple[int, ...], scale: tuple[float, ...], random: np.random.Generator) -> Array:
    """Return noise with mean 0, standard deviation 1 and blobs of about `scale` samples along each axis."""
    spectrum = np.fft.rfftn(random.standard_normal(shape, dtype=np.float32))
    for axis, (length, sigma) in enumerate(zip(shape, scale, strict=True)):
        last = axis == len(shape) - 1
        frequency = np.fft.rfftfreq(length) if last else np.fft.fftfreq(length)
        gain = np.exp(-2 * (np.pi * sigma * frequency) ** 2).astype(np.float32)
        spectrum *= gain.reshape([-1 if at == axis else 1 for at in range(len(shape))])
    noise = np.fft.irfftn(spectrum, shape, axes=range(len(shape))).astype(np.float32)
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float32)
