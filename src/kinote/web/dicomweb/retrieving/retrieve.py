"""WADO-RS retrieval of whole instances (PS3.18 10.4): as stored, or in a requested transfer syntax."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import structlog
from starlette.requests import Request
from starlette.responses import Response

from kinote.decoding.errors import DecodingUnavailableError
from kinote.delivery.ledger import Record, unrecorded
from kinote.delivery.outgoing import TranscodingError, outgoing, part10
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.holdings.unavailable import BytesUnavailableError, NotLiveError
from kinote.lifecycle.owed.receivers import Receiver, State
from kinote.security.actors import Actor, ActorKind
from kinote.web.bodies.multipart_related import Part, multipart_body, new_boundary
from kinote.web.bodies.negotiation import MediaType, accepted
from kinote.web.bodies.response_body import iterated
from kinote.web.bodies.warning_header import warning, without_bytes
from kinote.web.bodies.while_wanted import watched
from kinote.web.dicomweb.addresses import Addresses
from kinote.web.dicomweb.retrieving.resources import named_objects
from kinote.web.dicomweb.retrieving.transfer_syntax import outgoing_syntax
from kinote.web.problems import NotAcceptableError
from kinote.web.requests.actor import actor_of
from kinote.web.rooms import rooms_of

log = structlog.get_logger("kinote.web")

_DICOM = "application/dicom"
_MULTIPART = "multipart/related"

#: An object and the transfer syntax in which it is sent.
_Sent = tuple[LiveObject, str]


async def retrieve(request: Request) -> Response:
    """Serve `GET` of a study, a series or an instance: multipart/related, or one instance by itself."""
    objects = await named_objects(request)
    alone, ranges = _form(accepted(request), one_instance="instance" in request.path_params)
    sent = [
        (item, syntax)
        for item in objects
        if (syntax := outgoing_syntax(item.transfer_syntax_uid, ranges)) is not None
    ]
    if not sent:
        raise NotAcceptableError(
            "Nothing of it is available in a transfer syntax asked for; transfer-syntax=* takes each "
            "instance as it is stored."
        )
    rooms = rooms_of(request)
    record = _record(request)
    is_as_stored = all(syntax == item.transfer_syntax_uid for item, syntax in sent)
    # Responses with decoding must not delay those that are sent as stored.
    limiter = rooms.threads.streams if is_as_stored else rooms.threads.decoded
    async with watched(request) as is_gone:
        if alone:
            ((item, syntax),) = sent
            return await iterated(
                _beginning_late(rooms.door, item, syntax, actor_of(request), is_gone, record),
                limiter,
                media_type=f"{_DICOM};transfer-syntax={syntax}",
            )
        boundary = new_boundary()
        parts = _Parts(rooms.door, sent, actor_of(request), is_gone, record, Addresses(request))
        response = await iterated(
            multipart_body(parts, boundary),
            limiter,
            media_type=f'{_MULTIPART}; type="{_DICOM}"; boundary={boundary}',
        )
    # What is found out after the first block of the response can no longer change its head.
    said = _said(len(objects) - len(sent), len({*parts.known_to_fail, *parts.failed}))
    if said:
        response.status_code = 206
        response.headers["Warning"] = warning(said)
    return response


def _said(not_as_asked: int, failed: int) -> str:
    """Return the warning about instances missing in a response (PS3.18 8.5, 206)."""
    said = []
    if not_as_asked:
        said.append(f"{not_as_asked} instances are not available as asked")
    if failed:
        said.append(without_bytes(failed))
    return "; ".join(said)


def _form(ranges: Sequence[MediaType], *, one_instance: bool) -> tuple[bool, list[MediaType]]:
    """Return whether the instance is sent by itself, and the ranges with its transfer syntaxes.

    The first range that can be satisfied decides between the two forms.
    """
    alone = [item for item in ranges if item.type == "application" and item.takes(_DICOM)]
    parts = [
        item.part_type if item.subtype == "related" else item
        for item in ranges
        if item.takes(_MULTIPART) and (item.subtype != "related" or item.part_type.takes(_DICOM))
    ]
    if one_instance and alone and (not parts or alone[0].q > parts[0].q or alone[0] is ranges[0]):
        return True, alone
    if parts:
        return False, parts
    raise NotAcceptableError(
        f'Instances are available as {_MULTIPART}; type="{_DICOM}", one instance as {_DICOM} too.'
    )


def _beginning_late(
    door: Door, item: LiveObject, syntax: str, by: Actor, is_gone: Callable[[], bool], record: Record
) -> Iterator[bytes]:
    """Yield the object's file, opened only when the first byte is requested, in a worker thread."""
    content = part10(item, outgoing(door, item, by), syntax, is_cancelled=is_gone)
    yield from _recorded(content, item.sop_instance_uid, record)


def _recorded(content: Iterator[bytes], uid: str, record: Record) -> Iterator[bytes]:
    """Yield the content, and record it: after the first byte the client may have it, after the last it has it."""
    record(uid, State.UNKNOWN, "")
    yield from content
    record(uid, State.GIVEN, "200")


def _record(request: Request) -> Record:
    """Return the function that records what the client is sent, if it is a peer by its address and names no person."""
    actor, rooms = actor_of(request), rooms_of(request)
    if actor.kind is not ActorKind.PERSON or actor.name:
        return unrecorded
    peer = rooms.peers.only_peer_at(actor.address)
    return unrecorded if peer is None else rooms.record_for(Receiver(peer.id), "WADO-RS")


class _Parts:
    """The parts of a response. Unavailable objects are left out. If none is available, the error is raised."""

    def __init__(
        self,
        door: Door,
        sent: Sequence[_Sent],
        by: Actor,
        is_gone: Callable[[], bool],
        record: Record,
        addresses: Addresses,
    ) -> None:
        self._addresses = addresses
        self._is_gone = is_gone
        self._record = record
        self._door = door
        self._by = by
        self._sent = sent
        #: UIDs that are unavailable according to the index, and those found to be unavailable later.
        self.known_to_fail = [item.sop_instance_uid for item, _ in sent if not door.can_open(item)]
        self.failed: list[str] = []

    def __iter__(self) -> Iterator[Part]:
        failure: NotLiveError | BytesUnavailableError | None = None
        is_empty = True
        for item, syntax in self._sent:
            try:
                part = self._part(item, syntax)
            except NotLiveError as error:
                # Withdrawn since the response began: it is left out.
                failure = failure or error
                continue
            except BytesUnavailableError as error:
                failure = error
                self.failed.append(item.sop_instance_uid)
                log.warning("left out", uid=item.sop_instance_uid, reason=str(error))
                continue
            is_empty = False
            yield part
        if is_empty and failure is not None:
            raise failure

    def _part(self, item: LiveObject, syntax: str) -> Part:
        try:
            content = part10(item, outgoing(self._door, item, self._by), syntax, is_cancelled=self._is_gone)
        except (TranscodingError, DecodingUnavailableError) as error:
            # The response has begun. The stored form is better than nothing, and its headers say so.
            log.warning("sent as stored", uid=item.sop_instance_uid, reason=str(error))
            syntax = item.transfer_syntax_uid
            content = part10(item, outgoing(self._door, item, self._by))
        content = _recorded(content, item.sop_instance_uid, self._record)
        place = self._addresses.of(item)
        return Part(
            (("Content-Type", f"{_DICOM};transfer-syntax={syntax}"), ("Content-Location", place)), content
        )
