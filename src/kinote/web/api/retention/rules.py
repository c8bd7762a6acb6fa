"""The rules of retention: read, save, and preview; and the cache that they are about."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.lifecycle.archives.evidence import archives_in_use
from kinote.retention import headroom
from kinote.retention.evictions import regret
from kinote.retention.planning.asking import Asked, asked_plan, usable_archives
from kinote.retention.planning.choosing import Amount
from kinote.retention.rules.rule import RuleSet
from kinote.retention.rules.sentences import sentence, sentence_of_none
from kinote.retention.rules.sets import (
    RuleFault,
    RulesRefusedError,
    as_json,
    check,
    current_rules,
    rules_of,
    save_rules,
)
from kinote.retention.units.following import Round
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.pages import answer
from kinote.web.api.protocol.versions import IfMatch, required_version
from kinote.web.api.retention.holds import NamedPatient
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import Rooms, rooms_of

router = APIRouter(tags=["retention"], route_class=PermittedAPIRoute)

_Days = int | None
_List = Annotated[list[str], Field(max_length=1000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AskedConditions(_Body):
    """What a rule matches: all given conditions; in a list, one of its values is enough."""

    part: Annotated[
        Literal["key images", "rest"] | None,
        Field(description="The images that notes flag with their presentation states, or all others."),
    ] = None
    titles: Annotated[_List, Field(description="Document titles of notes of the study: `DCM:113000`.")] = []
    sop_classes: Annotated[_List, Field(description="SOP Class UIDs.")] = []
    modalities: _List = []
    calling_ae_titles: Annotated[_List, Field(description="AE titles of peers that sent it.")] = []
    patients: Annotated[list[NamedPatient], Field(max_length=1000)] = []
    studies: _List = []
    has_notes: Annotated[bool | None, Field(description="Whether a note flags images of the study.")] = None
    study_older_than_days: _Days = None
    study_younger_than_days: _Days = None
    not_used_for_days: Annotated[_Days, Field(description="Neither read nor received for so long.")] = None
    sent_within_days: Annotated[_Days, Field(description="Handed to another system within so long.")] = None


class AskedShare(_Body):
    """This share of the whole cache is kept of what the rule matches, the most recently used first."""

    percent: float
    of: Literal["bytes", "objects", "studies"]


class AskedRule(_Body):
    """A rule. The first that matches decides."""

    name: Annotated[str, Field(max_length=200)]
    action: Literal["keep", "keep until", "may go", "go first"]
    when: AskedConditions = AskedConditions()
    days: Annotated[_Days, Field(description="Of `keep until`: after it was last used or came.")] = None
    share: Annotated[AskedShare | None, Field(description="Of `keep`: beyond it, it may go.")] = None


class AskedBounds(_Body):
    """Two thresholds: in bytes or percent, of use; in hours, of headroom."""

    unit: Literal["bytes", "percent", "hours"]
    upper: float
    lower: float


class AskedRules(_Body):
    """A set of rules in their order, and the bounds of the cache."""

    rules: list[AskedRule]
    bounds: AskedBounds | None = None
    mode: Annotated[
        Literal["off", "training", "on"],
        Field(
            description="What the server does by itself where the bounds are crossed: nothing; plans; evict."
        ),
    ] = "off"

    def wanted(self) -> RuleSet:
        """Return the set. Raises `RulesRefusedError`."""
        wanted = rules_of(self.model_dump())
        check(wanted)
        return wanted


@router.get("/retention", summary="The cache")
async def get_cache(request: Request) -> Response:
    """Return what is in the cache, what arrives, and in how many hours the volume is full.

    `to_free` is what the bounds require. `regret` is what was evicted in the last 30 days by each rule, and how much
    was needed again. `archives` says whose commitments count, and why others' do not. `counted` says whether everything
    has been counted once.
    """
    rooms = rooms_of(request)

    def read() -> dict[str, Any]:
        now, volume = rooms.clock(), rooms.volume()
        with rooms.catalog.read() as connection:
            stored = current_rules(connection)
            expected = headroom.arrivals(connection, now)
            cached = headroom.cached_bytes(connection)
            until_full = expected.hours_until(now, volume.free)
            return {
                "bytes": cached,
                "volume": asdict(volume),
                "counted": Round.read(connection).was_whole,
                "per_hour_of_day": list(expected.per_hour),
                "full_in_hours": until_full,
                "full_in": _full_in(until_full),
                "to_free": headroom.to_free(stored.rules.bounds, cached, volume, expected, now),
                "arrivals": headroom.hours_measured(connection, now),
                "regret": regret(connection, now),
                "archives": [
                    {"name": each.name, "counts": not each.hindrance, "hindrance": each.hindrance or None}
                    for each in archives_in_use(connection)
                ],
            }

    return answer(await rooms.read(read))


@router.get("/retention/rules", summary="The rules of retention")
async def get_rules(request: Request) -> Response:
    """Return the rules in force; the first that matches decides. Each has what it matches, evicts and protects now. The
    version is the ETag; `"0"` if none were ever saved.
    """
    rooms = rooms_of(request)

    def read() -> Response:
        with rooms.catalog.read() as connection:
            return _current(connection, rooms, rooms.clock())

    return await rooms.read(read)


@router.put("/retention/rules", summary="Save rules")
async def put_rules(
    request: Request,
    body: AskedRules,
    act: AskedAct,
    if_match: IfMatch = None,
    preview: Annotated[bool, Query(description="Only say what would be different.")] = False,
) -> Response:
    """Put a complete set of rules into force. An impossible set is refused with all that is wrong. With `preview`
    nothing is saved: `before` and `after` are the present and the new effect of each rule.
    """
    rooms = rooms_of(request)
    wanted = body.wanted()
    now = act.now()

    def look() -> Response:
        with rooms.catalog.read() as connection:
            _see_that_it_can_be(connection, wanted, rooms, now)
            seen = current_rules(connection).rules
            before, after = (_effects(connection, each, now) for each in (seen, wanted))
            return answer({**as_json(wanted), "before": before, "after": after})

    if preview:
        return await rooms.read(look)
    expected = required_version(if_match)

    def work(transaction: Connection) -> Response:
        _see_that_it_can_be(transaction, wanted, rooms, now)
        save_rules(transaction, wanted, expected=expected or None, by=act.actor, now=now)
        return _current(transaction, rooms, now)

    return (await act.do(work, now)).response


def _see_that_it_can_be(connection: Connection, wanted: RuleSet, rooms: Rooms, now: datetime) -> None:
    expected = headroom.arrivals(connection, now)
    why = headroom.impossible(wanted.bounds, rooms.volume(), expected, now)
    if why:
        raise RulesRefusedError([RuleFault("bounds.upper", why)])


def _current(connection: Connection, rooms: Rooms, now: datetime) -> Response:
    stored = current_rules(connection)
    version = stored.id or 0
    return answer(
        {
            "version": version,
            **as_json(stored.rules),
            "saved_at": stored.saved_at or None,
            "saved_by": str(stored.saved_by) if stored.saved_by else None,
            "effects": _effects(connection, stored.rules, now),
        },
        headers={"ETag": f'"{version}"'},
    )


def _effects(connection: Connection, rules: RuleSet, now: datetime) -> list[dict[str, Any]]:
    asked: Asked = asked_plan(
        connection, rules.rules, wanted=0, now=now, usable=usable_archives(connection, now)
    )
    nothing = Amount()
    shown = []
    for at, name in [*((at, rule.name) for at, rule in enumerate(rules.rules)), (-1, "")]:
        effect = asked.effects.get(at)
        shown.append(
            {
                "rule": name or None,
                "sentence": sentence(rules.rules[at]) if at >= 0 else sentence_of_none(),
                "matches": asdict(effect.matches if effect else nothing),
                "may_go": asdict(effect.may_go if effect else nothing),
                "protects": asdict(effect.protects if effect else nothing),
            }
        )
    return shown


def _full_in(hours: float | None) -> str:
    if hours is None:
        return "At the measured rate of arrival the volume is not full within a year."
    if hours < 48:
        return f"At the measured rate of arrival the volume is full in {hours:.0f} hours."
    return f"At the measured rate of arrival the volume is full in {hours / 24:.0f} days."
