"""What other application entities may ask of us."""

from __future__ import annotations

from enum import StrEnum


class ServiceName(StrEnum):
    """What others may ask of us, by the DIMSE service of PS3.7 it begins with."""

    ECHO = "echo"
    STORE = "store"
    FIND = "find"
    MOVE = "move"
    GET = "get"


ALL_SERVICES = frozenset(ServiceName)
