"""`POST exports`: studies and notes as DICOM file sets with pages, in a ZIP or tar file made while it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.delivery.media_sets.building import SetOptions, file_sets
from kinote.delivery.media_sets.pages import Pages
from kinote.delivery.media_sets.selection import NothingToExportError, Selected, Wanted, select_for_media
from kinote.lifecycle.owed.receivers import Receiver
from kinote.media.containers import tarred, zipped
from kinote.media.file_set import MOST_OBJECTS
from kinote.media.profiles import PROFILES
from kinote.security.audit.entry import AuditEvent, Concerned, Entry
from kinote.web.api.protocol.keys import KeyInBody
from kinote.web.api.protocol.pages import answer
from kinote.web.bodies.negotiation import accepted, choose
from kinote.web.bodies.response_body import iterated
from kinote.web.problems import FieldError, NotAcceptableError, RefusedContentError, UnknownResourceError
from kinote.web.requests.actor import actor_of
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import Rooms, rooms_of

router = APIRouter(tags=["exports"], route_class=PermittedAPIRoute)

_CONTAINERS = {"application/zip": (zipped, "zip"), "application/x-tar": (tarred, "tar")}

#: The smallest size limit of a file set, in bytes.
_SMALLEST = 10_000_000

#: The most objects of a plan that are listed as missing. Others are only counted.
_MOST_LISTED = 1000

#: The bytes produced before the response begins: an error until then is answered as a problem.
_AT_ONCE = 64 * 1024

Uid = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[0-9.]+$")]


class WantedExport(BaseModel):
    """What to put on media, and for whom.

    `content` is `all` of the studies, or their `key images` with presentation states and key objects. Notes include
    what they refer to. `profile` is an application profile of PS3.11. `size_limit` is that of a file set in bytes; with
    it there are as many as needed, in the folders `SET1`, `SET2`, …
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    studies: Annotated[list[Uid], Field(max_length=1000)] = []
    notes: Annotated[list[KeyInBody], Field(max_length=1000)] = []
    content: Literal["all", "key images"] = "all"
    profile: Annotated[str, Field(max_length=32)] = "STD-GEN-CD"
    size_limit: Annotated[int, Field(ge=_SMALLEST, le=1 << 50)] | None = None
    recipient: Annotated[str, Field(max_length=200)] = ""
    reason: Annotated[str, Field(max_length=1000)] = ""


@router.post("/exports/plan", summary="What an export would bring")
async def plan(request: Request, body: WantedExport) -> Response:
    """Return how many objects of which studies and notes would be included, their stored size, and what is missing:
    objects that a note refers to and that are not here. Nothing is exported.
    """
    selected = await _selected(request, body)
    return answer(
        {
            "objects": len(selected.objects),
            "bytes": selected.size,
            "studies": list(selected.studies),
            "notes": [note.id for note in selected.notes],
            "missing": [asdict(each) for each in selected.missing[:_MOST_LISTED]],
            "missing_count": len(selected.missing),
        }
    )


@router.post(
    "/exports",
    summary="Studies and notes as DICOM file sets",
    responses={200: {"content": {kind: {} for kind in _CONTAINERS}}},
)
async def export(request: Request, body: WantedExport) -> Response:
    """Return DICOM file sets with DICOMDIR and pages for people, as `application/zip` (the default) or
    `application/x-tar`, by the Accept header. A response that ends early is not a valid file set: it lacks the
    directory of the ZIP file, or the last member of the tar file, `report.json`.

    The export is recorded before the first byte: who, what, for whom and why. The ledger names the receiver of the
    objects as `media to` the recipient.
    """
    kind = choose(accepted(request), tuple(_CONTAINERS))
    if kind is None:
        raise NotAcceptableError(f"An export is one of {', '.join(_CONTAINERS)}.")
    contain, extension = _CONTAINERS[kind]
    rooms, by = rooms_of(request), actor_of(request)
    selected = await _selected(request, body)
    to = media_receiver(body.recipient)
    await to_thread.run_sync(lambda: _record(rooms, request, body, selected, to), limiter=rooms.threads.reads)
    now = rooms.clock()
    options = SetOptions(
        PROFILES[body.profile],
        f"KINOTE_{now:%Y%m%d}",
        now,
        body.size_limit or 0,
    )

    def made() -> Iterator[bytes]:
        pages = Pages(rooms.catalog, rooms.door, selected.notes, by)
        record = rooms.record_for(to, "media")
        yield from contain(file_sets(rooms.door, selected, options, pages, by, record))

    return await iterated(
        made(),
        rooms.threads.streams,
        media_type=kind,
        headers={
            "Cache-Control": "private, no-store",
            "Content-Disposition": f'attachment; filename="{options.file_set_id}.{extension}"',
        },
        at_once=_AT_ONCE,
    )


def media_receiver(recipient: str) -> Receiver:
    """Return the ledger's receiver for media. Withdrawals show it as one to be told by hand."""
    named = " ".join(recipient.split())
    return Receiver(address=f"media to {named}" if named else "media")


async def _selected(request: Request, body: WantedExport) -> Selected:
    """Return the selection. Raises the problem if it is not available."""
    rooms = rooms_of(request)
    if body.profile not in PROFILES:
        raise _refused("profile", f"is none of {', '.join(PROFILES)}")
    if not body.studies and not body.notes:
        raise _refused("studies", "name a study here, or a note in notes")
    wanted = Wanted(
        tuple(dict.fromkeys(body.studies)), tuple(dict.fromkeys(body.notes)), body.content == "key images"
    )
    try:
        selected = await to_thread.run_sync(
            lambda: select_for_media(rooms.catalog, rooms.door, wanted), limiter=rooms.threads.long_reads
        )
    except NothingToExportError as error:
        raise UnknownResourceError(str(error)) from error
    if len(selected.objects) > MOST_OBJECTS:
        raise _refused(
            "studies", f"would bring {len(selected.objects)} objects; export {MOST_OBJECTS} at a time at most"
        )
    return selected


def _refused(field: str, message: str) -> RefusedContentError:
    return RefusedContentError(f"{field}: {message}.", errors=[FieldError(field, message)])


def _record(rooms: Rooms, request: Request, body: WantedExport, selected: Selected, to: Receiver) -> None:
    """Record the export in the audit trail, an entry for each study, before anything leaves."""
    trail = rooms.trail
    if trail is None:
        return
    counts: dict[str, int] = {}
    for each in selected.objects:
        counts[each.study_instance_uid] = counts.get(each.study_instance_uid, 0) + 1
    by = actor_of(request)
    entries = [
        Entry(
            AuditEvent.DELIVERED,
            by,
            concerned=Concerned(study=study),
            detail={"to": to.address, "reason": body.reason, "objects": count, "content": body.content},
        )
        for study, count in counts.items()
    ]

    def write(transaction: Connection) -> None:
        trail.write(transaction, entries, rooms.clock())

    rooms.catalog.write(write)
