"""Memory of this process that others have taken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kinote.memory.shared import MEMORY, default_size


def comes_back(before: int) -> bool:
    """Whether no more is held than before, at once or a little later: an answer may be read before its end is known."""
    deadline = time.monotonic() + 60
    while MEMORY.held > before and time.monotonic() < deadline:
        time.sleep(0.01)
    return MEMORY.held <= before


@contextmanager
def full_memory() -> Iterator[None]:
    """Leave nothing of the memory during the block, and wait for none."""
    with MEMORY.open() as others:
        # Not all of it: what other threads of the tests still have is not to be waited for.
        others.reach(default_size() // 2)
        MEMORY.limit(others.size, longest_wait=0.0)
        try:
            yield
        finally:
            MEMORY.limit(default_size())
