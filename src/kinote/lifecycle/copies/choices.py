"""The choices about held copies, and what follows for each: tables without a database."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class Choice(StrEnum):
    """What a person decides. Stored in `copy_decision.choice`, and named so by the API."""

    KEEP_FIRST = "keep first"
    TAKE_SECOND = "take second"
    KEEP_BOTH = "keep both"
    #: About an object that is out of use for good, and no held copy.
    ISSUE_AGAIN = "issue again"


#: The choices about held copies.
ABOUT_HELD = (Choice.KEEP_FIRST, Choice.TAKE_SECOND, Choice.KEEP_BOTH)


class First(StrEnum):
    """The instance that the UID of a held copy means."""

    #: Live, and nobody else was given it.
    LIVE = "live"
    #: Live, and somebody else was given it, or may have it.
    DELIVERED = "delivered"
    #: Withdrawn or purged: its UID stays out of use.
    OUT_OF_USE = "out of use"


class Way(StrEnum):
    """The outcome for a held copy, or for an object that is issued again. Stored in `decided_copy.way`."""

    #: Its rows and bytes are removed.
    DISCARDED = "discarded"
    #: Its UID means it from now on. The first copy is withdrawn, and nobody has to be told.
    IN_PLACE = "in place of the first"
    #: It is live under a new UID. The first copy is withdrawn, and rejected at everyone who was given it.
    NEW_UID_FIRST_REJECTED = "under a new UID, the first rejected"
    #: It is live under a new UID. The first copy stays what it is.
    NEW_UID = "under a new UID"


class Asked(NamedTuple):
    """What decides about a held copy."""

    choice: Choice
    first: First


#: A UID that others have with the first content must not mean another: they could not tell the two apart, and would
#: refuse the second. One that is out of use stays so, because receivers of its rejection never accept it again.
WAYS: Mapping[Asked, Way] = MappingProxyType(
    {
        **{Asked(Choice.KEEP_FIRST, first): Way.DISCARDED for first in First},
        Asked(Choice.TAKE_SECOND, First.LIVE): Way.IN_PLACE,
        Asked(Choice.TAKE_SECOND, First.DELIVERED): Way.NEW_UID_FIRST_REJECTED,
        Asked(Choice.TAKE_SECOND, First.OUT_OF_USE): Way.NEW_UID,
        **{Asked(Choice.KEEP_BOTH, first): Way.NEW_UID for first in First},
    }
)

#: The ways by which an object gets a new UID.
WITH_NEW_UID = (Way.NEW_UID_FIRST_REJECTED, Way.NEW_UID)
