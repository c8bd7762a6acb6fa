"""Evicts instances: removes bytes here that an archive has committed to (law 9).

The conditions are checked again in the transaction that evicts, for each instance. The file is removed after the
commit, so a reader that has it open continues.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, literal_column, select, update

from kinote.catalog import journal
from kinote.catalog.changes import Kind
from kinote.catalog.journal import RareAct
from kinote.catalog.schema.tables import instance, instance_pieces
from kinote.catalog.sql.dialects import is_sqlite
from kinote.catalog.sql.guards import as_sql, hold
from kinote.catalog.sql.statements import ChangeAmong, LookUp
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.holdings.damage import tell
from kinote.holdings.removing.removal import remember
from kinote.lifecycle.archives.evidence import archives_in_use, archives_keeping
from kinote.lifecycle.archives.promises import acknowledged
from kinote.lifecycle.guards import CAN_BE_EVICTED, NOT_ON_HOLD
from kinote.lifecycle.holds.membership import holds_of, lock_holds
from kinote.security.actors import KINOTE
from kinote.storage.read_in_place import FIRST_IN_PLACE

#: The number of instances evicted in one transaction.
_PAGE = 500


@dataclass(slots=True)
class Evicted:
    """The result: keys of evicted instances, their size in bytes, and for each other key the reason as a sentence."""

    instances: list[int] = field(default_factory=list)
    size: int = 0
    kept: dict[int, str] = field(default_factory=dict)


def takes_room(live: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for live instances that take room in the cache.

    Bytes in the index take none, nor do bytes read in place: those files belong to another system. Key objects stay.
    """
    return (
        live.c.residence == literal_column("'local'"),
        live.c.file_key.is_not(None),
        live.c.store <= literal_column(str(FIRST_IN_PLACE)),
        live.c.sop_class_uid != KEY_OBJECT_SELECTION,
    )


def evict(
    transaction: Connection, instances: Iterable[int], now: datetime, *, archive: int | None = None
) -> Evicted:
    """Evict instances by their keys. The result gives the reason for each that is not evicted.

    An instance is evicted only if it is live, its bytes are in a store, and an archive whose commitment counts now has
    committed to exactly these bytes (`kinote.lifecycle.archives.evidence`). With `archive`, it must be that one. Never
    evicted: key objects, bytes in the index or in a folder read in place, and what is on hold.
    """
    evicted = Evicted()
    keys = sorted(set(instances))
    for start in range(0, len(keys), _PAGE):
        _evict_page(transaction, keys[start : start + _PAGE], now, archive, evicted)
    return evicted


def evict_again(transaction: Connection, entry: Mapping[str, Any], now: datetime) -> list[str]:
    """Repeat the evictions of a journal entry in an older index.

    Recovery sets aside what is left of the files here. Returns the UIDs that are not evicted, because the index knows
    neither them nor an archive that has them. For the others, the archives count as having acknowledged them: they can
    be recalled, and are asked for commitment again.
    """
    archives = {each.name: each.peer for each in archives_in_use(transaction)}
    digests, named = entry.get("digests", {}), entry.get("archives", {})
    uids = [str(uid) for uid in entry.get("uids", [])]
    rows = {row.sop_instance_uid: row for row in _CURRENT(transaction, uids)}
    again, left = [], []
    for uid in uids:
        row = rows.get(uid)
        keeping = [archives[name] for name in named.get(uid, []) if name in archives]
        if row is None or not keeping or row.digest != digests.get(uid):
            left.append(uid)
            continue
        if row.residence not in ("local", "damaged"):
            continue
        for archive in keeping:
            acknowledged(transaction, archive, [(row.id, row.digest)], now)
        again.append(row.id)
    for key in again:
        transaction.execute(
            update(instance)
            .where(instance.c.id == key)
            .values(residence="remote", file_key=None, dataset_offset=0)
        )
    if again:
        _PIECES(transaction, again)
        tell(transaction, Kind.INSTANCE_EVICTED, again, now)
    return left


def _evict_page(
    transaction: Connection, keys: list[int], now: datetime, archive: int | None, evicted: Evicted
) -> None:
    if not is_sqlite(transaction):
        # Whatever ends evidence locks the row first (`kinote.lifecycle.archives.other_bytes`).
        locked = select(instance.c.id).where(instance.c.id.in_(keys)).order_by(instance.c.id)
        transaction.execute(locked.with_for_update()).all()
    rows = {row.id: row for row in _ROWS(transaction, keys)}
    # No hold can be placed from here on, so an instance whose hold was confirmed keeps its bytes.
    lock_holds(transaction, shared=True)
    holds = holds_of(transaction, keys, now)
    keeping = archives_keeping(transaction, keys, now)
    done = []
    gone: dict[str, tuple[str, list[str]]] = {}
    for key in keys:
        row = rows.get(key)
        usable = [each for each in keeping.get(key, []) if archive in (None, each.peer)]
        why = _why_not(row, is_kept=bool(usable))
        if not why and not hold(NOT_ON_HOLD, holds.get(key)):
            why = holds[key][0].sentence()
        if not why and not _removed(transaction, row):
            why = "It has changed meanwhile."
        if why:
            evicted.kept[key] = why
            continue
        assert row is not None
        remember(transaction, (row.store, row.file_key), now)
        done.append(key)
        gone[row.sop_instance_uid] = row.digest, [each.name for each in keeping.get(key, [])]
        evicted.size += row.size or 0
    if done:
        # An older index would take the files for lost.
        of_uids: dict[str, dict[str, Any]] = {
            "digests": {uid: digest for uid, (digest, _) in gone.items()},
            "archives": {uid: names for uid, (_, names) in gone.items()},
        }
        journal.record(transaction, RareAct(journal.Kind.EVICTED, now, KINOTE, gone, of_uids=of_uids))
        _PIECES(transaction, done)
        tell(transaction, Kind.INSTANCE_EVICTED, done, now)
        evicted.instances += done


def _why_not(row: Any, *, is_kept: bool) -> str:
    if row is None:
        return "There is no such instance."
    for guard in CAN_BE_EVICTED:
        if not guard.holds(row):
            return _SENTENCES[guard.name].format(row=row)
    if not is_kept:
        return "No archive that is relied upon has committed to these bytes."
    return ""


#: Why an instance stays, by the guard that does not hold.
_SENTENCES = {
    "it is live": "It is {row.standing}.",
    "its bytes are here": "Its bytes are not here: its residence is {row.residence}.",
    "it is no key object": "Key objects stay.",
    "it lies in a store": "It is small, and lies in the index.",
    "it is not another system's file": "It lies in a folder of another system, which Kinote leaves as it is.",
}


def _removed(transaction: Connection, row: Any) -> bool:
    """Set the residence to `remote`, if the row is still the one that was looked at."""
    changed = transaction.execute(
        update(instance)
        .where(
            instance.c.id == row.id,
            *as_sql(CAN_BE_EVICTED, instance.c),
            instance.c.store == row.store,
            instance.c.file_key == row.file_key,
            instance.c.digest == row.digest,
        )
        .values(residence="remote", file_key=None, dataset_offset=0)
    )
    return changed.rowcount == 1


_ROWS = LookUp(
    select(
        instance.c.id,
        instance.c.sop_instance_uid,
        instance.c.sop_class_uid,
        instance.c.standing,
        instance.c.is_current,
        instance.c.residence,
        instance.c.store,
        instance.c.file_key,
        instance.c.size,
        instance.c.digest,
    ),
    instance.c.id,
)

_CURRENT = LookUp(
    select(instance.c.id, instance.c.sop_instance_uid, instance.c.residence, instance.c.digest).where(
        instance.c.is_current
    ),
    instance.c.sop_instance_uid,
)

_PIECES = ChangeAmong(instance_pieces.delete(), instance_pieces.c.instance)
