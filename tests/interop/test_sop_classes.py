"""What kind of objects a SOP class has, beside the tables of PS3.3 and PS3.4 that highdicom carries with it."""

from __future__ import annotations

import json
import pkgutil
from typing import Any

import pytest

from kinote.dicom.dictionary import sop_classes


def _table(name: str) -> dict[str, Any]:
    data = pkgutil.get_data("highdicom", f"_standard/{name}.json")
    assert data is not None
    read: dict[str, Any] = json.loads(data)
    return read


MODULES_OF_IOD = _table("iod_module_map")
IOD_OF_CLASS = _table("sop_class_iod_map")
#: Modules with Number of Frames, those of functional groups among them.
OF_FRAMES = {
    name
    for name, attributes in _table("module_attribute_map").items()
    if any(attribute["keyword"] == "NumberOfFrames" and not attribute["path"] for attribute in attributes)
}


def modules(sop_class_uid: str) -> set[str]:
    return {module["key"] for module in MODULES_OF_IOD[IOD_OF_CLASS[sop_class_uid]]}


@pytest.mark.parametrize("uid", IOD_OF_CLASS, ids=sop_classes.name)
def test_an_image_is_what_has_pixels(uid: str) -> None:
    assert sop_classes.is_image(uid) == bool(modules(uid) & {"image-pixel", "general-image"})


@pytest.mark.parametrize("uid", IOD_OF_CLASS, ids=sop_classes.name)
def test_several_frames_are_where_they_can_be_counted(uid: str) -> None:
    has_frames = bool(modules(uid) & OF_FRAMES)
    assert sop_classes.is_multiframe_capable(uid) == (sop_classes.is_image(uid) and has_frames)
    assert sop_classes.has_one_frame(uid) == (sop_classes.is_image(uid) and not has_frames)


@pytest.mark.parametrize("uid", IOD_OF_CLASS, ids=sop_classes.name)
def test_waveforms_segmentations_and_presentation_states(uid: str) -> None:
    assert sop_classes.is_waveform(uid) == ("waveform" in modules(uid))
    iod = IOD_OF_CLASS[uid]
    assert sop_classes.is_presentation_state(uid) == ("presentation-state" in iod)
    # Of surfaces segments are named by other means; they are no images.
    assert sop_classes.is_segmentation(uid) == (iod.endswith("segmentation") and sop_classes.is_image(uid))
