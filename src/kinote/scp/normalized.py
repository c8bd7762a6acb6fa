"""Normalized services, performed as offered by `Rooms.normalized` (PS3.7 section 10)."""

from __future__ import annotations

from kinote.dimse.associations.association import Message
from kinote.scp.rooms import IndexSession


def perform(session: IndexSession, message: Message) -> None:
    session.normalized.perform(session.association, message)
    session.done["normalized", type(message.command).__name__] += 1
