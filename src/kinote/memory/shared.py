"""The ledger of this process. There is only one: the memory is that of the machine, whoever needs it."""

from __future__ import annotations

from kinote.memory.ledger import Ledger
from kinote.memory.machine import machine_memory

#: By default requests may take a quarter of the machine's memory, and at least this, in bytes.
_PART, _LEAST = 4, 256 * 1024 * 1024


def default_size() -> int:
    """Return how much memory requests may take together unless a setting says it, in bytes."""
    return max(machine_memory() // _PART, _LEAST)


MEMORY = Ledger(default_size())
