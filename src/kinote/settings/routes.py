"""Rules by which objects are delivered, as the settings name them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kinote.delivery.routing.checks import LONGEST_QUIET, MOST, SHORTEST_QUIET
from kinote.delivery.routing.from_settings import SettingsRoute
from kinote.delivery.routing.route import Conditions, Title, Trigger, WantedRoute
from kinote.jobs.kinds import NORMAL
from kinote.peers.destination import Content
from kinote.settings.values import peer_name

_Words = Annotated[tuple[str, ...], Field(max_length=MOST)]


class RouteSettings(BaseModel):
    """A rule by which objects are delivered. The checks of routes say at the start what is wrong with its conditions.

    `titles` are codes, `value` or `scheme:value`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(peer_name)]
    destination: str
    triggers: Annotated[tuple[Trigger, ...], Field(min_length=1, max_length=len(Trigger))]
    content: Content = Content.ALL
    priority: int = Field(NORMAL, ge=0, le=9)
    quiet_seconds: int = Field(300, ge=SHORTEST_QUIET, le=LONGEST_QUIET)
    description: str = ""
    enabled: bool = True
    training: bool = False
    titles: _Words = ()
    note_origins: _Words = ()
    modalities: _Words = ()
    sop_classes: _Words = ()
    sources: _Words = ()
    patients: _Words = ()
    studies: _Words = ()
    oldest_days: int | None = None
    youngest_days: int | None = None
    has_notes: bool | None = None

    def route(self) -> SettingsRoute:
        """Return it as a route."""
        conditions = Conditions(
            titles=tuple(_title(each) for each in self.titles),
            note_origins=self.note_origins,
            modalities=self.modalities,
            sop_classes=self.sop_classes,
            sources=self.sources,
            patients=self.patients,
            studies=self.studies,
            oldest_days=self.oldest_days,
            youngest_days=self.youngest_days,
            has_notes=self.has_notes,
        )
        wanted = WantedRoute(
            self.name,
            0,
            self.triggers,
            conditions,
            self.content,
            self.priority,
            self.quiet_seconds,
            self.description,
            self.enabled,
            self.training,
        )
        return SettingsRoute(self.destination, wanted)


def _title(written: str) -> Title:
    scheme, _, value = written.rpartition(":")
    return Title(value, scheme or "DCM")
