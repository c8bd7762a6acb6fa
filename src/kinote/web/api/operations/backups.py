"""Backups: those that were made, the progress of one under way, and making one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.backup.running import Backups, NoBackupNowError, backups, last_good, one_backup
from kinote.holdings.health import Alert
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["backups"], route_class=PermittedAPIRoute)


class WantedBackup(BaseModel):
    """A backup to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    images: Annotated[
        bool | None, Field(description="With the files of images; null: as the setting backup_images says.")
    ] = None


@router.get("/backups", summary="The backups, the latest first")
async def list_backups(request: Request, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """List backups with their `state` (`running`, `good` or `failed`), and `last_good`: the last one that was completed
    and read back, null if there is none. `warning` says why a person must look at them, null if there is no reason.
    """
    rooms = rooms_of(request)
    before = position_of(cursor, int)

    def read() -> object:
        alerts = rooms.backups.alerts() if rooms.backups is not None else ()
        with rooms.catalog.read() as connection:
            found = backups(connection, before=before[0] if before else None, limit=limit + 1)
            following = cursor_of(found[limit - 1]["id"]) if len(found) > limit else None
            return {
                **page(found[:limit], following),
                "last_good": last_good(connection),
                "warning": _sentence(alerts),
            }

    return answer(await rooms.read(read))


def _sentence(alerts: Sequence[Alert]) -> str | None:
    return " ".join(each.text for each in alerts) or None


@router.get("/backups/{backup_id}", summary="A backup, and how far it has come")
async def show_backup(request: Request, backup_id: Key) -> Response:
    """Return a backup with its `step`, and how much of that is `done` of the `total`."""
    rooms = rooms_of(request)

    def read() -> object:
        with rooms.catalog.read() as connection:
            return one_backup(connection, backup_id)

    return answer(await rooms.read(read))


@router.post("/backups", summary="Make a backup now", status_code=202)
async def make_backup(request: Request, body: WantedBackup, act: AskedAct) -> Response:
    """Start a backup into the folder of the setting `backup_folder`. It continues by itself; poll its row."""
    making = _backups(request)
    begun: list[int] = []

    def work(transaction: Connection) -> Response:
        row = making.ask(transaction, act.actor, images=body.images)
        begun.append(row["id"])
        return answer(row, status=202)

    done = await act.do(work, act.now())
    if begun:
        making.begin(begun[-1], images=body.images)
    return done.response


def _backups(request: Request) -> Backups:
    making = rooms_of(request).backups
    if making is None:
        raise NoBackupNowError("This application makes no backups.")
    return making
