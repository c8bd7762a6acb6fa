"""Instances whose stored bytes are not the ones received: marking and counting them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Counter
from sqlalchemy import Connection, func, select, update

from kinote.catalog import changes
from kinote.catalog.changes import Change, Kind
from kinote.catalog.schema.tables import DAMAGED, instance, instance_bytes, study
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.checking import Difference
from kinote.holdings.stored import Stored
from kinote.telemetry.registry import REGISTRY

log = logging.getLogger(__name__)

_FOUND = Counter(
    "kinote_objects_found_damaged",
    "Objects whose stored bytes were found not to be those received, by what was wrong.",
    ["difference"],
    registry=REGISTRY,
)

#: The number of UIDs that an alert names.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Damaged:
    """The number of instances with residence `damaged`, and some of their UIDs."""

    count: int = 0
    some: tuple[str, ...] = ()


def mark_damaged(
    catalog: Catalog, stored: Stored, difference: Difference, now: datetime, *, background: bool = False
) -> bool:
    """Give an instance the residence `damaged`. Return whether this call changed it.

    Nothing changes if the row has changed since it was read, for example because another copy of the bytes has arrived.
    Use `background` when nobody is waiting for the object.
    """
    marking = catalog.submit(lambda transaction: _mark(transaction, stored, now), background=background)
    marked = marking.result()
    if marked:
        _FOUND.labels(difference).inc()
        log.error(
            "Stored bytes are not what was received: the object is damaged, and is not sent any more",
            extra={
                "sop_instance_uid": stored.sop_instance_uid,
                "difference": difference,
                "file": stored.file_key,
            },
        )
    return marked


def _mark(transaction: Connection, stored: Stored, now: datetime) -> bool:
    if stored.file_key is None:
        # If the same object arrives again, only its bytes change, not its row.
        here = select(instance_bytes.c.dataset).where(instance_bytes.c.instance == stored.id)
        if transaction.execute(here).scalar_one_or_none() != stored.dataset:
            return False
    changed = transaction.execute(
        update(instance)
        .where(
            instance.c.id == stored.id,
            instance.c.residence == "local",
            instance.c.store == stored.store,
            instance.c.file_key.is_not_distinct_from(stored.file_key),
            instance.c.digest == stored.digest,
        )
        .values(residence="damaged")
    )
    if not changed.rowcount:
        return False
    tell(transaction, Kind.INSTANCE_DAMAGED, [stored.id], now)
    return True


def tell(transaction: Connection, kind: Kind, instances: Sequence[int], now: datetime) -> None:
    """Write to the change feed what happened to the bytes of instances."""
    rows = transaction.execute(
        select(study.c.study_instance_uid, instance.c.sop_instance_uid)
        .join(study, study.c.id == instance.c.study)
        .where(instance.c.id.in_(instances))
        .order_by(instance.c.id)
    )
    changes.record(transaction, [Change(kind, *row) for row in rows], now=now)


def damaged_now(connection: Connection) -> Damaged:
    """Return what is damaged now."""
    count = connection.execute(
        select(func.count()).select_from(instance).where(instance.c.residence == DAMAGED)
    )
    number = count.scalar_one()
    if not number:
        return Damaged()
    some = select(instance.c.sop_instance_uid).where(instance.c.residence == DAMAGED).limit(_NAMED)
    return Damaged(number, tuple(connection.execute(some).scalars()))
