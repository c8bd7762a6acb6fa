"""One job that makes the bytes of a key object, two workers, people, and time.

Of the product: the table of transitions, what the holder of a lease must be, and whether bytes may still be made.
Modelled beside: one `until_at` for each timed state, which has come or not; two attempts at most without progress; and
that the copy from which an index is brought back was taken when the job had just been made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kinote.catalog.sql.guards import Guard, hold
from kinote.jobs import states
from kinote.jobs.guards import HOLDS_ITS_LEASE
from kinote.jobs.states import ENDED, TIMED, Event, State
from kinote.lifecycle.guards import CAN_BE_MADE, CAN_BE_PURGED
from tests.laws.explorer.exploring import BY_ITSELF, BrokenError

WORKERS = ("Ann", "Bob")

#: Attempts without progress, and claims in all: people who run a job again make no more.
_ATTEMPTS, _MOST_CLAIMS = 2, 4

#: By whom a job can be told what: people act on every job for which the act means something.
_BY_PEOPLE: Mapping[Event, frozenset[State]] = {
    Event.SUSPENDED: frozenset({State.QUEUED, State.LEASED, State.WAITING, State.RETRY}),
    Event.RESUMED: frozenset({State.SUSPENDED}),
    Event.CANCELLED: frozenset(State) - {State.DONE, State.CANCELLED},
    Event.RUN_AGAIN: frozenset({State.RETRY, State.DEAD}),
}


@dataclass(frozen=True)
class JobTables:
    """What decides, as the product has it."""

    transitions: Mapping[tuple[State, Event], State] = field(default_factory=lambda: states.TRANSITIONS)
    lease: Sequence[Guard] = HOLDS_ITS_LEASE
    made: Sequence[Guard] = CAN_BE_MADE
    purged: Sequence[Guard] = CAN_BE_PURGED


class Hand(NamedTuple):
    """What a worker believes that it has: the attempt, and which claim of all it was."""

    worker: str
    attempt: int
    claim: int


class Job(NamedTuple):
    """The row, as guards read it. `until_at` is "1", or "0" once it has come."""

    state: State = State.QUEUED
    attempt: int = 0
    left: int = _ATTEMPTS
    worker: str | None = None
    until_at: str | None = None


class Document(NamedTuple):
    """The instance that the job is about."""

    standing: str = "live"
    residence: str = "derivable"
    has_bytes: bool = False


class JobState(NamedTuple):
    job: Job = Job()
    document: Document = Document()
    hands: tuple[Hand | None, Hand | None] = (None, None)
    #: How many claims there were, and which of them rightly has the job, for all that the laws say.
    claims: int = 0
    holder: int = 0
    is_restored: bool = False
    #: A write that is still on its way to the index, of a worker that has gone on.
    late: Hand | None = None


#: This moment, beside `until_at`.
_NOW = "1"


class JobsWorld:
    def __init__(self, tables: JobTables | None = None) -> None:
        self.tables = tables or JobTables()

    def starts(self) -> Iterator[JobState]:
        yield JobState()

    def ends_by_itself(self, state: JobState) -> bool:
        return state.job.state in ENDED

    def breach(self, state: JobState) -> str:
        job, document = state.job, state.document
        if (job.until_at is not None) != (job.state in TIMED):
            return f"A job that is {job.state} waits without a deadline, or has one for nothing (law 3)."
        if (job.worker is not None) != (job.state is State.LEASED):
            return f"A job that is {job.state} has the worker {job.worker} (law 3)."
        if document.standing == "purged" and document.has_bytes:
            return "A tombstone has bytes (law 8)."
        if (document.residence == "local") != document.has_bytes:
            return "Residence and bytes disagree (law 8)."
        return ""

    def steps(self, state: JobState) -> Iterator[tuple[str, JobState | BrokenError]]:
        yield from self._of_workers(state)
        yield from self._of_time(state)
        yield from self._of_people(state)
        yield from self._of_the_document(state)
        if not state.is_restored and state.claims + _ATTEMPTS <= _MOST_CLAIMS:
            yield (
                "the index is brought back from a copy, while a process hangs that had it",
                state._replace(job=Job(), document=Document(), holder=0, is_restored=True),
            )

    # --- the job ---

    def _moved(self, state: JobState, event: Event, **values: Any) -> JobState | BrokenError:
        job = state.job
        after = self.tables.transitions.get((job.state, event))
        if after is None:
            return BrokenError(f"A job that is {job.state} cannot be {event} (law 3).")
        row: dict[str, Any] = {"worker": None, "until_at": "1" if after in TIMED else None, **values}
        if event is Event.LEFT_OFF or event is Event.BEGAN_TO_WAIT:
            row["left"] = job.left + 1
        elif event in (Event.RESUMED, Event.SUSPENSION_OVER):
            row["left"] = max(job.left, 1)
        elif event is Event.RUN_AGAIN:
            row["left"] = _ATTEMPTS
        return state._replace(job=job._replace(state=after, **row), holder=values.get("holder", 0))

    def _of_workers(self, state: JobState) -> Iterator[tuple[str, JobState | BrokenError]]:
        job = state.job
        for place, worker in enumerate(WORKERS):
            hand = state.hands[place]
            if hand is None:
                if job.state is State.QUEUED:
                    yield f"{BY_ITSELF}{worker} takes the job", self._claimed(state, place)
                continue
            empty = state._replace(hands=_with(state.hands, place, None))
            yield f"{BY_ITSELF}{worker} is killed", empty
            for outcome, event in (
                ("has done it", Event.FINISHED),
                ("leaves off", Event.LEFT_OFF),
                ("waits for something", Event.BEGAN_TO_WAIT),
                ("has failed", Event.FAILED_FOR_GOOD if job.left <= 0 else Event.FAILED),
                ("has failed for good", Event.FAILED_FOR_GOOD),
            ):
                if state.claims + job.left >= _MOST_CLAIMS and event in (Event.LEFT_OFF, Event.BEGAN_TO_WAIT):
                    # So that the number of attempts has a bound here.
                    continue
                for answer, after in (("", empty), (", and the answer is lost", state)):
                    yield f"{worker} {outcome}{answer}", self._settled(state, after, hand, event)
            yield f"{worker} writes the bytes", self._written(state, hand)
            if state.late is None and not state.is_restored:
                yield f"a write of {worker} is late, and {worker} goes on", empty._replace(late=hand)
        if state.late is not None:
            written = self._written(state, state.late)
            came = written if isinstance(written, BrokenError) else written._replace(late=None)
            yield f"{BY_ITSELF}the late write of {state.late.worker} comes", came

    def _claimed(self, state: JobState, place: int) -> JobState | BrokenError:
        job, number = state.job, state.claims + 1
        # Each process has names of its own.
        worker = WORKERS[place] + " of a new process" * state.is_restored
        after = self._moved(state, Event.CLAIMED, attempt=job.attempt + 1, left=job.left - 1, worker=worker)
        if isinstance(after, BrokenError):
            return after
        hand = Hand(worker, after.job.attempt, number)
        return after._replace(hands=_with(state.hands, place, hand), claims=number, holder=number)

    def _may_write(self, state: JobState, hand: Hand) -> bool | BrokenError:
        """Whether the guards let it write; and that they are right."""
        lets = hold(self.tables.lease, state.job, hand, _NOW)
        is_right = (
            state.job.state is State.LEASED and state.holder == hand.claim and state.job.until_at == "1"
        )
        if lets and not is_right:
            return BrokenError(f"{hand.worker} writes for a job that it does not have (law 3).")
        if is_right and not lets:
            return BrokenError(f"{hand.worker} has the job and cannot write (law 3).")
        return lets

    def _settled(self, state: JobState, after: JobState, hand: Hand, event: Event) -> JobState | BrokenError:
        may = self._may_write(state, hand)
        if isinstance(may, BrokenError):
            return may
        if not may:
            return state._replace(hands=_without(state.hands, hand))
        moved = self._moved(state, event)
        return moved if isinstance(moved, BrokenError) else moved._replace(hands=after.hands)

    def _written(self, state: JobState, hand: Hand) -> JobState | BrokenError:
        may = self._may_write(state, hand)
        if isinstance(may, BrokenError):
            return may
        if not may:
            return state._replace(hands=_without(state.hands, hand))
        if not hold(self.tables.made, state.document):
            return state
        if state.document.has_bytes:
            return BrokenError("Bytes that are there are made a second time (law 11).")
        return state._replace(document=state.document._replace(residence="local", has_bytes=True))

    def _of_time(self, state: JobState) -> Iterator[tuple[str, JobState | BrokenError]]:
        job = state.job
        if job.until_at == "1":
            yield (
                f"{BY_ITSELF}the time of the state {job.state} ends",
                state._replace(job=job._replace(until_at="0")),
            )
        if job.until_at == "0":
            lost = Event.LEASE_LOST if job.left > 0 else Event.LEASE_LOST_FOR_GOOD
            event = {
                State.LEASED: lost,
                State.WAITING: Event.DEADLINE_PASSED,
                State.RETRY: Event.DUE,
                State.SUSPENDED: Event.SUSPENSION_OVER,
            }[job.state]
            yield f"{BY_ITSELF}a server looks what is due: {event}", self._moved(state, event)
        if job.state is State.QUEUED:
            yield "no server knows its kind", self._moved(state, Event.KIND_UNKNOWN)
        if job.state is State.WAITING:
            yield "what it waited for has happened", self._moved(state, Event.WOKEN)

    def _of_people(self, state: JobState) -> Iterator[tuple[str, JobState | BrokenError]]:
        for event, before in _BY_PEOPLE.items():
            if state.job.state in before and (
                event is Event.CANCELLED or state.claims + _ATTEMPTS < _MOST_CLAIMS
            ):
                yield f"a person: {event}", self._moved(state, event)

    # --- the document, of which no job decides anything (law 2) ---

    def _of_the_document(self, state: JobState) -> Iterator[tuple[str, JobState | BrokenError]]:
        document = state.document
        if document.standing == "live":
            yield (
                "the document is withdrawn",
                state._replace(document=document._replace(standing="withdrawn")),
            )
        if document.standing == "withdrawn":
            yield "the withdrawal is undone", state._replace(document=document._replace(standing="live"))
        if hold(self.tables.purged, document):
            if document.standing != "withdrawn":
                yield "the reaper", BrokenError(f"What is {document.standing} is purged (law 4).")
            else:
                yield "the reaper purges it", state._replace(document=Document("purged", "none", False))


def _with(hands: tuple[Hand | None, Hand | None], place: int, hand: Hand | None) -> Any:
    return (hand, hands[1]) if place == 0 else (hands[0], hand)


def _without(hands: tuple[Hand | None, Hand | None], hand: Hand) -> Any:
    return tuple(None if each == hand else each for each in hands)
