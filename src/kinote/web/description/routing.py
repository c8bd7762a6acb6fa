"""The shapes of the responses about routes. As in `shapes`, they are only used for the description."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from kinote.web.description.shapes import Page
from kinote.web.description.systems import PeerOfDestination


class RouteTitle(BaseModel):
    """A document title by its code."""

    value: str
    scheme: str


class RouteConditions(BaseModel):
    """What must hold for a route to act."""

    titles: list[RouteTitle]
    note_origins: list[str]
    modalities: list[str]
    sop_classes: list[str]
    sources: list[str]
    patients: list[str]
    studies: list[str]
    oldest_days: int | None
    youngest_days: int | None
    has_notes: bool | None


class ListedRoute(BaseModel):
    """A rule by which objects are delivered, with the number of its results by outcome."""

    id: int
    version: int
    name: str
    origin: str
    description: str
    enabled: bool
    training: bool
    destination: PeerOfDestination
    triggers: list[str]
    conditions: RouteConditions
    content: str
    priority: int
    quiet_seconds: int
    failure: str | None
    failed_at: str | None
    added: str
    changed: str
    ended: str | None
    results: dict[str, int]


class OneRoute(ListedRoute):
    """A route, and the number of studies it waits for."""

    waits: int


class RouteResult(BaseModel):
    """What a route did on an occasion."""

    id: int
    route: int
    at: str
    trigger: str
    study_instance_uid: str
    note: int | None
    outcome: str
    objects: int
    delivery: int | None
    said: str


class RouteWouldOrder(BaseModel):
    """What a route would order on an occasion."""

    trigger: str
    study_instance_uid: str
    note: int | None
    objects: int
    there: int
    named: list[str]


_ROUTE = "/api/v1/routes/{route_id}"

#: The shape of each response, by method and path.
ROUTING: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/routes"): Page[ListedRoute],
    ("post", "/api/v1/routes"): OneRoute,
    ("get", _ROUTE): OneRoute,
    ("put", _ROUTE): OneRoute,
    ("delete", _ROUTE): OneRoute,
    ("get", f"{_ROUTE}/results"): Page[RouteResult],
    ("get", f"{_ROUTE}/dry-run"): Page[RouteWouldOrder],
}
