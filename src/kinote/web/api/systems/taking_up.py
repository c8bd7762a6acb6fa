"""What a change of peers brings about in this server, before it is answered."""

from __future__ import annotations

import logging

from kinote.web.rooms import Rooms

log = logging.getLogger(__name__)


async def take_up(rooms: Rooms) -> None:
    """Let the peers in memory be those of the index.

    The change has been committed: where this fails, the server takes it up a moment later by itself.
    """
    try:
        await rooms.read(rooms.peers.refresh)
    except Exception:
        log.warning("A change of the peers is taken up later", exc_info=True)
