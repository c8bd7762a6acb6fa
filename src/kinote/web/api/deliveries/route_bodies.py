"""The body that adds or changes a route. It is strict, so that a misspelt field is reported and not ignored."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kinote.delivery.routing.checks import LONGEST_QUIET, MOST, SHORTEST_QUIET
from kinote.delivery.routing.route import Conditions, Route, Title, Trigger, WantedRoute
from kinote.jobs.kinds import NORMAL
from kinote.peers.destination import Content
from kinote.web.api.protocol.keys import LARGEST

_STRICT = ConfigDict(extra="forbid")

_Words = Annotated[list[Annotated[str, Field(max_length=128)]], Field(max_length=MOST)]
_Days = Annotated[int, Field(strict=True)]


class TitleBody(BaseModel):
    """A document title by its code."""

    model_config = _STRICT

    value: Annotated[str, Field(max_length=128)]
    scheme: Annotated[str, Field(max_length=128)] = "DCM"


class ConditionsBody(BaseModel):
    """What must hold: all conditions together; in a list, one value is enough. Omitted conditions always hold."""

    model_config = _STRICT

    titles: Annotated[
        list[TitleBody],
        Field(max_length=MOST, description="Document titles of the note, or of a note of the study."),
    ] = []
    note_origins: Annotated[_Words, Field(description="`authored`, `received`, `migrated`.")] = []
    modalities: Annotated[_Words, Field(description="Modalities in the study.")] = []
    sop_classes: Annotated[_Words, Field(description="SOP Class UIDs of live objects of the study.")] = []
    sources: Annotated[
        _Words, Field(description="AE titles: who sent the document of the note, or an object of the study.")
    ] = []
    patients: Annotated[_Words, Field(description="Patient IDs.")] = []
    studies: Annotated[_Words, Field(description="Study Instance UIDs.")] = []
    oldest_days: Annotated[_Days | None, Field(description="Days since Study Date at most.")] = None
    youngest_days: Annotated[_Days | None, Field(description="Days since Study Date at least.")] = None
    has_notes: Annotated[
        bool | None, Field(strict=True, description="Whether a note flags something in the study.")
    ] = None

    def conditions(self) -> Conditions:
        return Conditions(
            titles=tuple(Title(each.value, each.scheme) for each in self.titles),
            note_origins=tuple(self.note_origins),
            modalities=tuple(self.modalities),
            sop_classes=tuple(self.sop_classes),
            sources=tuple(self.sources),
            patients=tuple(self.patients),
            studies=tuple(self.studies),
            oldest_days=self.oldest_days,
            youngest_days=self.youngest_days,
            has_notes=self.has_notes,
        )


class RouteBody(BaseModel):
    """The definition of a route."""

    model_config = _STRICT

    name: str = Field(description="Under which people know it; each is there once.")
    destination: int = Field(strict=True, ge=0, le=LARGEST, description="The `id` of a destination.")
    triggers: Annotated[list[Trigger], Field(max_length=MOST, description="What it acts on.")]
    conditions: ConditionsBody = ConditionsBody()
    content: Content = Field(
        Content.ALL,
        description="What goes: all of the study; `key images` of the note or study with what belongs to them; or "
        "`notes`, its documents.",
    )
    priority: int = Field(NORMAL, strict=True, description="0 to 9; of what waits, the smaller goes first.")
    quiet_seconds: int = Field(
        300,
        strict=True,
        description="For `study quiet`: for how long no object of the study has come, "
        f"{SHORTEST_QUIET} to {LONGEST_QUIET}.",
    )
    description: str = ""
    enabled: bool = Field(True, strict=True, description="Whether it acts.")
    training: bool = Field(False, strict=True, description="Whether it only records what it would order.")

    def wanted(self) -> WantedRoute:
        return WantedRoute(
            self.name,
            self.destination,
            tuple(self.triggers),
            self.conditions.conditions(),
            self.content,
            self.priority,
            self.quiet_seconds,
            self.description,
            self.enabled,
            self.training,
        )


def route_json(route: Route) -> dict[str, Any]:
    """Return a route as JSON. `failure` says why it could not act the last time; null if it could."""
    wanted, conditions = route.wanted, route.wanted.conditions
    return {
        "id": route.id,
        "version": route.version,
        "name": wanted.name,
        "origin": route.origin,
        "description": wanted.description,
        "enabled": wanted.is_enabled,
        "training": wanted.is_training,
        "destination": {"id": wanted.destination, "name": route.destination_name},
        "triggers": [str(each) for each in wanted.triggers],
        "conditions": {
            "titles": [{"value": each.value, "scheme": each.scheme} for each in conditions.titles],
            "note_origins": list(conditions.note_origins),
            "modalities": list(conditions.modalities),
            "sop_classes": list(conditions.sop_classes),
            "sources": list(conditions.sources),
            "patients": list(conditions.patients),
            "studies": list(conditions.studies),
            "oldest_days": conditions.oldest_days,
            "youngest_days": conditions.youngest_days,
            "has_notes": conditions.has_notes,
        },
        "content": str(wanted.content),
        "priority": wanted.priority,
        "quiet_seconds": wanted.quiet_seconds,
        "failure": route.failure or None,
        "failed_at": route.failed_at or None,
        "added": route.added_at,
        "changed": route.changed_at,
        "ended": route.ended_at,
    }
