"""From which addresses somebody may call: known without waiting for name servers."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)

#: Seconds between two look-ups of all names.
_AGAIN = 60.0


def everyone(address: str) -> bool:
    """Whoever calls is let in, and asked for its title."""
    return True


class KnownAddresses:
    """The addresses of hosts, given as addresses or names.

    Names are looked up in a thread of their own, again and again. Until they have been for the first time everyone is
    known: whose address it is is seen once more when an association is asked for.
    """

    def __init__(self, hosts: Iterable[str], look_up: Callable[[str], Iterable[str]] | None = None) -> None:
        self._look_up = look_up or addresses_of
        self._named: frozenset[str] = frozenset()
        self._found: dict[str, frozenset[str]] = {}
        self._names: list[str] = []
        literal = set()
        for host in hosts:
            try:
                literal.add(_plain(host))
            except ValueError:
                self._names.append(host)
        self._literal = frozenset(literal)
        self._is_complete = not self._names
        self._ending = threading.Event()
        if self._names:
            # Never waited for: a name server may take its time.
            threading.Thread(target=self._run, name="known-addresses", daemon=True).start()

    def is_known(self, address: str) -> bool:
        """Whether somebody who may call has this address. Never waits."""
        if not self._is_complete:
            return True
        return _plain_or_as_it_is(address) in self._literal | self._named

    def look_up(self) -> None:
        """Look up all names; one that is not found for now keeps the addresses that it had."""
        for name in self._names:
            try:
                self._found[name] = frozenset(map(_plain_or_as_it_is, self._look_up(name)))
            except OSError as error:
                log.warning(
                    "The host of an entity cannot be found", extra={"host": name, "reason": str(error)}
                )
        self._named = frozenset().union(*self._found.values())
        self._is_complete = True

    def close(self) -> None:
        """Look nothing up any more."""
        self._ending.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            self.look_up()
            self._ending.wait(_AGAIN)


def addresses_of(host: str) -> Iterable[str]:
    """The addresses of a host name. Raises OSError."""
    return {str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}


def _plain(address: str) -> str:
    """An address in one form: that of IPv4 within IPv6 (RFC 4291 2.5.5.2) without its shell. Raises ValueError."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


def _plain_or_as_it_is(address: str) -> str:
    try:
        return _plain(address)
    except ValueError:
        return address
