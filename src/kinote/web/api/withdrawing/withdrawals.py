"""Withdrawals: of instances, series and studies; lists of them, with actor and reason; undoing them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.catalog.schema.timestamps import asked_timestamp
from kinote.lifecycle.acts import Act
from kinote.lifecycle.second_person.requests import ask
from kinote.lifecycle.second_person.whole_series import needs_second_person
from kinote.lifecycle.withdrawals.lists import (
    ListedWithdrawal,
    WithdrawalFilter,
    live_rejection_notes,
    named_uids,
    one_withdrawal,
    owed_by,
    withdrawals,
)
from kinote.lifecycle.withdrawals.scope import Scope, shares_of
from kinote.lifecycle.withdrawals.withdrawal import WithdrawalNotFoundError
from kinote.notes.acts.undo import undo_withdrawal
from kinote.notes.copies.issuing_again import issue_again
from kinote.notes.lists.note import code_as_json
from kinote.security.actors import Actor
from kinote.security.rights import Right
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.api.withdrawing.as_csv import withdrawals_as_csv
from kinote.web.api.withdrawing.as_json import actor_as_json, request_as_json
from kinote.web.api.withdrawing.asked import AskedWithdrawal, carry_out, refused, scope_as_json
from kinote.web.bodies.negotiation import accepted, choose
from kinote.web.bodies.response_body import iterated
from kinote.web.problems import NotAcceptableError
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import Rooms, rooms_of

router = APIRouter(tags=["withdrawals"], route_class=PermittedAPIRoute)

#: The most new UIDs that an answer names.
_NEW_UIDS = 200

_MEDIA = ("application/json", "text/csv")


@router.post("/withdrawals", status_code=201, summary="Withdraw instances, series or studies")
async def make_withdrawal(
    request: Request,
    body: AskedWithdrawal,
    act: AskedAct,
    preview: Annotated[
        bool, Query(description="Say what would be withdrawn, with the patients' names; change nothing.")
    ] = False,
) -> Response:
    """Withdraw instances, all or none; of a study or series everything that is live now.

    Instances that have not arrived yet may be named. Others are told when the undo window has closed. Until then it can
    be undone without a trace for them. Whole studies and series are withdrawn for safety, a wrong patient or a wrong
    order only with a `text` that says why.

    Where the setting `second_person` is on, those need somebody else: 202 says that the withdrawal waits, with its
    number in `waiting`, and nothing is withdrawn until it is confirmed (`POST withdrawal-requests/{id}`).
    """
    rooms = rooms_of(request)
    wanted = body.wanted_act()
    body.wanted_reason()
    body.check(wanted)
    if preview:
        return answer(await rooms.read(lambda: _previewed(rooms, body, wanted)))
    if body.needs_text(wanted) and not body.text.strip():
        raise refused("text", f"Say why whole studies or series are withdrawn ({wanted}).")
    now = act.now().astimezone()

    def work(transaction: Connection) -> Response:
        meant = body.scope(transaction)
        waits = _waits(rooms, transaction, body, wanted, meant)
        act.concerns(
            [share.study_instance_uid for share in meant.studies],
            act=wanted.name,
            text=body.text.strip(),
            **({"waits": "for a second person"} if waits else {}),
        )
        if waits:
            return _asked_for(transaction, body, meant, act.actor, now)
        key = carry_out(
            transaction, body, meant, by=act.actor, now=now, undo_window=rooms.options.undo_window
        )
        made = _listed(one_withdrawal(transaction, key))
        return answer(
            {**made, **scope_as_json(meant)},
            status=201,
            headers={"Location": f"/api/v1/withdrawals/{key}"},
        )

    return (await act.do(work, now)).response


def _previewed(rooms: Rooms, body: AskedWithdrawal, wanted: Act) -> dict[str, Any]:
    with rooms.catalog.read() as connection:
        meant = body.scope(connection)
        waits = _waits(rooms, connection, body, wanted, meant)
    return {
        **scope_as_json(meant),
        "text_required": waits or body.needs_text(wanted),
        "undo_window": int(wanted.window(rooms.options.undo_window).total_seconds()),
        "second_person": waits,
    }


def _waits(rooms: Rooms, connection: Connection, body: AskedWithdrawal, wanted: Act, meant: Scope) -> bool:
    return rooms.options.second_person and needs_second_person(connection, wanted, meant, whole=body.is_whole)


def _asked_for(
    transaction: Connection, body: AskedWithdrawal, meant: Scope, by: Actor, now: datetime
) -> Response:
    """Record that a withdrawal waits for a second person, and answer so."""
    text = body.text.strip()
    if not text:
        raise refused("text", "Say why all of a series is withdrawn: whoever confirms it has to know.")
    made = ask(
        transaction,
        body.model_dump(mode="json", by_alias=True),
        act=body.act,
        text=text,
        instances=meant.withdrawn,
        by=by,
        now=now,
    )
    return answer(
        {"waiting": request_as_json(made), **scope_as_json(meant)},
        status=202,
        headers={"Location": f"/api/v1/withdrawal-requests/{made.id}"},
    )


@router.get(
    "/withdrawals",
    summary="Withdrawals, the latest first",
    responses={200: {"content": {"application/json": {}, "text/csv": {}}}},
)
async def list_withdrawals(
    request: Request,
    since: Annotated[
        str, Query(description="Made from this moment on (ISO 8601; UTC without an offset).")
    ] = "",
    until: Annotated[str, Query(description="Made before this moment.")] = "",
    act: Annotated[str, Query(description="The name of an act.")] = "",
    who: Annotated[str, Query(description="Part of the name of who withdrew.")] = "",
    text: Annotated[str, Query(description="Part of the reason in words.")] = "",
    as_csv: Annotated[bool, Query(alias="csv", description="As `text/csv`, all at once.")] = False,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List what was removed in a period, by whom and why, undone or not. Rejections that wait for a decision, or were
    refused, are under `rejections`.

    As CSV, there is a line for each withdrawal and study, with the patient.
    """
    rooms = rooms_of(request)
    wanted = WithdrawalFilter(_moment("since", since), _moment("until", until), act, who, text)
    kind = "text/csv" if as_csv else choose(accepted(request), _MEDIA)
    if kind is None:
        raise NotAcceptableError("Withdrawals are available as application/json or text/csv.")
    if kind == "text/csv":
        return await iterated(
            withdrawals_as_csv(rooms.catalog, wanted),
            rooms.threads.long_reads,
            media_type="text/csv; charset=utf-8; header=present",
            headers={
                "Content-Disposition": 'attachment; filename="withdrawals.csv"',
                "Cache-Control": "private, no-cache",
            },
        )
    before = position_of(cursor, int)

    def read() -> list[ListedWithdrawal]:
        with rooms.catalog.read() as connection:
            return withdrawals(connection, wanted, before=before[0] if before else None, limit=limit + 1)

    found = await rooms.read(read)
    following = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return answer(page([_listed(each) for each in found[:limit]], following))


@router.get("/withdrawals/{withdrawal_id}", summary="A withdrawal")
async def get_withdrawal(request: Request, withdrawal_id: Key) -> Response:
    """Return a withdrawal with what it names, by study, and who was told of it or has yet to be told: `owed`, by
    receiver.

    The `rejection_notes` exist once the undo window has closed.
    """
    rooms = rooms_of(request)

    def read() -> dict[str, Any]:
        with rooms.catalog.read() as connection:
            return _whole(connection, withdrawal_id)

    return answer(await rooms.read(read))


@router.delete("/withdrawals/{withdrawal_id}", summary="Undo a withdrawal")
async def undo(request: Request, withdrawal_id: Key, act: AskedAct) -> Response:
    """Undo a withdrawal: its instances return to use, unless another withdrawal names them. Undoing it twice changes
    nothing.

    While the undo window is open, nobody has been told. Later, only acts told by 113001 and 113039 can be undone: those
    who were told are then owed the instances again. For others, 409 says why. What was `purged` meanwhile returns only
    if it is sent again.
    """
    now = act.now().astimezone()

    def work(transaction: Connection) -> Response:
        if not _is_own(act, transaction, withdrawal_id):
            act.require(Right.WITHDRAW_OTHERS)
        if one_withdrawal(transaction, withdrawal_id).state != "undone":
            undo_withdrawal(transaction, withdrawal_id, by=act.actor, now=now)
        whole = _whole(transaction, withdrawal_id)
        act.concerns([share["study_instance_uid"] for share in whole["studies"]])
        return answer(whole)

    # A decision about copies is not undone once somebody was sent the chosen one.
    rooms = rooms_of(request)
    await rooms.read(rooms.write_ledger)
    return (await act.do(work, now)).response


class AskedIssue(BaseModel):
    """Why objects are issued again."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: Annotated[str, Field(min_length=1, max_length=4000, description="Why, in your words.")]
    also: Annotated[
        list[Key],
        Field(
            max_length=100, description="Further withdrawals for good that hide the same objects, as wrongly."
        ),
    ] = []


@router.post(
    "/withdrawals/{withdrawal_id}/issue-again", status_code=201, summary="Issue objects again under new UIDs"
)
async def issue(withdrawal_id: Key, body: AskedIssue, act: AskedAct) -> Response:
    """Issue again under new UIDs what was withdrawn by mistake with an act that cannot be undone, because others never
    accept the old UIDs again. Notes made here get a new version with new key objects; everything else keeps its bytes.

    The withdrawal stays in force. What another withdrawal hides too stays out of use, unless `also` names that one,
    which must be permanent as well. For withdrawals by others, the right `withdraw-others` is needed. 409 says why
    nothing can be issued, and what to do instead.
    """
    if not body.text.strip():
        raise refused("text", "Say why: the reason is kept with what is issued.")
    now = act.now().astimezone()

    def work(transaction: Connection) -> Response:
        if not all(_is_own(act, transaction, each) for each in (withdrawal_id, *body.also)):
            act.require(Right.WITHDRAW_OTHERS)
        made = issue_again(
            transaction, withdrawal_id, text=body.text.strip(), by=act.actor, now=now, also=body.also
        )
        act.concerns(
            [share.study_instance_uid for share in shares_of(transaction, [withdrawal_id])[withdrawal_id]],
            text=body.text.strip(),
        )
        return answer(
            {
                "decision": made.id,
                "issued": len(made.new_uids),
                "notes": list(made.notes),
                "left": made.left,
                "new_uids": [
                    {"sop_instance_uid": old, "new_sop_instance_uid": new}
                    for old, new in islice(made.new_uids.items(), _NEW_UIDS)
                ],
            },
            status=201,
            headers={"Location": f"/api/v1/held/decisions/{made.id}"},
        )

    return (await act.do(work, now)).response


def _is_own(act: AskedAct, transaction: Connection, key: int) -> bool:
    """Return whether the signed-in user made a withdrawal; False if it does not exist."""
    try:
        by = one_withdrawal(transaction, key).by
    except WithdrawalNotFoundError:
        return False
    return by is not None and (by.kind, by.name) == (act.actor.kind, act.actor.name) and bool(by.name)


def _whole(connection: Connection, key: int) -> dict[str, Any]:
    found = one_withdrawal(connection, key)
    return {
        **_listed(found),
        "purged": found.purged,
        "purged_sentence": f"{found.purged} were purged; they come back only if they are sent again."
        if found.purged
        else None,
        "studies": [asdict(share) for share in shares_of(connection, [key])[key]],
        "sop_instance_uids": list(named_uids(connection, key)),
        "rejection_notes": [
            {"study_instance_uid": study, "sop_instance_uid": uid}
            for study, uid in live_rejection_notes(connection, key).items()
        ],
        "owed": [asdict(each) for each in owed_by(connection, key)],
    }


def _listed(one: ListedWithdrawal) -> dict[str, Any]:
    return {
        "id": one.id,
        "act": one.act,
        "sentence": one.sentence,
        "reason": code_as_json(one.reason),
        "text": one.text,
        "by": actor_as_json(one.by),
        "confirmed_by": actor_as_json(one.confirmed_by),
        "made_at": one.made_at,
        "closes_at": one.closes_at,
        "state": one.state,
        "effect": one.effect,
        "received": one.received,
        "instances": one.instances,
        "undone_at": one.undone_at,
        "undone_by": actor_as_json(one.undone_by),
        "can_be_undone": not one.why_not_undoable,
        "why_not_undoable": one.why_not_undoable or None,
    }


def _moment(field: str, written: str) -> str:
    if not written:
        return ""
    try:
        return asked_timestamp(written)
    except ValueError as error:
        raise refused(field, "is no moment in ISO 8601.") from error
