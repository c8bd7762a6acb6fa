"""Pictures with a presentation state: what the state says takes the place of what the image says (PS3.4 N.2)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset

from kinote.decoding.frame_decoder import decode_frame
from kinote.dicom.pixels import pictures
from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.pixels.presenting.presentation_states import presentation, read_state
from tests.dicom.pixel_objects import as_file, image
from tests.dicom.presentation import item, state

IMPLICIT = "1.2.840.10008.1.2"
#: 4 rows of 6 pixels.
RAMP = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10


def shown(
    applied: Dataset, pixels: NDArray[np.uint8] = RAMP, frame: int = 1, **attributes: Any
) -> NDArray[np.uint8]:
    """The picture of an image with a state, as PNG has it."""
    rows, columns = pixels.shape[-2:]
    frames = None if pixels.ndim == 2 else len(pixels)
    dataset = image(
        Rows=rows, Columns=columns, NumberOfFrames=frames, PixelData=pixels.tobytes(), **attributes
    )
    header = read_state(_data_set(applied), IMPLICIT)
    with open_frames(as_file(dataset)) as opened:
        found = presentation(header, IMPLICIT, "1.2.3.4", frame)
        samples = decode_frame(opened, frame)
        encoded = pictures.render_frame(opened, frame, samples, format="png", state=found)
    return np.asarray(Image.open(io.BytesIO(encoded)))


def _data_set(dataset: Dataset) -> bytes:
    written = io.BytesIO()
    dataset.save_as(written, implicit_vr=True, little_endian=True, enforce_file_format=False)
    return written.getvalue()


def made(**attributes: Any) -> Dataset:
    return state("1.2", "1.2.5", "1.2.3.4", **attributes)


WHOLE = [item(WindowCenter=128, WindowWidth=256)]


def about(*frames: int, uid: str = "1.2.3.4") -> list[Dataset]:
    named = item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.7", ReferencedSOPInstanceUID=uid)
    if frames:
        named.ReferencedFrameNumber = list(frames)
    return [named]


def test_what_the_state_leaves_out_of_the_transforms_is_not_applied() -> None:
    # Window, rescale and polarity of the image do not count.
    found = shown(
        made(),
        WindowCenter=10,
        WindowWidth=2,
        RescaleSlope=2,
        RescaleIntercept=5,
        PhotometricInterpretation="MONOCHROME1",
    )
    assert np.array_equal(found, RAMP)


def test_the_transforms_of_the_state_are_applied_in_turn() -> None:
    window = [item(WindowCenter=100, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")]
    found = shown(made(SoftcopyVOILUTSequence=window, RescaleSlope=2, RescaleIntercept=-20))
    expected = np.clip((RAMP * 2.0 - 20 - 100) / 100 + 0.5, 0, 1) * 255 + 0.5
    assert np.array_equal(found, expected.astype(np.uint8))
    inverse = shown(
        made(
            SoftcopyVOILUTSequence=window,
            RescaleSlope=2,
            RescaleIntercept=-20,
            PresentationLUTShape="INVERSE",
        )
    )
    assert np.abs(inverse.astype(int) + found - 255).max() <= 1


def test_a_presentation_lut_comes_last() -> None:
    lut = item(LUTDescriptor=[256, 0, 8], LUTData=bytes(min(2 * n, 255) for n in range(256)))
    found = shown(made(PresentationLUTSequence=[lut]))
    assert np.array_equal(found, np.minimum(RAMP.astype(int) * 2, 255))


def test_items_that_name_other_images_or_frames_are_not_meant() -> None:
    other = item(WindowCenter=1, WindowWidth=1, ReferencedImageSequence=about(uid="1.9"))
    second = item(WindowCenter=1, WindowWidth=1, ReferencedImageSequence=about(2))
    frames = np.stack([RAMP, RAMP])
    applied = made(SoftcopyVOILUTSequence=[other, second, *WHOLE])
    assert np.array_equal(shown(applied, frames), RAMP)
    assert set(np.unique(shown(applied, frames, frame=2))) <= {0, 255}


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", ["N", "Y"])
def test_the_image_is_turned_clockwise_and_then_flipped(rotation: int, flip: str) -> None:
    expected = np.rot90(RAMP, -rotation // 90)
    if flip == "Y":
        expected = expected[:, ::-1]
    assert np.array_equal(shown(made(ImageRotation=rotation, ImageHorizontalFlip=flip)), expected)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ([2, 1], [4, 3], RAMP[:3, 1:4]),
        # After a rotation the corners are others.
        ([4, 3], [2, 1], RAMP[:3, 1:4]),
        ([0, 1], [6, 4], np.pad(RAMP, ((0, 0), (1, 0)))),
        ([5, 4], [7, 5], np.pad(RAMP[3:, 4:], ((0, 1), (0, 1)))),
    ],
    ids=["part", "corners exchanged", "beyond the left", "beyond the right"],
)
def test_the_displayed_area_is_shown(first: list[int], last: list[int], expected: NDArray[np.uint8]) -> None:
    area = item(
        DisplayedAreaTopLeftHandCorner=first,
        DisplayedAreaBottomRightHandCorner=last,
        PresentationSizeMode="SCALE TO FIT",
        PresentationPixelAspectRatio=[1, 1],
    )
    assert np.array_equal(shown(made(DisplayedAreaSelectionSequence=[area])), expected)


def test_the_shutter_of_the_state_takes_the_place_of_that_of_the_image() -> None:
    edges: dict[str, Any] = {
        "ShutterShape": "RECTANGULAR",
        "ShutterLeftVerticalEdge": 2,
        "ShutterRightVerticalEdge": 5,
        "ShutterUpperHorizontalEdge": 1,
        "ShutterLowerHorizontalEdge": 4,
    }
    white = np.full((4, 6), 200, np.uint8)
    expected = np.full((4, 6), 200)
    expected[:, [0, 5]] = 0
    assert np.array_equal(shown(made(**edges), white), expected)
    assert np.array_equal(shown(made(), white, **edges), white)


def test_only_activated_overlays_are_shown() -> None:
    plane = Dataset()
    plane.add_new(0x60000010, "US", 4)
    plane.add_new(0x60000011, "US", 6)
    plane.add_new(0x60000040, "CS", "G")
    plane.add_new(0x60000050, "SS", [1, 1])
    plane.add_new(0x60000100, "US", 1)
    plane.add_new(0x60000102, "US", 0)
    plane.add_new(0x60003000, "OW", b"\x01\x00\x00\x00")
    pixels = np.zeros((4, 6), np.uint8)
    dataset = image(Rows=4, Columns=6, PixelData=pixels.tobytes())
    dataset.update(plane)
    activated = Dataset()
    activated.add_new(0x60001001, "CS", "LAYER")
    for applied, expected in ((made(), 0), (_with(made(), activated), 255)):
        header = read_state(_data_set(applied), IMPLICIT)
        with open_frames(as_file(dataset)) as opened:
            found = presentation(header, IMPLICIT, "1.2.3.4", 1)
            assert pictures.pixels(opened, 1, decode_frame(opened, 1), state=found)[0, 0] == expected
    own = _with(_with(made(), activated), plane)
    assert shown(own, pixels)[0, 0] == 255


def _with(dataset: Dataset, other: Dataset) -> Dataset:
    dataset.update(other)
    return dataset


BLACK = np.zeros((100, 200), np.uint8)


def graphic(kind: str, data: list[float], *, units: str = "PIXEL", filled: str = "N") -> list[Dataset]:
    drawn = item(
        GraphicAnnotationUnits=units,
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(data) // 2,
        GraphicData=data,
        GraphicType=kind,
        GraphicFilled=filled,
    )
    return [item(GraphicLayer="L", GraphicObjectSequence=[drawn])]


def white(picture: NDArray[np.uint8]) -> set[tuple[int, int]]:
    """Column and row of what is drawn."""
    rows, columns = np.nonzero(picture.reshape(*picture.shape[:2], -1).max(axis=2) > 128)
    return set(zip(columns.tolist(), rows.tolist(), strict=True))


@pytest.mark.parametrize(
    ("annotation", "inside", "outside"),
    [
        (graphic("POLYLINE", [10, 20, 90, 20]), [(50, 20)], [(50, 40), (150, 20)]),
        (graphic("POLYLINE", [0.1, 0.2, 0.9, 0.2], units="DISPLAY"), [(100, 20), (170, 20)], [(100, 40)]),
        (graphic("POLYLINE", [10, 10, 50, 10, 50, 50, 10, 10], filled="Y"), [(40, 20)], [(15, 40)]),
        (graphic("CIRCLE", [50, 50, 70, 50]), [(70, 50), (50, 30), (30, 50)], [(50, 50), (68, 68)]),
        (graphic("ELLIPSE", [20, 50, 80, 50, 50, 40, 50, 60]), [(80, 50), (50, 40)], [(50, 50), (50, 25)]),
        (graphic("POINT", [30, 30]), [(30, 30)], [(60, 60)]),
        (graphic("INTERPOLATED", [10, 50, 50, 20, 90, 50]), [(10, 50), (50, 20)], [(50, 50)]),
    ],
    ids=["line", "line of the display", "filled", "circle", "ellipse", "point", "curve"],
)
def test_graphics_are_drawn(
    annotation: list[Dataset], inside: list[tuple[int, int]], outside: list[tuple[int, int]]
) -> None:
    drawn = white(shown(made(GraphicAnnotationSequence=annotation), BLACK))
    for column, row in inside:
        assert any(abs(column - x) <= 1 and abs(row - y) <= 1 for x, y in drawn), (column, row)
    assert not drawn & set(outside)


def test_graphics_go_with_their_pixels_where_the_image_is_turned() -> None:
    line = graphic("POLYLINE", [10, 20, 60, 20])
    found = shown(made(GraphicAnnotationSequence=line, ImageRotation=90, ImageHorizontalFlip="Y"), BLACK)
    assert found.shape[:2] == (200, 100)
    columns = [x for x, _ in white(found)]
    assert min(columns) >= 19 and max(columns) <= 21


def test_texts_are_drawn_in_the_colour_of_their_layer() -> None:
    words = item(
        BoundingBoxAnnotationUnits="PIXEL",
        BoundingBoxTopLeftHandCorner=[20, 20],
        BoundingBoxBottomRightHandCorner=[190, 60],
        BoundingBoxTextHorizontalJustification="LEFT",
        UnformattedTextValue="結節 Nodule",
    )
    annotation = [item(GraphicLayer="L", TextObjectSequence=[words])]
    # Red as CIELab (PS3.3 C.10.7.1.1).
    layer = item(
        GraphicLayer="L", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayCIELabValue=[34885, 53486, 50171]
    )
    applied = made(GraphicAnnotationSequence=annotation, GraphicLayerSequence=[layer])
    applied.SpecificCharacterSet = "ISO_IR 192"
    found = shown(applied, BLACK)
    drawn = white(found)
    assert drawn and all(20 <= x < 190 and 18 <= y < 60 for x, y in drawn)
    brightest = found.reshape(-1, 3)[found.reshape(-1, 3)[:, 0].argmax()]
    assert brightest[0] > 200 and brightest[1] < 60 and brightest[2] < 60


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.4"}, "Only grayscale and color"),
        ({"ReferencedSeriesSequence": []}, "is not about this image"),
    ],
)
def test_states_that_cannot_be_applied_say_why(change: dict[str, Any], expected: str) -> None:
    applied = made()
    for name, value in change.items():
        setattr(applied, name, value)
    with pytest.raises(PictureError, match=expected):
        shown(applied)


def area(*corners: int) -> list[Dataset]:
    return [
        item(
            DisplayedAreaTopLeftHandCorner=list(corners[:2]),
            DisplayedAreaBottomRightHandCorner=list(corners[2:]),
        )
    ]


LONG_TEXT = item(UnformattedTextValue="x" * 5000, AnchorPointAnnotationUnits="PIXEL", AnchorPoint=[1.0, 1.0])


@pytest.mark.parametrize(
    "attributes",
    [
        {"ImageRotation": 65535},
        {"DisplayedAreaSelectionSequence": area(-(2**31), -(2**31), 2**31 - 1, 2**31 - 1)},
        {"DisplayedAreaSelectionSequence": area(90, 90, 99, 99)},
        {"DisplayedAreaSelectionSequence": area(-90, -90, -80, -80)},
        {"GraphicAnnotationSequence": graphic("POLYLINE", [float("inf"), 1.0, 1e38, -1e38])},
        {"GraphicAnnotationSequence": graphic("POLYLINE", [1e38, 1.0, 1e38, -1e38])},
        {"GraphicAnnotationSequence": graphic("CIRCLE", [1.0, 1.0, 3e38, -3e38])},
        {"GraphicAnnotationSequence": [item(TextObjectSequence=[LONG_TEXT])]},
    ],
    ids=[
        "rotation",
        "vast area",
        "area to the right",
        "area to the left",
        "infinite",
        "far",
        "vast circle",
        "long text",
    ],
)
def test_what_no_state_can_mean_harms_nothing(attributes: dict[str, Any]) -> None:
    assert shown(made(**attributes)).size
