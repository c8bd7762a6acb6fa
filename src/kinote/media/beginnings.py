"""Recognizing by its first bytes whether a file can be DICOM, and what else it is."""

from kinote.dicom.dictionary.value_representations import LONG, SHORT
from kinote.dicom.elements.element_heads import UNDEFINED
from kinote.dicom.elements.encodings import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.dicomdir import MEDIA_STORAGE_DIRECTORY
from kinote.dicom.files.part10 import read_file_meta

_PREFIX = slice(128, 132)

_MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002

#: What a ZIP file begins with: a member, or the end of an empty one.
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")

_ENCODINGS = (EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE)

#: What the first element of a data set can be at most: an element number, and a length in bytes.
_LARGEST_FIRST, _LONGEST_FIRST = 0x1500, 0xFFFF

#: Groups with which a file without preamble can begin.
_FIRST_GROUPS = frozenset({0x0002, 0x0004, 0x0008})

_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP file within a ZIP file; unpack it first"),
    (b"\x1f\x8b", "a gzip file; unpack it first"),
    (b"Rar!", "a RAR file; unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip file; unpack it first"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
    (b"\x00\x00\x00\x01Bud1", "a folder view of macOS"),
    (b"\xd0\xcf\x11\xe0", "a document or thumbnail store of Windows"),
    (b"BM", "a bitmap picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
)


def why_not_dicom(head: bytes) -> str:
    """Return why a file is not a DICOM object, as a sentence, or "" if it can be one.

    `head` contains its first bytes, up to 4096.
    """
    if not head:
        return "The file is empty."
    if head[_PREFIX] == b"DICM":
        if is_dicomdir(head):
            return "This is a DICOMDIR: the table of contents of a medium, not an object."
        return ""
    if _begins_like_a_data_set(head):
        return ""
    return f"This is not DICOM but {_kind(head)}."


def is_dicomdir(head: bytes) -> bool:
    """Return whether a file is a DICOMDIR, by its Media Storage SOP Class UID. `head` contains up to 4096 bytes."""
    if head[_PREFIX] != b"DICM" and head[:2] != b"\x02\x00":
        return False
    try:
        meta = read_file_meta(head).meta
    except DicomError:
        return False
    return (
        meta is not None
        and (meta.text(_MEDIA_STORAGE_SOP_CLASS_UID) or "").strip() == MEDIA_STORAGE_DIRECTORY
    )


def is_zip(head: bytes) -> bool:
    """Return whether a file is a ZIP file and not DICOM. `head` contains its first bytes, at least 132."""
    return head[:4] in _ZIP_MAGIC and head[_PREFIX] != b"DICM"


def _begins_like_a_data_set(head: bytes) -> bool:
    """Return whether the first bytes are elements in one of the three encodings, as far as they can be seen."""
    return any(_begins_with_elements(head, encoding) for encoding in _ENCODINGS)


def _begins_with_elements(head: bytes, encoding: Encoding) -> bool:
    """Return whether the first bytes are an element with a VR, or two elements without VR in the order of their tags.

    One is enough where the head or the file ends before the second.
    """
    at = before = 0
    for _ in range(1 if encoding.explicit else 2):
        if len(head) - at < 8:
            return at > 0
        group, element, length = encoding.item.unpack_from(head, at)
        tag = group << 16 | element
        if tag <= before or (not at and (group not in _FIRST_GROUPS or element > _LARGEST_FIRST)):
            return False
        value = at + 8
        if encoding.explicit:
            vr = head[at + 4 : at + 6]
            if vr in SHORT:
                length = encoding.short.unpack_from(head, at + 6)[0]
            elif vr in LONG and len(head) >= at + 12:
                length = encoding.long.unpack_from(head, at + 8)[0]
                value = at + 12
            else:
                return False
        if length == UNDEFINED or length > _LONGEST_FIRST:
            return bool(at)
        at, before = value + length, tag
    return True


def _kind(head: bytes) -> str:
    for beginning, kind in _KINDS:
        if head.startswith(beginning):
            return kind
    sample = head[:1024]
    if all(octet >= 32 or octet in b"\t\n\r\f\x1b" for octet in sample):
        return "text"
    return "something else: it has no DICM prefix and does not begin like a data set"
