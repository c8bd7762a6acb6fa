"""Sentences about a withdrawal of an instance: by whom, why, and its effect."""

from __future__ import annotations

from typing import Protocol

from kinote.lifecycle.rejection.rules import Effect, Spared
from kinote.security.actors import Actor


class Said(Protocol):
    """A withdrawal as an instance has it. `spared` says why it has no effect on the instance, if it has none."""

    @property
    def act(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def by(self) -> Actor | None: ...
    @property
    def made_at(self) -> str: ...
    @property
    def undone_at(self) -> str | None: ...
    @property
    def rejection_note_uid(self) -> str: ...
    @property
    def effect(self) -> str: ...
    @property
    def received(self) -> bool: ...
    @property
    def spared(self) -> str: ...


_SPARED = {
    Spared.ANOTHER_PATIENT: "It has no effect: the rejection note is of another patient.",
    Spared.RESTORED: "It has ended: a copy came afterwards.",
    Spared.DISPUTED: "It has no effect: content and evidence of the rejection note do not both name the instance.",
    Spared.ON_HOLD: "It has no effect: the instance was on hold when the rejection note came.",
}

_EFFECTS = {
    Effect.MARKED: "It is only marked, and stays in use.",
    Effect.PROPOSED: "This has no effect until a person accepts it, because the sender may not reject, or names "
    "the UID under which the object came: see `kinote rejections`.",
}


def sentence(said: Said) -> str:
    """Return what an administrator needs to know of a withdrawal."""
    who = said.by or "an unnamed user"
    what = "Rejected" if said.received else "Withdrawn"
    sentences = [f"{what} by {who} at {said.made_at} ({said.act}): {said.reason}."]
    if said.received:
        sentences.append(f"The rejection note is {said.rejection_note_uid}.")
    if said.undone_at:
        was_refused = said.effect == Effect.PROPOSED
        sentences.append(f"It was {'refused' if was_refused else 'taken back'} at {said.undone_at}.")
    elif said.spared:
        sentences.append(_SPARED.get(Spared(said.spared), ""))
    elif said.effect in _EFFECTS:
        sentences.append(_EFFECTS[Effect(said.effect)])
    return " ".join(sentences)
