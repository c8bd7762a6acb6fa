"""Adopts objects whose bytes are in the stores but not in the index: those newer than the backup, or all.

Each is filed as an arriving object, from its file. Objects that are not live in the index are withdrawn before they are
filed, with the act `after restore`: one withdrawal for each sender and hour, which a person accepts by undoing it. What
the index says about a UID is not changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.instances.uid_locks import lock_many_uids
from kinote.catalog.schema.tables import instance, withdrawal, withdrawal_target
from kinote.catalog.sql import statements
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.removing.removal import owed, owned
from kinote.intake.arrival import Arrival
from kinote.intake.expected import InStudy
from kinote.intake.outcome import Outcome
from kinote.intake.receiver import Receiver
from kinote.intake.upload import Upload
from kinote.lifecycle.acts import AFTER_RESTORE
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.security.actors import KINOTE, Actor, ActorKind
from kinote.security.origins import Interface, Origin
from kinote.storage.store import StorageError, Store
from kinote.storage.stores import Stores
from kinote.telemetry.clock import Clock

_CHUNK = 1024 * 1024

#: The number of objects filed together.
_TOGETHER = 1000

#: Source Application Entity Title in the file meta information (PS3.10 7.1), explicit VR little endian.
_SENDER = re.compile(rb"\x02\x00\x16\x00AE(..)", re.DOTALL)

#: The hour in the key of a file (`kinote.storage.files`).
_HOUR = re.compile(r"(\d{4})/(\d\d)/(\d\d)/(\d\d)/")

#: The most objects named that could not be adopted.
_NAMED = 1000


@dataclass(slots=True)
class Adopted:
    """The number of adopted objects, of those that the index knew, and of unreadable ones."""

    adopted: int = 0
    known: int = 0
    withdrawals: list[dict[str, Any]] = field(default_factory=list)
    not_adopted: list[tuple[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class _InPlace:
    """The bytes of an object that are already in a store. Nothing is written or removed."""

    waits_for_disk = False

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self.store = store.id
        self.key: str | None = key

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Do nothing: the bytes are there."""

    def finish(self) -> None:
        """Do nothing: the bytes are durable."""

    def read_back(self, offset: int, limit: int) -> bytes:
        assert self.key is not None
        with self._store.open(self.key, offset) as file:
            return file.read(limit)

    def abandon(self) -> None:
        """Forget where it is, so that it is not removed."""
        self.key = None


class _Adopting:
    """The receiver for an upload: takes the object from where it is, and keeps it for its group."""

    def __init__(self, store: Store, key: str, moment: datetime) -> None:
        self._in_place = _InPlace(store, key)
        self.clock: Clock = lambda: moment
        self.arrival: Arrival | None = None

    def receive_large(self) -> _InPlace:
        return self._in_place

    def receive_small(self) -> _InPlace:
        return self._in_place

    def commit(self, arrival: Arrival, *, sync_here: bool) -> None:
        del sync_here
        self.arrival = arrival

    def observe(self, refusal: Outcome) -> None:
        """Do nothing: the caller reports what could not be adopted."""


def adopt_unknown(
    catalog: Catalog,
    stores: Stores,
    clock: Callable[[], datetime],
    report: Callable[[int, int], None],
) -> Adopted:
    """File all objects in the stores that no row has. Raises OSError."""
    found = Adopted()
    receiver = Receiver(catalog, stores, clock=clock)
    done = 0
    try:
        group: list[tuple[Arrival, str, str]] = []
        for store, key in _unknown(catalog, stores):
            taken = _take(store, key, clock, found)
            if taken is not None:
                group.append(taken)
            if len(group) == _TOGETHER:
                _file(catalog, receiver, group, clock(), found)
                group = []
            done += 1
            report(done, done)
        _file(catalog, receiver, group, clock(), found)
    finally:
        receiver.close()
    return found


def _unknown(catalog: Catalog, stores: Stores) -> Iterator[tuple[Store, str]]:
    for store in stores:
        for keys in store.keys_since(""):
            with catalog.read() as connection:
                known = owned(connection, store.id, keys) | owed(connection, store.id, keys)
            for key in keys:
                if key not in known:
                    yield store, key


def _take(
    store: Store, key: str, clock: Callable[[], datetime], found: Adopted
) -> tuple[Arrival, str, str] | None:
    """Read an object in place. Return it with its sender and hour. If it is unreadable, remember why."""
    reason = ""
    try:
        with store.open(key) as file:
            beginning = file.read(_CHUNK)
            sender = _sender(beginning)
            hour = _hour(key)
            moment = hour or clock()
            # Small and large objects are treated alike here; the upload decides by size.
            destination = _Adopting(store, key, moment)
            origin = Origin(Interface.IMPORT, Actor(ActorKind.PEER, sender, ""))
            upload = Upload(destination, origin, InStudy())
            chunk = beginning
            while chunk:
                upload.write(chunk)
                chunk = file.read(_CHUNK)
            future = upload.finish()
    except (StorageError, OSError) as error:
        reason = str(error)
    else:
        if destination.arrival is not None:
            return destination.arrival, sender, f"{hour:%Y-%m-%d %H}h" if hour else "an unknown hour"
        reason = future.result().reason
    if len(found.not_adopted) < _NAMED:
        found.not_adopted.append((f"store {store.id}: {key}", reason))
    return None


def _file(
    catalog: Catalog,
    receiver: Receiver,
    group: list[tuple[Arrival, str, str]],
    now: datetime,
    found: Adopted,
) -> None:
    if not group:
        return
    by_source: dict[tuple[str, str], set[str]] = {}
    for arrival, sender, hour in group:
        by_source.setdefault((sender, hour), set()).add(arrival.entry.sop_instance_uid)

    def hide(transaction: Connection) -> list[dict[str, Any]]:
        made = []
        lock_many_uids(transaction, sorted(set().union(*by_source.values())))
        for (sender, hour), uids in sorted(by_source.items()):
            # A later copy must not end a withdrawal by itself: a person decides about withdrawn and purged instances
            # too.
            new = uids - {row.sop_instance_uid for row in _live(transaction, sorted(uids))}
            # An earlier restore may have found them; the journal knows.
            new -= {row.sop_instance_uid for row in _waiting(transaction, sorted(new))}
            if new:
                text = f"Found after a restore: sent by {sender or 'somebody unknown'}, {hour}."
                key = withdraw(transaction, new, act=AFTER_RESTORE, text=text, by=KINOTE, now=now)
                made.append({"withdrawal": key, "sender": sender, "hour": hour, "instances": len(new)})
        return made

    found.withdrawals += catalog.write(hide)
    for arrival, _, _ in group:
        receiver.commit(arrival, sync_here=True)
    for arrival, _, _ in group:
        outcome = arrival.done.result()
        if outcome.kind == "stored":
            found.adopted += 1
        elif outcome.kind in ("known", "held"):
            found.known += 1
        elif len(found.not_adopted) < _NAMED:
            found.not_adopted.append((outcome.sop_instance_uid, outcome.reason))


_waiting = statements.LookUp(
    select(withdrawal_target.c.sop_instance_uid)
    .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    .where(
        withdrawal.c.undone_at.is_(None),
        withdrawal.c.act == AFTER_RESTORE.name,
        withdrawal_target.c.instance.is_(None),
    ),
    withdrawal_target.c.sop_instance_uid,
)

_live = statements.LookUp(
    select(instance.c.sop_instance_uid).where(instance.c.is_current, instance.c.standing == "live"),
    instance.c.sop_instance_uid,
)


def _sender(beginning: bytes) -> str:
    match = _SENDER.search(beginning[:1024])
    if match is None:
        return ""
    start, length = match.end(), int.from_bytes(match[1], "little")
    return beginning[start : start + min(length, 16)].decode("ascii", "replace").strip(" \0")


def _hour(key: str) -> datetime | None:
    match = _HOUR.match(key)
    if match is None:
        return None
    year, month, day, hour = map(int, match.groups())
    return datetime(year, month, day, hour, tzinfo=UTC)
