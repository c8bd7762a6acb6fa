"""Settings about rejection notes of others: what each title does here, and how later copies are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kinote.dimse.entity import ae_title
from kinote.lifecycle.acts import LaterCopies
from kinote.lifecycle.rejection.rules import (
    ACTS_BY_TITLE,
    COMMITMENT_TIME,
    DEFAULT_TITLE_RULES,
    NEVER_RESTORED,
    REFUSED_COPY,
    Effect,
    RejectionRules,
    TitleRule,
)
from kinote.security.actors import Actor

_TITLES = {title.value: title for title in ACTS_BY_TITLE}

#: STOW-RS has another meaning for it (PS3.18 Table I.2-2).
_TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122


class Mode(StrEnum):
    """What a title does with the instances that it rejects."""

    HIDE = "hide"
    MARK = "mark"


def _rejection_title(value: str) -> str:
    if value not in _TITLES:
        raise ValueError("no rejection title")
    return value


def _refusal_status(written: str) -> str:
    """Accept a failure status that senders do not repeat for ever.

    A900 to A9FF and C000 to CFFF (PS3.4 Table B.2-1), and 0124, not authorized (PS3.7 C.5). Not A7xx, "out of
    resources", and no success or warning, because nothing is kept.
    """
    status = int(written, 16) if len(written) == 4 else 0
    is_one = 0xA900 <= status <= 0xA9FF or 0xC000 <= status <= 0xCFFF or status == 0x0124
    if not is_one or status == _TRANSFER_SYNTAX_NOT_SUPPORTED:
        raise ValueError("no refusal")
    return written.upper()


class RejectionSettings(BaseModel):
    """What the rejection notes of a title do here. What is left out is as the standard has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[str, AfterValidator(_rejection_title)]
    mode: Mode = Mode.HIDE
    show_note: bool = True
    later_copies: LaterCopies | None = None
    purge_after: int | None = Field(None, ge=0, le=36500)
    note_purge_after: int | None = Field(None, ge=COMMITMENT_TIME.days, le=36500)

    def rule(self) -> TitleRule:
        """Return it as a rule."""
        usual = DEFAULT_TITLE_RULES[_TITLES[self.title]]
        return replace(
            usual,
            effect=Effect.MARKED if self.mode is Mode.MARK else Effect.HIDDEN,
            shows_note=self.show_note,
            later_copies=self.later_copies or usual.later_copies,
            purge_after=_days(self.purge_after),
            note_purge_after=_days(self.note_purge_after),
        )

    def faults(self) -> Iterator[str]:
        """Return what does not go together in it."""
        rule = self.rule()
        if rule.effect is Effect.MARKED and not rule.act.may_be_shown:
            yield f"{self.title} cannot only mark: what it rejects must not be shown."
        if rule.effect is Effect.MARKED and not rule.shows_note:
            yield f"{self.title} cannot mark without showing its note, which says what the mark means."
        if rule.later_copies is LaterCopies.RESTORED and rule.title in NEVER_RESTORED:
            yield f"Later copies of what {self.title} rejects must not come into use: later_copies cannot be restored."
        if rule.note_purge_after is not None and (
            rule.purge_after is None or rule.note_purge_after < rule.purge_after
        ):
            yield f"The notes of {self.title} must be kept at least as long as what they reject: see note_purge_after."


class RefusedCopySettings(BaseModel):
    """The status with which later copies of a sender are refused. Without a sender: of all others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sender: Annotated[str, AfterValidator(ae_title)] | None = None
    status: Annotated[str, AfterValidator(_refusal_status)]


def _days(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(days=number)


def rejection_rules(
    rejections: Sequence[RejectionSettings],
    refused_copies: Sequence[RefusedCopySettings],
    may_reject: Callable[[Actor], bool],
) -> RejectionRules:
    """Return the rules that these settings make."""
    statuses = {each.sender: int(each.status, 16) for each in refused_copies}
    return RejectionRules(
        titles={**DEFAULT_TITLE_RULES, **{each.rule().title: each.rule() for each in rejections}},
        may_reject=may_reject,
        refusal_statuses={sender: status for sender, status in statuses.items() if sender is not None},
        refusal_status=statuses.get(None, REFUSED_COPY),
    )


def contradictions(
    rejections: Sequence[RejectionSettings], refused_copies: Sequence[RefusedCopySettings]
) -> Iterator[tuple[str, str]]:
    """Return contradictions: which setting to change, and what is wrong."""
    titles = [each.title for each in rejections]
    for title in sorted({title for title in titles if titles.count(title) > 1}):
        yield "rejections", f"The title {title} is there twice."
    for each in rejections:
        for fault in each.faults():
            yield "rejections", fault
    senders = [each.sender for each in refused_copies]
    for sender in dict.fromkeys(sender for sender in senders if senders.count(sender) > 1):
        yield (
            "refused_copies",
            f"{f'The sender {sender!r}' if sender else 'An item without sender'} is there twice.",
        )
