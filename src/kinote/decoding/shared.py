"""The one pool of this program: its processes belong to it as its memory does, whatever rooms use them."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kinote.decoding.options import DecodingOptions
from kinote.decoding.pool import Decoded, Pool

_lock = threading.Lock()
_pool: Pool | None = None


def pool() -> Pool:
    """The pool. Without `decoding_processes` it has the default options."""
    global _pool  # noqa: PLW0603
    with _lock:
        if _pool is None:
            _pool = Pool(DecodingOptions())
            atexit.register(_pool.close)
        return _pool


@contextmanager
def decoding_processes(options: DecodingOptions, observe: Callable[[Decoded], None]) -> Iterator[Pool]:
    """While the block lasts, the pool has these options. Its processes end with the block."""
    global _pool  # noqa: PLW0603
    given = Pool(options, observe)
    with _lock:
        before, _pool = _pool, given
    try:
        yield given
    finally:
        with _lock:
            _pool = before
        given.close()
