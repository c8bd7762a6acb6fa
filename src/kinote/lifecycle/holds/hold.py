"""A hold, and what one may be on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from kinote.catalog.schema.timestamps import timestamp
from kinote.security.actors import Actor


class HoldKind(StrEnum):
    """Why bytes are kept. The values are stored."""

    LEGAL = "legal"
    RESEARCH = "research"
    TEACHING = "teaching"


class HoldLevel(StrEnum):
    """What a hold is on. The values are stored."""

    STUDY = "study"
    PATIENT = "patient"
    NOTE = "note"


class HoldRefusedError(ValueError):
    """A hold cannot be placed or ended so. `field` names what is at fault."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class HoldNotFoundError(LookupError):
    """There is no such hold."""


class HoldEndedError(RuntimeError):
    """The hold has been ended already. The message says when and by whom."""


class OnHoldError(RuntimeError):
    """Something that a hold keeps cannot be done. The message names the hold and says how to end it."""


@dataclass(frozen=True, slots=True)
class HeldThing:
    """What a hold is on: a study by its UID, a patient by ID and issuer, or a note by its number."""

    level: HoldLevel
    study_instance_uid: str = ""
    patient_id: str = ""
    issuer: str = ""
    note: int | None = None

    def __str__(self) -> str:
        if self.level is HoldLevel.STUDY:
            return f"study {self.study_instance_uid}"
        if self.level is HoldLevel.NOTE:
            return f"note {self.note}"
        return f"patient {self.patient_id}" + (f" of {self.issuer}" if self.issuer else "")


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as it is stored. `placed_by` and `ended_by` are None where it is not known who it was."""

    id: int
    kind: HoldKind
    thing: HeldThing
    reason: str
    placed_at: str
    placed_by: Actor | None
    #: When it ends by itself; empty if never.
    until: str
    #: When a person ended it; empty until then.
    ended_at: str
    ended_by: Actor | None
    ended_because: str

    @classmethod
    def of(cls, row: Any) -> Hold:
        """Return the hold of a row of the table."""
        return cls(
            id=row.id,
            kind=HoldKind(row.kind),
            thing=HeldThing(
                HoldLevel(row.level), row.study_instance_uid, row.patient_id, row.issuer, row.note
            ),
            reason=row.reason,
            placed_at=row.placed_at,
            placed_by=Actor.stored(row.placed_by_kind, row.placed_by_name, row.placed_by_address),
            until=row.until,
            ended_at=row.ended_at,
            ended_by=Actor.stored(row.ended_by_kind, row.ended_by_name, row.ended_by_address),
            ended_because=row.ended_because,
        )

    def is_in_force(self, now: datetime) -> bool:
        """Return whether it keeps bytes at that moment."""
        return not self.ended_at and (not self.until or self.until > timestamp(now))

    def sentence(self) -> str:
        """Return what an administrator needs to know of it."""
        until = f" until {self.until}" if self.until else ""
        return (
            f"A {self.kind} hold on {self.thing} keeps its bytes{until}: {self.reason} (hold {self.id}, placed by "
            f"{self.placed_by or 'somebody unknown'} at {self.placed_at})."
        )
