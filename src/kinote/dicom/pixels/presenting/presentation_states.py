"""Softcopy presentation states: another object that says how an image is displayed (PS3.3 A.33, PS3.4 N.2).

A state replaces all display attributes of the image: modality and VOI transforms, polarity, shutters and overlays. What
the state omits is not applied either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import TransferSyntax, lookup
from kinote.dicom.elements.dataset import DataSet, scan
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.elements.limits import Limits
from kinote.dicom.pixels.functional_groups import FrameAttributes
from kinote.dicom.pixels.grey_scale import GreyTransform, modality_of, padding_of, voi_of
from kinote.dicom.pixels.lookup_tables import LookupTable, lookup_table
from kinote.dicom.pixels.overlay_planes import GROUPS, Planes
from kinote.dicom.pixels.pixel_format import PictureError, PixelFormat
from kinote.dicom.pixels.windows import Window

GRAYSCALE = "1.2.840.10008.5.1.4.1.1.11.1"
COLOR = "1.2.840.10008.5.1.4.1.1.11.2"

#: States that can be applied. Of others, only the images can be shown.
APPLIED = frozenset({GRAYSCALE, COLOR})

#: The longest state that is read, in bytes.
LONGEST = 8 * 1024 * 1024

_LIMITS = Limits(bulk_binary=1 << 22, bulk_text=1 << 20)

_REFERENCED_SERIES = 0x00081115
_REFERENCED_IMAGES = 0x00081140
_REFERENCED_UID = 0x00081155
_REFERENCED_FRAMES = 0x00081160
_SOFTCOPY_VOI = 0x00283110
_PRESENTATION_LUT_SEQUENCE = 0x20500010
_PRESENTATION_LUT_SHAPE = 0x20500020
_DISPLAYED_AREAS = 0x0070005A
_UPPER_LEFT, _LOWER_RIGHT = 0x00700052, 0x00700053
_PIXEL_SPACING, _PIXEL_ASPECT_RATIO = 0x00700101, 0x00700102
_ACTIVATION_LAYER, _OVERLAY_DATA = 0x1001, 0x3000
_FLIP, _ROTATION = 0x00700041, 0x00700042

#: A displayed area extends at most this many times beyond an image.
_BEYOND = 2


@dataclass(frozen=True, slots=True)
class Presentation:
    """The settings of a state for one frame, counted from 1, of an image."""

    header: DataSet
    sop_instance_uid: str
    frame: int
    transfer_syntax: TransferSyntax

    @property
    def little_endian(self) -> bool:
        """The byte order of its tables."""
        return self.transfer_syntax.little_endian

    def chosen(self, sequence: int) -> DataSet | None:
        """Return the first item of a sequence that applies to this frame. An item without images applies to all."""
        return next((item for item in self.header.items(sequence) if self.is_meant(item)), None)

    def is_meant(self, item: DataSet) -> bool:
        """Return whether an item applies to this frame."""
        images = item.items(_REFERENCED_IMAGES)
        return not images or any(self._names(image) for image in images)

    def _names(self, image: DataSet) -> bool:
        frames = image.integers(_REFERENCED_FRAMES)
        return image.text(_REFERENCED_UID) == self.sop_instance_uid and (not frames or self.frame in frames)

    def grey_transform(
        self, image: FrameAttributes, form: PixelFormat, window: Window | None
    ) -> GreyTransform:
        """Return how stored values become greys. `window` replaces that of the state."""
        own = FrameAttributes(self.header, self.frame)
        transform = GreyTransform(
            inverted=(self.header.text(_PRESENTATION_LUT_SHAPE) or "").upper() == "INVERSE",
            padding=padding_of(image, form),
            window=window,
            presentation_lut=self._presentation_lut(),
        )
        transform = modality_of(transform, own, form, little_endian=self.little_endian)
        if window is not None:
            return transform
        item = self.chosen(_SOFTCOPY_VOI)
        whole = _whole_span(transform, form)
        if item is None:
            return transform.spread(whole)
        # The output of a Modality LUT is never negative (PS3.3 C.11.1.1.1).
        negative = transform.modality_lut is None and (form.signed or transform.intercept < 0)
        found = voi_of(transform, item, signed=negative, little_endian=self.little_endian)
        return found if found is not None else transform.spread(whole)

    def _presentation_lut(self) -> LookupTable | None:
        items = self.header.items(_PRESENTATION_LUT_SEQUENCE)
        return lookup_table(items[0], signed=False, little_endian=self.little_endian) if items else None

    @property
    def shutter(self) -> FrameAttributes:
        """The attributes of its shutter."""
        return FrameAttributes(self.header, self.frame)

    @property
    def shown_overlays(self) -> list[int]:
        """The groups of the image's overlay planes that are shown: only activated ones (C.11.7)."""
        return [group for group in self._activated if group not in self.own_overlays]

    @property
    def own_overlays(self) -> list[int]:
        """The groups of the state's own overlay planes that are shown."""
        return [group for group in self._activated if group << 16 | _OVERLAY_DATA in self.header]

    @property
    def _activated(self) -> list[int]:
        return [group for group in GROUPS if self.header.text(group << 16 | _ACTIVATION_LAYER)]

    @property
    def planes(self) -> Planes:
        """Its own overlay planes."""
        return _OwnPlanes(self.header, self.transfer_syntax)

    def area(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return the part of an image that is shown: left, upper, right and lower edge, from 0. May exceed the image.

        The corners are those after rotation and flip (C.10.4), so either may be the greater.
        """
        item = self.chosen(_DISPLAYED_AREAS)
        first, last = (item.integers(_UPPER_LEFT), item.integers(_LOWER_RIGHT)) if item else ((), ())
        if len(first) != 2 or len(last) != 2:
            return 0, 0, width, height
        left, right = sorted((first[0], last[0]))
        upper, lower = sorted((first[1], last[1]))
        return (
            max(left - 1, -_BEYOND * width),
            max(upper - 1, -_BEYOND * height),
            max(min(right, (1 + _BEYOND) * width), left, 1 - _BEYOND * width),
            max(min(lower, (1 + _BEYOND) * height), upper, 1 - _BEYOND * height),
        )

    @property
    def aspect(self) -> float | None:
        """A pixel's height divided by its width; None if the state does not say."""
        item = self.chosen(_DISPLAYED_AREAS)
        for tag in (_PIXEL_SPACING, _PIXEL_ASPECT_RATIO) if item is not None else ():
            assert item is not None
            vertical, horizontal = (*item.numbers(tag), None, None)[:2]
            if vertical and horizontal and vertical > 0 and horizontal > 0:
                ratio = vertical / horizontal
                if 0.1 <= ratio <= 10:
                    return ratio
        return None

    @property
    def quarter_turns(self) -> int:
        """The number of clockwise turns by 90 degrees (C.10.6)."""
        return (self.header.integer(_ROTATION) or 0) // 90 % 4

    @property
    def is_flipped(self) -> bool:
        """Whether left and right are exchanged, after the rotation."""
        return (self.header.text(_FLIP) or "").upper() == "Y"


@dataclass(frozen=True, slots=True)
class _OwnPlanes:
    header: DataSet
    transfer_syntax: TransferSyntax

    def value(self, tag: int, start: int, length: int) -> bytes:
        return (self.header.raw(tag) or b"")[start : start + length]


def read_state(data: bytes, transfer_syntax_uid: str) -> DataSet:
    """Return the data set of a state. Raises `PictureError` if it cannot be read, or its kind cannot be applied."""
    if len(data) > LONGEST:
        raise PictureError(f"The presentation state is longer than {LONGEST} bytes.")
    try:
        header = scan(data, transfer_syntax_uid, _LIMITS)
    except DicomError as error:
        raise PictureError(f"The presentation state cannot be read: {error}.") from error
    if header.text(tags.SOP_CLASS_UID) not in APPLIED:
        raise PictureError("Only grayscale and color softcopy presentation states are applied.")
    return header


def presentation(
    header: DataSet, transfer_syntax_uid: str, sop_instance_uid: str, frame: int
) -> Presentation:
    """Return the settings of a state for a frame. Raises `PictureError` if the state is not about it."""
    found = Presentation(header, sop_instance_uid, frame, lookup(transfer_syntax_uid))
    if not any(
        found._names(image)
        for each in header.items(_REFERENCED_SERIES)
        for image in each.items(_REFERENCED_IMAGES)
    ):
        raise PictureError("The presentation state is not about this image.")
    return found


def images_of(header: DataSet) -> list[tuple[str, int]]:
    """Return the images of a state, each with the first of its frames."""
    return [
        (uid, (*image.integers(_REFERENCED_FRAMES), 1)[0])
        for each in header.items(_REFERENCED_SERIES)
        for image in each.items(_REFERENCED_IMAGES)
        if (uid := image.text(_REFERENCED_UID))
    ]


def _whole_span(transform: GreyTransform, form: PixelFormat) -> tuple[float, float]:
    """Return the full output range of the modality transform, used without a VOI transform (PS3.4 N.2.2)."""
    if transform.modality_lut is not None:
        return 0.0, float((1 << transform.modality_lut.bits) - 1)
    low = -(1 << form.bits_stored - 1) if form.signed else 0
    ends = transform.modality(np.array([low, low + (1 << form.bits_stored) - 1], np.float64))
    return float(ends.min()), float(ends.max())
