"""What is asked of a system from which something is fetched, whatever its protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from kinote.intake.outcome import Outcome
from kinote.intake.receiver import Receiver
from kinote.security.origins import Origin


class SourceError(RuntimeError):
    """The system cannot be asked, or does not answer as it should; the message says why."""


@dataclass(frozen=True, slots=True)
class ListedSeries:
    """A series that a system lists."""

    study_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Instances of one series that are to be fetched, with their SOP class where it is known."""

    series: ListedSeries
    instances: Sequence[str]
    sop_class_uids: frozenset[str]


class Source(Protocol):
    """A system from which something is fetched. All methods raise `SourceError`."""

    def studies(self) -> list[str]:
        """Return the UIDs of all studies, in their order."""

    def series(self, study_instance_uid: str, modality: str) -> list[ListedSeries]:
        """Return the series of a study that have this modality."""

    def instances(self, series: ListedSeries) -> list[str]:
        """Return the UIDs of the instances of a series."""

    def fetch(self, wanted: Wanted, taking: Taking, attempt: int = 0) -> None:
        """Fetch instances; what comes is taken. A later `attempt` may do it in another way."""


class Taking:
    """Takes what comes from a system into the store, and remembers why something was not taken."""

    def __init__(self, receiver: Receiver, origin: Origin) -> None:
        self.receiver = receiver
        self.origin = origin
        self._under_way: list[Future[Outcome]] = []
        #: Instances that have come, and why some of them were not taken.
        self.came: set[str] = set()
        self.refused: dict[str, str] = {}
        self.problem = ""

    def add(self, future: Future[Outcome]) -> None:
        """Take one that will be durable, or refused."""
        self._under_way.append(future)

    def settle(self) -> None:
        """Wait until all that has come is durable."""
        for future in self._under_way:
            outcome = future.result()
            if outcome.kind in ("held", "refused", "aborted"):
                self.refused[outcome.sop_instance_uid] = outcome.reason
        self._under_way.clear()


def in_parts(instances: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield the instances in parts."""
    for begin in range(0, len(instances), size):
        yield instances[begin : begin + size]
