"""Querying a destination: by C-FIND, by QIDO-RS, or by a look into a folder."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from kinote.delivery.orders.ways.calling import Calling
from kinote.dimse.errors import NotAcceptedError, RefusedError
from kinote.peers.peer import Endpoint
from kinote.peers.reaching import querying
from kinote.peers.reaching.calling import Caller

#: The most instances remembered of one series. A longer answer is not credible.
_MOST = 500_000

#: The number of series whose answers are remembered: objects of several series may alternate.
_SERIES = 16


class NotQueryableError(Exception):
    """A destination cannot be queried. The message says why; another attempt would not help."""


class Finder(Protocol):
    """Queries one destination."""

    def instances(self, study: str, series: str) -> Iterator[str]:
        """Yield the SOP Instance UIDs that it has of a series.

        Raises `NotQueryableError`, and `DimseError` or `OSError` if it does not respond now.
        """
        ...


class ByFind:
    """C-FIND at the level of instances (PS3.4 C.6.2.1.5), at the endpoint to which objects are sent."""

    def __init__(self, endpoint: Endpoint, calling: Calling) -> None:
        self._call = Caller(endpoint.entity, calling.title, calling.tls)

    def instances(self, study: str, series: str) -> Iterator[str]:
        asked = querying.identifier(
            "IMAGE", [f"StudyInstanceUID={study}", f"SeriesInstanceUID={series}", "SOPInstanceUID"]
        )
        try:
            for match in querying.find(self._call, asked):
                yield str(match.get("SOPInstanceUID", ""))
        except NotAcceptedError as error:
            raise NotQueryableError(f"The destination answers no queries: {error}") from error
        except RefusedError as error:
            raise NotQueryableError(f"The destination refuses to be asked: {error}.") from error


class Remembered:
    """Remembers the answers for the last series queried."""

    def __init__(self, by: Finder) -> None:
        self._by = by
        self._known: OrderedDict[tuple[str, str], frozenset[str]] = OrderedDict()

    def instances(self, study: str, series: str) -> frozenset[str]:
        """Return the SOP Instance UIDs that the destination has of a series. Raises the errors of the finder."""
        key = (study, series)
        if key not in self._known:
            found: set[str] = set()
            for uid in self._by.instances(study, series):
                found.add(uid)
                if len(found) > _MOST:
                    raise NotQueryableError(
                        f"The destination names more than {_MOST} instances of the series {series}."
                    )
            self._known[key] = frozenset(found)
            if len(self._known) > _SERIES:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]
