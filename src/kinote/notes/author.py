"""Who made a note."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AuthorKind = Literal["person", "device"]

AUTHOR_KINDS: tuple[AuthorKind, ...] = ("person", "device")


@dataclass(frozen=True, slots=True)
class Author:
    """Who made a note. The name of a person is written as DICOM's PN (`Family^Given`) or plainly.

    `verified` tells whether Kinote itself knows who it was; otherwise it is as the request says.
    """

    kind: str = "person"
    name: str = ""
    login: str = ""
    verified: bool = False
