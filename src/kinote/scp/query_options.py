"""What an association agrees on about queries (PS3.4 C.5.1.1: SOP Class Extended Negotiation of C-FIND)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What the peer has asked for and we grant; without negotiation, nothing of it.

    Beside these the engine always does what else can be negotiated: it reads query times in the time zone of a
    query that has one (byte 4; C.2.2.2.5 asks that of everybody), and takes `""` for an empty value and several
    values for a list (bytes 6 and 7).
    """

    #: Keys of any level at any level, and none of those above is needed (C.4.1.3.2).
    relational: bool = False
    #: Ranges of a date and of its time are one range of moments (C.2.2.2.5).
    combined: bool = False
    #: Words of person names match by their beginnings (C.2.2.2.1).
    fuzzy: bool = False


#: Which of the bytes we grant: relational, date-time, fuzzy, time zone, not the conversion to enhanced
#: multi-frame images, empty values, several values.
_GRANTED = (True, True, True, True, False, True, True)


def granted(application_information: bytes) -> bytes:
    """The answer to a requestor's service class application information: as many bytes, as far as we know them.

    Bytes that were left out are 0 (Table C.5-1); one that is neither 0 nor 1 is turned down.
    """
    offered = zip(application_information, _GRANTED, strict=False)
    return bytes(value == 1 and ours for value, ours in offered)


def options_of(application_information: bytes) -> QueryOptions:
    """What a requestor's service class application information makes of the queries of the association."""
    agreed = granted(application_information).ljust(len(_GRANTED), b"\0")
    return QueryOptions(relational=agreed[0] == 1, combined=agreed[1] == 1, fuzzy=agreed[2] == 1)
