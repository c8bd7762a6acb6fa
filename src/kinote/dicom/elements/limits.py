"""How much of a received data set Kinote is willing to walk and to keep in memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a data set may cost.

    Values that are bulk are let pass, everything else is kept: binary ones (OB, OW, OF, OD, OL, OV, UN)
    beyond `bulk_binary` bytes, any beyond `bulk_text` bytes, and pixel data. Values of representations with
    lengths of 16 bits are never bulk.
    """

    #: Sequences within sequences.
    depth: int = 100
    #: Elements and items of the whole data set.
    elements: int = 4_000_000
    #: Elements of the root.
    root_elements: int = 65_536
    #: Bytes kept, and what it takes to remember where bulk values lie.
    header_bytes: int = 96 * 1024 * 1024
    bulk_binary: int = 1024
    bulk_text: int = 64 * 1024
    #: Inflated bytes beyond this must not exceed `inflation_ratio` times the deflated ones.
    inflated_bytes: int = 64 * 1024 * 1024
    inflation_ratio: int = 200


DEFAULT_LIMITS = Limits()

#: For a data set that is wanted whole in memory, values and all.
KEEP_ALL = Limits(bulk_binary=1 << 62, bulk_text=1 << 62)
