"""The decisions about rejection notes of others, as tables without a database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from itertools import product
from types import MappingProxyType
from typing import NamedTuple

from kinote.lifecycle.acts import LaterCopies
from kinote.lifecycle.rejection.rules import Effect, Spared


class Asked(NamedTuple):
    """What decides over the effect of a rejection note on an instance.

    `may_reject`: its sender is named for it. `marks`: the rule of the title marks. `is_key_object`: so the note says.
    """

    may_reject: bool
    marks: bool
    is_key_object: bool


#: What a note does. Without the right it waits, whatever it says.
EFFECTS: Mapping[Asked, Effect] = MappingProxyType(
    {
        **{Asked(False, *rest): Effect.PROPOSED for rest in product((False, True), repeat=2)},
        Asked(True, False, False): Effect.HIDDEN,
        Asked(True, False, True): Effect.HIDDEN,
        Asked(True, True, False): Effect.MARKED,
        Asked(True, True, True): Effect.HIDDEN,
    }
)


class Held(StrEnum):
    """What is here of an instance whose UID a withdrawal in force hides."""

    NOTHING = "nothing"
    WITHDRAWN = "withdrawn"
    PURGED = "purged"


class Fate(StrEnum):
    """What happens to an arrival whose UID a withdrawal in force hides."""

    #: It is filed like any other, and stays out of use.
    HIDDEN = "hidden"
    REFUSED = "refused"
    #: It ends the withdrawals, and is filed like any other.
    RESTORED = "restored"


#: An instance that arrives for the first time is no later copy: its rejection came before it. So the order of arrival
#: does not matter.
FATES: Mapping[tuple[Held, LaterCopies], Fate] = MappingProxyType(
    {
        **{(Held.NOTHING, later): Fate.HIDDEN for later in LaterCopies},
        (Held.WITHDRAWN, LaterCopies.REFUSED): Fate.REFUSED,
        (Held.WITHDRAWN, LaterCopies.KEPT_HIDDEN): Fate.HIDDEN,
        (Held.WITHDRAWN, LaterCopies.RESTORED): Fate.RESTORED,
        (Held.PURGED, LaterCopies.REFUSED): Fate.REFUSED,
        (Held.PURGED, LaterCopies.KEPT_HIDDEN): Fate.HIDDEN,
        (Held.PURGED, LaterCopies.RESTORED): Fate.RESTORED,
    }
)

#: The strictest first.
_BY_STRICTNESS = (LaterCopies.REFUSED, LaterCopies.KEPT_HIDDEN, LaterCopies.RESTORED)


def strictest(wanted: Collection[LaterCopies]) -> LaterCopies:
    """Return what holds where several withdrawals name an instance. There must be one at least."""
    return next(each for each in _BY_STRICTNESS if each in wanted)


def spared(*, is_of_another_patient: bool, is_disputed: bool, is_on_hold: bool = False) -> Spared | None:
    """Return why a rejection note has no effect on an instance; None if it has.

    `is_on_hold`: a hold keeps it from what the note asks for.
    """
    if is_of_another_patient:
        return Spared.ANOTHER_PATIENT
    if is_disputed:
        return Spared.DISPUTED
    return Spared.ON_HOLD if is_on_hold else None
