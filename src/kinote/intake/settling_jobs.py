"""The job that compares a held copy with the first one, where that takes too long for its sender to wait."""

from __future__ import annotations

from sqlalchemy import Connection, select

from kinote.catalog.instances.uid_locks import lock_many_uids
from kinote.catalog.schema.tables import instance
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.door import Door
from kinote.holdings.removing.removal import remember, remove_remembered
from kinote.intake.proposing import may_propose, proposing_held
from kinote.intake.same_content import IN_BACKGROUND, compare_with_first
from kinote.intake.verdict import Verdict
from kinote.jobs.kinds import IDLE, JobKind
from kinote.jobs.leased import Done, LeasedJob, Outcome
from kinote.lifecycle import held
from kinote.lifecycle.copies.proposed_corrections import propose
from kinote.lifecycle.held import HeldCopy, HeldNotFoundError
from kinote.lifecycle.holds.membership import keys_on_hold, lock_holds
from kinote.security.actors import KINOTE
from kinote.storage.stores import Stores
from kinote.telemetry.clock import Clock

COMPARE_HELD = JobKind(
    "compare-held",
    "compares a held copy that could not be compared on arrival, and discards it if it is the same",
    priority=IDLE,
    at_once=1,
)


class ChangedMeanwhileError(RuntimeError):
    """One of the copies has changed while they were compared; another attempt compares them anew."""


class CompareHeld:
    """Does the job. A copy that is the same is discarded, as it would not have been kept; any other gets its reason."""

    def __init__(self, catalog: Catalog, stores: Stores, door: Door, clock: Clock) -> None:
        self._catalog = catalog
        self._stores = stores
        self._door = door
        self._clock = clock

    def __call__(self, job: LeasedJob) -> Outcome:
        """Compare one held copy.

        Raises `ChangedMeanwhileError`, and `BytesUnavailableError` where it cannot be read.
        """
        key: int = job.payload["held"]
        try:
            with self._catalog.read() as connection:
                copy = held.held_copy(connection, key)
        except HeldNotFoundError:
            return Done("Somebody has decided about the copy already.")
        # Read here, so that bytes that are away for the moment are tried again.
        self._door.open_held(copy).file.close()
        verdict = compare_with_first(
            self._catalog,
            self._door.open_copy,
            copy.sop_instance_uid,
            lambda: self._door.open_held(copy),
            copy.transfer_syntax_uid,
            copy.size,
            IN_BACKGROUND,
        )
        if verdict is None:
            if self._has_no_first(copy.sop_instance_uid):
                return Done("There is no first copy any more with which it could be compared.")
            raise ChangedMeanwhileError("The first copy under this UID has changed meanwhile.")
        said = job.write(lambda transaction: self._settle(transaction, copy, verdict))
        if verdict.is_same or verdict.proposes:
            remove_remembered(self._catalog, self._stores)
        return Done(said)

    def _has_no_first(self, uid: str) -> bool:
        """Return whether the first copy under a UID was purged, or is gone."""
        query = select(instance.c.standing).where(instance.c.sop_instance_uid == uid, instance.c.is_current)
        with self._catalog.read() as connection:
            return connection.execute(query).scalar_one_or_none() in (None, "purged")

    def _settle(self, transaction: Connection, copy: HeldCopy, verdict: Verdict) -> str:
        # Whoever decides about the copy locks it, too: both look at it only then.
        lock_many_uids(transaction, [copy.sop_instance_uid])
        query = select(instance.c.digest, instance.c.standing).where(
            instance.c.id == verdict.first, instance.c.is_current
        )
        first = transaction.execute(query).one_or_none()
        try:
            now = held.held_copy(transaction, copy.id)
        except HeldNotFoundError:
            return "Somebody has decided about the copy already."
        if first is None or first.digest != verdict.digest or now.digest != copy.digest:
            raise ChangedMeanwhileError("A copy has changed while they were compared.")
        if verdict.is_same or verdict.proposes:
            lock_holds(transaction, shared=True)
            if keys_on_hold(transaction, [copy.id], self._clock()):
                return "A hold keeps it: a person decides about it when the hold has ended."
        proposes = not verdict.is_same and self._propose(transaction, copy, verdict)
        if not verdict.is_same and not proposes:
            reason = verdict.why_held(first.standing)
            transaction.execute(instance.update().where(instance.c.id == copy.id).values(held_reason=reason))
            return reason
        held.discard(transaction, copy.id, now=self._clock(), by=KINOTE)
        if copy.file_key is not None:
            remember(transaction, (copy.store, copy.file_key), self._clock())
        if proposes:
            return "It differs in attributes of patient, study or order alone, and is kept as a proposed correction."
        return "It is the same content in another encoding, and is discarded."

    def _propose(self, transaction: Connection, copy: HeldCopy, verdict: Verdict) -> bool:
        """Keep what a held copy proposes, if it is a proposal and no more; whether it is."""
        if not verdict.proposes or not may_propose(transaction, copy.sop_instance_uid, copy.id):
            return False
        propose(transaction, [proposing_held(transaction, copy.id, verdict)], now=self._clock())
        return True
