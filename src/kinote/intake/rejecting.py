"""Rejection notes among arrivals: what they name, and who sent them."""

from __future__ import annotations

from collections.abc import Sequence

from kinote.intake.arrival import Arrival
from kinote.lifecycle.rejection.arriving import ReceivedRejection, named_uids, rejection_title
from kinote.security.actors import KINOTE, Actor


def named_by_rejections(arrivals: Sequence[Arrival]) -> set[str]:
    """Return the UIDs that rejection notes among the arrivals name."""
    return {
        uid
        for arrival in arrivals
        if arrival.reading is not None
        for uid in named_uids(arrival.reading, arrival.entry.sop_instance_uid)
    }


def rejection_of(arrival: Arrival) -> ReceivedRejection | None:
    """Return an arrival as a rejection note with its sender; None if it is no rejection note."""
    title = rejection_title(arrival.reading)
    if arrival.reading is None or title is None:
        return None
    row = arrival.entry.instance_row
    return ReceivedRejection(
        arrival.entry.sop_instance_uid,
        arrival.entry.study_instance_uid,
        title,
        arrival.reading,
        Actor.stored(row["brought_by_kind"], row["brought_by_name"], row["brought_by_address"]) or KINOTE,
    )
