"""Other bytes under the UID of an instance that an archive has: corrected or re-encoded on their way there.

An archive may keep them instead of those that it had, and its commitment names class and UID alone. So its evidence
ends before the first of these bytes goes out, and what is at the archive alone is not sent to it in other bytes.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance, location


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
    if row.residence != "local":
        raise OnlyCopyThereError(row.sop_instance_uid)
    transaction.execute(location.delete().where(location.c.archive == peer_id, location.c.instance == key))
    return True
