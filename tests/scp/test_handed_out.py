"""What peers are given by C-GET and C-MOVE is recorded, with the answer of each; what others get is not."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from kinote.catalog.schema.tables import delivery
from kinote.delivery.ledger import Ledger
from kinote.dimse import statuses
from kinote.dimse.entity import ApplicationEntity
from kinote.scp.options import ScpOptions
from tests.clock import clock
from tests.peers.known import known
from tests.scp.face import OPTIONS, Face, face
from tests.scp.test_services import fill, got, moved
from tests.web.objects import STUDY


def recorded(opened: Face, ledger: Ledger) -> list[tuple[int, str, str, str]]:
    ledger.write()
    with opened.rooms.catalog.read() as connection:
        rows = connection.execute(select(delivery).order_by(delivery.c.sop_instance_uid)).all()
        forgotten = connection.execute(select(delivery.c.state).where(delivery.c.changed_at == "")).all()
    assert not forgotten
    return [(row.peer, row.way, row.state, row.answer) for row in rows]


def test_a_get_by_a_peer_is_recorded(tmp_path: Path) -> None:
    peer = known(ApplicationEntity("TESTER", "127.0.0.1"))
    ledgers: list[Ledger] = []
    with face(tmp_path, OPTIONS, peer, record=ledgers) as opened:
        fill(opened)
        got(opened, StudyInstanceUID=STUDY, answering=statuses.OUT_OF_RESOURCES)
        assert recorded(opened, ledgers[0]) == [(peer.id, "C-GET", "failed", "A700H")] * 3
        got(opened, StudyInstanceUID=STUDY)
        assert recorded(opened, ledgers[0]) == [(peer.id, "C-GET", "given", "0000H")] * 3


def test_a_get_by_nobody_we_know_is_not(tmp_path: Path) -> None:
    ledgers: list[Ledger] = []
    with face(tmp_path, OPTIONS, record=ledgers) as opened:
        fill(opened)
        got(opened, StudyInstanceUID=STUDY)
        assert recorded(opened, ledgers[0]) == []


def test_a_move_is_recorded_for_who_receives_it(tmp_path: Path) -> None:
    ledgers: list[Ledger] = []
    with face(tmp_path / "second", ScpOptions(port=0, titles=("SECOND",))) as second:
        destination = known(second.entity("SECOND"))
        with face(tmp_path / "first", OPTIONS, destination, record=ledgers) as first:
            fill(first)
            assert moved(first, "SECOND", PatientID="P1").completed == 3
            assert recorded(first, ledgers[0]) == [(destination.id, "C-MOVE", "given", "0000H")] * 3
            second.server.close()
            assert moved(first, "SECOND", PatientID="P1").failed == 3
            # Nothing was sent, and what it was given it still has.
            assert recorded(first, ledgers[0]) == [(destination.id, "C-MOVE", "given", "0000H")] * 3


def test_what_cannot_be_written_waits(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
    from kinote.lifecycle.owed.receivers import Given, Receiver, State

    catalog = Catalog(CatalogOptions(f"sqlite:///{tmp_path / 'kinote.sqlite'}"))
    ledger = Ledger(catalog, clock)
    record = ledger.record_for(Receiver(1), "C-GET")
    record("1.2.3", State.UNKNOWN, "")
    catalog.close()
    ledger.write()
    record("1.2.3", State.GIVEN, "0000H")
    ledger.note(Given("1.2.4", Receiver(1), State.FAILED, "A700H", "C-GET", datetime.now(UTC)))
    again = Catalog(CatalogOptions(f"sqlite:///{tmp_path / 'kinote.sqlite'}"))
    ledger._catalog = again
    ledger.write()
    with again.read() as connection:
        states = (
            connection.execute(select(delivery.c.state).order_by(delivery.c.sop_instance_uid)).scalars().all()
        )
    assert states == ["given", "failed"]
    again.close()
