"""What a station gets of whole studies that it retrieves, where its destination limits it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from kinote.catalog.schema.live import live_instance
from kinote.dimse import statuses
from kinote.peers import destination_acts
from kinote.peers.destination import Content, Policy, WithoutNotes
from kinote.scp.options import ScpOptions
from tests.actors import ROE
from tests.clock import clock
from tests.notes.sample_studies import made, request
from tests.peers.known import known
from tests.peers.wanted import added, archive, dimse, sending_to
from tests.scp.face import OPTIONS, Face, face
from tests.scp.test_services import fill, got, moved

STUDY = "1.2.3"

KEY_IMAGES = Policy(pulled=Content.KEY_IMAGES)
KEY_IMAGES_OR_NOTHING = Policy(pulled=Content.KEY_IMAGES, pulled_without_notes=WithoutNotes.NOTHING)


def limited(opened: Face, title: str, policy: Policy) -> None:
    """The station with this title is in the index as the first peer, as which it is known, with a destination."""
    catalog = opened.rooms.catalog
    station = added(catalog, archive(title, dimse(title)))
    assert station.id == 1
    wanted = sending_to(station.endpoints[0], title, policy)
    catalog.write(lambda transaction: destination_acts.add_destination(transaction, wanted, clock(), by=ROE))


def held_by(opened: Face) -> set[str]:
    with opened.rooms.catalog.read() as connection:
        return set(connection.execute(select(live_instance.c.sop_instance_uid)).scalars())


@pytest.mark.parametrize(
    ("policy", "is_flagged", "expected"),
    [
        pytest.param(Policy(), True, {1, 2, 3, "note"}, id="all"),
        pytest.param(KEY_IMAGES, True, {2, "note"}, id="key images"),
        pytest.param(KEY_IMAGES, False, {1, 2, 3}, id="without notes all"),
        pytest.param(KEY_IMAGES_OR_NOTHING, False, set(), id="without notes nothing"),
        pytest.param(KEY_IMAGES_OR_NOTHING, True, {2, "note"}, id="key images or nothing"),
        pytest.param(Policy(pulled=Content.NOTES), True, {"note"}, id="notes"),
    ],
)
def test_a_key_images_only_pull_brings_exactly_those(
    tmp_path: Path, policy: Policy, is_flagged: bool, expected: set[int | str]
) -> None:
    with face(tmp_path / "second", ScpOptions(port=0, titles=("SECOND",))) as second:
        with face(tmp_path / "first", OPTIONS, known(second.entity("SECOND"))) as first:
            fill(first)
            limited(first, "SECOND", policy)
            notes: dict[int | str, str] = {}
            if is_flagged:
                note = made(first.rooms.catalog, request("1.2.3.4.2"))
                notes["note"] = note.key_objects[0].sop_instance_uid
            answer = moved(first, "SECOND", PatientID="P1")
        assert (answer.status, answer.completed) == (statuses.SUCCESS, len(expected))
        assert held_by(second) == {notes.get(each, f"1.2.3.4.{each}") for each in expected}


def test_what_is_named_by_itself_is_always_sent(tmp_path: Path) -> None:
    """By C-GET, which goes by the calling title."""
    with face(tmp_path / "first", OPTIONS) as first:
        title = "TESTER"
        fill(first)
    with face(tmp_path / "second", OPTIONS, known(first.entity(title))) as opened:
        fill(opened)
        limited(opened, title, KEY_IMAGES_OR_NOTHING)
        assert got(opened, StudyInstanceUID=STUDY)[1] == {}
        one = got(opened, level="IMAGE", StudyInstanceUID=STUDY, SOPInstanceUID="1.2.3.4.1")[1]
        assert set(one) == {"1.2.3.4.1"}
        in_series = got(opened, level="SERIES", StudyInstanceUID=STUDY, SeriesInstanceUID="1.2.3.4")[1]
        assert set(in_series) == {"1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"}
