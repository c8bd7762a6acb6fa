"""Fetches one object from an archive, by C-GET on an association of ours (PS3.4 C.4.3)."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from kinote.dicom.dictionary.transfer_syntaxes import IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking, statuses
from kinote.dimse.associations.negotiation import Context
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.commands import CStoreRequest, CStoreResponse
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.information_models import STUDY_ROOT
from kinote.dimse.transport.tls import TlsOptions

#: The bytes of a fetched object kept in memory. More go to an unnamed temporary file.
_IN_MEMORY = 8 * 1024 * 1024

#: How much larger a returned object may be, in bytes. A longer one is cut off.
_MORE = 1024 * 1024


class NotFetchedError(RuntimeError):
    """An archive does not return an object. The message says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object as the archive knows it: by the UIDs under which it was sent."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    size: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """A data set from an archive, positioned at its beginning, and its transfer syntax. The caller closes it."""

    file: BinaryIO
    size: int
    transfer_syntax_uid: str


def fetch(
    archive: ApplicationEntity, wanted: Wanted, *, title: str, tls: TlsOptions, seconds: float
) -> Fetched:
    """Fetch an object within some seconds. Raises `NotFetchedError` and `DimseError`."""
    # In the transfer syntax in which it was sent: in another, the bytes would differ.
    proposal = Proposal(
        [
            (STUDY_ROOT.get, (IMPLICIT_VR_LITTLE_ENDIAN,)),
            (wanted.sop_class_uid, (wanted.transfer_syntax_uid,)),
        ],
        storing=frozenset({wanted.sop_class_uid}),
    )
    taking = _Taking(wanted)
    try:
        with association(archive, title, proposal, tls=tls) as opened, opened.within(seconds):
            last = None
            for answer in invoking.get(opened, STUDY_ROOT.get, _identifier(wanted), taking.store):
                last = answer
        if taking.fetched is None:
            raise NotFetchedError(taking.fault or _said(last))
        return taking.fetched
    except BaseException:
        if taking.fetched is not None:
            taking.fetched.file.close()
        raise


class _Taking:
    """Accepts the requested object and nothing else."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self.fetched: Fetched | None = None
        self.fault = ""

    def store(
        self, context: Context, request: CStoreRequest, data_set: Iterator[memoryview]
    ) -> CStoreResponse:
        status = self._take(context, request, data_set)
        return CStoreResponse(
            message_id_being_responded_to=request.message_id,
            affected_sop_class_uid=request.affected_sop_class_uid,
            affected_sop_instance_uid=request.affected_sop_instance_uid,
            status=status,
        )

    def _take(self, context: Context, request: CStoreRequest, data_set: Iterator[memoryview]) -> int:
        if request.affected_sop_instance_uid != self._wanted.sop_instance_uid or self.fetched is not None:
            self.fault = "It gives another object than was asked for."
            return statuses.CANNOT_UNDERSTAND
        file = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
        size = 0
        try:
            for piece in data_set:
                size += len(piece)
                if size > self._wanted.size + _MORE:
                    self.fault = "What it gives is larger than the object that was sent there."
                    file.close()
                    return statuses.OUT_OF_RESOURCES
                file.write(piece)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        self.fetched = Fetched(file, size, context.transfer_syntax)
        return statuses.SUCCESS


def _said(answer: object) -> str:
    status = getattr(answer, "status", None)
    if status is None or status == statuses.SUCCESS:
        return "It does not give the object, and says nothing of why."
    comment = getattr(answer, "error_comment", None)
    return f"It answers with status {status:04X}H" + (f": {comment}." if comment else ".")


def _identifier(wanted: Wanted) -> bytes:
    """Return the identifier of a C-GET at IMAGE level, in implicit little endian (PS3.4 C.4.3.1.3)."""
    return b"".join(
        _element(tag, value, padding)
        for tag, value, padding in (
            (0x00080018, wanted.sop_instance_uid, b"\0"),
            (0x00080052, "IMAGE", b" "),
            (0x0020000D, wanted.study_instance_uid, b"\0"),
            (0x0020000E, wanted.series_instance_uid, b"\0"),
        )
    )


def _element(tag: int, text: str, padding: bytes) -> bytes:
    value = text.encode("ascii")
    if len(value) % 2:
        value += padding
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value
