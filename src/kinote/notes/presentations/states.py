"""The data set of a softcopy presentation state (PS3.3 A.33.1, A.33.2) that shows an image as a view says.

What a state leaves out is not applied (PS3.4 N.2). So everything that the image says of its own display and that the
view does not change is copied from its header: Modality LUT, window, shutter, overlay planes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PIL import ImageCms
from pydicom.datadict import dictionary_description
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.valuerep import DSfloat

from kinote.dicom.pixels.presenting.presentation_states import COLOR, GRAYSCALE
from kinote.notes.presentations.view import ImageForm, View

#: The layer on which the overlay planes of the image lie.
_LAYER = "OVERLAY"

#: The repeating groups of overlay planes (PS3.3 C.9.2).
_OVERLAY_GROUPS = range(0x6000, 0x6020, 2)

#: Attributes of the Modality LUT Module (C.11.1), of windows (C.11.2), and of the Display Shutter Module (C.7.6.11).
_MODALITY = ("ModalityLUTSequence", "RescaleIntercept", "RescaleSlope", "RescaleType")
_VOI = ("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction")
_SHUTTER = (
    "ShutterShape",
    "ShutterLeftVerticalEdge",
    "ShutterRightVerticalEdge",
    "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge",
    "CenterOfCircularShutter",
    "RadiusOfCircularShutter",
    "VerticesOfThePolygonalShutter",
    "ShutterPresentationValue",
)


#: The attributes of an image that are read, by the beginnings of their tags: class and series, spacing of projections,
#: shutter, image description, functional groups, overlay planes. To read all of a header would take far longer.
_NEEDED = ("00080016", "0020000E", "00181164", "001816", "0028", "5200", "60")


class CannotBePresentedError(ValueError):
    """A state that shows this image as asked cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The UIDs of a state to be made, and what tells people which it is."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    series_number: int
    #: The title of its note.
    description: str
    #: Date, time and offset from UTC, as DICOM writes them.
    made: tuple[str, str, str]
    #: As a PN; may be empty.
    creator: str
    manufacturer: str


#: What pydicom raises for values that break their representation, as those of stored images may.
_UNFIT = (ValueError, TypeError, AttributeError, KeyError, OverflowError, struct.error)


@contextmanager
def _fit() -> Iterator[None]:
    """Refuse values of the image that cannot be read, or not be written into a state."""
    try:
        yield
    except CannotBePresentedError:
        raise
    except _UNFIT as error:
        raise CannotBePresentedError(
            f"A presentation state cannot copy what the image says of its display: {error}."
        ) from error


class ImageHeader:
    """The header of an image, for some of its frames, counted from 1; for all of them if none are given."""

    def __init__(self, header: bytes, frames: tuple[int, ...]) -> None:
        """Take the header as the index has it: DICOM JSON, without bulk values. Raises `CannotBePresentedError`."""
        attributes: Mapping[str, Any] = json.loads(header)
        needed = {tag: value for tag, value in attributes.items() if tag.startswith(_NEEDED)}
        with _fit():
            self.header = Dataset.from_json(needed, lambda *_: None)
            self._frames = frames or tuple(range(1, int(self.header.get("NumberOfFrames") or 1) + 1))

    @property
    def form(self) -> ImageForm:
        """What decides whether a view fits. Raises `CannotBePresentedError`."""
        with _fit():
            return ImageForm(
                rows=int(self.header.get("Rows") or 0),
                columns=int(self.header.get("Columns") or 0),
                is_grey=str(self.header.get("PhotometricInterpretation", "")).startswith("MONOCHROME"),
            )

    def value(self, keyword: str) -> Any:
        return self.header.get(keyword)

    def group(self, keyword: str) -> Dataset:
        """Return where the attributes of a functional group macro stand (C.7.6.16): its item, or the header itself.

        Raises `CannotBePresentedError` if the frames differ: a state has one value for all of them.
        """
        groups = self.header.get("PerFrameFunctionalGroupsSequence") or []
        shared = (self.header.get("SharedFunctionalGroupsSequence") or [])[:1]
        of_frames = [groups[frame - 1].get(keyword) for frame in self._frames if frame <= len(groups)]
        if any(found != of_frames[0] for found in of_frames):
            raise CannotBePresentedError(
                f"The frames differ in {dictionary_description(keyword)}: flag them in references of their own."
            )
        for found in [*of_frames[:1], *(item.get(keyword) for item in shared)]:
            if found:
                item: Dataset = found[0]
                return item
        return self.header

    @property
    def overlay_groups(self) -> list[int]:
        return [group for group in _OVERLAY_GROUPS if (group, 0x0010) in self.header]


def state_dataset(
    identity: Identity,
    study: Mapping[str, str],
    image: ImageHeader,
    view: View,
    *,
    sop_instance_uid: str,
    frames: tuple[int, ...],
) -> bytes:
    """Return the bytes of the state of an image, or of those of its frames, in Explicit VR Little Endian.

    `study` has the attributes of patient and study by keyword. Raises `CannotBePresentedError`.
    """
    with _fit():
        return _bytes(_state(identity, study, image, view, sop_instance_uid, frames))


def _state(
    identity: Identity,
    study: Mapping[str, str],
    image: ImageHeader,
    view: View,
    sop_instance_uid: str,
    frames: tuple[int, ...],
) -> Dataset:
    state = Dataset()
    state.SpecificCharacterSet = "ISO_IR 192"
    state.SOPClassUID = GRAYSCALE if image.form.is_grey else COLOR
    for keyword, value in study.items():
        setattr(state, keyword, value)
    _identify(state, identity)
    reference = _reference(image, sop_instance_uid, frames)
    state.ReferencedSeriesSequence = [_series(image, reference)]
    state.DisplayedAreaSelectionSequence = [_displayed_area(image, view)]
    _turn(state, view)
    _keep(state, image.header, _SHUTTER)
    if image.form.is_grey:
        _keep(state, image.group("PixelValueTransformationSequence"), _MODALITY)
        _grey(state, image, view)
    else:
        state.ICCProfile = _srgb()
        state.ColorSpace = "SRGB"
    if view.overlays and image.overlay_groups:
        _show_overlays(state, image.overlay_groups)
    return state


def _identify(state: Dataset, identity: Identity) -> None:
    """Add series, equipment and the identification of the state (C.11.9, C.11.10)."""
    state.StudyInstanceUID = identity.study_instance_uid
    state.SeriesInstanceUID = identity.series_instance_uid
    state.SOPInstanceUID = identity.sop_instance_uid
    state.Modality = "PR"
    state.SeriesNumber = identity.series_number
    state.SeriesDescription = identity.description
    # Type 2C: nothing says of which side the images are, if of any (C.7.3.1).
    state.Laterality = ""
    state.InstanceNumber = 1
    state.Manufacturer = identity.manufacturer
    state.ContentLabel = "KEY_IMAGE"
    state.ContentDescription = identity.description
    state.ContentCreatorName = identity.creator
    date, time, offset = identity.made
    state.PresentationCreationDate, state.PresentationCreationTime = date, time
    if offset:
        state.TimezoneOffsetFromUTC = offset


def _reference(image: ImageHeader, sop_instance_uid: str, frames: tuple[int, ...]) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.value("SOPClassUID")
    reference.ReferencedSOPInstanceUID = sop_instance_uid
    if frames:
        reference.ReferencedFrameNumber = list(frames)
    return reference


def _series(image: ImageHeader, reference: Dataset) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = image.value("SeriesInstanceUID")
    series.ReferencedImageSequence = [reference]
    return series


def _displayed_area(image: ImageHeader, view: View) -> Dataset:
    """Return the displayed area (C.10.4). Its corners are those that the viewer sees, after rotation and flip."""
    form, area = image.form, view.area
    left, upper, right, lower = (
        (area.left, area.upper, area.right, area.lower) if area else (1, 1, form.columns, form.rows)
    )
    # Clockwise, beginning at the upper left: a quarter turn brings the one before to its place.
    corners = [(left, upper), (right, upper), (right, lower), (left, lower)]
    turns = view.rotation // 90
    seen = [corners[(place - turns) % 4] for place in range(4)]
    if view.flipped:
        seen = [seen[1], seen[0], seen[3], seen[2]]
    item = Dataset()
    item.DisplayedAreaTopLeftHandCorner = list(seen[0])
    item.DisplayedAreaBottomRightHandCorner = list(seen[2])
    item.PresentationSizeMode = "SCALE TO FIT"
    spacing = image.group("PixelMeasuresSequence").get("PixelSpacing") or image.value("ImagerPixelSpacing")
    if spacing:
        item.PresentationPixelSpacing = spacing
    else:
        item.PresentationPixelAspectRatio = image.value("PixelAspectRatio") or [1, 1]
    return item


def _turn(state: Dataset, view: View) -> None:
    """Add the spatial transformation (C.10.6), where there is one."""
    if view.rotation or view.flipped:
        state.ImageRotation = view.rotation
        state.ImageHorizontalFlip = "Y" if view.flipped else "N"


def _grey(state: Dataset, image: ImageHeader, view: View) -> None:
    """Add the stages of a grey image: window (C.11.8) and polarity (C.11.6)."""
    voi = Dataset()
    if view.window is not None:
        voi.WindowCenter = DSfloat(view.window.center, auto_format=True)
        voi.WindowWidth = DSfloat(view.window.width, auto_format=True)
    else:
        _keep(voi, image.group("FrameVOILUTSequence"), _VOI)
    if voi:
        state.SoftcopyVOILUTSequence = [voi]
    # A state takes the place of the photometric interpretation, too: MONOCHROME1 has to be said again.
    is_dark = image.value("PhotometricInterpretation") == "MONOCHROME1"
    state.PresentationLUTShape = "INVERSE" if is_dark != view.inverted else "IDENTITY"


def _show_overlays(state: Dataset, groups: list[int]) -> None:
    """Activate the overlay planes of the image on a layer of their own (C.11.7, C.10.7)."""
    layer = Dataset()
    layer.GraphicLayer = _LAYER
    layer.GraphicLayerOrder = 1
    state.GraphicLayerSequence = [layer]
    for group in groups:
        state.add_new((group, 0x1001), "CS", _LAYER)


def _keep(target: Dataset, source: Dataset, keywords: tuple[str, ...]) -> None:
    """Copy attributes that are there. Raises `CannotBePresentedError` for a table that the header does not hold."""
    for keyword in keywords:
        value = source.get(keyword)
        if isinstance(value, Sequence) and any(not item.get("LUTData") for item in value):
            raise CannotBePresentedError("The lookup table of the image is too long to be copied.")
        if value not in (None, ""):
            setattr(target, keyword, value)


@lru_cache(maxsize=1)
def _srgb() -> bytes:
    """Return the profile of the color space in which color images are shown (C.11.15)."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile if len(profile) % 2 == 0 else profile + b"\0"


def _bytes(state: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, state)
    return buffer.getvalue()
