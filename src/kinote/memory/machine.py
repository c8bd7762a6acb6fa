"""How much memory this machine has."""

from __future__ import annotations

import os
from pathlib import Path

#: The memory limit of a container (cgroup version 2).
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def machine_memory() -> int:
    """Return the memory of this machine or container, in bytes."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        container = int(_CONTAINER_LIMIT.read_text())
    except (OSError, ValueError):
        # There is no limit, or it is `max`.
        return machine
    return min(machine, container)
