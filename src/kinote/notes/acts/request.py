"""Requests to make or revise a note, and the errors that refuse them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kinote.keyobject.codes import Code
from kinote.notes.author import Author
from kinote.notes.presentations.view import View


@dataclass(frozen=True, slots=True)
class RequestedReference:
    """An image (or other instance) to flag. Study and series are looked up; if given, they must be right.

    Frames and segments count from 1; none means all. The presentation state says how to show the image. Instead of an
    existing one, `presentation` describes it, and its state is made with the note.
    """

    sop_instance_uid: str
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    frames: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()
    presentation_state_uid: str | None = None
    presentation: View | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRequest:
    """A note to be made: its title (CID 7010), modifiers, text, language (RFC 5646), author, references.

    Without an author, a new note has none, and a revision keeps that of the previous version.
    """

    title: Code
    references: tuple[RequestedReference, ...]
    modifiers: tuple[Code, ...] = ()
    description: str = ""
    language: str = ""
    author: Author | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a request: the field, e.g. `references[1].frames`, and what to do."""

    field: str
    message: str


class NoteRefusedError(ValueError):
    """The note cannot be made as requested. `problems` lists everything that is wrong."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in self.problems))


class NoteNotFoundError(LookupError):
    """There is no note with this number."""

    def __init__(self, note_id: int) -> None:
        super().__init__(f"There is no note {note_id}.")
        self.note_id = note_id


class VersionConflictError(RuntimeError):
    """Somebody else has changed the note meanwhile. `current` is its version now."""

    def __init__(self, note_id: int, current: int) -> None:
        super().__init__(f"Note {note_id} is at version {current} now; read it again before changing it.")
        self.note_id = note_id
        self.current = current


class NotRevisableError(RuntimeError):
    """The note cannot be changed: it was received from elsewhere, or it has been withdrawn."""
