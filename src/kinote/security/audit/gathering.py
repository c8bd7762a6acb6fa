"""Entries that wait to be written in groups: each read access once in a while, and a limited number."""

from __future__ import annotations

from datetime import datetime, timedelta

from kinote.security.audit.entry import AuditEvent, Entry, Outcome

#: For how long the same look at the same thing by the same actor, or the same refusal, is not repeated.
_ONCE_IN = timedelta(minutes=10)

#: Entries that are written in one transaction.
_TOGETHER = 200

#: What is one look: event, outcome, kind, name and address of the actor, what it concerns, and the detail.
_Look = tuple[object, ...]

#: An entry with the moment at which it happened.
Timed = tuple[Entry, datetime]


class Gathered:
    """A queue of entries. To be used under a lock.

    What exceeds `most` is only counted; entries of `event` with `outcome` tell how many these were.
    """

    def __init__(self, event: AuditEvent, outcome: Outcome) -> None:
        self.event = event
        self.outcome: Outcome = outcome
        self._waiting: list[Timed] = []
        self._noted: dict[_Look, datetime] = {}
        self._beyond = 0

    def add(self, entry: Entry, now: datetime, most: int) -> bool:
        """Add an entry, unless the same was added some minutes ago; return whether it is to be written."""
        look = _look_of(entry)
        before = self._noted.get(look)
        if before is not None and now - before < _ONCE_IN:
            return False
        if len(self._waiting) >= most:
            self._beyond += 1
            return True
        if len(self._noted) >= most:
            self._noted.clear()
        self._noted[look] = now
        self._waiting.append((entry, now))
        return True

    def take(self) -> tuple[list[Timed], int]:
        """Take the next group, and how many entries were only counted since the last one."""
        group, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
        beyond, self._beyond = self._beyond, 0
        return group, beyond

    def put_back(self, group: list[Timed]) -> None:
        """Have a group written before all others."""
        self._waiting = group + self._waiting


def is_refusal_of_nobody(entry: Entry) -> bool:
    """Return whether somebody without a name was refused: anybody can make as many of these as they like."""
    return entry.outcome == "refused" and not entry.by.name


def _look_of(entry: Entry) -> _Look:
    by = entry.by
    if is_refusal_of_nobody(entry):
        # What was asked for would be another look each time.
        return entry.event, entry.outcome, by.kind, by.address
    return (
        entry.event,
        entry.outcome,
        by.kind,
        by.name,
        by.address,
        entry.concerned,
        tuple(entry.detail.items()),
    )
