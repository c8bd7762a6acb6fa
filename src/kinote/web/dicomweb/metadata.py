"""WADO-RS metadata (PS3.18 10.4.1.1.2): the whole headers, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from kinote.catalog.headers import headers
from kinote.catalog.transactions import Catalog
from kinote.holdings.live_objects import LiveObject
from kinote.web.dicomweb.addresses import Addresses
from kinote.web.dicomweb.resources import CACHED, entity_tag, named_objects, not_modified
from kinote.web.negotiation import accepted, choose
from kinote.web.problems import NotAcceptableError
from kinote.web.response_body import iterated
from kinote.web.rooms import rooms_of

MEDIA_TYPES = ("application/dicom+json", "application/json")

#: Headers read from the index at once.
_PAGE = 100


async def metadata(request: Request) -> Response:
    """`GET …/metadata` of a study, a series or an instance."""
    media_type = json_media_type(request)
    objects = await named_objects(request)
    addresses = Addresses(request)
    tag = entity_tag(objects, addresses.service)
    unchanged = not_modified(request, tag)
    if unchanged is not None:
        return unchanged
    rooms = rooms_of(request)
    return await iterated(
        _array(_headers(rooms.catalog, objects, addresses)),
        rooms.threads.streams,
        media_type=media_type,
        headers={"ETag": tag, "Cache-Control": CACHED},
    )


def json_media_type(request: Request) -> str:
    """The media type for DICOM JSON that the client likes best. Kinote offers no Native DICOM Model (XML)."""
    found = choose(accepted(request), MEDIA_TYPES)
    if found is None:
        raise NotAcceptableError(f"This resource is available as {' or '.join(MEDIA_TYPES)}.")
    return found


def with_absolute_bulk(header: bytes, bulk_data: str) -> bytes:
    """A header whose bulk values (`"BulkDataURI":"/7FE00010"`) have the address they can be had at."""
    # Within a JSON string the quotes would be escaped, so this finds keys only.
    return header.replace(b'"BulkDataURI":"/', f'"BulkDataURI":"{bulk_data}/'.encode())


def _headers(catalog: Catalog, objects: Sequence[LiveObject], addresses: Addresses) -> Iterator[bytes]:
    for start in range(0, len(objects), _PAGE):
        page = objects[start : start + _PAGE]
        # Looked up in the live view again: what was withdrawn since the answer began drops out.
        with catalog.read() as connection:
            found = headers(connection, [item.id for item in page])
        for item in page:
            if item.id in found:
                place = addresses.bulk_data(
                    item.study_instance_uid, item.series_instance_uid, item.sop_instance_uid
                )
                yield with_absolute_bulk(found[item.id], place)


def _array(members: Iterator[bytes]) -> Iterator[bytes]:
    opening = b"["
    for member in members:
        yield opening
        yield member
        opening = b",\n"
    yield b"[]" if opening == b"[" else b"]"
