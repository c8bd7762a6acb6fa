"""The content of a summary: the note's text, and a picture of each image that it flags."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from kinote.decoding.errors import DecodingCancelledError
from kinote.decoding.frame_decoder import decode_frame
from kinote.decoding.frame_memory import frame_memory
from kinote.delivery.reports.presentations import read_presentation_state
from kinote.delivery.reports.words import numbers_text, patient_lines, written_date, written_name
from kinote.dicom.dictionary import sop_classes
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.pictures import check_size, render_frame
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.pixels.presenting.presentation_states import Presentation, presentation
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.holdings.unavailable import NotLiveError
from kinote.notes.lists.note import Note, NoteReference
from kinote.notes.lists.queries import notes_of_study
from kinote.notes.lists.summary_facts import StudyFacts, image_numbers, study_facts
from kinote.security.actors import Actor

#: The most key images with a picture. Others are only counted.
MOST_PICTURES = 24

#: The most notes in a study's report, and key images with pictures. Others are only counted.
_MOST_NOTES = 100
_MOST_OF_STUDY = 96

#: Seconds that the pictures of a summary may take together, and the text in place of the others.
_LONGEST = 60.0
_TOO_LONG = "Making the pictures took too long."

#: The size into which pictures are fitted, in pixels.
_BOX = (512, 512)


@dataclass(frozen=True, slots=True)
class KeyImage:
    """A flagged image or frame: its caption, and its live object, if there is one."""

    number: int
    caption: str
    frame: int
    shown: LiveObject | None
    #: The presentation state to show it with, if that is here.
    state: LiveObject | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The content of a summary, and its reader. `more` counts the key images beyond those listed."""

    note: Note
    study: StudyFacts
    images: tuple[KeyImage, ...]
    more: int
    by: Actor

    @property
    def title(self) -> str:
        return self.note.title.meaning if self.note.title else "Key object that cannot be understood"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The facts beside title and description, as (name, value)."""
        facts = [*study_lines(self.study), *self.note_facts, ("Study UID", self.note.study_instance_uid)]
        return [(name, value) for name, value in facts if value]

    @property
    def note_facts(self) -> list[tuple[str, str]]:
        """The facts about the note alone."""
        facts = [
            ("Modifiers", ", ".join(code.meaning for code in self.note.modifiers)),
            ("Author", written_name(self.note.author.name)),
            ("Made", self.note.created[:16].replace("T", " ")),
            ("Standing", "" if self.note.standing == "live" else self.note.standing),
        ]
        return [(name, value) for name, value in facts if value]


@dataclass(frozen=True, slots=True)
class Report:
    """The report about a study: a summary of each note. `more` counts the notes beyond those."""

    study: StudyFacts
    study_instance_uid: str
    notes: tuple[Summary, ...]
    more: int = 0

    @property
    def title(self) -> str:
        return self.study.description or "Key image notes"


def report_of_note(shown: Summary) -> Report:
    """Return the report with one note alone."""
    return Report(shown.study, shown.note.study_instance_uid, (shown,))


def report_of_study(connection: Connection, door: Door, study_instance_uid: str, by: Actor) -> Report:
    """Return the report of a study for a reader. The limit of key images is for all its notes together."""
    found = notes_of_study(connection, study_instance_uid)
    listed: list[Summary] = []
    left = _MOST_OF_STUDY
    for note in found[:_MOST_NOTES]:
        listed.append(summary(connection, door, note, by, most=min(left, MOST_PICTURES)))
        left -= len(listed[-1].images)
    study = study_facts(connection, study_instance_uid)
    return Report(study, study_instance_uid, tuple(listed), len(found) - len(listed))


def study_lines(study: StudyFacts) -> list[tuple[str, str]]:
    """Return the facts about patient, order and study."""
    said = " ".join(each for each in (written_date(study.study_date), study.description) if each)
    return [*patient_lines(study), ("Study", said)]


def summary(
    connection: Connection, door: Door, note: Note, by: Actor, *, most: int = MOST_PICTURES
) -> Summary:
    """Return the summary of a note for a reader, with at most `most` key images.

    Images that are not live are named, but not shown.
    """
    flagged = [
        (reference, frame)
        for reference in note.references
        if reference.status != "foreign"
        for frame in reference.frames or (0,)
    ]
    listed = flagged[:most]
    numbers = image_numbers(connection, [reference.sop_instance_uid for reference, _ in listed])
    images = [
        _key_image(
            connection, door, number, reference, frame, numbers.get(reference.sop_instance_uid, (None, None))
        )
        for number, (reference, frame) in enumerate(listed, 1)
    ]
    study = study_facts(connection, note.study_instance_uid)
    return Summary(note, study, tuple(images), len(flagged) - len(images), by)


def pictures(
    door: Door,
    shown: Summary,
    is_gone: Callable[[], bool] = lambda: False,
    *,
    steady: Callable[[], float] = time.monotonic,
    until: float | None = None,
) -> Iterator[tuple[KeyImage, bytes | None, str]]:
    """Yield each key image with its picture as JPEG, one in memory at a time.

    The picture is None if it cannot be made, if the time is over, or if nobody waits (`is_gone`). Then a text in its
    place says why, unless the caption does. `until` is the end of the time, if several summaries share it.
    """
    over = until_when(steady) if until is None else until

    def is_over() -> bool:
        return is_gone() or steady() >= over

    for image in shown.images:
        picture, why_not = _picture(door, image, shown.by, is_over) if image.shown else (None, "")
        yield image, picture, f"No picture: {why_not}" if why_not else "No picture"


def until_when(steady: Callable[[], float] = time.monotonic) -> float:
    """Return when the time for pictures ends, if it starts now."""
    return steady() + _LONGEST


def _key_image(
    connection: Connection,
    door: Door,
    number: int,
    reference: NoteReference,
    frame: int,
    numbers: tuple[int | None, int | None],
) -> KeyImage:
    found = door.find_instance(connection, reference.sop_instance_uid)
    said = [*numbers_text(numbers, frame), sop_classes.name(reference.sop_class_uid).removesuffix(" Storage")]
    if reference.segments:
        said.append(f"segments {', '.join(map(str, reference.segments))}")
    state = None
    if reference.presentation_state_uid:
        state = door.find_instance(connection, reference.presentation_state_uid)
        if state is None:
            said.append("its presentation state is not here")
        else:
            said.append("with its presentation state")
    if found is None:
        said.append(_MISSING.get(reference.status, reference.status))
    elif not door.can_open(found):
        said.append(_WITHOUT_BYTES[found.residence])
    return KeyImage(number, ", ".join(said), frame or 1, found, state)


_WITHOUT_BYTES = {
    "derivable": "not made yet",
    "remote": "kept elsewhere",
    "damaged": "its bytes are damaged",
    "none": "its bytes are gone",
}

_MISSING = {"pending": "not received yet", "withdrawn": "withdrawn from use", "remote": "kept elsewhere"}


def _picture(door: Door, image: KeyImage, by: Actor, is_over: Callable[[], bool]) -> tuple[bytes | None, str]:
    """Return the picture of a key image; or None, and the reason unless the caption says it."""
    assert image.shown is not None
    if is_over():
        return None, _TOO_LONG
    try:
        state = _state(door, image, by)
        with (
            door.open(image.shown, by).file as file,
            open_frames(file, image.shown.transfer_syntax_uid) as frames,
        ):
            check_size(frames)
            with frame_memory(frames, image.frame):
                samples = decode_frame(frames, image.frame, is_cancelled=is_over)
                return render_frame(
                    frames, image.frame, samples, viewport=_BOX, format="jpeg", state=state
                ), ""
    except DecodingCancelledError:
        return None, _TOO_LONG
    except (PictureError, DicomError) as error:
        return None, str(error)
    except (NotLiveError, OSError):
        return None, ""


def _state(door: Door, image: KeyImage, by: Actor) -> Presentation | None:
    """Return the presentation state of a key image. Without its state a picture could mislead, so there is none."""
    if image.state is None or image.shown is None:
        return None
    header = read_presentation_state(door, image.state, by)
    return presentation(header, image.state.transfer_syntax_uid, image.shown.sop_instance_uid, image.frame)
