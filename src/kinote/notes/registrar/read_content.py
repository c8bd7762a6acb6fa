"""The content of a received document, as the content of a note version."""

from __future__ import annotations

from kinote.keyobject.reading import UNTITLED, FoundObserver, Reading, ReadReference
from kinote.keyobject.titles import title_group
from kinote.notes.author import Author
from kinote.notes.content import ContentReference, NoteContent, moment


def content_of(reading: Reading) -> NoteContent:
    """Return the content of a document that could be read."""
    title = reading.title or UNTITLED
    return NoteContent(
        title=title,
        title_group=str(title_group(title)),
        modifiers=tuple(dict.fromkeys(reading.modifiers)),
        description=reading.description,
        language=reading.language,
        author=_author(reading.observers),
        created=_created(reading),
        references=tuple(dict.fromkeys(_reference(reference) for reference in reading.distinct_references)),
        references_from=reading.references_from,
    )


def _created(reading: Reading) -> str:
    """Return content date and time, or otherwise when the instance was created (V42)."""
    said = moment(reading.content_date, reading.content_time, reading.timezone)
    return said or (reading.made.isoformat() if reading.made else "")


def _reference(read: ReadReference) -> ContentReference:
    instance = read.instance
    return ContentReference(
        study_instance_uid=instance.study_instance_uid,
        series_instance_uid=instance.series_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        sop_instance_uid=instance.sop_instance_uid,
        frames=read.frames,
        segments=read.segments,
        presentation_state_uid=read.presentation_state_uid,
    )


def _author(observers: tuple[FoundObserver, ...]) -> Author:
    """Return the first person among the observers, or otherwise the first device."""
    people = [observer for observer in observers if observer.kind == "person"]
    if people:
        return Author("person", people[0].name, people[0].login)
    return next((Author("device", device.name) for device in observers), Author())
