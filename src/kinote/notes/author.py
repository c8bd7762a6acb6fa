"""Who made a note."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AuthorKind = Literal["person", "device"]

AUTHOR_KINDS: tuple[AuthorKind, ...] = ("person", "device")


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a note. A person's name is written as DICOM's PN (`Family^Given`) or plainly.

    `verified` says whether Kinote authenticated the author; otherwise the name is as the request gives it.
    """

    kind: str = "person"
    name: str = ""
    login: str = ""
    verified: bool = False
