"""Fetches the key objects of another system, study by study, and optionally the images that they flag.

For each series, the list of the other system is compared with what is here. Missing instances are requested again;
others are not fetched. A fetch that was interrupted for any reason continues after the last completed study.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION, PRESENTATION_STATES
from kinote.intake.receiver import Receiver
from kinote.migration.fetching.account import (
    FetchedSeries,
    account_of,
    begin_fetch,
    end_fetch,
    write_study,
)
from kinote.migration.fetching.source import ListedSeries, NotThereError, Source, SourceError, Taking, Wanted
from kinote.notes.lists.flagged import Flagged, flagged_by_key_objects_of, not_here
from kinote.security.origins import Origin
from kinote.telemetry.clock import Clock

Answer = TypeVar("Answer")

Wants = Literal["notes", "images"]

#: How often missing instances of a series are requested, and how often a system that does not respond is queried again;
#: and seconds in between, doubled each time.
_ATTEMPTS = 3
_PAUSE = 1.0

#: Seconds between two progress reports.
_TELL_EVERY = 1.0

#: SOP classes of presentation states to propose, since references do not give their class.
_STATE_CLASSES = frozenset(f"{PRESENTATION_STATES[0]}{number}" for number in range(1, 13))


#: The number of studies in a row without a response before a system is given up.
_FAILED_IN_A_ROW = 3


class FetchUnderWayError(RuntimeError):
    """The system is being fetched from already."""


def _not_answered(uid: str, error: SourceError) -> list[FetchedSeries]:
    """Return a study whose series are unknown: one missing thing, under its own UID."""
    return [FetchedSeries(ListedSeries(uid, ""), "notes", 1, [uid], str(error))]


@dataclass(frozen=True, slots=True)
class FetchTold:
    """The progress of a fetch: completed studies of all, what was listed and is here; `problem` if it has stopped."""

    source: str
    studies: int
    of: int | None
    account: dict[str, int]
    has_ended: bool = False
    problem: str = ""

    def as_json(self) -> dict[str, object]:
        """Return it as REST tells it."""
        return {
            "source": self.source,
            "studies": self.studies,
            "of": self.of,
            "account": self.account,
            "has_ended": self.has_ended,
            "problem": self.problem,
        }


class Fetches:
    """Fetches from other systems; from each only once at a time."""

    def __init__(
        self, catalog: Catalog, receiver: Receiver, clock: Clock, wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._catalog = catalog
        self._receiver = receiver
        self._clock = clock
        self._wait = wait
        self._busy: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def fetch(self, name: str, source: Source, wants: Wants, origin: Origin) -> Iterator[FetchTold]:
        """Fetch from a system, or continue an unfinished fetch. Yield the progress, and finally the end.

        Raises `FetchUnderWayError` before the first report.
        """
        with self._lock:
            if (name, wants) in self._busy:
                source.close()
                raise FetchUnderWayError(f"Key objects are being fetched from {name} already.")
            self._busy.add((name, wants))
        return self._fetch(name, source, wants, origin)

    def _fetch(self, name: str, source: Source, wants: Wants, origin: Origin) -> Iterator[FetchTold]:
        try:
            key, position, studies = self._catalog.write(
                partial(begin_fetch, source=name, wants=wants, now=self._clock())
            )
            of, problem = None, ""
            told_at = 0.0
            try:
                uids = self._asked(source.studies)
                of = len(uids)
                failed: list[tuple[str, list[FetchedSeries]]] = []
                for uid in uids[bisect_right(uids, position) :]:
                    try:
                        done = [(uid, self._study(source, uid, wants, origin))]
                    except SourceError as error:
                        # One study without a response delays no other. Several in a row: the system is down.
                        failed.append((uid, _not_answered(uid, error)))
                        if len(failed) == _FAILED_IN_A_ROW:
                            raise
                        if uid != uids[-1]:
                            continue
                        done = []
                    for each, found in [*failed, *done]:
                        studies += 1
                        self._catalog.write(
                            partial(
                                write_study,
                                key=key,
                                study_instance_uid=each,
                                studies=studies,
                                found=found,
                                now=self._clock(),
                            )
                        )
                    failed = []
                    if time.monotonic() - told_at >= _TELL_EVERY:
                        told_at = time.monotonic()
                        yield FetchTold(name, studies, of, self._account(key))
            except SourceError as error:
                problem = f"{error}."
            self._catalog.write(partial(end_fetch, key=key, now=self._clock(), problem=problem))
            yield FetchTold(name, studies, of, self._account(key), has_ended=not problem, problem=problem)
        finally:
            source.close()
            with self._lock:
                self._busy.discard((name, wants))

    def _account(self, key: int) -> dict[str, int]:
        with self._catalog.read() as connection:
            return account_of(connection, key)

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        """Repeat a query if a system does not respond. Raises `SourceError`."""
        for attempt in range(1, _ATTEMPTS):
            try:
                return ask()
            except NotThereError:
                raise
            except SourceError:
                self._wait(_PAUSE * 2**attempt)
        return ask()

    def fetch_study(self, source: Source, uid: str, wants: Wants, origin: Origin) -> list[FetchedSeries]:
        """Fetch the key objects of a study, the presentation states that they name, and what else is wanted.

        Raises `SourceError`.
        """
        found = self._study(source, uid, wants, origin)
        if wants == "notes" and found:
            found += self._flagged(source, uid, origin, images=False)
        return found

    def _study(self, source: Source, uid: str, wants: Wants, origin: Origin) -> list[FetchedSeries]:
        found = []
        for series in self._asked(partial(source.series, uid, "KO")):
            listed = self._asked(partial(source.instances, series))
            wanted = Wanted(series, listed, frozenset({KEY_OBJECT_SELECTION}))
            found.append(self._series(source, wanted, "notes", origin))
        if wants == "images" and found:
            found += self._flagged(source, uid, origin)
        return found

    def _flagged(
        self, source: Source, study_uid: str, origin: Origin, *, images: bool = True
    ) -> list[FetchedSeries]:
        with self._catalog.read() as connection:
            flagged = flagged_by_key_objects_of(connection, study_uid)
        by_series: dict[ListedSeries, list[Flagged]] = {}
        states: dict[str, set[str]] = {}
        for each in flagged:
            if each.series_instance_uid and images:
                series = ListedSeries(each.study_instance_uid, each.series_instance_uid)
                by_series.setdefault(series, []).append(each)
            elif not each.series_instance_uid:
                states.setdefault(each.study_instance_uid, set()).add(each.sop_instance_uid)
        found = []
        for series, those in by_series.items():
            classes = frozenset(each.sop_class_uid for each in those if each.sop_class_uid)
            wanted = Wanted(series, sorted(each.sop_instance_uid for each in those), classes)
            found.append(self._series(source, wanted, "images", origin))
        for uid, named in states.items():
            found += self._states(source, uid, named, origin)
        return found

    def _states(self, source: Source, study_uid: str, named: set[str], origin: Origin) -> list[FetchedSeries]:
        """Fetch presentation states, whose series are not known."""
        found = []
        for series in self._asked(partial(source.series, study_uid, "PR")):
            listed = [uid for uid in self._asked(partial(source.instances, series)) if uid in named]
            if listed:
                found.append(self._series(source, Wanted(series, listed, _STATE_CLASSES), "images", origin))
        return found

    def _series(self, source: Source, wanted: Wanted, kind: str, origin: Origin) -> FetchedSeries:
        """Fetch the missing instances of a series, and request again what has not arrived."""
        missing = self._missing(wanted.instances)
        reason, unlisted = "", set[str]()
        for attempt in range(_ATTEMPTS):
            if not missing:
                break
            if attempt:
                self._wait(_PAUSE * 2 ** (attempt - 1))
            taking = Taking(self._receiver, origin, Wanted(wanted.series, missing, wanted.sop_class_uids))
            try:
                source.fetch(Wanted(wanted.series, missing, wanted.sop_class_uids), taking, attempt)
                reason = taking.problem
            except SourceError as error:
                reason = str(error)
            taking.settle()
            missing = self._missing(missing)
            if missing and kind == "images" and not attempt:
                # Flagged images may never have been there. They are not requested again.
                unlisted = set(missing) - set(self._asked(partial(source.instances, wanted.series)))
                missing = [uid for uid in missing if uid not in unlisted]
            refused = [taking.refused[uid] for uid in missing if uid in taking.refused]
            if refused:
                # What was refused here would be refused again.
                reason = refused[0]
                break
        why = (reason or "The other system lists it, and does not give it") if missing else ""
        if unlisted:
            why = why or "The other system does not list it"
        left = [uid for uid in wanted.instances if uid in unlisted or uid in missing]
        return FetchedSeries(wanted.series, kind, len(wanted.instances), left, why)

    def _missing(self, instances: Sequence[str]) -> list[str]:
        with self._catalog.read() as connection:
            return not_here(connection, instances)
