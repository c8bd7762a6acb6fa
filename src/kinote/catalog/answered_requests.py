"""Requests that were carried out under a client's key: the same request again gets the same answer.

Act and answer are rows of one transaction, so either both exist or neither. Rows are kept for `LIFETIME`. Each
answer that is written removes a few older ones, so that a table of old rows shrinks while it is in use.
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

#: How long an answer is kept.
LIFETIME = timedelta(days=7)

#: How many expired rows a new row removes at most. More than one, so that their number decreases.
_REMOVED_AT_ONCE = 10


#: The actor of rows of earlier versions. What these answered counts for everybody: a request may be repeated after an
#: update of the server.
_NOT_RECORDED = ""


class KeyReusedError(ValueError):
    """The key belongs to another request, which has been carried out."""


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request under a key: the owner of the key (`Actor.identity`), and the digest of the whole request."""

    actor: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer that a client received."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def find_answer(connection: Connection, request: KeyedRequest, now: datetime) -> Answer | None:
    """Return the answer to this request under its key; None if the key is new or has expired.

    Raises `KeyReusedError` if the key belongs to another request.
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
    """Carry out a request and keep its answer, or return the answer that was kept.

    Also returns whether the request was carried out now. A second request under the same key waits until this
    transaction has ended. If `act` raises, nothing is kept, and the key can be used again.
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
    # Rows that another writer is removing are skipped. SQLite has only one writer.
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
