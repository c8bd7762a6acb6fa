"""Unique identifiers (PS3.5 section 9)."""

from __future__ import annotations

import hashlib
import re
import uuid
from functools import lru_cache

#: Identifies Kinote as the writer of files (PS3.10 7.1); derived from a UUID (PS3.5 B.2).
IMPLEMENTATION_CLASS_UID = "2.25.267217374951049513806139017396514317857"
IMPLEMENTATION_VERSION_NAME = "KINOTE_01"

#: Characters of a UID at most (PS3.5 9.1).
LONGEST = 64

#: Possessive and without groups, because key objects have thousands of UIDs and backtracking never helps.
_STRICT = re.compile(r"(?:0|[1-9][0-9]*+)(?:\.(?:0|[1-9][0-9]*+))++")
_TOLERABLE = re.compile(r"[0-9]++(?:\.[0-9]++)*+")


def new_uid() -> str:
    """Return a new unique UID: a random UUID under 2.25 (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def uid_from(*parts: str) -> str:
    """Return the UID of a name: equal parts always give the same UID."""
    digest = bytearray(hashlib.sha256("\0".join(parts).encode()).digest()[:16])
    return f"2.25.{uuid.UUID(bytes=bytes(digest), version=5).int}"


def is_valid(uid: str) -> bool:
    """Return whether a UID follows PS3.5 9.1: components without leading zeros, at most 64 characters."""
    return len(uid) <= LONGEST and _STRICT.fullmatch(uid) is not None


@lru_cache(maxsize=16384)
def is_tolerable(uid: str) -> bool:
    """Return whether a received UID can serve as a key: digits and dots only, which also allows the irregular UIDs
    of some senders."""
    return len(uid) <= 128 and _TOLERABLE.fullmatch(uid) is not None
