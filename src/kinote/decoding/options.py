"""Options: the number of decoding processes, and the limits of each frame."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from kinote.memory.machine import machine_memory

_MB = 1 << 20


def default_processes() -> int:
    """Return the number of available cores, at most 8, and at least 2 so that one slow frame does not stop others."""
    return min(max(len(os.sched_getaffinity(0)), 2), 8)


def default_total_memory() -> int:
    """Return half of the memory of this machine or container, in bytes."""
    return machine_memory() // 2


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """The number of processes, and the limits of each frame.

    `seconds`             processor time of a frame
    `samples_per_second`  a frame may use one more second of processor time for this many samples
    `patience`            the elapsed time may be this many times the processor time, as other programs may run
    `memory`              bytes that a frame may allocate
    `memory_per_sample`   further bytes for each sample
    `longest_wait`        seconds that a frame waits for a free process
    `total_memory`        bytes that all frames decoded at the same time may allocate together; a frame that may need
                          more is decoded alone
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
        """Return the limits of a frame with this number of samples."""
        seconds = self.seconds + samples / self.samples_per_second
        return FrameLimits(seconds, seconds * self.patience, self.memory + samples * self.memory_per_sample)


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """The limits of one frame: processor time and elapsed time in seconds, memory in bytes."""

    processor_seconds: float
    seconds: float
    memory: int
