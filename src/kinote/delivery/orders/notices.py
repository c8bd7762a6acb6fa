"""Turns owed notices into deliveries when they are due, for destinations that understand rejection notes.

A rejection for patient safety comes first and in its own delivery, so no other notice delays it. For a revised note,
the new document must be confirmed before the old one is rejected. Notices for a receiver without such a destination
wait for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection, select

from kinote.catalog.known_systems import destination_rows
from kinote.catalog.schema.tables import outgoing_delivery
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.orders.ordering import Selected, order
from kinote.delivery.orders.rows import DeliveryState
from kinote.jobs.kinds import NORMAL, URGENT
from kinote.lifecycle.acts import REVISED, SAFETY, stored_act
from kinote.lifecycle.owed.notices import Notice, not_given, notices, peers_owed, successors
from kinote.peers.destination import Content, Destination, destination_of
from kinote.security.actors import KINOTE
from kinote.telemetry.clock import Clock

#: The most notices in one delivery.
_TOGETHER = 500

#: Seconds between two looks, and how long notices wait after a delivery of some has failed.
_EVERY, _AGAIN_AFTER = 5.0, timedelta(hours=1)


class NoticeSender:
    """Orders deliveries of owed notices. Several servers may do this at once."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    def step(self) -> float:
        """Look once. Return the seconds until the next look."""
        with self._catalog.read() as connection:
            owed = [
                (peer, is_safety)
                for peer in peers_owed(connection)
                for is_safety in (True, False)
                if _wanted(connection, peer, self._clock, is_safety=is_safety)
            ]
        for peer, is_safety in owed:
            self._catalog.submit(
                partial(self._order, peer=peer, is_safety=is_safety), background=True
            ).result()
        return _EVERY

    def _order(self, transaction: Connection, peer: int, is_safety: bool) -> None:
        found = _wanted(transaction, peer, self._clock, is_safety=is_safety)
        if not found:
            return
        to, uids = found
        order(
            transaction,
            to.id,
            Selected(instances=tuple(uids)),
            by=KINOTE,
            clock=self._clock,
            content=Content.NOTES,
            priority=URGENT if is_safety else NORMAL,
            reason="owed because of withdrawals",
            cause=cause_of(peer, is_safety=is_safety),
        )


def cause_of(peer: int, *, is_safety: bool = False) -> str:
    """Return the cause of the deliveries of notices to a peer: those for patient safety, or all others."""
    return f"safety notices {peer}" if is_safety else f"notices {peer}"


def destination_for(connection: Connection, peer: int) -> Destination | None:
    """Return the destination by which a peer is told of withdrawals; None if it has to be told by hand."""
    in_use = map(destination_of, destination_rows.destinations_in_use(connection))
    return next(
        (each for each in in_use if each.peer == peer and each.policy.rejection_notes and not each.has_ended),
        None,
    )


def _wanted(
    connection: Connection, peer: int, clock: Clock, *, is_safety: bool
) -> tuple[Destination, Sequence[str]] | None:
    """Return what to send to a peer now; None for nothing."""
    to = destination_for(connection, peer)
    if to is None or _is_under_way(connection, cause_of(peer, is_safety=is_safety), clock):
        return None
    act = SAFETY.name if is_safety else ""
    due = notices(connection, peer_id=peer, only_due=True, act=act, limit=_TOGETHER)
    due = [each for each in due if (stored_act(each.act) is SAFETY and each.is_rejection) is is_safety]
    first = {} if is_safety else _to_be_confirmed_first(connection, peer, due)
    # If the new document is not accepted, only the rejection of the old one has to wait.
    uids = [uid for missing in first.values() for uid in missing]
    uids += [each.sop_instance_uid for each in due if not (each.is_rejection and first.get(each.withdrawal))]
    return (to, list(dict.fromkeys(uids))) if uids else None


def _to_be_confirmed_first(
    connection: Connection, peer: int, due: Sequence[Notice]
) -> dict[int, Sequence[str]]:
    """Return the new documents that a peer lacks, by the withdrawals of the earlier ones."""
    revised = {each.withdrawal for each in due if stored_act(each.act) is REVISED and each.is_rejection}
    return {key: not_given(connection, peer, successors(connection, key)) for key in sorted(revised)}


def _is_under_way(connection: Connection, cause: str, clock: Clock) -> bool:
    """Return whether a delivery of notices is under way, or failed a short time ago."""
    query = (
        select(outgoing_delivery.c.state, outgoing_delivery.c.ended_at)
        .where(outgoing_delivery.c.cause == cause)
        .order_by(outgoing_delivery.c.id.desc())
        .limit(1)
    )
    last = connection.execute(query).first()
    if last is None:
        return False
    state = DeliveryState(last.state)
    if not state.has_ended:
        return True
    return state is not DeliveryState.DONE and last.ended_at > timestamp(clock() - _AGAIN_AFTER)
