"""The ledger of memory: turns, who goes first, and that everything comes back (law 5)."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from functools import partial

import pytest

from kinote.memory.ledger import SMALL, STEP, Charge, Ledger, MemoryFullError

_MB = 1 << 20
#: Of 80 MB, 10 are kept for small charges.
_SIZE = 80 * _MB


def _ledger(longest_wait: float = 0.0) -> Ledger:
    return Ledger(_SIZE, longest_wait)


def _in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _until_waiting(ledger: Ledger, number: int) -> None:
    """Until so many charges wait."""
    tick = threading.Event()
    while ledger.waiting < number:
        tick.wait(0.001)


def test_what_is_charged_is_held_until_it_is_released() -> None:
    ledger = _ledger()
    with ledger.open() as charge:
        charge.reach(5 * _MB)
        assert ledger.held == charge.size == 5 * _MB
        charge.reach(3 * _MB)
        charge.add(1)
        assert ledger.held == 5 * _MB + 1
    assert ledger.held == charge.size == 0
    charge.release()
    assert ledger.held == 0


def test_memory_is_taken_in_steps() -> None:
    ledger = _ledger()
    charge = ledger.open()
    charge.reach(1)
    assert charge.size == STEP
    charge.reach(STEP + 1)
    assert charge.size == 2 * STEP


def test_a_charge_that_falls_gives_back_what_is_over() -> None:
    ledger = _ledger()
    charge = ledger.open()
    charge.reach(50 * _MB)
    charge.fall_to(60 * _MB)
    assert ledger.held == 50 * _MB
    charge.fall_to(1)
    assert ledger.held == charge.size == STEP
    charge.reach(2 * STEP)
    assert ledger.held == 2 * STEP


def test_what_does_not_fit_is_refused_in_the_end_and_leaves_nothing_behind() -> None:
    ledger = _ledger()
    first, second = ledger.open(), ledger.open()
    first.reach(60 * _MB)
    with pytest.raises(MemoryFullError, match="try again later"):
        second.reach(20 * _MB)
    assert (ledger.held, ledger.refused, ledger.waiting) == (60 * _MB, 1, 0)
    first.release()
    second.reach(20 * _MB)
    assert ledger.held == 20 * _MB


def test_large_charges_leave_room_for_small_ones() -> None:
    ledger = _ledger()
    large = ledger.open()
    large.reach(40 * _MB)
    other = ledger.open()
    other.reach(30 * _MB)
    with pytest.raises(MemoryFullError):
        other.reach(31 * _MB)
    small = [ledger.open() for _ in range(10)]
    for each in small:
        each.reach(SMALL)
    with pytest.raises(MemoryFullError):
        ledger.open().reach(1)


def test_what_needs_more_than_all_of_it_has_it_alone() -> None:
    ledger = _ledger()
    with ledger.open() as charge:
        charge.reach(1000 * _MB)
        assert ledger.held == _SIZE
        charge.reach(2000 * _MB)
        with pytest.raises(MemoryFullError):
            ledger.open().reach(1)
    other = ledger.open()
    other.reach(1)
    with pytest.raises(MemoryFullError):
        ledger.open().reach(1000 * _MB)


def test_who_has_memory_goes_before_who_has_none_and_nobody_overtakes() -> None:
    ledger = _ledger(longest_wait=60.0)
    holder, growing = ledger.open(), ledger.open()
    holder.reach(50 * _MB)
    growing.reach(10 * _MB)
    order: list[str] = []

    def wait(charge: Charge, size: int, name: str) -> threading.Thread:
        def work() -> None:
            charge.reach(size)
            order.append(name)
            charge.release()

        return _in_thread(work)

    threads = []
    # Each needs nearly all, so one after the other gets it.
    for number, (charge, size, name) in enumerate(
        [
            (ledger.open(), 69 * _MB, "first"),
            (ledger.open(), 2 * _MB, "second"),
            (growing, 70 * _MB, "growing"),
        ]
    ):
        threads.append(wait(charge, size, name))
        _until_waiting(ledger, number + 1)
    holder.release()
    for thread in threads:
        thread.join()
    assert order[0] == "growing"
    assert sorted(order) == ["first", "growing", "second"]
    assert ledger.held == 0


def test_an_event_loop_waits_without_standing_still() -> None:
    ledger = _ledger(longest_wait=60.0)

    async def use() -> None:
        first, second = ledger.open(), ledger.open()
        await first.reached(60 * _MB)
        waits = asyncio.ensure_future(second.reached(60 * _MB))
        await asyncio.sleep(0)
        assert not waits.done()
        first.release()
        await waits
        assert ledger.held == 60 * _MB
        second.release()

    asyncio.run(use())
    assert ledger.held == 0


def test_in_an_event_loop_too_what_does_not_fit_is_refused_in_the_end() -> None:
    ledger = _ledger()

    async def use() -> None:
        first, second = ledger.open(), ledger.open()
        await first.reached(60 * _MB)
        with pytest.raises(MemoryFullError):
            await second.reached(60 * _MB)

    asyncio.run(use())
    assert (ledger.refused, ledger.waiting) == (1, 0)


def test_a_task_that_is_cancelled_while_it_waits_leaves_the_queue() -> None:
    ledger = _ledger(longest_wait=60.0)

    async def use() -> None:
        first, second = ledger.open(), ledger.open()
        await first.reached(60 * _MB)
        waits = asyncio.ensure_future(second.reached(60 * _MB))
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        first.release()
        assert (ledger.held, ledger.waiting, second.size) == (0, 0, 0)

    asyncio.run(use())


def test_of_many_threads_all_get_their_turn_and_nothing_is_lost() -> None:
    ledger = _ledger(longest_wait=60.0)
    most = 0

    def work(number: int) -> None:
        nonlocal most
        for round_ in range(30):
            with ledger.open() as charge:
                charge.reach((number + 1) * 3 * _MB)
                most = max(most, ledger.held)
                charge.add(round_ * 1000)

    threads = [_in_thread(partial(work, number)) for number in range(8)]
    for thread in threads:
        thread.join()
    assert most <= _SIZE
    assert (ledger.held, ledger.refused, ledger.waiting) == (0, 0, 0)


def test_what_nobody_can_release_any_more_comes_back() -> None:
    ledger = _ledger()
    charge = ledger.open()
    charge.reach(_MB)
    assert ledger.held == _MB
    del charge
    gc.collect()
    assert ledger.held == 0
