"""Recognizing by its first bytes whether a file can be DICOM, and what else it is."""

import struct

from kinote.dicom.files.dicomdir import MEDIA_STORAGE_DIRECTORY

_PREFIX = slice(128, 132)

#: The element Media Storage SOP Class UID (0002,0002) of a DICOMDIR (PS3.10 7.1).
_DIRECTORY_CLASS = b"\x02\x00\x02\x00UI\x14\x00" + MEDIA_STORAGE_DIRECTORY.encode()

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
    """Return whether a file is a DICOMDIR. `head` contains its first bytes, at least 512."""
    return _DIRECTORY_CLASS in head[_PREFIX.stop : 512]


def _begins_like_a_data_set(head: bytes) -> bool:
    """Return whether the first bytes are an element of a low group with a VR or a plausible length."""
    if len(head) < 8:
        return False
    group, element = struct.unpack_from("<HH", head)
    if group not in _FIRST_GROUPS or element > 0x1500:
        return False
    if head[4:6].isalpha() and head[4:6].isupper():
        return True
    return bool(struct.unpack_from("<I", head, 4)[0] <= 0xFFFF)


def _kind(head: bytes) -> str:
    for beginning, kind in _KINDS:
        if head.startswith(beginning):
            return kind
    sample = head[:1024]
    if all(octet >= 32 or octet in b"\t\n\r\f\x1b" for octet in sample):
        return "text"
    return "something else: it has no DICM prefix and does not begin like a data set"
