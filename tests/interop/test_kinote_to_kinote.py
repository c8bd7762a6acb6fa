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

SECOND = "SECOND"


@contextmanager
def two(folder: Path, *, secure: bool) -> Iterator[tuple[Kinote, Kinote, Certificates]]:
    """One that has the demo studies and notes on them, and one that is empty; the first knows the second.

    With TLS, each wants the other's certificate.
    """
    certificates = Certificates(folder / "certificates")
    with kinote(folder / "second", certificates, client_certificates=True, ae_title=SECOND) as second:
        entity = ApplicationEntity(SECOND, "127.0.0.1", second.secure if secure else second.plain, tls=secure)
        with kinote(
            folder / "first", certificates, [entity], client_certificates=True, command="demo"
        ) as first:
            make_notes(first.client)
            yield first, second, certificates


@pytest.mark.timeout(300)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_notes_are_the_same_after_c_move(tmp_path: Path, secure: bool) -> None:
    with two(tmp_path, secure=secure) as (first, second, certificates):
        peer = Peer(first.entity(secure=secure), certificates.as_user(certificates.theirs))
        for study in STUDIES:
            last = peer.move(SECOND, "STUDY", StudyInstanceUID=study.uid)
            assert (last.status, last.failed, last.warning) == (0, 0, 0)
            assert last.completed == len(
                peer.find("IMAGE", StudyInstanceUID=study.uid, **series_of(peer, study.uid))
            )
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


def series_of(peer: Peer, study: str) -> dict[str, str]:
    """All the series of a study, as one key."""
    found = peer.find("SERIES", StudyInstanceUID=study, SeriesInstanceUID="")
    return {"SeriesInstanceUID": "\\".join(each.SeriesInstanceUID for each in found), "SOPInstanceUID": ""}
