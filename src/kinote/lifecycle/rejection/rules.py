"""What rejection notes of others may do here, for each title: the settings, and their defaults by the standard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from kinote.keyobject.codes import Code
from kinote.keyobject.titles import (
    DATA_RETENTION_POLICY_EXPIRED,
    INCORRECT_MODALITY_WORKLIST_ENTRY,
    REJECTED_FOR_PATIENT_SAFETY_REASONS,
    REJECTED_FOR_QUALITY_REASONS,
)
from kinote.lifecycle.acts import QUALITY, RETENTION_EXPIRED, SAFETY, WRONG_ORDER, Act, LaterCopies
from kinote.security.actors import Actor
from kinote.security.audit.writing import Record


class Effect(StrEnum):
    """What a withdrawal does to the instances that it names. Stored in `withdrawal.effect`."""

    #: They are out of use.
    HIDDEN = "hidden"
    #: They stay live and carry the mark (IOCM: regular use).
    MARKED = "marked"
    #: Nothing, until a person has decided.
    PROPOSED = "proposed"


class Spared(StrEnum):
    """Why a withdrawal has no effect on one of its instances. Stored in `withdrawal_target.spared`."""

    #: It belongs to another patient than the rejection note.
    ANOTHER_PATIENT = "another patient"
    #: A copy that came later ended the withdrawal of this instance.
    RESTORED = "restored"
    #: The content and the evidence of the note do not both name it, and it was to be deleted.
    DISPUTED = "disputed"
    #: A hold keeps it, and the note says that its time has ended.
    ON_HOLD = "on hold"


#: The act that each title stands for here. A wrong worklist entry always means a wrong order; whether the patient is
#: wrong, too, the title does not say.
ACTS_BY_TITLE: Mapping[Code, Act] = MappingProxyType(
    {
        REJECTED_FOR_QUALITY_REASONS: QUALITY,
        REJECTED_FOR_PATIENT_SAFETY_REASONS: SAFETY,
        INCORRECT_MODALITY_WORKLIST_ENTRY: WRONG_ORDER,
        DATA_RETENTION_POLICY_EXPIRED: RETENTION_EXPIRED,
    }
)

#: For how long a rejection note is kept at least: its sender may request storage commitment for it until then.
COMMITMENT_TIME = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class TitleRule:
    """What the rejection notes of a title do here.

    Parameters
    ----------
    title
        One of the four rejection titles (CID 7010).
    effect
        `HIDDEN`, or `MARKED` if the act of the title may be shown. Key objects are hidden in any case: a key image
        note that was replaced must not be shown beside its successor.
    shows_note
        Whether the rejection note itself stays live. It is always live while it only marks or waits.
    later_copies
        What happens to a copy that arrives after its instance was rejected.
    purge_after
        After what time the bytes of rejected instances are purged; None: as those of all that is withdrawn.
    note_purge_after
        After what time those of the note are purged, if it is not shown; None: never.
    """

    title: Code
    effect: Effect
    shows_note: bool
    later_copies: LaterCopies
    purge_after: timedelta | None = None
    note_purge_after: timedelta | None = None

    @property
    def act(self) -> Act:
        """The act that the title stands for."""
        return ACTS_BY_TITLE[self.title]


#: Titles whose later copies must not come into use by themselves (IOCM: "shall not accept subsequent occurrence").
NEVER_RESTORED = frozenset({REJECTED_FOR_PATIENT_SAFETY_REASONS, INCORRECT_MODALITY_WORKLIST_ENTRY})

#: The rule of each title, unless a setting says otherwise.
DEFAULT_TITLE_RULES: Mapping[Code, TitleRule] = MappingProxyType(
    {
        title: TitleRule(title, Effect.HIDDEN, shows_note=True, later_copies=act.later_copies)
        for title, act in ACTS_BY_TITLE.items()
    }
)

#: The status that refuses a later copy: "Cannot understand" (PS3.4 Table B.2-1, PS3.18 Table I.2-2). Not A7xx, "out of
#: resources", which senders repeat for ever.
REFUSED_COPY = 0xC771


def _nobody(_actor: Actor) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class RejectionRules:
    """What rejection notes of others may do here.

    `may_reject` says whether the notes of a sender take effect; those of all others wait for a person.
    `record` writes into the audit trail which of them took effect; None where there is no trail.
    `refusal_statuses` has the status that refuses a later copy, by the AE title of its sender.
    """

    titles: Mapping[Code, TitleRule] = field(default_factory=lambda: DEFAULT_TITLE_RULES)
    may_reject: Callable[[Actor], bool] = _nobody
    record: Record | None = None
    refusal_statuses: Mapping[str, int] = field(default_factory=dict)
    refusal_status: int = REFUSED_COPY

    def refusal_for(self, sender: str) -> int:
        """Return the status that refuses a later copy of this sender."""
        return self.refusal_statuses.get(sender, self.refusal_status)


DEFAULT_RULES = RejectionRules()
