"""The data set of an Instance Availability Notification from a peer (PS3.4 Table R.3.2-1)."""

from __future__ import annotations

from dataclasses import dataclass

from kinote.catalog.known_systems.told_availability_rows import Told
from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet, scan
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.elements.limits import Limits
from kinote.dicom.values.uids import is_tolerable
from kinote.dimse import statuses
from kinote.lifecycle.availability import Availability

#: Instance Availability Notification SOP Class (PS3.4 R.4).
INSTANCE_AVAILABILITY_NOTIFICATION = "1.2.840.10008.5.1.4.33"

#: Each instance takes about six elements.
_LIMITS = Limits(
    depth=8,
    elements=400_000,
    root_elements=1_000,
    header_bytes=16 * 1024 * 1024,
    bulk_binary=1 << 62,
    bulk_text=1 << 62,
    inflated_bytes=4 * 1024 * 1024,
    inflation_ratio=1,
)

#: Values of Instance Availability (PS3.3 C.4.23.1.1): those that we send, and OFFLINE.
_AVAILABILITIES = frozenset({*map(str, Availability), "OFFLINE"})


@dataclass(frozen=True, slots=True)
class Notification:
    """The instances of a study that a peer reports."""

    study_instance_uid: str
    told: tuple[Told, ...]


class NotificationError(ValueError):
    """A notification cannot be understood. `status` is that of PS3.7 Annex C, `tag` the attribute at fault."""

    def __init__(self, status: int, tag: int | None, what: str) -> None:
        super().__init__(what)
        self.status = status
        self.tag = tag


def read_notification(data: bytes, transfer_syntax_uid: str) -> Notification:
    """Read a notification. Raises `NotificationError`."""
    try:
        dataset = scan(data, transfer_syntax_uid, _LIMITS)
        study = _uid(dataset, tags.STUDY_INSTANCE_UID)
        told = tuple(
            _told(reference)
            for series in _items(dataset, tags.REFERENCED_SERIES_SEQUENCE)
            for reference in _items(series, tags.REFERENCED_SOP_SEQUENCE)
        )
    except DicomError as error:
        raise NotificationError(statuses.PROCESSING_FAILURE, None, str(error)) from error
    return Notification(study, told)


def _told(reference: DataSet) -> Told:
    availability = (reference.text(tags.INSTANCE_AVAILABILITY) or "").strip()
    if not availability:
        raise NotificationError(
            statuses.MISSING_ATTRIBUTE, tags.INSTANCE_AVAILABILITY, "Instance Availability is missing"
        )
    if availability not in _AVAILABILITIES:
        raise NotificationError(
            statuses.INVALID_ATTRIBUTE_VALUE, tags.INSTANCE_AVAILABILITY, "Instance Availability is unknown"
        )
    title = (reference.text(tags.RETRIEVE_AE_TITLE) or "").strip()
    return Told(_uid(reference, tags.REFERENCED_SOP_INSTANCE_UID), availability, title[:64])


def _items(dataset: DataSet, tag: int) -> list[DataSet]:
    items = list(dataset.items(tag)) if tag in dataset else []
    if not items:
        what = f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is missing or empty"
        raise NotificationError(statuses.MISSING_ATTRIBUTE, tag, what)
    return items


def _uid(dataset: DataSet, tag: int) -> str:
    value = (dataset.text(tag) or "").strip(" \0")
    if not is_tolerable(value):
        status = statuses.INVALID_ATTRIBUTE_VALUE if value else statuses.MISSING_ATTRIBUTE
        raise NotificationError(status, tag, f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is no UID")
    return value
