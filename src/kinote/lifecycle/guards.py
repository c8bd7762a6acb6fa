"""What has to hold before the life of an instance goes on: the guards of withdrawals, of standing and of purges.

Each is used by the function that acts, in the transaction that acts. `tests/laws/explorer` goes through all states that
they allow, and finds for each what happens without it.
"""

from __future__ import annotations

from kinote.catalog.sql.guards import Guard, is_not_before, is_not_null, is_null, is_one_of
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.storage.read_in_place import FIRST_IN_PLACE

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

#: Of what holds keep an instance: its bytes may be removed here, or it may expire.
NOT_ON_HOLD = (Guard("no hold keeps it", lambda holds: not holds),)

#: Of an instance that is to be evicted.
CAN_BE_EVICTED = (
    Guard("it is live", lambda instance: instance.standing == "live"),
    Guard("its bytes are here", lambda instance: instance.residence == "local"),
    Guard("it is no key object", lambda instance: instance.sop_class_uid != KEY_OBJECT_SELECTION),
    Guard("it lies in a store", lambda instance: is_not_null(instance.file_key)),
    Guard("it is not another system's file", lambda instance: instance.store <= FIRST_IN_PLACE),
)

#: Of an archive: its word counts (law 9).
WORD_COUNTS = (
    Guard("its promises are not suspended", lambda archive: archive.suspended_at == ""),
    Guard("a recall has proved it", lambda archive: archive.proof == "proved"),
    Guard("it may be asked", lambda archive: archive.is_enabled),
)

#: Of an archive's evidence for an instance, and the oldest moment that its policy allows: it is a promise (law 9).
IS_PROMISED = (
    Guard("it has committed", lambda location, instance, oldest: location.evidence == "committed"),
    Guard("it is about these bytes", lambda location, instance, oldest: location.digest == instance.digest),
    Guard("it is young enough", lambda location, instance, oldest: is_not_before(location.at, oldest)),
)

#: Of what became of an object that was sent to an archive, and whether it went there corrected or re-encoded: the
#: archive has acknowledged the bytes that are here.
IS_ACKNOWLEDGED = (
    Guard("the archive took it unchanged", lambda sent, went_otherwise: sent.kind == "completed"),
    Guard("it went as it is stored", lambda sent, went_otherwise: not went_otherwise),
)

#: Of evidence, and the request for commitment whose result has come: it becomes a promise. Whatever was heard of the
#: instance since the request was made is newer than its result: a late one undoes no failure, and one that comes again
#: makes nothing younger.
BECOMES_PROMISE = (
    Guard("nothing was heard since it was asked for", lambda location, asked: location.at <= asked.made_at),
)

#: Of an instance that is about to be sent to an archive that has it in other bytes, which may take their place there.
CAN_GO_OTHERWISE = (Guard("its bytes are here", lambda instance: instance.residence == "local"),)

#: Of an instance that may get the bytes of a data set that has arrived.
CAN_GET_BYTES = (Guard("it is no tombstone", lambda instance: instance.standing != "purged"),)

#: Of bytes that an archive has given back, and the instance whose bytes they are to be.
IS_GIVEN_BACK = (Guard("they are the same bytes", lambda digest, instance: digest == instance.digest),)
