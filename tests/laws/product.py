"""The whole product in this process, on one database and one data directory, closed and opened at will."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from sqlalchemy import text

from kinote.backup.making import Source, make_backup
from kinote.backup.restoring import restore
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.holdings.door import Door
from kinote.holdings.opening.recovery import recover
from kinote.holdings.removing.removal import Place
from kinote.intake.outcome import Outcome
from kinote.intake.receiver import Receiver
from kinote.storage.journal_files import journal_folder
from kinote.storage.local import local_stores, store_roots
from kinote.storage.store import StorageError
from kinote.web.application import Rooms, create_application
from tests.actors import OPEN, ORIGIN
from tests.clock import clock
from tests.kept_bytes import kept_places

#: Seconds that anything may take before it counts as lost.
LIMIT = 60

Json = dict[str, Any]


@dataclass(slots=True)
class Seen:
    """A change as the feed gives it, without its time."""

    position: str
    kind: str
    study: str
    uid: str
    note: int | None

    @property
    def what(self) -> tuple[str, str, str, int | None]:
        return (self.kind, self.study, self.uid, self.note)


class Client:
    """What asks the HTTP face of a product, in one event loop, as its server would."""

    def __init__(self, rooms: Rooms) -> None:
        self._begin(create_application(rooms))

    def _begin(self, application: FastAPI) -> None:
        transport = httpx.ASGITransport(application)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")
        self._running = start_blocking_portal()
        self._portal = self._running.__enter__()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._portal.call(lambda: self._client.request(method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def close(self) -> None:
        self._portal.call(self._client.aclose)
        self._running.__exit__(None, None, None)


class Product:
    """The open rooms, and what speaks to them as the world outside does."""

    def __init__(self, url: str, data: Path, *, in_doubt_limit: float = LIMIT) -> None:
        self._options = CatalogOptions(url, in_doubt_limit=in_doubt_limit)
        self.data = data
        self._open()

    def _open(self) -> None:
        self.stores = local_stores(self.data)
        self.catalog = Catalog(self._options)
        self.recovered = recover(self.catalog, self.stores, datetime.now(UTC))
        self.receiver = Receiver(self.catalog, self.stores, clock=clock)
        self.door = Door(self.catalog, self.stores, clock=clock)
        self.client = Client(Rooms(self.catalog, self.receiver, self.door, clock=clock, policy=OPEN))

    def close(self) -> None:
        self.client.close()
        self.receiver.close()
        self.stores.close()
        self.catalog.close()

    def restart(self) -> None:
        """Close everything and open it again, with start-up recovery."""
        self.close()
        self._open()

    def lose_and_restore(self) -> None:
        """Make a backup, lose everything, and go on with what is restored from it, on SQLite."""
        roots = store_roots(self.data)
        source = Source(
            self.catalog,
            self._options.url,
            "house",
            roots["files"],
            roots["packs"],
            journal_folder(self.data),
        )
        location = self.data.with_name(f"{self.data.name}-backups")
        made = make_backup(source, location, clock, lambda *_: None, has_images=True)
        assert made.left_out == ()
        self.close()
        self.data = Path(tempfile.mkdtemp(prefix="restored-", dir=self.data.parent))
        found = restore(made.folder, self.data, "", clock, lambda *_: None)
        assert (found.missing, found.left, found.hidden, found.remarks) == ([], [], {}, [])
        shutil.rmtree(location)
        self._options = CatalogOptions(f"sqlite:///{self.data / 'kinote.sqlite'}")
        self._open()

    def receive(self, files: Sequence[bytes]) -> list[Outcome]:
        """Hand all files over before waiting, so that they may share a commit group."""
        futures = []
        for file in files:
            upload = self.receiver.open(ORIGIN)
            for start in range(0, len(file), 30_000):
                upload.write(file[start : start + 30_000])
            futures.append(upload.finish())
        return [future.result(LIMIT) for future in futures]

    def get(self, path: str, **parameters: str | int) -> Any:
        """The JSON at an address; None for 404, and for a search with no match an empty list."""
        answer = self.client.get(path, params=parameters)
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def items(self, path: str, **parameters: str | int) -> list[Json]:
        """All items of a collection of the REST API, page by page."""
        found: list[Json] = []
        cursor = ""
        while True:
            page = self.get(f"/api/v1/{path}", **parameters, **({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page["next"] or ""
            if not cursor:
                return found

    def changes(self, since: str = "", limit: int = 1000) -> list[Seen]:
        """The change feed after a position, read in pages."""
        parameters: dict[str, str | int] = {"limit": limit, **({"since": since} if since else {})}
        return [
            Seen(
                position=item["position"],
                kind=item["kind"],
                study=item["study_instance_uid"] or "",
                uid=item["sop_instance_uid"] or "",
                note=item["note"],
            )
            for item in self.items("changes", **parameters)
        ]

    def rows(self, query: str, **values: str) -> list[Any]:
        """What the tables have, asked in plain words."""
        with self.catalog.read() as connection:
            return list(connection.execute(text(query), values))

    def stored_bytes(self, *, all_have: bool = True) -> dict[int, bytes]:
        """The bytes that lie behind each row, by its key, read where they are; of all rows, or of those that have."""
        lying = {}
        for row in self.rows(
            "SELECT i.id, i.store, i.file_key, i.dataset_offset, b.dataset FROM instance i "
            "LEFT JOIN instance_bytes b ON b.instance = i.id"
        ):
            if not all_have and row.file_key is None and row.dataset is None:
                continue
            assert (row.file_key is None) != (row.dataset is None), f"row {row.id} has not its bytes once"
            if row.file_key is None:
                lying[row.id] = bytes(row.dataset)
                continue
            try:
                with self.stores.open(row.store, row.file_key, row.dataset_offset) as file:
                    lying[row.id] = file.read()
            except StorageError as error:
                raise AssertionError(f"row {row.id} has no bytes: {error}") from error
        return lying

    def places(self) -> set[Place]:
        """Where all objects lie in the stores."""
        return kept_places(self.stores)
