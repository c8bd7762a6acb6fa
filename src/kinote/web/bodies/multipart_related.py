"""Reads and writes multipart/related bodies (RFC 2387, RFC 2046) as streams (PS3.18 8.6.1).

Reading: `PartReader` takes the body in pieces of any size and returns events. It keeps at most the headers of one part,
and never content. Writing: `multipart_body` frames parts one by one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from kinote.web.problems import BadRequestError

#: The most headers of a part: enough for Content-Type, Content-Location and what clients add.
_HEADERS_PER_PART = 16
_HEADER_BYTES = 8192


class MultipartError(BadRequestError):
    """The body is malformed, or ends before its closing delimiter."""


@dataclass(frozen=True, slots=True)
class PartBegins:
    """A part's headers have been read; names in lower case."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartEnds:
    """All content of the part has been returned."""


#: The results of reading: the beginning of a part, pieces of its content, its end.
Event = PartBegins | bytes | PartEnds


@dataclass(frozen=True, slots=True)
class Part:
    """A part to be written."""

    headers: tuple[tuple[str, str], ...]
    content: Iterable[bytes] = field(default=())


class PartReader:
    """Push parser: `feed` pieces of the body, then `finish`."""

    def __init__(self, boundary: str, *, max_parts: int = 100_000) -> None:
        if not boundary:
            raise MultipartError("Content-Type: multipart/related needs a boundary parameter.")
        self._events: list[Event] = []
        self._headers: dict[str, str] = {}
        self._name = bytearray()
        self._value = bytearray()
        self._parts = 0
        self._max_parts = max_parts
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary.encode("latin-1"),
                {
                    "on_part_begin": self._begin,
                    "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": lambda: self._events.append(PartBegins(self._headers)),
                    "on_part_data": lambda data, start, end: self._events.append(data[start:end]),
                    "on_part_end": lambda: self._events.append(PartEnds()),
                    "on_end": self._end,
                },
                max_header_count=_HEADERS_PER_PART,
                max_header_size=_HEADER_BYTES,
            )
        except (FormParserError, UnicodeEncodeError) as error:
            raise MultipartError(f"Content-Type: the boundary parameter cannot be used: {error}") from error

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that this piece of the body completes.

        If the body is malformed, the events before the error are returned first, and the next call raises
        `MultipartError`.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            if self._events:
                failed = self._take()
                self._parser = _Failed(error)  # type: ignore[assignment]
                return failed
            raise MultipartError(f"The multipart body is malformed: {error}") from error
        return self._take()

    def finish(self) -> None:
        """Raise `MultipartError` if the closing delimiter has not arrived."""
        self.feed(b"")
        if not self._complete:
            raise MultipartError(
                "The multipart body ends before its closing delimiter; parts complete until then were taken."
            )

    def _take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _begin(self) -> None:
        self._headers = {}
        self._parts += 1
        if self._parts > self._max_parts:
            raise FormParserError(f"it has more than {self._max_parts} parts")

    def _end_header(self) -> None:
        # latin-1 maps every byte, so a header in any encoding can be read, if not understood.
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1").strip()
        self._name.clear()
        self._value.clear()

    def _end(self) -> None:
        self._complete = True


class _Failed:
    """Takes the place of the parser after the body has proved malformed."""

    def __init__(self, error: FormParserError) -> None:
        self._error = error

    def write(self, _data: bytes) -> int:
        raise self._error


def new_boundary() -> str:
    """Return a random delimiter, which practically no content contains."""
    return f"kinote-{uuid.uuid4().hex}"


def multipart_body(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """Yield the body with all parts. Parts and their content are requested one at a time."""
    delimiter = f"--{boundary}\r\n".encode("latin-1")
    for part in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in part.headers)
        yield delimiter + head.encode("latin-1") + b"\r\n"
        yield from part.content
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("latin-1")
