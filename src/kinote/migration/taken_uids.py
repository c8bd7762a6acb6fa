"""The UIDs under which notes were exported before, if they are in use here already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from kinote.notes.content import NoteContent
from kinote.notes.creator.awaited import awaited_under, withdrawn_uids
from kinote.notes.creator.carried import CarriedNote, notes_carried_by
from kinote.notes.known_instances import KnownInstance


@dataclass(frozen=True, slots=True)
class TakenUids:
    """UIDs of instances here, of key objects for other notes, and of withdrawals."""

    here: Collection[str]
    by_others: set[str]
    withdrawn: Collection[str]
    carried: Mapping[str, CarriedNote]

    def carrying(
        self, exported: Iterable[tuple[str, str]], content: NoteContent, patient: tuple[str, str]
    ) -> tuple[str, int | None]:
        """Return the exported key object of a note, and the note that it carries here, if it is the same."""
        for _, uid in exported:
            found = self.carried.get(uid)
            if found is not None and found.stands_for(content, patient):
                return uid, found.note
        return "", None

    def problem_with(self, uids: Iterable[str]) -> str:
        """Return why key objects must not have these UIDs; empty if they may. Withdrawn ones are never made."""
        for uid in uids:
            if uid in self.by_others:
                return f"{uid} is that of another note already; correct the table, or leave it empty."
            if uid in self.here and uid not in self.withdrawn:
                return (
                    f"An instance with the UID {uid} is here, and is no key object that flags all images of the note; "
                    "correct the table, or leave it empty."
                )
        return ""


def uids_taken(
    transaction: Connection, exported: Collection[str], known: Mapping[str, KnownInstance]
) -> TakenUids:
    """Return what the index says about the UIDs of exported key objects. `known` are the instances that are here."""
    here = exported & known.keys()
    return TakenUids(
        here,
        {row.sop_instance_uid for row in awaited_under(transaction, exported)},
        withdrawn_uids(transaction, sorted(exported)) if exported else set(),
        notes_carried_by(transaction, here),
    )
