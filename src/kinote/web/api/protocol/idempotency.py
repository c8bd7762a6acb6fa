"""`Idempotency-Key`: an act requested again with the same key is not repeated, and gets the same response.

Follows the IETF draft draft-ietf-httpapi-idempotency-key-header. Keys of requests are only read here;
`kinote.catalog.answered_requests` stores them.
"""

from __future__ import annotations

import hashlib
import json
import re
from asyncio import wrap_future
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Request
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.catalog.answered_requests import Answer, KeyedRequest, answer_once, find_answer
from kinote.security.actors import Actor
from kinote.security.policy import NotAllowedError
from kinote.security.rights import Right
from kinote.web.actor import actor_of
from kinote.web.problems import BadRequestError
from kinote.web.recording import WHOLE_PATH, act_entry, note_refusal
from kinote.web.rooms import Rooms, rooms_of

#: Marks a response that was given before.
REPLAYED = "Idempotent-Replayed"

LONGEST = 255

#: The most studies with audit entries for one act. An act that concerns more records their number.
_MOST_STUDIES = 1000

#: A String of RFC 8941 3.3.3, as in the draft.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[ -~]*")


@dataclass(frozen=True, slots=True)
class Answered:
    """The response to an act, and whether the act was performed now or before."""

    response: Response
    is_new: bool


class Act:
    """The act that a request asks for: its actor, and the request's key, if any."""

    def __init__(self, rooms: Rooms, request: Request, keyed: KeyedRequest | None) -> None:
        self.actor: Actor = actor_of(request)
        self._rooms = rooms
        self._request = request
        self._keyed = keyed
        #: The studies concerned, apart from those in its path, and further details for the audit trail.
        self._studies: list[str] = []
        self._said: dict[str, str] = {}

    def require(self, right: Right) -> None:
        """Raise `NotAllowedError` if the signed-in user lacks a right that is needed in addition to that of the path.

        If nobody needs to sign in, every act counts as one's own.
        """
        if self.actor.granted is None:
            return
        try:
            self._rooms.policy.require(self.actor, right)
        except NotAllowedError:
            scope = self._request.scope
            note_refusal(
                self._rooms, self.actor, scope["method"], scope[WHOLE_PATH], right, self._request.path_params
            )
            raise

    def concerns(self, studies: Iterable[str], **said: str) -> None:
        """Add to the audit entry of the act. Its work calls this."""
        self._studies = list(studies)[:_MOST_STUDIES]
        self._said = said

    def now(self) -> datetime:
        """Return the time of the request, in UTC."""
        return self._rooms.clock()

    async def do(self, work: Callable[[Connection], Response], now: datetime) -> Answered:
        """Perform the act in its own transaction, unless it was done under this key; see `once`."""
        return await wrap_future(self._rooms.catalog.submit(self.once(work, now)))

    def once(self, work: Callable[[Connection], Response], now: datetime) -> Callable[[Connection], Answered]:
        """Return a function for the catalog that does `work` and stores its response, or returns the stored one.

        It raises `KeyReusedError` if the key belongs to another request, and the errors of `work`. Then nothing is
        stored, and the request may be sent again with the same key, corrected or not.
        """
        keyed = self._keyed
        work = self._recorded(work, now)
        if keyed is None:
            return lambda transaction: Answered(work(transaction), is_new=True)

        def do_once(transaction: Connection) -> Answered:
            answer, is_new = answer_once(
                transaction, keyed, lambda transaction: _to_keep(work(transaction)), now
            )
            return _answered(answer, is_new=is_new)

        return do_once

    def _recorded(
        self, work: Callable[[Connection], Response], now: datetime
    ) -> Callable[[Connection], Response]:
        """Return the work together with its audit entry, in the same transaction."""
        trail, entry = self._rooms.trail, act_entry(self._request)
        if trail is None or entry is None:
            return work

        def do(transaction: Connection) -> Response:
            response = work(transaction)
            concerned = entry.concerned
            made = response.headers.get("Location", "")
            if made:
                concerned = replace(concerned, subject=made)
            whole = replace(entry, concerned=concerned, detail={**entry.detail, **self._said})
            trail.write(
                transaction,
                [replace(whole, concerned=replace(concerned, study=study)) for study in self._studies]
                or [whole],
                now,
            )
            return response

        return do

    def earlier(self, now: datetime) -> Answered | None:
        """Return the response stored under this key; for acts that have to read before their transaction begins."""
        if self._keyed is None:
            return None
        with self._rooms.catalog.read() as connection:
            answer = find_answer(connection, self._keyed, now)
        return None if answer is None else _answered(answer, is_new=False)


async def _asked(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            description=(
                "A key of your choice for this act, e.g. a random UUID. The same request again under the same "
                "key is not done again and gets the same answer, for seven days; another request is refused."
            )
        ),
    ] = None,
) -> Act:
    rooms = rooms_of(request)
    actor = actor_of(request)
    if idempotency_key is None:
        return Act(rooms, request, None)
    key = _key(request.headers.getlist("idempotency-key"))
    body = await request.body()
    digest = await rooms.read(lambda: _digest(request, body))
    return Act(rooms, request, KeyedRequest(actor.identity, key, digest))


#: The act that a route performs.
AskedAct = Annotated[Act, Depends(_asked)]


def _key(given: list[str]) -> str:
    """Return the key of a request: `"abc"` equals `abc`. Raises `BadRequestError` for an invalid one."""
    if len(given) > 1:
        raise BadRequestError("Idempotency-Key: send one, not several.")
    written = given[0].strip()
    quoted = _QUOTED.fullmatch(written)
    if quoted is not None:
        key = re.sub(r'\\(["\\])', r"\1", quoted[1])
    elif _BARE.fullmatch(written) and not written.startswith('"'):
        key = written
    else:
        raise BadRequestError(
            "Idempotency-Key: a key is of printable ASCII characters, as it is or as one string in quotes."
        )
    if not 0 < len(key) <= LONGEST:
        raise BadRequestError(f"Idempotency-Key: a key has 1 to {LONGEST} characters, this one {len(key)}.")
    return key


def _digest(request: Request, body: bytes) -> str:
    """Return a digest of what is requested: method, path, query, If-Match and body, whatever its white space."""
    asked = [
        request.method,
        request.url.path,
        sorted(request.query_params.multi_items()),
        request.headers.get("if-match"),
    ]
    digest = hashlib.sha256(json.dumps(asked).encode())
    digest.update(_canonical(body))
    return digest.hexdigest()


def _canonical(body: bytes) -> bytes:
    """Return JSON in a form that does not depend on the order of names; anything else unchanged."""
    try:
        return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return body


def _to_keep(response: Response) -> Answer:
    # The length is computed again when it is sent.
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Answer(response.status_code, headers, bytes(response.body))


def _answered(answer: Answer, *, is_new: bool) -> Answered:
    headers = dict(answer.headers) if is_new else {**answer.headers, REPLAYED: "true"}
    return Answered(Response(answer.body, answer.status, headers), is_new)
