"""What goes on media together: the live objects of studies and notes, and all that their key objects refer to."""

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

#: UIDs of one query.
_TOGETHER = 500

#: What a reference says where its image cannot go along.
_WHY_MISSING = {
    "pending": "not received yet",
    "withdrawn": "withdrawn from use",
    "remote": "kept elsewhere",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to go on media: studies by UID, and notes by number; of studies only the key images, where so asked."""

    studies: tuple[str, ...] = ()
    notes: tuple[int, ...] = ()
    key_images: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """An object that should have gone along, and did not: of which note (0: of none), and why, as a sentence part."""

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
        """How many bytes the objects have as they are stored."""
        return sum(each.size for each in self.objects)

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies that the objects belong to."""
        return tuple(dict.fromkeys(each.study_instance_uid for each in self.objects))


class NothingToExportError(LookupError):
    """There is nothing live of what was asked for; the message says of which."""


def select_for_media(catalog: Catalog, door: Door, wanted: Wanted) -> Selected:
    """Find what goes on media. Raises `NothingToExportError` for a study or a note of which nothing is live."""
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
    """Images and whatever else is referred to, then presentation states, then key objects; else as they were found."""
    if one.sop_class_uid == sop_classes.KEY_OBJECT_SELECTION:
        return 2
    return 1 if sop_classes.is_presentation_state(one.sop_class_uid) else 0


def _notes(connection: Connection, wanted: Wanted) -> list[Note]:
    """The notes that go along, each once. Those of a whole study include manifests, whose images go with it, too."""
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
    """The rejection notes of a study: whoever reads media may show them as key images, so they stay here."""
    return {
        carrier.sop_instance_uid
        for note in queries.notes_of_study(connection, study, everything=True)
        if note.title_group == TitleGroup.REJECTION
        for carrier in note.key_objects
    }


def _uids_of(note: Note) -> Iterable[str]:
    """The key objects of a note, in all studies of the patient, and what they refer to."""
    yield from (carrier.sop_instance_uid for carrier in note.key_objects if carrier.standing == "live")
    for reference in note.references:
        if reference.status != "foreign":
            yield reference.sop_instance_uid
            if reference.presentation_state_uid:
                yield reference.presentation_state_uid


def _live(door: Door, uids: Sequence[str]) -> dict[str, LiveObject]:
    """The live objects of these UIDs."""
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
