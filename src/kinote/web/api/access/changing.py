"""Changing users, sessions and tokens: whoever was known is looked up again, and streams look at their rights."""

from __future__ import annotations

from asyncio import wrap_future
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from kinote.web.rooms import Rooms

Result = TypeVar("Result")

#: Characters of a login or password that are looked at.
LONGEST = 256


async def changed(rooms: Rooms, work: Callable[[Connection], Result]) -> Result:
    """Do something to users, sessions or tokens in a transaction; it takes effect at once.

    It has no Idempotency-Key: a digest of the request, or its answer, would keep a secret.
    """
    try:
        return await wrap_future(rooms.catalog.submit(work))
    finally:
        if rooms.sign_in is not None:
            rooms.sign_in.forget()
        rooms.streams.look_at_rights()
