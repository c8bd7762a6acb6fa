"""Key images of OsiriX and Horos. They are marks without title, author or text: those of a study become one note.

There are two forms. An image that is marked has the attribute Frame of Interest Description (0028,6022): `0`, or the
marked frames of a multi-frame image, counted from 0. A study has one report of the series `OsiriX Annotations SR`. Its
Encapsulated Document (0042,0011) is a property list of the marked images. It knows no frames. Both are written by
`SRAnnotation.mm` of Horos, and a port of its image and study classes.
"""

from __future__ import annotations

import plistlib
from dataclasses import dataclass, field
from typing import Any
from xml.parsers.expat import ExpatError

from kinote.dicom.dictionary import sop_classes, tags
from kinote.dicom.elements.dataset import DataSet
from kinote.migration.marks.header import moment_of, patient_of, said
from kinote.migration.marks.table import OF_INTEREST, Row, frames_text, row

_FRAME_NUMBERS_OF_INTEREST, _FRAME_OF_INTEREST_DESCRIPTION = 0x00286020, 0x00286022
_ENCAPSULATED_DOCUMENT = 0x00420011

ANNOTATIONS = "OsiriX Annotations SR"

#: Other reports that OsiriX writes for itself, and what is in them.
_OTHERS = {
    "OsiriX ROI SR": "Regions of interest",
    "OsiriX Report SR": "A report",
    "OsiriX WindowsState SR": "The layout of windows",
}

#: What annotations say of a study or a series, besides its key images.
_TEXTS = ("comment", "comment2", "comment3", "comment4", "stateText", "albums")


@dataclass(slots=True)
class _Annotations:
    """The newest annotations of a study: when they were written, and the rows of their images by UID."""

    moment: str
    images: dict[str, Row]


@dataclass(slots=True)
class OsirixMarks:
    """The marks of all studies. What images say and what annotations say of one image is one mark."""

    _in_images: dict[str, dict[str, Row]] = field(default_factory=dict)
    _annotations: dict[str, _Annotations] = field(default_factory=dict)

    def take_image(self, dataset: DataSet) -> list[str]:
        """Take the mark in an image, if it has one; return what cannot be carried over."""
        if _FRAME_OF_INTEREST_DESCRIPTION not in dataset:
            return []
        values = [each for each in dataset.texts(_FRAME_OF_INTEREST_DESCRIPTION) if each]
        if not values:
            return []
        number_of_frames = dataset.integer(tags.NUMBER_OF_FRAMES) or 1
        numbers = [int(each) for each in values if each.isascii() and each.isdigit() and len(each) < 10]
        if (
            _FRAME_NUMBERS_OF_INTEREST in dataset
            or len(numbers) < len(values)
            or max(numbers) >= number_of_frames
        ):
            return ["Frames of interest are described in another way than OsiriX describes key images."]
        study, uid = said(dataset, tags.STUDY_INSTANCE_UID), said(dataset, tags.SOP_INSTANCE_UID)
        frames = sorted(number + 1 for number in set(numbers)) if number_of_frames > 1 else []
        self._in_images.setdefault(study, {})[uid] = row(
            note=f"osirix {study}",
            title=OF_INTEREST,
            study_instance_uid=study,
            series_instance_uid=said(dataset, tags.SERIES_INSTANCE_UID),
            sop_class_uid=said(dataset, tags.SOP_CLASS_UID),
            sop_instance_uid=uid,
            frames=frames_text(frames),
            **patient_of(dataset),
        )
        return []

    def take_report(self, dataset: DataSet, description: str) -> list[str]:
        """Take the marks of a report of OsiriX; return what cannot be carried over."""
        if description != ANNOTATIONS:
            return [f"{_OTHERS[description]} of OsiriX cannot be carried over."]
        try:
            found = plistlib.loads(
                (dataset.raw(_ENCAPSULATED_DOCUMENT) or b"").rstrip(b"\0"), fmt=plistlib.FMT_XML
            )
        except (
            plistlib.InvalidFileException,
            ExpatError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
        ):
            return ["The annotations of OsiriX cannot be read: their property list is damaged."]
        if not isinstance(found, dict):
            return ["The annotations of OsiriX cannot be read: their property list has no study."]
        study = said(dataset, tags.STUDY_INSTANCE_UID)
        moment = moment_of(dataset, tags.CONTENT_DATE, tags.CONTENT_TIME)
        earlier = self._annotations.get(study)
        # Horos leaves the earlier report where it was when it writes a new one.
        if earlier is None or earlier.moment < moment:
            self._annotations[study] = _Annotations(moment, _images(dataset, found, study, moment))
        left = sorted(
            {name for level in (found, *_dicts(found, "series")) for name in _TEXTS if level.get(name)}
        )
        return [f"OsiriX's {', '.join(left)} of the study cannot be carried over."] if left else []

    def rows(self) -> list[Row]:
        """Return all marks, with those of a study together."""
        rows: list[Row] = []
        for study in sorted(self._in_images.keys() | self._annotations.keys()):
            newest = self._annotations.get(study)
            merged = dict(newest.images) if newest is not None else {}
            # An image knows its frames and its class.
            merged.update(self._in_images.get(study, {}))
            rows += merged.values()
        return rows


def is_osirix_report(description: str) -> bool:
    """Return whether OsiriX has written a report for itself, by its Series Description."""
    return description == ANNOTATIONS or description in _OTHERS


def _images(dataset: DataSet, found: dict[str, Any], study: str, moment: str) -> dict[str, Row]:
    rows = {}
    for series in _dicts(found, "series"):
        series_uid = _text(series.get("seriesDICOMUID"))
        for image in _dicts(series, "images"):
            uid = _text(image.get("sopInstanceUID"))
            if uid and image.get("isKeyImage"):
                rows[uid] = row(
                    note=f"osirix {study}",
                    title=OF_INTEREST,
                    created=moment,
                    study_instance_uid=study,
                    series_instance_uid=series_uid,
                    sop_instance_uid=uid,
                    **patient_of(dataset),
                )
    return rows


def _dicts(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    listed = found.get(name)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def may_be_marked(sop_class_uid: str) -> bool:
    """Return whether OsiriX marks objects of a class."""
    return sop_classes.is_image(sop_class_uid)
