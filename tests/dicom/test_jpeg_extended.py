"""Sequential JPEG against another decoder, and 12 bits against the same CT without loss."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from kinote.dicom.pixels.frames import frame_bytes
from kinote.dicom.pixels.jpeg import extended
from kinote.dicom.pixels.jpeg.stream import JpegError


def _picture(rows: int, columns: int, bands: int = 1) -> NDArray[np.uint8]:
    """Waves and noise: smooth blocks, busy blocks, black and white."""
    down, across = np.mgrid[:rows, :columns]
    waves = 128 + 127 * np.sin(down / 7) * np.cos(across / 5)
    noise = np.random.default_rng(3).normal(0, 40, (rows, columns)) * (across > columns / 2)
    grey = np.clip(waves + noise, 0, 255).astype(np.uint8)
    return grey if bands == 1 else np.dstack([grey, grey[::-1], grey[:, ::-1]])


def _jpeg(picture: NDArray[np.uint8], **options: Any) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(picture).save(encoded, "JPEG", **options)
    return encoded.getvalue()


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (17, 9), (64, 100), (200, 120)])
@pytest.mark.parametrize("quality", [20, 75, 100])
def test_as_another_decoder(size: tuple[int, int], quality: int) -> None:
    stream = _jpeg(_picture(*size), quality=quality)
    ours = extended.decode(stream)
    theirs = np.array(Image.open(io.BytesIO(stream)))
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_restart_markers() -> None:
    stream = _jpeg(_picture(64, 64), quality=80, restart_marker_blocks=5)
    assert stream.count(b"\xff\xd0") >= 1
    theirs = np.array(Image.open(io.BytesIO(stream)))
    assert np.abs(extended.decode(stream).astype(int) - theirs).max() <= 1


def test_three_components() -> None:
    stream = _jpeg(_picture(40, 56, 3), quality=90, keep_rgb=True)
    theirs = np.array(Image.open(io.BytesIO(stream)))
    assert np.abs(extended.decode(stream).astype(int) - theirs).max() <= 1


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (_jpeg(_picture(32, 32), progressive=True), "SOF2"),
        (_jpeg(_picture(32, 32, 3), subsampling=2), "subsampled"),
        (_jpeg(_picture(32, 32))[:-200], "cut short"),
    ],
)
def test_what_is_not_decoded_is_named(stream: bytes, said: str) -> None:
    with pytest.raises(JpegError, match=said):
        extended.decode(stream)


_WHOLE = _jpeg(_picture(24, 24), quality=50)


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, len(_WHOLE) - 1), value=st.integers(0, 255))
def test_any_damaged_byte_gives_samples_or_a_jpeg_error(place: int, value: int) -> None:
    damaged = bytearray(_WHOLE)
    damaged[place] = value
    with suppress(JpegError):
        extended.decode(bytes(damaged))


def test_twelve_bits_of_a_shipped_image() -> None:
    """The body of this bone scan is brighter than what is around it, and nothing is clipped."""
    path = Path(pydicom.data.__file__).parent / "test_files" / "JPGExtended.dcm"
    samples = extended.decode(frame_bytes(path)[0])
    assert samples.shape == (1024, 256)
    assert 255 < samples.max() < 4096
    assert samples[:, 100:156].mean() > 4 * samples[:, :40].mean()


def test_twelve_bits_of_a_ct_are_near_the_same_ct_without_loss(test_data: Path) -> None:
    folder = test_data / "cornerstonejs+cornerstone3D" / "oddities" / "same_ct_every_transfer_syntax"
    lossy_file = next(folder.glob("CTImage.dcm_*1.2.840.10008.1.2.4.51.dcm"))
    plain_file = next(folder.glob("CTImage.dcm_*1.2.840.10008.1.2.1.dcm"))
    lossy = extended.decode(frame_bytes(lossy_file)[0]).astype(float)
    plain = np.frombuffer(frame_bytes(plain_file)[0], "<i2").reshape(512, 512).astype(float)
    slope, intercept = np.polyfit(lossy.reshape(-1), plain.reshape(-1), 1)
    assert np.abs(lossy * slope + intercept - plain).mean() < 20
