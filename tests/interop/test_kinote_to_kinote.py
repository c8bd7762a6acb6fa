"""Studies with their notes go from one Kinote to another by C-MOVE, with and without TLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kinote.demo import identity
from kinote.dimse.entity import ApplicationEntity
from tests.interop.journey import STUDIES, make_notes, notes, stored
from tests.interop.network import Certificates, Kinote, kinote
from tests.interop.our_user import Peer

#: The titles of the second one: as it is called without and with TLS.
SECOND, SECURE = "SECOND", "SECOND_TLS"


@contextmanager
def two(folder: Path, demo_data: Path) -> Iterator[tuple[Kinote, Kinote, Certificates]]:
    """One that has the demo studies and notes on them, and one that is empty; the first knows the second.

    With TLS, each wants the other's certificate.
    """
    certificates = Certificates(folder / "certificates")
    with kinote(
        folder / "second", certificates, client_certificates=True, ae_titles=(SECOND, SECURE)
    ) as second:
        entities = [
            ApplicationEntity(SECOND, "127.0.0.1", second.plain),
            ApplicationEntity(SECURE, "127.0.0.1", second.secure, tls=True),
        ]
        with kinote(
            folder / "first", certificates, entities, client_certificates=True, begins_with=demo_data
        ) as first:
            make_notes(first.client)
            yield first, second, certificates


@pytest.mark.timeout(300)
def test_notes_are_the_same_after_c_move(tmp_path: Path, demo_data: Path) -> None:
    with two(tmp_path, demo_data) as (first, second, certificates):
        for study, title in zip(STUDIES, (SECURE, SECOND, SECURE), strict=True):
            peer = Peer(first.entity(secure=title == SECURE), certificates.as_user(certificates.theirs))
            last = peer.move(title, "STUDY", StudyInstanceUID=study.uid)
            assert (last.status, last.failed, last.warning) == (0, 0, 0)
            (found,) = peer.find("STUDY", StudyInstanceUID=study.uid, NumberOfStudyRelatedInstances="")
            assert last.completed == found.NumberOfStudyRelatedInstances
        sent = stored(first.client, "/dicomweb")
        assert len(sent) > 80
        assert stored(second.client, "/dicomweb") == sent
        for study in STUDIES:
            made = notes(first.client, study.uid)
            assert made
            assert notes(second.client, study.uid) == made
        assert "右肺の結節、要手術" in {
            note["description"] for note in notes(second.client, identity.CHEST_CT.uid)
        }
