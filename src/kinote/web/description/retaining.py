"""The shapes of the responses about retention: the cache, rules, plans and evictions. Holds are in `administering`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from kinote.retention.evictions import Regret
from kinote.retention.headroom import Volume
from kinote.retention.planning.choosing import Amount
from kinote.web.description.shapes import Page


class Arrived(BaseModel):
    """What arrived in the hour that began then."""

    hour: str
    bytes: int
    objects: int


class KnownArchive(BaseModel):
    """An archive, and whether its commitments count."""

    name: str
    counts: bool
    hindrance: str | None


class Cache(BaseModel):
    """The content of the cache, and when its volume will be full."""

    bytes: int
    volume: Volume
    counted: bool
    per_hour_of_day: list[float]
    full_in_hours: float | None
    full_in: str
    to_free: int
    arrivals: list[Arrived]
    regret: list[Regret]
    archives: list[KnownArchive]


class RuleEffect(BaseModel):
    """The present effect of a rule; `rule` is null for what none matches."""

    rule: str | None
    sentence: str
    matches: Amount
    may_go: Amount
    protects: Amount


class Rules(BaseModel):
    """The rules in force. In the response to `preview`, `before` and `after` take the place of `effects`."""

    version: int
    rules: list[dict[str, Any]]
    bounds: dict[str, Any] | None
    mode: Literal["off", "training", "on"]
    saved_at: str | None
    saved_by: str | None
    effects: list[RuleEffect]


class Plan(BaseModel):
    """A plan: how much was wanted, and what it frees."""

    plan: int
    rules: int | None
    made_at: str
    made_by: str | None
    wanted: int
    frees: int
    objects: int
    is_enough: bool


class NewPlan(Plan):
    """A new plan. `hindrance` says why nothing may be evicted."""

    counted: bool
    hindrance: str | None


class PlannedObject(BaseModel):
    """An object that would be evicted, and by which rule; null if none matches."""

    sop_instance_uid: str
    bytes: int
    rule: str | None


class WholePlan(Plan):
    """A plan with a page of its objects."""

    items: list[PlannedObject]
    next: str | None


class CarriedOutPlan(BaseModel):
    """The progress of a plan. `left` has not been tried."""

    evicted: int
    bytes: int
    kept: int
    left: int


class Eviction(BaseModel):
    """An entry of the ledger: an object that was evicted, or was kept although a plan had it."""

    id: int
    plan: int
    sop_instance_uid: str
    bytes: int
    rule: str | None
    at: str
    by: str | None
    outcome: Literal["evicted", "kept"]
    reason: str | None
    recalled_at: str | None


_PLANS = "/api/v1/retention/plans"

RETAINING: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/retention"): Cache,
    ("get", "/api/v1/retention/rules"): Rules,
    ("put", "/api/v1/retention/rules"): Rules,
    ("get", _PLANS): Page[Plan],
    ("post", _PLANS): NewPlan,
    ("get", f"{_PLANS}/{{plan_id}}"): WholePlan,
    ("post", f"{_PLANS}/{{plan_id}}/evict"): CarriedOutPlan,
    ("get", "/api/v1/retention/evictions"): Page[Eviction],
}
