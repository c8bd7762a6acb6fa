"""What an association agrees on about queries (PS3.4 C.5.1.1: SOP Class Extended Negotiation of C-FIND)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """The query options requested by the peer and granted; none without negotiation.

    The engine always does the other negotiable things. It reads query times in the time zone of the query, if it gives
    one (byte 4; C.2.2.2.5 requires that of everybody). It takes `""` for an empty value and several values for a list
    (bytes 6 and 7).
    """

    #: Keys of any level are allowed at any level, and no unique key above is required (C.4.1.3.2).
    relational: bool = False
    #: A date range and its time range are one range of moments (C.2.2.2.5).
    combined: bool = False
    #: Words of person names match by their beginnings (C.2.2.2.1).
    fuzzy: bool = False


#: The bytes that are granted: relational, date-time, fuzzy, time zone, not the conversion to enhanced multi-frame
#: images, empty values, several values.
_GRANTED = (True, True, True, True, False, True, True)


def granted(application_information: bytes) -> bytes:
    """Return the answer to a requestor's service class application information: the bytes that we know, up to its
    length.

    Omitted bytes are 0 (Table C.5-1). A byte that is neither 0 nor 1 is refused.
    """
    offered = zip(application_information, _GRANTED, strict=False)
    return bytes(value == 1 and ours for value, ours in offered)


def options_of(application_information: bytes) -> QueryOptions:
    """Return the query options that a requestor's service class application information asks for."""
    agreed = granted(application_information).ljust(len(_GRANTED), b"\0")
    return QueryOptions(relational=agreed[0] == 1, combined=agreed[1] == 1, fuzzy=agreed[2] == 1)
