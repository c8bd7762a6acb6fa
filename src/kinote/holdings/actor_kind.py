"""Who asks for bytes, as far as that is known before anybody signs in."""

from __future__ import annotations

from enum import StrEnum


class ActorKind(StrEnum):
    """A person at a viewer or another HTTP client, another system, or the server itself."""

    PERSON = "person"
    SYSTEM = "system"
    SERVER = "server"
