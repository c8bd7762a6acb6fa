"""SOP classes (PS3.4 B.5): what kind of instance belongs to each."""

from __future__ import annotations

from functools import lru_cache

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
REAL_WORLD_VALUE_MAPPING = "1.2.840.10008.5.1.4.1.1.67"

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_WAVEFORMS = "1.2.840.10008.5.1.4.1.1.9."
#: Prefixes of presentation states: of images, and of waveforms, whose UIDs begin like those of waveform classes.
PRESENTATION_STATES = ("1.2.840.10008.5.1.4.1.1.11.", "1.2.840.10008.5.1.4.1.1.9.100.")
_SEGMENTATIONS = {
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
    "1.2.840.10008.5.1.4.1.1.66.8",
}

#: Image classes whose names in PS3.6 do not say "Image": dose and parametric maps, segmentations, layers of the
#: eye.
_IMAGES_BY_ANOTHER_NAME = _SEGMENTATIONS | {
    "1.2.840.10008.5.1.4.1.1.30",
    "1.2.840.10008.5.1.4.1.1.481.2",
    "1.2.840.10008.5.1.4.1.1.77.1.5.8",
    "1.2.840.10008.5.1.4.1.1.81.1",
    "1.2.840.10008.5.1.4.1.1.82.1",
    "1.2.840.10008.5.1.4.1.1.6.2",
}

#: Image classes (PS3.4 B.5 and B.6) whose IODs have no Multi-frame Module (PS3.3 C.7.6.6). A class that might have
#: one is not listed, because frame numbers in a note must not be lost.
_SINGLE_FRAME = {
    f"{_STORAGE}{number}"
    for number in (
        "1",  # Computed Radiography
        *("1.1", "1.1.1"),  # Digital X-Ray, for presentation and for processing
        *("1.2", "1.2.1"),  # Digital Mammography X-Ray
        *("1.3", "1.3.1"),  # Digital Intra-Oral X-Ray
        "2",  # CT
        "4",  # MR
        *("6", "6.1"),  # Ultrasound, retired and today's
        "7",  # Secondary Capture
        "77.1",  # VL Image, retired
        "77.1.1",  # VL Endoscopic
        *("77.1.2", "77.1.3"),  # VL Microscopic, without and with slide coordinates
        "77.1.4",  # VL Photographic
        "77.1.5.7",  # Ophthalmic Optical Coherence Tomography En Face
        "77.1.7",  # Dermoscopic Photography
        *("81.1", "82.1"),  # Ophthalmic Thickness Map, Corneal Topography Map
        "128",  # Positron Emission Tomography
    )
}


def name(uid: str) -> str:
    """Return the name of a class in PS3.6, or the UID itself if there is none. PS3.6 has dropped the names of some
    retired classes."""
    return (UID(uid).name or uid) if uid in UID_dictionary else uid


@lru_cache(maxsize=4096)
def is_image(uid: str) -> bool:
    """Return whether instances of a class are images, which a KOS flags by IMAGE items (TID 2010 row 8).

    An unknown or private class counts as no image, because readers reject IMAGE items of classes they do not know.
    """
    return uid in _IMAGES_BY_ANOTHER_NAME or (uid.startswith(_STORAGE) and "Image Storage" in name(uid))


def is_multiframe_capable(uid: str) -> bool:
    """Return whether instances of an image class can have several frames (PS3.3 C.7.6.6)."""
    return is_image(uid) and uid not in _SINGLE_FRAME


def has_one_frame(uid: str) -> bool:
    """Return whether instances of a class never have more than one frame. Of an unknown class this is not known:
    False."""
    return uid in _SINGLE_FRAME


def is_presentation_state(uid: str) -> bool:
    return uid.startswith(PRESENTATION_STATES)


def is_waveform(uid: str) -> bool:
    return uid.startswith(_WAVEFORMS) and not is_presentation_state(uid)


def is_segmentation(uid: str) -> bool:
    return uid in _SEGMENTATIONS


@lru_cache(maxsize=1)
def storage_classes() -> tuple[str, ...]:
    """Return the UIDs of the storage classes of PS3.6, in the order of their names."""
    found = [
        uid
        for uid, (label, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and "Storage" in label and uid.startswith("1.2.840.10008.5.1.4.")
    ]
    return tuple(sorted(found, key=name))
