"""C-MOVE to receivers that end associations."""

from __future__ import annotations

from pathlib import Path

from kinote.dimse import statuses
from kinote.dimse.entity import ApplicationEntity
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
