"""The DIMSE services that peers may be allowed to use."""

from __future__ import annotations

from enum import StrEnum


class ServiceName(StrEnum):
    """A service that a peer may request from us, named after its DIMSE service (PS3.7 9)."""

    ECHO = "echo"
    STORE = "store"
    FIND = "find"
    MOVE = "move"
    GET = "get"


ALL_SERVICES = frozenset(ServiceName)
