"""What is asked of a system from which something is fetched, whatever its protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeVar

from kinote.intake.outcome import Outcome
from kinote.intake.receiver import Receiver
from kinote.security.origins import Origin

Found = TypeVar("Found")

#: How many objects that were not asked for may come in one answer.
_STRANGERS = 100

#: How many series or instances one query may find, and how many studies.
MOST_FOUND = 100_000
MOST_STUDIES = 5_000_000


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

    def close(self) -> None:
        """End the use of the system."""


class Taking:
    """Takes what comes from a system into the store, and remembers why something was not taken.

    Nothing is taken that was not asked for: objects of other patients, or more than there is room for.
    """

    def __init__(self, receiver: Receiver, origin: Origin, wanted: Wanted) -> None:
        self.receiver = receiver
        self.origin = origin
        self._wanted = frozenset(wanted.instances)
        self._strangers = 0
        self._under_way: list[tuple[str, Future[Outcome]]] = []
        #: Instances that have come, and why some of them were not taken.
        self.came: set[str] = set()
        self.refused: dict[str, str] = {}
        self.problem = ""

    def is_wanted(self, sop_instance_uid: str) -> bool:
        """Return whether an object that comes was asked for, and has not come yet. Raises `SourceError` if too many
        were not."""
        if sop_instance_uid in self._wanted and sop_instance_uid not in self.came:
            return True
        self._strangers += 1
        self.problem = "The other system sends objects that it was not asked for"
        if self._strangers > _STRANGERS:
            raise SourceError(self.problem)
        return False

    def add(self, sop_instance_uid: str, future: Future[Outcome]) -> None:
        """Take what came for an instance that was asked for; it will be durable, or refused."""
        self._under_way.append((sop_instance_uid, future))

    def settle(self) -> None:
        """Wait until all that has come is durable."""
        for uid, future in self._under_way:
            outcome = future.result()
            if outcome.kind in ("held", "refused", "aborted"):
                self.refused[uid] = outcome.reason
        self._under_way.clear()


def counted(found: Iterable[Found], most: int) -> Iterator[Found]:
    """Yield what a system has found. Raises `SourceError` if it does not come to an end."""
    for number, each in enumerate(found):
        if number == most:
            raise SourceError(f"The other system answers with more than {most} matches")
        yield each


def in_parts(instances: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield the instances in parts."""
    for begin in range(0, len(instances), size):
        yield instances[begin : begin + size]
