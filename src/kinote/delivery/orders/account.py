"""The account of a delivery (law 10): what was to be sent, what was acknowledged, and what is at the destination."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Connection

from kinote.delivery.orders.rows import Delivery, DeliveryState, set_state
from kinote.telemetry.clock import Clock


class Verdict(StrEnum):
    """What is known of the account of a delivery, as it is stored."""

    #: Everything that was acknowledged is at the destination.
    AGREES = "agrees"
    #: Something that was acknowledged is not at the destination.
    DIFFERS = "differs"
    #: The destination cannot be asked.
    UNVERIFIED = "unverified"


def conclude(transaction: Connection, found: Delivery, *, clock: Clock) -> None:
    """End a delivery of which nothing is left to be sent."""
    state = DeliveryState.FAILED if found.refused or found.failed else DeliveryState.DONE
    set_state(transaction, found.id, state, clock(), verdict=str(Verdict.UNVERIFIED))
