"""How long the bytes of a withdrawn instance stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kinote.lifecycle.acts import stored_act


@dataclass(frozen=True, slots=True)
class PurgeDelays:
    """For how long after a withdrawal bytes stay: by the title of its rejection note, or else `default`.

    None means for ever. That is the default: nothing is purged until somebody has said when.
    """

    default: timedelta | None = None
    #: By the code value of the title (CID 7010).
    by_title: Mapping[str, timedelta | None] = field(default_factory=dict)

    @property
    def is_off(self) -> bool:
        """Whether nothing is ever purged."""
        return self.shortest is None

    @property
    def shortest(self) -> timedelta | None:
        """The shortest of the delays that end."""
        return min(
            (delay for delay in (self.default, *self.by_title.values()) if delay is not None), default=None
        )

    def of(self, act: str) -> timedelta | None:
        """Return the delay for an act, by its stored name. One of a later version is never over."""
        known = stored_act(act)
        if known is None:
            return None
        title = known.rejection_title.value if known.rejection_title else ""
        return self.by_title.get(title, self.default)


@dataclass(frozen=True, slots=True)
class InForce:
    """A withdrawal in force that names an instance."""

    withdrawal: int
    act: str
    made_at: str
    #: When its undo window closed; None while it is open.
    closed_at: str | None


def due(withdrawals: Iterable[InForce], received_at: str, delays: PurgeDelays) -> tuple[datetime, int] | None:
    """Return when an instance may be purged, and the withdrawal that decides it. None: never.

    Each withdrawal in force must have lasted for its time, so the last one decides. Bytes that arrived after the
    withdrawal stay as long, from their arrival on.
    """
    ends: list[tuple[datetime, int]] = []
    arrived = datetime.fromisoformat(received_at)
    for each in withdrawals:
        delay = delays.of(each.act)
        # While it can be undone without anybody having been told, nothing is removed.
        if delay is None or each.closed_at is None:
            return None
        made = datetime.fromisoformat(each.made_at)
        ends.append((max(made, arrived) + delay, each.withdrawal))
    return max(ends, default=None)
