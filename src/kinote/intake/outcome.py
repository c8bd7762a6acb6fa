"""The outcome of an object that was sent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from kinote.security.origins import Origin

#: Status codes of C-STORE (PS3.4 B.2.3), which STOW-RS uses as Failure Reason, too (PS3.18 I.2).
OUT_OF_RESOURCES = 0xA700
DATA_SET_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
PROCESSING_FAILURE = 0x0110
#: Withdrawn by an act that accepts no later copy. Of the range of CANNOT_UNDERSTAND: senders repeat A7xx for ever.
WITHDRAWN_FOR_GOOD = 0xC771

#: Warnings (PS3.4 Table B.2-1), which are Warning Reasons in STOW-RS (PS3.18 Table I.2-1).
NOT_AS_SENT = 0xB000
DATA_SET_DOES_NOT_MATCH_WARNING = 0xB007

OutcomeKind = Literal["stored", "known", "held", "refused", "aborted"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Stored, known (the same data set), held (the same UID with other content), refused, or aborted.

    A refusal has a status and a reason, and nothing of the object was kept, unless the reason says that this is
    unknown. Everything else is durable.
    """

    kind: OutcomeKind
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    reason: str = ""
    status: int = 0
    #: The registration of a key object, empty for other objects.
    registration: str = ""
    findings: tuple[str, ...] = ()
    #: Interface, name and address of who sent what was not taken (`refusals`); empty for everything else.
    sender: tuple[str, str, str] = field(default=("", "", ""), compare=False)

    @property
    def succeeded(self) -> bool:
        return self.kind in ("stored", "known", "held")

    def sent_by(self, origin: Origin) -> Outcome:
        """Return the same, with who sent it."""
        return replace(self, sender=(str(origin.interface), origin.actor.name, origin.actor.address))

    @property
    def warning(self) -> int | None:
        """The warning status of an object that is kept, but not as the sender may expect."""
        if self.kind == "held":
            # What is retrieved under this UID differs from what was sent.
            return NOT_AS_SENT
        # Findings alone are none: some senders take a warning for a failure and send the object again.
        if self.registration == "unreadable":
            return DATA_SET_DOES_NOT_MATCH_WARNING
        return None


def refused(status: int, reason: str, *, sop_class_uid: str = "", sop_instance_uid: str = "") -> Outcome:
    """Return a refusal that names the object as far as it could be read."""
    return Outcome(
        "refused",
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        reason=reason,
        status=status,
    )


def aborted(reason: str, *, sop_class_uid: str = "", sop_instance_uid: str = "") -> Outcome:
    """Return the outcome of an object whose sender has ended before it was whole. Nobody is answered."""
    return Outcome("aborted", sop_class_uid=sop_class_uid, sop_instance_uid=sop_instance_uid, reason=reason)
