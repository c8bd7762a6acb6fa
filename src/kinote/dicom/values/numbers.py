"""Numbers as text (PS3.5 6.2: IS, DS), in the forms of the standard only, and as bytes.

A decimal string may have more than its 16 characters, since senders often write more.
"""

from __future__ import annotations

import math
import re
import struct

from kinote.dicom.dictionary.value_representations import NUMBERS

_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[Ee][+-]?[0-9]+)?")
_SMALLEST, _LARGEST = -(2**31), 2**31 - 1
_LONGEST_INTEGER = 12

#: Binary representations of whole numbers, and of numbers with fractions.
_INTEGERS = frozenset({*NUMBERS, "AT"}) - {"FL", "FD"}
_FRACTIONS = frozenset({"DS", "FL", "FD"})

#: Larger whole numbers are not exact as floating point numbers.
EXACT = 2**53


def parse_integer(text: str) -> int | None:
    """Parse an IS of at most 12 characters, from -2**31 to 2**31-1; None if it is not one."""
    if len(text) > _LONGEST_INTEGER or _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if _SMALLEST <= number <= _LARGEST else None


def parse_decimal(text: str) -> float | None:
    """Parse a DS; None if it is not one, or too large for a floating point number."""
    if _DECIMAL.fullmatch(text) is None:
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def whole(number: float) -> int | None:
    """Return a whole number as an integer; None for a fraction, or a number too large to be exact."""
    return int(number) if abs(number) < EXACT and number == int(number) else None


def unpack(value: bytes, vr: str, order: str) -> tuple[int | float, ...]:
    """Return the numbers, or tags, of a binary value. Surplus bytes at its end are ignored."""
    if vr == "AT":
        parts = struct.unpack(f"{order}{len(value) // 4 * 2}H", value[: len(value) // 4 * 4])
        return tuple(group << 16 | element for group, element in zip(parts[::2], parts[1::2], strict=True))
    form = NUMBERS[vr]
    size = struct.calcsize("=" + form)
    count = len(value) // size
    numbers: tuple[int | float, ...] = struct.unpack(f"{order}{count}{form}", value[: count * size])
    return numbers


def as_integer(text: str, vr: str | None) -> int | None:
    """Parse one of the values that `DataSet.texts` returns as a whole number; None if it is not one."""
    if vr in _INTEGERS:
        return int(text)
    if vr in _FRACTIONS:
        number = parse_decimal(text)
        return None if number is None else whole(number)
    return parse_integer(text)
