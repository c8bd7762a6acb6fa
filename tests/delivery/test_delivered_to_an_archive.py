"""What a delivery has brought to an archive, as it is stored, is what the archive is asked commitment for (law 9)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance, location, peer
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.archives.promises import set_archive
from kinote.peers.archive_policy import ArchivePolicy
from tests.actors import ROE
from tests.clock import clock
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
