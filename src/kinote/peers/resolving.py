"""Addresses of host names, resolved in the background and remembered for a while.

`socket.getaddrinfo` takes as long as the slowest name server. It is called by threads of its own, one name at a time
each, so that a name that nobody answers for holds up no other. What was found is used at once, and asked for again when
it is older than a minute. A failure is remembered for seconds only.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

#: Seconds after which addresses are asked for again, and after which they count no more if nobody answers.
_FRESH, _USABLE = 60.0, 3600.0

#: Seconds after a failure until the name is asked for again, at first and at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0

#: Seconds that a caller waits at most for a name that has not been resolved yet.
_PATIENCE = 2.0

#: Names that are asked for at once.
_AT_ONCE = 16

#: Names that are remembered at most; they are those of the peers, and of those that are gone.
_REMEMBERED = 10_000


def canonical(address: str) -> str:
    """An IP address in one form: without scope, and IPv4 as such where it is mapped into IPv6.

    Raises ValueError for what is no address.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def look_up(host: str) -> frozenset[str]:
    """The addresses of a name. Raises OSError; `socket.gaierror` with EAI_NONAME where there is none."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return frozenset(canonical(str(address[4][0])) for address in found)


@dataclass(slots=True)
class _Name:
    """What is known of a name. Moments are of a clock that is never set."""

    addresses: frozenset[str] | None = None
    #: When the addresses were found, and when the name may be asked for again.
    found_at: float = 0.0
    next_at: float = 0.0
    pause: float = 0.0
    #: Set while nobody is asking.
    settled: threading.Event = field(default_factory=threading.Event)
    is_asked: bool = False


class HostNames:
    """Tells whether an address is that of a host. May be used from any thread."""

    def __init__(
        self,
        look_up: Callable[[str], frozenset[str]] = look_up,
        steady: Callable[[], float] = time.monotonic,
        patience: float = _PATIENCE,
    ) -> None:
        self._look_up = look_up
        self._steady = steady
        self._patience = patience
        self._lock = threading.Lock()
        self._names: dict[str, _Name] = {}
        self._waiting: list[str] = []
        self._threads = 0
        self._is_closed = False

    def prepare(self, host: str) -> None:
        """Ask for a name that will be needed. Does not wait."""
        if _literal(host) is None:
            self._entry(host)

    def is_at(self, hosts: Iterable[str], address: str) -> bool | None:
        """Whether one of the hosts has an address; None where that cannot be told, since nobody answers for a name.

        Waits for two seconds at most, where a name is new or the address is not among those that were found before.
        """
        asked = canonical(address)
        literals = {host: _literal(host) for host in hosts}
        if asked in literals.values():
            return True
        names = [host for host, literal in literals.items() if literal is None]
        if any(asked in (self._entry(name).addresses or ()) for name in names):
            return True
        # It may have moved since: what is older than a few seconds is asked for anew.
        entries = [self._entry(name, at_least=_FIRST_PAUSE) for name in names]
        deadline = time.monotonic() + self._patience
        for entry in entries:
            entry.settled.wait(max(deadline - time.monotonic(), 0))
        found = [entry.addresses for entry in entries]
        if any(asked in addresses for addresses in found if addresses is not None):
            return True
        return None if None in found else False

    def may_be(self, host: str, address: str) -> bool:
        """Whether a host may have an address, by what is known now. Never waits."""
        literal = _literal(host)
        if literal is not None:
            return literal == canonical(address)
        found = self._entry(host).addresses
        return found is None or canonical(address) in found

    def close(self) -> None:
        """Ask for no more names. Questions under way end by themselves."""
        with self._lock:
            self._is_closed = True
            self._waiting.clear()

    def _entry(self, host: str, at_least: float = _FRESH) -> _Name:
        """What is known of a name; it is asked for if that is too old, and not too soon after a failure."""
        now = self._steady()
        with self._lock:
            entry = self._names.get(host)
            if entry is None:
                if len(self._names) >= _REMEMBERED:
                    self._names.pop(next(iter(self._names)))
                entry = self._names[host] = _Name(next_at=now)
            if entry.addresses is not None and now - entry.found_at > _USABLE:
                entry.addresses = None
            is_due = now >= entry.next_at or (not entry.pause and now - entry.found_at >= at_least)
            if is_due and not entry.is_asked and not self._is_closed:
                entry.is_asked = True
                entry.settled.clear()
                self._waiting.append(host)
                self._see_to_it(host, entry, now)
            return entry

    def _see_to_it(self, host: str, entry: _Name, now: float) -> None:
        """Have a thread ask for what waits. With the lock."""
        if self._threads >= _AT_ONCE:
            return
        try:
            threading.Thread(target=self._work, name="host-names", daemon=True).start()
        except RuntimeError as error:
            if self._threads:
                # One of those there are takes it.
                return
            # The system gives no more threads for now: a failure like others.
            self._waiting.clear()
            self._failed(entry, now)
            log.warning("The address of a host cannot be found", extra={"host": host, "reason": str(error)})
        else:
            self._threads += 1

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                host = self._waiting.pop(0)
            self._ask(host)

    def _ask(self, host: str) -> None:
        found: frozenset[str] | None = None
        reason = ""
        is_none = False
        try:
            found = self._look_up(host)
        except (OSError, UnicodeError, ValueError) as error:
            reason = str(error)
            # Other failures say that nobody answers, not that the host has no address any more.
            is_none = isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
        except Exception as error:  # Whatever it is, the name is asked for again.
            reason = f"{type(error).__name__}: {error}"
        now = self._steady()
        with self._lock:
            entry = self._names.get(host)
            if entry is None:
                return
            if found is not None:
                entry.addresses, entry.found_at = found, now
                entry.next_at, entry.pause = now + _FRESH, 0.0
            else:
                if is_none:
                    entry.addresses, entry.found_at = frozenset(), now
                self._failed(entry, now)
            entry.is_asked = False
            entry.settled.set()
        if reason:
            log.warning("The address of a host cannot be found", extra={"host": host, "reason": reason})

    @staticmethod
    def _failed(entry: _Name, now: float) -> None:
        entry.pause = min(2 * entry.pause, _LONGEST_PAUSE) if entry.pause else _FIRST_PAUSE
        entry.next_at = now + entry.pause
        entry.is_asked = False
        entry.settled.set()


def _literal(host: str) -> str | None:
    """The address that a host is written as, None for a name."""
    try:
        return canonical(host)
    except ValueError:
        return None
