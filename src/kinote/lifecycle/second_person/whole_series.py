"""Which withdrawals need a second person."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, func, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.sql import statements
from kinote.lifecycle.acts import SAFETY, WRONG_ORDER, WRONG_PATIENT, Act
from kinote.lifecycle.withdrawals.scope import Scope

#: Acts that cannot be undone once others know of them: their receivers must never accept the UIDs again (IOCM).
FOR_GOOD = (SAFETY, WRONG_PATIENT, WRONG_ORDER)

_named = statements.LookUp(
    select(live_instance.c.id, live_instance.c.sop_instance_uid, live_instance.c.series),
    live_instance.c.sop_instance_uid,
)

_in_series = statements.LookUp(
    select(live_instance.c.series, func.count().label("live")).group_by(live_instance.c.series),
    live_instance.c.series,
)


def needs_second_person(connection: Connection, act: Act, meant: Scope, *, whole: bool) -> bool:
    """Return whether a withdrawal takes a second person where the setting asks for one.

    `whole` says that it names series or studies. Naming all instances of a series one by one comes to the same. A
    single instance may be all that its series has: it is no whole series here.
    """
    if act not in FOR_GOOD:
        return False
    return whole or _leaves_nothing_of_a_series(connection, meant)


def _leaves_nothing_of_a_series(connection: Connection, meant: Scope) -> bool:
    rows = _named(connection, meant.sop_instance_uids)
    concerned = Counter(
        row.series for row in rows if meant.copies.get(row.sop_instance_uid, row.id) == row.id
    )
    several = [series for series, number in concerned.items() if number > 1]
    return any(row.live == concerned[row.series] for row in _in_series(connection, several))
