"""What peers have said of the availability of instances: the last word of each peer counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from kinote.catalog.schema.tables import peer, told_availability
from kinote.catalog.schema.timestamps import timestamp

#: UIDs in one statement.
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Told:
    """What a peer said of an instance: Instance Availability (0008,0056), and where it can be retrieved."""

    sop_instance_uid: str
    availability: str
    retrieve_ae_title: str


@dataclass(frozen=True, slots=True)
class ToldBy:
    """What a peer, given by its present name, said of an instance, and when."""

    peer: str
    told: Told
    told_at: str


def record(
    transaction: Connection, peer_key: int, study_instance_uid: str, told: Iterable[Told], *, now: datetime
) -> int:
    """Store what a peer says in place of what it said of these instances before. Returns the number of instances."""
    by_uid = {each.sop_instance_uid: each for each in told}
    uids = sorted(by_uid)
    for first in range(0, len(uids), _CHUNK):
        chunk = uids[first : first + _CHUNK]
        transaction.execute(
            delete(told_availability).where(
                told_availability.c.sop_instance_uid.in_(chunk), told_availability.c.peer == peer_key
            )
        )
        transaction.execute(
            told_availability.insert(),
            [
                {
                    "sop_instance_uid": uid,
                    "peer": peer_key,
                    "study_instance_uid": study_instance_uid,
                    "availability": by_uid[uid].availability,
                    "retrieve_ae_title": by_uid[uid].retrieve_ae_title,
                    "told_at": timestamp(now),
                }
                for uid in chunk
            ],
        )
    return len(uids)


def told_about_instance(connection: Connection, sop_instance_uid: str) -> list[ToldBy]:
    """Return what present peers say of an instance, by their names."""
    query = (
        select(told_availability, peer.c.name)
        .join(peer, peer.c.id == told_availability.c.peer)
        .where(told_availability.c.sop_instance_uid == sop_instance_uid)
        .order_by(peer.c.name)
    )
    return [
        ToldBy(
            row.name,
            Told(row.sop_instance_uid, row.availability, row.retrieve_ae_title),
            row.told_at,
        )
        for row in connection.execute(query)
    ]
