"""A day in a house with a journal, its backups, and what is compared after a restore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from kinote.backup.making import Made, Source, make_backup
from kinote.backup.restoring import Restored, chosen_backup, restore
from kinote.catalog.schema.tables import metadata
from kinote.holdings.journal import Journal
from kinote.storage.journal_files import journal_folder
from kinote.storage.local import store_roots
from tests.clock import clock
from tests.laws.acts import Acts
from tests.laws.house import House

INSTALLATION = "0123456789abcdef"


#: What is not the same after a restore: the feed has other positions, and processes are others.
OTHER = {"house", "node", "commit_mark", "change", "store", "backup", "journal_entry"}


def silent(_what: str, _done: int, _total: int) -> None:
    """Nobody looks."""


@dataclass
class Day:
    """A house after a day, with its journal, and its backups."""

    acts: Acts
    location: Path

    @property
    def house(self) -> House:
        return self.acts.house

    def backup(self, *, has_images: bool = True) -> Made:
        return make_backup(source_of(self.house), self.location, clock, silent, has_images=has_images)


def source_of(house: House) -> Source:
    roots = store_roots(house.data)
    return Source(
        house.catalog,
        house._options.url,
        INSTALLATION,
        roots["files"],
        roots["packs"],
        journal_folder(house.data),
    )


def journaling(opened: Callable[[House], None]) -> Callable[[House], None]:
    """Open a house with a journal, as the product does."""

    def open_with_journal(house: House) -> None:
        opened(house)
        house.catalog._journal = Journal(journal_folder(house.data), clock, lambda: INSTALLATION)

    return open_with_journal


def rows(house: House) -> dict[str, list[str]]:
    with house.catalog.read() as connection:
        return {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(select(table)))
            for table in metadata.sorted_tables
            if table.name not in OTHER
        }


def fed(house: House) -> list[tuple[str, str, str, int | None]]:
    return [each.what for each in house.changes()]


def restored(day: Day, data: Path, database: str = "") -> tuple[Restored, House]:
    found = restore(chosen_backup(day.location), data, database, clock, silent)
    return found, House(database or f"sqlite:///{data / 'kinote.sqlite'}", data)


def explained(house: House, uid: str) -> Any:
    return house.get(f"/api/v1/instances/{uid}/explain")["items"][0]


def live(house: House) -> set[str]:
    """All that any interface shows."""
    return {each["00080018"]["Value"][0] for each in house.get("/dicomweb/instances", limit=1000)}


def shorten(file: Path) -> None:
    """Cut off the end of a file."""
    file.write_bytes(file.read_bytes()[:-100])
