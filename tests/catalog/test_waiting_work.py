"""The two classes of work: acknowledgments go first; background work never stands still, nor holds a writer long."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import count

import pytest
from sqlalchemy import Connection, event, select

from kinote.catalog.schema.tables import index_fact
from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError, CatalogOptions
from kinote.catalog.transactions.waiting_work import (
    GROUP,
    HELD_AT_MOST,
    PATIENCE,
    Budget,
    Piece,
    Turn,
    WaitingWork,
)

#: Seconds after which something counts as lost.
LIMIT = 60


def piece() -> Piece:
    return Piece(lambda _: None, Future())


def put(waiting: WaitingWork, number: int = 1, *, background: bool = False) -> list[Piece]:
    pieces = [piece() for _ in range(number)]
    assert all(waiting.put(each, background=background) for each in pieces)
    return pieces


def take(waiting: WaitingWork) -> Turn:
    turn = waiting.take()
    assert turn is not None
    return turn


def test_acknowledgments_go_first_and_together() -> None:
    waiting = WaitingWork(1)
    later = put(waiting, 2, background=True)
    first = put(waiting, 3)
    assert take(waiting) == Turn(first)
    for each in later:
        turn = take(waiting)
        assert turn == Turn([each], is_background=True)
        waiting.finished(turn)


def test_background_work_has_its_turn_however_many_wait_for_acknowledgments() -> None:
    waiting = WaitingWork(1)
    put(waiting, 3, background=True)
    put(waiting, GROUP)
    turns = []
    for _ in range(3 * (PATIENCE + 1)):
        turn = take(waiting)
        turns.append(turn.is_background)
        waiting.finished(turn)
        put(waiting, GROUP)
    assert turns == [*[False] * PATIENCE, True] * 3


@pytest.mark.parametrize(("writers", "at_once"), [(1, 1), (2, 1), (4, 3)])
def test_of_several_writers_one_is_left_to_acknowledgments(writers: int, at_once: int) -> None:
    waiting = WaitingWork(writers)
    put(waiting, 10, background=True)
    turns = [take(waiting) for _ in range(at_once)]
    assert all(turn.is_background for turn in turns)
    put(waiting)
    for _ in range(2 * PATIENCE):
        assert not take(waiting).is_background
        put(waiting)
    waiting.finished(turns[0])
    put(waiting)
    assert take(waiting).is_background


def test_what_is_given_up_takes_no_turn() -> None:
    waiting = WaitingWork(1)
    for background in (False, True):
        for each in put(waiting, 2, background=background):
            assert each.done.cancel()
    (kept,) = put(waiting)
    assert take(waiting) == Turn([kept])


def test_closing_lets_both_classes_finish() -> None:
    waiting = WaitingWork(1)
    put(waiting, 2, background=True)
    put(waiting, 1)
    waiting.close()
    assert not waiting.put(piece(), background=False)
    assert not waiting.put(piece(), background=True)
    for _ in range(3):
        waiting.finished(take(waiting))
    assert waiting.take() is None


class Clock:
    """Stands still but for what work is said to take."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def held() -> list[float]:
    """For how long pieces of background work held the writer."""
    return []


@pytest.fixture
def lone(database_url: str, clock: Clock, held: list[float]) -> Iterator[Catalog]:
    opened = Catalog(CatalogOptions(database_url, writers=1), steady=clock, observe_background=held.append)
    yield opened
    opened.close()


def remember(transaction: Connection, name: str) -> None:
    transaction.execute(index_fact.insert(), {"name": name, "value": ""})


def test_long_work_is_done_in_pieces_that_hold_the_writer_for_a_bounded_time(
    lone: Catalog, clock: Clock, held: list[float]
) -> None:
    numbers = count()
    in_between: list[Future[None]] = []

    def step(transaction: Connection, budget: Budget) -> bool:
        while not budget.is_spent():
            number = next(numbers)
            if number == 100:
                return False
            clock.seconds += 0.007
            remember(transaction, f"step {number:03}")
        in_between.append(lone.submit(lambda transaction: remember(transaction, f"asked {len(held)}")))
        return True

    lone.in_turns(step)
    assert [round(seconds, 3) for seconds in held[:20]] == [0.035] * 20
    assert max(held) <= HELD_AT_MOST
    for asked in in_between:
        asked.result(LIMIT)
    with lone.read() as connection:
        names = list(connection.execute(select(index_fact.c.name)).scalars())
    assert len([name for name in names if name.startswith("step")]) == 100
    assert len([name for name in names if name.startswith("asked")]) == 20


def test_a_piece_that_holds_the_writer_too_long_is_noticed(
    lone: Catalog, clock: Clock, held: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    def greedy(transaction: Connection, _budget: Budget) -> bool:
        clock.seconds += 0.06
        remember(transaction, "greedy")
        return False

    with caplog.at_level(logging.WARNING):
        lone.in_turns(greedy)
        # Acknowledgments are not background work, whatever they take.
        lone.write(lambda _: setattr(clock, "seconds", clock.seconds + 1))
        lone.close()
    assert [round(seconds, 3) for seconds in held] == [0.06]
    (told,) = [record for record in caplog.records if "too long" in record.message]
    assert told.__dict__["milliseconds"] == 60
    assert "greedy" in told.__dict__["work"]


def test_background_work_shares_no_transaction(lone: Catalog) -> None:
    commits: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: Connection) -> None:
        begun.set()
        assert go_on.wait(LIMIT)

    busy = lone.submit(wait)
    assert begun.wait(LIMIT)
    event.listen(lone._writers, "commit", lambda _: commits.append(1))
    pieces = [
        lone.submit(lambda transaction, name=name: remember(transaction, name), background=name < "c")  # type: ignore[misc]
        for name in "abcd"
    ]
    go_on.set()
    busy.result(LIMIT)
    for each in pieces:
        each.result(LIMIT)
    lone.close()
    assert len(commits) == 1 + 2 + 1


def test_a_step_that_fails_ends_the_work(lone: Catalog) -> None:
    def fails(_transaction: Connection, _budget: Budget) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lone.in_turns(fails)
    lone.close()
    with pytest.raises(CatalogClosedError):
        lone.in_turns(fails)
