"""Frames that go out decoded are as the metadata say; objects say themselves; pictures are right in any case."""

from __future__ import annotations

import io
import zlib
from typing import Any

import httpx
import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit

from kinote.web.api import picture_findings
from tests.decoding.generated import DEFLATED_FRAME, GE, JPEG_XL
from tests.dicom.pixel_objects import as_file as in_any_syntax
from tests.dicom.pixel_objects import in_syntax, items
from tests.web.objects import INSTANCE, INSTANCES, as_file, image
from tests.web.test_retrieve import EXPLICIT, store

#: Red with a little green, in 4:2:2 and in RGB.
_RED = (200, 30, 40)
_RED_YBR = (82, 104, 212)
_OCTETS = {"Accept": f"application/octet-stream; transfer-syntax={EXPLICIT}"}
_NATIVE = {"Accept": f"application/dicom; transfer-syntax={EXPLICIT}"}
_ADDRESS = f"{INSTANCES}/{INSTANCE}"


def red(label: str, **options: Any) -> bytes:
    """An image in JPEG Baseline of one colour, 16 x 16."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), _RED).save(file, "JPEG", quality=98, **options)
    dataset = image(
        1,
        SamplesPerPixel=3,
        PhotometricInterpretation=label,
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelData=encapsulate([file.getvalue()]),
    )
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return as_file(dataset, JPEGBaseline8Bit)


@pytest.mark.parametrize(
    ("label", "options", "expected"),
    [
        ("YBR_FULL_422", {"subsampling": 1}, (_RED_YBR[0], *_RED_YBR)),
        ("YBR_FULL_422", {"subsampling": 0, "keep_rgb": True}, (_RED_YBR[0], *_RED_YBR)),
        ("YBR_FULL", {"subsampling": 0}, _RED_YBR),
        ("RGB", {"subsampling": 0, "keep_rgb": True}, _RED),
        ("RGB", {"subsampling": 0}, _RED),
    ],
)
def test_decoded_frames_are_as_the_metadata_say(
    client: httpx.Client, label: str, options: dict[str, Any], expected: tuple[int, ...]
) -> None:
    store(client, red(label, **options))
    (said,) = client.get(f"{_ADDRESS}/metadata").json()
    assert said["00280004"]["Value"] == [label]
    frame = client.get(f"{_ADDRESS}/frames/1", headers=_OCTETS).content
    assert len(frame) == 16 * 16 * (2 if label == "YBR_FULL_422" else 3)
    assert np.abs(np.frombuffer(frame[: len(expected)], "u1").astype(int) - expected).max() <= 2


@pytest.mark.parametrize("label", ["YBR_FULL_422", "RGB"])
def test_lossy_objects_are_decoded_for_who_names_a_native_syntax(client: httpx.Client, label: str) -> None:
    store(client, red(label, subsampling=1))
    stored = client.get(_ADDRESS, headers={"Accept": "application/dicom"})
    assert stored.headers["content-type"].endswith(JPEGBaseline8Bit)
    decoded = pydicom.dcmread(io.BytesIO(client.get(_ADDRESS, headers=_NATIVE).content))
    assert decoded.PhotometricInterpretation == "RGB"
    assert np.abs(decoded.pixel_array.astype(int) - _RED).max() <= 2
    assert decoded.LossyImageCompression == "01"
    assert decoded.LossyImageCompressionMethod == "ISO_10918_1"
    assert decoded.LossyImageCompressionRatio > 0


def test_a_wrong_label_is_told_and_the_picture_is_right(client: httpx.Client) -> None:
    store(client, red("RGB", subsampling=1))
    picture = client.get(f"{_ADDRESS}/rendered", headers={"Accept": "image/png"})
    assert np.abs(np.asarray(Image.open(io.BytesIO(picture.content))).astype(int) - _RED).max() <= 2
    assert "labelled RGB, but the codestream says YCbCr" in picture.headers["Warning"]
    (copy,) = client.get(f"/api/v1/instances/{INSTANCE}/explain").json()["items"]
    assert [finding["code"] for finding in copy["findings"]] == ["PICTURE_LABEL"]
    store(client, as_file(image(2)))
    assert "Warning" not in client.get(f"{INSTANCES}/1.2.3.4.2/rendered").headers


def test_overlays_are_left_out_where_that_is_asked_for(client: httpx.Client) -> None:
    dataset = image(1, PixelData=bytes(512), WindowCenter=128, WindowWidth=256)
    for element, vr, value in (
        (0x10, "US", 16),
        (0x11, "US", 16),
        (0x40, "CS", "G"),
        (0x50, "SS", [1, 1]),
        (0x100, "US", 1),
        (0x102, "US", 0),
        (0x3000, "OW", b"\xff" * 32),
    ):
        dataset.add_new(0x60000000 + element, vr, value)
    store(client, as_file(dataset))
    for query, grey in (("", 255), ("?overlays=on", 255), ("?overlays=off", 0)):
        answer = client.get(f"{_ADDRESS}/rendered{query}", headers={"Accept": "image/png"})
        assert np.asarray(Image.open(io.BytesIO(answer.content))).max() == grey
    assert client.get(f"{_ADDRESS}/rendered?overlays=maybe").status_code == 400


def _segmentation(frames: list[bytes]) -> Dataset:
    return image(
        1,
        rows=7,
        columns=9,
        frames=len(frames),
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        PixelData=items(*frames),
    )


def test_frames_of_single_bits_stay_packed(client: httpx.Client) -> None:
    flags = np.random.default_rng(1).integers(0, 2, (3, 63), np.uint8)
    packed = [np.packbits(frame, bitorder="little").tobytes() for frame in flags]
    deflated = []
    for frame in packed:
        deflate = zlib.compressobj(wbits=-15)
        deflated.append(deflate.compress(frame) + deflate.flush())
    store(client, in_any_syntax(_segmentation(deflated), DEFLATED_FRAME).getvalue())
    for number in (1, 2, 3):
        assert client.get(f"{_ADDRESS}/frames/{number}", headers=_OCTETS).content == packed[number - 1]
    decoded = pydicom.dcmread(io.BytesIO(client.get(_ADDRESS, headers=_NATIVE).content))
    assert np.array_equal(decoded.pixel_array.reshape(3, 63), flags)


def test_pixels_that_alone_are_in_big_endian(client: httpx.Client) -> None:
    """GE's private syntax."""
    numbers = np.arange(256).astype("<u2")
    dataset = image(1, PixelData=numbers.byteswap().tobytes())
    store(client, in_syntax(in_any_syntax(dataset, "1.2.840.10008.1.2").getvalue(), GE))
    assert client.get(f"{_ADDRESS}/frames/1", headers=_OCTETS).content == numbers.tobytes()
    decoded = pydicom.dcmread(io.BytesIO(client.get(_ADDRESS, headers=_NATIVE).content))
    assert decoded.PixelData == numbers.tobytes()
    assert decoded.PatientName == "Doe^Jane"


def coloured(label: str, frame: bytes, **attributes: Any) -> Dataset:
    return image(
        1,
        SamplesPerPixel=3,
        PhotometricInterpretation=label,
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelData=items(frame),
        **attributes,
    )


def deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


_PAIRS = bytes([_RED_YBR[0], *_RED_YBR])


@pytest.mark.parametrize(
    "frame", [_PAIRS * 128, bytes(_RED_YBR) * 256], ids=["as labelled", "three samples for each pixel"]
)
def test_deflated_frames_are_as_the_metadata_say(client: httpx.Client, frame: bytes) -> None:
    dataset = coloured("YBR_FULL_422", deflated(frame))
    store(client, in_any_syntax(dataset, DEFLATED_FRAME).getvalue())
    assert client.get(f"{_ADDRESS}/frames/1", headers=_OCTETS).content == _PAIRS * 128


@pytest.mark.parametrize(
    ("label", "pixel"), [("YBR_FULL_422", _PAIRS), ("YBR_FULL", bytes(_RED_YBR)), ("RGB", bytes(_RED))]
)
def test_frames_of_jpeg_xl_are_as_the_metadata_say(client: httpx.Client, label: str, pixel: bytes) -> None:
    colours = np.full((16, 16, 3), _RED, np.uint8)
    stream = bytes(imagecodecs.jpegxl_encode(colours, lossless=True))
    store(client, in_any_syntax(coloured(label, stream), JPEG_XL).getvalue())
    frame = client.get(f"{_ADDRESS}/frames/1", headers=_OCTETS).content
    assert len(frame) == 16 * 16 * (2 if label == "YBR_FULL_422" else 3)
    assert np.abs(np.frombuffer(frame[: len(pixel)], "u1").astype(int) - [*pixel]).max() <= 1


def test_a_large_deflated_object_is_not_inflated_to_explain_it(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = coloured("YBR_FULL_422", b"")
    dataset.PixelData = bytes(_RED_YBR) * 256
    dataset["PixelData"].VR = "OB"
    store(client, as_file(dataset, DeflatedExplicitVRLittleEndian))

    def codes() -> list[str]:
        (copy,) = client.get(f"/api/v1/instances/{INSTANCE}/explain").json()["items"]
        return [finding["code"] for finding in copy["findings"]]

    assert codes() == ["PICTURE_LABEL"]
    monkeypatch.setattr(picture_findings, "_MOST_DEFLATED", 100)
    assert codes() == []
