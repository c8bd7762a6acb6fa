"""Whether the machine does nothing else: a figure that was taken beside other work says little.

The kernel tells how much of the time some work waited for a processor (pressure stall information). Where it
does not, its load average has to do.
"""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser
from dataclasses import dataclass, field
from pathlib import Path

#: Percent of the time for which other work may have waited for a processor.
LIMIT = 10.0

#: Seconds to wait for a quieter machine before a measurement is refused.
PATIENCE = 60.0

#: Exit status of a program that has refused to measure: try again later (sysexits.h, EX_TEMPFAIL).
REFUSED = 75

#: Seconds for which the machine is watched once the kernel's average has our own work in it.
_WATCHED = 2.0
#: The same where it makes no difference to what is done.
_GLANCE = 0.2

_PRESSURE = Path("/proc/pressure/cpu")


def add_busy(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--busy",
        action="store_true",
        help=f"measure also while other work waits for the processors for more than {LIMIT:.0f} %% of the time; "
        f"without it a measurement waits up to {PATIENCE:.0f} s for a quiet machine and is then refused "
        f"(exit status {REFUSED})",
    )


@dataclass(slots=True)
class Quiet:
    """Looks at the machine before each measurement, when nothing of our own runs."""

    allows_busy: bool = False
    pressure: Path = _PRESSURE
    patience: float = PATIENCE
    #: What was seen before each measurement, in percent.
    seen: list[float] = field(default_factory=list)

    def wait(self) -> None:
        """Wait until the machine is quiet enough to measure on.

        Ends the program with `REFUSED` if it does not become so, unless busy machines are allowed.
        """
        found = self._look()
        deadline = time.monotonic() + self.patience
        while found > LIMIT and not self.allows_busy:
            if time.monotonic() >= deadline:
                print(_refusal(found, self.patience), file=sys.stderr)
                raise SystemExit(REFUSED)
            time.sleep(1)
            found = self._look()
        self.seen.append(found)

    def describe(self) -> str:
        """How busy the machine was, for the head of a table."""
        busy = [each for each in self.seen if each > LIMIT]
        if not busy:
            return f"quiet: other work waited at most {max(self.seen, default=0):.0f} % of the time"
        return (
            f"BUSY before {len(busy)} of {len(self.seen)} measurements: other work waited up to "
            f"{max(busy):.0f} % of the time; these figures say little"
        )

    def _look(self) -> float:
        """Percent of the time for which some work waited; nothing of our own may run meanwhile."""
        if not self.pressure.exists():
            # It follows slowly and has our own work in it: after the first measurement it says nothing.
            return 0.0 if self.seen else load_percent(os.getloadavg()[0], os.cpu_count() or 1)
        average, before = read_pressure(self.pressure.read_text())
        if average <= LIMIT or not self.seen:
            return average
        # Our own last measurement is in that average; what is waited for from now on is not ours.
        begun = time.monotonic()
        time.sleep(_GLANCE if self.allows_busy else _WATCHED)
        waited = read_pressure(self.pressure.read_text())[1] - before
        return waited / ((time.monotonic() - begun) * 1e6) * 100


def _refusal(percent: float, waited: float) -> str:
    return (
        f"The machine is busy: other work waits for a processor for {percent:.0f} % of the time, more than "
        f"{LIMIT:.0f} %, and has done so for {waited:.0f} s. Measure when it does nothing else, or with --busy."
    )


def read_pressure(text: str) -> tuple[float, int]:
    """Of /proc/pressure/cpu: percent of the last ten seconds in which some work waited, and microseconds ever."""
    (some,) = (line for line in text.splitlines() if line.startswith("some "))
    values = dict(each.split("=") for each in some.split()[1:])
    return float(values["avg10"]), int(values["total"])


def load_percent(load: float, cores: int) -> float:
    """The load average as percent of all processors."""
    return load / cores * 100
