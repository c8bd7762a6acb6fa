"""What a delivery has brought to an archive, as it is stored, is what the archive is asked commitment for (law 9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import archive, instance, location, peer
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.orders import page_under_way
from kinote.lifecycle.archives.other_bytes import OnlyCopyThereError, other_bytes_go_out
from kinote.lifecycle.archives.promises import set_archive
from kinote.peers.archive_policy import ArchivePolicy
from kinote.peers.peer import Endpoint
from tests.actors import ROE
from tests.clock import clock
from tests.corrected import correct
from tests.delivery.lying_peer import Peer, listening
from tests.delivery.outbox import Outbox, outbox


@pytest.fixture
def box(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outbox]:
    with outbox(catalog, tmp_path_factory.mktemp("box")) as opened:
        yield opened


def evidence(box: Outbox) -> dict[str, tuple[str, bool]]:
    """The evidence of each instance, and whether its digest is that of the bytes."""
    query = select(
        instance.c.sop_instance_uid, location.c.evidence, location.c.digest == instance.c.digest
    ).join(location, location.c.instance == instance.c.id)
    with box.catalog.read() as connection:
        return {row[0]: (row[1], bool(row[2])) for row in connection.execute(query)}


@pytest.mark.parametrize("is_archive", [True, False], ids=["an archive", "another"])
def test_law_9_what_is_acknowledged_as_it_is_stored_is_evidence(box: Outbox, is_archive: bool) -> None:
    """Not what the destination has changed (B000), refused, or what was corrected on its way out."""
    uids = box.images(4)
    scripted = Peer(script=lambda uid, number: {uids[1]: 0xB000, uids[2]: 0xA900}.get(uid, 0))
    with listening(scripted) as endpoint:
        to = box.destination(endpoint)

        def prepare(transaction: Connection) -> None:
            corrected = instance.update().where(instance.c.sop_instance_uid == uids[3]).values(overlay=1)
            transaction.execute(corrected)
            if is_archive:
                key = transaction.execute(select(peer.c.id)).scalar_one()
                set_archive(transaction, key, ArchivePolicy(), clock(), expected_version=None, by=ROE)

        box.catalog.write(prepare)
        box.order(to)
        box.carry_out()
    assert evidence(box) == ({uids[0]: ("acknowledged", True)} if is_archive else {})


def prepared(box: Outbox, uid: str, **values: Any) -> None:
    """Let the archive have committed to everything, and change an instance."""

    def prepare(transaction: Connection) -> None:
        transaction.execute(location.update().values(evidence="committed"))
        if values:
            of_it = instance.update().where(instance.c.sop_instance_uid == uid)
            transaction.execute(of_it.values(**values))

    box.catalog.write(prepare)


def archive_of_all(box: Outbox, endpoint: Endpoint) -> int:
    to = box.destination(endpoint)

    def be_archive(transaction: Connection) -> None:
        key = transaction.execute(select(peer.c.id)).scalar_one()
        set_archive(transaction, key, ArchivePolicy(), clock(), expected_version=None, by=ROE)

    box.catalog.write(be_archive)
    box.order(to)
    box.carry_out()
    return to


def test_law_9_other_bytes_that_are_sent_to_an_archive_end_its_evidence(box: Outbox) -> None:
    """It may have replaced what it committed to."""
    uids = box.images(2)
    with listening(Peer()) as endpoint:
        to = archive_of_all(box, endpoint)
        assert len(evidence(box)) == 2
        prepared(box, uids[0])
        correct(box.catalog, "instance", uids[0], InstanceNumber="77")
        box.order(to)
        box.carry_out()
    assert evidence(box) == {uids[1]: ("committed", True)}


def test_breach_of_law_9_evidence_that_outlives_other_bytes_is_noticed(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_under_way, "end_evidence_before", lambda *given: None)
    with pytest.raises(AssertionError):
        test_law_9_other_bytes_that_are_sent_to_an_archive_end_its_evidence(box)


@pytest.mark.parametrize("residence", ["local", "remote"])
def test_law_9_what_an_archive_says_that_it_has_changed_is_no_promise_any_more(
    box: Outbox, residence: str
) -> None:
    """It was committed to, is sent again, and the answer is a warning; it may have been evicted meanwhile."""
    uids = box.images(2)
    changing = Peer(script=lambda uid, number: 0xB000 if number > 2 and uid == uids[0] else 0)
    with listening(changing) as endpoint:
        to = archive_of_all(box, endpoint)
        prepared(box, uids[0])

        def evicted(uid: str) -> None:
            if changing.given.count(uids[0]) == 2:
                prepared(box, uids[0], residence=residence)

        changing.taking = evicted
        box.order(to)
        box.carry_out()
    left = {uids[0]: ("acknowledged", False)} if residence == "remote" else {}
    assert evidence(box) == {**left, uids[1]: ("committed", True)}
    with box.catalog.read() as connection:
        suspended = connection.execute(select(archive.c.suspended_because)).scalar_one()
    assert ("has the only copies" in suspended) is (residence == "remote")


def test_law_9_other_bytes_never_replace_the_only_copy(box: Outbox) -> None:
    (uid,) = box.images(1)
    with listening(Peer()) as endpoint:
        archive_of_all(box, endpoint)
    prepared(box, uid, residence="remote")
    with box.catalog.read() as connection:
        key = connection.execute(select(instance.c.id)).scalar_one()
        to = connection.execute(select(peer.c.id)).scalar_one()
    with pytest.raises(OnlyCopyThereError):
        box.catalog.write(lambda transaction: other_bytes_go_out(transaction, to, key))
    assert evidence(box) == {uid: ("committed", True)}


def test_what_came_from_an_archive_is_not_sent_back(box: Outbox) -> None:
    uids = box.images(2)
    prepared(box, uids[0], brought_by_kind="peer", brought_by_name="ARCHIVE")
    with listening(Peer()) as endpoint:
        archive_of_all(box, endpoint)
    assert evidence(box) == {uids[1]: ("acknowledged", True)}
    assert sorted(box.objects(1).values()) == ["acknowledged", "skipped"]
