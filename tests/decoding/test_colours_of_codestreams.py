"""Colours are what the codestream says that they are; the label counts where it says nothing."""

from __future__ import annotations

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kinote.decoding.frame_decoder import decode_frame, label_remark
from kinote.dicom.pixels import pictures
from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.pixel_format import PictureError
from tests.decoding.generated import JPEG_2000
from tests.dicom.pixel_objects import BASELINE, CountingFile, as_file, at_dataset, image, items

_DOWN, _ACROSS = np.indices((32, 33))
COLOURS = np.stack([_ACROSS * 7, _DOWN * 8, 255 - _ACROSS * 3 - _DOWN * 4], -1).astype(np.uint8)


def jpeg(*, markers: bool = True, names: bytes | None = None, **options: Any) -> bytes:
    """A stream of COLOURS; `markers`: whether APP0 and APP14 are left in it; `names` of its components."""
    file = io.BytesIO()
    Image.fromarray(COLOURS).save(file, "JPEG", quality=97, **options)
    stream = file.getvalue()
    if not markers:
        while stream[2:4] in (b"\xff\xe0", b"\xff\xee"):
            stream = stream[:2] + stream[4 + struct.unpack(">H", stream[4:6])[0] :]
    if names is not None:
        frame, scan = stream.index(b"\xff\xc0") + 10, stream.index(b"\xff\xda") + 5
        changed = bytearray(stream)
        for component in range(3):
            changed[frame + 3 * component] = changed[scan + 2 * component] = names[component]
        stream = bytes(changed)
    return stream


def shown(
    stream: bytes, label: str, syntax: str = BASELINE, **attributes: Any
) -> tuple[NDArray[np.uint8], str]:
    """The picture of a frame, and what is said of its label."""
    dataset = image(
        Rows=COLOURS.shape[0],
        Columns=COLOURS.shape[1],
        SamplesPerPixel=3,
        PhotometricInterpretation=label,
        PlanarConfiguration=0,
        PixelData=items(stream),
        **attributes,
    )
    with open_frames(as_file(dataset, syntax)) as frames:
        samples = decode_frame(frames, 1)
        assert label_remark(frames) == samples.remark
        return pictures.pixels(frames, 1, samples), samples.remark


_COLOURED: dict[str, Any] = {"subsampling": 0}
_HALVED: dict[str, Any] = {"subsampling": 1}
_QUARTERED: dict[str, Any] = {"subsampling": 2}
_RGB: dict[str, Any] = {"subsampling": 0, "keep_rgb": True}


@pytest.mark.parametrize(
    ("stream", "label", "is_remarked"),
    [
        (jpeg(**_COLOURED), "YBR_FULL_422", False),
        (jpeg(**_HALVED), "YBR_FULL_422", False),
        (jpeg(**_QUARTERED), "YBR_FULL", False),
        (jpeg(**_COLOURED), "RGB", True),
        (jpeg(**_HALVED, markers=False), "RGB", True),
        (jpeg(**_COLOURED, markers=False), "YBR_FULL", False),
        (jpeg(**_RGB), "RGB", False),
        (jpeg(**_RGB), "YBR_FULL_422", True),
        (jpeg(**_RGB, markers=False), "RGB", False),
        (jpeg(**_RGB, markers=False), "YBR_FULL", True),
        (jpeg(**_RGB, markers=False, names=b"\1\2\3"), "RGB", False),
        (jpeg(**_HALVED, progressive=True), "YBR_FULL_422", False),
    ],
)
def test_jpeg(stream: bytes, label: str, is_remarked: bool) -> None:
    found, remark = shown(stream, label)
    assert bool(remark) is is_remarked
    assert np.abs(found.astype(int) - COLOURS).mean() < 4


@pytest.mark.parametrize("allocated", [8, 16])
@pytest.mark.parametrize("stored", [8, 16])
def test_jpeg_of_eight_bits_in_an_object_that_says_more(allocated: int, stored: int) -> None:
    found, _ = shown(jpeg(**_COLOURED), "YBR_FULL", BitsAllocated=allocated, BitsStored=stored)
    assert np.abs(found.astype(int) - COLOURS).mean() < 4


def _ybr(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(colours).convert("YCbCr"))


@pytest.mark.parametrize(
    ("label", "transforms", "coded", "is_remarked"),
    [
        ("YBR_RCT", True, COLOURS, False),
        ("RGB", True, COLOURS, False),
        ("RGB", False, COLOURS, False),
        ("YBR_RCT", False, COLOURS, False),
        ("YBR_FULL", False, _ybr(COLOURS), False),
        ("YBR_FULL", True, COLOURS, True),
    ],
)
def test_jpeg_2000(label: str, transforms: bool, coded: NDArray[np.uint8], is_remarked: bool) -> None:
    stream = bytes(
        imagecodecs.jpeg2k_encode(coded, level=0, codecformat="j2k", reversible=True, mct=transforms)
    )
    found, remark = shown(stream, label, JPEG_2000)
    assert bool(remark) is is_remarked
    assert np.abs(found.astype(int) - COLOURS).max() <= 3


@pytest.mark.parametrize("process", [0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF])
def test_processes_without_a_decoder_are_not_called_damage(process: int) -> None:
    stream = jpeg().replace(b"\xff\xc0", bytes([0xFF, process]), 1)
    with pytest.raises(PictureError, match=f"There is no decoder for JPEG process SOF{process - 0xC0}"):
        shown(stream, "YBR_FULL")


@pytest.mark.parametrize("said", [".4.57", ".4.80", ".4.90"])
def test_a_codestream_of_another_kind_than_its_transfer_syntax(said: str) -> None:
    stream = bytes(imagecodecs.jpegls_encode(COLOURS))
    found, _ = shown(stream, "RGB", f"1.2.840.10008.1.2{said}")
    assert np.array_equal(found, COLOURS)


@pytest.mark.parametrize("is_in_one", [True, False], ids=["one fragment", "many fragments"])
def test_of_a_long_frame_the_beginning_alone_is_asked_for_its_label(is_in_one: bool) -> None:
    stream = jpeg() + bytes(1 << 22)
    fragments = [stream] if is_in_one else [stream[at : at + 1000] for at in range(0, len(stream), 1000)]
    dataset = image(
        Rows=COLOURS.shape[0],
        Columns=COLOURS.shape[1],
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        PixelData=items(*fragments),
    )
    file, syntax = at_dataset(CountingFile(as_file(dataset, BASELINE).getvalue()))
    assert isinstance(file, CountingFile)
    with open_frames(file, syntax) as frames:
        frames.beginning(1, 1)
        taken = file.taken
        assert "the codestream says YCbCr" in label_remark(frames)
    assert file.taken - taken <= 1 << 16
