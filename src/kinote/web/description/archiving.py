"""The shapes of the responses about storage commitment and archives.

As in `shapes`, they are only used for the description.
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


class NamedPeer(BaseModel):
    """A peer by its number and name."""

    id: int
    name: str


class ArchivePolicyShape(BaseModel):
    """How an archive is used."""

    commitment: Literal["dimse", "dicomweb", "none"]
    renew_days: int
    timeout_minutes: int
    recall: Literal["c-get"]
    recall_seconds: int


class ArchiveEvidence(BaseModel):
    """Numbers of instances by the evidence that the archive has them; `too_old` of those that were committed to."""

    acknowledged: int
    committed: int
    too_old: int
    oldest: str | None


class Suspension(BaseModel):
    """Since when and why an archive's promises are not relied upon."""

    since: str
    reason: str


class RecallProof(BaseModel):
    """The result of the first recall."""

    result: Literal["proved", "refused"] | None
    at: str | None
    report: dict[str, Any] | None


class ShownArchive(BaseModel):
    """An archive. `hindrance` says why nothing may be evicted because of its commitments."""

    peer: NamedPeer
    version: int
    policy: ArchivePolicyShape
    evidence: ArchiveEvidence
    suspended: Suspension | None
    proof: RecallProof
    hindrance: str | None
    added: str


class AskedInstances(BaseModel):
    """Numbers of instances of a request by what became of them."""

    asked: int
    committed: int
    failed: int
    omitted: int


class AskedCommitment(BaseModel):
    """A request of ours for storage commitment."""

    id: int
    transaction_uid: str
    state: Literal["made", "asked", "in doubt", "answered", "refused", "overdue"]
    made: str
    due: str
    answered: str | None
    late: bool
    early: bool
    repeated: int
    fault: str | None
    instances: AskedInstances


class EnqueuedJob(BaseModel):
    """The number of a job."""

    job: int


class RecallReport(BaseModel):
    """The result of a recall: `attributes` are the tags in which both copies differ, at most 100."""

    sop_instance_uid: str
    identical: bool
    sentence: str
    attributes: list[str] = []


class KeptObject(BaseModel):
    """An object that was not evicted, and why."""

    sop_instance_uid: str
    reason: str


class EvictedObjects(BaseModel):
    """How many objects were evicted with how many bytes, and how many stay."""

    evicted: int
    bytes: int
    kept: int
    reasons: list[KeptObject]


#: The shape of each response, by method and path.
ARCHIVING: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/archives"): Page[ShownArchive],
    ("get", "/api/v1/archives/{peer_id}"): ShownArchive,
    ("put", "/api/v1/archives/{peer_id}"): ShownArchive,
    ("delete", "/api/v1/archives/{peer_id}"): ShownArchive,
    ("get", "/api/v1/archives/{peer_id}/requests"): Page[AskedCommitment],
    ("post", "/api/v1/archives/{peer_id}/commit"): EnqueuedJob,
    ("post", "/api/v1/archives/{peer_id}/resume"): ShownArchive,
    ("post", "/api/v1/archives/{peer_id}/recall"): RecallReport,
    ("post", "/api/v1/archives/{peer_id}/evict"): EvictedObjects,
    ("get", "/api/v1/commitments"): Page[GivenCommitment],
    ("get", "/api/v1/commitments/{commitment_id}"): ShownCommitment,
}
