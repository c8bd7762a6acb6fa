"""Keeps the cache within its bounds while a server runs, if people want that: makes plans, and carries them out.

One node at a time does it. In training it only makes the plan that it would carry out, at most once an hour.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.node_turns import NodeTurn, keep_turn, take_turn
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.retention.evictions import CarriedOut, carry_out
from kinote.retention.headroom import Volume, arrivals, cached_bytes, to_free
from kinote.retention.planning.plans import MadePlan, Plan, keep_plan, make_plan
from kinote.retention.rules.rule import Mode
from kinote.retention.rules.sets import StoredRules, current_rules
from kinote.retention.shortfall import Shortfall, shortfall, write_shortfall
from kinote.retention.units.following import Round, UnitCounter
from kinote.security.actors import KINOTE
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: The name of the turn.
_NAME = "retention"

#: Seconds until the next look, and after a plan that may not have freed everything.
_LOOK_AGAIN, _SOON = 60.0, 5.0

#: The least time between two plans without effect.
_BETWEEN_PLANS = timedelta(hours=1)


class CacheKeeper:
    """The work of a node. It reads no job's state, and asks the index before each object goes."""

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        *,
        node: str,
        volume: Callable[[], Volume],
        remove_evicted: Callable[[], int],
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._node = node
        self._volume = volume
        self._remove_evicted = remove_evicted
        self._turn: NodeTurn | None = None

    def step(self) -> float:
        """Check whether the bounds are crossed, and act on it. Return the seconds until the next step."""
        now = self._clock()
        try:
            volume = self._volume()
        except OSError:
            # There is another alert if the directory is not in its place.
            return _LOOK_AGAIN
        with self._catalog.read() as connection:
            stored = current_rules(connection)
            lacks = shortfall(connection)
            is_off = stored.rules.mode is Mode.OFF
            if not is_off and not Round.read(connection).was_whole:
                return _LOOK_AGAIN
            wanted = to_free(
                stored.rules.bounds, cached_bytes(connection), volume, arrivals(connection, now), now
            )
        if is_off or not wanted:
            if lacks is not None:
                self._catalog.submit(partial(write_shortfall, found=None), background=True).result()
            return _LOOK_AGAIN
        if not self._take_turn() or self._is_too_soon(now):
            return _LOOK_AGAIN
        # Evictions and arrivals of the last seconds are counted before more is evicted.
        UnitCounter(self._catalog, self._clock).catch_up()
        with self._catalog.read() as connection:
            cached, expected = cached_bytes(connection), arrivals(connection, now)
            wanted = to_free(stored.rules.bounds, cached, volume, expected, now)
            if not wanted:
                return _LOOK_AGAIN
            made = make_plan(connection, stored, wanted=wanted, now=now)
        left = Volume(volume.free + made.frees, volume.total)
        is_beyond = to_free(stored.rules.bounds, cached - made.frees, left, expected, now) > 0
        done = self._do(made, stored, now, is_beyond=is_beyond)
        return _SOON if done.evicted else _LOOK_AGAIN

    def close(self) -> None:
        """Leave the rest to the next node."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        try:
            self._catalog.write(lambda transaction: keep_turn(transaction, turn, node_after=""))
        except (SQLAlchemyError, CommitInDoubtError):
            log.warning("That retention has ended here could not be written down", exc_info=True)

    def _do(self, made: MadePlan, stored: StoredRules, now: datetime, *, is_beyond: bool) -> CarriedOut:
        def keep(transaction: Connection) -> Plan:
            return keep_plan(transaction, made, stored, by=KINOTE, now=now)

        plan = self._catalog.submit(keep, background=True).result()
        done = CarriedOut()
        if stored.rules.mode is Mode.ON and made.items:
            done = carry_out(self._catalog, plan.id, self._clock, by=KINOTE)
            self._remove_evicted()
        lacks = Shortfall(plan.id, made.wanted, made.frees) if is_beyond else None
        self._catalog.submit(partial(write_shortfall, found=lacks), background=True).result()
        if lacks is not None:
            log.error(
                "The cache is beyond its bounds, and not enough may go",
                extra={"plan": plan.id, "wanted": made.wanted, "frees": made.frees},
            )
        if not done.evicted:
            self._note_plan(now)
        return done

    def _is_too_soon(self, now: datetime) -> bool:
        last = self._turn.position if self._turn is not None else ""
        # A time in the future was noted before the clock was set back.
        return bool(last) and timestamp(now - _BETWEEN_PLANS) < last <= timestamp(now)

    def _note_plan(self, now: datetime) -> None:
        turn = self._turn
        if turn is None:
            return
        turn.position = timestamp(now)
        self._catalog.submit(
            lambda transaction: keep_turn(transaction, turn, node_after=turn.node), background=True
        ).result()

    def _take_turn(self) -> bool:
        found: NodeTurn | None = self._catalog.submit(
            lambda transaction: take_turn(transaction, _NAME, self._node, self._clock()), background=True
        ).result()
        self._turn = found
        return found is not None
