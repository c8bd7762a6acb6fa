"""A posteroanterior radiograph of the chest phantom, computed from the attenuation along each ray."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kinote.demo import chest
from kinote.demo.shapes import grid, smooth_noise

ROWS = COLUMNS = 1024

#: Pixel spacing in millimetres.
SPACING = chest.HEIGHT / ROWS

BITS = 12

#: Distances between samples of the phantom in millimetres: between cross-sections, and across and along the rays.
_STEP, _ACROSS, _ALONG = 3.0, 1.2, 4.0


def picture() -> NDArray[np.uint16]:
    """Return the radiograph with 12 bits for MONOCHROME1: higher values mean more radiation and look darker."""
    x, y = grid(round(COLUMNS * SPACING / _ACROSS), 64, _ALONG)
    x = x * (_ACROSS / _ALONG)
    heights = np.arange(_STEP / 2, chest.HEIGHT, _STEP)
    shadow = np.empty((len(heights), x.shape[1]), dtype=np.float32)
    for row, z in enumerate(heights):
        # Water attenuates 2 % per millimetre, other tissue in proportion to its density.
        density = np.maximum(chest.hounsfield(x, y, float(z), chest.NODULE) / 1000 + 1, 0)
        bone = np.maximum(density - 1.12, 0) * 1.2
        shadow[row] = (density + bone).sum(axis=0) * (_ALONG * 0.02)
    enlarged = Image.fromarray(shadow).resize((COLUMNS, ROWS), Image.Resampling.BICUBIC)
    return _film(np.asarray(enlarged))


def _film(shadow: NDArray[np.float32]) -> NDArray[np.uint16]:
    random = np.random.default_rng(5)
    grain = smooth_noise(shadow.shape, (0.7, 0.7), random)
    # A film-like characteristic curve: steep for the lungs, flat for bone and air.
    exposure = -shadow + 0.018 * grain
    low, high = np.percentile(exposure, (3, 92))
    value = np.clip((exposure - low) / (high - low), -0.3, 1.4)
    value = 1 / (1 + np.exp(-4.0 * (value - 0.42)))
    _side_mark(value)
    return np.asarray(np.clip(value * 4095, 0, 4095), dtype=np.uint16)


def _side_mark(value: NDArray[np.floating[Any]]) -> None:
    """Draw a letter R beside the patient's right shoulder."""
    letter = ("1110", "1001", "1001", "1110", "1010", "1001", "1001")
    for row, line in enumerate(letter):
        for column, dot in enumerate(line):
            if dot == "1":
                value[60 + row * 7 : 67 + row * 7, 60 + column * 7 : 67 + column * 7] = 0.02
