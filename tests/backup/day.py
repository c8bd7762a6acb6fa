"""A day in a product with a journal, its backups, and what is compared after a restore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from kinote.backup.making import Made, Source, make_backup
from kinote.backup.restoring import Restored, chosen_backup, restore
from kinote.catalog.schema.tables import metadata
from kinote.holdings.journal.keeping import Journal
from kinote.storage.journal_files import journal_folder
from kinote.storage.local import store_roots
from tests.clock import clock
from tests.laws.acts import Acts
from tests.laws.product import Product

INSTALLATION = "0123456789abcdef"


#: What is not the same after a restore: the feed has other positions, and processes are others.
OTHER = {"house", "node", "commit_mark", "change", "store", "backup", "journal_entry"}


def silent(_what: str, _done: int, _total: int) -> None:
    """Nobody looks."""


@dataclass
class Day:
    """A product after a day, with its journal, and its backups."""

    acts: Acts
    location: Path

    @property
    def product(self) -> Product:
        return self.acts.product

    def backup(self, *, has_images: bool = True) -> Made:
        return make_backup(source_of(self.product), self.location, clock, silent, has_images=has_images)


def source_of(product: Product) -> Source:
    roots = store_roots(product.data)
    return Source(
        product.catalog,
        product._options.url,
        INSTALLATION,
        roots["files"],
        roots["packs"],
        journal_folder(product.data),
    )


def journaling(opened: Callable[[Product], None]) -> Callable[[Product], None]:
    """Open a product with a journal, as the product does."""

    def open_with_journal(product: Product) -> None:
        opened(product)
        product.catalog._journal = Journal(journal_folder(product.data), clock, lambda: INSTALLATION)

    return open_with_journal


def rows(product: Product) -> dict[str, list[str]]:
    with product.catalog.read() as connection:
        return {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(select(table)))
            for table in metadata.sorted_tables
            if table.name not in OTHER
        }


def fed(product: Product) -> list[tuple[str, str, str, int | None]]:
    return [each.what for each in product.changes()]


def restored(day: Day, data: Path, database: str = "") -> tuple[Restored, Product]:
    found = restore(chosen_backup(day.location), data, database, clock, silent)
    return found, Product(database or f"sqlite:///{data / 'kinote.sqlite'}", data)


def explained(product: Product, uid: str) -> Any:
    return product.get(f"/api/v1/instances/{uid}/explain")["items"][0]


def live(product: Product) -> set[str]:
    """All that any interface shows."""
    return {each["00080018"]["Value"][0] for each in product.get("/dicomweb/instances", limit=1000)}


def shorten(file: Path) -> None:
    """Cut off the end of a file."""
    file.write_bytes(file.read_bytes()[:-100])
