"""The journal of rare acts, as transactions see it: `record` is how an act joins it.

The index can be lost, and a backup is older than the index. So acts that take objects out of use, or bring them back,
are also written to files of their own (`kinote.storage.journal_files`). They are written and synced before the COMMIT:
what is committed is in the journal. An entry whose transaction was rolled back is marked so. One whose outcome nobody
knows has no mark, and counts as done where that keeps something out of use (`kinote.backup.replaying`).

Each entry also has a row in the index. So it is known which entries an older index lacks.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol

from sqlalchemy import Connection

from kinote.catalog.schema.tables import journal_entry
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.sql.unavailable import IndexUnavailableError

#: How many UIDs one entry has at most. An act on more has several entries.
CHUNK = 1000

_ENTRIES = "kinote journal entries"


class Kind(StrEnum):
    """The kinds of entries. Their names never change. `EFFECTS` says what each does."""

    #: Instances were withdrawn, whether or not that hides them: with `effect` and `spared` as in the index.
    WITHDRAWN = "withdrawn"
    #: A withdrawal was undone; of a rejection that waited: it was refused.
    UNDONE = "withdrawal undone"
    #: The undo window of a withdrawal has closed.
    TOLD = "undo window closed"
    #: A rejection that waited was accepted: `effect` is what it does from then on.
    ACCEPTED = "rejection accepted"
    #: A withdrawal has no effect any more on these UIDs, or has one again.
    SPARED = "spared by a withdrawal"
    NO_LONGER_SPARED = "no longer spared by a withdrawal"
    #: The bytes of instances were removed for good.
    PURGED = "purged"
    #: A held copy was removed.
    HELD_DISCARDED = "held copy discarded"
    #: Held copies were brought into use, under their UIDs or new ones.
    COPY_CHOSEN = "held copy brought into use"
    #: What a withdrawal took out of use for good was issued again under new UIDs.
    ISSUED_AGAIN = "issued again"
    #: Storage commitment was given for instances, so that their sender may have removed its copies.
    COMMITTED = "storage committed"
    #: The bytes of instances were removed here: with their `digests`, and the names of the `archives` that have them.
    EVICTED = "evicted"
    #: A restore has left a withdrawal in force that was undone, or that spares UIDs, after the backup was made.
    LEFT_IN_FORCE = "left in force by a restore"
    #: A hold was placed, or ended: `hold` is its token.
    HOLD_PLACED = "hold placed"
    HOLD_ENDED = "hold ended"


class Direction(StrEnum):
    """Whether an act keeps objects out of use, brings them into use, or neither."""

    HIDES = "hides"
    SHOWS = "shows"
    NEITHER = "neither"


#: What each kind of act does. A restore applies what hides, and leaves what shows to a person.
DIRECTIONS: Mapping[Kind, Direction] = MappingProxyType(
    {
        Kind.WITHDRAWN: Direction.HIDES,
        Kind.UNDONE: Direction.SHOWS,
        Kind.TOLD: Direction.NEITHER,
        Kind.ACCEPTED: Direction.HIDES,
        Kind.SPARED: Direction.SHOWS,
        Kind.NO_LONGER_SPARED: Direction.HIDES,
        Kind.PURGED: Direction.HIDES,
        Kind.HELD_DISCARDED: Direction.NEITHER,
        Kind.COPY_CHOSEN: Direction.SHOWS,
        Kind.ISSUED_AGAIN: Direction.SHOWS,
        Kind.COMMITTED: Direction.NEITHER,
        Kind.EVICTED: Direction.NEITHER,
        Kind.LEFT_IN_FORCE: Direction.HIDES,
        Kind.HOLD_PLACED: Direction.NEITHER,
        Kind.HOLD_ENDED: Direction.NEITHER,
    }
)


class Doer(Protocol):
    """Who did it (`kinote.security.actors.Actor`)."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RareAct:
    """An act that joins the journal.

    `uids` are the SOP Instance UIDs it is about, `withdrawal` the key of its withdrawal. `more` has what else is
    needed to do it again, as JSON. `of_uids` has what differs from UID to UID; each entry gets that of its own UIDs.
    """

    kind: Kind
    at: datetime
    by: Doer
    uids: Collection[str] = ()
    withdrawal: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    of_uids: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: its id, and what the journal says of it."""

    id: str
    said: Mapping[str, Any]


class JournalWriter(Protocol):
    """What keeps the entries. Both methods may be called by several writers at once."""

    def write(self, entries: Sequence[Entry]) -> None:
        """Make the entries durable. Raises `JournalUnavailableError`; then they are taken back."""

    def take_back(self, ids: Sequence[str]) -> None:
        """Say that the transaction of these entries was rolled back. Does not fail."""


class NoJournal:
    """Keeps nothing: for an index that is only looked at, and for tests of other things."""

    def write(self, entries: Sequence[Entry]) -> None:
        """Keep nothing."""

    def take_back(self, ids: Sequence[str]) -> None:
        """Keep nothing."""


class JournalUnavailableError(IndexUnavailableError):
    """The journal cannot be written, so the act is not done."""

    said = (
        "The journal of rare acts cannot be written, so nothing was withdrawn, purged or undone. See that the folder "
        "journal in the data directory can be written and that its disk has room, and try again. If its files are lost "
        "for good, start the server again: it writes them again from the index."
    )


def record(transaction: Connection, act: RareAct) -> None:
    """Write an act into the journal, in its own transaction. It is durable before the transaction is committed."""
    uids = sorted(act.uids)
    chunks = [uids[start : start + CHUNK] for start in range(0, len(uids), CHUNK)] or [[]]
    at = timestamp(act.at)
    entries = []
    for chunk in chunks:
        said = {
            "kind": str(act.kind),
            "at": at,
            "by": [str(act.by.kind), act.by.name, act.by.address],
            "withdrawal": act.withdrawal,
            "uids": chunk,
            **act.more,
        }
        for name, values in act.of_uids.items():
            said[name] = {uid: values[uid] for uid in chunk if uid in values}
        entries.append(Entry(secrets.token_hex(10), said))
    statements.insert_rows(
        transaction,
        journal_entry,
        [
            {"id": each.id, "kind": str(act.kind), "withdrawal": act.withdrawal, "made_at": at}
            for each in entries
        ],
    )
    transaction.info.setdefault(_ENTRIES, []).extend(entries)


def number_recorded(transaction: Connection) -> int:
    """Return how many entries the open transaction has."""
    return len(transaction.info.get(_ENTRIES, ()))


def forget(transaction: Connection, beyond: int = 0) -> None:
    """Forget the entries beyond this number: what they record was undone in the transaction itself."""
    if entries := transaction.info.get(_ENTRIES):
        del entries[beyond:]


def recorded(transaction: Connection) -> list[Entry]:
    """Return the entries of the transaction, which is about to be committed, and forget them."""
    return transaction.info.pop(_ENTRIES, None) or []
