"""Addresses of connections in canonical form, and whether they are of this machine."""

from __future__ import annotations

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=4096)
def plain_address(address: str) -> str:
    """Return an IPv4 address as such if a socket for both families has mapped it (RFC 4291 2.5.5.2)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return address if mapped is None else str(mapped)


def is_here(address: str, own: str) -> bool:
    """Return whether a client's address is of this machine: loopback, or the one that it has connected to."""
    address = plain_address(address)
    if own and address == plain_address(own):
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
