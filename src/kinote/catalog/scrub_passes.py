"""The passes of the slow scrub: their progress, their node, and what they have found.

There is one pass at a time for all nodes. A node takes the current pass unless another living node has it. Whenever
it writes its progress, it checks whether the pass is still its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from kinote.catalog.nodes import living_nodes
from kinote.catalog.schema.tables import instance, scrub_pass
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects

#: What a pass counts.
COUNTED = ("objects", "bytes", "damaged", "unreadable", "renewed")


@dataclass(slots=True)
class ScrubPass:
    """A pass. It has read local instances up to the key `position`, and ends with `last_key`.

    It has read `objects` with so many `bytes` so far. Of these objects, `damaged` were found damaged, `unreadable`
    could not be read then, and `renewed` have got a digest of the current kind.
    """

    id: int
    begun_at: str
    ended_at: str | None
    node: str
    last_key: int
    position: int = 0
    objects: int = 0
    bytes: int = 0
    damaged: int = 0
    unreadable: int = 0
    renewed: int = 0


def last_pass(connection: Connection) -> ScrubPass | None:
    """Return the current pass, or otherwise the last one."""
    found = connection.execute(_ALL.order_by(scrub_pass.c.id.desc()).limit(1)).first()
    return None if found is None else ScrubPass(*found)


def last_end(connection: Connection) -> str | None:
    """Return when the last complete pass ended; None if there was none."""
    query = select(scrub_pass.c.ended_at).where(scrub_pass.c.ended_at.is_not(None))
    return connection.execute(query.order_by(scrub_pass.c.id.desc()).limit(1)).scalar_one_or_none()


def take_pass(transaction: Connection, node: str, now: datetime, every: timedelta) -> ScrubPass | None:
    """Assign the current pass to a node, or a new pass if the last one began at least `every` ago.

    None if another living node has it, if it is too early for a new one, or if there is nothing to read.
    """
    # If two nodes try at once, the second sees the first.
    dialects.lock_names(transaction, ["kinote scrub"])
    found = last_pass(transaction)
    if found is None or found.ended_at is not None:
        return None if found is not None and _is_fresh(found, now, every) else _begin(transaction, node, now)
    if found.node not in ("", node) and found.node in {each.id for each in living_nodes(transaction, now)}:
        return None
    transaction.execute(scrub_pass.update().where(scrub_pass.c.id == found.id).values(node=node))
    found.node = node
    return found


def keep_pass(transaction: Connection, current: ScrubPass, *, node_after: str) -> bool:
    """Write the progress of a pass, and its node from now on; return False if another node has taken it."""
    changed = transaction.execute(
        scrub_pass.update()
        .where(
            scrub_pass.c.id == current.id,
            scrub_pass.c.node == current.node,
            scrub_pass.c.ended_at.is_(None),
        )
        .values(
            node=node_after,
            ended_at=current.ended_at,
            position=current.position,
            **{name: getattr(current, name) for name in COUNTED},
        )
    )
    return changed.rowcount == 1


def is_next_due(connection: Connection, now: datetime, every: timedelta) -> bool:
    """Return whether there may be a pass to take. Only `take_pass` decides."""
    found = last_pass(connection)
    return found is None or found.ended_at is None or not _is_fresh(found, now, every)


def _is_fresh(last: ScrubPass, now: datetime, every: timedelta) -> bool:
    """Return whether it is too early for the next pass. A pass that a wrong clock has dated into the future does
    not count."""
    return timestamp(now - every) < last.begun_at <= timestamp(now)


def _begin(transaction: Connection, node: str, now: datetime) -> ScrubPass | None:
    last_key = transaction.execute(select(func.max(instance.c.id))).scalar_one_or_none()
    if last_key is None:
        return None
    values: dict[str, Any] = {"begun_at": timestamp(now), "node": node, "last_key": last_key}
    inserted = transaction.execute(scrub_pass.insert().values(**values)).inserted_primary_key
    assert inserted is not None
    return ScrubPass(id=inserted[0], ended_at=None, **values)


_ALL = select(
    scrub_pass.c.id,
    scrub_pass.c.begun_at,
    scrub_pass.c.ended_at,
    scrub_pass.c.node,
    scrub_pass.c.last_key,
    scrub_pass.c.position,
    *(scrub_pass.c[name] for name in COUNTED),
)
