"""`Idempotency-Key`: an act asked for again under the same key is not done again, and gets the same answer.

After the IETF draft draft-ietf-httpapi-idempotency-key-header. The one place where keys of requests are read;
`kinote.catalog.answered_requests` keeps them.
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

#: Says of an answer that it is the one given before.
REPLAYED = "Idempotent-Replayed"

LONGEST = 255

#: Studies that one act has entries of in the audit trail; one that concerns more says so by its number.
_MOST_STUDIES = 1000

#: A String of RFC 8941 3.3.3, as the draft has it.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[ -~]*")


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to an act, and whether the act was done for it now or before."""

    response: Response
    is_new: bool


class Act:
    """What a request asks to do, by whom, under the key it gives or under none."""

    def __init__(self, rooms: Rooms, request: Request, keyed: KeyedRequest | None) -> None:
        self.actor: Actor = actor_of(request)
        self._rooms = rooms
        self._request = request
        self._keyed = keyed
        #: The studies that it concerns beside what its path names, and what else there is to record of it.
        self._studies: list[str] = []
        self._said: dict[str, str] = {}

    def require(self, right: Right) -> None:
        """Raises `NotAllowedError` where who has signed in lacks a right that this act takes besides that of its path.

        Where nobody signs in, no act is of others than one's own.
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
        """To be called by its work: what the audit trail records of it besides."""
        self._studies = list(studies)[:_MOST_STUDIES]
        self._said = said

    def now(self) -> datetime:
        """When it is asked for, in UTC."""
        return self._rooms.clock()

    async def do(self, work: Callable[[Connection], Response], now: datetime) -> Answered:
        """Do it in a transaction of its own, unless it has been done under this key; see `once`."""
        return await wrap_future(self._rooms.catalog.submit(self.once(work, now)))

    def once(self, work: Callable[[Connection], Response], now: datetime) -> Callable[[Connection], Answered]:
        """A piece of work for the catalog: does `work` and keeps its answer, or gives the one that was kept.

        It raises `KeyReusedError` where the key stands for another request, and whatever `work` raises: then
        nothing is kept, and the request may be sent again under the same key, put right or not.
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
        """The work, and in the same transaction what the audit trail says of it."""
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
        """What was answered under this key; for acts that have to read before their transaction begins."""
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


#: The act that a route is asked to do.
AskedAct = Annotated[Act, Depends(_asked)]


def _key(given: list[str]) -> str:
    """The key that a request gives: `"abc"` is the same as `abc`. BadRequestError says what is wrong with it."""
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
    """Of all that says what is asked for: method, path, query, If-Match and body, however it is spaced."""
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
    """JSON in one form whatever the order of its names; anything else as it is."""
    try:
        return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return body


def _to_keep(response: Response) -> Answer:
    # The length is counted anew, of whatever is sent.
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Answer(response.status_code, headers, bytes(response.body))


def _answered(answer: Answer, *, is_new: bool) -> Answered:
    headers = dict(answer.headers) if is_new else {**answer.headers, REPLAYED: "true"}
    return Answered(Response(answer.body, answer.status, headers), is_new)
