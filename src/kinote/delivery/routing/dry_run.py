"""The dry run of a route: the same SQL as for acting, over the change feed, the newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.changes import Change
from kinote.catalog.schema.tables import change
from kinote.catalog.schema.timestamps import timestamp
from kinote.delivery.routing.acting import receiver_of
from kinote.delivery.routing.following import occasions, studies_with_news
from kinote.delivery.routing.route import Route, Trigger
from kinote.delivery.routing.selecting import Occasion, chosen, holds

#: The number of changes on one page, and of objects named for one occasion.
CHANGES, NAMED = 1000, 100


@dataclass(frozen=True, slots=True)
class WouldOrder:
    """An occasion, and what a route would order on it as things are now.

    `objects` counts what would be sent, `there` what the receiver has already, or will get. `named` are the first of
    both.
    """

    occasion: Occasion
    objects: int
    there: int
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DryRun:
    """A page of a dry run. `before` is where the next page begins; None after the last."""

    items: list[WouldOrder]
    before: int | None


def dry_run(
    connection: Connection, route: Route, since: datetime, now: datetime, *, before: int | None = None
) -> DryRun:
    """Return what a route would have ordered since a time, enabled or not, as its conditions hold now.

    A study whose objects came in several pages is named on each of them. Raises `NotDeliverableError` if the
    destination of the route has ended.
    """
    query = select(change).order_by(change.c.sequence.desc()).limit(CHANGES)
    if before is not None:
        query = query.where(change.c.sequence < before)
    rows = connection.execute(query).all()
    moment = timestamp(since)
    recent = [row for row in rows if row.made_at >= moment]
    happened = [
        Change(row.kind, row.study_instance_uid, row.sop_instance_uid, row.note) for row in reversed(recent)
    ]
    found = [each for each in occasions(happened) if each.trigger in route.wanted.triggers]
    if Trigger.STUDY_QUIET in route.wanted.triggers:
        found += [Occasion(Trigger.STUDY_QUIET, uid) for uid in sorted(studies_with_news(happened))]
    receiver = receiver_of(connection, route)
    items = []
    for occasion in found:
        if not holds(connection, route.wanted, occasion, now.date()):
            continue
        selected = chosen(connection, route.wanted, occasion, receiver).objects
        selected.sort(key=lambda each: each.is_there)
        going = sum(not each.is_there for each in selected)
        named = tuple(each.sop_instance_uid for each in selected[:NAMED])
        if selected:
            items.append(WouldOrder(occasion, going, len(selected) - going, named))
    is_last = len(rows) < CHANGES or len(recent) < len(rows)
    return DryRun(items, None if is_last else rows[-1].sequence)
