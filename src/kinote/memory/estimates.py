"""What things take in memory, in bytes: upper bounds that are linear in what was received, found by counting.

`tests/memory/test_estimates.py` compares them with what Python allocates.
"""

from __future__ import annotations

#: Of each kept byte of a header: its bytes, the places of its elements, and its JSON, as objects and as text.
_OF_HEADER = 12

#: Of each byte of JSON text: the text itself, as bytes and as characters, and the texts in it.
_OF_JSON_TEXT = 8
#: Of each value, name, list and object in it: those that Python makes, and those that a parser makes of them.
_OF_JSON_VALUE = 400

#: Of each sample: as decoded, in the width that it is worked in, and as it goes out.
_OF_SAMPLE = 12


def of_header(kept: int) -> int:
    """Return what a header of which `kept` bytes are kept takes while its JSON is made.

    One value, which has up to 64 KB, may take another 3 MB for a moment.
    """
    return _OF_HEADER * kept


def of_json(text: bytes | bytearray | memoryview) -> int:
    """Return what a piece of JSON text takes once it is parsed and its values are checked."""
    text = bytes(text)
    values = text.count(b",") + text.count(b":") + text.count(b"[") + text.count(b"{")
    return _OF_JSON_TEXT * len(text) + _OF_JSON_VALUE * values


def of_samples(samples: int) -> int:
    """Return what so many samples take while a frame is decoded and made ready to go out."""
    return _OF_SAMPLE * samples
