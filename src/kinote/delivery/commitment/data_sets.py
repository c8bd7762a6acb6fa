"""The data sets of the Storage Commitment Push Model (PS3.4 J.3.2.1, J.3.3.1; PS3.3 C.14.1).

Reading is linear in the size received. Written data sets are little endian, with explicit lengths.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import DataSet, scan
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.values import uids

#: Storage Commitment Push Model SOP Class, and its well-known SOP Instance (PS3.4 J.3.5).
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"

#: Action Type ID of a request (PS3.4 Table J.3-1).
REQUEST = 1
#: Event Type IDs of a result (PS3.4 Table J.3-2).
ALL_COMMITTED, FAILURES_EXIST = 1, 2

#: The longest request in bytes: more than 200,000 references.
LONGEST_REQUEST = 32 * 1024 * 1024

#: The transfer syntaxes of the presentation context, the preferred first.
SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)

_RETRIEVE_AE_TITLE = 0x00080054
_TRANSACTION_UID = 0x00081195
_FAILURE_REASON = 0x00081197
_FAILED_SOP_SEQUENCE = 0x00081198

#: A reference: SOP Class UID and SOP Instance UID.
Reference = tuple[str, str]


class UnreadableCommitmentError(ValueError):
    """A data set is not a request or a result. The message says why."""


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """Action Information (PS3.4 Table J.3-1)."""

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class CommitmentResult:
    """Event Information (PS3.4 Table J.3-2). A Failure Reason is None if it is missing."""

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[str, str, int | None], ...]


def read_request(data: bytes, transfer_syntax_uid: str) -> CommitmentRequest:
    """Read Action Information. Raises `UnreadableCommitmentError`."""
    dataset = _scanned(data, transfer_syntax_uid)
    references = tuple(_references(dataset, tags.REFERENCED_SOP_SEQUENCE))
    if not references:
        raise UnreadableCommitmentError("Referenced SOP Sequence (0008,1199) has no items")
    return CommitmentRequest(_transaction_uid(dataset), references)


def read_result(data: bytes, transfer_syntax_uid: str) -> CommitmentResult:
    """Read Event Information. Raises `UnreadableCommitmentError`."""
    dataset = _scanned(data, transfer_syntax_uid)
    committed = tuple(_references(dataset, tags.REFERENCED_SOP_SEQUENCE))
    failed = tuple(
        (*_reference(item), item.integer(_FAILURE_REASON)) for item in dataset.each_item(_FAILED_SOP_SEQUENCE)
    )
    return CommitmentResult(_transaction_uid(dataset), committed, failed)


def written_request(request: CommitmentRequest, transfer_syntax_uid: str) -> bytes:
    """Write Action Information."""
    writer = _Writer(is_explicit=transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN)
    return writer.uid(_TRANSACTION_UID, request.transaction_uid) + writer.sequence(
        tags.REFERENCED_SOP_SEQUENCE, (writer.reference(*each) for each in request.references)
    )


def written_result(
    transaction_uid: str,
    committed: Sequence[Reference],
    failed: Sequence[tuple[str, str, int]],
    *,
    retrieve_ae_title: str,
    transfer_syntax_uid: str,
) -> bytes:
    """Write Event Information. Empty sequences are omitted."""
    writer = _Writer(is_explicit=transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN)
    parts = [
        writer.text(_RETRIEVE_AE_TITLE, b"AE", retrieve_ae_title.encode("ascii"), b" "),
        writer.uid(_TRANSACTION_UID, transaction_uid),
    ]
    if failed:
        items = (
            writer.reference(sop_class, uid) + writer.number(_FAILURE_REASON, reason)
            for sop_class, uid, reason in failed
        )
        parts.append(writer.sequence(_FAILED_SOP_SEQUENCE, items))
    if committed:
        parts.append(
            writer.sequence(tags.REFERENCED_SOP_SEQUENCE, (writer.reference(*each) for each in committed))
        )
    return b"".join(parts)


def event_type(failed: Sequence[object]) -> int:
    """Return the Event Type ID of a result with these failures."""
    return FAILURES_EXIST if failed else ALL_COMMITTED


def _scanned(data: bytes, transfer_syntax_uid: str) -> DataSet:
    try:
        return scan(data, transfer_syntax_uid)
    except DicomError as error:
        raise UnreadableCommitmentError(str(error)) from error


def _transaction_uid(dataset: DataSet) -> str:
    found = dataset.text(_TRANSACTION_UID) or ""
    if not uids.is_tolerable(found):
        raise UnreadableCommitmentError("Transaction UID (0008,1195) is missing or no UID")
    return found


def _references(dataset: DataSet, tag: int) -> Iterable[Reference]:
    return (_reference(item) for item in dataset.each_item(tag))


def _reference(item: DataSet) -> Reference:
    sop_class = item.text(tags.REFERENCED_SOP_CLASS_UID) or ""
    uid = item.text(tags.REFERENCED_SOP_INSTANCE_UID) or ""
    if not uids.is_tolerable(sop_class) or not uids.is_tolerable(uid):
        raise UnreadableCommitmentError("An item lacks the UID of its SOP Class or SOP Instance")
    return sop_class, uid


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes elements in explicit or implicit VR little endian."""

    is_explicit: bool

    def element(self, tag: int, vr: bytes, value: bytes) -> bytes:
        head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
        if not self.is_explicit:
            return head + struct.pack("<L", len(value)) + value
        if vr == b"SQ":
            return head + b"SQ\0\0" + struct.pack("<L", len(value)) + value
        return head + vr + struct.pack("<H", len(value)) + value

    def text(self, tag: int, vr: bytes, value: bytes, padding: bytes) -> bytes:
        return self.element(tag, vr, value + padding if len(value) % 2 else value)

    def uid(self, tag: int, value: str) -> bytes:
        return self.text(tag, b"UI", value.encode("ascii"), b"\0")

    def number(self, tag: int, value: int) -> bytes:
        return self.element(tag, b"US", struct.pack("<H", value))

    def reference(self, sop_class_uid: str, sop_instance_uid: str) -> bytes:
        return self.uid(tags.REFERENCED_SOP_CLASS_UID, sop_class_uid) + self.uid(
            tags.REFERENCED_SOP_INSTANCE_UID, sop_instance_uid
        )

    def sequence(self, tag: int, items: Iterable[bytes]) -> bytes:
        value = b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item for item in items)
        return self.element(tag, b"SQ", value)
