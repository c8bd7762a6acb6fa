"""WADO-RS metadata (PS3.18 10.4.1.1.2): complete headers, streamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import accumulate

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from kinote.catalog.instances.headers import header_of, headers, packed_sizes
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.outgoing import outgoing
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.holdings.unavailable import BytesUnavailableError, NotCorrectableError, NotLiveError
from kinote.memory.shared import MEMORY
from kinote.security.actors import KINOTE
from kinote.web.bodies.negotiation import accepted, choose
from kinote.web.bodies.response_body import iterated
from kinote.web.bodies.warning_header import warning, without_bytes
from kinote.web.dicomweb.addresses import Addresses
from kinote.web.dicomweb.retrieving.resources import CACHED, entity_tag, named_objects, not_modified
from kinote.web.problems import NotAcceptableError
from kinote.web.rooms import rooms_of

MEDIA_TYPES = ("application/dicom+json", "application/json")

#: Headers read from the index at once, and the bytes that they have there, unless one has more.
_PAGE, _PAGE_BYTES = 100, 256 * 1024


async def metadata(request: Request) -> Response:
    """Serve `GET …/metadata` of a study, a series or an instance."""
    media_type = json_media_type(request)
    objects = await named_objects(request)
    addresses = Addresses(request)
    tag = entity_tag(objects, addresses.service)
    unchanged = not_modified(request, tag)
    if unchanged is not None:
        return unchanged
    rooms = rooms_of(request)
    wanted = _Headers(rooms.catalog, rooms.door, objects, addresses)
    response = await iterated(
        _array(wanted),
        rooms.threads.streams,
        media_type=media_type,
        headers={"ETag": tag, "Cache-Control": CACHED},
    )
    # What is found out after the first block of the response can no longer change its head.
    if wanted.failed:
        response.status_code = 206
        del response.headers["ETag"]
        response.headers["Warning"] = warning(without_bytes(wanted.failed))
    return response


def json_media_type(request: Request) -> str:
    """Return the media type for DICOM JSON that the client prefers. There is no Native DICOM Model (XML)."""
    found = choose(accepted(request), MEDIA_TYPES)
    if found is None:
        raise NotAcceptableError(f"This resource is available as {' or '.join(MEDIA_TYPES)}.")
    return found


def with_absolute_bulk(header: bytes, bulk_data: str) -> bytes:
    """Return a header with absolute addresses of its bulk values (`"BulkDataURI":"/7FE00010"`)."""
    # Within a JSON string the quotes would be escaped, so this finds keys only.
    return header.replace(b'"BulkDataURI":"/', f'"BulkDataURI":"{bulk_data}/'.encode())


class _Headers:
    """The headers of objects. Headers made from damaged bytes in the index are left out.

    If no other is left, the error is raised.
    """

    def __init__(
        self, catalog: Catalog, door: Door, objects: Sequence[LiveObject], addresses: Addresses
    ) -> None:
        self._catalog = catalog
        self._door = door
        self._objects = objects
        self._addresses = addresses
        #: How many have been left out so far.
        self.failed = 0

    def __iter__(self) -> Iterator[bytes]:
        self._failure: NotLiveError | BytesUnavailableError | None = None
        is_empty = True
        start = 0
        while start < len(self._objects):
            not_correctable: set[int] = set()
            with MEMORY.open() as memory:
                # Looked up in the live view again: objects withdrawn since the response began are left out.
                with self._catalog.read() as connection:
                    page = self._page(connection, start)
                    keys = [item.id for item in page if not item.in_index]
                    found = headers(connection, keys, not_correctable, memory=memory)
                start += len(page)
                for item in page:
                    header = self._header(item, found, not_correctable)
                    if header is not None:
                        is_empty = False
                        yield header
        if is_empty and self._failure is not None:
            raise self._failure

    def _page(self, connection: Connection, start: int) -> Sequence[LiveObject]:
        """Return the next objects: a page of them, and fewer if their headers are large."""
        page = self._objects[start : start + _PAGE]
        sizes = packed_sizes(connection, [item.id for item in page])
        together = accumulate(sizes.get(item.id, 0) for item in page)
        return page[: max(sum(size <= _PAGE_BYTES for size in together), 1)]

    def _header(
        self, item: LiveObject, found: Mapping[int, bytes], not_correctable: AbstractSet[int]
    ) -> bytes | None:
        """Return the header of an object; None if it cannot be had, and remember why."""
        try:
            if item.id in not_correctable:
                raise NotCorrectableError(item.sop_instance_uid, "The log says why")
            header = self._made(item) if item.in_index else found[item.id]
        except KeyError:
            self._failure = self._failure or NotLiveError(item.sop_instance_uid)
            return None
        except NotLiveError as error:
            self._failure = self._failure or error
            return None
        except BytesUnavailableError as error:
            self._failure = error
            self.failed += 1
            return None
        place = self._addresses.bulk_data(
            item.study_instance_uid, item.series_instance_uid, item.sop_instance_uid
        )
        return with_absolute_bulk(header, place)

    def _made(self, item: LiveObject) -> bytes:
        # Reading a header does not count as a use of the bytes.
        with outgoing(self._door, item, KINOTE, leaves=False).file as file:
            return header_of(file.read(), item.transfer_syntax_uid)


def _array(members: Iterable[bytes]) -> Iterator[bytes]:
    opening = b"["
    for member in members:
        yield opening
        yield member
        opening = b",\n"
    yield b"[]" if opening == b"[" else b"]"
