"""Encoding and decoding of protocol data units (PS3.8 9.3)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kinote.dimse.errors import AbortReason, PduError
from kinote.dimse.protocol.items import item, items, uid_of
from kinote.dimse.protocol.user_information import (
    UserInformation,
    decode_user_information,
    encode_user_information,
)

#: DICOM Application Context Name (PS3.7 A.2.1).
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

#: Type and length of every PDU.
HEAD = struct.Struct(">BxI")
_VERSION = struct.Struct(">Hxx16s16s32x")
_PRESENTATION_DATA = struct.Struct(">IBB")
#: The headers of a PDU with a single presentation data value, and of that value.
_DATA_HEAD = struct.Struct(">BxIIBB")

#: Maximum values of a P-DATA-TF. One or two are usual. Many empty ones would take far more memory than the PDU itself.
_MOST_VALUES = 4096

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA_TF, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A proposed presentation context: an abstract syntax and its possible transfer syntaxes."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextResult:
    """The acceptor's result for a presentation context (PS3.8 9.3.3.2).

    `result` is 0 acceptance, 1 user rejection, 2 no reason, 3 abstract syntax not supported, 4 transfer
    syntaxes not supported. The transfer syntax has a meaning only for 0.
    """

    id: int
    result: int
    transfer_syntax: str = ""


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2)."""

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[ProposedContext, ...]
    user_information: UserInformation = field(default_factory=UserInformation)
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """A-ASSOCIATE-AC (PS3.8 9.3.3). The titles repeat those of the request; the receiver does not test them."""

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[ContextResult, ...]
    user_information: UserInformation = field(default_factory=UserInformation)
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1


@dataclass(frozen=True, slots=True)
class AssociateReject:
    """A-ASSOCIATE-RJ (PS3.8 9.3.4, Table 9-21): result 1 permanent or 2 transient, source, reason."""

    result: int
    source: int
    reason: int


@dataclass(frozen=True, slots=True)
class PresentationData:
    """A presentation data value: a fragment of a command or of a data set (PS3.8 9.3.5.1, Annex E)."""

    context_id: int
    is_command: bool
    is_last: bool
    fragment: bytes | memoryview


@dataclass(frozen=True, slots=True)
class DataTransfer:
    """P-DATA-TF (PS3.8 9.3.5)."""

    values: tuple[PresentationData, ...]


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """A-RELEASE-RQ (PS3.8 9.3.6)."""


@dataclass(frozen=True, slots=True)
class ReleaseReply:
    """A-RELEASE-RP (PS3.8 9.3.7)."""


@dataclass(frozen=True, slots=True)
class Abort:
    """A-ABORT (PS3.8 9.3.8): source 0 is the service user, 2 the service provider."""

    source: int
    reason: int = AbortReason.NOT_SPECIFIED


Pdu = (
    AssociateRequest
    | AssociateAccept
    | AssociateReject
    | DataTransfer
    | ReleaseRequest
    | ReleaseReply
    | Abort
)


# --- writing ------------------------------------------------------------------------------------


def encode(pdu: Pdu) -> bytes:
    """Encode a PDU. `encode_in_pieces` does the same without copying the fragments of a P-DATA-TF."""
    match pdu:
        case AssociateRequest():
            contexts = [item(0x20, bytes((each.id, 0, 0, 0)) + _syntaxes(each)) for each in pdu.contexts]
            return _pdu(ASSOCIATE_RQ, _associate(pdu, contexts))
        case AssociateAccept():
            contexts = [
                item(0x21, bytes((each.id, 0, each.result, 0)) + _uid_item(0x40, each.transfer_syntax))
                for each in pdu.contexts
            ]
            return _pdu(ASSOCIATE_AC, _associate(pdu, contexts))
        case AssociateReject():
            return _pdu(ASSOCIATE_RJ, bytes((0, pdu.result, pdu.source, pdu.reason)))
        case DataTransfer():
            return b"".join(encode_in_pieces(pdu))
        case ReleaseRequest():
            return _pdu(RELEASE_RQ, bytes(4))
        case ReleaseReply():
            return _pdu(RELEASE_RP, bytes(4))
        case Abort():
            return _pdu(ABORT, bytes((0, 0, pdu.source, pdu.reason)))


def encode_in_pieces(pdu: Pdu) -> tuple[bytes | memoryview, ...]:
    """Encode a PDU in pieces to be sent in order. The fragments of a P-DATA-TF are not copied."""
    if not isinstance(pdu, DataTransfer):
        return (encode(pdu),)
    length = sum(len(value.fragment) + _PRESENTATION_DATA.size for value in pdu.values)
    pieces: list[bytes | memoryview] = []
    head = HEAD.pack(P_DATA_TF, length)
    for value in pdu.values:
        own = _PRESENTATION_DATA.pack(len(value.fragment) + 2, value.context_id, _control(value))
        pieces += (head + own, value.fragment)
        head = b""
    return tuple(pieces)


def data_in_pieces(
    context_id: int, data: bytes | memoryview, *, is_command: bool, is_last: bool, fragment: int
) -> list[bytes | memoryview]:
    """Encode a command or data set as P-DATA-TF PDUs, in pieces to be sent in order, without copying the data.

    Each PDU carries one value with at most `fragment` bytes. `is_last` tells whether `data` ends the command or the
    data set.
    """
    size = len(data)
    control = is_command | is_last << 1
    if size <= fragment:
        return [_DATA_HEAD.pack(P_DATA_TF, size + 6, size + 2, context_id, control), data]
    view = memoryview(data)
    pieces: list[bytes | memoryview] = []
    for at in range(0, size, fragment):
        piece = view[at : at + fragment]
        held = len(piece)
        own = control if at + held == size else control & 1
        pieces += (_DATA_HEAD.pack(P_DATA_TF, held + 6, held + 2, context_id, own), piece)
    return pieces


def _pdu(kind: int, value: bytes) -> bytes:
    return HEAD.pack(kind, len(value)) + value


def _associate(pdu: AssociateRequest | AssociateAccept, contexts: Sequence[bytes]) -> bytes:
    titles = (title.encode("ascii").ljust(16) for title in (pdu.called_ae_title, pdu.calling_ae_title))
    return (
        _VERSION.pack(pdu.protocol_version, *titles)
        + _uid_item(0x10, pdu.application_context)
        + b"".join(contexts)
        + item(0x50, encode_user_information(pdu.user_information))
    )


def _syntaxes(context: ProposedContext) -> bytes:
    transfer = b"".join(_uid_item(0x40, uid) for uid in context.transfer_syntaxes)
    return _uid_item(0x30, context.abstract_syntax) + transfer


def _uid_item(kind: int, uid: str) -> bytes:
    return item(kind, uid.encode("ascii"))


def _control(value: PresentationData) -> int:
    return value.is_command | value.is_last << 1


# --- reading ------------------------------------------------------------------------------------


def decode(kind: int, data: bytes | memoryview) -> Pdu:
    """Decode the variable part of a PDU of type `kind`. Reserved fields are not tested.

    Raises `PduError` if the type is unknown or the PDU is malformed.
    """
    read = _READERS.get(kind)
    if read is None:
        raise PduError(f"A PDU of type {kind:02X}H is unknown", AbortReason.UNRECOGNIZED_PDU)
    return read(data)


def _associate_request(data: bytes | memoryview) -> AssociateRequest:
    what = "A-ASSOCIATE-RQ"
    version, called, calling, application, found, information = _read_associate(data, what)
    contexts = tuple(_proposed(value) for kind, value in found if kind == 0x20)
    return AssociateRequest(called, calling, contexts, information, application, version)


def _associate_accept(data: bytes | memoryview) -> AssociateAccept:
    what = "A-ASSOCIATE-AC"
    version, called, calling, application, found, information = _read_associate(data, what)
    contexts = tuple(_result(value) for kind, value in found if kind == 0x21)
    return AssociateAccept(called, calling, contexts, information, application, version)


def _read_associate(
    data: bytes | memoryview, what: str
) -> tuple[int, str, str, str, list[tuple[int, bytes]], UserInformation]:
    if len(data) < _VERSION.size:
        raise PduError(f"{what}: ends after {len(data)} bytes")
    version, called, calling = _VERSION.unpack_from(data)
    application = ""
    information = UserInformation()
    contexts = []
    for kind, value in items(bytes(data[_VERSION.size :]), what):
        if kind == 0x10:
            application = uid_of(value, f"{what}, application context")
        elif kind == 0x50:
            information = decode_user_information(value)
        else:
            contexts.append((kind, value))
    return version, _title(called, what), _title(calling, what), application, contexts, information


def _title(value: bytes, what: str) -> str:
    """Decode an AE title. Spaces around it are insignificant (PS3.5 6.2); some peers pad it with null bytes."""
    if not value.isascii():
        raise PduError(f"{what}: an AE title contains characters that are not ASCII")
    return value.decode("ascii").strip("\0 ")


def _proposed(data: bytes) -> ProposedContext:
    what = "Presentation context"
    if len(data) < 4:
        raise PduError(f"{what}: ends after {len(data)} bytes")
    abstract = ""
    transfer = []
    for kind, value in items(data[4:], what):
        if kind == 0x30:
            abstract = uid_of(value, f"{what}, abstract syntax")
        elif kind == 0x40:
            transfer.append(uid_of(value, f"{what}, transfer syntax"))
    return ProposedContext(data[0], abstract, tuple(transfer))


def _result(data: bytes) -> ContextResult:
    what = "Presentation context result"
    if len(data) < 4:
        raise PduError(f"{what}: ends after {len(data)} bytes")
    transfer = ""
    for kind, value in items(data[4:], what):
        if kind == 0x40:
            transfer = uid_of(value, f"{what}, transfer syntax")
    return ContextResult(data[0], data[2], transfer)


def _associate_reject(data: bytes | memoryview) -> AssociateReject:
    _require(data, 4, "A-ASSOCIATE-RJ")
    return AssociateReject(data[1], data[2], data[3])


def _data_transfer(data: bytes | memoryview) -> DataTransfer:
    view = memoryview(data)
    values: list[PresentationData] = []
    at = 0
    while at < len(view):
        if at + _PRESENTATION_DATA.size > len(view):
            raise PduError(f"P-DATA-TF: {len(view) - at} bytes are left where a value should begin")
        length, context_id, control = _PRESENTATION_DATA.unpack_from(view, at)
        end = at + 4 + length
        if length < 2 or end > len(view):
            raise PduError(f"P-DATA-TF: a value of {length} bytes, but {len(view) - at - 4} are left")
        fragment = view[at + _PRESENTATION_DATA.size : end]
        if len(values) == _MOST_VALUES:
            raise PduError(f"P-DATA-TF: more than {_MOST_VALUES} values")
        values.append(PresentationData(context_id, bool(control & 1), bool(control & 2), fragment))
        at = end
    if not values:
        raise PduError("P-DATA-TF: contains no value")
    return DataTransfer(tuple(values))


def _release_request(data: bytes | memoryview) -> ReleaseRequest:
    _require(data, 4, "A-RELEASE-RQ")
    return ReleaseRequest()


def _release_reply(data: bytes | memoryview) -> ReleaseReply:
    _require(data, 4, "A-RELEASE-RP")
    return ReleaseReply()


def _abort(data: bytes | memoryview) -> Abort:
    _require(data, 4, "A-ABORT")
    return Abort(data[2], data[3])


def _require(data: bytes | memoryview, length: int, what: str) -> None:
    if len(data) != length:
        raise PduError(f"{what}: has {len(data)} bytes instead of {length}")


_READERS: dict[int, Callable[[bytes | memoryview], Pdu]] = {
    ASSOCIATE_RQ: _associate_request,
    ASSOCIATE_AC: _associate_accept,
    ASSOCIATE_RJ: _associate_reject,
    P_DATA_TF: _data_transfer,
    RELEASE_RQ: _release_request,
    RELEASE_RP: _release_reply,
    ABORT: _abort,
}
