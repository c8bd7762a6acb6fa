"""Answers for which frames are decoded: they keep no others waiting, and end when nobody waits or it takes too long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import httpx
import pytest
from anyio import CapacityLimiter
from pydicom.uid import RLELossless

from kinote.decoding.errors import DecodingCancelledError
from kinote.delivery.outgoing import TARGETS, TranscodingError, data_set, outgoing
from kinote.delivery.reports.content import Summary, pictures, summary
from kinote.notes.lists import queries
from kinote.web.application import Rooms, create_application
from kinote.web.rooms import Threads
from tests.actors import ROE
from tests.web.conftest import running
from tests.web.objects import INSTANCE, INSTANCES, STUDY, as_file, compressed, image
from tests.web.test_notes_api import NOTES, note
from tests.web.test_retrieve import EXPLICIT, store

DECODED = 'multipart/related; type="application/octet-stream"'
STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
RE_ENCODED = f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'


@pytest.fixture
def few(rooms: Rooms) -> Rooms:
    """One thread for each kind of answer."""
    return replace(rooms, threads=Threads(streams=CapacityLimiter(1), decoded=CapacityLimiter(1)))


@pytest.mark.parametrize("busy", ["streams", "decoded"])
def test_law_5_what_is_decoded_and_what_goes_out_as_stored_do_not_keep_each_other_waiting(
    few: Rooms, busy: str
) -> None:
    server = running(create_application(few))
    with server as address, httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        store(client, as_file(compressed(image(1), RLELossless), RLELossless))
        limiter: CapacityLimiter = getattr(few.threads, busy)
        server.in_loop(lambda: limiter.acquire_on_behalf_of_nowait(busy))
        if busy == "decoded":
            answers = [client.get(f"/dicomweb/studies/{STUDY}", headers={"Accept": STORED})]
        else:
            frame = f"{INSTANCES}/{INSTANCE}/frames/1"
            answers = [
                client.get(frame, headers={"Accept": DECODED}),
                client.get(f"/dicomweb/studies/{STUDY}", headers={"Accept": RE_ENCODED}),
            ]
        assert [answer.status_code for answer in answers] == [200] * len(answers)
        server.in_loop(lambda: limiter.release_on_behalf_of(busy))


def test_nothing_more_is_decoded_of_an_object_for_which_nobody_waits(
    client: httpx.Client, rooms: Rooms
) -> None:
    store(client, as_file(compressed(image(1), RLELossless), RLELossless))
    with rooms.catalog.read() as connection:
        found = rooms.door.find_instance(connection, INSTANCE)
    assert found is not None
    with pytest.raises(TranscodingError, match="Nobody waits") as raised:
        data_set(found, outgoing(rooms.door, found, ROE), TARGETS[0], is_cancelled=lambda: True)
    assert isinstance(raised.value.__cause__, DecodingCancelledError)


@pytest.fixture
def shown(client: httpx.Client, rooms: Rooms) -> Iterator[Summary]:
    """The summary of a note that flags an image."""
    store(client, as_file(image(1)))
    made = client.post(NOTES, json=note())
    assert made.status_code == 201, made.text
    with rooms.catalog.read() as connection:
        found = queries.note(connection, made.json()["id"])
        assert found is not None
        yield summary(connection, rooms.door, found, ROE)


def test_the_pictures_of_a_summary_have_one_deadline(shown: Summary, rooms: Rooms) -> None:
    """By a clock that goes on by a second whenever it is asked, and by one that jumps by an hour."""
    seconds, hours = count(), count(0, 3600)
    assert all(
        picture is not None
        for _, picture, _ in pictures(rooms.door, shown, steady=lambda: float(next(seconds)))
    )
    late = list(pictures(rooms.door, shown, steady=lambda: float(next(hours))))
    assert late and all(picture is None and "took too long" in said for _, picture, said in late)


def test_no_picture_is_made_for_whom_has_gone(shown: Summary, rooms: Rooms) -> None:
    assert all(picture is None for _, picture, _ in pictures(rooms.door, shown, lambda: True))
