"""Which index, data directory and store belong together, and what is said and done where they do not (law 8)."""

from __future__ import annotations

import json
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest

from kinote.app import (
    Application,
    ApplicationError,
    Purpose,
    adopt,
    adopting,
    open_application,
    opening,
    taking_over,
)
from kinote.catalog.sql import dialects
from kinote.holdings.opening import installation
from kinote.holdings.opening.recovery import recover
from kinote.settings.model import Settings
from kinote.storage.journal_files import JournalFiles
from tests.actors import ORIGIN
from tests.clock import clock
from tests.databases import PostgresServer
from tests.intake.objects import image
from tests.kept_bytes import kept_below


@dataclass(slots=True)
class Place:
    """A data directory and its index, on one kind of database, with ways to lose or exchange either."""

    data: Path
    server: PostgresServer | None
    database: str

    @property
    def settings(self) -> Settings:
        given = {"data": self.data, **({"database": self.server.url(self.database)} if self.server else {})}
        return Settings.model_validate(given)

    @contextmanager
    def open(self, purpose: Purpose = "serve") -> Iterator[Application]:
        with open_application(self.settings, purpose) as application:
            yield application

    def store(self, *numbers: int) -> None:
        """Open, take in these images, and close."""
        with self.open() as application:
            for number in numbers:
                upload = application.receiver.open(ORIGIN)
                upload.write(image(number))
                assert upload.finish().result(60).kind == "stored"

    def objects(self) -> set[tuple[int, str]]:
        return kept_below(self.data)

    def copy_index(self, to: str) -> None:
        if self.server:
            self.server.create(f"{self.database}_{to}", template=self.database)
        else:
            # As a backup is made while somebody may be writing: a plain copy would lack what is in the WAL.
            with (
                closing(sqlite3.connect(self.data / "kinote.sqlite")) as here,
                closing(sqlite3.connect(self.data.parent / f"{to}.sqlite")) as there,
            ):
                here.backup(there)

    def bring_back_index(self, copy: str) -> None:
        if self.server:
            self.server.drop(self.database)
            self.server.create(self.database, template=f"{self.database}_{copy}")
        else:
            self.lose_index()
            shutil.copyfile(self.data.parent / f"{copy}.sqlite", self.data / "kinote.sqlite")

    def lose_index(self) -> None:
        if self.server:
            self.server.drop(self.database)
            self.server.create(self.database)
        else:
            for file in self.data.glob("kinote.sqlite*"):
                file.unlink()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        yield Place(tmp_path / "data", None, "")
        return
    server: PostgresServer = request.getfixturevalue("postgresql_server")
    name = f"place_{uuid.uuid4().hex[:12]}"
    server.create(name)
    yield Place(tmp_path / "data", server, name)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        pattern = name.replace("_", r"\_") + "%"
        found = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", (pattern,)
        ).fetchall()
    for (database,) in found:
        server.drop(database)


def refusal(place: Place, purpose: Purpose = "serve") -> str:
    """What is said at the open; nothing may have changed."""
    before = place.objects()
    with pytest.raises(ApplicationError) as refused, place.open(purpose):
        pass
    assert place.objects() == before
    assert not (place.data / "quarantine").exists()
    return str(refused.value)


def test_law_8_an_index_that_is_lost_is_not_replaced(place: Place) -> None:
    place.store(1, 2)
    place.lose_index()
    for purpose in ("serve", "work", "look"):
        assert "Bring back the newest copy of the index" in refusal(place, purpose)
    assert len(place.objects()) == 2
    assert place.server or not (place.data / "kinote.sqlite").exists(), "none was made in its place"


def test_law_8_an_older_index_is_refused_and_the_newest_is_taken(place: Place) -> None:
    place.store(1)
    place.copy_index("older")
    place.store(2, 3)
    place.copy_index("newest")
    place.bring_back_index("older")
    assert "this index is an older copy. Bring back the newest one" in refusal(place)
    assert len(place.objects()) == 3
    place.bring_back_index("newest")
    place.store(4)
    assert len(place.objects()) == 4


def test_law_8_an_index_copied_while_the_server_ran_is_older_once_it_has_closed(place: Place) -> None:
    with place.open():
        if place.server is None:
            place.copy_index("older")
    if place.server:
        # PostgreSQL copies no database that somebody uses.
        place.copy_index("older")
    place.store(1)
    place.bring_back_index("older")
    assert "older copy" in refusal(place)


def test_law_8_an_older_data_directory_is_refused(place: Place) -> None:
    if place.server is None:
        return  # Its index lies in it.
    place.store(1)
    shutil.copytree(place.data, place.data.with_name("older"))
    place.store(2)
    shutil.rmtree(place.data)
    place.data.with_name("older").rename(place.data)
    assert "this data directory is an older copy. Bring back the newest one, files included" in refusal(place)


def test_law_8_the_index_of_another_installation_is_refused(place: Place, tmp_path: Path) -> None:
    place.store(1)
    place.copy_index("kept")
    shutil.move(place.data, tmp_path / "kept")
    place.lose_index()
    place.store(2)
    shutil.rmtree(place.data)
    shutil.move(tmp_path / "kept", place.data)
    if place.server is None:
        other = Place(tmp_path / "other", None, "")
        other.store(5)
        place.lose_index()
        shutil.copyfile(other.data / "kinote.sqlite", place.data / "kinote.sqlite")
    assert "belong to different installations" in refusal(place)


def test_law_8_a_new_data_directory_for_a_used_index_is_refused(place: Place, tmp_path: Path) -> None:
    if place.server is None:
        return  # Its index lies in it.
    place.store(1)
    shutil.move(place.data, tmp_path / "kept")
    assert "belongs to another data directory" in refusal(place)


@pytest.mark.parametrize("folder", ["objects", "packs"])
def test_law_8_a_volume_that_is_not_mounted_is_not_an_empty_store(place: Place, folder: str) -> None:
    place.store(1)
    objects = place.data / folder
    objects.rename(place.data / "volume")
    objects.mkdir()
    assert "See that its volume is mounted" in refusal(place)
    objects.rmdir()
    (place.data / "volume").rename(objects)
    place.store(2)


def test_law_8_a_forgotten_setting_makes_no_index(postgresql_server: PostgresServer, tmp_path: Path) -> None:
    name = f"forgotten_{uuid.uuid4().hex[:12]}"
    postgresql_server.create(name)
    place = Place(tmp_path / "data", postgresql_server, name)
    place.store(1, 2)
    place.server = None
    for purpose in ("serve", "work", "look"):
        said = refusal(place, purpose)
        assert "See that the setting database says so" in said
        assert name in said
    assert not (place.data / "kinote.sqlite").exists()
    postgresql_server.drop(name)


def test_no_message_has_a_password(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with (
        pytest.raises(ApplicationError) as refused,
        open_application(
            Settings.model_validate({"data": data, "database": "postgresql://me:secret@127.0.0.1:1/none"})
        ),
    ):
        pass
    assert "secret" not in str(refused.value)
    assert not any("secret" in file.read_text() for file in data.rglob("*.json"))


def test_a_damaged_mark_is_said_and_not_written_over(place: Place) -> None:
    place.store(1)
    mark = place.data / "installation.json"
    for damaged in ("", "{", "[]", '{"installation": 1, "index": 2}'):
        mark.write_text(damaged)
        assert f"{mark} is damaged" in refusal(place)
        assert mark.read_text() == damaged
    adopt(place.settings)
    place.store(2)


def test_who_looks_changes_nothing(place: Place) -> None:
    place.store(1)
    before = {file: file.read_bytes() for file in place.data.rglob("*.json")}
    with place.open("look"):
        pass
    assert {file: file.read_bytes() for file in place.data.rglob("*.json")} == before


#: Where a kill may come between telling the data directory and telling the index.
_STEPS = ("mark_directory", "mark_store", "mark_index")


@pytest.mark.parametrize("step", _STEPS)
@pytest.mark.parametrize("kind", ["first", "second"])
def test_law_8_a_kill_while_marks_are_written_leaves_what_can_be_opened(
    place: Place, kind: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each writing of a mark is the last thing that is done, before and after it."""
    if kind == "second":
        place.store(1)
    for is_done in (False, True):
        for at in range(1, 3):
            with monkeypatch.context() as patched:
                patched.setattr(installation, step, _killed(getattr(installation, step), at, is_done=is_done))
                try:
                    with place.open():
                        # A kill comes to no end: nothing is marked as closed.
                        patched.setattr(opening, "mark_end", lambda *_: None)
                except _KilledError:
                    pass
            with place.open():
                pass
    place.store(7)


class _KilledError(BaseException):
    pass


def _killed(step: Callable[..., None], at: int, *, is_done: bool) -> Callable[..., None]:
    calls = 0

    def killed(*values: object, **named: object) -> None:
        nonlocal calls
        calls += 1
        if calls == at and not is_done:
            raise _KilledError
        step(*values, **named)
        if calls == at:
            raise _KilledError

    return killed


def test_an_installation_from_before_there_were_marks_gets_them(place: Place) -> None:
    place.store(1, 2)
    _forget_marks(place)
    with place.open("work"):
        assert not (place.data / "installation.json").exists(), (
            "only a server, whose recovery has looked, gives them"
        )
    place.store(3)
    assert json.loads((place.data / "installation.json").read_text())["openings"]
    place.copy_index("older")
    place.store(4)
    place.bring_back_index("older")
    assert "older copy" in refusal(place)


def test_law_8_from_before_there_were_marks_an_index_that_does_not_know_the_files_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.store(1)
    place.copy_index("older")
    place.store(*range(2, 9))
    place.bring_back_index("older")
    _forget_marks(place)
    with monkeypatch.context() as patched:
        patched.setattr(taking_over, "recover", partial(recover, at_most=5))
        assert "does not know 7 objects" in refusal(place)
    place.lose_index()
    assert "Bring back the index" in refusal(place)


def _forget_marks(place: Place) -> None:
    (place.data / "installation.json").unlink()
    for kind in ("objects", "packs"):
        (place.data / kind / "store.json").unlink()
    url = place.settings.database or f"sqlite:///{place.data / 'kinote.sqlite'}"
    engine = dialects.engine_for(url, pool_size=1)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM house WHERE name IN ('installation', 'opening')")
        connection.exec_driver_sql("DELETE FROM store")
    engine.dispose()


def test_an_administrator_may_go_on_with_an_older_index(place: Place) -> None:
    place.store(1)
    place.copy_index("older")
    place.store(2, 3)
    place.bring_back_index("older")
    refusal(place)
    adopt(place.settings)
    with place.open() as application:
        assert application.recovered.set_aside == 2
    assert len(place.objects()) == 1
    assert len(list((place.data / "quarantine").glob("*.dcm"))) == 2
    for file in (place.data / "quarantine").glob("*.dcm"):
        record = json.loads(file.with_name(f"{file.name}.json").read_text())
        assert set(record) == {"was_at", "why", "when", "bytes"}
        assert record["bytes"] == file.stat().st_size


def test_an_older_index_that_cannot_learn_from_the_journal_is_not_taken_for_the_right_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.store(1)
    place.copy_index("older")
    place.store(2)
    place.bring_back_index("older")

    def failing(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(adopting, "replay", failing)
        with pytest.raises(KeyboardInterrupt):
            adopt(place.settings)
    refusal(place)


def test_an_index_is_not_adopted_beside_the_journal_of_another_installation(place: Place) -> None:
    place.store(1)
    writer = JournalFiles(place.data / "journal", clock, lambda: "another")
    writer.append([{"id": "1", "kind": "purged", "uids": ["1.2"]}])
    writer.close()
    with pytest.raises(ApplicationError, match="another installation"):
        adopt(place.settings)
