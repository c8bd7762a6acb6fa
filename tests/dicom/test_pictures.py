"""Pictures of single frames: sizes, formats, and every image there is against pydicom's own pipeline."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

from kinote.dicom.dictionary.transfer_syntaxes import lookup
from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.pictures import PictureFormat
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.pixels.windows import Window
from tests.decoding.lossless_encoder import encode
from tests.dicom.pixel_objects import BASELINE, JPEG_LOSSLESS, as_file, at_dataset, image, items
from tests.dicom.shown import pixels, render

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

_SHIPPED = Path(pydicom.data.__file__).parent / "test_files"

#: Why files that have pixel data are not shown; every other reason is a fault.
_GOOD_REASONS = (
    "has no pixel data",
    "no JPEG Baseline (Process 1) codestream",
    "not a JPEG Baseline (Process 1) codestream",
    "no decoder for JPEG",
    "cut short within the pixel data",
    "is missing or not greater than 0",
    "The compressed frame is 3722445056 x 1024",
    "no value representation",
    "longer than what it lies in",
)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".json", ".py", ".pyc", ".txt", ".md", ".icc"):
            yield path


def _opened(picture: bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture))


@pytest.mark.parametrize("given", ["jpeg", "png", "gif"])
def test_formats(given: PictureFormat) -> None:
    picture = _opened(render(as_file(image(PixelData=bytes([0, 85, 170, 255]))), format=given))
    assert (picture.format, picture.size) == (given.upper(), (2, 2))
    assert np.abs(np.array(picture.convert("L")).astype(int) - [[0, 85], [170, 255]]).max() <= 3


@pytest.mark.parametrize(
    ("attributes", "viewport", "size"),
    [
        ({}, None, (40, 20)),
        ({}, (400, 400), (400, 200)),
        ({}, (10, 10), (10, 5)),
        ({}, (10, 1000), (10, 5)),
        ({}, (1, 1), (1, 1)),
        ({"PixelSpacing": [2, 1]}, None, (40, 40)),
        ({"PixelSpacing": [1, 2]}, None, (80, 20)),
        ({"PixelSpacing": [1, 2]}, (40, 40), (40, 10)),
        ({"PixelAspectRatio": [2, 1]}, None, (40, 40)),
        ({"ImagerPixelSpacing": [0.1, 0.1], "PixelAspectRatio": [2, 1]}, None, (40, 20)),
        ({"PixelSpacing": [1, 1000]}, None, (40, 20)),
        ({"PixelSpacing": [0, 0]}, None, (40, 20)),
    ],
)
def test_sizes(attributes: dict[str, Any], viewport: tuple[int, int] | None, size: tuple[int, int]) -> None:
    file = as_file(image(Rows=20, Columns=40, PixelData=bytes(800), **attributes))
    assert _opened(render(file, viewport=viewport)).size == size


@pytest.mark.parametrize("viewport", [(0, 10), (10, -1), (10**6, 10**6)])
def test_viewports_that_make_no_sense_are_refused(viewport: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match="x"):
        render(as_file(image(PixelData=bytes(4))), viewport=viewport)


def test_an_open_file_that_stands_at_its_dataset() -> None:
    file, syntax = at_dataset(as_file(image(PixelData=bytes(4))))
    assert _opened(render(file, transfer_syntax_uid=syntax)).size == (2, 2)


def test_lossless_jpeg_of_signed_values() -> None:
    samples = np.array([[[0xF830], [0]], [[0x07D0], [0x0FA0]]], np.uint16)  # -2000, 0, 2000, 4000
    stream = encode(samples, precision=16, predictor=6)
    dataset = image(BitsAllocated=16, PixelRepresentation=1, PixelData=items(stream))
    with open_frames(as_file(dataset, JPEG_LOSSLESS)) as frames:
        assert pixels(frames, window=Window(1000, 6000, "LINEAR_EXACT")).tolist() == [[0, 85], [170, 255]]


@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (3, 2), (20000, 20000)])
def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(rows: int, columns: int) -> None:
    encoded = io.BytesIO()
    Image.new("L", (2, 2)).save(encoded, "JPEG")
    stream = bytearray(encoded.getvalue())
    at = stream.index(b"\xff\xc0") + 5
    stream[at : at + 4] = rows.to_bytes(2, "big") + columns.to_bytes(2, "big")
    with pytest.raises(PictureError, match=f"compressed frame is {columns} x {rows}"):
        render(as_file(image(PixelData=items(bytes(stream))), BASELINE))


@pytest.mark.parametrize(
    "syntax", [BASELINE, JPEG_LOSSLESS, "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80"]
)
def test_damaged_frames_are_refused(syntax: str) -> None:
    with pytest.raises(PictureError):
        render(as_file(image(PixelData=items(b"\xff\xd8\xff\xd9" * 10)), syntax))


def test_a_transfer_syntax_without_a_decoder_is_named() -> None:
    encoded = io.BytesIO()
    Image.new("L", (2, 2)).save(encoded, "JPEG")
    dataset = image(PixelData=items(encoded.getvalue()))
    with pytest.raises(PictureError, match="MPEG2"):
        render(as_file(dataset, "1.2.840.10008.1.2.4.100"))


def _assert_all_shown(folder: Path, least: int) -> None:
    shown = 0
    for path in _files(folder):
        try:
            _opened(render(path, viewport=(64, 64))).load()
            shown += 1
        except PictureError as error:
            assert any(reason in str(error) for reason in _GOOD_REASONS), f"{path.name}: {error}"
    assert shown >= least


def test_every_shipped_image_is_shown_or_says_why_not() -> None:
    _assert_all_shown(_SHIPPED, 90)


def test_every_image_of_the_test_data_is_shown_or_says_why_not(test_data: Path) -> None:
    _assert_all_shown(test_data, 150)


def _differences_from_pydicom(path: Path) -> float | None:
    """The largest difference in grey levels from pydicom's own pipeline; None where there is none to compare."""
    try:
        with open_frames(path) as frames:
            # pydicom draws no overlay planes.
            ours = pixels(frames, overlays=False)
        dataset = pydicom.dcmread(path, force=True)
        theirs = _by_pydicom(dataset)
    except (PictureError, RuntimeError, AttributeError, ValueError):
        return None
    return None if theirs is None else float(np.abs(theirs - ours).max())


def _by_pydicom(dataset: pydicom.Dataset) -> NDArray[np.float64] | None:
    array = dataset.pixel_array
    array = array[0] if int(dataset.get("NumberOfFrames") or 1) > 1 else array
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(array, dataset)
        return (colours >> 8 * (colours.itemsize - 1)).astype(float)
    if dataset.SamplesPerPixel == 3:
        return (array >> 8 * (array.itemsize - 1)).astype(float)
    if "VOILUTSequence" not in dataset and "WindowCenter" not in dataset:
        return None
    shown = apply_voi_lut(apply_modality_lut(array, dataset), dataset).astype(float)
    low, high = _range_of_pydicom(dataset)
    greys = (shown - low) / (high - low) * 255
    return 255 - greys if dataset.PhotometricInterpretation == "MONOCHROME1" else greys


def _range_of_pydicom(dataset: pydicom.Dataset) -> tuple[float, float]:
    """What pydicom's `apply_voi_lut` makes of black and white."""
    if "VOILUTSequence" in dataset:
        return 0, (1 << dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
    if "ModalityLUTSequence" in dataset:
        return 0, (1 << dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    low = -(1 << dataset.BitsStored - 1) if dataset.PixelRepresentation else 0
    high = low + (1 << dataset.BitsStored) - 1
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    return low * slope + intercept, high * slope + intercept


def _assert_as_pydicom(folder: Path, least: int) -> None:
    compared = 0
    for path in _files(folder):
        difference = _differences_from_pydicom(path)
        if difference is not None:
            compared += 1
            assert difference <= 1, path.name
    assert compared >= least


def test_shipped_images_are_as_by_pydicom() -> None:
    _assert_as_pydicom(_SHIPPED, 40)


def test_images_of_the_test_data_are_as_by_pydicom(test_data: Path) -> None:
    _assert_as_pydicom(test_data, 95)


def test_one_ct_is_the_same_picture_in_all_lossless_transfer_syntaxes(test_data: Path) -> None:
    folder = test_data / "cornerstonejs+cornerstone3D" / "oddities" / "same_ct_every_transfer_syntax"
    pictures: dict[str, NDArray[np.uint8]] = {}
    for path in sorted(folder.glob("CTImage.dcm*")):
        with path.open("rb") as file:
            _, syntax = at_dataset(file)
        try:
            with open_frames(path) as frames:
                pictures[syntax] = pixels(frames)
        except PictureError:
            continue
    lossy = {f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55, 81, 91)}
    lossless = pictures.keys() - lossy
    assert len(lossless) == 9
    plain = pictures["1.2.840.10008.1.2.1"]
    for syntax in lossless:
        assert np.array_equal(pictures[syntax], plain), lookup(syntax).name
    assert len(pictures.keys() & lossy) >= 4
    for syntax in pictures.keys() & lossy:
        assert np.abs(pictures[syntax].astype(int) - plain).mean() < 8, lookup(syntax).name


def test_the_images_of_a_clinical_note_are_shown(test_data: Path) -> None:
    images = list((test_data / "IHE+RAD.MADO" / "studies" / "Study_B" / "Series_B_1").glob("*.dcm"))
    assert len(images) == 20
    for path in images[:4]:
        greys = np.array(_opened(render(path)).convert("L"))
        assert greys.shape == (512, 512)
        assert greys.std() > 10
