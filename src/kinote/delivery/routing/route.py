"""Routes as data: when one acts, under which conditions, and what it orders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping

from kinote.jobs.kinds import NORMAL
from kinote.peers.destination import Content


class Trigger(StrEnum):
    """What triggers a route."""

    NOTE_MADE = "note made"
    NOTE_REVISED = "note revised"
    NOTE_RECEIVED = "note received"
    #: No object of the study has arrived for some time.
    STUDY_QUIET = "study quiet"


#: The triggers about one note.
ABOUT_NOTES = frozenset({Trigger.NOTE_MADE, Trigger.NOTE_REVISED, Trigger.NOTE_RECEIVED})


@dataclass(frozen=True, slots=True)
class Title:
    """A document title, by its code. The meaning is not compared."""

    value: str
    scheme: str = "DCM"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must hold for a route to act: all conditions together. In a list, one value is enough.

    `titles` and `note_origins` are about the note, or about any note of a quiet study. `modalities` and `sop_classes`
    are those of live objects of the study. `sources` are AE titles: the sender of the note's document, or of any object
    of a quiet study. The age of a study is that of its Study Date, in days. A study without a date has no age, and no
    condition on it holds. `has_notes` tells whether a note flags something in the study.
    """

    titles: tuple[Title, ...] = ()
    note_origins: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    sop_classes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()
    oldest_days: int | None = None
    youngest_days: int | None = None
    has_notes: bool | None = None


@dataclass(frozen=True, slots=True)
class WantedRoute:
    """The definition of a route. `destination` is the key of a destination, `quiet_seconds` is for `STUDY_QUIET`."""

    name: str
    destination: int
    triggers: tuple[Trigger, ...]
    conditions: Conditions = field(default_factory=Conditions)
    content: Content = Content.ALL
    priority: int = NORMAL
    quiet_seconds: int = 300
    description: str = ""
    is_enabled: bool = True
    is_training: bool = False

    def columns(self) -> dict[str, Any]:
        """Return the columns for the table `route`."""
        definition = {
            "triggers": [str(each) for each in self.triggers],
            "quiet_seconds": self.quiet_seconds,
            "conditions": {
                name: value for name, value in asdict(self.conditions).items() if value not in ((), None)
            },
        }
        return {
            "name": self.name,
            "description": self.description,
            "is_enabled": self.is_enabled,
            "is_training": self.is_training,
            "destination": self.destination,
            "content": str(self.content),
            "priority": self.priority,
            "definition": json.dumps(definition),
        }


@dataclass(frozen=True, slots=True)
class Route:
    """A route as stored. `failure` says why it could not act the last time, since `failed_at`; empty if it could."""

    id: int
    version: int
    origin: str
    wanted: WantedRoute
    destination_name: str
    added_at: str
    changed_at: str
    ended_at: str | None
    failure: str
    failed_at: str

    @property
    def name(self) -> str:
        return self.wanted.name

    @property
    def cause(self) -> str:
        """The name of the route in deliveries that it orders."""
        return f"route {self.id}"


def route_of(row: RowMapping) -> Route:
    """Make a route from its row. A definition with parts unknown to this version does not act."""
    definition = json.loads(row["definition"])
    wanted = WantedRoute(
        row["name"],
        row["destination"],
        tuple(Trigger(each) for each in definition["triggers"]),
        conditions_of(definition["conditions"]),
        Content(row["content"]),
        row["priority"],
        definition["quiet_seconds"],
        row["description"],
        bool(row["is_enabled"]),
        bool(row["is_training"]),
    )
    return Route(
        row["id"],
        row["version"],
        row["origin"],
        wanted,
        row["destination_name"],
        row["added_at"],
        row["changed_at"],
        row["ended_at"],
        row["failure"],
        row["failed_at"],
    )


def conditions_of(written: Mapping[str, Any]) -> Conditions:
    """Make conditions from their JSON form."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in written.items()
    }
    values["titles"] = tuple(Title(**each) for each in values.get("titles", ()))
    return Conditions(**values)
