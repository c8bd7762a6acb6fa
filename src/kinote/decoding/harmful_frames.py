"""Frames that crashed or overran a decoding process. They are not tried again for a while."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict

#: Seconds after which such a frame is tried again: the machine may just have been overloaded.
_REMEMBERED = 600.0

_MOST = 1000


class HarmfulFrames:
    """Remembers harmful frames by a digest of their bytes. Safe for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: OrderedDict[tuple[int, int, bytes], tuple[float, str, str]] = OrderedDict()
        #: How many known frames have each length. A frame of another length needs no digest.
        self._lengths: dict[int, int] = {}

    def reason(self, data: bytes, samples: int) -> tuple[str, str] | None:
        """Return why a frame failed before and the outcome for the metric, or None if it may be tried.

        `samples` is the number of samples that the object claims.
        """
        with self._lock:
            if len(data) not in self._lengths:
                return None
        key = _key(data, samples)
        with self._lock:
            known = self._reasons.get(key)
            if known is None:
                return None
            until, reason, outcome = known
            if time.monotonic() < until:
                return reason, outcome
            self._forget(key)
            return None

    def remember(self, data: bytes, samples: int, reason: str, outcome: str) -> None:
        """Remember a harmful frame. `reason` then returns the given reason and outcome."""
        key = _key(data, samples)
        with self._lock:
            if key not in self._reasons:
                self._lengths[len(data)] = self._lengths.get(len(data), 0) + 1
            self._reasons[key] = time.monotonic() + _REMEMBERED, reason, outcome
            if len(self._reasons) > _MOST:
                self._forget(next(iter(self._reasons)))

    def _forget(self, key: tuple[int, int, bytes]) -> None:
        del self._reasons[key]
        self._lengths[key[0]] -= 1
        if not self._lengths[key[0]]:
            del self._lengths[key[0]]


def _key(data: bytes, samples: int) -> tuple[int, int, bytes]:
    return len(data), samples, hashlib.blake2b(data, digest_size=16).digest()
