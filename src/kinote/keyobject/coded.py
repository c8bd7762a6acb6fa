"""Reads code sequences, numbers and text as senders write them, noting what is off."""

from __future__ import annotations

from functools import lru_cache

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.values.character_sets import ESCAPE
from kinote.dicom.values.person_names import has_surplus
from kinote.keyobject.codes import Code
from kinote.keyobject.element_cache import LONGEST, ElementCache
from kinote.keyobject.findings import Findings

#: Codes by the bytes of their element: the same few come in every key object.
_CODES: ElementCache[Code] = ElementCache()

#: A Code Value has 16 characters at most (PS3.3 8.1).
_SHORT_CODE_VALUE = 16

#: Codecs of Latin scripts, whose text never is UTF-8 by chance. In others it may be.
_LATIN = frozenset({"latin-1", "iso8859-2", "iso8859-3", "iso8859-4", "iso8859-9", "iso8859-15"})

_ESCAPE = chr(ESCAPE)


def read_plain(dataset: DataSet, tag: int) -> str:
    """A code string or UID as it stands, without padding; '' if there is none."""
    raw = dataset.raw(tag)
    return _recurring(raw) if raw else ""


def read_uid(dataset: DataSet, tag: int) -> str:
    """A UID that hardly comes twice, so that it is not worth remembering; '' if there is none."""
    raw = dataset.raw(tag)
    return plain(raw) if raw else ""


def plain(value: bytes) -> str:
    """The bytes of a code string or UID as text, without padding."""
    return value.decode("latin-1").strip("\0 ")


_recurring = lru_cache(maxsize=1024)(plain)


def read_text(dataset: DataSet, tag: int, place: str, findings: Findings) -> str:
    """The text of a value, '' if there is none; notes where it is not as the character set declares.

    NULs within it are left out: no character set has them in texts, and not every database takes them.
    """
    text = dataset.text(tag) or ""
    if needs_characters(text):
        check_characters(dataset, tag, place, findings)
    if "\0" in text:
        findings.add("NUL_IN_TEXT", place)
        text = text.replace("\0", "")
    return text


def read_person_name(dataset: DataSet, tag: int, place: str, findings: Findings) -> str:
    """A name as it stands, '' if there is none; notes where it has more than names have."""
    text = read_text(dataset, tag, place, findings)
    check_person_name(text, place, findings)
    return text


def check_person_name(name: str, place: str, findings: Findings) -> None:
    """Note a name that has more than names have."""
    if has_surplus(name):
        findings.add("PERSON_NAME", place, repr(name[:80]))


def needs_characters(text: str) -> bool:
    """Whether what text says depends on its character set."""
    return not text.isascii() or _ESCAPE in text


def check_characters(dataset: DataSet, tag: int, place: str, findings: Findings) -> None:
    """Note a value that is not as the character set declares."""
    characters = dataset.character_set
    raw = dataset.raw(tag)
    if raw is None or (raw.isascii() and ESCAPE not in raw):
        return
    if not any(characters.terms):
        findings.add("CHARACTER_SET_UNDECLARED", place)
    elif characters.is_known and not characters.decodes(raw, is_person_name=dataset.vr(tag) == "PN"):
        findings.add("CHARACTER_SET", place, "\\".join(characters.terms))
    elif characters.right in _LATIN and ESCAPE not in raw and _is_utf_8(raw):
        findings.add("CHARACTER_SET_DOUBTFUL", place, "\\".join(characters.terms))


def _is_utf_8(value: bytes) -> bool:
    """Whether bytes are UTF-8 throughout: as Latin text each would be a capital and a sign or two after it."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def read_numbers(dataset: DataSet, tag: int, place: str, findings: Findings) -> tuple[int, ...]:
    """Frame or segment numbers, from 1 on and each once; what is none is left out and noted."""
    if tag not in dataset:
        return ()
    written = dataset.texts(tag)
    numbers = tuple(number for number in dataset.integers(tag) if number >= 1)
    if len(numbers) != len(written):
        findings.add("FRAMES_INVALID", place, "\\".join(written)[:80])
    return tuple(dict.fromkeys(numbers))


def read_code_sequence(dataset: DataSet, tag: int, place: str, findings: Findings) -> Code | None:
    """The code of a code sequence, its first item if it has several; None where there is no usable one."""
    sent = dataset.element(tag, LONGEST)
    known = _CODES.value_of(sent, dataset.encoding)
    if known is not None:
        return known
    items = dataset.items(tag)
    if not items:
        return None
    before = len(findings)
    code = read_code(items[0], place, findings)
    if code and len(findings) == before:
        _CODES.remember(sent, dataset.encoding, code, *code.texts)
    return code


def read_code(dataset: DataSet, place: str, findings: Findings) -> Code | None:
    """A code from an item of a code sequence (PS3.3 8.8); None where it lacks value or scheme."""
    value, scheme, meaning = read_code_parts(dataset, place, findings)
    if value and scheme:
        return Code(value, scheme, meaning)
    findings.add("CODE_INCOMPLETE", place, value or meaning or "empty")
    return None


def read_code_parts(dataset: DataSet, place: str, findings: Findings) -> tuple[str, str, str]:
    """Value, scheme and meaning of a code, each '' if it is not there."""
    value = read_text(dataset, tags.CODE_VALUE, place, findings)
    if len(value) > _SHORT_CODE_VALUE:
        findings.add("CODE_VALUE_LONG", place, value[:80])
    value = (
        value
        or read_text(dataset, tags.LONG_CODE_VALUE, place, findings)
        or read_text(dataset, tags.URN_CODE_VALUE, place, findings)
    )
    scheme = read_text(dataset, tags.CODING_SCHEME_DESIGNATOR, place, findings)
    return value, scheme, read_text(dataset, tags.CODE_MEANING, place, findings)
