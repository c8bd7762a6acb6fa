"""The Warning header, in which PS3.18 has a server say what it could not do as asked."""

from __future__ import annotations

#: What would end the quoted string, or escape its end.
_UNQUOTED = str.maketrans({'"': "'", "\\": "/"})


def without_bytes(number: int) -> str:
    """What is said of so many instances that are not in an answer, since their bytes cannot be had."""
    return f"the bytes of {number} instances cannot be had: ask for each to see why"


def warning(text: str) -> str:
    """The header's value with this text.

    The text may quote what the client sent, and a header takes no line breaks (here spaces), nor control
    characters (here `?`, as all beyond ASCII).
    """
    plain = "".join(
        character if character.isascii() and character.isprintable() else "?"
        for character in " ".join(text.split())
    )
    return f'299 kinote "{plain.translate(_UNQUOTED)}"'
