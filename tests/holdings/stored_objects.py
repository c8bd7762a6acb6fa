"""A product with stored objects of each kind, and what can happen to their bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text, update

from kinote.catalog import changes
from kinote.catalog.changes import BEGINNING, Kind
from kinote.catalog.schema.tables import instance, instance_bytes
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.files.part10 import FileScanner
from kinote.holdings.checking import open_stored
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.holdings.newer_digests import replace_digest
from kinote.holdings.stored import Stored, stored_bytes
from kinote.intake.outcome import Outcome
from kinote.intake.receiver import Receiver
from kinote.keyobject.writer import encode_file
from kinote.storage.digests import SHA256, digest_of
from kinote.storage.local import PACKS, local_stores
from kinote.storage.packs.pack import BLOCK, Pack, blocks_of
from kinote.storage.stores import Stores
from tests.actors import ORIGIN, ROE
from tests.clock import clock
from tests.kept_bytes import file_of
from tests.keyobject.documents import document
from tests.web.objects import as_file, image


@dataclass
class Shelf:
    """One object each: in a pack, in a file, beyond the size that is compared whole, and a key object in the index."""

    catalog: Catalog
    stores: Stores
    folder: Path
    receiver: Receiver
    door: Door
    files: dict[str, bytes]
    uids: dict[str, str]
    is_closed: bool = False

    @classmethod
    def filled(cls, catalog: Catalog, folder: Path) -> Shelf:
        stores = local_stores(folder)
        receiver = Receiver(catalog, stores, clock=clock)
        files = {
            "in a pack": as_file(image(3, rows=40, columns=40)),
            "small": as_file(image(1, rows=200, columns=200)),
            "large": as_file(image(2, rows=2200, columns=2200)),
            "in the index": encode_file(document()),
        }
        door = Door(catalog, stores, clock=clock)
        shelf = cls(catalog, stores, folder, receiver, door, files, {})
        for name in files:
            outcome = shelf.receive(name)
            assert outcome.kind == "stored"
            shelf.uids[name] = outcome.sop_instance_uid
        return shelf

    def receive(self, name: str) -> Outcome:
        upload = self.receiver.open(ORIGIN)
        upload.write(self.files[name])
        return upload.finish().result(60)

    def close(self) -> None:
        """Finish what the receiver has in hand; may be called again."""
        if not self.is_closed:
            self.is_closed = True
            self.receiver.close()

    def found(self, name: str) -> LiveObject:
        with self.catalog.read() as connection:
            found = self.door.find_instance(connection, self.uids[name])
        assert found is not None
        return found

    def stored(self, name: str) -> Stored:
        query = stored_bytes(instance).where(instance.c.sop_instance_uid == self.uids[name])
        with self.catalog.read() as connection:
            return Stored(*connection.execute(query.where(instance.c.standing != "held")).one())

    def read(self, name: str) -> bytes:
        with self.door.open(self.found(name), ROE).file as file:
            return bytes(file.read())

    def data_set(self, name: str) -> bytes:
        """As it was sent."""
        scanner = FileScanner()
        scanner.feed(self.files[name])
        return self.files[name][scanner.finish().dataset_offset :]

    def path(self, name: str) -> Path:
        """Of an object that has a file of its own."""
        stored = self.stored(name)
        assert stored.file_key is not None
        return file_of(self.folder, (stored.store, stored.file_key))

    def with_older_digest(self, name: str) -> None:
        """As an index has it that was filled before there were pieces."""
        stored = self.stored(name)
        with open_stored(self.stores, stored) as file:
            found = digest_of(file.read(), SHA256)
        assert self.catalog.write(lambda transaction: replace_digest(transaction, stored, found))

    def residence(self, name: str) -> str:
        return self.stored(name).residence

    def happened(self, kind: Kind) -> list[str]:
        """The UIDs that the change feed tells this of."""
        with self.catalog.read() as connection:
            found = changes.since(connection, BEGINNING, 1000)
        return [each.change.sop_instance_uid for each in found if each.change.kind == kind]

    def change(self, name: str, alter: Callable[[bytes], bytes | None]) -> None:
        """Change the stored bytes behind everybody's back; None takes them away."""
        stored = self.stored(name)
        if stored.file_key is None:
            altered = alter(bytes(stored.dataset or b""))
            where = instance_bytes.c.instance == stored.id
            self._write(
                instance_bytes.delete().where(where)
                if altered is None
                else update(instance_bytes).where(where).values(dataset=altered)
            )
            return
        if stored.store == PACKS:
            self._change_in_pack(stored.file_key, alter)
            return
        path = self.path(name)
        altered = alter(path.read_bytes())
        if altered is None:
            path.unlink()
        else:
            path.write_bytes(altered)

    def _change_in_pack(self, key: str, alter: Callable[[bytes], bytes | None]) -> None:
        number, block = map(int, key.split("/"))
        path = self.folder / "packs" / f"{number:06d}.pack"
        with closing(Pack(path)) as pack:
            data = pack.read(block)
            assert data is not None
            altered = alter(data)
            if altered is None:
                pack.remove([block])
                return
            assert blocks_of(len(altered)) <= blocks_of(len(data))
            with path.open("r+b") as file:
                file.seek(block * BLOCK)
                file.write(pack.head(block, len(altered)) + altered)

    def _write(self, statement: Any) -> None:
        self.catalog.write(lambda transaction: transaction.execute(statement))

    def digests(self, name: str) -> tuple[str, int]:
        """How its digest was taken, and of how many pieces the index has one."""
        query = (
            "SELECT i.digest_algorithm, p.digests FROM instance i "
            "LEFT JOIN instance_pieces p ON p.instance = i.id WHERE i.sop_instance_uid = :uid"
        )
        with self.catalog.read() as connection:
            row = connection.execute(text(query), {"uid": self.uids[name]}).one()
        return row.digest_algorithm, len(row.digests or b"") // 32


#: What can have become of an object's bytes.
CHANGES: dict[str, Callable[[bytes], bytes | None]] = {
    "altered": lambda data: data[:-100] + bytes(100),
    "shorter": lambda data: data[: len(data) // 2],
    "longer": lambda data: data + b"\0",
    "emptied": lambda data: b"",
    "missing": lambda data: None,
}
