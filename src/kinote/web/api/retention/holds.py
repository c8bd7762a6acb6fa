"""Holds: list, place, read, end."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.dicom.values.uids import is_tolerable
from kinote.lifecycle.holds import acts
from kinote.lifecycle.holds.hold import HeldThing, Hold, HoldKind, HoldLevel
from kinote.lifecycle.holds.lists import kept_by, page_of_holds
from kinote.security.actors import Actor
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import Key, KeyInBody
from kinote.web.api.protocol.moments import moment_of
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import FieldError, RefusedContentError
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["retention"], route_class=PermittedAPIRoute)


class NamedPatient(BaseModel):
    """A patient by Patient ID (0010,0020) and Issuer of Patient ID (0010,0021)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    patient_id: Annotated[str, Field(min_length=1, max_length=64)]
    issuer: Annotated[str, Field(max_length=64)] = ""


class AskedHold(BaseModel):
    """A hold to place on a study, a patient or a note."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Annotated[str, Field(description="`legal`, `research` or `teaching`.")]
    reason: Annotated[str, Field(max_length=acts.LONGEST_REASON, description="Why, in your words.")]
    study: Annotated[str, Field(description="A Study Instance UID, known or not yet.")] = ""
    patient: Annotated[NamedPatient | None, Field(description="A patient, known or not yet.")] = None
    note: Annotated[KeyInBody | None, Field(description="The number of a note.")] = None
    until: Annotated[
        str, Field(description="When it ends by itself (ISO 8601); without it, when a person ends it.")
    ] = ""

    def wanted(self) -> acts.WantedHold:
        """Return the hold. Raises `RefusedContentError` unless it names a kind, and exactly one object."""
        if self.kind not in {str(kind) for kind in HoldKind}:
            raise _refused("kind", f"is none of {', '.join(HoldKind)}.")
        named: list[HeldThing] = []
        if self.study:
            if not is_tolerable(self.study):
                raise _refused("study", "is no UID.")
            named.append(HeldThing(HoldLevel.STUDY, study_instance_uid=self.study))
        if self.patient is not None:
            named.append(
                HeldThing(HoldLevel.PATIENT, patient_id=self.patient.patient_id, issuer=self.patient.issuer)
            )
        if self.note is not None:
            named.append(HeldThing(HoldLevel.NOTE, note=self.note))
        if len(named) != 1:
            raise _refused("study", "Name a study, a patient or a note, and one of them only.")
        return acts.WantedHold(HoldKind(self.kind), named[0], self.reason, moment_of("until", self.until))


@router.get("/retention/holds", summary="Holds, the latest first")
async def list_holds(
    request: Request,
    ended: Annotated[bool, Query(description="With those that a person has ended.")] = False,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List holds: what keeps bytes from being removed, why, since when and until when. `in_force` says whether it still
    does.
    """
    rooms = rooms_of(request)
    position = position_of(cursor, int)
    before = position[0] if position else None

    def read() -> list[Hold]:
        with rooms.catalog.read() as connection:
            return page_of_holds(connection, with_ended=ended, before=before, limit=limit + 1)

    found = await rooms.read(read)
    following = cursor_of(found[limit - 1].id) if len(found) > limit else None
    now = rooms.clock()
    return answer(page([_json(each, now) for each in found[:limit]], following))


@router.post("/retention/holds", status_code=201, summary="Place a hold")
async def place_hold(body: AskedHold, act: AskedAct) -> Response:
    """Place a hold: the bytes of a study, a patient or a note, and of later additions, are kept whatever happens.

    `keeps` says what these are now. Withdrawn instances stay hidden, but their bytes are kept.
    """
    wanted = body.wanted()
    now = act.now()

    def work(transaction: Connection) -> Response:
        placed = acts.place(transaction, wanted, by=act.actor, now=now)
        act.concerns(
            [wanted.thing.study_instance_uid] if wanted.thing.study_instance_uid else [],
            hold=str(placed.id),
            on=str(wanted.thing),
        )
        location = f"/api/v1/retention/holds/{placed.id}"
        return answer(_whole(transaction, placed, now), status=201, headers={"Location": location})

    return (await act.do(work, now)).response


@router.get("/retention/holds/{hold_id}", summary="A hold")
async def get_hold(request: Request, hold_id: Key) -> Response:
    """Return the hold, in force or not, and what it keeps now."""
    rooms = rooms_of(request)

    def read() -> dict[str, Any]:
        with rooms.catalog.read() as connection:
            return _whole(connection, acts.one_hold(connection, hold_id), rooms.clock())

    return answer(await rooms.read(read))


@router.delete("/retention/holds/{hold_id}", summary="End a hold")
async def end_hold(
    hold_id: Key,
    act: AskedAct,
    reason: Annotated[str, Query(max_length=acts.LONGEST_REASON, description="Why it ends.")] = "",
) -> Response:
    """End the hold, with a reason. Bytes that no other hold keeps may be removed from now on, if they are due."""
    now = act.now()

    def work(transaction: Connection) -> Response:
        ended = acts.end(transaction, hold_id, reason, by=act.actor, now=now)
        return answer(_whole(transaction, ended, now))

    return (await act.do(work, now)).response


def _refused(field: str, message: str) -> RefusedContentError:
    return RefusedContentError(f"{field}: {message}", errors=[FieldError(field, message)])


def _whole(connection: Connection, hold: Hold, now: datetime) -> dict[str, Any]:
    return {**_json(hold, now), "keeps": asdict(kept_by(connection, hold))}


def _json(hold: Hold, now: datetime) -> dict[str, Any]:
    thing = hold.thing
    is_patient = thing.level is HoldLevel.PATIENT
    return {
        "id": hold.id,
        "kind": str(hold.kind),
        "on": str(thing),
        "study": thing.study_instance_uid or None,
        "patient": {"patient_id": thing.patient_id, "issuer": thing.issuer} if is_patient else None,
        "note": thing.note,
        "reason": hold.reason,
        "placed_at": hold.placed_at,
        "placed_by": _said(hold.placed_by),
        "until": hold.until or None,
        "in_force": hold.is_in_force(now),
        "ended_at": hold.ended_at or None,
        "ended_by": _said(hold.ended_by),
        "ended_because": hold.ended_because or None,
    }


def _said(actor: Actor | None) -> str | None:
    return str(actor) if actor else None
