"""What has to hold before the life of an instance goes on: the guards of withdrawals, of standing and of purges.

Each is used by the function that acts, in the transaction that acts. `tests/laws/explorer` goes through all states that
they allow, and finds for each what happens without it.
"""

from __future__ import annotations

from kinote.catalog.sql.guards import Guard, is_null, is_one_of

#: Of a withdrawal and one of its targets: it takes the instance out of use.
IN_FORCE = (
    Guard("it has not been undone", lambda withdrawal, target: is_null(withdrawal.undone_at)),
    # One that marks, or that waits for a person, leaves it live.
    Guard("it hides", lambda withdrawal, target: withdrawal.effect == "hidden"),
    Guard("it does not spare the instance", lambda withdrawal, target: target.spared == ""),
)

#: Of a withdrawal that is to be undone.
CAN_BE_UNDONE = (Guard("it has not been undone", lambda withdrawal: is_null(withdrawal.undone_at)),)

#: Of a withdrawal whose undo window is to be closed.
CAN_BE_CLOSED = (
    Guard("its window is open", lambda withdrawal: is_null(withdrawal.closed_at)),
    Guard("it has not been undone", lambda withdrawal: is_null(withdrawal.undone_at)),
)

#: Of an instance whose standing follows from its withdrawals. Held copies and tombstones keep theirs.
IS_SETTLED = (
    Guard("it is live or withdrawn", lambda instance: is_one_of(instance.standing, ("live", "withdrawn"))),
)

#: Of an instance that is to become a tombstone, decided anew in the transaction that makes it one. When it is due, of
#: all withdrawals in force, says `kinote.lifecycle.purging.delays.due`.
CAN_BE_PURGED = (Guard("it is withdrawn", lambda instance: instance.standing == "withdrawn"),)

#: Of a key object that is to get its bytes, which somebody else may have made or purged meanwhile.
CAN_BE_MADE = (Guard("its bytes are still to be made", lambda instance: instance.residence == "derivable"),)
