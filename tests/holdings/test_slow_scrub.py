"""The scrub of a running server: everything within a set time, a little at a time, by one server of several."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import update

from kinote.app import open_application
from kinote.catalog.nodes import LIVING, Node
from kinote.catalog.schema.tables import instance, node, scrub_pass
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.scrub_passes import ScrubPass, last_pass
from kinote.catalog.transactions.catalog import Catalog
from kinote.catalog.transactions.waiting_work import WaitingWork
from kinote.holdings.repeatedly import Repeatedly
from kinote.holdings.scrubbing import pace as pace_module
from kinote.holdings.scrubbing import scrub as scrub_module
from kinote.holdings.scrubbing import slow_scrub as slow_module
from kinote.holdings.scrubbing.pace import LEAST, MOST, OPENING, SLICE, Pace, bytes_left
from kinote.holdings.scrubbing.progress import ScrubProgress, scrub_progress
from kinote.holdings.scrubbing.slow_scrub import EndingError, SlowScrub
from kinote.settings.model import Settings
from kinote.storage.digests import BLAKE3
from kinote.storage.local import local_stores
from kinote.telemetry.registry import REGISTRY
from tests.actors import ORIGIN
from tests.holdings.stored_objects import CHANGES, Shelf
from tests.web.objects import as_file, image

KINDS = ("in a pack", "small", "large", "in the index")

MONTH = timedelta(days=30)

#: Seconds after which something counts as lost, and between two signs of life that never come.
LIMIT, NEVER = 60, 86_400.0


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Iterator[Shelf]:
    filled = Shelf.filled(catalog, tmp_path / "data")
    yield filled
    filled.close()


@dataclass
class Server:
    """A node of the shelf's index, with its scrub and what that asks for."""

    shelf: Shelf
    now: datetime
    node: Node = field(init=False)
    scrub: SlowScrub = field(init=False)
    #: What it has waited within objects.
    waited: list[float] = field(default_factory=list)
    is_ending: bool = False
    store_is_there: bool = True
    #: Seconds that each look at the steady clock takes.
    slowness: float = 0.0
    _seconds: float = 0.0

    def __post_init__(self) -> None:
        self.node = Node(self.shelf.catalog, "here", self.clock, every=NEVER)
        self.start()

    def start(self) -> None:
        self.scrub = SlowScrub(
            self.shelf.catalog,
            self.shelf.stores,
            self.clock,
            node=self.node.id,
            within=MONTH,
            store_is_there=lambda _: self.store_is_there,
            wait=self.wait,
            steady=self.steady,
        )

    def clock(self) -> datetime:
        return self.now

    def steady(self) -> float:
        self._seconds += self.slowness
        return self._seconds

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.now += timedelta(seconds=seconds)
        return self.is_ending

    def step(self) -> float:
        """A step, and the time until the next one."""
        seconds = self.scrub.step()
        self.now += timedelta(seconds=seconds)
        return seconds

    def scrub_all(self) -> ScrubPass:
        """Steps until a pass is through."""
        for _ in range(100):
            self.step()
            found = self.last()
            if found is not None and found.ended_at is not None:
                return found
        raise AssertionError("The pass does not end")

    def last(self) -> ScrubPass | None:
        with self.shelf.catalog.read() as connection:
            return last_pass(connection)

    def under_way(self) -> ScrubPass:
        found = self.last()
        assert found is not None
        return found

    def die(self) -> None:
        """It has given its last sign of life long ago."""
        self._give_sign(min(self.now, datetime.now(UTC)) - 2 * LIVING)

    def live(self) -> None:
        """It has just given a sign of life."""
        self._give_sign(self.now)

    def _give_sign(self, when: datetime) -> None:
        self.shelf.catalog.write(
            lambda transaction: transaction.execute(
                update(node).where(node.c.id == self.node.id).values(heartbeat_at=timestamp(when))
            )
        )


@pytest.fixture
def server(shelf: Shelf) -> Iterator[Server]:
    opened = Server(shelf, datetime.now(UTC))
    yield opened
    opened.scrub.close()
    opened.node.close()


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step reads one object."""
    monkeypatch.setattr(slow_module, "SLICE", 1)


def size_of_all(shelf: Shelf) -> int:
    return sum(len(shelf.data_set(name)) for name in KINDS)


def test_a_pass_reads_everything_and_says_so(
    shelf: Shelf, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    found = server.scrub_all()
    assert (found.objects, found.bytes, found.damaged, found.unreadable) == (4, size_of_all(shelf), 0, 0)
    assert found.node == ""
    said = [record.getMessage() for record in caplog.records if "scrub" in record.getMessage()]
    assert said == ["The scrub begins", "The scrub has read everything"]


@pytest.mark.parametrize("change", CHANGES)
def test_law_7_what_differs_is_found_in_a_running_server(shelf: Shelf, server: Server, change: str) -> None:
    for name in KINDS:
        shelf.change(name, CHANGES[change])
    assert server.scrub_all().damaged == len(KINDS)
    assert {shelf.residence(name) for name in KINDS} == {"damaged"}


def test_digests_of_before_are_renewed(shelf: Shelf, server: Server) -> None:
    for name in KINDS:
        shelf.with_older_digest(name)
    assert server.scrub_all().renewed == len(KINDS)
    assert {shelf.stored(name).digest_algorithm for name in KINDS} == {BLAKE3}


def test_breach_of_law_7_a_pass_that_compares_nothing_is_noticed(
    shelf: Shelf, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub_module, "look_through", lambda *_: None)
    shelf.change("small", CHANGES["altered"])
    assert server.scrub_all().damaged == 0
    assert shelf.residence("small") == "local"


@pytest.mark.usefixtures("one_by_one")
def test_a_step_reads_a_slice_and_a_restart_goes_on(
    shelf: Shelf, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.step()
    server.step()
    server.scrub.close()
    assert (server.under_way().objects, server.under_way().node) == (2, "")
    server.start()
    assert server.scrub_all().objects == 4
    assert [record.getMessage() for record in caplog.records if "scrub" in record.getMessage()] == [
        "The scrub begins",
        "The scrub goes on",
        "The scrub has read everything",
    ]


@pytest.mark.usefixtures("one_by_one")
def test_a_kill_costs_what_was_read_since_it_was_written_down(server: Server) -> None:
    for _ in range(2):
        server.step()
    assert server.under_way().objects == 0
    server.now += timedelta(minutes=2)
    server.step()
    assert server.under_way().objects == 3
    # Nobody closes it.
    server.start()
    assert server.scrub_all().objects == 4


@pytest.mark.usefixtures("one_by_one")
def test_one_server_of_several_does_it(shelf: Shelf, server: Server) -> None:
    other = Server(shelf, server.now)
    server.step()
    assert server.under_way().node == server.node.id
    position = server.under_way().position
    assert other.step() == 60
    assert server.under_way().node == server.node.id
    assert server.under_way().position == position
    # It goes on where the first has left it, or is dead.
    server.scrub.close()
    other.step()
    assert (server.under_way().node, server.under_way().objects) == (other.node.id, 1)
    other.die()
    server.now += 2 * LIVING
    server.start()
    server.step()
    assert server.under_way().node == server.node.id
    other.now += timedelta(minutes=2)
    server.now = other.now
    server.live()
    other.step()  # It only seemed to be dead: now it sees that the pass is another's.
    assert server.under_way().node == server.node.id
    assert other.step() == 60
    assert server.scrub_all().objects >= 4
    other.node.close()


def test_the_next_pass_begins_when_the_set_time_is_over(server: Server) -> None:
    first = server.scrub_all()
    for _ in range(3):
        assert server.step() == 60
    assert server.last() == first
    server.now = datetime.fromisoformat(first.begun_at) + MONTH - timedelta(seconds=1)
    server.scrub.step()
    assert server.last() == first
    server.now += timedelta(seconds=1)
    second = server.scrub_all()
    assert (second.id > first.id, second.objects) == (True, 4)


def test_a_clock_that_was_wrong_does_not_end_it_for_ever(server: Server) -> None:
    right = server.now
    server.now += timedelta(days=3650)
    first = server.scrub_all()
    server.now = right
    assert server.scrub_all().id > first.id


def test_an_empty_index_has_nothing_to_be_scrubbed(catalog: Catalog, tmp_path: Path) -> None:
    empty = Server(
        cast(Shelf, SimpleNamespace(catalog=catalog, stores=local_stores(tmp_path / "data"))),
        datetime.now(UTC),
    )
    assert empty.step() == 60
    assert empty.last() is None
    empty.node.close()
    empty.shelf.stores.close()


@pytest.mark.usefixtures("one_by_one")
def test_what_has_come_meanwhile_is_of_the_next_pass(shelf: Shelf, server: Server) -> None:
    server.step()
    upload = shelf.receiver.open(ORIGIN)
    upload.write(as_file(image(9)))
    assert upload.finish().result(LIMIT).kind == "stored"
    assert server.scrub_all().objects == 4
    server.now += MONTH
    assert server.scrub_all().objects == 5


def test_a_store_that_is_not_there_stops_it(shelf: Shelf, server: Server) -> None:
    shelf.change("small", CHANGES["missing"])
    server.store_is_there = False
    assert server.step() == 60
    assert server.last() is None
    server.store_is_there = True
    assert server.scrub_all().damaged == 1


def test_what_cannot_be_read_is_counted(shelf: Shelf, server: Server) -> None:
    path = shelf.path("small")
    path.unlink()
    path.mkdir()
    found = server.scrub_all()
    assert (found.objects, found.unreadable, found.damaged) == (4, 1, 0)
    assert shelf.residence("small") == "local"


def test_many_objects_elsewhere_are_passed_in_parts(
    shelf: Shelf, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub_module, "_KEYS", 1)
    server.step()
    assert server.scrub_all().objects == 4
    shelf.catalog.write(
        lambda transaction: transaction.execute(
            update(instance)
            .where(instance.c.id == shelf.stored("small").id)
            .values(residence="remote", file_key=None)
        )
    )
    server.now += MONTH
    assert server.scrub_all().objects == 3


def test_all_that_it_writes_is_background_work(
    shelf: Shelf, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes: list[bool] = []
    put = WaitingWork.put

    def seen(waiting: WaitingWork, piece: Any, *, background: bool) -> bool:
        classes.append(background)
        return put(waiting, piece, background=background)

    shelf.change("small", CHANGES["altered"])
    shelf.with_older_digest("large")
    monkeypatch.setattr(WaitingWork, "put", seen)
    assert server.scrub_all().damaged == 1
    # It takes the pass, marks, renews and finishes.
    assert classes == [True] * 4


def test_a_large_object_is_read_with_pauses_and_given_up_when_the_server_ends(
    shelf: Shelf, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_module, "SLICE", 1024 * 1024)
    server.scrub_all()
    pieces = len(shelf.data_set("large")) // (1024 * 1024)
    assert len(server.waited) == pieces
    server.now += MONTH
    server.is_ending = True
    with pytest.raises(EndingError):
        while True:
            server.step()
    server.scrub.close()
    assert server.under_way().position < shelf.stored("large").id
    server.is_ending = False
    server.start()
    assert server.scrub_all().objects == 4


@pytest.mark.parametrize(
    ("left", "passed", "rate"),
    [
        (0, timedelta(), LEAST),
        (10**9, timedelta(), LEAST),
        (30 * 10**12, timedelta(), 30 * 10**12 / (27 * 86_400)),
        (15 * 10**12, timedelta(days=13.5), 15 * 10**12 / (13.5 * 86_400)),
        (10**15, timedelta(), MOST),
        (1, timedelta(days=28), MOST),
    ],
)
def test_the_pace_is_what_is_left_by_the_time_that_is_left(left: int, passed: timedelta, rate: float) -> None:
    begun = datetime(2026, 11, 30, tzinfo=UTC)
    assert Pace(begun, MONTH).rate(left, begun + passed) == pytest.approx(rate)


@pytest.mark.parametrize("total", [10**8, 10**12, 20 * 10**12])
def test_at_its_pace_everything_is_read_within_the_set_time(total: int) -> None:
    begun = now = datetime(2026, 11, 30, tzinfo=UTC)
    pace = Pace(begun, MONTH)
    left = total
    # A thousandth at a time, on a disk of 200 MB/s.
    while left > 0:
        some = max(total // 1000, 1)
        took = some / 200e6
        now += timedelta(seconds=took + pace.pause(some, took, left, now))
        left -= some
    assert now - begun <= MONTH


def test_where_the_disk_is_busy_it_pauses_longer() -> None:
    begun = datetime(2026, 11, 30, tzinfo=UTC)
    pace = Pace(begun, MONTH)
    quick, slow = pace.pause(SLICE, 0.02, 10**14, begun), pace.pause(SLICE, 2.0, 10**14, begun)
    assert quick < 1
    assert slow == 6.0


def test_one_object_does_not_take_for_ever() -> None:
    begun = datetime(2026, 11, 30, tzinfo=UTC)
    size = 4 * 10**9
    slices = size / SLICE
    assert slices * Pace(begun, MONTH).pause(SLICE, 0.01, 0, begun, of_size=size) <= 610


def test_how_much_is_left_is_estimated(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [
        len(shelf.data_set(name)) + OPENING for name in sorted(KINDS, key=lambda name: shelf.stored(name).id)
    ]
    keys = sorted(shelf.stored(name).id for name in KINDS)
    with shelf.catalog.read() as connection:
        assert bytes_left(connection, 0, keys[-1]) == sum(sizes)
        assert bytes_left(connection, keys[0], keys[-1]) == sum(sizes[1:])
        monkeypatch.setattr(pace_module, "_SAMPLES", 2)
        assert bytes_left(connection, keys[0] - 1, keys[-1]) == 2 * (sizes[0] + sizes[2])
        assert bytes_left(connection, keys[-1], keys[-1]) == 0


@pytest.mark.parametrize(
    ("days", "position", "is_behind"),
    [(1, 0, False), (29, 1, False), (31, 60, False), (31, 40, True), (59, 99, False), (61, 99, True)],
)
def test_who_is_hopelessly_behind_is_told_after_the_set_time(
    shelf: Shelf, server: Server, days: int, position: int, is_behind: bool
) -> None:
    begun = server.now
    shelf.catalog.write(
        lambda transaction: transaction.execute(
            scrub_pass.insert().values(begun_at=timestamp(begun), last_key=100, position=position)
        )
    )
    with shelf.catalog.read() as connection:
        found = scrub_progress(connection, MONTH, begun + timedelta(days=days))
    assert found == ScrubProgress(position / 100, None, begun if is_behind else None)


def test_progress_and_the_last_end_are_told(shelf: Shelf, server: Server) -> None:
    def progress() -> ScrubProgress:
        with shelf.catalog.read() as connection:
            return scrub_progress(connection, MONTH, server.now)

    assert progress() == ScrubProgress(0.0, None, None)
    ended = server.scrub_all().ended_at
    assert ended is not None
    assert progress() == ScrubProgress(1.0, datetime.fromisoformat(ended), None)


def counted(name: str, **labels: str) -> float:
    registry: CollectorRegistry = REGISTRY
    return registry.get_sample_value(name, labels) or 0.0


def test_metrics_count_what_is_read(shelf: Shelf, server: Server) -> None:
    names = ("sound", "damaged")
    before = {name: counted("kinote_scrubbed_objects_total", finding=name) for name in names}
    bytes_before = counted("kinote_scrubbed_bytes_total")
    shelf.change("in a pack", CHANGES["missing"])
    server.scrub_all()
    assert {
        name: counted("kinote_scrubbed_objects_total", finding=name) - before[name] for name in names
    } == {
        "sound": 3,
        "damaged": 1,
    }
    assert counted("kinote_scrubbed_bytes_total") - bytes_before == size_of_all(shelf) - len(
        shelf.data_set("in a pack")
    )


@pytest.mark.parametrize(
    ("purpose", "days", "threads"),
    [
        ("serve", 30, {"scrub", "last-use"}),
        ("serve", 0, {"last-use"}),
        ("work", 30, set()),
        ("look", 30, set()),
    ],
)
def test_only_a_server_scrubs(tmp_path: Path, purpose: Any, days: int, threads: set[str]) -> None:
    settings = Settings.model_validate({"data": tmp_path / "data", "scrub_days": days})
    names = {"scrub", "last-use"}
    with open_application(settings):
        pass
    with open_application(settings, purpose):
        assert {thread.name for thread in threading.enumerate()} & names == threads
    assert {thread.name for thread in threading.enumerate()} & names == set()


def test_a_step_that_fails_is_tried_again_and_what_is_repeated_ends(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinote.holdings.repeatedly._AFTER_FAILURE", 0.0)
    steps = threading.Semaphore(0)
    outcomes = iter(list[float | Exception]([0.0, RuntimeError("no disk"), 0.0]))

    def step() -> float:
        outcome = next(outcomes, NEVER)
        steps.release()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    running = Repeatedly("test", step, threading.Event(), first=0.0)
    for _ in range(4):
        assert steps.acquire(timeout=LIMIT)
    running.close()
    assert "no disk" in caplog.text
