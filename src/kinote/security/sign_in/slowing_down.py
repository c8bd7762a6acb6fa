"""Slowing down: who guesses passwords has to wait longer and longer. Nobody is locked out for good.

An attempt counts as failed as soon as it begins, so that many at once are slowed down like many in a row. What is known
and what is not counts alike: nothing tells whether a user exists.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

#: Logins and addresses that are remembered at most; the ones that failed longest ago are forgotten first.
_MOST = 10_000

#: Seconds after which failures are forgotten.
_FORGOTTEN_AFTER = 3600.0


class SlowDownError(RuntimeError):
    """There were too many failed attempts. `seconds` says when the next one is looked at."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"There were too many failed attempts. Try again in {seconds} seconds.")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Pace:
    """How many failures are free, and how many seconds are waited at most after one of the others.

    The first of these costs one second, and each further one twice as much.
    """

    free: int
    longest: float

    def wait(self, failures: int) -> float:
        """Return the seconds to wait after this many failures."""
        over = failures - self.free
        return 0.0 if over <= 0 else min(2.0 ** min(over - 1, 30), self.longest)


#: A person mistypes a password a few times. Many people may be behind one address.
OF_LOGIN, OF_ADDRESS = Pace(5, 300.0), Pace(30, 60.0)


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0


class SlowingDown:
    """Counts failed attempts by login and by address. May be used from any thread.

    `steady` gives seconds that never go back.
    """

    def __init__(self, steady: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        self._steady = steady
        self._most = most
        self._changing = threading.Lock()
        self._logins: OrderedDict[str, _Failures] = OrderedDict()
        self._addresses: OrderedDict[str, _Failures] = OrderedDict()

    def begin(self, login: str, address: str) -> None:
        """Begin an attempt, which counts as failed until `succeeded`. Raises `SlowDownError` where it comes too soon;
        then it does not count."""
        with self._changing:
            now = self._steady()
            places = ((self._logins, login, OF_LOGIN), (self._addresses, _network(address), OF_ADDRESS))
            left = max(self._left(known, name, pace, now) for known, name, pace in places)
            if left > 0:
                raise SlowDownError(int(left) + 1)
            for known, name, _ in places:
                self._count(known, name, now)

    def succeeded(self, login: str, address: str) -> None:
        """Record that the attempt was right. What others have failed from the same address still counts."""
        with self._changing:
            self._logins.pop(login, None)
            failures = self._addresses.get(_network(address))
            if failures is not None:
                failures.count = max(failures.count - 1, 0)

    def _left(self, known: OrderedDict[str, _Failures], name: str, pace: Pace, now: float) -> float:
        failures = known.get(name)
        if failures is None:
            return 0.0
        if now - failures.last > _FORGOTTEN_AFTER:
            del known[name]
            return 0.0
        return failures.last + pace.wait(failures.count) - now

    def _count(self, known: OrderedDict[str, _Failures], name: str, now: float) -> None:
        failures = known.pop(name, None) or _Failures()
        failures.count += 1
        failures.last = now
        known[name] = failures
        while len(known) > self._most:
            known.popitem(last=False)


def _network(address: str) -> str:
    """Return what counts as one address: in IPv6 a network of 64 bits, which one client has for itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
