"""An ultrasound phantom: a fictitious liver that moves as the patient breathes, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kinote.demo.shapes import Array, edge, ellipse, ellipse_distance, paint, smooth_noise

ROWS, COLUMNS, FRAMES = 480, 640, 30

#: Pixel spacing in millimetres, and frame time in milliseconds.
SPACING, FRAME_TIME = 0.36, 66.0

#: A convex probe: radius of curvature in millimetres, half of its angle in radians, depth in millimetres.
_PROBE, _HALF_ANGLE, _DEPTH = 52.0, 0.60, 148.0

_SAMPLES, _BEAMS = 560, 200

#: Distance of the probe's surface from the top of the image, in millimetres.
_TOP = 8.0


def frames() -> Iterator[NDArray[np.uint8]]:
    """Yield all frames as grey values."""
    random = np.random.default_rng(11)
    moving = _echoes(random)
    into = _scan_conversion()
    depth = np.linspace(0, _DEPTH, _SAMPLES, dtype=np.float32)[:, np.newaxis]
    angle = np.linspace(-_HALF_ANGLE, _HALF_ANGLE, _BEAMS, dtype=np.float32)[np.newaxis, :]
    x = (depth + _PROBE) * np.sin(angle)
    y = (depth + _PROBE) * np.cos(angle) - _PROBE
    for frame in range(FRAMES):
        breath = 4.5 * math.sin(2 * math.pi * frame / FRAMES)
        tissue = _tissue(x, y, breath, frame)
        shift = round(breath / _DEPTH * _SAMPLES)
        # The speckle moves with the tissue and changes slightly from frame to frame.
        echo = np.abs(np.roll(moving, shift, axis=0) + 0.35 * _echoes(random))
        loudness = 20 * np.log10(echo * tissue + 1e-4)
        grey = np.clip((loudness + 46) / 52, 0, 1) ** 1.15 * 235
        yield _picture(grey.astype(np.uint8), into)


def _echoes(random: np.random.Generator) -> NDArray[np.complex64]:
    """Return speckle, the echoes of many tiny scatterers: sharp along the beam, blurred across it."""
    shape, scale = (_SAMPLES, _BEAMS), (1.1, 1.5)
    both = smooth_noise(shape, scale, random) + 1j * smooth_noise(shape, scale, random)
    return both.astype(np.complex64)


def _tissue(x: Array, y: Array, breath: float, frame: int) -> Array:
    """Return the echogenicity of the tissue at each point."""
    echo = np.full(x.shape, 0.20, dtype=np.float32)
    moved = y - breath
    for centre, half, tilt in (
        ((-38, 66), (3.4, 30), 0.6),
        ((8, 48), (2.6, 20), -0.35),
        ((38, 96), (4.2, 30), 0.9),
    ):
        vein = ellipse(x + (moved - centre[1]) * tilt, moved, centre, half, 2)
        paint(echo, vein, 0.004)
    # The gall bladder: fluid with a bright wall, and acoustic enhancement behind it.
    behind = edge(13 - np.abs(x - 26 - (moved - 62) * 0.25), 6) * edge(moved - 66, 4)
    echo *= 1 + 1.3 * behind
    gall = ellipse_distance(x, moved, (26, 60), (13, 22))
    paint(echo, edge(gall + 1.6), 0.55)
    paint(echo, edge(gall), 0.003)
    _lesion(echo, x, moved, frame)
    # The diaphragm, with almost no echoes behind it.
    dome = 126 - (x / 70) ** 2 * 24 - moved
    paint(echo, edge(-dome), 0.05)
    paint(echo, edge(1.7 - np.abs(dome), 1.2), 1.9)
    # Skin, fat and muscle do not move.
    paint(echo, edge(16 - y, 3), 0.16)
    for line, strength in ((1.5, 1.2), (5, 0.5), (9.5, 0.75), (16, 1.1), (19.5, 0.5)):
        wave = line + 0.5 * np.sin(x / 9 + line)
        paint(echo, edge(0.8 - np.abs(y - wave), 1), strength)
    return echo * np.exp(-np.maximum(y - 95, 0) / 85)


def _lesion(echo: Array, x: Array, y: Array, frame: int) -> None:
    """Paint the finding of the demo: a round spot brighter than the liver, with a darker rim."""
    pulse = 1 + 0.05 * math.sin(2 * math.pi * frame / 10)
    depth = ellipse_distance(x, y, (-14, 88), (11.5 * pulse, 10 * pulse)) + 0.8 * np.sin(x * 0.8) * np.cos(
        y * 0.7
    )
    paint(echo, edge(depth + 2.5, 2), 0.10)
    paint(echo, edge(depth, 2), 0.62)


def _scan_conversion() -> tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.intp]]:
    """Return the mask of the sector, and the sample and the beam that each of its pixels shows."""
    x = (np.arange(COLUMNS) - (COLUMNS - 1) / 2)[np.newaxis, :] * SPACING
    y = np.arange(ROWS)[:, np.newaxis] * SPACING - _TOP + _PROBE * math.cos(_HALF_ANGLE)
    depth = np.hypot(x, y) - _PROBE
    angle = np.arctan2(x, y)
    seen = (depth >= 0) & (depth < _DEPTH) & (np.abs(angle) < _HALF_ANGLE)
    sample = (depth[seen] / _DEPTH * (_SAMPLES - 1)).astype(np.intp)
    beam = ((angle[seen] / _HALF_ANGLE + 1) / 2 * (_BEAMS - 1)).round().astype(np.intp)
    return seen, sample, beam


def _picture(
    grey: NDArray[np.uint8], into: tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.intp]]
) -> NDArray[np.uint8]:
    seen, sample, beam = into
    picture = np.zeros((ROWS, COLUMNS), dtype=np.uint8)
    picture[seen] = grey[sample, beam]
    # A grey wedge, and a depth mark for every centimetre.
    picture[60:316, 16:28] = np.arange(255, -1, -1, dtype=np.uint8)[:, np.newaxis]
    for centimetre in range(15):
        row = round((centimetre * 10 + _TOP) / SPACING)
        if row < ROWS:
            picture[row, COLUMNS - 16 - (10 if centimetre % 5 == 0 else 5) : COLUMNS - 16] = 190
    return picture
