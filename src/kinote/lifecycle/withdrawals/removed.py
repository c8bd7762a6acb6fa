"""What was removed from use in a period, counted by act and by who did it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from kinote.catalog.schema.tables import withdrawal
from kinote.lifecycle.acts import stored_act
from kinote.lifecycle.rejection.rules import Effect
from kinote.security.actors import Actor

#: Acts and people that are told apart at most.
MOST = 1000


@dataclass(frozen=True, slots=True)
class Removed:
    """How many withdrawals somebody made by an act, undone or not, and how many instances these name in all."""

    act: str
    sentence: str
    by: Actor | None
    withdrawals: int
    instances: int


def removed_in(connection: Connection, *, since: str = "", until: str = "") -> list[Removed]:
    """Return what was removed from a moment on and before another; empty is any. Those of most instances come first.

    What waits for a decision or was refused is not counted. Addresses are not told apart.
    """
    instances = func.sum(withdrawal.c.instance_count).label("instances")
    query = select(
        withdrawal.c.act,
        withdrawal.c.who_kind,
        withdrawal.c.who,
        func.count().label("withdrawals"),
        instances,
    ).where(withdrawal.c.effect != str(Effect.PROPOSED))
    if since:
        query = query.where(withdrawal.c.made_at >= since)
    if until:
        query = query.where(withdrawal.c.made_at < until)
    grouped = query.group_by(withdrawal.c.act, withdrawal.c.who_kind, withdrawal.c.who)
    rows = connection.execute(
        grouped.order_by(instances.desc(), withdrawal.c.act, withdrawal.c.who).limit(MOST)
    )
    found = []
    for row in rows:
        act = stored_act(row.act)
        found.append(
            Removed(
                str(act or row.act),
                act.sentence if act else "",
                Actor.stored(row.who_kind, row.who, ""),
                row.withdrawals,
                int(row.instances or 0),
            )
        )
    return found
