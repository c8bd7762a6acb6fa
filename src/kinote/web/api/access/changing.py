"""Changes of users, sessions and tokens: cached users are looked up again, and streams check their rights."""

from __future__ import annotations

from asyncio import wrap_future
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from kinote.web.rooms import Rooms

Result = TypeVar("Result")

#: The most characters accepted in a login or password.
LONGEST = 256


async def changed(rooms: Rooms, work: Callable[[Connection], Result]) -> Result:
    """Change users, sessions or tokens in a transaction. It takes effect at once.

    There is no Idempotency-Key: a digest of the request, or its response, would store a secret.
    """
    try:
        return await wrap_future(rooms.catalog.submit(work))
    finally:
        if rooms.sign_in is not None:
            rooms.sign_in.forget()
        rooms.streams.look_at_rights()
