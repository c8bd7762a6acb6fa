"""Key images that are marked by presentation states with a certain label (PS3.3 C.11.10)."""

from __future__ import annotations

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet
from kinote.migration.marks.header import moment_of, patient_of, said
from kinote.migration.marks.table import OF_INTEREST, Found, frames_text, row

_REFERENCED_IMAGE_SEQUENCE = 0x00081140
_CONTENT_LABEL, _CONTENT_DESCRIPTION = 0x00700080, 0x00700081
_CREATION_DATE, _CREATION_TIME, _CREATOR = 0x00700082, 0x00700083, 0x00700084


def label_of(dataset: DataSet) -> str:
    """Return the Content Label of a presentation state."""
    return said(dataset, _CONTENT_LABEL)


def found_in(dataset: DataSet) -> Found:
    """Return a presentation state as a note: its images, to be shown with it, and its description."""
    found = Found()
    own_uid = said(dataset, tags.SOP_INSTANCE_UID)
    for series in dataset.items(tags.REFERENCED_SERIES_SEQUENCE):
        for image in series.items(_REFERENCED_IMAGE_SEQUENCE):
            found.rows.append(
                row(
                    note=f"presentation state {own_uid}",
                    title=OF_INTEREST,
                    description=said(dataset, _CONTENT_DESCRIPTION) or label_of(dataset),
                    author=said(dataset, _CREATOR),
                    created=moment_of(dataset, _CREATION_DATE, _CREATION_TIME),
                    # A presentation state is in the study of its images (PS3.3 C.11.11).
                    study_instance_uid=said(dataset, tags.STUDY_INSTANCE_UID),
                    series_instance_uid=said(series, tags.SERIES_INSTANCE_UID),
                    sop_class_uid=said(image, tags.REFERENCED_SOP_CLASS_UID),
                    sop_instance_uid=said(image, tags.REFERENCED_SOP_INSTANCE_UID),
                    frames=frames_text(image.integers(tags.REFERENCED_FRAME_NUMBER)),
                    presentation_state_uid=own_uid,
                    **patient_of(dataset),
                )
            )
    if not found.rows:
        found.left.append("The presentation state names no image.")
    return found
