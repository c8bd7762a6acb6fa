"""An overlay of a data set: the values that hold now, and who changed them, when and why."""

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
"""For received UIDs, the current UIDs of those that have changed."""


class OverlayError(ValueError):
    """A value cannot be overlaid on this data set. The message says which and why."""


#: The errors that unusable overlay values cause. The values are checked where they are used, because another version or
#: a faulty writer may have left anything in the index.
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

    `attributes` holds the current values by tag. `source` says where the previous values came from. With
    `changes_references`, UIDs that the data set refers to have changed too.
    """

    attributes: Mapping[int, Attribute]
    at: datetime
    system: str
    source: str
    reason: Reason
    changes_references: bool = False

    @property
    def date_time(self) -> str:
        """The time as a DT (PS3.5 6.2), in UTC."""
        return f"{self.at.astimezone(UTC):%Y%m%d%H%M%S.%f}+0000"


@dataclass(frozen=True, slots=True)
class Overlay:
    """The overlay of one data set: its changes in order of time.

    `uids` are the changed UIDs of the object itself: it refers to its own study and series by them.
    """

    changes: tuple[Change, ...]
    uids: Mapping[str, str] = field(default_factory=dict)

    @property
    def changes_references(self) -> bool:
        """Whether UIDs that the data set refers to may have changed."""
        return any(change.changes_references for change in self.changes)

    @property
    def attributes(self) -> dict[int, Attribute]:
        """The current values, by tag."""
        return {tag: value for change in self.changes for tag, value in change.attributes.items()}

    def todays(self, referenced: Collection[str], todays_uids: TodaysUids) -> Mapping[str, str]:
        """Return the current UIDs of the referenced UIDs that have changed."""
        return {**todays_uids(referenced), **self.uids}

    def by_change(
        self, changed: Collection[int], referring: Collection[int]
    ) -> list[tuple[Change, list[int]]]:
        """Return each change with the tags that it changed in a data set, in their order, without empty ones.

        `changed` are tags whose value changes, `referring` are those in which UIDs have changed.
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
    """Return whether a stored attribute differs from the current value. An absent one counts as empty."""
    return any((stored or {}).get(name) != now.get(name) for name in ("Value", "BulkDataURI", "InlineBinary"))
