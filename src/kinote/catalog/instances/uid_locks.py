"""Locks on SOP Instance UIDs until the end of a transaction: what arrives under a UID, and what ends it, take turns.

They do nothing where writers come one at a time anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from sqlalchemy import Connection

from kinote.catalog.sql import dialects

#: Shared when locking single UIDs; exclusive when there are too many.
_ANY_INSTANCE = "any instance"

#: If there are more UIDs than this, they are not locked one by one, because a database has space for only a few
#: thousand locks.
ONE_BY_ONE = 256


def lock_uids(transaction: Connection, sop_instance_uids: Iterable[str]) -> None:
    """Lock these UIDs. To be called once in a transaction, before rows of instances are locked."""
    dialects.lock_names(transaction, [_ANY_INSTANCE], shared=True)
    dialects.lock_names(transaction, sop_instance_uids)


def lock_any_uid(transaction: Connection) -> None:
    """Lock all UIDs: where there would be too many locks, or no instance may arrive meanwhile."""
    dialects.lock_names(transaction, [_ANY_INSTANCE])


def lock_many_uids(transaction: Connection, sop_instance_uids: Iterable[str]) -> None:
    """Lock these UIDs, or all where there are many. To be called once, before rows of instances are locked."""
    if not dialects.has_several_writers(transaction):
        return
    uids = set(islice(sop_instance_uids, ONE_BY_ONE + 1))
    if len(uids) > ONE_BY_ONE:
        lock_any_uid(transaction)
    else:
        lock_uids(transaction, uids)
