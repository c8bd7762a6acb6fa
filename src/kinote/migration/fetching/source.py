"""The interface of a system to fetch from, whatever its protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeVar

from kinote.intake.outcome import Outcome
from kinote.intake.receiver import Receiver
from kinote.security.origins import Origin

Found = TypeVar("Found")

#: The most unrequested objects in one response.
_STRANGERS = 100

#: The most series or instances of one query, and the most studies.
MOST_FOUND = 100_000
MOST_STUDIES = 5_000_000


class SourceError(RuntimeError):
    """The system cannot be queried, or does not respond as it should. The message says why."""


class NotThereError(SourceError):
    """The system says that it does not have what was requested."""


@dataclass(frozen=True, slots=True)
class ListedSeries:
    """A series that a system lists."""

    study_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Instances of one series to fetch, with their SOP class if it is known."""

    series: ListedSeries
    instances: Sequence[str]
    sop_class_uids: frozenset[str]


class Source(Protocol):
    """A system to fetch from. All methods raise `SourceError`."""

    def studies(self) -> list[str]:
        """Return the UIDs of all studies, in their order."""

    def series(self, study_instance_uid: str, modality: str) -> list[ListedSeries]:
        """Return the series of a study that have this modality."""

    def instances(self, series: ListedSeries) -> list[str]:
        """Return the UIDs of the instances of a series."""

    def fetch(self, wanted: Wanted, taking: Taking, attempt: int = 0) -> None:
        """Fetch instances, and take what arrives. A later `attempt` may use another way."""

    def close(self) -> None:
        """End the use of the system."""


class Taking:
    """Stores what arrives from a system, and remembers why something was not stored.

    Unrequested objects are not stored: they may be another patient's, or more than there is room for.
    """

    def __init__(self, receiver: Receiver, origin: Origin, wanted: Wanted) -> None:
        self.receiver = receiver
        self.origin = origin
        self._wanted = frozenset(wanted.instances)
        self._strangers = 0
        self._under_way: list[tuple[str, Future[Outcome]]] = []
        #: Instances that have arrived, and why some of them were not stored.
        self.came: set[str] = set()
        self.refused: dict[str, str] = {}
        self.problem = ""

    def is_wanted(self, sop_instance_uid: str) -> bool:
        """Return whether an arriving object was requested, and has not arrived yet. Raises `SourceError` after too many
        others.
        """
        if sop_instance_uid in self._wanted and sop_instance_uid not in self.came:
            return True
        self._strangers += 1
        self.problem = "The other system sends objects that it was not asked for"
        if self._strangers > _STRANGERS:
            raise SourceError(self.problem)
        return False

    def add(self, sop_instance_uid: str, future: Future[Outcome]) -> None:
        """Add a requested instance that has arrived. It will be durable, or refused."""
        self._under_way.append((sop_instance_uid, future))

    def settle(self) -> None:
        """Wait until everything that has arrived is durable."""
        for uid, future in self._under_way:
            outcome = future.result()
            if outcome.kind in ("held", "refused", "aborted"):
                self.refused[uid] = outcome.reason
        self._under_way.clear()


def counted(found: Iterable[Found], most: int) -> Iterator[Found]:
    """Yield the matches of a system. Raises `SourceError` if there is no end."""
    for number, each in enumerate(found):
        if number == most:
            raise SourceError(f"The other system answers with more than {most} matches")
        yield each


def in_parts(instances: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield the instances in parts."""
    for begin in range(0, len(instances), size):
        yield instances[begin : begin + size]
