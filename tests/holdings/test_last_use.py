"""The door's record of when studies were last used: coarse, written in the background, and never in a reader's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text

from kinote.app import open_application
from kinote.catalog.last_use import Use, write_uses
from kinote.catalog.schema.tables import last_use, study
from kinote.catalog.sql import statements
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings import last_use as last_use_module
from kinote.holdings.door import Door
from kinote.holdings.last_use import LastUse
from kinote.holdings.unavailable import BytesDamagedError
from kinote.security.actors import KINOTE, Actor, ActorKind
from kinote.settings.model import Settings
from tests.actors import ORIGIN, PROGRAM, ROE
from tests.holdings.stored_objects import CHANGES, Shelf
from tests.intake.objects import image

PERSON, SYSTEM, SERVER = ROE, PROGRAM, KINOTE

#: Another system, as a program is.
PEER = Actor(ActorKind.PEER, "CT", "192.0.2.7")

#: Row by row: the part of the study, who used it, and in which hour of the day.
Rows = set[tuple[str, str, int]]


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 30, 7, 31, 5, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def hours() -> Clock:
    return Clock()


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Iterator[Shelf]:
    """Of its objects the small one is flagged by the one in the index."""
    filled = Shelf.filled(catalog, tmp_path / "data")
    yield filled
    filled.close()


@pytest.fixture
def uses(shelf: Shelf, hours: Clock) -> LastUse:
    """What the door of the shelf tells."""
    found = LastUse(shelf.catalog, hours)
    shelf.door = Door(shelf.catalog, shelf.stores, clock=hours, used=found.note)
    return found


def written(catalog: Catalog) -> Rows:
    with catalog.read() as connection:
        return {(row.part, row.used_by, int(row.hour[11:13])) for row in connection.execute(select(last_use))}


def use(shelf: Shelf, name: str, by: Actor) -> None:
    with shelf.door.open(shelf.found(name), by).file:
        pass


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """All statements on all connections of this process, whichever way they go to the driver."""
    seen: list[str] = []

    def before(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    def counted(do: Callable[..., Any]) -> Callable[..., Any]:
        def done(connection: object, statement: str, parameters: Any) -> Any:
            seen.append(statement)
            return do(connection, statement, parameters)

        return done

    event.listen(Engine, "before_cursor_execute", before)
    try:
        with pytest.MonkeyPatch.context() as patched:
            for name in ("execute_by_driver", "rows_by_driver"):
                patched.setattr(statements, name, counted(getattr(statements, name)))
            yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", before)


def test_a_use_is_written_down_by_study_part_and_kind_of_actor(shelf: Shelf, uses: LastUse) -> None:
    for name, by in (("in a pack", SYSTEM), ("large", PEER), ("in the index", SYSTEM)):
        use(shelf, name, by)
    use(shelf, "small", PERSON)
    assert written(shelf.catalog) == set()
    uses.write()
    assert written(shelf.catalog) == {("rest", "system", 7), ("flagged", "person", 7)}
    with shelf.catalog.read() as connection:
        found = connection.execute(
            select(last_use.c.hour, study.c.study_instance_uid).join(study, study.c.id == last_use.c.study)
        )
        assert set(found.all()) == {("2026-11-30T07:00:00.000000+00:00", "1.2.3")}


def test_what_the_server_does_by_itself_is_no_use(shelf: Shelf, uses: LastUse) -> None:
    use(shelf, "small", SERVER)
    uses.write()
    assert written(shelf.catalog) == set()


def test_what_does_not_go_out_is_no_use(shelf: Shelf, uses: LastUse) -> None:
    shelf.change("small", CHANGES["altered"])
    with pytest.raises(BytesDamagedError):
        use(shelf, "small", PERSON)
    uses.write()
    assert written(shelf.catalog) == set()


def test_the_last_hour_stands_there_whoever_comes_later(shelf: Shelf, uses: LastUse, hours: Clock) -> None:
    use(shelf, "large", PERSON)
    hours.now += timedelta(hours=2)
    use(shelf, "large", PERSON)
    uses.write()
    assert written(shelf.catalog) == {("rest", "person", 9)}
    # A server whose clock is behind, and one that writes late.
    hours.now -= timedelta(hours=1)
    use(shelf, "large", PERSON)
    uses.write()
    assert written(shelf.catalog) == {("rest", "person", 9)}
    hours.now += timedelta(hours=5)
    use(shelf, "large", PERSON)
    uses.write()
    assert written(shelf.catalog) == {("rest", "person", 13)}


def test_what_was_read_in_this_hour_costs_no_statement(shelf: Shelf, uses: LastUse, hours: Clock) -> None:
    keys = [shelf.stored(name).id for name in ("small", "large")]
    for key in keys:
        uses.note(key, PERSON)
    uses.write()
    hours.now += timedelta(minutes=20)
    with counted_statements() as seen:
        for key in keys:
            uses.note(key, PERSON)
        uses.write()
    assert seen == []
    hours.now += timedelta(minutes=20)
    with counted_statements() as seen:
        for key in keys:
            uses.note(key, PERSON)
        assert seen == []
        uses.write()
    assert seen != []


def test_what_is_written_takes_as_many_statements_as_studies_not_as_instances(
    shelf: Shelf, uses: LastUse
) -> None:
    def cost(names: tuple[str, ...], by: Actor) -> int:
        for name in names:
            uses.note(shelf.stored(name).id, by)
        with counted_statements() as seen:
            uses.write()
        return len(seen)

    assert cost(("large",), PERSON) == cost(("large", "in a pack", "in the index"), SYSTEM)


@pytest.mark.parametrize("together", [1, 3])
def test_much_is_looked_up_and_written_in_parts(
    shelf: Shelf, uses: LastUse, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(last_use_module, "_TOGETHER", together)
    for by in (PERSON, SYSTEM):
        for name in ("in a pack", "small", "large", "in the index"):
            use(shelf, name, by)
    uses.write()
    assert written(shelf.catalog) == {
        (part, by, 7) for part in ("flagged", "rest") for by in ("person", "system")
    }


def test_an_instance_that_is_gone_was_not_used(shelf: Shelf, uses: LastUse) -> None:
    uses.note(999_999, PERSON)
    uses.note(shelf.stored("large").id, PERSON)
    uses.write()
    assert written(shelf.catalog) == {("rest", "person", 7)}


def test_what_is_gathered_has_a_bound(
    shelf: Shelf, uses: LastUse, hours: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_use_module, "_MOST", 2)
    for name in ("in a pack", "large", "small"):
        uses.note(shelf.stored(name).id, PERSON)
    uses.write()
    assert written(shelf.catalog) == {("rest", "person", 7)}
    uses.note(shelf.stored("small").id, PERSON)
    uses.write()
    assert written(shelf.catalog) == {("rest", "person", 7), ("flagged", "person", 7)}


def test_what_cannot_be_written_waits(
    shelf: Shelf, uses: LastUse, hours: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    use(shelf, "large", PERSON)
    rename = "ALTER TABLE last_use RENAME TO elsewhere"
    shelf.catalog.write(lambda transaction: transaction.execute(text(rename)))
    uses.write()
    assert "could not be written down now" in caplog.text
    use(shelf, "small", PERSON)
    back = "ALTER TABLE elsewhere RENAME TO last_use"
    shelf.catalog.write(lambda transaction: transaction.execute(text(back)))
    uses.write()
    assert written(shelf.catalog) == {("rest", "person", 7), ("flagged", "person", 7)}


def test_two_servers_that_write_the_same_do_not_wait_for_each_other(shelf: Shelf) -> None:
    key = shelf.catalog.write(lambda transaction: transaction.execute(select(study.c.id)).scalar_one())
    together = threading.Barrier(2)
    failures: list[BaseException] = []

    def write(hour: int) -> None:
        found = [
            Use(key, part, str(by.kind), f"{hour:02d}")
            for part in ("rest", "flagged")
            for by in (PERSON, SYSTEM)
        ]
        try:
            together.wait(60)
            for begin in range(20):
                some = found[begin % 4 :] + found[: begin % 4]
                shelf.catalog.write(partial(write_uses, uses=some))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(hour,)) for hour in (7, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    with shelf.catalog.read() as connection:
        assert set(connection.execute(select(last_use.c.hour)).scalars()) == {"08"}


@pytest.mark.parametrize(("purpose", "rows"), [("serve", 1), ("work", 1), ("look", 0)])
def test_an_application_writes_it_down_when_it_is_closed(tmp_path: Path, purpose: Any, rows: int) -> None:
    settings = Settings.model_validate({"data": tmp_path / "data"})
    with open_application(settings) as application:
        upload = application.receiver.open(ORIGIN)
        upload.write(image(1))
        uid = upload.finish().result(60).sop_instance_uid
    with open_application(settings, purpose) as application:
        with application.catalog.read() as connection:
            found = application.door.find_instance(connection, uid)
        assert found is not None
        with application.door.open(found, SYSTEM).file:
            pass
    with open_application(settings, "look") as application, application.catalog.read() as connection:
        assert len(connection.execute(select(last_use)).all()) == rows
