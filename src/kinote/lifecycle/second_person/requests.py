"""Withdrawals that were asked for and wait until somebody else confirms them.

While one waits, nothing is hidden, counted or told. Confirming it withdraws in the same transaction, so that it is
either both confirmed and done, or waits. It says what is meant and not which instances: of a study, all that is live
when it is confirmed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, select, text

from kinote.catalog.schema.tables import withdrawal_request
from kinote.catalog.schema.tables.second_person import WAITS
from kinote.catalog.schema.timestamps import timestamp
from kinote.security.actors import Actor

#: How long one waits. Whoever still wants it then asks again.
LIFETIME = timedelta(days=7)


class RequestNotFoundError(LookupError):
    """There is no withdrawal with this number that was asked for."""


class RequestDecidedError(ValueError):
    """It does not wait any more. The message says what became of it."""


class SecondPersonNeededError(PermissionError):
    """Who confirms is not another person than who asked. The message says who may."""


class RequestState(StrEnum):
    """What became of a withdrawal that was asked for."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    #: Nobody decided in time.
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class WithdrawalRequest:
    """A withdrawal that was asked for.

    `asked` is the request as the REST API takes it; `instances` counts what was live when it was asked for.
    `withdrawal` is the number of the withdrawal that it became.
    """

    id: int
    state: RequestState
    act: str
    text: str
    instances: int
    asked: Mapping[str, Any]
    asked_by: Actor | None
    asked_at: str
    expires_at: str
    decided_by: Actor | None
    decided_at: str | None
    decided_because: str
    withdrawal: int | None


def ask(
    transaction: Connection,
    asked: Mapping[str, Any],
    *,
    act: str,
    text: str,
    instances: int,
    by: Actor,
    now: datetime,
) -> WithdrawalRequest:
    """Record a withdrawal that waits for a second person."""
    key = transaction.execute(
        withdrawal_request.insert().returning(withdrawal_request.c.id),
        {
            "asked": json.dumps(asked, ensure_ascii=False),
            "act": act,
            "reason_text": text,
            "instances": instances,
            **by.columns("asked_by"),
            "asked_at": timestamp(now),
            "expires_at": timestamp(now + LIFETIME),
        },
    ).scalar_one()
    return one_request(transaction, key, now)


def requests(
    connection: Connection, now: datetime, *, everything: bool, before: int | None = None, limit: int = 100
) -> list[WithdrawalRequest]:
    """Return withdrawals that wait for a second person, or all that were asked for; the latest first."""
    query = select(withdrawal_request).order_by(withdrawal_request.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(withdrawal_request.c.id < before)
    if not everything:
        query = query.where(text(WAITS), withdrawal_request.c.expires_at > timestamp(now))
    return [_request(row, now) for row in connection.execute(query)]


def number_waiting(connection: Connection, now: datetime) -> int:
    """Return how many withdrawals wait for a second person."""
    query = (
        select(func.count())
        .select_from(withdrawal_request)
        .where(text(WAITS), withdrawal_request.c.expires_at > timestamp(now))
    )
    return int(connection.execute(query).scalar_one())


def one_request(connection: Connection, key: int, now: datetime) -> WithdrawalRequest:
    """Return a withdrawal that was asked for. Raises `RequestNotFoundError`."""
    row = connection.execute(select(withdrawal_request).where(withdrawal_request.c.id == key)).one_or_none()
    if row is None:
        raise RequestNotFoundError(f"No withdrawal with the number {key} was asked for.")
    return _request(row, now)


def confirmed_by(connection: Connection, withdrawals: Sequence[int]) -> dict[int, Actor]:
    """Return who confirmed withdrawals, of those that took a second person."""
    query = select(withdrawal_request).where(withdrawal_request.c.withdrawal.in_(withdrawals))
    found = {row.withdrawal: _actor(row, "decided_by") for row in connection.execute(query)}
    return {key: by for key, by in found.items() if by is not None}


def take_up(transaction: Connection, key: int, now: datetime) -> WithdrawalRequest:
    """Return a withdrawal that waits, locked until it is decided.

    Raises `RequestNotFoundError` and `RequestDecidedError`.
    """
    transaction.execute(
        select(withdrawal_request.c.id).where(withdrawal_request.c.id == key).with_for_update()
    )
    found = one_request(transaction, key, now)
    if found.state is not RequestState.WAITING:
        became = f" It is withdrawal {found.withdrawal}." if found.withdrawal is not None else ""
        raise RequestDecidedError(
            f"The withdrawal that was asked for under {key} is {found.state}.{became}"
            + (" Ask for it again." if found.state is not RequestState.CONFIRMED else "")
        )
    return found


def require_second_person(request: WithdrawalRequest, by: Actor) -> None:
    """Raise `SecondPersonNeededError` unless this is a person who has signed in, and not the one who asked."""
    if not by.is_verified:
        raise SecondPersonNeededError(
            "A person who has signed in confirms a withdrawal, with a login of their own. Programs and commands may "
            "ask for one, and refuse it."
        )
    if is_of(request, by):
        raise SecondPersonNeededError(
            "You have asked for this withdrawal yourself. Another person with the right withdraw-others confirms it."
        )


def is_of(request: WithdrawalRequest, by: Actor) -> bool:
    """Return whether somebody has asked for a withdrawal."""
    asked_by = request.asked_by
    return asked_by is not None and (asked_by.kind, asked_by.name) == (by.kind, by.name) and bool(by.name)


def decide(
    transaction: Connection,
    key: int,
    *,
    because: str,
    by: Actor,
    now: datetime,
    withdrawal: int | None = None,
) -> WithdrawalRequest:
    """Write down what became of one that was taken up: it is the `withdrawal` made now, or it is refused."""
    decision = RequestState.REFUSED if withdrawal is None else RequestState.CONFIRMED
    transaction.execute(
        withdrawal_request.update()
        .where(withdrawal_request.c.id == key)
        .values(
            decision=str(decision),
            **by.columns("decided_by"),
            decided_at=timestamp(now),
            decided_because=because,
            withdrawal=withdrawal,
        )
    )
    return one_request(transaction, key, now)


def _request(row: Row[Any], now: datetime) -> WithdrawalRequest:
    if row.decision:
        state = RequestState(row.decision)
    else:
        state = RequestState.WAITING if row.expires_at > timestamp(now) else RequestState.EXPIRED
    return WithdrawalRequest(
        row.id,
        state,
        row.act,
        row.reason_text,
        row.instances,
        json.loads(row.asked),
        _actor(row, "asked_by"),
        row.asked_at,
        row.expires_at,
        _actor(row, "decided_by"),
        row.decided_at or None,
        row.decided_because,
        row.withdrawal,
    )


def _actor(row: Row[Any], prefix: str) -> Actor | None:
    columns = row._mapping
    return Actor.stored(columns[f"{prefix}_kind"], columns[f"{prefix}_name"], columns[f"{prefix}_address"])
