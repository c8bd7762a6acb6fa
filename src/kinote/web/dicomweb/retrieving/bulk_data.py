"""WADO-RS bulk data (PS3.18 10.4.1.1.5): one large value, at the address given in the metadata."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import Response

from kinote.delivery.outgoing import outgoing
from kinote.dicom.dictionary import transfer_syntaxes
from kinote.dicom.elements.bulk import BulkSpan
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.security.actors import Actor
from kinote.web.bodies.multipart_related import Part, multipart_body, new_boundary
from kinote.web.bodies.negotiation import accepted
from kinote.web.bodies.response_body import iterated
from kinote.web.dicomweb.addresses import Addresses
from kinote.web.dicomweb.retrieving.frame_media import OCTETS
from kinote.web.dicomweb.retrieving.resources import CACHED, entity_tag, named_instance, not_modified
from kinote.web.problems import NotAcceptableError, UnknownResourceError
from kinote.web.requests.actor import actor_of
from kinote.web.rooms import rooms_of

_MULTIPART = "multipart/related"
_CHUNK = 64 * 1024

_PATH = re.compile(r"[0-9A-Fa-f]{8}(?:/\d{1,9}/[0-9A-Fa-f]{8})*")


async def bulk_data(request: Request) -> Response:
    """Serve `GET …/bulkdata/{path}`, e.g. `/bulkdata/7FE00010` or `/bulkdata/54000100/0/54001010`."""
    # The metadata has tags in capitals. Clients that construct addresses may not.
    path = request.path_params["path"].upper()
    if not _PATH.fullmatch(path):
        raise UnknownResourceError(f"There is no value at {path[:200]!r}.")
    item = await named_instance(request)
    alone = _alone(request)
    tag = entity_tag([item], path, alone)
    unchanged = not_modified(request, tag)
    if unchanged is not None:
        return unchanged
    rooms = rooms_of(request)
    content = _value(rooms.door, item, path, actor_of(request))
    boundary, place = new_boundary(), f"{Addresses(request).of(item)}/bulkdata/{path}"
    if alone:
        body, media_type = content, OCTETS
    else:
        body = multipart_body(
            [Part((("Content-Type", OCTETS), ("Content-Location", place)), content)], boundary
        )
        media_type = f'{_MULTIPART}; type="{OCTETS}"; boundary={boundary}'
    return await iterated(
        body,
        rooms.threads.streams,
        media_type=media_type,
        headers={"ETag": tag, "Cache-Control": CACHED},
    )


def _alone(request: Request) -> bool:
    """Return whether the value is sent by itself, rather than as the single part of a multipart body."""
    for wanted in accepted(request):
        if wanted.takes(_MULTIPART) and (wanted.subtype != "related" or wanted.part_type.takes(OCTETS)):
            return False
        if wanted.takes(OCTETS):
            return True
    raise NotAcceptableError(f"Bulk data is available as {OCTETS}, by itself or in {_MULTIPART}.")


def _value(door: Door, item: LiveObject, path: str, by: Actor) -> Iterator[bytes]:
    """Yield the stored bytes of a value; for encapsulated pixel data its fragments, one after another."""
    with outgoing(door, item, by, leaves=False).file as file:
        base = file.tell()
        if transfer_syntaxes.lookup(item.transfer_syntax_uid).deflated:
            # Deflated objects are small, and intake has limited their inflated size.
            file, base = io.BytesIO(zlib.decompressobj(-15).decompress(file.read())), 0
        span = _find(file, item.transfer_syntax_uid, path)
        if span is None:
            raise UnknownResourceError(f"The instance has no bulk value at {path}.")
        ranges = [(span.offset, span.length)]
        if span.length < 0:
            # The first fragment is the Basic Offset Table, which is not content.
            pairs = iter(span.fragments[2:])
            ranges = list(zip(pairs, pairs, strict=True))
        for offset, length in ranges:
            file.seek(base + offset)
            while length > 0 and (chunk := file.read(min(length, _CHUNK))):
                length -= len(chunk)
                yield chunk


def _find(file: BinaryIO, transfer_syntax_uid: str, path: str) -> BulkSpan | None:
    syntax = transfer_syntaxes.lookup(transfer_syntax_uid)
    plain = transfer_syntaxes.EXPLICIT_VR_LITTLE_ENDIAN if syntax.deflated else transfer_syntax_uid
    scanner = DataSetScanner(plain)
    while chunk := file.read(_CHUNK):
        scanner.feed(chunk)
        if scanner.passing:
            # Skipped values are jumped over, so that finding a value does not read the others.
            file.seek(scanner.passing, io.SEEK_CUR)
            scanner.jump(scanner.passing)
    scanner.finish()
    return next((span for span in scanner.bulk if span.address == path), None)
