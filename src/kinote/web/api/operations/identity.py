"""`GET identity`: the server proves to a command that it is the one that has the data directory open."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kinote.web.api.protocol.pages import answer
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import UnknownResourceError
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["server"], route_class=PermittedAPIRoute)


@router.get("/identity", summary="Prove which server this is")
async def identity(
    request: Request,
    challenge: Annotated[
        str,
        Query(
            pattern="^[0-9a-f]{32,128}$", description="Random bytes in hexadecimal, which no other has had."
        ),
    ],
) -> Response:
    """Return the HMAC-SHA256 of `kinote server`, the server's address and the challenge, joined by line feeds, in
    hexadecimal.

    Its key is the secret in `server.json` in the data directory, which only the owner can read.
    """
    proof = rooms_of(request).prove(challenge)
    if proof is None:
        raise UnknownResourceError("This server has not announced itself to commands.")
    return answer({"proof": proof})
