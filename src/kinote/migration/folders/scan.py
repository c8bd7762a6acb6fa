"""Scans a folder of another system, file by file in a fixed order, and registers its objects.

The position is stored once everything before it is durable. A scan that was interrupted for any reason continues there,
and objects that were under way are then known.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from kinote.catalog.in_place_folders import add_folder
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.removing.removal import owned
from kinote.intake.arrival import Arrival
from kinote.intake.expected import InStudy
from kinote.intake.importing import local_sink
from kinote.intake.outcome import OUT_OF_RESOURCES, Outcome
from kinote.intake.receiver import Receiver
from kinote.intake.upload import Upload
from kinote.media.sources import Refusal, Source, sources
from kinote.media.walking import FoundFile, files_below, number_of_files
from kinote.migration.folders.progress import ScanKey, ScanProgress, begin_scan, write_progress
from kinote.migration.folders.wanted import Content, is_wanted
from kinote.security.actors import Actor
from kinote.security.origins import Interface, Origin
from kinote.storage.read_in_place import FIRST_IN_PLACE, FileInPlace, InPlaceStore
from kinote.storage.store import Incoming
from kinote.storage.stores import Stores
from kinote.telemetry.clock import Clock

#: The number of objects under way at once: enough to share commits, few enough to limit open files and memory.
_UNDER_WAY = 64

#: The number of files looked up together, to find those already known.
_LOOKED_UP = 200

#: Seconds between two progress reports.
_TELL_EVERY = 1.0

_CHUNK = 256 * 1024
_HEAD = 4096


class ScanUnderWayError(RuntimeError):
    """The folder is being scanned already."""


class NoFolderError(ValueError):
    """The path is not a folder that can be read."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """A file that was refused or held, with the reason."""

    file: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class ScanTold:
    """The progress of a scan. `of` is the number of files, once they are counted; with the present rate follow the
    seconds left.

    `problem` says why it ended early. `listed` are files that a person should look at.
    """

    folder: str
    files: int
    of: int | None
    counts: dict[str, int]
    files_per_second: float
    seconds_left: float | None
    has_ended: bool = False
    problem: str = ""
    listed: tuple[Scanned, ...] = ()


@dataclass(slots=True)
class _UnderWay:
    """The objects of one file, whose outcomes are awaited."""

    path: str
    outcomes: list[Future[Outcome]] = field(default_factory=list)
    #: The result of a file without an object: kind, and the reason if a person should know.
    others: list[tuple[str, str]] = field(default_factory=list)

    def is_done(self) -> bool:
        return all(each.done() for each in self.outcomes)


class FolderScans:
    """Scans folders, each by one scan at a time."""

    def __init__(
        self, catalog: Catalog, receiver: Receiver, stores: Stores, clock: Clock, data_directory: Path
    ) -> None:
        """Nothing in the `data_directory` is read in place, because Kinote removes files there."""
        self.data_directory = data_directory.resolve()
        self._catalog = catalog
        self._receiver = receiver
        self._stores = stores
        self._clock = clock
        self._busy: set[ScanKey] = set()
        self._lock = threading.Lock()

    def scan(self, folder: Path, *, in_place: bool, content: Content, by: Actor) -> Iterator[ScanTold]:
        """Scan a folder, or continue an unfinished scan. Yield the progress, and finally the end.

        Raises `NoFolderError` and `ScanUnderWayError` before the first report.
        """
        if not folder.is_absolute() or not folder.is_dir():
            raise NoFolderError(f"{folder} is no folder that the server can read. Give its absolute path.")
        if in_place and self.is_ours(folder):
            raise NoFolderError(
                f"{folder} lies in the data directory of Kinote, and cannot be read in place."
            )
        scan = ScanKey(str(folder), in_place, content)
        with self._lock:
            if scan in self._busy:
                raise ScanUnderWayError(f"{folder} is being scanned already.")
            self._busy.add(scan)
        return self._scan(scan, folder, by)

    def _scan(self, scan: ScanKey, folder: Path, by: Actor) -> Iterator[ScanTold]:
        try:
            told = self._catalog.write(partial(begin_scan, scan=scan, now=self._clock()))
            origin = Origin(Interface.IMPORT, by)
            take = self._in_place(folder, origin) if scan.in_place else local_sink(self._receiver, origin)
            with _counted(folder) as number:
                yield from _Run(self, scan, folder, told, take, number).go()
        finally:
            with self._lock:
                self._busy.discard(scan)

    def _in_place(self, folder: Path, origin: Origin) -> Callable[[BinaryIO], Future[Outcome]]:
        now = self._clock()
        key = self._catalog.write(
            partial(add_folder, path=str(folder), added_by=origin.actor.columns("added_by"), now=now)
        )
        store = self._stores.find(FIRST_IN_PLACE + key)
        assert isinstance(store, InPlaceStore)
        return _TakeInPlace(store, self._receiver, origin)

    def is_ours(self, path: Path) -> bool:
        """Return whether a path leads into the data directory."""
        return path.resolve().is_relative_to(self.data_directory)

    def known_in_place(self, store: int, keys: list[str]) -> set[str]:
        """Return the files of a folder that have rows, and whose bytes were right when they were last read."""
        with self._catalog.read() as connection:
            return owned(connection, store, keys, residence="local")

    def write(self, scan: ScanKey, told: ScanProgress, *, has_ended: bool = False, problem: str = "") -> None:
        """Store the progress of a scan."""
        self._catalog.write(
            partial(
                write_progress,
                scan=scan,
                told=told,
                now=self._clock(),
                has_ended=has_ended,
                problem=problem,
            )
        )


class _TakeInPlace:
    """Registers files in place. Small objects that are not images are still copied into the index."""

    def __init__(self, store: InPlaceStore, receiver: Receiver, origin: Origin) -> None:
        self.store = store
        self._receiver = receiver
        self._origin = origin

    def __call__(self, file: BinaryIO) -> Future[Outcome]:
        destination = _InPlace(self._receiver, FileInPlace(self.store, self.key))
        upload = Upload(destination, self._origin, InStudy())
        try:
            while chunk := file.read(_CHUNK):
                upload.write(chunk)
        except BaseException:
            upload.abandon()
            raise
        return upload.finish()

    #: The file that comes next.
    key: str = ""


class _InPlace:
    """The receiver for an upload: the object is already in its place."""

    def __init__(self, receiver: Receiver, file: FileInPlace) -> None:
        self.clock = receiver.clock
        self._receiver = receiver
        self._file = file

    def receive_large(self) -> Incoming:
        return self._file

    def receive_small(self) -> Incoming:
        return self._file

    def commit(self, arrival: Arrival, *, sync_here: bool) -> None:
        self._receiver.commit(arrival, sync_here=sync_here)

    def observe(self, refusal: Outcome) -> None:
        self._receiver.observe(refusal)


class _Run:
    """A run of a scan."""

    def __init__(
        self,
        scans: FolderScans,
        scan: ScanKey,
        folder: Path,
        told: ScanProgress,
        take: Callable[[BinaryIO], Future[Outcome]],
        number: Callable[[], int | None],
    ) -> None:
        self._scans = scans
        self._scan = scan
        self._folder = folder
        self._told = told
        self._take = take
        self._number = number
        self._began = time.monotonic()
        self._files_before = told.files
        self._listed: list[Scanned] = []
        self._under_way: deque[_UnderWay] = deque()
        self._told_at = self._began

    def go(self) -> Iterator[ScanTold]:
        problem = ""
        for page in _pages(files_below(self._folder, self._told.position)):
            known = self._known(page)
            for found in page:
                self._under_way.append(self._begun(found, is_known=found.path in known))
                problem = self._settle(_UNDER_WAY)
                if problem:
                    break
                if time.monotonic() - self._told_at >= _TELL_EVERY:
                    yield self._progress()
            if problem:
                break
        problem = problem or self._settle(0)
        for each in self._under_way:
            # No unfinished work is left; the outcome of these is known the next time.
            for future in each.outcomes:
                future.exception()
        self._scans.write(self._scan, self._told, has_ended=not problem, problem=problem)
        yield self._tell(has_ended=not problem, problem=problem)

    def _known(self, page: list[FoundFile]) -> set[str]:
        if not isinstance(self._take, _TakeInPlace):
            return set()
        paths = [found.path for found in page if not found.unreadable and _is_text(found.path)]
        return self._scans.known_in_place(self._take.store.id, paths)

    def _begun(self, found: FoundFile, *, is_known: bool) -> _UnderWay:
        each = _UnderWay(found.path)
        if found.unreadable:
            each.others.append(("unreadable", found.unreadable))
        elif not _is_text(found.path):
            each.others.append(("refused", "Its name is no text in UTF-8. Rename it."))
        elif is_known:
            each.others.append(("known", ""))
        elif found.path.rpartition("/")[2].casefold() == "dicomdir":
            each.others.append(("passed over", ""))
        else:
            for source in sources([self._folder / found.path]):
                self._hand_over(each, source)
        return each

    def _hand_over(self, each: _UnderWay, source: Source | Refusal) -> None:
        if isinstance(source, Refusal):
            each.others.append(("passed over", ""))
            return
        try:
            with source.open() as file:
                head = file.read(_HEAD)
                if not is_wanted(head, self._scan.content):  # type: ignore[arg-type]
                    each.others.append(("passed over", ""))
                    return
                file.seek(0)
                if isinstance(self._take, _TakeInPlace):
                    if source.name != str(self._folder / each.path):
                        each.others.append(
                            ("refused", "It lies in an archive. Scan that without --in-place.")
                        )
                        return
                    if self._scans.is_ours(self._folder / each.path):
                        each.others.append(("refused", "It is a link into the data directory of Kinote."))
                        return
                    self._take.key = each.path
                each.outcomes.append(self._take(file))
        except OSError as error:
            each.others.append(("unreadable", f"The file cannot be read: {error.strerror or error}."))

    def _settle(self, most: int) -> str:
        """Take the outcomes of finished objects, in order, until at most `most` are under way.

        Returns why the scan must stop, if so.
        """
        while len(self._under_way) > most or (self._under_way and self._under_way[0].is_done()):
            each = self._under_way[0]
            outcomes = [future.result() for future in each.outcomes]
            if full := next((one for one in outcomes if one.status == OUT_OF_RESOURCES), None):
                return full.reason
            for kind, reason in [*each.others, *((str(one.kind), one.reason) for one in outcomes)]:
                self._told.counts[kind] += 1
                if kind not in ("stored", "known", "passed over"):
                    self._listed.append(Scanned(_shown(each.path), kind, reason))
            self._under_way.popleft()
            if _is_text(each.path):
                self._told.position = each.path
            self._told.files += 1
        return ""

    def _progress(self) -> ScanTold:
        self._told_at = time.monotonic()
        self._scans.write(self._scan, self._told)
        return self._tell()

    def _tell(self, *, has_ended: bool = False, problem: str = "") -> ScanTold:
        seconds = max(time.monotonic() - self._began, 0.001)
        rate = (self._told.files - self._files_before) / seconds
        of = self._told.files if has_ended else self._number()
        left = (of - self._told.files) / rate if of is not None and rate else None
        listed, self._listed = tuple(self._listed), []
        return ScanTold(
            str(self._folder),
            self._told.files,
            of,
            dict(self._told.counts),
            round(rate, 1),
            round(max(left, 0), 1) if left is not None else None,
            has_ended,
            problem,
            listed,
        )


def _shown(path: str) -> str:
    return path.encode(errors="replace").decode()


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _pages(found: Iterator[FoundFile]) -> Iterator[list[FoundFile]]:
    page: list[FoundFile] = []
    for each in found:
        page.append(each)
        if len(page) == _LOOKED_UP:
            yield page
            page = []
    yield page


@contextmanager
def _counted(folder: Path) -> Iterator[Callable[[], int | None]]:
    """Count the files of a folder during the scan. Yield a function that returns the number once it is known."""
    counted: list[int] = []
    thread = threading.Thread(target=lambda: counted.append(number_of_files(folder)), daemon=True)
    thread.start()
    yield lambda: counted[0] if counted else None


def as_json(told: ScanTold) -> dict[str, Any]:
    """Return it in the form of the REST API."""
    return {
        "folder": told.folder,
        "files": told.files,
        "of": told.of,
        "counts": told.counts,
        "files_per_second": told.files_per_second,
        "seconds_left": told.seconds_left,
        "has_ended": told.has_ended,
        "problem": told.problem,
        "listed": [{"file": each.file, "kind": each.kind, "reason": each.reason} for each in told.listed],
    }
