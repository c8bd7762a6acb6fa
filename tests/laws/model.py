"""What ought to be so: a small model of the product in plain Python, told of every act.

It knows no tables and no queries. An object has no stored standing: it is withdrawn while a withdrawal in
force names it. Nothing is counted but by going through everything there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.laws.arrivals import KEY_OBJECT, PATIENTS, Arriving, Flag, KeyObject, data_set

#: Titles of these kinds are registered and not shown as marks.
NO_MARKS = ("rejection", "manifest")


@dataclass(frozen=True, slots=True)
class Kept:
    """An object whose bytes the product has taken or made."""

    uid: str
    study: str
    series: str
    sop_class: str
    transfer_syntax: str
    dataset: bytes
    #: Whether it is a key object that nobody can understand.
    broken: bool = False


@dataclass(slots=True)
class Withdrawal:
    """Instances taken out of use, whether or not they have come; until it is undone."""

    uids: frozenset[str]
    #: The rejection notes that tell of it.
    rejection_notes: frozenset[str] = frozenset()
    undone: bool = False


@dataclass(slots=True)
class Version:
    """What a note says, and the documents that carry it, in the order in which they came."""

    flags: tuple[Flag, ...]
    kind: str
    text: str
    documents: list[str] = field(default_factory=list)
    #: The documents that its documents name as identical.
    named: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Note:
    """A note with all its versions, the current one last. `content` is there for received ones."""

    number: int
    origin: str
    versions: list[Version]
    content: tuple[object, ...] = ()

    @property
    def current(self) -> Version:
        return self.versions[-1]


class Model:
    """What the product ought to hold and show."""

    def __init__(self) -> None:
        self.objects: dict[str, Kept] = {}
        self.held: list[Kept] = []
        self.withdrawals: list[Withdrawal] = []
        self.notes: dict[int, Note] = {}

    # --- objects ---

    def is_withdrawn(self, uid: str) -> bool:
        return any(uid in each.uids and not each.undone for each in self.withdrawals)

    def standing(self, uid: str) -> str:
        return "withdrawn" if self.is_withdrawn(uid) else "live"

    def live(self, study: str | None = None) -> list[Kept]:
        return [
            each
            for each in self.objects.values()
            if study in (None, each.study) and not self.is_withdrawn(each.uid)
        ]

    def not_live(self) -> list[Kept]:
        return [each for each in self.objects.values() if self.is_withdrawn(each.uid)]

    def studies(self) -> set[str]:
        """Every study that something has come to, live or not."""
        return {each.study for each in (*self.objects.values(), *self.held)}

    def fate(self, arriving: Arriving) -> str:
        """What is to become of an object that comes in."""
        same = [each for each in self.held if each.uid == arriving.uid]
        first = self.objects.get(arriving.uid)
        if first is None:
            return "stored"
        came = kept(arriving)
        known = any(
            (each.dataset, each.transfer_syntax) == (came.dataset, came.transfer_syntax)
            for each in (first, *same)
        )
        return "known" if known else "held"

    def take(self, arriving: Arriving) -> None:
        """An object has come in and is not known already."""
        if self.fate(arriving) == "held":
            self.held.append(kept(arriving))
        else:
            self.objects[arriving.uid] = kept(arriving)

    # --- notes ---

    def note_of(self, document: KeyObject) -> Note | None:
        """The note that a received document belongs to because it is the same one, if there is one."""
        for note in self.notes.values():
            version = note.current
            if note.content != document.content or self._patient(note) != PATIENTS[document.study]:
                continue
            names = document.uid in version.named or set(document.copies) & set(version.documents)
            if names or all(self.objects[uid].study != document.study for uid in version.documents):
                return note
        return None

    def register(self, document: KeyObject, number: int) -> None:
        """A received document carries the note with this number from now on."""
        note = self.notes.get(number)
        if note is None:
            version = Version(document.flags, document.kind, document.text)
            note = self.notes[number] = Note(number, "received", [version], document.content)
        note.current.documents.append(document.uid)
        note.current.named |= set(document.copies)

    def carriers(self, note: Note) -> list[str]:
        """The live documents of its current version."""
        return [uid for uid in note.current.documents if not self.is_withdrawn(uid)]

    def lies_in(self, flag: Flag) -> str:
        """The study of a flagged instance: where it lies decides over what a document said."""
        found = self.objects.get(flag.uid)
        return found.study if found else flag.said_study

    def is_foreign(self, flag: Flag, note: Note) -> bool:
        """Whether it flags an instance of another patient."""
        found = self.objects.get(flag.uid)
        return found is not None and PATIENTS[found.study] != self._patient(note)

    def _patient(self, note: Note) -> str:
        """Whose note it is: all its documents lie in studies of one patient."""
        (patient,) = {PATIENTS[self.objects[uid].study] for uid in note.current.documents}
        return patient

    def status(self, flag: Flag, note: Note) -> str:
        if flag.uid not in self.objects:
            return "pending"
        if self.is_foreign(flag, note):
            return "foreign"
        return "withdrawn" if self.is_withdrawn(flag.uid) else "resolved"

    def marks(self) -> list[Note]:
        """The notes that are shown wherever notes are shown."""
        return [
            note for note in self.notes.values() if note.current.kind not in NO_MARKS and self.carriers(note)
        ]

    def marks_of_study(self, study: str) -> list[Note]:
        return [note for note in self.marks() if self.belongs_to(note, study)]

    def belongs_to(self, note: Note, study: str) -> bool:
        """Whether a document of the note lies in a study, or an image of the same patient that it flags."""
        return any(self.objects[uid].study == study for uid in self.carriers(note)) or any(
            self.lies_in(flag) == study and not self.is_foreign(flag, note) for flag in note.current.flags
        )

    def marks_of_instance(self, uid: str) -> list[Note]:
        return [
            note
            for note in self.marks()
            if any(flag.uid == uid and not self.is_foreign(flag, note) for flag in note.current.flags)
        ]

    def everything_of_study(self, study: str) -> list[Note]:
        """The notes an administrator sees: also manifests, rejections and what flags other patients."""
        return [note for note in self.notes.values() if self.carriers(note) and self._names(note, study)]

    def _names(self, note: Note, study: str) -> bool:
        version = note.current
        return any(self.objects[uid].study == study for uid in version.documents) or any(
            study in (flag.said_study, self.lies_in(flag)) for flag in version.flags
        )

    def placeholders(self, study: str) -> list[str]:
        """The documents of a study that nobody can understand."""
        return [each.uid for each in self.live(study) if each.broken]

    def by_any_document(self, uid: str) -> Note:
        """The note that a document carries, or has carried in an earlier version of it."""
        return next(
            note for note in self.notes.values() for version in note.versions if uid in version.documents
        )

    # --- withdrawals ---

    def changing(self, uids: Iterable[str], standing: str) -> list[str]:
        """Those whose standing becomes another if it becomes this one."""
        return sorted(uid for uid in set(uids) if uid in self.objects and self.standing(uid) != standing)


def kept(arriving: Arriving) -> Kept:
    """An object that comes in as it is to be kept."""
    return Kept(
        uid=arriving.uid,
        study=arriving.lies_in,
        series=arriving.series,
        sop_class=arriving.sop_class,
        transfer_syntax=arriving.transfer_syntax,
        dataset=data_set(arriving.file),
        broken=isinstance(arriving, KeyObject) and arriving.broken,
    )


def key_objects(objects: Iterable[Kept]) -> Iterator[Kept]:
    return (each for each in objects if each.sop_class == KEY_OBJECT)
