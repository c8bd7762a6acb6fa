"""Errors of changes to peers and destinations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one field, e.g. of `endpoints[0].port`."""

    field: str
    message: str


class RefusedPeerError(ValueError):
    """The definition is not valid. `faults` lists the fields."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


class PeerNotFoundError(LookupError):
    """There is no such peer or destination."""


class PeerVersionError(RuntimeError):
    """The row has changed since the caller read it."""


class NotManagedHereError(RuntimeError):
    """The row comes from the settings, has ended or is still needed. The message says what to do."""
