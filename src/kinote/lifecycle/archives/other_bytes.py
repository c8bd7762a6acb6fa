"""Other bytes under the UID of an instance that an archive has: corrected or re-encoded on their way there.

An archive may keep them instead of those that it had, and its commitment names class and UID alone. So its evidence
ends before the first of these bytes goes out, and what is at the archive alone is not sent to it in other bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance, location
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.guards import hold
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.archives.evidence import Evidence
from kinote.lifecycle.archives.promises import suspend
from kinote.lifecycle.guards import CAN_GO_OTHERWISE


class OnlyCopyThereError(OSError):
    """The archive has the only copy of the bytes that were received. The message says what to do."""

    def __init__(self, sop_instance_uid: str) -> None:
        super().__init__(
            f"The destination has the only sound copy of the instance {sop_instance_uid} as it was received, and "
            "might replace it by a corrected or re-encoded one. Send it again once it was recalled."
        )


def has_evidence(connection: Connection, peer_id: int, key: int) -> bool:
    """Return whether a peer has acknowledged or committed to an instance."""
    query = select(location.c.instance).where(location.c.archive == peer_id, location.c.instance == key)
    return connection.execute(query).first() is not None


def end_evidence_before(catalog: Catalog, peer_id: int, key: int) -> None:
    """Do what `other_bytes_go_out` does, with a transaction of its own where there is evidence."""
    with catalog.read() as connection:
        may_have_it = has_evidence(connection, peer_id, key)
    if may_have_it:
        catalog.write(lambda transaction: other_bytes_go_out(transaction, peer_id, key))


def other_bytes_go_out(transaction: Connection, peer_id: int, key: int) -> bool:
    """End the evidence of an archive for an instance that is about to be sent there otherwise than it is stored.

    Returns whether there was any. Raises `OnlyCopyThereError` if the bytes that were received are not here.
    """
    # Locked, as by an eviction: what is here when the evidence ends stays here.
    row = transaction.execute(
        select(instance.c.residence, instance.c.sop_instance_uid)
        .where(instance.c.id == key)
        .with_for_update()
    ).one_or_none()
    if row is None or not has_evidence(transaction, peer_id, key):
        return False
    if not hold(CAN_GO_OTHERWISE, row):
        raise OnlyCopyThereError(row.sop_instance_uid)
    transaction.execute(location.delete().where(location.c.archive == peer_id, location.c.instance == key))
    return True


def changed_by_archive(transaction: Connection, peer_id: int, keys: Sequence[int], now: datetime) -> None:
    """End the evidence of an archive for instances that it has just taken with a warning: it may keep them changed.

    Of those whose bytes have been evicted meanwhile it is told loudly: the archive's promises are suspended. They can
    still be recalled, and what comes back is compared.
    """
    if not keys:
        return
    of_these = (location.c.archive == peer_id, location.c.instance.in_(keys))
    rows = transaction.execute(
        select(instance.c.id, instance.c.residence, instance.c.sop_instance_uid)
        .join(location, location.c.instance == instance.c.id)
        .where(*of_these)
        .order_by(instance.c.id)
        .with_for_update(of=instance)
    ).all()
    gone = [row for row in rows if not hold(CAN_GO_OTHERWISE, row)]
    here = [row.id for row in rows if row not in gone]
    transaction.execute(location.delete().where(location.c.archive == peer_id, location.c.instance.in_(here)))
    if gone:
        # Without a digest no commitment makes it a promise.
        transaction.execute(
            location.update()
            .where(location.c.archive == peer_id, location.c.instance.in_([row.id for row in gone]))
            .values(evidence=str(Evidence.ACKNOWLEDGED), at=timestamp(now), digest="")
        )
        because = (
            f"It says that it has changed {len(gone)} instances when they were sent to it again, and has the only "
            f"copies, among them {gone[0].sop_instance_uid}."
        )
        suspend(transaction, peer_id, because, now)
