"""What an arrival may meet: the instances with the same SOP Instance UID, in the index or earlier in its group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance
from kinote.catalog.sql import statements
from kinote.intake.arrival import Arrival
from kinote.intake.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Known:
    """An instance with the same SOP Instance UID, in the index or earlier in the group."""

    digest: str
    digest_algorithm: str
    transfer_syntax_uid: str
    standing: str
    store: int
    file_key: str | None
    size: int | None
    is_current: bool
    #: Its row; None for an instance of this group, whose bytes certainly exist.
    id: int | None = None
    residence: str = "local"
    dataset_offset: int = 0

    def has_the_file_of(self, arrival: Arrival) -> bool:
        file = arrival.file
        return file is not None and (self.store, self.file_key) == (file.store, file.key)

    def is_same_data_set(self, arrival: Arrival) -> bool:
        return (
            self.transfer_syntax_uid == arrival.entry.transfer_syntax_uid
            and self.size == arrival.entry.instance_row["size"]
            # One of them may be older. Its digest is then computed with the older algorithm.
            and self.digest == arrival.digest_in(self.digest_algorithm)
        )


def known_instances(transaction: Connection, uids: set[str]) -> dict[str, list[Known]]:
    """Return the instances in the index with these UIDs, the current one first."""
    known: dict[str, list[Known]] = {}
    for row in _current(transaction, uids):
        known[row.sop_instance_uid] = [_of_row(row, is_current=True)]
    # Other copies exist only beside a current one.
    for row in _others(transaction, known):
        known[row.sop_instance_uid].append(_of_row(row, is_current=False))
    return known


def _of_row(row: Any, *, is_current: bool) -> Known:
    return Known(
        digest=row.digest,
        digest_algorithm=row.digest_algorithm,
        transfer_syntax_uid=row.transfer_syntax_uid,
        standing=row.standing,
        store=row.store,
        file_key=row.file_key,
        size=row.size,
        is_current=is_current,
        id=row.id,
        residence=row.residence,
        dataset_offset=row.dataset_offset,
    )


def as_known(arrival: Arrival, standing: str, *, is_current: bool) -> Known:
    """Return an arrival in the form in which later arrivals of its group see it."""
    digest = arrival.entry.digest
    return Known(
        digest=digest.root,
        digest_algorithm=digest.algorithm,
        transfer_syntax_uid=arrival.entry.transfer_syntax_uid,
        standing=standing,
        store=arrival.file.store if arrival.file else 1,
        file_key=arrival.file.key if arrival.file else None,
        size=arrival.entry.instance_row["size"],
        is_current=is_current,
    )


_copies = select(
    instance.c.sop_instance_uid,
    instance.c.digest,
    instance.c.digest_algorithm,
    instance.c.transfer_syntax_uid,
    instance.c.standing,
    instance.c.store,
    instance.c.file_key,
    instance.c.size,
    instance.c.id,
    instance.c.residence,
    instance.c.dataset_offset,
)
_current = statements.LookUp(_copies.where(instance.c.is_current), instance.c.sop_instance_uid)
_others = statements.LookUp(_copies.where(~instance.c.is_current), instance.c.sop_instance_uid)


def tombstones(known: Mapping[str, Sequence[Known]]) -> set[str]:
    """Return the UIDs that mean tombstones."""
    return {uid for uid, others in known.items() if tombstone_of(others)}


def tombstone_of(others: Sequence[Known]) -> Known | None:
    """Return the tombstone that a UID means, if it does."""
    return next((other for other in others if other.is_current and other.standing == "purged"), None)


def is_about(verdict: Verdict, current: Known) -> bool:
    """Return whether a verdict is about a row and the bytes that it has now."""
    return current.id is not None and (verdict.first, verdict.digest) == (current.id, current.digest)
