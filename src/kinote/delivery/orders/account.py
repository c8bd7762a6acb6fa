"""The account of a delivery (law 10): what was to be sent, what was acknowledged, and what is at the destination.

A job queries the destination, series by series, and compares by UID. Missing objects are looked for again for some
minutes, because a destination may index what it has stored with a delay. Objects withdrawn here meanwhile may be gone
there as well: they are not compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import delivery_object, series, study
from kinote.catalog.sql.statements import ForEach
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.orders.held import why_held
from kinote.delivery.orders.outcomes import ObjectState
from kinote.delivery.orders.rows import Delivery, DeliveryState, delivery, set_state
from kinote.delivery.orders.ways.calling import Calling
from kinote.delivery.orders.ways.choosing import finder
from kinote.delivery.orders.ways.finders import NotQueryableError, Remembered
from kinote.jobs.enqueueing import enqueue
from kinote.jobs.kinds import JobKind
from kinote.jobs.leased import Done, LeasedJob, LeftOff, Outcome
from kinote.security.actors import KINOTE
from kinote.telemetry.clock import Clock

CHECK_DELIVERY = JobKind(
    "check-delivery",
    "asks a destination which objects of a delivery it has",
    attempts=6,
    first_pause=timedelta(seconds=10),
    longest_pause=timedelta(minutes=10),
    at_once=16,
)

#: The number of objects looked up at once.
_PAGE = 1000


class Verdict(StrEnum):
    """The verdict on a delivery, as it is stored."""

    #: Everything that was acknowledged is at the destination.
    AGREES = "agrees"
    #: Something that was acknowledged is not at the destination.
    DIFFERS = "differs"
    #: The destination cannot be queried.
    UNVERIFIED = "unverified"


class NotThereYetError(RuntimeError):
    """Objects that a destination has acknowledged are not found there."""


def conclude(transaction: Connection, found: Delivery, *, clock: Clock) -> None:
    """Schedule the comparison of a delivery with its destination, once nothing is left to be sent."""
    if not found.acknowledged:
        end(transaction, found, Verdict.AGREES if not found.refused else Verdict.UNVERIFIED, "", clock=clock)
        return
    if not found.to.policy.queried:
        said = "The destination is not asked what it has (its policy says so)."
        end(transaction, found, Verdict.UNVERIFIED, said, clock=clock)
        return
    set_state(transaction, found.id, DeliveryState.CHECKING, clock())
    check(transaction, found.id, found.to.name, priority=found.priority, clock=clock)


def check(transaction: Connection, key: int, destination: str, *, priority: int, clock: Clock) -> None:
    """Enqueue the job that queries a destination for the objects of a delivery."""
    enqueue(
        transaction,
        CHECK_DELIVERY,
        {"delivery": key},
        clock=clock,
        actor=KINOTE.name,
        destination=destination,
        natural_key=str(key),
        priority=priority,
    )


def end(
    transaction: Connection, ended: Delivery, verdict: Verdict, said: str, *, clock: Clock, **values: object
) -> None:
    """End a delivery with a verdict. It is `done` only if everything was confirmed (law 10)."""
    failed = ended.refused or ended.failed or verdict is Verdict.DIFFERS
    if ended.refused and not said:
        said = f"The destination has refused {ended.refused} objects."
    state = DeliveryState.FAILED if failed else DeliveryState.DONE
    set_state(transaction, ended.id, state, clock(), verdict=str(verdict), said=said, **values)


@dataclass(frozen=True, slots=True)
class _Compared:
    """A page of acknowledged objects, by rank and instance: whether each was found."""

    found: Mapping[tuple[int, int], bool]
    position: tuple[int, int]


class CheckDelivery:
    """Performs the job, page by page."""

    def __init__(self, catalog: Catalog, clock: Clock, calling: Calling) -> None:
        self._catalog = catalog
        self._clock = clock
        self._calling = calling

    def __call__(self, job: LeasedJob) -> Outcome:
        key = int(job.payload["delivery"])
        with self._catalog.read() as connection:
            found = delivery(connection, key)
        if found is None or found.state is not DeliveryState.CHECKING:
            return Done("The delivery is not to be checked any more.")
        if found.to.has_ended:
            said = f"It was not asked what it has. {found.to.hindrance}"
            job.write(partial(self._end, found=found, verdict=Verdict.UNVERIFIED, said=said))
            return Done(said)
        if why_held(found.to, self._clock):
            return LeftOff()
        is_last = job.claimed.failed_before >= job.kind.attempts - 1
        try:
            if not self._compare(job, found):
                return LeftOff()
        except NotQueryableError as error:
            job.write(partial(self._end, found=found, verdict=Verdict.UNVERIFIED, said=str(error)))
            return Done(str(error))
        except Exception as error:
            if not is_last:
                raise
            said = f"The destination could not be asked what it has: {error}"
            job.write(partial(self._end, found=found, verdict=Verdict.UNVERIFIED, said=said))
            return Done(said)
        with self._catalog.read() as connection:
            missing = number_missing(connection, key)
        if missing and not is_last:
            job.write(lambda transaction: None, {}, is_further=False)
            raise NotThereYetError(_missing(missing))
        verdict, said = (Verdict.DIFFERS, _missing(missing)) if missing else (Verdict.AGREES, "")
        job.write(partial(self._end, found=found, verdict=verdict, said=said))
        return Done(said or "The destination has everything that it has acknowledged.")

    def _compare(self, job: LeasedJob, found: Delivery) -> bool:
        """Compare everything that was acknowledged. Return whether this was completed."""
        asked = Remembered(finder(found, self._calling))
        rank, instance = job.progress.get("after", (0, 0))
        position = (rank, instance)
        while True:
            if job.is_ending():
                return False
            with self._catalog.read() as connection:
                page = _acknowledged(connection, found.id, position)
            if not page:
                return True
            compared = _Compared(
                {
                    (row.rank, row.instance): row.sop_instance_uid
                    in asked.instances(row.study_instance_uid, row.series_instance_uid)
                    for row in page
                },
                (page[-1].rank, page[-1].instance),
            )
            position = compared.position
            job.write(
                partial(_write, delivery_id=found.id, compared=compared),
                {"after": position},
                is_further=False,
            )

    def _end(self, transaction: Connection, found: Delivery, verdict: Verdict, said: str) -> None:
        row = delivery(transaction, found.id)
        assert row is not None
        counted: dict[str, object] = {}
        if verdict is not Verdict.UNVERIFIED:
            counted["found"] = number_found(transaction, found.id)
        end(transaction, row, verdict, said, clock=self._clock, **counted)


def _missing(number: int) -> str:
    objects = "object that it has acknowledged is" if number == 1 else "objects that it has acknowledged are"
    return f"{number} {objects} not at the destination."


def _acknowledged(connection: Connection, key: int, after: tuple[int, int]) -> Sequence[Any]:
    """Return the next objects that the destination has acknowledged and that are live, all of one rank."""
    for rank in range(after[0], 3):
        query = (
            select(
                delivery_object.c.rank,
                delivery_object.c.instance,
                delivery_object.c.sop_instance_uid,
                study.c.study_instance_uid,
                series.c.series_instance_uid,
            )
            .join(live_instance, live_instance.c.id == delivery_object.c.instance)
            .join(series, series.c.id == live_instance.c.series)
            .join(study, study.c.id == live_instance.c.study)
            .where(
                delivery_object.c.delivery == key,
                delivery_object.c.rank == rank,
                delivery_object.c.instance > (after[1] if rank == after[0] else 0),
                delivery_object.c.state.in_([ObjectState.ACKNOWLEDGED, ObjectState.MISSING]),
            )
            .order_by(delivery_object.c.instance)
            .limit(_PAGE)
        )
        if found := connection.execute(query).all():
            return found
    return []


def number_missing(connection: Connection, key: int) -> int:
    """Return how many acknowledged objects of a delivery were not found."""
    return _count(connection, delivery_object.c.delivery == key, delivery_object.c.state == "missing")


def number_found(connection: Connection, key: int) -> int:
    """Return how many objects of a delivery were found."""
    return _count(connection, delivery_object.c.delivery == key, delivery_object.c.found == 1)


def _count(connection: Connection, *conditions: Any) -> int:
    query = select(func.count()).select_from(delivery_object).where(*conditions)
    return connection.execute(query).scalar_one()


def _write(transaction: Connection, delivery_id: int, compared: _Compared) -> None:
    _FOUND(
        transaction,
        [
            {
                "of_delivery": delivery_id,
                "of_rank": rank,
                "of_instance": instance,
                "state": str(ObjectState.ACKNOWLEDGED if is_found else ObjectState.MISSING),
                "found": int(is_found),
            }
            for (rank, instance), is_found in compared.found.items()
        ],
    )


_FOUND = ForEach(
    delivery_object.update()
    .where(
        delivery_object.c.delivery == bindparam("of_delivery"),
        delivery_object.c.rank == bindparam("of_rank"),
        delivery_object.c.instance == bindparam("of_instance"),
    )
    .values(state=bindparam("state"), found=bindparam("found"))
)
