"""Addresses of host names, resolved in the background and cached.

`socket.getaddrinfo` takes as long as the slowest name server. It runs in separate threads, each resolving one name at a
time, so that an unanswered name does not delay others. Cached addresses are used at once and refreshed after a minute.
Failures are cached only for seconds.
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

#: Seconds after which addresses are refreshed, and after which they are discarded if no name server answers.
_FRESH, _USABLE = 60.0, 3600.0

#: Seconds until the next attempt after a failure: the first pause, which then doubles, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0

#: Maximum seconds that a caller waits for a name that has not been resolved yet.
_PATIENCE = 2.0

#: Maximum names that are resolved at the same time.
_AT_ONCE = 16

#: Maximum names in the cache: those of current and former peers.
_REMEMBERED = 10_000


def canonical(address: str) -> str:
    """Return the canonical form of an IP address: without scope, and an IPv4-mapped IPv6 address as IPv4.

    Raises `ValueError` if the text is not an address.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def look_up(host: str) -> frozenset[str]:
    """Return the addresses of a name. Raises `OSError`; if the name has none, `socket.gaierror` with EAI_NONAME."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return frozenset(canonical(str(address[4][0])) for address in found)


@dataclass(slots=True)
class _Name:
    """The cache entry of a name. Times are those of a monotonic clock."""

    #: None if they are not known, empty if the name has none.
    addresses: frozenset[str] | None = None
    #: When the addresses were found, and when the name may be resolved again.
    found_at: float = 0.0
    next_at: float = 0.0
    pause: float = 0.0
    #: Set unless the name is being resolved.
    settled: threading.Event = field(default_factory=threading.Event)
    is_asked: bool = False


class HostNames:
    """Tells whether a host has an address. Safe for all threads."""

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
        """Begin to resolve a name that will be needed. Does not wait."""
        if _literal(host) is None:
            self._entry(host)

    def is_at(self, hosts: Iterable[str], address: str) -> bool | None:
        """Return whether one of the hosts has an address; None if that is unknown because no name server answers.

        Waits up to two seconds if a name has not been resolved yet, or if the address is not among the cached ones.
        """
        canonical_address = canonical(address)
        literals = {host: _literal(host) for host in hosts}
        if canonical_address in literals.values():
            return True
        names = [host for host, literal in literals.items() if literal is None]
        if any(canonical_address in (self._entry(name).addresses or ()) for name in names):
            return True
        # The host may have a new address: entries older than a few seconds are refreshed.
        entries = [self._entry(name, at_least=_FIRST_PAUSE) for name in names]
        deadline = time.monotonic() + self._patience
        for entry in entries:
            entry.settled.wait(max(deadline - time.monotonic(), 0))
        found = [entry.addresses for entry in entries]
        if any(canonical_address in addresses for addresses in found if addresses is not None):
            return True
        return None if None in found else False

    def may_be(self, host: str, address: str) -> bool:
        """Return whether a host may have an address, by what is known now. Never waits."""
        literal = _literal(host)
        if literal is not None:
            return literal == canonical(address)
        found = self._entry(host).addresses
        return found is None or canonical(address) in found

    def close(self) -> None:
        """Begin no more resolving. Requests in progress end by themselves."""
        with self._lock:
            self._is_closed = True
            self._waiting.clear()

    def _entry(self, host: str, at_least: float = _FRESH) -> _Name:
        """Return the cache entry of a name. Begins to resolve it if the entry is too old and no failure is recent."""
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
                self._start_thread(host, entry, now)
            return entry

    def _start_thread(self, host: str, entry: _Name, now: float) -> None:
        """Start a thread for the waiting names, unless there are enough. The caller holds the lock."""
        if self._threads >= _AT_ONCE:
            return
        try:
            threading.Thread(target=self._work, name="host-names", daemon=True).start()
        except RuntimeError as error:
            if self._threads:
                # A running thread takes the name.
                return
            # The system has no thread to spare: treated as a failure to resolve.
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
            # Other errors mean that no name server answers, not that the name has no address.
            is_none = isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
        except Exception as error:  # Whatever it is, the name will be resolved again.
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
    """Return the canonical address if `host` is an IP address, or None if it is a name."""
    try:
        return canonical(host)
    except ValueError:
        return None
