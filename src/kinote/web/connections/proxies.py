"""The addresses of reverse proxies that are trusted to name their clients."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from kinote.web.connections.addresses import plain_address


class TrustedProxies:
    """Addresses, and networks such as `10.1.0.0/16`. Raises ValueError for anything else."""

    def __init__(self, named: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(each) for each in named]
        self.has = lru_cache(maxsize=4096)(self._has)

    def _has(self, address: str) -> bool:
        """Return whether an address is among them."""
        try:
            parsed = ipaddress.ip_address(plain_address(address))
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)
