"""Frames decoded and shown, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kinote.decoding.frame_decoder import decode_frame
from kinote.dicom.pixels import pictures
from kinote.dicom.pixels.frames import Frames, open_frames
from kinote.dicom.pixels.windows import Window


def pixels(
    frames: Frames, number: int = 1, *, window: Window | None = None, overlays: bool = True
) -> NDArray[np.uint8]:
    """What a frame looks like."""
    return pictures.pixels(frames, number, decode_frame(frames, number), window=window, overlays=overlays)


def render(
    source: Path | BinaryIO, number: int = 1, *, transfer_syntax_uid: str | None = None, **wanted: Any
) -> bytes:
    """A frame as a picture."""
    with open_frames(source, transfer_syntax_uid) as frames:
        return pictures.render_frame(frames, number, decode_frame(frames, number), **wanted)
