"""Requests that were carried out under a key of their client: asked for again, they get the same answer.

Act and answer are rows of one transaction: either both are there or neither. Rows are kept for `LIFETIME`. Each
answer that is written removes a few that are older, so that a table of old rows shrinks while it is in use.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import answered_request
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects

#: How long a key is remembered.
LIFETIME = timedelta(days=7)

#: Rows past their lifetime that one new row removes at most: more than one, so that their number goes down.
_REMOVED_AT_ONCE = 10


#: The actor of rows of earlier versions. What these answered counts for everybody: a request may be repeated after an
#: update of the server.
_NOT_RECORDED = ""


class KeyReusedError(ValueError):
    """The key stands for another request, which has been carried out."""


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request under a key: whose key it is (`Actor.identity`), and the digest of all that is asked for."""

    actor: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client was told."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def find_answer(connection: Connection, request: KeyedRequest, now: datetime) -> Answer | None:
    """What was answered to this request under its key; None where the key is new or has been forgotten.

    Raises `KeyReusedError` if it was another request.
    """
    row = connection.execute(
        select(
            answered_request.c.digest,
            answered_request.c.status,
            answered_request.c.headers,
            answered_request.c.body,
        )
        .where(
            answered_request.c.actor.in_((request.actor, _NOT_RECORDED)),
            answered_request.c.key == request.key,
            answered_request.c.answered_at >= _oldest_kept(now),
        )
        .order_by(answered_request.c.actor.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    if row.digest != request.digest:
        raise KeyReusedError(
            "Another request was carried out under this Idempotency-Key. Give every act a key of its own, "
            "and send a key again only with the same request."
        )
    return Answer(row.status, json.loads(row.headers), zlib.decompress(row.body))


def answer_once(
    transaction: Connection,
    request: KeyedRequest,
    act: Callable[[Connection], Answer],
    now: datetime,
) -> tuple[Answer, bool]:
    """Carry out a request and keep its answer, or find what was answered; and whether it was carried out now.

    Who asks at the same time under the same key waits until this transaction has ended. What `act` raises leaves
    nothing behind: the key is as free as before.
    """
    dialects.lock_names(transaction, [f"idempotency key {request.actor} {request.key}"])
    earlier = find_answer(transaction, request, now)
    if earlier is not None:
        return earlier, False
    answer = act(transaction)
    _keep(transaction, request, answer, now)
    return answer, True


def _keep(transaction: Connection, request: KeyedRequest, answer: Answer, now: datetime) -> None:
    transaction.execute(
        answered_request.delete().where(
            answered_request.c.actor == request.actor, answered_request.c.key == request.key
        )
    )
    transaction.execute(
        answered_request.insert(),
        {
            "actor": request.actor,
            "key": request.key,
            "digest": request.digest,
            "status": answer.status,
            "headers": json.dumps(dict(answer.headers)),
            "body": zlib.compress(answer.body),
            "answered_at": timestamp(now),
        },
    )
    # What another writer is removing is left to it; SQLite has no other.
    forgotten = (
        select(answered_request.c.id)
        .where(answered_request.c.answered_at < _oldest_kept(now))
        .order_by(answered_request.c.answered_at)
        .limit(_REMOVED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    transaction.execute(answered_request.delete().where(answered_request.c.id.in_(forgotten)))


def _oldest_kept(now: datetime) -> str:
    return timestamp(now - LIFETIME)
