"""The pool of this program. There is only one, since its processes use the machine's memory, whoever needs them."""

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
    """Return the pool. Outside `decoding_processes` it has the default options."""
    global _pool  # noqa: PLW0603
    with _lock:
        if _pool is None:
            _pool = Pool(DecodingOptions())
            atexit.register(_pool.close)
        return _pool


@contextmanager
def decoding_processes(options: DecodingOptions, observe: Callable[[Decoded], None]) -> Iterator[Pool]:
    """Use a pool with these options during the block. Its processes end with the block."""
    global _pool  # noqa: PLW0603
    opened = Pool(options, observe)
    with _lock:
        previous, _pool = _pool, opened
    try:
        yield opened
    finally:
        with _lock:
            _pool = previous
        opened.close()
