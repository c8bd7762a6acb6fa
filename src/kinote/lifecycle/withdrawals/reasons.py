"""Why something is removed from operational use: the reasons of the withdrawals that are in force."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, or_, select

from kinote.catalog.queries.matching_keys import Level
from kinote.catalog.queries.removed import Reason
from kinote.catalog.schema.tables import instance, withdrawal, withdrawal_target
from kinote.catalog.sql.guards import as_sql
from kinote.lifecycle.guards import IN_FORCE

_OWNERS = {Level.STUDY: instance.c.study, Level.SERIES: instance.c.series, Level.INSTANCE: instance.c.id}


def reasons_for_removal(connection: Connection, level: Level, keys: Sequence[int]) -> dict[int, list[Reason]]:
    """Return the reasons of the withdrawals that hide instances, by study, series or instance, each once and in order
    of its code. For use as `Query.removed`."""
    owner = _OWNERS[level]
    query = (
        select(owner, withdrawal.c.reason_value, withdrawal.c.reason_scheme, withdrawal.c.reason_meaning)
        .join_from(
            instance,
            withdrawal_target,
            and_(
                withdrawal_target.c.sop_instance_uid == instance.c.sop_instance_uid,
                or_(withdrawal_target.c.instance.is_(None), withdrawal_target.c.instance == instance.c.id),
            ),
        )
        .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
        .where(
            owner.in_(keys),
            instance.c.is_current,
            instance.c.standing == "withdrawn",
            withdrawal.c.reason_value != "",
            *as_sql(IN_FORCE, withdrawal.c, withdrawal_target.c),
        )
        .distinct()
        .order_by(owner, withdrawal.c.reason_value)
    )
    found: dict[int, list[Reason]] = {}
    for key, value, scheme, meaning in connection.execute(query):
        found.setdefault(key, []).append((value, scheme, meaning))
    return found
