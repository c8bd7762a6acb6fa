"""The application entities that the administrator has named, and what each may ask of us."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kinote.dimse.entity import ApplicationEntity


class ServiceName(StrEnum):
    """What others may ask of us, by the DIMSE service of PS3.7 it begins with."""

    ECHO = "echo"
    STORE = "store"
    FIND = "find"
    MOVE = "move"
    GET = "get"


ALL_SERVICES = frozenset(ServiceName)


@dataclass(frozen=True, slots=True)
class KnownEntity:
    """An application entity that the administrator has named, and what it may ask of us."""

    entity: ApplicationEntity
    services: frozenset[ServiceName] = ALL_SERVICES
