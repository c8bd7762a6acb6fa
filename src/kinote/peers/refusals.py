"""Why peers and destinations are not changed as somebody asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field, e.g. `endpoints[0].port`."""

    field: str
    message: str


class RefusedPeerError(ValueError):
    """What was asked for cannot be; `faults` name the fields."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


class PeerNotFoundError(LookupError):
    """There is no such peer or destination."""


class PeerVersionError(RuntimeError):
    """It has another version than the one that somebody has seen."""


class NotManagedHereError(RuntimeError):
    """The row comes from the settings, or is still needed; the message says what to do."""
