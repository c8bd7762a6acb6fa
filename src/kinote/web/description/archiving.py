"""The shapes of the answers about storage commitment and archives.

As in `shapes`, only the description is made of them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from kinote.web.description.shapes import Page


class GivenCommitment(BaseModel):
    """A request for storage commitment by another system, in a list."""

    id: int
    transaction_uid: str
    sender: str
    address: str | None
    way: Literal["dimse", "dicomweb"]
    state: Literal["owed", "told", "undeliverable"]
    committed_count: int
    failed_count: int
    asked: str
    told: str | None
    attempts: int
    fault: str | None


class ReferencedInstance(BaseModel):
    """An instance by its class and UID."""

    sop_class_uid: str
    sop_instance_uid: str


class FailedInstance(ReferencedInstance):
    """An instance that was not committed to: `reason` is the Failure Reason (0008,1197) in hexadecimal digits."""

    reason: str


class ShownCommitment(GivenCommitment):
    """The same with its instances."""

    committed: list[ReferencedInstance]
    failed: list[FailedInstance]


#: The shape of each answer, by method and path.
ARCHIVING: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/commitments"): Page[GivenCommitment],
    ("get", "/api/v1/commitments/{commitment_id}"): ShownCommitment,
}
