"""Selects what goes on media: the live objects of studies and notes, and everything their key objects refer to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary import sop_classes
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject, Selection
from kinote.keyobject.titles import TitleGroup
from kinote.notes.lists import queries
from kinote.notes.lists.note import Note

#: The number of UIDs in one query.
_TOGETHER = 500

#: The reason given for a reference whose image cannot be included.
_WHY_MISSING = {
    "pending": "not received yet",
    "withdrawn": "withdrawn from use",
    "remote": "kept elsewhere",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to put on media: studies by UID, and notes by number. Of studies, only the key images if so requested."""

    studies: tuple[str, ...] = ()
    notes: tuple[int, ...] = ()
    key_images: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """An object that should be included but is not: its note (0: none), and the reason, as part of a sentence."""

    sop_instance_uid: str
    reason: str
    note: int = 0


@dataclass(frozen=True, slots=True)
class Selected:
    """What goes on media: objects in the order in which they are written, and the notes that the pages show."""

    objects: tuple[LiveObject, ...]
    notes: tuple[Note, ...]
    missing: tuple[Missing, ...]

    @property
    def size(self) -> int:
        """The size of the stored objects in bytes."""
        return sum(each.size for each in self.objects)

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies that the objects belong to."""
        return tuple(dict.fromkeys(each.study_instance_uid for each in self.objects))


class NothingToExportError(LookupError):
    """Nothing that was requested is live. The message names the study or note."""


def select_for_media(catalog: Catalog, door: Door, wanted: Wanted) -> Selected:
    """Select what goes on media. Raises `NothingToExportError` for a study or note without live objects."""
    objects: dict[str, LiveObject] = {}
    left_out: set[str] = set()
    with catalog.read() as connection:
        notes = _notes(connection, wanted)
        for study in wanted.studies:
            left_out |= _rejection_notes(connection, study)
    for study in wanted.studies:
        live = door.select(Selection(studies=(study,)))
        if not live:
            raise NothingToExportError(f"Nothing that is live has the Study Instance UID {study}.")
        if not wanted.key_images:
            objects |= {each.sop_instance_uid: each for each in live}
    referred = [uid for note in notes for uid in _uids_of(note)]
    objects |= _live(door, [uid for uid in dict.fromkeys(referred) if uid not in objects])
    for uid in left_out:
        objects.pop(uid, None)
    if not objects:
        raise NothingToExportError("There are no key images in what was asked for.")
    missing = [each for note in notes for each in _missing_of(note, objects)]
    shown = tuple(note for note in notes if note.title_group not in queries.NO_MARKS)
    return Selected(tuple(sorted(objects.values(), key=_rank)), shown, tuple(missing))


def _rank(one: LiveObject) -> int:
    """Return the order: images and other referenced objects, then presentation states, then key objects."""
    if one.sop_class_uid == sop_classes.KEY_OBJECT_SELECTION:
        return 2
    return 1 if sop_classes.is_presentation_state(one.sop_class_uid) else 0


def _notes(connection: Connection, wanted: Wanted) -> list[Note]:
    """Return the notes to include, each once. A whole study includes manifests, with the images they name."""
    found: dict[int, Note] = {}
    for study in wanted.studies:
        for note in queries.notes_of_study(connection, study, everything=not wanted.key_images):
            if note.id is not None and note.title_group != TitleGroup.REJECTION:
                found[note.id] = note
    for number in wanted.notes:
        one = queries.note(connection, number)
        if one is None or one.standing != "live":
            raise NothingToExportError(f"There is no note {number}, or it has been withdrawn.")
        if one.title_group == TitleGroup.REJECTION:
            raise NothingToExportError(f"Note {number} is a rejection note, which never goes on media.")
        found[number] = one
    return list(found.values())


def _rejection_notes(connection: Connection, study: str) -> set[str]:
    """Return the rejection notes of a study. They are left out: readers of media may show them as key images."""
    return {
        carrier.sop_instance_uid
        for note in queries.notes_of_study(connection, study, everything=True)
        if note.title_group == TitleGroup.REJECTION
        for carrier in note.key_objects
    }


def _uids_of(note: Note) -> Iterable[str]:
    """Return the key objects of a note in all studies of the patient, and what they refer to."""
    yield from (carrier.sop_instance_uid for carrier in note.key_objects if carrier.standing == "live")
    for reference in note.references:
        if reference.status != "foreign":
            yield reference.sop_instance_uid
            if reference.presentation_state_uid:
                yield reference.presentation_state_uid


def _live(door: Door, uids: Sequence[str]) -> dict[str, LiveObject]:
    """Return the live objects with these UIDs."""
    found: dict[str, LiveObject] = {}
    for start in range(0, len(uids), _TOGETHER):
        live = door.select(Selection(instances=tuple(uids[start : start + _TOGETHER])))
        found |= {each.sop_instance_uid: each for each in live}
    return found


def _missing_of(note: Note, objects: dict[str, LiveObject]) -> Iterable[Missing]:
    number = note.id or 0
    named: set[str] = set()
    for reference in note.references:
        if reference.status == "foreign":
            continue
        uids = {reference.sop_instance_uid: _WHY_MISSING.get(reference.status, "not here")}
        if reference.presentation_state_uid:
            uids[reference.presentation_state_uid] = "a presentation state that is not here"
        for uid, reason in uids.items():
            if uid not in objects and uid not in named:
                named.add(uid)
                yield Missing(uid, reason, number)
    for awaited in note.awaited:
        yield Missing(awaited.sop_instance_uid, awaited.reason, number)
