"""A page of a delivery under way: its objects are sent, and their outcomes written in groups.

All writes require the lease of the job. What was sent is recorded even without it, so that the destination is owed what
follows (law 4).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection

from kinote.catalog.schema.live import live_instance
from kinote.catalog.sql.guards import hold
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.orders.outcomes import TRIED_AGAIN, ObjectState, Outcome, may_pass, write_outcomes
from kinote.delivery.orders.rows import Delivery
from kinote.delivery.orders.ways.carriers import Carrier, LeftForLaterError, SpeedLimit
from kinote.delivery.outgoing import Sendable, live
from kinote.delivery.sending import Sent
from kinote.dicom.files.data_set_file import DataSet
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject, live_objects
from kinote.holdings.unavailable import NotLiveError
from kinote.jobs.leased import LeasedJob, LostLeaseError
from kinote.lifecycle.archives.origins import came_from
from kinote.lifecycle.archives.other_bytes import changed_by_archive, end_evidence_before
from kinote.lifecycle.archives.promises import acknowledged_as_stored
from kinote.lifecycle.guards import IS_ACKNOWLEDGED
from kinote.lifecycle.owed.receivers import Given, Receiver, State
from kinote.lifecycle.owed.recording import record_given
from kinote.telemetry.clock import Clock

#: Outcomes are written after this many objects, or after this many seconds.
_GROUP, _GROUP_SECONDS = 100, 1.0


class NotTakenError(RuntimeError):
    """A destination does not accept objects now, but may later."""


@dataclass(frozen=True, slots=True)
class Means:
    """What deliveries are carried out with. `steady` is a clock that is never set."""

    catalog: Catalog
    door: Door
    clock: Clock
    steady: Callable[[], float]


class PageUnderWay:
    """A page of a manifest under way: its objects, and the outcomes that are not written yet."""

    def __init__(
        self,
        means: Means,
        job: LeasedJob,
        found: Delivery,
        by: Carrier,
        page: Sequence[Any],
        is_stopped: Callable[[], bool],
    ) -> None:
        self._means = means
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
        self._written_at = means.steady()
        #: Objects not sent because the turn is over.
        self._left: set[str] = set()
        self._asks_whether_stopped = is_stopped
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
        return self._is_stopped or self._job.is_ending() or self._means.steady() > until

    def _look_up(self) -> list[Sendable]:
        """Return the objects of the page that are live now, in order. Others are skipped."""
        with self._means.catalog.read() as connection:
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
                objects.append(live(self._means.door, wanted, self._delivery.by, before))
        return objects

    def _goes_otherwise(self, key: int) -> None:
        """End a destination's commitment to an object before it gets other bytes under its UID."""
        with self._lock:
            if key in self._otherwise:
                return
        end_evidence_before(self._means.catalog, self._delivery.to.peer, key)
        with self._lock:
            self._otherwise.add(key)

    def _record(self, uid: str, state: State, answer: str) -> None:
        with self._lock:
            if not self._is_lost:
                self._given[uid] = (state, answer)
                return
        _write_given(self._means.catalog, [self._as_given(uid, state, answer)])

    def _as_given(self, uid: str, state: State, answer: str) -> Given:
        to = Receiver(self._delivery.to.peer)
        return Given(uid, to, state, answer, self._by.way, self._means.clock())

    def _lose(self) -> None:
        """Record what was sent and nobody else will record, so that the destination is owed what follows (law 4)."""
        with self._lock:
            self._is_lost = True
            given = {**self._given}
        given |= {each.sop_instance_uid: each.given for each in self._outcomes if each.given is not None}
        if given:
            _write_given(self._means.catalog, [self._as_given(uid, *each) for uid, each in given.items()])

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
        is_due = len(self._outcomes) >= _GROUP or self._means.steady() - self._written_at >= _GROUP_SECONDS
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
            self._is_stopped = self._asks_whether_stopped()
            self._written_at = self._means.steady()

    def _write_group(
        self,
        transaction: Connection,
        *,
        outcomes: Sequence[Outcome],
        as_stored: Sequence[int],
        changed_there: Sequence[int],
    ) -> None:
        now = self._means.clock()
        peer = self._delivery.to.peer
        write_outcomes(transaction, self._delivery.id, outcomes, to=Receiver(peer), way=self._by.way, now=now)
        # If the destination is an archive, it is asked for storage commitment to what it has acknowledged.
        acknowledged_as_stored(transaction, peer, as_stored, now)
        changed_by_archive(transaction, peer, changed_there, now)


def _write_given(catalog: Catalog, given: Sequence[Given]) -> None:
    """Write to the ledger what was sent, whoever has the lease: it has been sent."""
    catalog.submit(partial(record_given, given=given), background=True).result()


def live_by_key(connection: Connection, keys: Sequence[int]) -> Mapping[int, LiveObject]:
    """Return the live objects with these keys, each under its key."""
    return {found.id: found for found in _live(connection, keys)}


def _live(connection: Connection, keys: Sequence[int]) -> Iterator[LiveObject]:
    for start in range(0, len(keys), 500):
        query = live_objects().where(live_instance.c.id.in_(keys[start : start + 500]))
        for row in connection.execute(query):
            yield LiveObject(*row)
