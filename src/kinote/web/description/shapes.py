"""The shapes of the responses of the REST API.

They are only used for the description: the routes write their JSON themselves, and a test compares both.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from kinote.keyobject.findings import Finding
from kinote.lifecycle.explaining.account import Tally
from kinote.lifecycle.explaining.explain import Explanation
from kinote.notes.registrar.again import RegisteredAgain
from kinote.security.actors import Actor

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A collection. `next` is the cursor of the following page, null if there is none."""

    items: list[Item]
    next: str | None


class Code(BaseModel):
    """A coded entry."""

    scheme: str
    value: str
    meaning: str | None


class Modifiers(BaseModel):
    """The modifiers of a title."""

    context_group: str
    mandatory: bool
    items: list[Code]


class Title(Code):
    """A document title (CID 7010)."""

    group: str
    hot_key: str | None
    modifiers: Modifiers | None
    can_be_made: bool


class Place(BaseModel):
    """An image that represents a study."""

    series_instance_uid: str
    sop_instance_uid: str


class StudySummary(BaseModel):
    """A study in a list."""

    study_instance_uid: str
    patient_id: str | None
    patient_name: str | None
    patient_birth_date: str | None
    patient_sex: str | None
    study_date: str | None
    study_time: str | None
    description: str | None
    accession_number: str | None
    modalities: list[str]
    series_count: int
    instance_count: int
    image_series_count: int
    image_count: int
    note_count: int
    thumbnail: Place | None


class Instance(BaseModel):
    """A live instance of a series."""

    sop_instance_uid: str
    sop_class_uid: str
    number: int | None
    frames: int
    rows: int | None
    columns: int | None
    is_image: bool


class Series(BaseModel):
    """A series with its live instances."""

    series_instance_uid: str
    modality: str | None
    number: int | None
    description: str | None
    body_part: str | None
    instances: list[Instance]


class SaidPatient(BaseModel):
    """The patient that a held copy names."""

    patient_id: str
    issuer: str


class PatientConflict(BaseModel):
    """Held copies name another patient than the study does."""

    sentence: str
    copies: int
    said: list[SaidPatient]


class Study(StudySummary):
    """A study with everything that is live in it."""

    patient_conflict: PatientConflict | None
    proposed_corrections: int
    series: list[Series]


class AccountRejection(BaseModel):
    """A rejection note of another system that names instances of a study."""

    rejection_note_uid: str
    title: str
    effect: str
    by: Actor | None
    made_at: str
    undone_at: str | None
    sop_instance_uids: list[str]


class NotMade(BaseModel):
    """A document of a migrated note that could not be made when it was needed, and why."""

    sop_instance_uid: str
    reason: str


class Account(BaseModel):
    """The account of a study."""

    study_instance_uid: str
    stored_instance_count: int
    by_standing: dict[str, Tally]
    by_residence: dict[str, Tally]
    by_registration: dict[str, Tally]
    rejections: list[AccountRejection]
    not_made: list[NotMade]
    counts_agree: bool


class AwaitedKeyObject(BaseModel):
    """A document of a migrated note that cannot be made yet, and why."""

    sop_instance_uid: str
    study_instance_uid: str
    reason: str


class Author(BaseModel):
    """The author of a note."""

    kind: Literal["person", "device"]
    name: str | None
    login: str | None
    verified: bool


class Reference(BaseModel):
    """An instance that a note flags."""

    study_instance_uid: str | None
    series_instance_uid: str | None
    sop_class_uid: str | None
    sop_instance_uid: str
    frames: list[int]
    segments: list[int]
    presentation_state_uid: str | None
    status: str


class KeyObject(BaseModel):
    """A document of a note."""

    sop_instance_uid: str
    study_instance_uid: str
    registration: str | None


class Note(BaseModel):
    """A note, or the placeholder of a document that could not be understood."""

    id: int | str
    version: int
    study_instance_uid: str
    title: Code | None
    modifiers: list[Code]
    description: str | None
    language: str | None
    author: Author | None
    created: str | None
    origin: str
    standing: str
    references: list[Reference]
    key_objects: list[KeyObject]
    awaited: list[AwaitedKeyObject]
    findings: list[Finding]


class StudyOfNote(BaseModel):
    """The study of a note in a search."""

    patient_id: str | None
    patient_name: str | None
    study_date: str | None
    description: str | None


class FoundNote(Note):
    """A note that was found. `study` is null if nothing of it is here."""

    study: StudyOfNote | None


class FoundObject(BaseModel):
    """An object with findings."""

    sop_instance_uid: str
    study_instance_uid: str
    registration: str | None
    findings: list[Finding]


class ToRegister(BaseModel):
    """A key object that may be registered again."""

    sop_instance_uid: str


class Act(BaseModel):
    """An act of withdrawal."""

    name: str
    sentence: str
    reason: Code | None
    rejection_title: Code | None
    later_copies: str
    undo_window: int
    may_be_shown: bool


class Scrubbed(BaseModel):
    """The result of a step of the scrub."""

    objects: int
    bytes: int
    damaged: int
    unreadable: int
    renewed: int
    next: str | None


class Held(BaseModel):
    """A held copy."""

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    patient_id: str
    transfer_syntax_uid: str
    reason: str
    received_at: str
    received_from: str
    digest: str
    size: int


class Queue(BaseModel):
    """The queue of a kind of job."""

    kind: str
    state: str
    drains_to: int | None
    actor: str
    reason: str
    changed_at: str | None
    does: str


class MadeJob(BaseModel):
    """A new job, or one that existed already."""

    job: int
    is_new: bool


class Change(BaseModel):
    """An entry of the change feed."""

    position: str
    made_at: str
    kind: str
    study_instance_uid: str | None
    sop_instance_uid: str | None
    note: int | None


class Identity(BaseModel):
    """The proof of a server."""

    proof: str


_STUDY, _NOTE = "/api/v1/studies/{study}", "/api/v1/notes/{note_id}"

#: The shape of each response, by method and path. Responses about jobs and calls are objects of their own kinds.
ANSWERS: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/titles"): Page[Title],
    ("get", "/api/v1/studies"): Page[StudySummary],
    ("get", _STUDY): Study,
    ("get", f"{_STUDY}/account"): Account,
    ("get", f"{_STUDY}/notes"): Page[Note],
    ("post", f"{_STUDY}/notes"): Note,
    ("get", "/api/v1/notes"): Page[FoundNote],
    ("get", _NOTE): Note,
    ("put", _NOTE): Note,
    ("delete", _NOTE): Note,
    ("get", f"{_NOTE}/versions"): Page[Note],
    ("get", "/api/v1/instances/{sop}/notes"): Page[Note],
    ("get", "/api/v1/instances/{sop}/explain"): Page[Explanation],
    ("get", "/api/v1/instances/to-register"): Page[ToRegister],
    ("post", "/api/v1/instances/{sop}/register"): RegisteredAgain,
    ("get", "/api/v1/findings"): Page[FoundObject],
    ("post", "/api/v1/findings/register"): MadeJob,
    ("get", "/api/v1/acts"): Page[Act],
    ("post", "/api/v1/scrub"): Scrubbed,
    ("get", "/api/v1/held"): Page[Held],
    ("get", "/api/v1/queues"): Page[Queue],
    ("put", "/api/v1/queues/{kind}"): Queue,
    ("get", "/api/v1/changes"): Page[Change],
    ("get", "/api/v1/identity"): Identity,
}
