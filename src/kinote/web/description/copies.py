"""The shapes of responses about held copies, proposed corrections, and objects that are issued again.

As in `shapes`, they are only used for the description.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from kinote.intake.comparison import AttributeDifference
from kinote.lifecycle.copies.decided import ListedDecision
from kinote.lifecycle.withdrawals.scope import StudyShare
from kinote.web.description.shapes import Held, Page


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


_CORRECTION = "/api/v1/proposed-corrections/{correction_id}"

COPIES: dict[tuple[str, str], Any] = {
    ("post", "/api/v1/withdrawals/{withdrawal_id}/issue-again"): IssuedAgain,
    ("get", "/api/v1/proposed-corrections"): Page[ProposedCorrection],
    ("post", _CORRECTION): ProposedCorrection,
    ("post", "/api/v1/held"): DecidedCopies,
    ("post", "/api/v1/held/{held_id}"): DecidedCopies,
    ("get", "/api/v1/held/decisions"): Page[ListedDecision],
    ("get", "/api/v1/held/decisions/{decision_id}"): Page[DecidedObject],
    ("get", "/api/v1/held/{held_id}/comparison"): Comparison,
}
