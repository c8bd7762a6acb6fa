"""Frames that have cost a decoding process: they are not tried again for a while."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict

#: Seconds after which a frame is tried again: the machine may have been short of time or memory.
_REMEMBERED = 600.0

_MOST = 1000


class HarmfulFrames:
    """What is known of frames by their bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: OrderedDict[tuple[int, int, bytes], tuple[float, str, str]] = OrderedDict()
        #: Lengths of frames that are known: of others no digest is taken.
        self._lengths: dict[int, int] = {}

    def reason(self, data: bytes, samples: int) -> tuple[str, str] | None:
        """Why a frame was not decoded, and the kind of failure; None where it is to be tried."""
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
        """Not to try a frame again soon."""
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
