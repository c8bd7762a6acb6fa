"""The user information items of association negotiation (PS3.7 Annex D.3)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

from kinote.dimse.errors import PduError
from kinote.dimse.protocol.items import item, items, uid_of

_LENGTH = struct.Struct(">I")
_WINDOW = struct.Struct(">HH")
_SHORT = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class AsynchronousOperations:
    """Maximum outstanding operations in each direction; 0 means unlimited (D.3.3.3)."""

    invoked: int = 1
    performed: int = 1


@dataclass(frozen=True, slots=True)
class RoleSelection:
    """The requestor's roles for a SOP class: those proposed, or in an answer those accepted (D.3.3.4)."""

    sop_class_uid: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class ExtendedNegotiation:
    """Application information of a service class, e.g. support for relational queries (D.3.3.5; PS3.4 C.5)."""

    sop_class_uid: str
    application_information: bytes


@dataclass(frozen=True, slots=True)
class CommonExtendedNegotiation:
    """The service class and the related general SOP classes of a proposed SOP class (D.3.3.6)."""

    sop_class_uid: str
    service_class_uid: str
    related_general_sop_class_uids: tuple[str, ...] = ()


class IdentityType(IntEnum):
    """The form of a user identity (D.3.3.7)."""

    USERNAME = 1
    USERNAME_AND_PASSCODE = 2
    KERBEROS = 3
    SAML = 4
    JWT = 5


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """The user who requests the association. `secondary` is the passcode. Never logged."""

    type: int
    primary: bytes
    secondary: bytes = b""
    response_requested: bool = False

    def __repr__(self) -> str:
        return f"UserIdentity(type={self.type})"


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The user information item of an A-ASSOCIATE-RQ or -AC.

    `maximum_length` is the maximum length in bytes of the variable field of a P-DATA-TF that the sender of this item
    accepts; 0 means unlimited.
    """

    maximum_length: int = 0
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    asynchronous_operations: AsynchronousOperations | None = None
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[ExtendedNegotiation, ...] = ()
    common_extended: tuple[CommonExtendedNegotiation, ...] = ()
    identity: UserIdentity | None = None
    identity_response: bytes | None = None


def encode_user_information(information: UserInformation) -> bytes:
    """Encode the value of the user information item (50H), with its sub-items in order of their types."""
    parts = [item(0x51, _LENGTH.pack(information.maximum_length))]
    parts.append(item(0x52, information.implementation_class_uid.encode("ascii")))
    if information.asynchronous_operations is not None:
        window = information.asynchronous_operations
        parts.append(item(0x53, _WINDOW.pack(window.invoked, window.performed)))
    parts += [
        item(0x54, _counted(role.sop_class_uid.encode("ascii")) + bytes((role.scu, role.scp)))
        for role in information.roles
    ]
    if information.implementation_version_name:
        parts.append(item(0x55, information.implementation_version_name.encode("ascii")))
    for extended in information.extended:
        uid = _counted(extended.sop_class_uid.encode("ascii"))
        parts.append(item(0x56, uid + extended.application_information))
    for common in information.common_extended:
        related = b"".join(_counted(uid.encode("ascii")) for uid in common.related_general_sop_class_uids)
        uids = (common.sop_class_uid, common.service_class_uid)
        value = b"".join(_counted(uid.encode("ascii")) for uid in uids) + _counted(related)
        parts.append(item(0x57, value))
    if information.identity is not None:
        identity = information.identity
        head = bytes((identity.type, identity.response_requested))
        parts.append(item(0x58, head + _counted(identity.primary) + _counted(identity.secondary)))
    if information.identity_response is not None:
        parts.append(item(0x59, _counted(information.identity_response)))
    return b"".join(parts)


def decode_user_information(data: bytes) -> UserInformation:
    """Decode the value of a user information item. Unknown sub-items are ignored (PS3.8 9.3.1).

    Raises `PduError` if a known sub-item is malformed.
    """
    information = UserInformation()
    for kind, value in items(data, "User information"):
        read = _READERS.get(kind)
        if read is not None:
            information = read(information, _Fields(value, f"User information, item {kind:02X}H"))
    return information


class _Fields:
    """Reads the fields of a sub-item in order."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self.what = what

    def take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            raise PduError(f"{self.what}: ends after {len(self._data)} bytes")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def counted(self) -> bytes:
        """Read a field that is preceded by its length in two bytes."""
        return self.take(_SHORT.unpack(self.take(_SHORT.size))[0])

    def uid(self) -> str:
        return uid_of(self.counted(), self.what)

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    @property
    def is_done(self) -> bool:
        return self._at == len(self._data)


def _maximum_length(information: UserInformation, fields: _Fields) -> UserInformation:
    return replace(information, maximum_length=_LENGTH.unpack(fields.take(4))[0])


def _class_uid(information: UserInformation, fields: _Fields) -> UserInformation:
    return replace(information, implementation_class_uid=uid_of(fields.rest(), fields.what))


def _window(information: UserInformation, fields: _Fields) -> UserInformation:
    invoked, performed = _WINDOW.unpack(fields.take(4))
    return replace(information, asynchronous_operations=AsynchronousOperations(invoked, performed))


def _role(information: UserInformation, fields: _Fields) -> UserInformation:
    uid = fields.uid()
    scu, scp = fields.take(2)
    return replace(information, roles=(*information.roles, RoleSelection(uid, scu == 1, scp == 1)))


def _version_name(information: UserInformation, fields: _Fields) -> UserInformation:
    name = fields.rest().decode("ascii", "replace").replace("\ufffd", "?").strip("\0 ")
    return replace(information, implementation_version_name=name)


def _extended(information: UserInformation, fields: _Fields) -> UserInformation:
    extended = ExtendedNegotiation(fields.uid(), fields.rest())
    return replace(information, extended=(*information.extended, extended))


def _common_extended(information: UserInformation, fields: _Fields) -> UserInformation:
    sop_class_uid, service_class_uid = fields.uid(), fields.uid()
    related = _Fields(fields.counted(), fields.what)
    uids = []
    while not related.is_done:
        uids.append(related.uid())
    common = CommonExtendedNegotiation(sop_class_uid, service_class_uid, tuple(uids))
    return replace(information, common_extended=(*information.common_extended, common))


def _identity(information: UserInformation, fields: _Fields) -> UserInformation:
    kind, response_requested = fields.take(2)
    identity = UserIdentity(kind, fields.counted(), fields.counted(), response_requested == 1)
    return replace(information, identity=identity)


def _identity_response(information: UserInformation, fields: _Fields) -> UserInformation:
    return replace(information, identity_response=fields.counted())


def _counted(value: bytes) -> bytes:
    return _SHORT.pack(len(value)) + value


_READERS: dict[int, Callable[[UserInformation, _Fields], UserInformation]] = {
    0x51: _maximum_length,
    0x52: _class_uid,
    0x53: _window,
    0x54: _role,
    0x55: _version_name,
    0x56: _extended,
    0x57: _common_extended,
    0x58: _identity,
    0x59: _identity_response,
}
