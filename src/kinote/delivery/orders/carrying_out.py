"""The job that carries out a delivery: makes the manifest in slices, and sends its objects.

All its writes require its lease: a worker that has lost the delivery writes nothing. Outcomes are written in groups, so
after a crash at most one group is sent again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.guards import hold
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.orders import manifest
from kinote.delivery.orders.account import conclude
from kinote.delivery.orders.outcomes import (
    REFUSED_TOO,
    TRIED_AGAIN,
    ObjectState,
    Outcome,
    may_pass,
    refuse_unanswered,
    write_outcomes,
)
from kinote.delivery.orders.rows import Delivery, DeliveryState, delivery, set_in_hand, set_state
from kinote.delivery.orders.ways.calling import Calling
from kinote.delivery.orders.ways.carriers import Carrier, LeftForLaterError, SpeedLimit
from kinote.delivery.orders.ways.choosing import carrier
from kinote.delivery.outgoing import Sendable, live
from kinote.delivery.sending import Sent
from kinote.dicom.files.data_set_file import DataSet
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject, live_objects
from kinote.holdings.unavailable import BytesUnavailableError, NotLiveError
from kinote.jobs.leased import Done, LeasedJob, LeftOff, LostLeaseError
from kinote.jobs.leased import Outcome as JobOutcome
from kinote.lifecycle.archives.origins import came_from
from kinote.lifecycle.archives.other_bytes import changed_by_archive, end_evidence_before
from kinote.lifecycle.archives.promises import acknowledged_as_stored
from kinote.lifecycle.guards import IS_ACKNOWLEDGED
from kinote.lifecycle.owed.receivers import Given, Receiver, State
from kinote.lifecycle.owed.recording import record_given
from kinote.peers.times import held_because
from kinote.security.actors import KINOTE
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: The number of objects looked up at once; they share associations.
_PAGE = 1000

#: Outcomes are written after this many objects, or after this many seconds.
_GROUP, _GROUP_SECONDS = 100, 1.0

#: How often objects are offered if the destination never answers for them, but does for others.
_OFFERED = 10

#: Seconds after which a delivery yields to others to the same destination, and to other destinations.
_TURN = 60.0


class NotTakenError(RuntimeError):
    """A destination does not accept objects now, but may later."""


class CarryOut:
    """Performs the job. An object that cannot be sent does not hold up others (law 5).

    What may be accepted later is tried again with the next attempt of the job. The last attempt ends the delivery.
    """

    def __init__(
        self,
        catalog: Catalog,
        door: Door,
        clock: Clock,
        calling: Calling,
        *,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._door = door
        self._clock = clock
        self._calling = calling
        self._steady = steady
        #: By destination: what has been sent there counts in the next turn, and in other deliveries.
        self._limits: dict[int, SpeedLimit] = {}

    def __call__(self, job: LeasedJob) -> JobOutcome:
        until = self._steady() + _TURN
        key = int(job.payload["delivery"])
        with self._catalog.read() as connection:
            found = delivery(connection, key)
        if found is None or found.state.has_ended:
            return Done("The delivery has ended.")
        if found.state is DeliveryState.CHECKING:
            return Done("Everything was sent.")
        if found.to.has_ended:
            self._give_up(job, found, found.to.hindrance)
            return Done(found.to.hindrance)
        if self._is_held(found):
            return LeftOff()
        if found.state is DeliveryState.WAITING:
            found = job.write(partial(self._begin, key=key))
        if found.state is DeliveryState.LISTING and not self._list(job, found):
            return LeftOff()
        is_last = job.claimed.failed_before >= job.kind.attempts - 1
        try:
            if not self._send(job, found, until):
                return LeftOff()
        except NotTakenError as error:
            if is_last:
                self._give_up(job, found, str(error))
                return Done(f"It was given up: {error}")
            raise
        return Done(job.write(partial(self._finish, found=found)))

    def _is_held(self, found: Delivery) -> bool:
        return bool(found.to.hindrance or held_because(found.to.policy, self._clock()))

    def _begin(self, transaction: Connection, key: int) -> Delivery:
        now = self._clock()
        set_state(
            transaction,
            key,
            DeliveryState.LISTING,
            now,
            begun_at=timestamp(now),
            horizon=manifest.horizon(transaction),
        )
        found = delivery(transaction, key)
        assert found is not None
        return found

    def _list(self, job: LeasedJob, found: Delivery) -> bool:
        """Make the manifest. Return whether it is complete."""
        parts = manifest.sources(found.selected, found.content)
        rejection_notes = found.to.policy.rejection_notes
        part, after = job.progress.get("part", 0), job.progress.get("after", 0)
        while part < len(parts):
            if job.is_ending():
                return False
            with self._catalog.read() as connection:
                read = manifest.read_slice(
                    connection,
                    found.id,
                    parts[part],
                    after=after,
                    up_to=found.horizon,
                    rejection_notes=rejection_notes,
                )
            self._make(read.derivable)
            part, after = (part + 1, 0) if read.after is None else (part, read.after)
            job.write(partial(manifest.write_slice, found=read), {"part": part, "after": after})
        job.write(partial(self._listed, found=found))
        return True

    def _make(self, derivable: Sequence[str]) -> None:
        """Have the door make key objects. One that cannot be made fails when it is to be sent, with the reason."""
        for uid in derivable:
            with self._catalog.read() as connection:
                wanted = self._door.find_instance(connection, uid)
            if wanted is None:
                continue
            try:
                self._door.open(wanted, KINOTE).file.close()
            except (BytesUnavailableError, NotLiveError) as error:
                log.warning("A key object of a delivery cannot be made: %s", error)

    def _listed(self, transaction: Connection, found: Delivery) -> None:
        set_state(
            transaction,
            found.id,
            DeliveryState.SENDING,
            self._clock(),
            manifest=manifest.count(transaction, found.id),
        )

    def _send(self, job: LeasedJob, found: Delivery, until: float) -> bool:
        """Send what waits, and then what was not accepted before. Return whether nothing is left that can be sent.

        Raises `NotTakenError` if something may be accepted later.
        """
        by = carrier(found, self._calling)
        limit = self._limit(found)
        again = REFUSED_TOO if job.payload.get("sends_refused") else TRIED_AGAIN
        position = (0, 0)
        while page := self._page(found, (ObjectState.WAITING,), position):
            if not self._send_page(job, found, by, page, limit, until):
                return False
            position = _position(page)
        # The position among retried objects outlasts a turn. Otherwise the first ones might be tried for ever.
        rank, instance = job.progress.get("again", (0, 0))
        position = (rank, instance)
        while page := self._page(found, again, position):
            if not self._send_page(job, found, by, page, limit, until):
                return False
            position = _position(page)
            job.write(lambda transaction: None, {**job.progress, "again": position}, is_further=False)
        job.write(lambda transaction: None, {**job.progress, "again": (0, 0)}, is_further=False)
        with self._catalog.read() as connection:
            left = manifest.not_taken(connection, found.id)
        if left is None:
            return True
        offered = job.progress.get("unanswered", 0) + 1 if left.is_unanswered else 0
        if offered >= _OFFERED:
            job.write(partial(refuse_unanswered, delivery=found.id, offered=offered, now=self._clock()))
        else:
            job.write(lambda transaction: None, {**job.progress, "unanswered": offered}, is_further=False)
            objects = "object was" if left.number == 1 else "objects were"
            raise NotTakenError(f"{left.number} {objects} not taken. {left.answer}")
        return True

    def _limit(self, found: Delivery) -> SpeedLimit:
        rate = found.to.policy.bytes_per_second
        limit = self._limits.get(found.to.id)
        if limit is None or limit.rate != rate:
            limit = self._limits[found.to.id] = SpeedLimit(rate, steady=self._steady)
        return limit

    def is_stopped(self, found: Delivery) -> bool:
        """Return whether the destination of a delivery was removed, disabled or held since it was read."""
        with self._catalog.read() as connection:
            now = delivery(connection, found.id)
        return now is None or now.to.has_ended or self._is_held(now)

    def write_given(self, given: Sequence[Given]) -> None:
        """Write to the ledger what was sent, whoever has the lease: it has been sent."""
        self._catalog.submit(partial(record_given, given=given), background=True).result()

    def _send_page(
        self,
        job: LeasedJob,
        found: Delivery,
        by: Carrier,
        page: Sequence[Any],
        limit: SpeedLimit,
        until: float,
    ) -> bool:
        """Send a page. Record before that it is in hand: what a worker has sent before it dies is in doubt (law 4)."""
        job.write(partial(set_in_hand, key=found.id, up_to=_position(page)), job.progress, is_further=False)
        goes_on = _Group(self, job, found, by, page).send(limit, until)
        job.write(partial(set_in_hand, key=found.id, up_to=None), job.progress, is_further=False)
        return goes_on

    def _page(self, found: Delivery, states: Sequence[ObjectState], after: tuple[int, int]) -> Sequence[Any]:
        with self._catalog.read() as connection:
            return manifest.waiting(connection, found.id, states, after, _PAGE)

    def _finish(self, transaction: Connection, found: Delivery) -> str:
        row = delivery(transaction, found.id)
        assert row is not None
        said = f"{row.acknowledged} of {row.manifest} objects are acknowledged"
        said += f", {row.refused} refused" if row.refused else ""
        said += f", {row.skipped} skipped" if row.skipped else ""
        conclude(transaction, row, clock=self._clock)
        return f"{said}."

    def _give_up(self, job: LeasedJob, found: Delivery, reason: str) -> None:
        job.write(
            lambda transaction: set_state(
                transaction, found.id, DeliveryState.FAILED, self._clock(), said=reason
            )
        )


class _Group:
    """A page of a manifest under way: its objects, and the outcomes that are not written yet."""

    def __init__(
        self,
        owner: CarryOut,
        job: LeasedJob,
        found: Delivery,
        by: Carrier,
        page: Sequence[Any],
    ) -> None:
        self._owner = owner
        self._job = job
        self._delivery = found
        self._by = by
        self._rows = {row.instance: row for row in page}
        self._outcomes: list[Outcome] = []
        self._given: dict[str, tuple[State, str]] = {}
        #: What was acknowledged unchanged, and what is sent otherwise: corrected or re-encoded.
        self._as_stored: list[int] = []
        self._changed_there: list[int] = []
        self._otherwise: set[int] = set()
        self._lock = threading.Lock()
        self._written_at = owner._steady()
        #: Objects not sent because the turn is over.
        self._left: set[str] = set()
        self._is_stopped = False
        #: Whether the lease is lost: somebody has cancelled the delivery, or another worker has it.
        self._is_lost = False

    def send(self, limit: SpeedLimit, until: float) -> bool:
        """Send the page. Return False if the work has to stop: the server ends, the turn is over, or it is held.

        Raises `NotTakenError` if the destination cannot be reached.
        """
        objects = self._look_up()
        by_uid = {row.sop_instance_uid: row for row in self._rows.values()}
        unreachable = ""
        sending = self._by.send([self._in_turn(each, limit, until) for each in objects], self._record)
        try:
            # Continue to the end, even after the turn is over: objects under way then have been sent.
            for sent in sending:
                if sent.sop_instance_uid in self._left:
                    continue
                if not sent.was_offered:
                    unreachable = sent.reason
                else:
                    self._note(by_uid[sent.sop_instance_uid], sent)
                self._write(at_once=False)
            self._write(at_once=True)
        except LostLeaseError:
            self._lose()
            raise
        finally:
            sending.close()
        if unreachable:
            raise NotTakenError(unreachable)
        return not self._left

    def _in_turn(self, wanted: Sendable, limit: SpeedLimit, until: float) -> Sendable:
        def opened() -> DataSet:
            try:
                return limit.open(wanted, lambda: self._is_over(until))
            except LeftForLaterError:
                self._left.add(wanted.sop_instance_uid)
                raise

        return replace(wanted, open=opened)

    def _is_over(self, until: float) -> bool:
        return self._is_stopped or self._job.is_ending() or self._owner._steady() > until

    def _look_up(self) -> list[Sendable]:
        """Return the objects of the page that are live now, in order. Others are skipped."""
        with self._owner._catalog.read() as connection:
            found = live_by_key(connection, list(self._rows))
            back = came_from(connection, self._delivery.to.peer, list(self._rows))
        objects = []
        for key, row in self._rows.items():
            wanted = found.get(key)
            if wanted is None or wanted.sop_instance_uid != row.sop_instance_uid:
                reason = str(NotLiveError(row.sop_instance_uid))
                in_hand = self._delivery.in_hand
                # A worker that has died may have sent it: then the destination is owed its rejection note.
                is_in_doubt = in_hand is not None and (row.rank, row.instance) <= in_hand
                given = (State.UNKNOWN, "The server ended while it was being sent.") if is_in_doubt else None
                self._add(row, ObjectState.SKIPPED, reason, given)
            elif key in back:
                self._add(row, ObjectState.SKIPPED, "It came from this archive, and is not sent back.")
            else:
                before = partial(self._goes_otherwise, key)
                objects.append(live(self._owner._door, wanted, self._delivery.by, before))
        return objects

    def _goes_otherwise(self, key: int) -> None:
        """End a destination's commitment to an object before it gets other bytes under its UID."""
        with self._lock:
            if key in self._otherwise:
                return
        end_evidence_before(self._owner._catalog, self._delivery.to.peer, key)
        with self._lock:
            self._otherwise.add(key)

    def _record(self, uid: str, state: State, answer: str) -> None:
        with self._lock:
            if not self._is_lost:
                self._given[uid] = (state, answer)
                return
        self._owner.write_given([self._as_given(uid, state, answer)])

    def _as_given(self, uid: str, state: State, answer: str) -> Given:
        to = Receiver(self._delivery.to.peer)
        return Given(uid, to, state, answer, self._by.way, self._owner._clock())

    def _lose(self) -> None:
        """Record what was sent and nobody else will record, so that the destination is owed what follows (law 4)."""
        with self._lock:
            self._is_lost = True
            given = {**self._given}
        given |= {each.sop_instance_uid: each.given for each in self._outcomes if each.given is not None}
        if given:
            self._owner.write_given([self._as_given(uid, *each) for uid, each in given.items()])

    def _note(self, row: Any, sent: Sent) -> None:
        with self._lock:
            given = self._given.pop(row.sop_instance_uid, None)
        went_otherwise = row.instance in self._otherwise or not sent.is_as_stored
        if sent.kind == "warning":
            self._changed_there.append(row.instance)
        elif hold(IS_ACKNOWLEDGED, sent, went_otherwise):
            self._as_stored.append(row.instance)
        if sent.kind in ("completed", "warning"):
            self._add(row, ObjectState.ACKNOWLEDGED, sent.reason, given)
        elif sent.kind == "gone":
            self._add(row, ObjectState.SKIPPED, sent.reason)
        elif given is not None and given[0] is State.UNKNOWN:
            self._add(row, ObjectState.UNKNOWN, sent.reason, given)
        elif may_pass(sent.status) and not sent.is_final:
            self._add(row, ObjectState.FAILED, sent.reason, given)
        else:
            self._add(row, ObjectState.REFUSED, sent.reason, given)

    def _add(self, row: Any, state: ObjectState, answer: str, given: tuple[State, str] | None = None) -> None:
        self._outcomes.append(
            Outcome(
                row.rank, row.instance, row.sop_instance_uid, ObjectState(row.state), state, answer, given
            )
        )

    def _write(self, *, at_once: bool) -> None:
        is_due = len(self._outcomes) >= _GROUP or self._owner._steady() - self._written_at >= _GROUP_SECONDS
        if self._outcomes and (at_once or is_due):
            outcomes, as_stored, changed_there = self._outcomes, self._as_stored, self._changed_there
            is_further = any(each.state not in TRIED_AGAIN for each in outcomes)
            self._job.write(
                partial(
                    self._write_group, outcomes=outcomes, as_stored=as_stored, changed_there=changed_there
                ),
                self._job.progress,
                is_further=is_further,
            )
            self._outcomes, self._as_stored, self._changed_there = [], [], []
            self._is_stopped = self._owner.is_stopped(self._delivery)
            self._written_at = self._owner._steady()

    def _write_group(
        self,
        transaction: Connection,
        *,
        outcomes: Sequence[Outcome],
        as_stored: Sequence[int],
        changed_there: Sequence[int],
    ) -> None:
        now = self._owner._clock()
        peer = self._delivery.to.peer
        write_outcomes(transaction, self._delivery.id, outcomes, to=Receiver(peer), way=self._by.way, now=now)
        # If the destination is an archive, it is asked for storage commitment to what it has acknowledged.
        acknowledged_as_stored(transaction, peer, as_stored, now)
        changed_by_archive(transaction, peer, changed_there, now)


def _position(page: Sequence[Any]) -> tuple[int, int]:
    return page[-1].rank, page[-1].instance


def live_by_key(connection: Connection, keys: Sequence[int]) -> Mapping[int, LiveObject]:
    """Return the live objects with these keys, each under its key."""
    return {found.id: found for found in _live(connection, keys)}


def _live(connection: Connection, keys: Sequence[int]) -> Iterator[LiveObject]:
    for start in range(0, len(keys), 500):
        query = live_objects().where(live_instance.c.id.in_(keys[start : start + 500]))
        for row in connection.execute(query):
            yield LiveObject(*row)
