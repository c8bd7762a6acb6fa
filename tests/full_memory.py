"""Memory of this process that others have taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kinote.memory.shared import MEMORY, default_size


@contextmanager
def full_memory() -> Iterator[None]:
    """Leave nothing of the memory during the block, and wait for none."""
    with MEMORY.open() as others:
        others.reach(default_size())
        MEMORY.limit(others.size, longest_wait=0.0)
        try:
            yield
        finally:
            MEMORY.limit(default_size())
