"""Colours of decoded frames in the form that the object's label (Photometric Interpretation) names.

The label of an object stays as received, and clients rely on the metadata. A frame that goes out decoded is therefore
converted to the colours of the label. YBR_FULL_422, when native, has two luminances and one pair of colour differences
for two neighbours (PS3.3 C.7.6.3.1.2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.pixels.colour import to_ybr
from kinote.dicom.pixels.pixel_format import HALVED, PixelFormat


def as_label_says(words: NDArray[Any], photometric: str, form: PixelFormat) -> NDArray[Any]:
    """Convert words of three samples, colour by pixel, from `photometric` to the label of the object.

    RGB of more than 8 bits stays unchanged if the label is YBR.
    """
    if words.ndim != 3 or words.shape[2] != 3:
        return words
    if photometric == "RGB" and form.photometric in ("YBR_FULL", "YBR_FULL_422"):
        if words.dtype != np.uint8:
            return words
        words = to_ybr(words)
    return _halved(words) if form.photometric in HALVED else words


def _halved(words: NDArray[Any]) -> NDArray[Any]:
    rows, columns, _ = words.shape
    if columns % 2:
        words = np.concatenate([words, words[:, -1:]], axis=1)
    pairs = words.reshape(rows, -1, 2, 3)
    halved = np.empty((rows, pairs.shape[1], 4), words.dtype)
    halved[..., :2] = pairs[..., 0]
    # In more bits, to hold the sum of two.
    halved[..., 2:] = (pairs[..., 0, 1:].astype(np.uint64) + pairs[..., 1, 1:] + 1) >> 1
    return halved
