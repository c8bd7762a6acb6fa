"""DICOM JSON objects written one attribute a line, taken apart and put together without parsing.

JSON strings hold no line ends, so a comma before a line end parts two attributes of the outermost level;
and as each line begins with its tag, sorting lines puts attributes into the order PS3.18 F.2.2 demands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any


def split(text: str) -> list[str]:
    """The attributes of an object, each as `"GGGGEEEE":{…}`."""
    return text[1:-1].split(",\n") if len(text) > 2 else []


def join(lines: Iterable[str]) -> str:
    """An object of these attributes, in order of tags."""
    return "{" + ",\n".join(sorted(lines)) + "}"


def tag(line: str) -> str:
    """The tag that a line begins with, as eight hexadecimal digits."""
    return line[1:9]


def line(attribute: int, vr: str, *values: Any) -> str:
    """One attribute with these values; without any it is empty."""
    if not values:
        return f'"{attribute:08X}":{{"vr":"{vr}"}}'
    written = ",".join([_quoted(value) if type(value) is str else _encoded(value) for value in values])
    return f'"{attribute:08X}":{{"vr":"{vr}","Value":[{written}]}}'


def text_writer(attribute: int, vr: str) -> Callable[[str], str]:
    """Writes lines of one attribute with a single text value, many times."""
    head = f'"{attribute:08X}":{{"vr":"{vr}","Value":['
    return lambda value: head + _quoted(value) + "]}"


def number_writer(attribute: int, vr: str) -> Callable[[int], str]:
    """Writes lines of one attribute with a single number, many times."""
    head = f'"{attribute:08X}":{{"vr":"{vr}","Value":['
    return lambda value: f"{head}{value}]}}"


_quoted = json.encoder.encode_basestring
_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
