"""Law 2: no job's state is an input to visibility or to deletion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.pool import Pool

from kinote.catalog.schema.live import LIVE_INSTANCE_SQL
from kinote.holdings.reaping.reaper import Reaper
from kinote.jobs.states import State
from kinote.lifecycle.purging.delays import PurgeDelays
from kinote.notes.registrar.registering_jobs import REGISTER_AGAIN
from tests.jobs.shop import Shop
from tests.jobs.test_transitions import WAYS, happen
from tests.laws.acts import Acts
from tests.laws.audit import hold_all, hold_instance, hold_law_1
from tests.laws.conftest import OpenProduct
from tests.laws.day import a_day
from tests.project.sources import PACKAGE, imports_of

#: The tables that only `kinote.jobs` knows.
TABLES = {"job", "job_event", "job_queue", "job_failed_object"}

#: What rooms that decide about visibility and deletion may use of jobs: they make and cancel them, and never ask.
#: `moments` is the clock of the database.
MAY_BE_TOLD = {"kinote.jobs.enqueueing", "kinote.jobs.kinds", "kinote.jobs.moments"}

#: Those rooms.
DECIDING = (
    "catalog",
    "intake",
    "lifecycle",
    "holdings",
    "retention",
    "corrections",
    "delivery",
    "scp",
    "notes",
)

#: Files that only write: they do jobs, and decide about nothing that is live.
HANDLERS = {
    "delivery/availability/following.py",
    "delivery/availability/telling.py",
    "delivery/archives/asking.py",
    "delivery/commitment/telling.py",
    "delivery/orders/account.py",
    "delivery/orders/carrying_out.py",
    "delivery/orders/page_under_way.py",
    "intake/settling_jobs.py",
    "notes/creator/making_jobs.py",
    "notes/registrar/registering_jobs.py",
    "notes/registrar/waiting_jobs.py",
}

#: Files that say how the jobs of deliveries stand, or end deliveries whose jobs have: a delivery's state decides
#: about no object. `opened_first` asks which documents this version could not read, so as not to read them again.
OF_OTHER_THINGS = {
    "delivery/orders/acts.py",
    "delivery/orders/keeping.py",
    "delivery/orders/lists.py",
    "notes/registrar/opened_first.py",
}


def knowing_tables(folder: Path) -> dict[str, set[str]]:
    """Files outside of `jobs` and of the schema that import a table of jobs."""
    found = {}
    for path in folder.rglob("*.py"):
        name = path.relative_to(folder).as_posix()
        if name.startswith(("jobs/", "catalog/schema/")):
            continue
        known = {
            table for module, table in imports_of(path) if module.startswith("kinote.catalog.schema")
        } & TABLES
        if known:
            found[name] = known
    return found


def asking(folder: Path) -> dict[str, set[str]]:
    """Files of rooms that decide, and what they use of jobs that they may not."""
    found = {}
    for path in folder.rglob("*.py"):
        name = path.relative_to(folder).as_posix()
        decides = name.startswith(tuple(f"{room}/" for room in DECIDING))
        used = {module for module, _ in imports_of(path) if module.startswith("kinote.jobs")} - MAY_BE_TOLD
        if decides and used and name not in HANDLERS | OF_OTHER_THINGS:
            found[name] = used
    return found


def test_law_2_only_jobs_know_the_tables_of_jobs() -> None:
    assert knowing_tables(PACKAGE) == {}


def test_law_2_rooms_that_decide_what_is_live_or_deleted_ask_nothing_of_jobs() -> None:
    assert asking(PACKAGE) == {}
    assert not any(table in sql for table in TABLES for sql in LIVE_INSTANCE_SQL.values())


def test_breach_of_law_2_a_file_that_asks_is_noticed(tmp_path: Path) -> None:
    files = {
        "lifecycle/standing.py": "from kinote.catalog.schema.tables import instance, job",
        "holdings/removing/removal.py": "from kinote.jobs.lists import number_of_dead",
        "notes/acts/withdraw.py": "from kinote.jobs.states import State",
    }
    for name, source in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(source)
    assert knowing_tables(tmp_path) == {"lifecycle/standing.py": {"job"}}
    assert set(asking(tmp_path)) == {"holdings/removing/removal.py", "notes/acts/withdraw.py"}


@contextmanager
def statements() -> Iterator[list[str]]:
    """All that is asked of SQLite over connections that are opened meanwhile."""
    seen: list[str] = []

    def connected(connection: Any, _record: object) -> None:
        connection.set_trace_callback(seen.append)

    event.listen(Pool, "connect", connected)
    try:
        yield seen
    finally:
        event.remove(Pool, "connect", connected)


_OF_JOBS = re.compile(r"\b(FROM|JOIN|UPDATE|INTO)\s+\"?job(_\w+)?\b", re.IGNORECASE)


def test_law_2_nothing_that_a_day_shows_hides_or_deletes_asks_for_a_job(
    open_sqlite_product: OpenProduct,
) -> None:
    with statements() as seen, open_sqlite_product() as acts:
        a_day(acts)
        hold_all(acts)
        for uid in acts.model.objects:
            hold_instance(acts, uid)
    assert len(seen) > 500
    assert [statement for statement in seen if _OF_JOBS.search(statement)] == []


def jobs_in_every_state(acts: Acts) -> None:
    """About every object, a job in each state."""
    shop = Shop(acts.product.catalog, {REGISTER_AGAIN.name: REGISTER_AGAIN})
    uids = sorted(acts.model.objects)
    for state in State:
        key = shop.enqueue(REGISTER_AGAIN, {"instances": uids})
        for each in WAYS[state]:
            happen(shop, key, each)


def test_law_2_whatever_jobs_there_are_everything_is_as_visible_as_before(acts: Acts) -> None:
    a_day(acts)
    jobs_in_every_state(acts)
    hold_all(acts)
    for uid in acts.model.objects:
        hold_instance(acts, uid)


def test_law_2_what_is_purged_depends_on_no_job(acts: Acts) -> None:
    """The fault of the system that is replaced: what was marked for deletion stayed because a job had failed."""
    a_day(acts)
    jobs_in_every_state(acts)
    product = acts.product
    withdrawn = "SELECT count(*) AS number FROM instance WHERE standing = 'withdrawn'"
    assert product.rows(withdrawn)[0].number
    reaper = Reaper(
        product.catalog,
        product.stores,
        lambda: datetime.now(UTC) + timedelta(days=4000),
        node="reaper",
        delays=PurgeDelays(timedelta()),
        store_is_there=lambda _: True,
    )
    while reaper.step() < 1:
        pass
    assert not product.rows(withdrawn)[0].number
    hold_law_1(acts)


def test_breach_of_law_2_what_a_dead_job_hides_is_noticed(acts: Acts) -> None:
    """The fault of the system that is replaced: objects of jobs that failed are live, and not to be seen."""
    a_day(acts)
    jobs_in_every_state(acts)
    view = LIVE_INSTANCE_SQL["sqlite" if acts.product.catalog.is_sqlite else "postgresql"]
    condition = (
        " AND NOT EXISTS (SELECT 1 FROM job WHERE job.state = 'dead' "
        "AND job.payload LIKE '%' || instance.sop_instance_uid || '%')"
    )

    def breach(transaction: Any) -> None:
        transaction.execute(text("DROP VIEW live_instance"))
        transaction.execute(text(view + condition))

    acts.product.catalog.write(breach)
    with pytest.raises(AssertionError):
        hold_law_1(acts)
