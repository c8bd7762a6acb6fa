"""Applies a change of peers to this server, before the response."""

from __future__ import annotations

import logging

from kinote.web.rooms import Rooms

log = logging.getLogger(__name__)


async def take_up(rooms: Rooms) -> None:
    """Reload the peers in memory from the index.

    The change has been committed. If this fails, the server does it a moment later by itself.
    """
    try:
        await rooms.read(rooms.peers.refresh)
    except Exception:
        log.warning("A change of the peers is taken up later", exc_info=True)
