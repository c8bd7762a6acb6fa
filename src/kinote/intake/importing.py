"""Imports many files at once, and reports the outcome of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import BinaryIO

from kinote.intake.outcome import OUT_OF_RESOURCES, Outcome, OutcomeKind
from kinote.intake.receiver import Receiver
from kinote.media.sources import Refusal, Source
from kinote.security.origins import Origin

#: How many objects are under way at once: enough to share commits, few enough to bound open files and memory.
_UNDER_WAY = 64

_CHUNK = 256 * 1024

#: Takes the bytes of one object, and returns its outcome.
Sink = Callable[[BinaryIO], "Future[Outcome]"]


@dataclass(frozen=True, slots=True)
class Imported:
    """The outcome of one file."""

    name: str
    outcome: Outcome

    @property
    def ends_the_import(self) -> bool:
        """Whether nothing could be taken, whatever it was: all that follows would be refused as well."""
        return self.outcome.status == OUT_OF_RESOURCES


@dataclass(slots=True)
class Report:
    """The counts of an import: taken, known, held and refused; the last two with names and reasons."""

    counts: dict[OutcomeKind, int] = field(
        default_factory=lambda: {"stored": 0, "known": 0, "held": 0, "refused": 0}
    )
    held: list[Imported] = field(default_factory=list)
    refused: list[Imported] = field(default_factory=list)
    with_findings: list[Imported] = field(default_factory=list)
    #: The first object that nothing could be done about: the import has ended with it.
    stopped_at: Imported | None = None

    def add(self, imported: Imported) -> None:
        kind = imported.outcome.kind
        self.counts[kind] += 1
        if kind == "held":
            self.held.append(imported)
        elif kind == "refused":
            self.refused.append(imported)
            if imported.ends_the_import and self.stopped_at is None:
                self.stopped_at = imported
        if imported.outcome.findings:
            self.with_findings.append(imported)


def local_sink(receiver: Receiver, origin: Origin) -> Sink:
    """Return a sink that imports into the application in this process, as objects of this origin."""

    def take(file: BinaryIO) -> Future[Outcome]:
        upload = receiver.open(origin)
        try:
            while chunk := file.read(_CHUNK):
                upload.write(chunk)
        except BaseException:
            upload.abandon()
            raise
        return upload.finish()

    return take


def import_sources(sources: Iterable[Source | Refusal], sink: Sink) -> Iterator[Imported]:
    """Send all sources to the sink, several at a time, and yield their outcomes in order.

    Nothing more is sent after the first that could not be taken for want of resources. What is under way then is
    yielded as well.
    """
    under_way: deque[tuple[str, Future[Outcome]]] = deque()
    is_stopped = False
    for source in sources:
        under_way.append((source.name, _handed_over(source, sink)))
        while len(under_way) >= _UNDER_WAY or (under_way and under_way[0][1].done()):
            name, future = under_way.popleft()
            imported = Imported(name, future.result())
            is_stopped = is_stopped or imported.ends_the_import
            yield imported
        if is_stopped:
            break
    for name, future in under_way:
        yield Imported(name, future.result())


def _handed_over(source: Source | Refusal, sink: Sink) -> Future[Outcome]:
    reason = source.reason if isinstance(source, Refusal) else ""
    if isinstance(source, Source):
        try:
            with source.open() as file:
                return sink(file)
        except OSError as error:
            reason = f"The file cannot be read: {error.strerror or error}"
    refusal: Future[Outcome] = Future()
    refusal.set_result(Outcome("refused", reason=reason))
    return refusal
