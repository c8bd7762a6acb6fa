"""The shapes of responses about stores and notes of other systems.

As in `shapes`, they are only used for the description.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from kinote.notes.creator.making import MadeSome
from kinote.web.description.shapes import Page


class WaitingNote(BaseModel):
    """A key object of a migrated note that cannot be made yet."""

    version: int
    note: int
    source: str
    legacy_key: str
    patient_id: str
    study_instance_uid: str
    sop_instance_uid: str
    reason: str


class FolderScan(BaseModel):
    """The progress of scanning a folder of another system. `position` is its last file whose outcome is known."""

    id: int
    folder: str
    in_place: bool
    content: str
    position: str
    files: int
    counts: dict[str, int]
    begun_at: str
    changed_at: str
    ended_at: str | None
    problem: str


class Sweep(BaseModel):
    """How many key objects are left that an older version has read."""

    reader: int
    left: int


class FetchAccount(BaseModel):
    """Series and instances that another system lists or that are flagged: those that are here, and those that are
    not.
    """

    series: int
    listed: int
    here: int
    missing: int


class Fetch(BaseModel):
    """What was fetched from another system. `position` is the last study that is done, of which there are `studies`."""

    id: int
    source: str
    wants: str
    position: str
    studies: int
    begun_at: str
    changed_at: str
    ended_at: str | None
    problem: str
    account: FetchAccount


class FollowedPeer(BaseModel):
    """A peer whose key objects are copied here, when it last responded, and its `problem` if it does not."""

    id: int
    peer: str
    wants: str
    kinote: bool
    answered_at: str
    problem: str
    studies_waiting: int
    added_at: str
    added_by: str


class MissingOfSeries(BaseModel):
    """A series with missing instances, with their first UIDs. `of_study` is the study of the key objects."""

    of_study: str
    series_instance_uid: str
    study_instance_uid: str
    kind: str
    listed: int
    here: int
    missing: list[str]
    reason: str


class FolderInPlace(BaseModel):
    """A folder of another system whose files are read in place."""

    id: int
    path: str
    added_at: str
    added_by: str


class DuplicateNote(BaseModel):
    """A note of another system that already existed, as `note`."""

    id: int
    source: str
    legacy_key: str
    note: int
    patient_id: str
    imported_at: str


MIGRATING: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/migrations/waiting"): Page[WaitingNote],
    ("get", "/api/v1/migrations/duplicates"): Page[DuplicateNote],
    ("post", "/api/v1/migrations/key-objects"): MadeSome,
    ("get", "/api/v1/migrations/scans"): Page[FolderScan],
    ("get", "/api/v1/migrations/sweep"): Sweep,
    ("get", "/api/v1/migrations/folders"): Page[FolderInPlace],
    ("get", "/api/v1/migrations/fetches"): Page[Fetch],
    ("get", "/api/v1/migrations/followed"): Page[FollowedPeer],
    ("post", "/api/v1/migrations/followed"): FollowedPeer,
    ("delete", "/api/v1/migrations/followed/{followed_id}"): FollowedPeer,
    ("get", "/api/v1/migrations/fetches/{fetch_id}/missing"): Page[MissingOfSeries],
}
