"""Limits on the data sets that Kinote walks and keeps in memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a data set may cost.

    Bulk values are skipped, all others are kept. Bulk are binary values (OB, OW, OF, OD, OL, OV, UN) of more than
    `bulk_binary` bytes, any value of more than `bulk_text` bytes, and pixel data. UN of an attribute that is a
    sequence is no binary value. A value whose representation has a 16-bit length is never bulk.
    """

    #: Levels of nested sequences.
    depth: int = 100
    #: Elements and items in the whole data set.
    elements: int = 4_000_000
    #: Elements in the root.
    root_elements: int = 65_536
    #: Bytes that are kept, plus the memory for the positions of bulk values.
    header_bytes: int = 96 * 1024 * 1024
    bulk_binary: int = 1024
    bulk_text: int = 64 * 1024
    #: Inflated bytes beyond this must not be more than `inflation_ratio` times the deflated bytes.
    inflated_bytes: int = 64 * 1024 * 1024
    inflation_ratio: int = 200


DEFAULT_LIMITS = Limits()

#: For a data set that is needed in memory completely.
KEEP_ALL = Limits(bulk_binary=1 << 62, bulk_text=1 << 62)
