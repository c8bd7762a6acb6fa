"""The Warning header, in which a PS3.18 server says how it deviated from the request."""

from __future__ import annotations

#: Characters that would end the quoted string, or escape its end.
_UNQUOTED = str.maketrans({'"': "'", "\\": "/"})


def without_bytes(number: int) -> str:
    """Return the text about instances missing in a response because their bytes are unavailable."""
    return f"the bytes of {number} instances cannot be had: ask for each to see why"


def warning(text: str) -> str:
    """Return the header's value with this text.

    The text may quote the client. A header allows no line breaks (replaced by spaces), control characters or characters
    beyond ASCII (replaced by `?`).
    """
    plain = "".join(
        character if character.isascii() and character.isprintable() else "?"
        for character in " ".join(text.split())
    )
    return f'299 kinote "{plain.translate(_UNQUOTED)}"'
