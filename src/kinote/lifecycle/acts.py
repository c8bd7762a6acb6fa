"""The acts by which instances leave operational use (PS3.17 YYYY.2.3), in one table.

An act says why something is withdrawn, as text and as a code of CID 7031; the title under which others are told;
what happens to a copy that arrives later; how long the act can be undone; and whether what it withdraws may be
shown.

Sources, by the names used in the comments: CID 7031: PS3.16, Reason for Removal from Operational Use. IOCM: IHE RAD
TF-3 4.66.4.1.3, what a receiver does for each title of a rejection note. CID 7010: PS3.16, the titles themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from kinote.keyobject.codes import Code
from kinote.keyobject.titles import (
    DATA_RETENTION_POLICY_EXPIRED,
    INCORRECT_MODALITY_WORKLIST_ENTRY,
    REJECTED_FOR_PATIENT_SAFETY_REASONS,
    REJECTED_FOR_QUALITY_REASONS,
    REPLACED_BY_ALTERNATE,
)


class LaterCopies(StrEnum):
    """What happens to an instance that arrives after an act has withdrawn its UID (IOCM)."""

    #: It is refused.
    REFUSED = "refused"
    #: It is accepted and stays out of use.
    KEPT_HIDDEN = "kept hidden"
    #: It is accepted and ends the withdrawal.
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Act:
    """One way in which instances leave operational use.

    Parameters
    ----------
    name
        As `withdrawal.act` stores it and the API names it. It never changes.
    sentence
        What happened, for people: one English sentence, also in the rejection note.
    reason
        The code for it in CID 7031, stored with each withdrawal.
    rejection_title
        The title (CID 7010) of the rejection note that tells other systems; None where they are told nothing.
    later_copies
        What becomes of an instance that arrives afterwards under the same UID.
    undo_window
        For how long the act can be taken back before others are told, unless a setting says otherwise. Zero: others
        are told at once.
    may_be_shown
        Whether a setting may have what is withdrawn stay live, only marked (IOCM: regular use).
    """

    name: str
    sentence: str
    reason: Code
    rejection_title: Code | None
    later_copies: LaterCopies
    undo_window: timedelta
    may_be_shown: bool

    def __str__(self) -> str:
        return self.name

    @property
    def can_be_undone_later(self) -> bool:
        """Whether it can be undone once others have been told.

        Receivers of 113037 and 113038 must never accept the UIDs again (IOCM). They accept them after the other
        titles, and where there was no rejection note, nobody was told.
        """
        return self.later_copies is not LaterCopies.REFUSED

    def window(self, setting: timedelta) -> timedelta:
        """Return the undo window of this act, where this is the setting for those that have one."""
        return setting if self.undo_window else self.undo_window


#: Long enough to notice a mistake of one's own.
_TIME_TO_REGRET = timedelta(minutes=10)

#: A new version of a note replaces the documents of the previous one. CID 7031: 130754. IOCM has no title for
#: superseded objects; unlike 113037, 113001 raises no alarm. Receivers of 113001 may go on showing what it names.
#: Kinote never shows it, because two versions would contradict each other.
REVISED = Act(
    name="revised",
    sentence="A newer version replaces the note.",
    reason=REPLACED_BY_ALTERNATE,
    rejection_title=REJECTED_FOR_QUALITY_REASONS,
    later_copies=LaterCopies.KEPT_HIDDEN,
    undo_window=_TIME_TO_REGRET,
    may_be_shown=False,
)

#: The author of a note withdraws it. CID 7031 and CID 7010 have nothing closer than 113001.
WITHDRAWN_BY_AUTHOR = Act(
    name="withdrawn by author",
    sentence="Its author has withdrawn the note.",
    reason=REJECTED_FOR_QUALITY_REASONS,
    rejection_title=REJECTED_FOR_QUALITY_REASONS,
    later_copies=LaterCopies.KEPT_HIDDEN,
    undo_window=_TIME_TO_REGRET,
    may_be_shown=False,
)

#: Somebody else, or somebody unknown, withdraws a note. 113001 for lack of anything closer, as for the author.
NOTE_WITHDRAWN = Act(
    name="note withdrawn",
    sentence="The note has been withdrawn.",
    reason=REJECTED_FOR_QUALITY_REASONS,
    rejection_title=REJECTED_FOR_QUALITY_REASONS,
    later_copies=LaterCopies.KEPT_HIDDEN,
    undo_window=_TIME_TO_REGRET,
    may_be_shown=False,
)

#: The object names one patient and belongs to another. CID 7031: 113038, the entry of another patient was chosen
#: from the worklist. IOCM: hidden, later copies not accepted.
WRONG_PATIENT = Act(
    name="wrong patient",
    sentence="It belongs to another patient than it says.",
    reason=INCORRECT_MODALITY_WORKLIST_ENTRY,
    rejection_title=INCORRECT_MODALITY_WORKLIST_ENTRY,
    later_copies=LaterCopies.REFUSED,
    undo_window=_TIME_TO_REGRET,
    may_be_shown=False,
)

#: The patient is right, but the order or study is not. CID 7031: 113038. IOCM: hidden, later copies not accepted.
WRONG_ORDER = Act(
    name="wrong order",
    sentence="It belongs to another order than it says.",
    reason=INCORRECT_MODALITY_WORKLIST_ENTRY,
    rejection_title=INCORRECT_MODALITY_WORKLIST_ENTRY,
    later_copies=LaterCopies.REFUSED,
    undo_window=_TIME_TO_REGRET,
    may_be_shown=False,
)

#: CID 7031: 113001. IOCM: hidden, or in regular use, as each site decides. It does not mention later copies; one
#: that is as bad as the first need not be looked at again.
QUALITY = Act(
    name="quality",
    sentence="Its quality is not good enough.",
    reason=REJECTED_FOR_QUALITY_REASONS,
    rejection_title=REJECTED_FOR_QUALITY_REASONS,
    later_copies=LaterCopies.KEPT_HIDDEN,
    undo_window=_TIME_TO_REGRET,
    may_be_shown=True,
)

#: CID 7031: 113037. IOCM: hidden, later copies not accepted. A warning about a danger must not wait.
SAFETY = Act(
    name="safety",
    sentence="Using it could harm the patient.",
    reason=REJECTED_FOR_PATIENT_SAFETY_REASONS,
    rejection_title=REJECTED_FOR_PATIENT_SAFETY_REASONS,
    later_copies=LaterCopies.REFUSED,
    undo_window=timedelta(0),
    may_be_shown=False,
)

#: CID 7031: 113039. IOCM: expired objects may be deleted; if one is sent again, somebody needs it again.
RETENTION_EXPIRED = Act(
    name="retention expired",
    sentence="The time for which it is kept has ended.",
    reason=DATA_RETENTION_POLICY_EXPIRED,
    rejection_title=DATA_RETENTION_POLICY_EXPIRED,
    later_copies=LaterCopies.RESTORED,
    undo_window=_TIME_TO_REGRET,
    may_be_shown=False,
)

#: Of two copies with one UID, the other one was chosen. CID 7031: 130754. A rejection note names UIDs (PS3.3
#: C.17.6.2), so it would reject the chosen copy as well.
OTHER_COPY_CHOSEN = Act(
    name="other copy chosen",
    sentence="Another copy with the same UID was chosen.",
    reason=REPLACED_BY_ALTERNATE,
    rejection_title=None,
    later_copies=LaterCopies.KEPT_HIDDEN,
    undo_window=_TIME_TO_REGRET,
    may_be_shown=False,
)

#: Of two copies with one UID, the other one was chosen, and others were given this one: they are told to reject it, and
#: the chosen one is issued under a new UID (`kinote.lifecycle.copies`). CID 7031: 130754. IOCM has no title for
#: superseded objects: 113001, as for `REVISED`.
REPLACED_BY_COPY = Act(
    name="replaced by another copy",
    sentence="Another copy with the same UID was chosen, and is issued under a new UID.",
    reason=REPLACED_BY_ALTERNATE,
    rejection_title=REJECTED_FOR_QUALITY_REASONS,
    later_copies=LaterCopies.KEPT_HIDDEN,
    undo_window=_TIME_TO_REGRET,
    may_be_shown=False,
)

#: A rejection note was made for instances that are live again. Receivers that have it have the instances sent anew; a
#: receiver that has not must not get it any more. CID 7031: 130754, the instances themselves take its place.
REJECTION_UNDONE = Act(
    name="rejection undone",
    sentence="What the rejection note names has been taken back into use.",
    reason=REPLACED_BY_ALTERNATE,
    rejection_title=None,
    later_copies=LaterCopies.KEPT_HIDDEN,
    undo_window=timedelta(0),
    may_be_shown=False,
)

#: After a restore it is not known whether it may be used: the backup does not know it, or not what was done to it. A
#: person decides. CID 7031 has nothing closer than 113001.
AFTER_RESTORE = Act(
    name="after restore",
    sentence="After a restore it waits for a person to accept it.",
    reason=REJECTED_FOR_QUALITY_REASONS,
    rejection_title=None,
    later_copies=LaterCopies.KEPT_HIDDEN,
    undo_window=timedelta(0),
    may_be_shown=False,
)

#: All acts, in the order in which they are listed.
ACTS = (
    REVISED,
    WITHDRAWN_BY_AUTHOR,
    NOTE_WITHDRAWN,
    WRONG_PATIENT,
    WRONG_ORDER,
    QUALITY,
    SAFETY,
    RETENTION_EXPIRED,
    OTHER_COPY_CHOSEN,
    REPLACED_BY_COPY,
    REJECTION_UNDONE,
    AFTER_RESTORE,
)

#: Those by which people withdraw instances, series and studies. The others follow from acts on notes or copies.
FOR_OBJECTS = (WRONG_PATIENT, WRONG_ORDER, QUALITY, SAFETY, RETENTION_EXPIRED, OTHER_COPY_CHOSEN)

#: All acts by their stored names, including those of earlier versions.
_NAMED = MappingProxyType({act.name: act for act in ACTS} | {"note revised": REVISED})


def stored_act(name: str) -> Act | None:
    """Return the act for a text in `withdrawal.act`.

    None for a text that a later version wrote. Then it is unknown what happens to later copies, so they must not
    come into use.
    """
    return _NAMED.get(name)
