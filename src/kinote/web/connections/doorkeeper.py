"""All HTTP connections of a server: admitted, checked once a second, and closed if they hold up others."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from kinote.telemetry.report_throttle import ReportThrottle
from kinote.web.connections.addresses import is_here
from kinote.web.connections.admission import Admission, Refusal
from kinote.web.connections.limits import DEFAULT_LIMITS, ConnectionLimits
from kinote.web.connections.metrics import observe_connections, observe_refusal
from kinote.web.connections.refusals import refusals

log = logging.getLogger(__name__)

#: Seconds between two checks of all connections.
_LOOK = 1.0


class Watched(Protocol):
    """A connection, as the doorkeeper sees it."""

    def __hash__(self) -> int: ...

    def look(self, now: float) -> None:
        """Close it, if it has taken longer than it may."""

    def give_way(self) -> None:
        """Close it: it is idle, and another needs its place."""


class Doorkeeper:
    """What all connections of a server share. To be used in its event loop.

    `clock` is a monotonic clock in seconds. `is_proxy` tells the addresses that have many clients behind them. With
    `only_by_proxy`, only these and this machine itself are admitted.
    """

    def __init__(
        self,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        *,
        clock: Callable[[], float] = time.monotonic,
        is_proxy: Callable[[str], bool] = lambda address: False,
        only_by_proxy: bool = False,
    ) -> None:
        self.limits = limits
        self.clock = clock
        self.answers = refusals(limits)
        self._admission: Admission[Watched] = Admission(
            limits.connections, limits.connections_per_address, self._gives_way, is_proxy
        )
        #: Those that were admitted or refused, and are not closed yet.
        self._watched: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._refusals = ReportThrottle(clock=clock)
        self._is_proxy = is_proxy
        self._only_by_proxy = only_by_proxy
        self._has_told_of_proxy = False

    def enter(self, connection: Watched, address: str, own: str = "") -> Refusal | None:
        """Add a new connection. Return why it is refused; None if it is not. Call `left` in both cases.

        `own` is the address of this machine to which it was made.
        """
        refusal = (
            Refusal.NOT_BY_PROXY
            if self._only_by_proxy and not (self._is_proxy(address) or is_here(address, own))
            else self._admission.enter(connection, address)
        )
        if refusal is not None:
            self.refused(refusal, address)
        self._watched.add(connection)
        observe_connections(len(self._watched))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK, self._sweep)
        return refusal

    def left(self, connection: Watched) -> None:
        """Note that a connection is closed."""
        self._admission.leave(connection)
        self._watched.discard(connection)
        observe_connections(len(self._watched))
        if not self._watched and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def connections(self) -> tuple[Watched, ...]:
        """All open connections."""
        return tuple(self._watched)

    def busy(self, connection: Watched) -> None:
        """Note that a request is under way."""
        self._admission.busy(connection)

    def idle(self, connection: Watched) -> None:
        """Note that no request is under way any more."""
        self._admission.idle(connection)

    def refused(self, why: Refusal, address: str) -> None:
        """Count a refusal, and log it unless that happened a moment ago."""
        observe_refusal(why)
        number = self._refusals.happened(why)
        if number is not None:
            log.warning(
                "HTTP connections are refused or ended",
                extra={"reason": why.value, "number": number, "host": address},
            )

    def forwarded(self, address: str) -> None:
        """Note that a request claims to be forwarded. If its sender is not trusted, log that once: it may be a
        proxy.
        """
        if not self._has_told_of_proxy and not self._is_proxy(address):
            self._has_told_of_proxy = True
            log.warning(
                "X-Forwarded-For of an address that is not in trusted_proxies is passed over: if it is a proxy, all "
                "its clients count as one",
                extra={"host": address},
            )

    def look(self) -> None:
        """Check every connection."""
        now = self.clock()
        for connection in self.connections:
            try:
                connection.look(now)
            except Exception:
                # If a check fails, the others must still be checked.
                if self._refusals.happened("fault") is not None:
                    log.exception("An HTTP connection could not be looked at")

    def _sweep(self) -> None:
        self._timer = None
        try:
            self.look()
        finally:
            if self._watched and self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(_LOOK, self._sweep)

    def _gives_way(self, connection: Watched) -> None:
        self.refused(Refusal.GAVE_WAY, "")
        connection.give_way()
