"""Numbers as text (PS3.5 6.2: IS, DS): the forms the standard has, and no others.

Surplus digits of a decimal string are understood: senders often write more than its 16 characters.
"""

from __future__ import annotations

import math
import re

_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[Ee][+-]?[0-9]+)?")
_SMALLEST, _LARGEST = -(2**31), 2**31 - 1
_LONGEST_INTEGER = 12

#: Whole numbers beyond it are not told apart from their neighbours by a floating point number.
EXACT = 2**53


def parse_integer(text: str) -> int | None:
    """An IS, at most 12 characters, from -2**31 to 2**31-1; None if it is none."""
    if len(text) > _LONGEST_INTEGER or _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if _SMALLEST <= number <= _LARGEST else None


def parse_decimal(text: str) -> float | None:
    """A DS; None if it is none, or beyond what a floating point number holds."""
    if _DECIMAL.fullmatch(text) is None:
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def whole(number: float) -> int | None:
    """A number that is whole as an integer; None of any other, and of one too large to be exact."""
    return int(number) if abs(number) < EXACT and number == int(number) else None
