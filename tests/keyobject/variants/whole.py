"""Variants of the object as a whole: how it is encoded, how it ends, what stands before and within."""

from __future__ import annotations

from collections.abc import Callable

from kinote.dicom.dictionary import transfer_syntaxes as syntaxes
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.keyobject.model import Reference
from kinote.keyobject.writer import encode
from tests.keyobject.documents import CT, EXPLICIT, REPORT, instance
from tests.keyobject.variants.changes import (
    deeply_nested,
    deeply_private,
    element,
    having,
    in_first,
    nested,
    pixels,
    private,
    replaced,
    titled,
    without,
)
from tests.keyobject.variants.variant import STUDY, document, in_files, nothing, refused, variant

IMPLICIT, BIG = syntaxes.IMPLICIT_VR_LITTLE_ENDIAN, syntaxes.EXPLICIT_VR_BIG_ENDIAN
DEFLATED, JPEG = syntaxes.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.4.50"

DOES_NOT_MATCH, CANNOT_UNDERSTAND = 0xA900, 0xC000

_CHARACTER_SET = 0x00080005

#: The text of the good document, and others in as many bytes.
_TEXT = b"A nodule"
_LATIN, _UTF_8 = "Überfüll".encode("latin-1"), "Überfü".encode()

_MANY = 20_000


def _many() -> bytes:
    return encode(document(*(Reference(instance(number, study=STUDY)) for number in range(1, _MANY + 1))))


def _text(text: bytes, character_set: bytes) -> Callable[[bytes], bytes]:
    """Other bytes for the description, and what character set they are said to be in."""
    declare = element(_CHARACTER_SET, "CS", character_set)
    write = replaced((_TEXT, text))
    return lambda data: write(declare(data))


def _meta_of_another(syntax: str) -> bytes:
    return file_meta_bytes(CT, f"{STUDY}.50.7", syntax)


_NOT_KEPT = (
    "The reference table keeps it, or keeps it if it comes in a file. Kept as it is it would have the UID for good: "
    "the whole object would be held beside it when it comes. Whoever sends or imports it is told, and still has it."
)

ROWS = (
    variant("V46", nothing, "VR_UNEXPECTED", rewritten=element(0x00200013, "US", b"\1\0")),
    variant("V47", titled(CodeValue="A" * 20, CodingSchemeDesignator="99X"), "CODE_VALUE_LONG"),
    variant("V48", nothing, "CHARACTER_SET_DOUBTFUL", rewritten=_text(_UTF_8, b"ISO_IR 100")),
    variant("V48 Latin-1 as UTF-8", nothing, "CHARACTER_SET", rewritten=_text(_LATIN, b"ISO_IR 192")),
    variant("V49", nothing, "CHARACTER_SET_UNKNOWN", rewritten=_text(_UTF_8, b"UTF-8 ")),
    variant("V50", nothing, "CHARACTER_SET_UNDECLARED", rewritten=_text(_LATIN, b"")),
    variant("V50 UTF-8", nothing, "CHARACTER_SET_UNDECLARED", rewritten=_text(_UTF_8, b"")),
    variant("V55", written=_many, references=_MANY),
    variant("V56 16 levels", nested(15), "REFS_IN_IMAGE_LIBRARY"),
    variant("V56 17 levels", nested(16), "TOO_DEEP", references=0),
    variant(
        "V56 60 levels",
        nothing,
        "TOO_DEEP",
        "RELATIONSHIP_MISSING",
        "VALUE_TYPE_MISSING",
        rewritten=deeply_nested(60),
        references=0,
    ),
    variant("sequences of a vendor, 60 levels deep", rewritten=deeply_private(60)),
    variant(
        "V56 10,000 levels",
        nothing,
        "TOO_DEEP",
        rewritten=deeply_nested(10_000),
        references=0,
        fates=refused(CANNOT_UNDERSTAND),
        why="What is nested deeper than 100 levels is not walked to its end: nobody can say whether it is whole.",
    ),
    variant("V57", encoding=DEFLATED),
    variant("V58", encoding=BIG),
    variant("implicit", encoding=IMPLICIT),
    variant("V59", meta=lambda syntax: b"", fates=in_files("FILE_META_MISSING")),
    variant(
        "V60",
        nothing,
        "NOT_READABLE",
        rewritten=lambda data: data[:-30],
        references=0,
        fates=refused(CANNOT_UNDERSTAND),
        why=_NOT_KEPT,
    ),
    variant("V61", meta=_meta_of_another, fates=in_files("FILE_META_MISMATCH")),
    variant("V62", nothing, "STRUCTURE", rewritten=lambda data: data + bytes(40)),
    variant(
        "V62 garbage",
        nothing,
        "NOT_READABLE",
        rewritten=lambda data: data + b"GARBAGE!",
        references=0,
        fates=refused(CANNOT_UNDERSTAND),
        why=_NOT_KEPT,
    ),
    variant("V81", having(SOPClassUID=REPORT), "NOT_A_KEY_OBJECT", references=0, sop_class=REPORT),
    variant("V82", rewritten=pixels, infos=("FOREIGN_ATTRIBUTES",)),
    variant("V83", nothing, "TRANSFER_SYNTAX", declared=BIG),
    variant("V83 implicit", nothing, "TRANSFER_SYNTAX", encoding=IMPLICIT, declared=EXPLICIT),
    variant(
        "V88",
        without("SOPInstanceUID"),
        "IDENTITY_MISSING",
        references=0,
        fates=refused(DOES_NOT_MATCH),
    ),
    variant(
        "V89",
        without("StudyInstanceUID"),
        "IDENTITY_MISSING",
        references=0,
        fates=refused(DOES_NOT_MATCH),
    ),
    variant(
        "V89 series",
        without("SeriesInstanceUID"),
        "IDENTITY_MISSING",
        references=0,
        fates=refused(DOES_NOT_MATCH),
    ),
    variant("V91", private),
    variant("V95", in_first(lambda d: d.ContentSequence[0], TextValue="<script>alert(1)</script>\u202e")),
    variant("V95 a megabyte", in_first(lambda d: d.ContentSequence[0], TextValue="Größe " * 200_000 + "x")),
    variant("V96", nothing, "TRANSFER_SYNTAX", declared=JPEG),
)
