"""A data set as a list of elements, and its encoding in Explicit VR Little Endian (PS3.5 7.1.2) and UTF-8.

The writer describes a document once, as elements. This module makes its bytes; the index entry is derived from the
same list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from functools import lru_cache
from struct import Struct, pack
from typing import TypeAlias

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.value_representations import PLAIN_TEXT, SHORT, SINGLE_VALUE


class Numbers(tuple[int, ...]):
    """The values of a US element."""

    __slots__ = ()


class MadeItems:
    """Items of a sequence that are created again on each iteration.

    A document may have tens of thousands of references; their elements are never in memory all at once.
    """

    __slots__ = ("_arguments", "_make")

    def __init__(self, make: Callable[..., Iterable[Item]], *arguments: object) -> None:
        self._make = make
        self._arguments = arguments

    def __iter__(self) -> Iterator[Item]:
        return iter(self._make(*self._arguments))


#: Tag, value representation and value: text with backslashes between its values, numbers of US, or items of a
#: sequence. Elements and items are in order of tags and must not be changed.
Element: TypeAlias = "tuple[int, str, str | Numbers | tuple[Item, ...] | MadeItems]"
Item: TypeAlias = tuple[Element, ...]

#: Attributes with the same value in most documents: their encoded elements are cached.
RECURRING = frozenset(
    {
        tags.VALUE_TYPE,
        tags.RELATIONSHIP_TYPE,
        tags.REFERENCED_SOP_CLASS_UID,
        tags.CONCEPT_NAME_CODE_SEQUENCE,
        tags.CONCEPT_CODE_SEQUENCE,
        tags.CONTENT_TEMPLATE_SEQUENCE,
    }
)

#: Representations to which Specific Character Set does not apply (PS3.5 6.1.2.2).
_OF_NO_CHARACTER_SET = frozenset({"DA", "TM", "CS"})

_NUMBER = Struct("<H").pack


def encoded(elements: Iterable[Element], remembered: AbstractSet[int] = RECURRING) -> bytes:
    """Return the bytes of a data set or of an item. Encoded elements of `remembered` attributes are cached."""
    # One loop with few calls, since a document may have hundreds of thousands of elements.
    parts: list[bytes] = []
    for element in elements:
        tag, vr, value = element
        if tag in remembered:
            parts.append(_recurring(element))
            continue
        if isinstance(value, str):
            content = value.encode() if vr == "UI" else _text_bytes(vr, value)
            if len(content) & 1:
                # UIDs are padded with NUL (PS3.5 9.1).
                content += b"\0" if vr == "UI" else b" "
        elif isinstance(value, Numbers):
            content = b"".join(map(_NUMBER, value))
        else:
            items: list[bytes] = []
            for item in value:
                inner = encoded(item)
                items.append(_item_head(len(inner)))
                items.append(inner)
            content = b"".join(items)
        parts.append(_head(tag, vr, len(content)))
        parts.append(content)
    return b"".join(parts)


@lru_cache(maxsize=4096)
def _recurring(element: Element) -> bytes:
    return encoded((element,), frozenset())


def text_read(vr: str, text: str) -> str:
    """Return the text that reading gives back for a written text (`kinote.dicom.elements.dataset.DataSet.text`)."""
    if vr in PLAIN_TEXT and not text.isascii():
        text = _text_bytes(vr, text).decode("latin-1")
    return text.rstrip("\0 ") if vr in SINGLE_VALUE else text.strip("\0 ")


def _text_bytes(vr: str, text: str) -> bytes:
    """Return the encoded text, without padding."""
    value = text.encode()
    # A copied value that is not a date, time or code string at all was read byte by byte.
    if len(value) != len(text) and vr in _OF_NO_CHARACTER_SET:
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            return value
    return value


# Headers are cached with their length: nearly all elements of a document have one of a few lengths.


@lru_cache(maxsize=4096)
def _head(tag: int, vr: str, length: int) -> bytes:
    letters = vr.encode()
    if letters in SHORT:
        return pack("<HH2sH", tag >> 16, tag & 0xFFFF, letters, length)
    return pack("<HH2sHI", tag >> 16, tag & 0xFFFF, letters, 0, length)


@lru_cache(maxsize=1024)
def _item_head(length: int) -> bytes:
    return pack("<HHI", 0xFFFE, 0xE000, length)
