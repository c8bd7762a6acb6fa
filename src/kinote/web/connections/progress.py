"""How much of its responses a client has received, whatever is in the system's buffers."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys

#: The size in bytes of `struct tcp_info` (linux/tcp.h) through `tcpi_bytes_acked`, and the offset of that.
_TCP_INFO_LENGTH, _ACKED_AT = 128, 120
_ACKED = struct.Struct("@Q")


def taken(transport: asyncio.Transport) -> int | None:
    """Return how many bytes the client's system has acknowledged on the connection; None if that is unknown."""
    sock = transport.get_extra_info("socket")
    if sys.platform != "linux" or sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_LENGTH)
    except OSError:
        return None
    return int(_ACKED.unpack_from(told, _ACKED_AT)[0]) if len(told) == _TCP_INFO_LENGTH else None
