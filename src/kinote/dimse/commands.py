"""The commands of the composite services (PS3.7 9.3). `command_sets.normalized` has the normalized ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

MEDIUM_PRIORITY, HIGH_PRIORITY, LOW_PRIORITY = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A message's command. Fields that are None are left out of the command set."""

    code: ClassVar[int]

    #: Whether a data set follows.
    has_data_set: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Command):
    """A request. The response repeats its `message_id`."""

    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Command):
    """A response. PS3.7 Annex C and the service class define `status`."""

    message_id_being_responded_to: int
    status: int
    error_comment: str | None = None
    offending_element: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubOperations(Response):
    """A response to C-GET or C-MOVE, with the numbers of sub-operations (PS3.7 9.1.3, 9.1.4)."""

    affected_sop_class_uid: str | None = None
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CStoreRequest(Request):
    code = 0x0001

    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    priority: int = MEDIUM_PRIORITY
    move_originator_ae_title: str | None = None
    move_originator_message_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CStoreResponse(Response):
    code = 0x8001

    affected_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CGetRequest(Request):
    code = 0x0010

    affected_sop_class_uid: str
    priority: int = MEDIUM_PRIORITY


@dataclass(frozen=True, slots=True, kw_only=True)
class CGetResponse(SubOperations):
    code = 0x8010


@dataclass(frozen=True, slots=True, kw_only=True)
class CFindRequest(Request):
    code = 0x0020

    affected_sop_class_uid: str
    priority: int = MEDIUM_PRIORITY


@dataclass(frozen=True, slots=True, kw_only=True)
class CFindResponse(Response):
    code = 0x8020

    affected_sop_class_uid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CMoveRequest(Request):
    code = 0x0021

    affected_sop_class_uid: str
    move_destination: str
    priority: int = MEDIUM_PRIORITY


@dataclass(frozen=True, slots=True, kw_only=True)
class CMoveResponse(SubOperations):
    code = 0x8021


@dataclass(frozen=True, slots=True, kw_only=True)
class CEchoRequest(Request):
    code = 0x0030

    affected_sop_class_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CEchoResponse(Response):
    code = 0x8030

    affected_sop_class_uid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CCancelRequest(Command):
    """Requests to cancel the operation with that Message ID (PS3.7 9.3.2.3)."""

    code = 0x0FFF

    message_id_being_responded_to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrecognizedRequest(Request):
    """A request that can only be refused: its service is unknown, or a normalized request is incomplete.

    `lacks` says what is missing or malformed; it is empty if the service is unknown.
    """

    code = 0x0000

    command_field: int
    lacks: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrecognizedResponse(Response):
    """The response to an `UnrecognizedRequest`. `command_field` is the request's with the response bit (PS3.7 E.1)."""

    code = 0x8000

    command_field: int
