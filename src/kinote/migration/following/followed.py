"""Followed peers, and the studies whose key objects to request from each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from kinote.catalog.schema.tables import followed_peer, followed_study, peer
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.transactions.catalog import Catalog
from kinote.peers import lists
from kinote.peers.peer import EndpointKind
from kinote.security.actors import Actor
from kinote.telemetry.clock import Clock

Wants = Literal["notes", "images"]

#: The most followed peers: each has a thread.
MOST_FOLLOWED = 30

#: How long a study is queried after it has arrived or was opened; and how long if there is no response.
FOR_SO_LONG = timedelta(days=7)

#: How long a study must be quiet before it is queried: its objects arrive one after another.
_QUIET = timedelta(seconds=5)

#: Studies are queried once in this time, however often they are opened.
_OPENED_AGAIN = timedelta(minutes=1)


class CannotFollowError(ValueError):
    """The peer cannot be followed. The message says why."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A followed peer as stored."""

    id: int
    name: str
    wants: Wants
    has_feed: bool
    feed_position: str
    own_position: str
    answered_at: str
    problem: str


@dataclass(frozen=True, slots=True)
class DueStudy:
    """A study that is due to be queried. `is_opened`: its images are wanted as well."""

    study_instance_uid: str
    until_at: str
    is_opened: bool
    tries: int


def follow(
    transaction: Connection, name: str, wants: Wants, *, has_feed: bool, by: Actor, now: datetime
) -> int:
    """Follow an active peer, given by its name. Return the key. For a followed peer, change what is wanted.

    Raises `CannotFollowError`.
    """
    found = next((each for each in lists.peers_in_use(transaction) if each.name == name), None)
    if found is None:
        raise CannotFollowError(f"There is no peer called {name!r}. Add it first.")
    endpoint = found.endpoint(EndpointKind.DICOMWEB, EndpointKind.DIMSE)
    if endpoint is None:
        raise CannotFollowError(f"The peer {name!r} is reached neither by DICOM nor by DICOMweb.")
    if has_feed and not (endpoint.url or "").rstrip("/").endswith("/dicomweb"):
        raise CannotFollowError(
            f"The peer {name!r} has no DICOMweb endpoint of a Kinote, whose URL ends with /dicomweb."
        )
    key = transaction.execute(
        select(followed_peer.c.id).where(followed_peer.c.peer == found.id)
    ).scalar_one_or_none()
    if key is not None:
        transaction.execute(
            followed_peer.update()
            .where(followed_peer.c.id == key)
            .values(wants=wants, has_feed=has_feed, feed_position="", problem="")
        )
        return int(key)
    if transaction.execute(select(func.count()).select_from(followed_peer)).scalar_one() >= MOST_FOLLOWED:
        raise CannotFollowError(f"At most {MOST_FOLLOWED} peers can be followed.")
    row = {
        "peer": found.id,
        "wants": wants,
        "has_feed": has_feed,
        "added_at": timestamp(now),
        **by.columns("added_by"),
    }
    made = transaction.execute(followed_peer.insert().returning(followed_peer.c.id), row)
    return int(made.scalar_one())


def unfollow(transaction: Connection, key: int) -> bool:
    """Stop following a peer. What has been copied stays. Return whether it was followed."""
    transaction.execute(followed_study.delete().where(followed_study.c.followed == key))
    return bool(transaction.execute(followed_peer.delete().where(followed_peer.c.id == key)).rowcount)


def followed(connection: Connection) -> list[Followed]:
    """Return the followed peers that are in use and enabled."""
    rows = connection.execute(
        select(*_OF_FOLLOWED)
        .join(peer, peer.c.id == followed_peer.c.peer)
        .where(peer.c.ended_at.is_(None), peer.c.is_enabled)
        .order_by(followed_peer.c.id)
    )
    return [Followed(*row) for row in rows]


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Return all followed peers, each with the number of studies that wait for it."""
    waiting = (
        select(func.count())
        .where(followed_study.c.followed == followed_peer.c.id)
        .correlate(followed_peer)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            followed_peer.c.id,
            peer.c.name.label("peer"),
            followed_peer.c.wants,
            followed_peer.c.has_feed.label("kinote"),
            followed_peer.c.answered_at,
            followed_peer.c.problem,
            waiting.label("studies_waiting"),
            followed_peer.c.added_at,
            followed_peer.c.added_by_name.label("added_by"),
        )
        .join(peer, peer.c.id == followed_peer.c.peer)
        .order_by(peer.c.name, followed_peer.c.id)
    )
    return [dict(row._mapping) for row in rows]


def want_studies(
    transaction: Connection,
    key: int,
    study_uids: Collection[str],
    now: datetime,
    *,
    after: timedelta = _QUIET,
) -> None:
    """Schedule queries of a peer about studies that have arrived here, or of which it has news."""
    values = {
        "due_at": timestamp(now + after),
        "until_at": timestamp(now + FOR_SO_LONG),
        "tries": 0,
    }
    uids = sorted(study_uids)
    rows = [{"followed": key, "study_instance_uid": uid, **values} for uid in uids]
    statements.insert_new(transaction, followed_study, rows, unique=["followed", "study_instance_uid"])
    # Somebody waits for an opened study: arriving objects do not postpone it.
    kept = [followed_study.c.is_opened.is_(False)] if after else []
    for begin in range(0, len(uids), 500):
        transaction.execute(
            followed_study.update()
            .where(
                followed_study.c.followed == key,
                followed_study.c.study_instance_uid.in_(uids[begin : begin + 500]),
                *kept,
            )
            .values(values)
        )


def note_opened(catalog: Catalog, study_instance_uid: str, clock: Clock) -> Future[None] | None:
    """Note that somebody has opened a study, so that followed peers are queried about its notes.

    Does not wait. The returned future is done when it is noted; None if there is nothing to note.
    """
    now = clock()
    with catalog.read() as connection:
        peers = {
            each.id: each for each in followed(connection) if not each.has_feed or each.wants == "images"
        }
        if not peers:
            return None
        known = connection.execute(
            select(followed_study.c.followed, followed_study.c.until_at, followed_study.c.is_opened).where(
                followed_study.c.study_instance_uid == study_instance_uid,
                followed_study.c.followed.in_(list(peers)),
            )
        )
        lately = timestamp(now + FOR_SO_LONG - _OPENED_AGAIN)
        for row in known:
            if row.until_at > lately and (row.is_opened or peers[row.followed].wants == "notes"):
                del peers[row.followed]
    if not peers:
        return None
    return catalog.submit(
        partial(_write_opened, keys=list(peers), uid=study_instance_uid, now=now), background=True
    )


def _write_opened(transaction: Connection, keys: Iterable[int], uid: str, now: datetime) -> None:
    for key in keys:
        want_studies(transaction, key, [uid], now, after=timedelta())
        transaction.execute(
            followed_study.update()
            .where(followed_study.c.followed == key, followed_study.c.study_instance_uid == uid)
            .values(is_opened=True)
        )


def due_studies(connection: Connection, key: int, now: datetime, limit: int) -> list[DueStudy]:
    """Return the studies that are due for a peer, the longest waiting first."""
    rows = connection.execute(
        select(
            followed_study.c.study_instance_uid,
            followed_study.c.until_at,
            followed_study.c.is_opened,
            followed_study.c.tries,
        )
        .where(followed_study.c.followed == key, followed_study.c.due_at <= timestamp(now))
        .order_by(followed_study.c.due_at)
        .limit(limit)
    )
    return [DueStudy(*row) for row in rows]


def end_study(
    transaction: Connection, key: int, study: DueStudy, *, again_at: datetime | None, failed: bool
) -> None:
    """Record that a study was queried: it is done, or is queried again at this time.

    Changes to it meanwhile are kept.
    """
    this = (
        (followed_study.c.followed == key)
        & (followed_study.c.study_instance_uid == study.study_instance_uid)
        & (followed_study.c.until_at == study.until_at)
        & (followed_study.c.is_opened == study.is_opened)
    )
    if again_at is None or timestamp(again_at) > study.until_at:
        transaction.execute(followed_study.delete().where(this))
        return
    transaction.execute(
        followed_study.update()
        .where(this)
        .values(
            due_at=timestamp(again_at),
            tries=study.tries + 1 if failed else 0,
            is_opened=study.is_opened and failed,
        )
    )


def write_state(transaction: Connection, key: int, values: Mapping[str, str]) -> None:
    """Write changed values of a followed peer: positions, the time of its last response, its problem."""
    transaction.execute(followed_peer.update().where(followed_peer.c.id == key).values(dict(values)))


_OF_FOLLOWED = (
    followed_peer.c.id,
    peer.c.name,
    followed_peer.c.wants,
    followed_peer.c.has_feed,
    followed_peer.c.feed_position,
    followed_peer.c.own_position,
    followed_peer.c.answered_at,
    followed_peer.c.problem,
)
