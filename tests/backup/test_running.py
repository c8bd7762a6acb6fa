"""Backups as a server makes them: one at a time, each with a row that says what became of it, and an alert."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kinote.backup.making import Source, backups_in
from kinote.backup.running import BackupOptions, Backups, NoBackupNowError, backups, last_good
from kinote.catalog.schema.tables import backup
from kinote.catalog.transactions.catalog import Catalog
from tests.actors import ROE

DAY = timedelta(days=1)


class SettableClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 30, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> SettableClock:
    return SettableClock()


@pytest.fixture
def source(catalog: Catalog, database_url: str, tmp_path: Path) -> Source:
    data = tmp_path / "data"
    return Source(catalog, database_url, "here", data / "objects", data / "packs", data / "journal")


@pytest.fixture
def making(source: Source, tmp_path: Path, time: SettableClock) -> Iterator[Backups]:
    opened = Backups(source, BackupOptions(tmp_path / "backups", DAY, keep=2), time, "")
    yield opened
    opened.close()


def rows(source: Source) -> list[tuple[str, str | None]]:
    with source.catalog.read() as connection:
        return [(each["state"], each["reason"]) for each in backups(connection)]


def made(making: Backups, source: Source) -> None:
    row = source.catalog.write(lambda transaction: making.ask(transaction, ROE))
    making.begin(row["id"])
    thread = making._thread
    assert thread is not None
    thread.join()


def test_a_backup_is_made_and_said_to_be_good(making: Backups, source: Source, tmp_path: Path) -> None:
    made(making, source)
    with source.catalog.read() as connection:
        good = last_good(connection)
    assert good is not None
    assert (good["state"], good["asked_by"], good["reason"]) == ("good", str(ROE), None)
    assert [Path(good["folder"])] == backups_in(tmp_path / "backups")
    assert good["bytes"] > 0


def test_one_is_made_at_a_time(making: Backups, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    going, may_end = threading.Event(), threading.Event()

    def waiting(*_: object, **__: object) -> None:
        going.set()
        may_end.wait()

    monkeypatch.setattr("kinote.backup.running.make_backup", waiting)
    row = source.catalog.write(lambda transaction: making.ask(transaction, ROE))
    making.begin(row["id"])
    going.wait()
    with pytest.raises(NoBackupNowError, match=f"Backup {row['id']} is being made"):
        source.catalog.write(lambda transaction: making.ask(transaction, ROE))
    may_end.set()


def test_without_a_folder_the_setting_is_named(source: Source, time: SettableClock) -> None:
    making = Backups(source, BackupOptions(), time, "")
    with pytest.raises(NoBackupNowError, match="backup_folder"):
        source.catalog.write(lambda transaction: making.ask(transaction, ROE))
    making.step()
    assert (rows(source), making.alerts()) == ([], ())


def test_what_a_server_left_is_failed_and_the_next_is_made(making: Backups, source: Source) -> None:
    source.catalog.write(
        lambda transaction: transaction.execute(
            backup.insert(), {"state": "running", "node": "gone", "folder": "", "begun_at": "2026"}
        )
    )
    made(making, source)
    assert [state for state, _ in rows(source)] == ["good", "failed"]
    assert "has ended" in (rows(source)[1][1] or "")


def test_a_folder_that_cannot_be_written_fails_with_a_sentence(
    making: Backups, source: Source, tmp_path: Path
) -> None:
    (tmp_path / "backups").write_text("in the way")
    made(making, source)
    ((state, reason),) = rows(source)
    assert state == "failed"
    assert "could not be written" in (reason or "")


def test_it_is_made_on_time_and_an_alert_says_if_it_is_not(
    making: Backups, source: Source, time: SettableClock, tmp_path: Path
) -> None:
    for _ in range(3):
        making.step()
        assert making._thread is not None
        making._thread.join()
        time.now += timedelta(hours=25)
    assert [state for state, _ in rows(source)] == ["good"] * 3
    # The newest are kept.
    assert len(backups_in(tmp_path / "backups")) == 2
    assert making.alerts() == ()
    time.now += DAY
    (alert,) = making.alerts()
    assert (alert.code, "last good backup" in alert.text) == ("BACKUP_TOO_OLD", True)


def test_a_row_of_which_nothing_could_be_written_does_not_stay_running(
    making: Backups, source: Source, time: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(making, "_set", lambda *_: None)
        made(making, source)
    assert [state for state, _ in rows(source)] == ["running"]
    time.now += timedelta(minutes=2)
    making.step()
    assert [state for state, _ in rows(source)] == ["failed"]


def test_one_that_is_asked_for_while_the_last_one_tidies_up_is_made(
    making: Backups, source: Source, time: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, may_end = threading.Event(), threading.Event()

    def waiting(*_: object) -> None:
        going.set()
        may_end.wait()

    monkeypatch.setattr("kinote.backup.running.keep_newest", waiting)
    first = source.catalog.write(lambda transaction: making.ask(transaction, ROE))
    making.begin(first["id"])
    going.wait()
    time.now += timedelta(seconds=1)
    second = source.catalog.write(lambda transaction: making.ask(transaction, ROE))
    making.begin(second["id"])
    may_end.set()
    thread = making._thread
    assert thread is not None
    thread.join()
    assert [state for state, _ in rows(source)] == ["good", "good"]


def test_a_clock_that_was_ahead_stops_no_backup_and_no_alert(
    making: Backups, source: Source, time: SettableClock, tmp_path: Path
) -> None:
    now = time.now
    time.now = now + 1000 * DAY
    made(making, source)
    time.now = now
    assert [alert.code for alert in making.alerts()] == ["BACKUP_TOO_OLD"]
    for _ in range(3):
        making.step()
        assert making._thread is not None
        making._thread.join()
        time.now += timedelta(hours=25)
        assert making.alerts() == ()
    # The newest are those that were made last.
    assert [state for state, _ in rows(source)] == ["good"] * 4
    assert [each.name[:4] for each in backups_in(tmp_path / "backups")] == ["2026", "2026"]


def test_a_folder_in_the_data_directory_is_refused(source: Source, time: SettableClock) -> None:
    making = Backups(source, BackupOptions(source.journal.parent / "backups"), time, "")
    with pytest.raises(NoBackupNowError, match="lies in the data directory"):
        source.catalog.write(lambda transaction: making.ask(transaction, ROE))
