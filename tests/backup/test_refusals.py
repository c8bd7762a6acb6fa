"""What is refused or fails while a backup is made or restored leaves everything as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from kinote.backup.copied_index import copy_index
from kinote.backup.making import Source, make_backup
from kinote.backup.manifest import INDEX, MANIFEST
from kinote.backup.refusals import BackupError
from kinote.backup.restoring import chosen_backup, restore
from kinote.holdings.journal.comparing import compare
from kinote.holdings.journal.keeping import end_left, read_all
from kinote.storage.directory.marks import DirectoryMark, directory_mark, mark_directory
from kinote.storage.journal_files import journal_folder
from tests.backup.day import (
    INSTALLATION,
    Day,
    restored,
    rows,
    shorten,
    silent,
    source_of,
)
from tests.clock import clock
from tests.laws.arrivals import SECOND, Image
from tests.laws.product import Product


def _change_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _say_newer(file: Path) -> None:
    file.write_text(file.read_text().replace('"format": 1', '"format": 2'))


DAMAGES: list[tuple[str, Callable[[Path], None], str]] = [
    ("manifest missing", lambda folder: (folder / MANIFEST).unlink(), "never completed"),
    ("manifest damaged", lambda folder: _change_byte(folder / MANIFEST), "damaged"),
    ("of a newer version", lambda folder: _say_newer(folder / MANIFEST), "newer version"),
    ("index shortened", lambda folder: shorten(folder / INDEX), "damaged"),
    ("index changed", lambda folder: _change_byte(folder / INDEX), "damaged"),
    ("index missing", lambda folder: (folder / INDEX).unlink(), "incomplete"),
]


def test_a_damaged_pack_is_refused_and_a_later_one_is_not(sqlite_day: Day, tmp_path: Path) -> None:
    first = sqlite_day.backup()
    sqlite_day.acts.receive(Image(SECOND, 2))
    sqlite_day.backup()
    restore(first.folder, tmp_path / "first", "", clock, silent)
    (pack,) = (sqlite_day.location / "objects" / "packs").glob("*.pack")
    _change_byte(pack)
    with pytest.raises(BackupError, match="damaged"):
        restore(first.folder, tmp_path / "damaged", "", clock, silent)


def test_a_restore_that_fails_at_the_end_leaves_journal_and_marks(
    sqlite_day: Day, empty_postgresql: str, tmp_path: Path
) -> None:
    sqlite_day.backup()
    sqlite_day.acts.receive(Image(SECOND, 7))
    data = tmp_path / "restored"
    shutil.copytree(sqlite_day.product.data, data, ignore=shutil.ignore_patterns("kinote.sqlite*"))
    before = read_all(journal_folder(data)).entries
    mark_directory(data, DirectoryMark(INSTALLATION, "where it was", ("yesterday",)))

    def failing(what: str, _done: int, _total: int) -> None:
        if what == "filling the database":
            raise OSError(28, "No space left on device")

    with pytest.raises(BackupError, match="No space left"):
        restore(chosen_backup(sqlite_day.location), data, empty_postgresql, clock, failing)
    assert read_all(journal_folder(data)).entries == before
    mark = directory_mark(data)
    assert mark is not None
    assert "yesterday" in mark.openings
    found, product = restored(sqlite_day, data, empty_postgresql)
    product.close()
    assert [each["instances"] for each in found.adopted["withdrawals"]] == [1]
    mark = directory_mark(data)
    assert mark is not None
    assert "yesterday" not in mark.openings


def test_a_pack_that_was_damaged_among_the_backups_is_copied_again(sqlite_day: Day) -> None:
    sqlite_day.backup()
    (pack,) = (sqlite_day.location / "objects" / "packs").glob("*.pack")
    _change_byte(pack)
    with pytest.raises(BackupError, match="damaged"):
        sqlite_day.backup()
    sqlite_day.backup()


def test_a_backup_that_is_not_whole_is_refused(sqlite_day: Day, tmp_path: Path) -> None:
    made = sqlite_day.backup()
    for number, (_, damage, words) in enumerate(DAMAGES):
        copied = tmp_path / f"copy {number}"
        shutil.copytree(sqlite_day.location, copied)
        damage(copied / made.folder.name)
        with pytest.raises(BackupError, match=words):
            restore(copied / made.folder.name, tmp_path / "restored", "", clock, silent)
        assert not (tmp_path / "restored" / "kinote.sqlite").exists()


def test_an_index_that_is_there_is_not_overwritten(sqlite_day: Day) -> None:
    sqlite_day.backup()
    before = rows(sqlite_day.product)
    with pytest.raises(BackupError, match="Nothing is overwritten"):
        restored(sqlite_day, sqlite_day.product.data)
    assert rows(sqlite_day.product) == before


def test_a_backup_of_another_installation_is_refused(sqlite_day: Day, tmp_path: Path) -> None:
    sqlite_day.backup()
    data = tmp_path / "restored"
    _, product = restored(sqlite_day, data)
    product.close()
    (data / "kinote.sqlite").unlink()
    other = tmp_path / "other"
    source = source_of(sqlite_day.product)
    made = make_backup(
        Source(source.catalog, source.url, "another", source.images, source.packs, source.journal),
        other,
        clock,
        silent,
        has_images=False,
    )
    with pytest.raises(BackupError, match="another installation"):
        restore(made.folder, data, "", clock, silent)
    with pytest.raises(BackupError, match="another installation"):
        make_backup(source, other, clock, silent, has_images=False)


def test_a_backup_that_is_cut_off_leaves_nothing_and_goes_on(sqlite_day: Day) -> None:
    seen: list[str] = []

    def cut(what: str, done: int, total: int) -> None:
        del done, total
        seen.append(what)
        if what == "reading back":
            raise OSError(28, "No space left on device")

    with pytest.raises(BackupError, match="No space left"):
        make_backup(source_of(sqlite_day.product), sqlite_day.location, clock, cut, has_images=True)
    assert [
        each.name for each in sqlite_day.location.iterdir() if each.name not in ("objects", "installation")
    ] == []
    copied = list((sqlite_day.location / "objects" / "files").rglob("*.dcm"))
    assert len(copied) == 1
    was = copied[0].stat().st_mtime_ns
    sqlite_day.backup()
    assert copied[0].stat().st_mtime_ns == was


def test_a_restore_that_is_cut_off_leaves_nothing_in_place_and_goes_on(
    sqlite_day: Day, tmp_path: Path
) -> None:
    sqlite_day.backup()
    before = rows(sqlite_day.product)
    data = tmp_path / "restored"
    for step in ("reading the backup", "copying packs", "looking for the bytes"):

        def cut(what: str, _done: int, _total: int, step: str = step) -> None:
            if what == step:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            restore(chosen_backup(sqlite_day.location), data, "", clock, cut)
        assert not (data / "kinote.sqlite").exists()
    found, product = restored(sqlite_day, data)
    try:
        assert rows(product) == before
        assert found.hidden == {}
        assert compare(product.catalog, journal_folder(data)) == []
    finally:
        product.close()


def test_the_copied_index_is_one_state_while_it_is_written(sqlite_day: Day, tmp_path: Path) -> None:
    product = sqlite_day.product
    number = 20

    def write(_done: int, _total: int) -> None:
        nonlocal number
        if number < 24:
            number += 1
            product.receive([Image(SECOND, number).file])

    copied = copy_index(product.catalog, product._options.url, tmp_path / "copy.sqlite", write)
    copy = Product(f"sqlite:///{tmp_path / 'copy.sqlite'}", tmp_path / "elsewhere")
    try:
        assert copied.log_bytes > 0
        assert copy.rows("SELECT count(*) FROM instance") == [(2,)]
        assert copy.rows("PRAGMA integrity_check") == [("ok",)]
    finally:
        copy.close()


def test_a_log_that_grows_too_large_ends_the_backup_and_not_the_server(
    sqlite_day: Day, tmp_path: Path
) -> None:
    product = sqlite_day.product
    with pytest.raises(BackupError, match="write-ahead log"):
        copy_index(
            product.catalog,
            product._options.url,
            tmp_path / "copy.sqlite",
            lambda done, total: None,
            log_limit=1,
        )
    product.receive([Image(SECOND, 21).file])
    assert end_left(journal_folder(product.data), product.catalog, INSTALLATION) == 0
    assert product.rows(str(text("SELECT count(*) FROM instance"))) == [(3,)]
