"""Selects the files of a store by the SOP class in their first bytes."""

from __future__ import annotations

import re
from typing import Literal

from kinote.dicom.dictionary import sop_classes

#: Everything, or only key objects and presentation states.
Content = Literal["all", "notes"]

#: Media Storage SOP Class UID in explicit VR little endian (PS3.10 7.1); SOP Class UID of a data set without file
#: meta information, explicit and implicit.
_CLASS = re.compile(rb"(?:\x02\x00\x02\x00UI|\x08\x00\x16\x00UI)(..)|\x08\x00\x16\x00(..)\x00\x00", re.DOTALL)


def is_wanted(head: bytes, content: Content) -> bool:
    """Return whether a file that begins with these bytes is wanted. If its class is not found there, it is."""
    if content == "all":
        return True
    uid = _class_in(head)
    return not uid or uid == sop_classes.KEY_OBJECT_SELECTION or sop_classes.is_presentation_state(uid)


def _class_in(head: bytes) -> str:
    found = _CLASS.search(head)
    if found is None:
        return ""
    length = int.from_bytes(found[1] or found[2], "little")
    return head[found.end() : found.end() + length].decode("ascii", "replace").rstrip("\0 ")
