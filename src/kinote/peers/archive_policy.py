"""Archives: destinations that hold objects for us, and how they commit to them and give them back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any


class CommitmentBy(StrEnum):
    """How an archive commits to what it has been sent."""

    #: Storage Commitment Push Model (PS3.4 Annex J).
    DIMSE = "dimse"
    #: DICOMweb (PS3.18 section 13).
    DICOMWEB = "dicomweb"
    #: It cannot: nothing that it holds is ever removed here.
    NONE = "none"


class RecallBy(StrEnum):
    """How objects come back from an archive."""

    C_GET = "c-get"


#: Limits of the numbers of a policy.
LONGEST_RENEWAL = 3650
LONGEST_TIMEOUT = 60 * 24 * 7
LONGEST_RECALL = 600


@dataclass(frozen=True, slots=True)
class ArchivePolicy:
    """How an archive is used.

    `renew_days`       evidence that is older does not count until it has been renewed
    `timeout_minutes`  how long the result of a request for commitment is waited for
    `recall_seconds`   how long a reader waits for an object to come back
    """

    commitment: CommitmentBy = CommitmentBy.DIMSE
    renew_days: int = 180
    timeout_minutes: int = 60
    recall: RecallBy = RecallBy.C_GET
    recall_seconds: int = 60

    @property
    def renewal(self) -> timedelta:
        return timedelta(days=self.renew_days)

    @property
    def timeout(self) -> timedelta:
        return timedelta(minutes=self.timeout_minutes)


def faults_of_archive(policy: ArchivePolicy) -> Iterator[tuple[str, str]]:
    """Yield the faults of a policy: the field, and a sentence."""
    for name, value, most in (
        ("renew_days", policy.renew_days, LONGEST_RENEWAL),
        ("timeout_minutes", policy.timeout_minutes, LONGEST_TIMEOUT),
        ("recall_seconds", policy.recall_seconds, LONGEST_RECALL),
    ):
        if not 1 <= value <= most:
            yield f"policy.archive.{name}", f"A whole number from 1 to {most}."


def policy_of(stored: Mapping[str, Any]) -> ArchivePolicy:
    """Make a policy from its JSON object. Parts that this version does not know are ignored."""
    numbers = ("renew_days", "timeout_minutes", "recall_seconds")
    return ArchivePolicy(
        CommitmentBy(stored.get("commitment", CommitmentBy.DIMSE)),
        recall=RecallBy(stored.get("recall", RecallBy.C_GET)),
        **{name: int(stored[name]) for name in numbers if name in stored},
    )
