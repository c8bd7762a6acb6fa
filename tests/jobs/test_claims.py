"""Who comes next: priorities, lines, shares of kinds and destinations, queues; and what it costs to find out."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.catalog.transactions.waiting_work import Budget
from kinote.jobs.claiming import ANY_QUEUED, Turns, claim, has_work
from kinote.jobs.enqueueing import enqueue
from kinote.jobs.kinds import IDLE, URGENT, JobKind
from kinote.jobs.leased import Done, Failed, LeasedJob, LeftOff
from kinote.jobs.lists import JobFilter, number_of_dead, one, page
from kinote.jobs.passing_time import change_due_jobs, next_moment, sort_out_kinds
from kinote.jobs.queues import QueueClosedError, QueueState, require_accepting, set_queue
from tests.jobs.shop import KINDS, SEND, SWEEP, Shop


def test_the_urgent_come_first_and_then_the_first(shop: Shop) -> None:
    keys = [shop.enqueue(priority=priority) for priority in (IDLE, 5, URGENT, 5)]
    order = []
    while (worker := shop.claim()) is not None:
        order.append(worker.id)
        shop.settle(worker, Done())
    assert order == [keys[2], keys[1], keys[3], keys[0]]


def test_one_that_was_attempted_goes_to_the_end_of_the_line(shop: Shop) -> None:
    poisonous = shop.enqueue()
    shop.settle(shop.claimed(), Failed("broken"))
    others = [shop.enqueue() for _ in range(3)]
    shop.pass_time(timedelta(seconds=10))
    order = []
    while (worker := shop.claim()) is not None:
        order.append(worker.id)
        shop.settle(worker, Done())
    assert order == [*others, poisonous]


def test_kinds_and_destinations_have_their_turns(shop: Shop) -> None:
    for _ in range(4):
        shop.enqueue(SWEEP)
    for to in ("A", "A", "A", "B"):
        shop.enqueue(SEND, destination=to)
    order = []
    while (worker := shop.claim()) is not None:
        order.append((worker.kind.name, worker.claimed.destination))
        shop.settle(worker, Done())
    sweep, to_a, to_b = ("sweep", ""), ("send", "A"), ("send", "B")
    assert order == [to_a, sweep, to_b, sweep, to_a, sweep, to_a, sweep]


def test_each_kind_and_each_destination_has_its_share(shop: Shop) -> None:
    for _ in range(5):
        shop.enqueue(SWEEP)
        shop.enqueue(SEND, destination="A")
    shop.enqueue(SEND, destination="B")
    leased: Counter[tuple[str, str]] = Counter()
    while (worker := shop.claim()) is not None:
        leased[worker.kind.name, worker.claimed.destination] += 1
    assert leased == {("sweep", ""): SWEEP.at_once, ("send", "A"): 1, ("send", "B"): 1}


def test_a_destination_with_a_million_jobs_keeps_no_other_waiting(shop: Shop) -> None:
    for _ in range(20):
        shop.enqueue(SEND, destination="A")
    shop.enqueue(SEND, destination="B")
    first, second = shop.claimed(), shop.claimed()
    assert {first.claimed.destination, second.claimed.destination} == {"A", "B"}


def test_workers_that_claim_at_once_never_get_the_same_job_or_more_than_the_share(shop: Shop) -> None:
    for number in range(12):
        shop.enqueue(SEND, destination=str(number % 6))

    def take(worker: int) -> list[tuple[int, str]]:
        turns, taken = Turns(), []
        while (leased := shop.claim(str(worker), turns)) is not None:
            taken.append((leased.id, leased.claimed.destination))
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [each for those in pool.map(take, range(4)) for each in those]
    assert sorted(destination for _, destination in taken) == [str(number) for number in range(6)]
    assert len({key for key, _ in taken}) == 6


def test_of_two_that_make_the_same_job_at_once_one_makes_it(shop: Shop) -> None:
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(lambda _: shop.enqueue(natural_key="the same"), range(8)))
    assert len(keys) == len(shop.rows()) == 1
    shop.settle(shop.claimed(), Done())
    assert shop.enqueue(natural_key="the same") not in keys


def test_a_job_is_there_with_its_data_or_neither(shop: Shop) -> None:
    def fails(transaction: Any) -> None:
        enqueue(transaction, SWEEP, {}, clock=shop.clock, actor="test")
        raise ValueError

    with pytest.raises(ValueError):
        shop.catalog.write(fails)
    assert shop.rows() == []


def test_a_payload_is_bounded(shop: Shop) -> None:
    with pytest.raises(ValueError, match="table of the job's kind"):
        shop.enqueue(payload={"uids": ["1.2.3"] * 20_000})


def queue(shop: Shop, state: QueueState, kind: str = "sweep") -> None:
    shop.catalog.write(
        lambda tx: set_queue(tx, kind, state, actor="Jane", reason="maintenance", clock=shop.clock)
    )


@pytest.mark.parametrize("state", QueueState)
def test_what_a_queue_does_in_each_state(shop: Shop, state: QueueState) -> None:
    before = shop.enqueue()
    queue(shop, state)
    later = shop.enqueue()
    begun = set()
    while (worker := shop.claim()) is not None:
        begun.add(worker.id)
    expected = {
        QueueState.RUNNING: {before, later},
        QueueState.ACCEPTING: set(),
        QueueState.DRAINING: {before},
        QueueState.HALTED: set(),
    }
    assert begun == expected[state]
    with shop.catalog.read() as connection:
        if state.accepts:
            require_accepting(connection, "sweep")
        else:
            with pytest.raises(QueueClosedError, match="by Jane: maintenance"):
                require_accepting(connection, "sweep")
        sentences = {
            each["id"]: each["sentence"]
            for each in page(connection, JobFilter(), KINDS, before=None, limit=9)
        }
    assert ("by Jane" in sentences[later]) == (later not in begun)


def test_a_job_of_an_unknown_kind_waits_visibly_and_is_not_lost(shop: Shop) -> None:
    newer = JobKind("newer", "does something new")
    key = shop.enqueue(newer)
    assert shop.claim() is None
    with shop.catalog.read() as connection:
        assert "does not know this kind of job" in one(connection, key, KINDS)["sentence"]
    sort_out_kinds(shop.catalog, KINDS, shop.clock)
    assert shop.state(key) == "queued", "another server may know it"
    shop.pass_time(timedelta(hours=1))
    sort_out_kinds(shop.catalog, KINDS, shop.clock)
    row = shop.row(key)
    assert (row.state, row.reason.startswith("No server that runs knows")) == ("waiting", True)
    sort_out_kinds(shop.catalog, {**KINDS, "newer": newer}, shop.clock)
    assert shop.state(key) == "queued"
    assert Shop(shop.catalog, {"newer": newer}).claimed().id == key


def test_a_line_is_gone_through_in_turns_however_its_destinations_are_called(shop: Shop) -> None:
    turns = Turns()
    for to in ("", "A", "B"):
        shop.enqueue(SEND, destination=to)
    seen = []
    for _ in range(6):
        worker = shop.claim(turns=turns)
        assert worker is not None
        seen.append(worker.claimed.destination)
        shop.settle(worker, LeftOff())
    assert seen == ["", "A", "B", "", "A", "B"]


def test_claims_walk_through_nothing_however_many_jobs_have_ended(sqlite_url: str) -> None:
    """By the steps that SQLite takes with ten thousand jobs that are done, and with none."""
    catalog = Catalog(CatalogOptions(sqlite_url))
    shop = Shop(catalog)
    steps_of_a_claim(shop)
    few = steps_of_a_claim(shop)
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1000 UNION ALL SELECT x + 1 FROM n WHERE x < 11000)"
    columns = "id, kind, priority, state, payload, attempt, attempts, attempts_allowed, made_at, changed_at, ended_at"
    catalog.write(
        lambda tx: tx.exec_driver_sql(
            f"{numbers} INSERT INTO job ({columns}) "  # noqa: S608
            "SELECT x, 'sweep', 5, 'done', '{}', 1, 3, 3, '2026', '2026', '2026' FROM n"
        )
    )
    many = steps_of_a_claim(shop)
    assert many < few * 2, (few, many)
    catalog.close()


def steps_of_a_claim(shop: Shop) -> int:
    """The steps of SQLite's virtual machine, in tens, for all that is asked while a job is made, found and claimed."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    def counted(transaction: Any) -> None:
        driver = transaction.connection.driver_connection
        driver.set_progress_handler(count, 10)
        made = enqueue(transaction, SWEEP, {}, clock=shop.clock, actor="test", natural_key="the one")
        assert not enqueue(
            transaction, SWEEP, {}, clock=shop.clock, actor="test", natural_key="the one"
        ).is_new
        assert transaction.execute(ANY_QUEUED.query).first() is not None
        assert has_work(transaction, shop.kinds, shop.turns)
        claimed = claim(transaction, shop.kinds, shop.turns, "w", shop.clock.now)
        assert claimed is not None and claimed.id == made.id
        assert next_moment(transaction) is not None
        assert not change_due_jobs(transaction, Budget(lambda: 0.0), shop.clock)
        leased = LeasedJob(shop.catalog, shop.clock, SWEEP, claimed)
        assert leased.settle(transaction, Done(), 1.0)
        assert number_of_dead(transaction) == 0
        driver.set_progress_handler(None, 10)

    shop.catalog.write(counted)
    return steps
