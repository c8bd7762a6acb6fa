"""C-MOVE to receivers that end associations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import archive, instance, location, peer
from kinote.catalog.schema.timestamps import timestamp
from kinote.dimse import statuses
from kinote.dimse.entity import ApplicationEntity
from tests.clock import clock
from tests.corrected import correct
from tests.delivery.ending_peer import taking_of_each_association
from tests.peers.known import known
from tests.scp.face import OPTIONS, face
from tests.scp.test_services import fill, moved


def test_a_receiver_that_ends_each_association_after_one_object_gets_all(tmp_path: Path) -> None:
    with taking_of_each_association(1) as (peer, taken):
        assert peer.host is not None
        second = ApplicationEntity("SECOND", peer.host, peer.port)
        with face(tmp_path / "first", OPTIONS, known(second)) as first:
            fill(first)
            answer = moved(first, "SECOND", PatientID="P1")
    assert (answer.status, answer.completed) == (statuses.SUCCESS, 3)
    assert taken == ["1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"]


def test_law_9_other_bytes_that_an_archive_is_given_by_c_move_end_its_evidence(tmp_path: Path) -> None:
    with taking_of_each_association(9) as (peer_entity, taken):
        assert peer_entity.host is not None
        destination = replace(known(ApplicationEntity("SECOND", peer_entity.host, peer_entity.port)), id=1)
        with face(tmp_path / "first", OPTIONS, destination) as first:
            fill(first)
            catalog = first.rooms.catalog

            def commit(transaction: Connection) -> None:
                at = timestamp(clock())
                transaction.execute(peer.insert(), {"id": 1, "name": "A", "added_at": at, "changed_at": at})
                transaction.execute(archive.insert(), {"peer": 1, "policy": "{}", "added_at": at})
                for row in transaction.execute(select(instance.c.id, instance.c.digest)).all():
                    promised = {"instance": row.id, "archive": 1, "digest": row.digest, "at": at}
                    transaction.execute(location.insert(), {**promised, "evidence": "committed"})

            catalog.write(commit)
            correct(catalog, "instance", "1.2.3.4.2", InstanceNumber="77")
            moved(first, "SECOND", PatientID="P1")
            with catalog.read() as connection:
                query = select(instance.c.sop_instance_uid).join(
                    location, location.c.instance == instance.c.id
                )
                promised = set(connection.execute(query).scalars())
    assert "1.2.3.4.2" in taken
    assert {"1.2.3.4.1", "1.2.3.4.3"} <= promised
    assert "1.2.3.4.2" not in promised
