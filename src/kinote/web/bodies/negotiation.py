"""Content negotiation (RFC 9110 12.5.1, PS3.18 8.7): what a client accepts, the preferred first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.requests import Request

from kinote.web.problems import BadRequestError

_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*')
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type or range, in lower case, with its parameters except `q`."""

    type: str
    subtype: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    q: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.type}/{self.subtype}"

    @property
    def transfer_syntax(self) -> str | None:
        """The parameter `transfer-syntax` (PS3.18 8.7.3.5.2); None if it is not given."""
        return self.parameters.get("transfer-syntax")

    @property
    def part_type(self) -> MediaType:
        """For multipart/related: the type of its parts, with the transfer syntax; any type if it is not given."""
        name = self.parameters.get("type", "*/*")
        kind, _, subtype = name.lower().partition("/")
        inner = {key: value for key, value in self.parameters.items() if key == "transfer-syntax"}
        return MediaType(kind, subtype or "*", inner, self.q)

    def takes(self, name: str) -> bool:
        """Return whether this range includes a media type, e.g. `image/*` includes `image/png`."""
        kind, _, subtype = name.partition("/")
        return self.type in ("*", kind) and self.subtype in ("*", subtype)


def media_type(value: str) -> MediaType:
    """Read a media type. Raises `BadRequestError` if it is invalid."""
    name, _, _ = value.partition(";")
    kind, slash, subtype = name.strip().lower().partition("/")
    if not (kind and slash and subtype):
        raise BadRequestError(f"{value.strip()!r} is no media type.")
    parameters: dict[str, str] = {}
    q = 1.0
    rest = value[len(name) :].strip()
    at = 0
    while at < len(rest):
        found = _PARAMETER.match(rest, at)
        if found is None:
            if rest[at:].strip("; \t"):
                raise BadRequestError(f"The media type {value.strip()!r} has a malformed parameter.")
            break
        text = found[2]
        if text.startswith('"'):
            text = _ESCAPE.sub(r"\1", text[1:-1])
        if found[1].lower() == "q":
            q = _weight(text)
        else:
            parameters[found[1].lower()] = text
        at = found.end()
    return MediaType(kind, subtype, parameters, q)


def accepted(request: Request) -> list[MediaType]:
    """Return what the client accepts, the preferred first; `*/*` if it does not say.

    The query parameter `accept` takes precedence over the header (PS3.18 8.3.3.1). Among ranges of the same weight, the
    more specific one comes first, then the order in the request. An invalid range in the header is ignored, since no
    person wrote it (RFC 9110 12.5.1 does not require a refusal). Raises `BadRequestError` for one in the query.
    """
    asked = ",".join(request.query_params.getlist("accept"))
    if asked:
        ranges = [media_type(part) for part in _split(asked)]
    else:
        ranges = list(_readable(_split(",".join(request.headers.getlist("accept")))))
    if not ranges:
        return [MediaType("*", "*")]
    wanted = [item for item in ranges if item.q > 0]
    return sorted(wanted, key=lambda item: (-item.q, item.type == "*", item.subtype == "*"))


def _readable(parts: Iterable[str]) -> Iterator[MediaType]:
    for part in parts:
        with suppress(BadRequestError):
            yield media_type(part)


def choose(ranges: list[MediaType], offered: tuple[str, ...]) -> str | None:
    """Return the media type of `offered` (our preferred first) that the client prefers; None if it accepts none."""
    for wanted in ranges:
        for name in offered:
            if wanted.takes(name):
                return name
    return None


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        raise BadRequestError(f"{text!r} is no weight (q) of a media type.") from None


def _split(text: str) -> list[str]:
    """Split a list whose quoted strings may contain commas."""
    parts = []
    current = ""
    quoted = escaped = False
    for character in text:
        if character == "," and not quoted:
            parts.append(current)
            current = ""
            continue
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = character == "\\" and quoted and not escaped
        current += character
    parts.append(current)
    return [part for part in parts if part.strip()]
