"""How many bytes of its answers a client has taken, whatever lies in the system's buffers."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys

#: Bytes of `struct tcp_info` (linux/tcp.h) up to and with `tcpi_bytes_acked`, and where that begins.
_TCP_INFO_LENGTH, _ACKED_AT = 128, 120
_ACKED = struct.Struct("@Q")


def taken(transport: asyncio.Transport) -> int | None:
    """Bytes that the client's system has acknowledged since the connection began; None where that cannot be told."""
    sock = transport.get_extra_info("socket")
    if sys.platform != "linux" or sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_LENGTH)
    except OSError:
        return None
    return int(_ACKED.unpack_from(told, _ACKED_AT)[0]) if len(told) == _TCP_INFO_LENGTH else None
