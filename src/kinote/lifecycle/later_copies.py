"""What becomes of an object whose SOP Instance UID means a tombstone: the acts that withdrew it say so (IOCM)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import Connection, select, update

from kinote.catalog.schema.tables import instance, withdrawal, withdrawal_target
from kinote.catalog.sql import statements
from kinote.lifecycle.acts import LaterCopies, stored_act

#: The strictest first: where several withdrawals are in force, it decides.
_STRICTEST = (LaterCopies.REFUSED, LaterCopies.KEPT_HIDDEN, LaterCopies.RESTORED)


def later_copies(transaction: Connection, tombstones: Mapping[str, int]) -> dict[str, LaterCopies]:
    """Return the rule for an arrival under each of these UIDs, which mean the tombstones with these keys.

    It is restored where all withdrawals have been undone. An act of a later version must not let it come into use.
    UIDs without any withdrawal are left out.
    """
    found: defaultdict[str, set[LaterCopies]] = defaultdict(set)
    for row in _acts(transaction, tombstones):
        if row.instance not in (None, tombstones[row.sop_instance_uid]):
            continue
        act = stored_act(row.act)
        rule = act.later_copies if act else LaterCopies.KEPT_HIDDEN
        found[row.sop_instance_uid].add(LaterCopies.RESTORED if row.undone_at else rule)
    return {uid: next(rule for rule in _STRICTEST if rule in rules) for uid, rules in found.items()}


def replace_tombstone(transaction: Connection, key: int, sop_instance_uid: str, rule: LaterCopies) -> None:
    """Let the UID mean another instance from now on. The tombstone stays beside it.

    Where the rule restores it, what withdrew the UID means only the tombstone from now on.
    """
    transaction.execute(update(instance).where(instance.c.id == key).values(is_current=False))
    if rule is LaterCopies.RESTORED:
        transaction.execute(
            update(withdrawal_target)
            .where(
                withdrawal_target.c.sop_instance_uid == sop_instance_uid,
                withdrawal_target.c.instance.is_(None),
                withdrawal_target.c.withdrawal.in_(
                    select(withdrawal.c.id)
                    .join(withdrawal_target, withdrawal_target.c.withdrawal == withdrawal.c.id)
                    .where(
                        withdrawal_target.c.sop_instance_uid == sop_instance_uid,
                        withdrawal.c.undone_at.is_(None),
                    )
                ),
            )
            .values(instance=key)
        )


_acts = statements.LookUp(
    select(
        withdrawal_target.c.sop_instance_uid,
        withdrawal_target.c.instance,
        withdrawal.c.act,
        withdrawal.c.undone_at,
    ).join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal),
    withdrawal_target.c.sop_instance_uid,
)
