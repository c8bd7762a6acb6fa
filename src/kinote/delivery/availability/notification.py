"""The data set of an Instance Availability Notification (PS3.4 Table R.3.2-1)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import groupby

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from kinote.lifecycle.availability import AvailableInstance

#: Instance Availability Notification SOP Class (PS3.4 R.4).
INSTANCE_AVAILABILITY_NOTIFICATION = "1.2.840.10008.5.1.4.33"

#: The most instances in one notification. A larger study takes several.
MOST = 5_000


def notifications(
    study_instance_uid: str, instances: Iterable[AvailableInstance], retrieve_ae_title: str
) -> Iterator[Dataset]:
    """Return the notifications about a study, each with at most `MOST` instances; none for no instances."""
    taken: list[AvailableInstance] = []
    for each in instances:
        taken.append(each)
        if len(taken) == MOST:
            yield _notification(study_instance_uid, taken, retrieve_ae_title)
            taken = []
    if taken:
        yield _notification(study_instance_uid, taken, retrieve_ae_title)


def encoded(notification: Dataset, *, implicit_vr: bool) -> bytes:
    """Encode a notification in little endian, in the VR encoding of the presentation context."""
    file = DicomBytesIO(io.BytesIO().getvalue())
    file.is_implicit_VR, file.is_little_endian = implicit_vr, True
    write_dataset(file, notification)
    return bytes(file.getvalue())


def _notification(
    study_instance_uid: str, instances: Iterable[AvailableInstance], retrieve_ae_title: str
) -> Dataset:
    notification = Dataset()
    # Kinote knows no procedure steps: type 2, empty.
    notification.ReferencedPerformedProcedureStepSequence = []
    notification.StudyInstanceUID = study_instance_uid
    notification.ReferencedSeriesSequence = [
        _series(uid, of_series, retrieve_ae_title)
        for uid, of_series in groupby(instances, lambda each: each.series_instance_uid)
    ]
    return notification


def _series(uid: str, instances: Iterable[AvailableInstance], retrieve_ae_title: str) -> Dataset:
    series = Dataset()
    series.ReferencedSOPSequence = [_reference(each, retrieve_ae_title) for each in instances]
    series.SeriesInstanceUID = uid
    return series


def _reference(instance: AvailableInstance, retrieve_ae_title: str) -> Dataset:
    reference = Dataset()
    reference.RetrieveAETitle = retrieve_ae_title
    reference.InstanceAvailability = str(instance.availability)
    reference.ReferencedSOPClassUID = instance.sop_class_uid
    reference.ReferencedSOPInstanceUID = instance.sop_instance_uid
    return reference
