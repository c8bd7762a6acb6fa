"""JPEG XL frames have the samples that djxl of the reference implementation (libjxl) decodes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.decoding.test_frame_decoder import JPEG_XL, decoded, header, noise
from tests.interop.peers import peer

LOSSY = "1.2.840.10008.1.2.4.112"


def by_djxl(frame: bytes, folder: Path, bits: int = 8) -> NDArray[Any]:
    """The samples that djxl writes, as PGM or PPM (Netpbm, P5 and P6: big endian)."""
    stream, picture = folder / "frame.jxl", folder / "frame.ppm"
    stream.write_bytes(frame)
    subprocess.run([peer("djxl"), stream, picture], check=True, capture_output=True, timeout=60)
    data = picture.read_bytes()
    kind, columns, rows, most = data.split(maxsplit=4)[:4]
    size = int(columns) * int(rows) * (3 if kind == b"P6" else 1)
    dtype = ">u1" if int(most) < 256 else ">u2"
    samples = np.frombuffer(data[-size * np.dtype(dtype).itemsize :], dtype)
    # It spreads what has other than 8 or 16 bits over as many, whatever its header says is the most.
    full = (1 << 8 * samples.itemsize) - 1
    spread = np.rint(samples * (((1 << bits) - 1) / full)).astype(int)
    return spread.reshape((int(rows), int(columns), 3) if kind == b"P6" else (int(rows), int(columns)))


@pytest.mark.parametrize(
    ("bits", "components"), [(8, 1), (12, 1), (16, 1), (8, 3)], ids=["8", "12", "16", "colour"]
)
def test_lossless_samples_are_those_of_djxl(tmp_path: Path, bits: int, components: int) -> None:
    samples = noise(13, 17, components, bits, seed=bits)
    frame = bytes(imagecodecs.jpegxl_encode(samples, lossless=True, bitspersample=bits))
    ours = decoded(frame, JPEG_XL, **header(samples, bits)).array
    assert np.array_equal(ours.reshape(samples.shape), by_djxl(frame, tmp_path, bits))
    assert np.array_equal(ours.reshape(samples.shape), samples)


def test_lossy_samples_are_those_of_djxl_within_rounding(tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:32, 0:48]
    samples = ((rows * 3 + columns * 2) % 256).astype(np.uint8)
    frame = bytes(imagecodecs.jpegxl_encode(samples, distance=1.0))
    ours = decoded(frame, LOSSY, **header(samples, 8)).array.reshape(samples.shape)
    theirs = by_djxl(frame, tmp_path)
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert not np.array_equal(ours, samples)
