"""Dead jobs that are run again while others do the same: never two at once, and never an error."""

from __future__ import annotations

import pytest

from kinote.jobs.acts import CountChangedError, JobAct, do, other_under_way, preview
from kinote.jobs.leased import Failed
from kinote.jobs.lists import JobFilter
from tests.jobs.shop import SWEEP, Shop

DEAD = JobFilter(state="dead")


def dead(shop: Shop, natural_key: str = "") -> int:
    key = shop.enqueue(SWEEP, natural_key=natural_key)
    shop.settle(shop.claimed(), Failed("no", for_good=True))
    assert shop.state(key) == "dead"
    return key


def retry(shop: Shop, wanted: JobFilter | list[int], expected: int | None = None) -> int:
    return shop.catalog.write(
        lambda transaction: do(
            transaction,
            JobAct.RETRY,
            wanted,
            expected=expected,
            actor="Jane",
            reason="the disk is back",
            clock=shop.clock,
        )
    ).count


def counted(shop: Shop, wanted: JobFilter | list[int]) -> int:
    with shop.catalog.read() as connection:
        return preview(connection, JobAct.RETRY, wanted).count


def test_law_3_a_dead_job_is_left_while_another_does_the_same(shop: Shop) -> None:
    old, plain = dead(shop, "one"), dead(shop)
    other = shop.enqueue(SWEEP, natural_key="one")
    assert counted(shop, DEAD) == 1
    assert retry(shop, DEAD, expected=1) == 1
    assert (shop.state(old), shop.state(plain)) == ("dead", "queued")
    assert retry(shop, [old]) == 0
    with shop.catalog.read() as connection:
        assert other_under_way(connection, old) == other
        assert other_under_way(connection, plain) is None


def test_law_3_of_dead_jobs_that_do_the_same_the_last_is_run_again(shop: Shop) -> None:
    keys = [dead(shop, name) for name in ("one", "two", "one", "", "", "one")]
    assert counted(shop, DEAD) == 4
    with pytest.raises(CountChangedError):
        retry(shop, DEAD, expected=6)
    assert retry(shop, DEAD, expected=4) == 4
    assert [shop.state(key) for key in keys] == ["dead", "queued", "dead", "queued", "queued", "queued"]
    assert counted(shop, DEAD) == 0


def test_a_job_that_waits_for_its_next_attempt_does_not_stand_in_its_own_way(shop: Shop) -> None:
    old = dead(shop, "one")
    waits = shop.enqueue(SWEEP, natural_key="one")
    shop.settle(shop.claimed(), Failed("later"))
    assert retry(shop, [old, waits]) == 1
    assert (shop.state(old), shop.state(waits)) == ("dead", "queued")
