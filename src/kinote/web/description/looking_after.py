"""The shapes of the responses about objects received, withdrawals, rejections, purges, alerts, arrivals and jobs.

As in `shapes`, they are only used for the description.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from kinote.holdings.law_check import Breach
from kinote.intake.outcome import OutcomeKind
from kinote.jobs.acts import Acted
from kinote.jobs.states import State
from kinote.lifecycle.explaining.asked import Cause
from kinote.lifecycle.purging.lists import PurgeCounts
from kinote.lifecycle.rejection.proposals import RejectedInstance, RejectionState
from kinote.lifecycle.second_person.requests import RequestState
from kinote.lifecycle.withdrawals.lists import Owed
from kinote.lifecycle.withdrawals.scope import StudyShare
from kinote.security.actors import Actor
from kinote.web.description.shapes import Code, Page


class Received(BaseModel):
    """The outcome for a received object: `status` and `reason` if it was refused."""

    kind: OutcomeKind
    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    reason: str
    status: int
    registration: str
    findings: list[str]


class Withdrawal(BaseModel):
    """A withdrawal in a list."""

    id: int
    act: str
    sentence: str
    reason: Code
    text: str
    by: Actor | None
    confirmed_by: Actor | None
    made_at: str
    closes_at: str
    state: str
    effect: str
    received: bool
    instances: int
    undone_at: str | None
    undone_by: Actor | None
    can_be_undone: bool
    why_not_undoable: str | None


class MadeWithdrawal(Withdrawal):
    """A new withdrawal, with what it has changed."""

    withdrawn: int
    already_withdrawn: int
    not_here: int
    studies: list[StudyShare]


class PlannedWithdrawal(BaseModel):
    """What would be withdrawn (`preview`)."""

    instances: int
    withdrawn: int
    already_withdrawn: int
    not_here: int
    studies: list[StudyShare]
    text_required: bool
    undo_window: int
    second_person: bool


class WithdrawalRequest(BaseModel):
    """A withdrawal that was asked for, and waits for a second person or was decided."""

    id: int
    state: RequestState
    act: str
    text: str
    instances: int
    asked: dict[str, Any]
    asked_by: Actor | None
    asked_at: str
    expires_at: str
    decided_by: Actor | None
    decided_at: str | None
    decided_because: str
    withdrawal: int | None


class MeantNow(BaseModel):
    """What a withdrawal would withdraw now."""

    instances: int
    withdrawn: int
    already_withdrawn: int
    not_here: int
    studies: list[StudyShare]


class WholeWithdrawalRequest(WithdrawalRequest):
    """The same, with what it would withdraw now."""

    means: MeantNow | None


class WaitingWithdrawal(MeantNow):
    """A withdrawal that was asked for now, and waits for a second person."""

    waiting: WithdrawalRequest


class RejectionNote(BaseModel):
    """The rejection note of a withdrawal in one study."""

    study_instance_uid: str
    sop_instance_uid: str


class WholeWithdrawal(Withdrawal):
    """A withdrawal with all that it names, and who is told of it."""

    purged: int
    purged_sentence: str | None
    studies: list[StudyShare]
    sop_instance_uids: list[str]
    rejection_notes: list[RejectionNote]
    owed: list[Owed]


class Recorded(BaseModel):
    """How many objects were recorded as sent, and the name of the peer that they were sent to, if it is known."""

    recorded: int
    peer: str | None


class LookedAt(Page[Breach]):
    """What is wrong with the instances that were checked."""

    looked_at: int


class Purge(BaseModel):
    """A tombstone, or a future one."""

    instance: int
    sop_instance_uid: str
    study_instance_uid: str
    purged_at: str | None
    removed_at: str | None
    digest: str | None
    digest_algorithm: str | None
    bytes: int | None
    act: str | None
    reason: str | None
    text: str | None
    withdrawn_at: str | None
    withdrawn_by: str | None


class Purges(Page[Purge]):
    """What was purged, and how much is not completed."""

    counts: PurgeCounts


class FailedPurge(Purge):
    """What could not be purged, or whose bytes could not be removed."""

    what: str
    attempts: int
    state: str
    retry_at: str | None
    failure: str


class PlannedPurge(BaseModel):
    """What would be purged."""

    due_at: str
    sop_instance_uid: str
    study_instance_uid: str
    bytes: int
    act: str
    withdrawn_at: str


class PurgePlan(Page[PlannedPurge]):
    """What would be purged; `is_off`: no delay is set."""

    is_off: bool


class Count(BaseModel):
    """How many there are."""

    count: int


class Alert(BaseModel):
    """A condition that needs a person."""

    id: int
    state: str
    severity: str
    code: str
    subject: str
    sentence: str
    since: str
    cleared_at: str | None
    acknowledged_at: str | None
    acknowledged_by: str | None
    snoozed_until: str | None
    snoozed_by: str | None
    owner: str | None
    owned_at: str | None
    owned_by: str | None


class RefusedArrival(BaseModel):
    """What was offered and not accepted."""

    id: int
    happened_at: str
    interface: str
    sender: str
    address: str
    sop_instance_uid: str
    sop_class_uid: str
    kind: str
    status: int
    comment: str
    count: int


class Rejection(BaseModel):
    """What a received rejection note asks for."""

    id: int
    state: RejectionState
    rejection_note_uid: str
    study_instance_uid: str | None
    title: Code
    act: str
    effect: str
    text: str
    by: Actor | None
    made_at: str
    decided_by: Actor | None
    decided_at: str | None
    decided_because: str
    instances: int
    spared: int


class WholeRejection(Rejection):
    """A received rejection with a page of what it names."""

    items: list[RejectedInstance]
    next: str | None


class Job(BaseModel):
    """A job in a list."""

    id: int
    kind: str
    destination: str
    state: State
    priority: int
    attempt: int
    attempts_allowed: int
    made_at: str
    changed_at: str
    until_at: str | None
    ended_at: str | None
    worker: str | None
    actor: str
    reason: str
    progress: dict[str, Any]
    sentence: str


class NumberOfJobs(BaseModel):
    """The jobs of a kind in a state. `is_more`: there are more than were counted."""

    kind: str
    state: State
    count: int
    is_more: bool
    oldest_made_at: str
    sentence: str


class Jobs(Page[Job]):
    """Jobs, and how many of each kind and state there are."""

    numbers: list[NumberOfJobs]


class JobEvent(BaseModel):
    """A change of a job."""

    happened_at: str
    event: str
    #: Empty for the creation of the job.
    from_state: State | Literal[""]
    to_state: State
    attempt: int
    actor: str
    reason: str


class FailedObject(BaseModel):
    """An object on which a job failed. `instance` is the key of its row."""

    instance: int
    may_be_tried_again: bool
    reason: str
    failed_at: str


class WholeJob(Job):
    """A job with its history."""

    payload: dict[str, Any]
    history: list[JobEvent]
    failed_objects: list[FailedObject]


class Echo(BaseModel):
    """Whether a peer responds at an endpoint, and how quickly."""

    answers: bool
    sentence: str
    milliseconds: int
    endpoint: int


_WITHDRAWAL, _REJECTION = "/api/v1/withdrawals/{withdrawal_id}", "/api/v1/rejections/{rejection_id}"
_WITHDRAWAL_REQUEST = "/api/v1/withdrawal-requests/{request_id}"

LOOKING_AFTER: dict[tuple[str, str], Any] = {
    ("post", "/api/v1/objects"): Received,
    ("post", "/api/v1/withdrawals"): MadeWithdrawal,
    ("get", "/api/v1/withdrawals"): Page[Withdrawal],
    ("get", _WITHDRAWAL): WholeWithdrawal,
    ("delete", _WITHDRAWAL): WholeWithdrawal,
    ("get", "/api/v1/withdrawal-requests"): Page[WithdrawalRequest],
    ("get", _WITHDRAWAL_REQUEST): WholeWithdrawalRequest,
    ("post", _WITHDRAWAL_REQUEST): WithdrawalRequest,
    ("post", "/api/v1/handed-out"): Recorded,
    ("get", "/api/v1/laws"): LookedAt,
    ("get", "/api/v1/purges"): Purges,
    ("get", "/api/v1/purges/failures"): Page[FailedPurge],
    ("get", "/api/v1/purges/plan"): PurgePlan,
    ("post", "/api/v1/purges/retry"): Count,
    ("post", "/api/v1/alerts/{alert_id}/acknowledge"): Alert,
    ("post", "/api/v1/alerts/{alert_id}/snooze"): Alert,
    ("get", "/api/v1/arrivals/refused"): Page[RefusedArrival],
    ("get", "/api/v1/explain"): Page[Cause],
    ("get", "/api/v1/rejections"): Page[Rejection],
    ("get", _REJECTION): WholeRejection,
    ("post", _REJECTION): Rejection,
    ("get", "/api/v1/jobs"): Jobs,
    ("get", "/api/v1/jobs/{job_id}"): WholeJob,
    ("post", "/api/v1/jobs/acts"): Acted,
    ("post", "/api/v1/jobs/{job_id}/retry"): WholeJob,
    ("post", "/api/v1/jobs/{job_id}/cancel"): WholeJob,
    ("post", "/api/v1/peers/{peer_id}/echo"): Echo,
}
