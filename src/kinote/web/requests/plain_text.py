"""Refuses texts in JSON bodies that cannot be stored, for all fields of all requests.

PostgreSQL stores no NUL, and UTF-8 has no lone surrogates, which JSON can write (RFC 8259, sections 7 and 8.2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from kinote.web.problems import FieldError, RefusedContentError

#: Only a body that contains one of these can have such a text. Most bodies have none, and are not searched.
_SUSPECT = re.compile(rb"\\u0000|\\u[dD][89a-fA-F]|\x00|\xed[\xa0-\xbf]")

_NOT_STORED = re.compile("[\0\ud800-\udfff]")


def refuse_unstorable_texts(body: bytes) -> None:
    """Raise `RefusedContentError` for the first text of a JSON body that cannot be stored. It names the field.

    Invalid JSON is left to the parser.
    """
    if not _SUSPECT.search(body):
        return
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return
    for field, text in _texts(parsed):
        found = _NOT_STORED.search(text)
        if found:
            what = "the character NUL" if found[0] == "\0" else "half of a surrogate pair"
            error = FieldError(field or "body", f"has {what}, which no text may have")
            raise RefusedContentError(f"{error.field} {error.message}.", errors=[error])


def _texts(parsed: object) -> Iterator[tuple[str, str]]:
    """Yield every text of a parsed body with its field. Without recursion: bodies may be nested deeply."""
    waiting: list[tuple[str, object]] = [("", parsed)]
    while waiting:
        field, value = waiting.pop()
        if isinstance(value, str):
            yield field, value
        elif isinstance(value, dict):
            for name, part in value.items():
                yield "a name of a field", name
                waiting.append((f"{field}.{name}" if field else name, part))
        elif isinstance(value, list):
            waiting.extend((f"{field}[{number}]", part) for number, part in enumerate(value))
