"""DICOM JSON objects with one attribute a line, which are split and joined without parsing.

JSON strings contain no line ends, so a comma before a line end separates two attributes of the outermost level.
Each line begins with its tag, so sorting lines gives the order that PS3.18 F.2.2 demands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any


def split(text: str) -> list[str]:
    """Return the attributes of an object, each as `"GGGGEEEE":{…}`."""
    return text[1:-1].split(",\n") if len(text) > 2 else []


def join(lines: Iterable[str]) -> str:
    """Return an object of these attributes, in order of tags."""
    return "{" + ",\n".join(sorted(lines)) + "}"


def tag(line: str) -> str:
    """Return the tag of a line, as eight hexadecimal digits."""
    return line[1:9]


def line(attribute: int, vr: str, *values: Any) -> str:
    """Return an attribute with these values; it is empty if there are none."""
    if not values:
        return f'"{attribute:08X}":{{"vr":"{vr}"}}'
    written = ",".join([_quoted(value) if type(value) is str else _encoded(value) for value in values])
    return f'"{attribute:08X}":{{"vr":"{vr}","Value":[{written}]}}'


def text_writer(attribute: int, vr: str) -> Callable[[str], str]:
    """Return a function that makes lines of one attribute with a single text value."""
    head = f'"{attribute:08X}":{{"vr":"{vr}","Value":['
    return lambda value: head + _quoted(value) + "]}"


def number_writer(attribute: int, vr: str) -> Callable[[int], str]:
    """Return a function that makes lines of one attribute with a single number."""
    head = f'"{attribute:08X}":{{"vr":"{vr}","Value":['
    return lambda value: f"{head}{value}]}}"


_quoted = json.encoder.encode_basestring
_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
