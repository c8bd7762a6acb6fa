"""The shapes of the responses about users, the audit trail, backups, notes of other systems, and decisions on copies.

As in `shapes`, they are only used for the description.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from kinote.holdings.journal.comparing import Difference
from kinote.intake.comparison import AttributeDifference
from kinote.lifecycle.copies.decided import ListedDecision
from kinote.lifecycle.holds.lists import Kept
from kinote.lifecycle.withdrawals.scope import StudyShare
from kinote.notes.creator.making import MadeSome
from kinote.security.actors import Actor
from kinote.security.rights import Right
from kinote.web.description.looking_after import Alert
from kinote.web.description.shapes import Held, Page


class SignedInUser(BaseModel):
    """The signed-in user."""

    login: str
    name: str
    roles: list[str]


class SignInProvider(BaseModel):
    """The OpenID provider by which people sign in."""

    name: str


class Session(BaseModel):
    """The signed-in user and its rights. `user` is null for nobody, and if nobody needs to sign in."""

    authentication: Literal["none", "local"]
    provider: SignInProvider | None
    user: SignedInUser | None
    rights: list[Right]
    expires_at: str | None


class Ended(BaseModel):
    """How many sessions ended, and where the browser goes to end the session at the OpenID provider, if it should."""

    ended: int
    continue_at: str | None = None


class Renewed(BaseModel):
    """The end of the session that was started with the new password."""

    expires_at: str


class User(BaseModel):
    """A user."""

    id: int
    login: str
    name: str
    roles: list[str]
    enabled: bool
    has_password: bool
    added_at: str
    changed_at: str


class Token(BaseModel):
    """An API token, without its secret."""

    id: int
    user: str
    name: str
    scopes: list[str] | None
    added_at: str
    expires_at: str | None
    revoked_at: str | None


class NewToken(Token):
    """An API token that was just made, with its secret."""

    token: str


class AuditEntry(BaseModel):
    """An entry of the audit trail."""

    id: int
    at: str
    event: str
    outcome: str
    by: Actor
    patient_id: str | None
    study_instance_uid: str | None
    subject: str | None
    detail: dict[str, Any]


class CheckedTrail(BaseModel):
    """The result of checking chunks of the audit trail. `after` is where to continue, null at the end."""

    chunks: int
    entries: int
    faults: list[str]
    digest: str
    after: int | None
    unsealed: int


class HeldPatient(BaseModel):
    """A patient that a hold is on."""

    patient_id: str
    issuer: str


class Hold(BaseModel):
    """A hold: its object, reason, start and end."""

    id: int
    kind: Literal["legal", "research", "teaching"]
    on: str
    study: str | None
    patient: HeldPatient | None
    note: int | None
    reason: str
    placed_at: str
    placed_by: str | None
    until: str | None
    in_force: bool
    ended_at: str | None
    ended_by: str | None
    ended_because: str | None


class WholeHold(Hold):
    """A hold with what it keeps now."""

    keeps: Kept


class Backup(BaseModel):
    """A backup, and its progress."""

    id: int
    state: Literal["running", "good", "failed"]
    begun_at: str
    ended_at: str | None
    asked_by: str | None
    folder: str | None
    reason: str | None
    step: str | None
    done: int
    total: int
    bytes: int
    log_bytes: int


class Backups(Page[Backup]):
    """A page of backups, with the last one that was made whole."""

    last_good: Backup | None
    warning: str | None


class OpenAlerts(BaseModel):
    """How many alerts are open, by their state."""

    new: int
    acknowledged: int
    snoozed: int


class Alerts(Page[Alert]):
    """A page of alerts, and how many are open."""

    numbers: OpenAlerts


class TestMessage(BaseModel):
    """The outcome of a test message by one channel."""

    channel: str
    sent: bool
    sentence: str


class RemovedCount(BaseModel):
    """The withdrawals of an act by somebody, and the instances that they named."""

    act: str
    sentence: str
    by: Actor | None
    withdrawals: int
    instances: int


class ProposedCorrection(BaseModel):
    """What copies say of a study that differs from what is known."""

    id: int
    study_instance_uid: str
    differences: dict[str, dict[str, Any]]
    copies: int
    first_at: str
    last_at: str
    decided_at: str
    decided_by: str | None
    decided_because: str


class DecidedObject(BaseModel):
    """The outcome for one object of a decision."""

    instance: int
    study_instance_uid: str
    sop_instance_uid: str
    way: str
    new_sop_instance_uid: str
    first: int | None
    withdrawal: int | None
    held_reason: str
    digest: str


class HeldPicture(Held):
    """A held copy, with the address of its picture if it has one."""

    picture: str | None


class FirstCopy(BaseModel):
    """The instance beside which a copy is held, with the address of its picture."""

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    patient_id: str
    transfer_syntax_uid: str
    standing: str
    received_at: str
    received_from: str
    digest: str
    size: int
    given_to: int
    picture: str | None


class HeldUnderNewUid(BaseModel):
    """The new UID of what came as a held copy."""

    held: int
    sop_instance_uid: str


class DecidedCopies(BaseModel):
    """What a choice did, or in a preview would do. `decided` or `instances` is the number of copies."""

    decision: str
    id: int | None
    decided: int | None = None
    instances: int | None = None
    ways: dict[str, int]
    receivers: int
    studies: list[StudyShare]
    withdrawals: list[int]
    new_uids: list[HeldUnderNewUid]
    hindrance: str | None
    seen: str | None = None


class Comparison(BaseModel):
    """Both copies beside each other, and what each choice would do."""

    held: HeldPicture
    first: FirstCopy
    differences: list[AttributeDifference]
    has_more: bool
    pixels: str
    choices: list[DecidedCopies]


class NewUid(BaseModel):
    """The UID under which an object is issued again."""

    sop_instance_uid: str
    new_sop_instance_uid: str


class IssuedAgain(BaseModel):
    """What was issued again, and what was not and why."""

    decision: int
    issued: int
    notes: list[int]
    left: dict[str, Any]
    new_uids: list[NewUid]


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


_CORRECTION = "/api/v1/proposed-corrections/{correction_id}"

ADMINISTERING: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/session"): Session,
    ("post", "/api/v1/session"): Session,
    ("delete", "/api/v1/session"): Ended,
    ("put", "/api/v1/session/password"): Renewed,
    ("get", "/api/v1/users"): Page[User],
    ("post", "/api/v1/users"): User,
    ("put", "/api/v1/users/{user_id}"): User,
    ("put", "/api/v1/users/{user_id}/password"): User,
    ("get", "/api/v1/tokens"): Page[Token],
    ("post", "/api/v1/tokens"): NewToken,
    ("delete", "/api/v1/tokens/{token_id}"): Token,
    ("get", "/api/v1/audit"): Page[AuditEntry],
    ("get", "/api/v1/audit/check"): CheckedTrail,
    ("get", "/api/v1/retention/holds"): Page[Hold],
    ("post", "/api/v1/retention/holds"): WholeHold,
    ("get", "/api/v1/retention/holds/{hold_id}"): WholeHold,
    ("delete", "/api/v1/retention/holds/{hold_id}"): WholeHold,
    ("get", "/api/v1/backups"): Backups,
    ("get", "/api/v1/backups/{backup_id}"): Backup,
    ("post", "/api/v1/backups"): Backup,
    ("get", "/api/v1/journal"): Page[Difference],
    ("get", "/api/v1/alerts"): Alerts,
    ("post", "/api/v1/alerts/test"): Page[TestMessage],
    ("post", "/api/v1/alerts/{alert_id}/own"): Alert,
    ("get", "/api/v1/withdrawals/summary"): Page[RemovedCount],
    ("post", "/api/v1/withdrawals/{withdrawal_id}/issue-again"): IssuedAgain,
    ("get", "/api/v1/proposed-corrections"): Page[ProposedCorrection],
    ("post", _CORRECTION): ProposedCorrection,
    ("post", "/api/v1/held"): DecidedCopies,
    ("post", "/api/v1/held/{held_id}"): DecidedCopies,
    ("get", "/api/v1/held/decisions"): Page[ListedDecision],
    ("get", "/api/v1/held/decisions/{decision_id}"): Page[DecidedObject],
    ("get", "/api/v1/held/{held_id}/comparison"): Comparison,
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
