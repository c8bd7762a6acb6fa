"""Presentation states, made for tests."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset

GRAYSCALE = "1.2.840.10008.5.1.4.1.1.11.1"


def item(**attributes: Any) -> Dataset:
    """A data set of these attributes, by keyword; those with the value None are left out."""
    dataset = Dataset()
    for name, value in attributes.items():
        if value is not None:
            setattr(dataset, name, value)
    return dataset


def state(study: str, series: str, image: str, **attributes: Any) -> Dataset:
    """A grayscale softcopy presentation state of one image."""
    reference = item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID=image)
    return item(
        SOPClassUID=GRAYSCALE,
        SOPInstanceUID=f"{study}.77.{len(attributes)}",
        StudyInstanceUID=study,
        SeriesInstanceUID=f"{study}.77",
        PatientID="P1",
        Modality="PR",
        ContentLabel="TEST",
        ReferencedSeriesSequence=[item(SeriesInstanceUID=series, ReferencedImageSequence=[reference])],
        **attributes,
    )


def inverting_state(study: str, series: str, image: str) -> Dataset:
    """A state that shows the values 0 to 255 from white to black."""
    return state(
        study,
        series,
        image,
        SoftcopyVOILUTSequence=[item(WindowCenter=128, WindowWidth=256)],
        PresentationLUTShape="INVERSE",
    )
