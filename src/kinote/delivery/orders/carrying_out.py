"""The job that carries out a delivery: makes the manifest in slices, and sends its objects.

All its writes require its lease: a worker that has lost the delivery writes nothing. Outcomes are written in groups, so
after a crash at most one group is sent again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection

from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.orders import manifest
from kinote.delivery.orders.account import conclude
from kinote.delivery.orders.outcomes import REFUSED_TOO, TRIED_AGAIN, ObjectState, refuse_unanswered
from kinote.delivery.orders.page_under_way import Means, NotTakenError, PageUnderWay
from kinote.delivery.orders.rows import Delivery, DeliveryState, delivery, set_in_hand, set_state
from kinote.delivery.orders.ways.calling import Calling
from kinote.delivery.orders.ways.carriers import Carrier, SpeedLimit
from kinote.delivery.orders.ways.choosing import carrier
from kinote.holdings.door import Door
from kinote.holdings.unavailable import BytesUnavailableError, NotLiveError
from kinote.jobs.leased import Done, LeasedJob, LeftOff
from kinote.jobs.leased import Outcome as JobOutcome
from kinote.peers.times import held_because
from kinote.security.actors import KINOTE
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: The number of objects looked up at once; they share associations.
_PAGE = 1000

#: How often objects are offered if the destination never answers for them, but does for others.
_OFFERED = 10

#: Seconds after which a delivery yields to others to the same destination, and to other destinations.
_TURN = 60.0


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
        self._means = Means(catalog, door, clock, steady)
        self._calling = calling
        #: By destination: what has been sent there counts in the next turn, and in other deliveries.
        self._limits: dict[int, SpeedLimit] = {}

    def __call__(self, job: LeasedJob) -> JobOutcome:
        until = self._means.steady() + _TURN
        key = int(job.payload["delivery"])
        with self._means.catalog.read() as connection:
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
        return bool(found.to.hindrance or held_because(found.to.policy, self._means.clock()))

    def _begin(self, transaction: Connection, key: int) -> Delivery:
        now = self._means.clock()
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
            with self._means.catalog.read() as connection:
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
            with self._means.catalog.read() as connection:
                wanted = self._means.door.find_instance(connection, uid)
            if wanted is None:
                continue
            try:
                self._means.door.open(wanted, KINOTE).file.close()
            except (BytesUnavailableError, NotLiveError) as error:
                log.warning("A key object of a delivery cannot be made: %s", error)

    def _listed(self, transaction: Connection, found: Delivery) -> None:
        set_state(
            transaction,
            found.id,
            DeliveryState.SENDING,
            self._means.clock(),
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
        with self._means.catalog.read() as connection:
            left = manifest.not_taken(connection, found.id)
        if left is None:
            return True
        offered = job.progress.get("unanswered", 0) + 1 if left.is_unanswered else 0
        if offered >= _OFFERED:
            job.write(partial(refuse_unanswered, delivery=found.id, offered=offered, now=self._means.clock()))
        else:
            job.write(lambda transaction: None, {**job.progress, "unanswered": offered}, is_further=False)
            objects = "object was" if left.number == 1 else "objects were"
            raise NotTakenError(f"{left.number} {objects} not taken. {left.answer}")
        return True

    def _limit(self, found: Delivery) -> SpeedLimit:
        rate = found.to.policy.bytes_per_second
        limit = self._limits.get(found.to.id)
        if limit is None or limit.rate != rate:
            limit = self._limits[found.to.id] = SpeedLimit(rate, steady=self._means.steady)
        return limit

    def _is_stopped(self, found: Delivery) -> bool:
        """Return whether the destination of a delivery was removed, disabled or held since it was read."""
        with self._means.catalog.read() as connection:
            now = delivery(connection, found.id)
        return now is None or now.to.has_ended or self._is_held(now)

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
        under_way = PageUnderWay(self._means, job, found, by, page, partial(self._is_stopped, found))
        goes_on = under_way.send(limit, until)
        job.write(partial(set_in_hand, key=found.id, up_to=None), job.progress, is_further=False)
        return goes_on

    def _page(self, found: Delivery, states: Sequence[ObjectState], after: tuple[int, int]) -> Sequence[Any]:
        with self._means.catalog.read() as connection:
            return manifest.waiting(connection, found.id, states, after, _PAGE)

    def _finish(self, transaction: Connection, found: Delivery) -> str:
        row = delivery(transaction, found.id)
        assert row is not None
        said = f"{row.acknowledged} of {row.manifest} objects are acknowledged"
        said += f", {row.refused} refused" if row.refused else ""
        said += f", {row.skipped} skipped" if row.skipped else ""
        conclude(transaction, row, clock=self._means.clock)
        return f"{said}."

    def _give_up(self, job: LeasedJob, found: Delivery, reason: str) -> None:
        job.write(
            lambda transaction: set_state(
                transaction, found.id, DeliveryState.FAILED, self._means.clock(), said=reason
            )
        )


def _position(page: Sequence[Any]) -> tuple[int, int]:
    return page[-1].rank, page[-1].instance
