"""Objects are evicted on the word of an archive, and come back when they are read (laws 7, 8 and 9)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, StoragePresentationContexts, evt
from sqlalchemy import Connection, select, update

from kinote.backup.replaying import replay
from kinote.catalog.changes import Kind
from kinote.catalog.journal import NoJournal
from kinote.catalog.schema.tables import archive, change, instance, journal_entry, location, owed_removal
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.delivery.archives.fetching import NotFetchedError
from kinote.delivery.archives.recall import Recaller
from kinote.dimse.transport.tls import NO_CERTIFICATES
from kinote.holdings.door import Door
from kinote.holdings.journal.keeping import Journal, read_all
from kinote.holdings.live_objects import LiveObject, Selection
from kinote.holdings.removing import evicting
from kinote.holdings.removing.evicting import Evicted, evict
from kinote.holdings.removing.removal import remove_remembered
from kinote.holdings.stored import Stored
from kinote.holdings.unavailable import BytesDamagedError, BytesElsewhereError, RecallFailedError
from kinote.intake.expected import InStudy
from kinote.intake.receiver import Receiver
from kinote.lifecycle.archives.evidence import Archive, Proof
from kinote.lifecycle.archives.promises import acknowledged, archive_of, set_archive
from kinote.lifecycle.explaining.explain import explain
from kinote.peers.archive_policy import ArchivePolicy
from kinote.peers.known import PeersInUse
from kinote.peers.peer import Endpoint
from kinote.peers.refusals import NotManagedHereError
from kinote.storage.local import local_stores
from kinote.storage.read_in_place import FIRST_IN_PLACE
from kinote.telemetry.registry import REGISTRY
from tests.actors import ORIGIN, ROE
from tests.clock import clock
from tests.peers.wanted import added, changed, dimse, removed
from tests.peers.wanted import archive as archive_peer
from tests.web.objects import SERIES, as_file, image

GET = "1.2.840.10008.5.1.4.1.2.2.3"
FIRST, SECOND = f"{SERIES}.1", f"{SERIES}.2"

#: Large enough for files of their own.
LARGE = {"rows": 256, "columns": 256}


class Holder:
    """An archive that gives objects by C-GET as it is told."""

    def __init__(self) -> None:
        self.objects = {str(each.SOPInstanceUID): each for each in (image(1, **LARGE), image(2, **LARGE))}
        self.changes: Callable[[Dataset], Dataset] = lambda given: given
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def get(self, event: Any) -> Iterator[Any]:
        self.asked += 1
        self.may_answer.wait(60)
        found = self.objects.get(str(event.identifier.SOPInstanceUID))
        yield 0 if found is None else 1
        if found is not None:
            given = self.changes(deepcopy(found))
            given.file_meta = FileMetaDataset()
            given.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            yield 0xFF00, given

    @contextmanager
    def listening(self) -> Iterator[Endpoint]:
        entity = AE("ARCHIVE")
        entity.add_supported_context(GET)
        for context in StoragePresentationContexts:
            assert context.abstract_syntax is not None
            entity.add_supported_context(
                context.abstract_syntax, ExplicitVRLittleEndian, scu_role=True, scp_role=True
            )
        server: Any = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_GET, self.get)]
        )
        try:
            yield dimse("ARCHIVE", *server.socket.getsockname())
        finally:
            server.shutdown()


class Keeper:
    """A product of ours with two images, which an archive has committed to."""

    def __init__(
        self, folder: Path, endpoint: Endpoint, *, journal_writer: Journal | None = None, **policy: Any
    ) -> None:
        folder.mkdir()
        options = CatalogOptions(f"sqlite:///{folder / 'kinote.sqlite'}")
        self.catalog = Catalog(options, journal_writer=journal_writer or NoJournal())
        self.stores = local_stores(folder)
        self.door = Door(self.catalog, self.stores, clock=clock, recall=self._recall)
        self.receiver = Receiver(self.catalog, self.stores, clock=clock, open_copy=self.door.open_copy)
        self.archive = added(self.catalog, archive_peer("Archive", endpoint)).id
        self.peers = PeersInUse(self.catalog)
        self.recaller = Recaller(
            self.catalog, self.receiver.open, clock, self.peers, title="KINOTE", tls=NO_CERTIFICATES
        )
        for number in (1, 2):
            upload = self.receiver.open(ORIGIN, InStudy())
            upload.write(as_file(image(number, **LARGE)))
            assert upload.finish().result().kind == "stored"

        def commit(transaction: Connection) -> None:
            set_archive(
                transaction, self.archive, ArchivePolicy(**policy), clock(), expected_version=None, by=ROE
            )
            rows = transaction.execute(select(instance.c.id, instance.c.digest)).all()
            acknowledged(transaction, self.archive, [(row.id, row.digest) for row in rows], clock())
            transaction.execute(location.update().values(evidence="committed"))

        self.catalog.write(commit)

    def _recall(self, stored: Stored) -> None:
        self.recaller(stored)

    def close(self) -> None:
        self.recaller.close()
        self.peers.close()
        self.receiver.close()
        self.stores.close()
        self.catalog.close()

    def live(self, uid: str = FIRST) -> LiveObject:
        (found,) = self.door.select(Selection(instances=(uid,)))
        return found

    def read(self, uid: str = FIRST) -> bytes:
        opened = self.door.open(self.live(uid), ROE)
        with opened.file:
            return opened.file.read()

    def prove(self) -> dict[str, Any]:
        found = self.live()
        return self.recaller.prove(
            self.archive, found.id, lambda: self.door.open_copy(found.id, found.sop_instance_uid)
        )

    def proved(self) -> None:
        proved = update(archive).values(proof="proved")
        self.catalog.write(lambda transaction: transaction.execute(proved))

    def evict(self, *uids: str) -> Evicted:
        keys = [self.live(uid).id for uid in uids or (FIRST, SECOND)]
        evicted = self.catalog.write(lambda transaction: evict(transaction, keys, clock()))
        remove_remembered(self.catalog, self.stores)
        return evicted

    def files(self) -> int:
        with self.catalog.read() as connection:
            assert connection.execute(select(owed_removal)).first() is None
        return sum(len(list(keys)) for _, keys in _pages(self.stores))

    def now_is(self) -> Archive:
        with self.catalog.read() as connection:
            return archive_of(connection, self.archive)


def _pages(stores: Any) -> Any:
    from kinote.holdings.reconciling.unowned import pages

    return pages(stores, [])


@pytest.fixture
def holder() -> Holder:
    return Holder()


@pytest.fixture
def keeper(tmp_path: Path, holder: Holder) -> Iterator[Keeper]:
    with ExitStack() as closing:
        endpoint = closing.enter_context(holder.listening())
        made = Keeper(tmp_path / "data", endpoint, recall_seconds=20)
        closing.callback(made.close)
        yield made


def test_law_9_nothing_is_evicted_before_a_recall_has_proved_the_archive(
    keeper: Keeper, holder: Holder
) -> None:
    received = keeper.read()
    evicted = keeper.evict()
    assert (evicted.instances, set(evicted.kept.values())) == (
        [],
        {"No archive that is relied upon has committed to these bytes."},
    )
    report = keeper.prove()
    assert (report["identical"], keeper.now_is().proof) == (True, Proof.PROVED)
    files = keeper.files()
    assert len(keeper.evict().instances) == 2
    assert keeper.files() == files - 2
    assert keeper.live().residence == "remote"
    # It comes back when it is read, the very bytes.
    assert keeper.read() == received
    assert (keeper.live().residence, keeper.files()) == ("local", files - 1)
    with keeper.catalog.read() as connection:
        kinds = list(connection.execute(select(change.c.kind).order_by(change.c.sequence)).scalars())
        (explained,) = explain(connection, SECOND)
    assert kinds[-3:] == [Kind.INSTANCE_EVICTED, Kind.INSTANCE_EVICTED, Kind.INSTANCE_HEALED]
    assert any("'Archive' has committed to it" in each for each in explained.sentences)


def test_breach_of_law_9_an_eviction_without_evidence_is_noticed(
    keeper: Keeper, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evicting, "_why_not", lambda row, *, is_kept: "")
    with pytest.raises(AssertionError):
        test_law_9_nothing_is_evicted_before_a_recall_has_proved_the_archive(keeper, holder)


@pytest.mark.parametrize(
    ("change_of", "values"),
    [
        (archive, {"suspended_at": "2026"}),
        (archive, {"ended_at": "2026"}),
        (location, {"evidence": "acknowledged"}),
        (location, {"at": "2020"}),
        (location, {"digest": "another"}),
        (instance, {"standing": "withdrawn"}),
        (instance, {"residence": "damaged"}),
        (instance, {"file_key": None}),
        (instance, {"digest": "another"}),
        (instance, {"store": FIRST_IN_PLACE + 1}),
    ],
    ids=[
        "suspended",
        "no archive any more",
        "acknowledged only",
        "too old",
        "other bytes there",
        "withdrawn",
        "damaged",
        "in the index",
        "other bytes here",
        "in a folder of another system",
    ],
)
def test_law_9_what_is_not_evicted(keeper: Keeper, change_of: Any, values: dict[str, Any]) -> None:
    keeper.proved()
    keys = [keeper.live(uid).id for uid in (FIRST, SECOND)]
    keeper.catalog.write(lambda transaction: transaction.execute(change_of.update().values(**values)))
    evicted = keeper.catalog.write(lambda transaction: evict(transaction, [*keys, 99], clock()))
    assert evicted.instances == []
    assert evicted.kept.keys() == {*keys, 99}


def test_a_reader_that_has_the_bytes_open_goes_on(keeper: Keeper) -> None:
    keeper.proved()
    opened = keeper.door.open(keeper.live(), ROE)
    with opened.file:
        assert len(keeper.evict(FIRST).instances) == 1
        assert len(opened.file.read()) == opened.size


def test_one_recall_serves_all_who_wait(keeper: Keeper, holder: Holder) -> None:
    keeper.proved()
    received = keeper.read()
    keeper.evict(FIRST)
    holder.may_answer.clear()
    read: list[bytes] = []
    readers = [threading.Thread(target=lambda: read.append(keeper.read())) for _ in range(4)]
    for reader in readers:
        reader.start()
    holder.may_answer.set()
    for reader in readers:
        reader.join()
    assert read == [received] * 4
    assert holder.asked <= 2


def test_law_7_what_comes_back_otherwise_is_not_used(keeper: Keeper, holder: Holder) -> None:
    keeper.proved()
    keeper.evict(FIRST)

    def coerce(given: Dataset) -> Dataset:
        given.PatientID = "ANOTHER"
        return given

    holder.changes = coerce
    with pytest.raises(RecallFailedError, match="not what it was sent"):
        keeper.read()
    assert keeper.live().residence == "remote"
    assert keeper.now_is().suspended_at
    assert keeper.evict(SECOND).instances == []
    with keeper.catalog.read() as connection:
        assert connection.execute(select(instance.c.id).where(instance.c.standing == "held")).first() is None
    holder.changes = lambda given: given
    assert keeper.read()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"PatientID": "ANOTHER"}, "PatientID"),
        ({"PixelData": bytes(256 * 256 * 2)}, "PixelData"),
        ({"StationName": "ADDED"}, "StationName"),
    ],
    ids=["an identifier", "pixels", "an attribute more"],
)
def test_a_proof_says_what_the_archive_changes(
    keeper: Keeper, holder: Holder, values: dict[str, Any], said: str
) -> None:
    def change_it(given: Dataset) -> Dataset:
        for name, value in values.items():
            setattr(given, name, value)
        return given

    holder.changes = change_it
    report = keeper.prove()
    assert report["identical"] is False
    assert said in report["sentence"]
    archived = keeper.now_is()
    assert archived.proof is Proof.REFUSED
    assert archived.proof_report["sentence"] == report["sentence"]
    assert keeper.evict().instances == []


def recalls(outcome: str) -> float:
    return REGISTRY.get_sample_value("kinote_recalls_total", {"outcome": outcome}) or 0.0


def test_recalls_are_counted_by_outcome(keeper: Keeper, holder: Holder) -> None:
    before = recalls("here"), recalls("failed")
    keeper.proved()
    keeper.evict()
    keeper.read(FIRST)
    holder.objects.clear()
    with pytest.raises(RecallFailedError):
        keeper.read(SECOND)
    assert (recalls("here"), recalls("failed")) == (before[0] + 1, before[1] + 1)


def test_an_archive_that_has_lost_it_or_is_away_is_said(keeper: Keeper, holder: Holder) -> None:
    keeper.proved()
    keeper.evict()
    holder.objects.clear()
    with pytest.raises(RecallFailedError, match="Archive"):
        keeper.read()
    with pytest.raises(NotFetchedError):
        keeper.recaller.prove(keeper.archive, 99, lambda: pytest.fail("not opened"))
    # Without evidence, nobody is asked.
    keeper.catalog.write(lambda transaction: transaction.execute(location.delete()))
    with pytest.raises(BytesElsewhereError):
        keeper.read()


def test_a_reader_waits_no_longer_than_the_policy_says(tmp_path: Path, holder: Holder) -> None:
    with ExitStack() as closing:
        endpoint = closing.enter_context(holder.listening())
        keeper = Keeper(tmp_path / "data", endpoint, recall_seconds=1)
        closing.callback(keeper.close)
        closing.callback(holder.may_answer.set)
        keeper.proved()
        keeper.evict(FIRST)
        holder.may_answer.clear()
        with pytest.raises(RecallFailedError):
            keeper.read()


def test_the_same_object_that_is_sent_again_is_here_again(keeper: Keeper) -> None:
    """Recall and healing are one path."""
    keeper.proved()
    keeper.evict(FIRST)
    upload = keeper.receiver.open(ORIGIN, InStudy())
    upload.write(as_file(image(1, **LARGE)))
    assert upload.finish().result().kind == "stored"
    assert keeper.live().residence == "local"
    # Another one under its UID is held, and no archive is asked for it.
    keeper.evict(FIRST)
    upload = keeper.receiver.open(ORIGIN, InStudy())
    upload.write(as_file(image(1, rows=256, columns=256, StationName="OTHER")))
    assert upload.finish().result().kind == "held"


# --- damage ---------------------------------------------------------------------------------------


def lose_files(keeper: Keeper) -> None:
    """Remove all files, as an eviction did of which an older backup of the index knows nothing."""
    for store, keys in _pages(keeper.stores):
        keeper.stores.remove([(store, key) for key in keys])


@pytest.mark.parametrize("evidence", ["committed", "acknowledged"])
def test_law_9_an_index_that_is_older_than_an_eviction_gets_the_bytes_back(
    keeper: Keeper, evidence: str
) -> None:
    received = keeper.read()
    keeper.catalog.write(lambda transaction: transaction.execute(location.update().values(evidence=evidence)))
    lose_files(keeper)
    assert keeper.read() == received
    assert keeper.live().residence == "local"


def test_law_7_damaged_bytes_are_healed_from_an_archive_or_stay_damaged(
    keeper: Keeper, holder: Holder
) -> None:
    received = keeper.read()
    keeper.catalog.write(
        lambda transaction: transaction.execute(instance.update().values(residence="damaged"))
    )
    assert keeper.read() == received
    keeper.catalog.write(
        lambda transaction: transaction.execute(instance.update().values(residence="damaged"))
    )
    holder.objects.clear()
    with pytest.raises(BytesDamagedError):
        keeper.read()
    assert keeper.live().residence == "damaged"


def test_who_waits_for_a_recall_is_told_that_the_server_ends(keeper: Keeper) -> None:
    keeper.proved()
    keeper.evict()
    keeper.recaller.close()
    with pytest.raises(RecallFailedError, match="ending"):
        keeper.read()


# --- other systems in its place --------------------------------------------------------------------


def test_law_9_an_archive_with_a_new_address_proves_a_recall_again(keeper: Keeper) -> None:
    keeper.proved()
    peer = keeper.peers.known.by_name["Archive"]
    changed(keeper.catalog, peer, archive_peer("Archive", dimse("ARCHIVE", "10.9.9.9", 105)))
    assert keeper.now_is().proof is Proof.NONE
    assert keeper.evict().instances == []


def test_law_9_an_archive_that_has_the_only_copies_is_not_removed(keeper: Keeper) -> None:
    keeper.proved()
    keeper.evict()
    with pytest.raises(NotManagedHereError, match="not here any more"):
        removed(keeper.catalog, keeper.peers.known.by_name["Archive"])


def test_law_9_a_restore_knows_of_later_evictions_by_the_journal(tmp_path: Path, holder: Holder) -> None:
    """Also where the backup has nothing of what the archive has acknowledged since."""
    with ExitStack() as closing:
        endpoint = closing.enter_context(holder.listening())
        made = Keeper(tmp_path / "data", endpoint, journal_writer=Journal(tmp_path / "j", clock, lambda: "x"))
        closing.callback(made.close)
        received = made.read()
        made.proved()
        assert len(made.evict().instances) == 2
        (entry,) = read_all(tmp_path / "j").entries
        # The index is as it was before: it knows of no eviction, nor what the archive has.
        older = update(instance).values(residence="local", file_key="01/lost")
        made.catalog.write(lambda transaction: transaction.execute(older))
        made.catalog.write(lambda transaction: transaction.execute(location.delete()))
        made.catalog.write(lambda transaction: transaction.execute(journal_entry.delete()))
        replayed = replay(made.catalog, [entry], clock())
        assert (replayed.left, made.live().residence) == ([], "remote")
        assert made.read() == received
        # Without the archive, a person is told.
        made.catalog.write(lambda transaction: transaction.execute(update(archive).values(ended_at="2026")))
        made.catalog.write(lambda transaction: transaction.execute(journal_entry.delete()))
        (left,) = replay(made.catalog, [entry], clock()).left
        assert left["instances"] == [FIRST, SECOND]
        assert "'Archive'" in left["why"]
