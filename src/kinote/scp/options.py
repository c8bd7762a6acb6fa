"""Options of the DICOM face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from kinote.dimse.endpoint import PATIENCE, Patience


class ServiceName(Enum):
    """What another application entity may ask of us."""

    ECHO = "echo"
    STORE = "store"
    FIND = "find"
    MOVE = "move"
    GET = "get"


@dataclass(frozen=True, slots=True)
class KnownEntity:
    title: str
    host: str
    port: int | None = None
    services: frozenset[ServiceName] = frozenset(ServiceName)


@dataclass(frozen=True, slots=True)
class ScpOptions:
    ae_titles: tuple[str, ...] = ("KINOTE",)
    host: str = "127.0.0.1"
    port: int = 11112
    entities: Mapping[str, KnownEntity] = field(default_factory=dict)
    unknown_callers: bool = True
    any_called_title: bool = False
    private_classes: bool = True
    associations: int = 200
    patience: Patience = PATIENCE
