"""The display stages that apply to the images of a SOP class (PS3.4 N.2, PS3.3 C.11).

Stored values pass, in this order: the modality transform (rescale or Modality LUT), the VOI transform (window or VOI
LUT), the presentation (MONOCHROME1 inverted), padding, supplemental palettes, the display shutter, overlay planes, and
the aspect ratio of pixels. A stage without its attributes changes nothing. The table lists the stages that classes
omit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.pixels.functional_groups import FrameAttributes

_PIXEL_INTENSITY_RELATIONSHIP = 0x00281040
_FRAME_PIXEL_DATA_PROPERTIES_SEQUENCE = 0x00289443

#: Values of Pixel Intensity Relationship for data meant for display, where the Modality LUT leads back to beam
#: intensity.
_MADE_TO_BE_SHOWN = ("LOG", "DISP")


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages that are applied. `clause` is the source in the standard.

    `modality` is `always`, `never`, or `unless shown`: not if Pixel Intensity Relationship is LOG or DISP.
    """

    modality: Literal["always", "never", "unless shown"]
    voi: bool
    overlays: bool
    clause: str


_IMAGE = Stages("always", voi=True, overlays=True, clause="PS3.4 N.2")
_PROJECTION = Stages(
    "unless shown", voi=True, overlays=True, clause="PS3.3 C.8.7.1.1.2, C.8.7.2.1.2, PS3.4 N.2.1.2"
)
_SEGMENTATION = Stages("never", voi=False, overlays=False, clause="PS3.3 A.51.3, C.8.20.2")

_BY_CLASS: Mapping[str, Stages] = {
    # X-Ray Angiographic, X-Ray Radiofluoroscopic, and X-Ray Angiographic Bi-Plane (retired).
    **{f"1.2.840.10008.5.1.4.1.1.12.{last}": _PROJECTION for last in (1, 2, 3)},
    # Enhanced XA and XRF have no modality transform: their own LUT leads back to intensity (C.7.6.16.2.13).
    **{
        f"1.2.840.10008.5.1.4.1.1.12.{last}": Stages(
            "unless shown", voi=True, overlays=True, clause="PS3.3 A.47.3, C.7.6.16.2.13"
        )
        for last in ("1.1", "2.1")
    },
    # Segmentation, Label Map Segmentation.
    **{f"1.2.840.10008.5.1.4.1.1.66.{last}": _SEGMENTATION for last in (4, 7)},
}


def stages(header: DataSet) -> Stages:
    """Return the stages for the images of an object's class; all of them for classes that are not in the table."""
    return _BY_CLASS.get(header.text(tags.SOP_CLASS_UID) or "", _IMAGE)


def has_modality_transform(frame: FrameAttributes) -> bool:
    """Return whether rescale or Modality LUT is applied to show a frame."""
    modality = stages(frame.header).modality
    if modality != "unless shown":
        return modality == "always"
    place = frame.macro(_FRAME_PIXEL_DATA_PROPERTIES_SEQUENCE)
    relationship = place.text(_PIXEL_INTENSITY_RELATIONSHIP) or frame.header.text(
        _PIXEL_INTENSITY_RELATIONSHIP
    )
    return (relationship or "").upper() not in _MADE_TO_BE_SHOWN
