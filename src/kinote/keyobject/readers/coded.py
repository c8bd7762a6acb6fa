"""Reads code sequences, numbers and text in the forms that senders write, and adds findings."""

from __future__ import annotations

from functools import lru_cache

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.values.character_sets import ESCAPE
from kinote.dicom.values.person_names import has_surplus
from kinote.keyobject.codes import Code
from kinote.keyobject.findings import Findings
from kinote.keyobject.readers.element_cache import LONGEST, ElementCache

#: Codes by the bytes of their element, since the same few recur in every key object.
_CODES: ElementCache[Code] = ElementCache()

#: The maximum length of Code Value (PS3.3 8.1).
_SHORT_CODE_VALUE = 16

#: Codecs of Latin scripts. Text in these is hardly ever valid UTF-8 by chance; text in others may be.
_LATIN = frozenset({"latin-1", "iso8859-2", "iso8859-3", "iso8859-4", "iso8859-9", "iso8859-15"})

_ESCAPE = chr(ESCAPE)


def read_plain(dataset: DataSet, tag: int) -> str:
    """Return a code string or UID without padding; '' if it is absent."""
    raw = dataset.raw(tag)
    return _recurring(raw) if raw else ""


def read_uid(dataset: DataSet, tag: int) -> str:
    """Return a UID without padding, without caching it, since it hardly ever recurs; '' if it is absent."""
    raw = dataset.raw(tag)
    return plain(raw) if raw else ""


def plain(value: bytes) -> str:
    """Return the bytes of a code string or UID as text, without padding."""
    return value.decode("latin-1").strip("\0 ")


_recurring = lru_cache(maxsize=1024)(plain)


def read_text(dataset: DataSet, tag: int, place: str, findings: Findings) -> str:
    """Return the text of a value, '' if it is absent. Adds a finding if the bytes contradict the declared character
    set.

    NULs are removed: no character set has them in text, and not every database accepts them.
    """
    text = dataset.text(tag) or ""
    if needs_characters(text):
        check_characters(dataset, tag, place, findings)
    if "\0" in text:
        findings.add("NUL_IN_TEXT", place)
        text = text.replace("\0", "")
    return text


def read_person_name(dataset: DataSet, tag: int, place: str, findings: Findings) -> str:
    """Return a person name as written, '' if it is absent. Adds a finding if it has too many parts."""
    text = read_text(dataset, tag, place, findings)
    check_person_name(text, place, findings)
    return text


def check_person_name(name: str, place: str, findings: Findings) -> None:
    """Add a finding if a name has more groups or components than the standard allows."""
    if has_surplus(name):
        findings.add("PERSON_NAME", place, repr(name[:80]))


def needs_characters(text: str) -> bool:
    """Return whether the meaning of text depends on its character set."""
    return not text.isascii() or _ESCAPE in text


def check_characters(dataset: DataSet, tag: int, place: str, findings: Findings) -> None:
    """Add a finding if a value contradicts the declared character set."""
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
    """Return whether bytes are valid UTF-8. As Latin text they would be capitals followed by one or two symbols."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def read_numbers(dataset: DataSet, tag: int, place: str, findings: Findings) -> tuple[int, ...]:
    """Return frame or segment numbers, each once, from 1 on. Adds a finding for others, and leaves them out."""
    if tag not in dataset:
        return ()
    written = dataset.texts(tag)
    numbers = tuple(number for number in dataset.integers(tag) if number >= 1)
    if len(numbers) != len(written):
        findings.add("FRAMES_INVALID", place, "\\".join(written)[:80])
    return tuple(dict.fromkeys(numbers))


def read_code_sequence(dataset: DataSet, tag: int, place: str, findings: Findings) -> Code | None:
    """Return the code of a code sequence, from its first item if there are several; None if there is no usable code."""
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
    """Return the code in an item of a code sequence (PS3.3 8.8); None if it lacks value or scheme."""
    value, scheme, meaning = read_code_parts(dataset, place, findings)
    if value and scheme:
        return Code(value, scheme, meaning)
    findings.add("CODE_INCOMPLETE", place, value or meaning or "empty")
    return None


def read_code_parts(dataset: DataSet, place: str, findings: Findings) -> tuple[str, str, str]:
    """Return value, scheme and meaning of a code, each '' if it is absent."""
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
