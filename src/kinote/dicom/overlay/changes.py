"""What is laid over a data set: the values that hold now, and who changed them, when and why."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Attribute = Mapping[str, Any]
"""An attribute as DICOM JSON has it (PS3.18 F.2.2): `{"vr": "LO", "Value": ["A1"]}`; without `Value` it is empty."""

Reason = Literal["COERCE", "CORRECT"]
"""Reason for the Attribute Modification (0400,0565), PS3.3 C.12.1.1.9."""

TodaysUids = Callable[[Collection[str]], Mapping[str, str]]
"""Of these UIDs, as they were received, those that are others today, with what they are."""


class OverlayError(ValueError):
    """A value cannot be laid over this data set; the message says which and why."""


#: What comes of corrections that cannot be laid over a data set. They are looked at where they are used: a value that
#: another version or a faulty writer has left in the index may be anything.
NOT_LAID_OVER = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Change:
    """Attributes that were changed together: by which system, when and why.

    `attributes` holds the values of today by tag, `source` is where the values before came from. If
    `changes_references`, UIDs that the data set refers to have changed with them.
    """

    attributes: Mapping[int, Attribute]
    at: datetime
    system: str
    source: str
    reason: Reason
    changes_references: bool = False

    @property
    def date_time(self) -> str:
        """The moment as a DT (PS3.5 6.2), in UTC."""
        return f"{self.at.astimezone(UTC):%Y%m%d%H%M%S.%f}+0000"


@dataclass(frozen=True, slots=True)
class Overlay:
    """All that is laid over one data set, in the order in which it was changed.

    `uids` are the UIDs of the object itself that have changed: what it refers to by them are its own study and series.
    """

    changes: tuple[Change, ...]
    uids: Mapping[str, str] = field(default_factory=dict)

    @property
    def changes_references(self) -> bool:
        """Whether UIDs that the data set refers to may have changed."""
        return any(change.changes_references for change in self.changes)

    @property
    def attributes(self) -> dict[int, Attribute]:
        """The values of today, by tag."""
        return {tag: value for change in self.changes for tag, value in change.attributes.items()}

    def todays(self, referenced: Collection[str], todays_uids: TodaysUids) -> Mapping[str, str]:
        """Of the UIDs that the data set refers to those that have changed."""
        return {**todays_uids(referenced), **self.uids}

    def by_change(
        self, changed: Collection[int], referring: Collection[int]
    ) -> list[tuple[Change, list[int]]]:
        """Each change with the tags that it has changed in a data set, in their order; those without any are left out.

        `changed` have another value, `referring` are those in which UIDs have changed.
        """
        last_of: dict[int, int] = {}
        for number, change in enumerate(self.changes):
            last_of |= dict.fromkeys(change.attributes.keys() & set(changed), number)
            if change.changes_references:
                last_of |= dict.fromkeys(set(referring) - set(changed), number)
        return [
            (change, tags)
            for number, change in enumerate(self.changes)
            if (tags := sorted(tag for tag, last in last_of.items() if last == number))
        ]


def differs(stored: Attribute | None, now: Attribute) -> bool:
    """Whether a stored attribute has another value than the one of today. One that is not there is empty."""
    return any((stored or {}).get(name) != now.get(name) for name in ("Value", "BulkDataURI", "InlineBinary"))
