"""How long the bytes of a withdrawn instance stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kinote.lifecycle.acts import AFTER_RESTORE, stored_act


@dataclass(frozen=True, slots=True)
class InForce:
    """A withdrawal in force that names an instance.

    `received` says that a rejection note of others asked for it, `is_its_note` that the instance is that note.
    """

    withdrawal: int
    act: str
    made_at: str
    #: When its undo window closed; None while it is open.
    closed_at: str | None
    received: bool = False
    is_its_note: bool = False


@dataclass(frozen=True, slots=True)
class PurgeDelays:
    """For how long after a withdrawal bytes stay. None means for ever: nothing is purged until somebody has said when.

    `by_title` and `of_notes` are about rejections by others, by the code value of their title (CID 7010).
    """

    default: timedelta | None = None
    #: Of what rejection notes of others reject, where it is not the default.
    by_title: Mapping[str, timedelta | None] = field(default_factory=dict)
    #: Of those notes themselves, where they are hidden with what they reject. Others stay for ever.
    of_notes: Mapping[str, timedelta | None] = field(default_factory=dict)

    @property
    def is_off(self) -> bool:
        """Whether nothing is ever purged."""
        return self.shortest is None

    @property
    def shortest(self) -> timedelta | None:
        """The shortest of the delays that end."""
        delays = (self.default, *self.by_title.values(), *self.of_notes.values())
        return min((delay for delay in delays if delay is not None), default=None)

    def of(self, each: InForce) -> timedelta | None:
        """Return the delay for a withdrawal. One by an act of a later version, or after a restore, is never
        over."""
        act = stored_act(each.act)
        if act is None or act is AFTER_RESTORE:
            return None
        if not each.received:
            return self.default
        title = act.rejection_title.value if act.rejection_title else ""
        return self.of_notes.get(title) if each.is_its_note else self.by_title.get(title, self.default)


def due(withdrawals: Iterable[InForce], received_at: str, delays: PurgeDelays) -> tuple[datetime, int] | None:
    """Return when an instance may be purged, and the withdrawal that decides it. None: never.

    Each withdrawal in force must have lasted for its time, so the last one decides. Bytes that arrived after the
    withdrawal stay as long, from their arrival on.
    """
    ends: list[tuple[datetime, int]] = []
    arrived = datetime.fromisoformat(received_at)
    for each in withdrawals:
        delay = delays.of(each)
        # While it can be undone without anybody having been told, nothing is removed.
        if delay is None or each.closed_at is None:
            return None
        made = datetime.fromisoformat(each.made_at)
        ends.append((max(made, arrived) + delay, each.withdrawal))
    return max(ends, default=None)
