"""How many decoding processes there are, and what one frame may take."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

_MB = 1 << 20

#: The limit of a container, by cgroups of version 2.
_OF_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def default_processes() -> int:
    """One for each core, eight at most; and two at least, so that a slow frame does not stop all others."""
    return min(max(len(os.sched_getaffinity(0)), 2), 8)


def default_total_memory() -> int:
    """Half of the memory that this machine or container has, in bytes."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        container = int(_OF_CONTAINER.read_text())
    except (OSError, ValueError):
        # There is no such limit, or it is `max`.
        return machine // 2
    return min(machine, container) // 2


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """The number of processes, and the limits of each frame.

    A frame may take `seconds` of processor time, and a second more for so many `samples_per_second`. The same
    measured by the clock is `patience` times as long: other programs may be at work. It may take `memory` bytes,
    and `memory_per_sample` more for each sample. Frames that may together take more than `total_memory` are not decoded
    at the same time; one that alone may take more is decoded alone. A frame waits up to `longest_wait` seconds for its
    turn.
    """

    processes: int = field(default_factory=default_processes)
    seconds: float = 3.0
    samples_per_second: int = 2_000_000
    patience: float = 4.0
    memory: int = 256 * _MB
    memory_per_sample: int = 32
    longest_wait: float = 60.0
    total_memory: int = field(default_factory=default_total_memory)

    def limits(self, samples: int) -> FrameLimits:
        """The limits of a frame of so many samples."""
        seconds = self.seconds + samples / self.samples_per_second
        return FrameLimits(seconds, seconds * self.patience, self.memory + samples * self.memory_per_sample)


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """What one frame may take: seconds of processor time, seconds by the clock, bytes of memory."""

    processor_seconds: float
    seconds: float
    memory: int
