"""Frames of all syntaxes with a few bytes changed: the server answers what is documented, and goes on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.decoding.options import DecodingOptions
from kinote.decoding.pool import Decoded
from kinote.decoding.shared import decoding_processes
from kinote.holdings.door import Door
from kinote.intake.receiver import Receiver
from kinote.storage.local import local_stores
from kinote.web.application import Rooms, create_application
from tests.actors import OPEN
from tests.clock import clock
from tests.databases import new_sqlite_index
from tests.decoding.test_frame_decoder import FRAMES, RLE, header, noise, rle
from tests.dicom.pixel_objects import as_file, image, items
from tests.scale import SCALE
from tests.web.conftest import running

#: A frame of these that hangs is stopped soon.
OPTIONS = DecodingOptions(processes=2, seconds=0.3)

SEEDS = {**FRAMES, RLE: rle(b"\x81\1\x81\2\x81\3\xf1\4", b"\x81\5\x81\6\x81\7\xf1\x08")}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    stores = local_stores(tmp_path / "data")
    catalog = Catalog(CatalogOptions(new_sqlite_index(tmp_path / "index.db")))
    receiver = Receiver(catalog, stores, clock=clock)
    rooms = Rooms(catalog, receiver, Door(catalog, stores, clock=clock), clock=clock, policy=OPEN)
    with (
        running(create_application(rooms)) as address,
        httpx.Client(base_url=address, timeout=60, trust_env=False) as opened,
    ):
        yield opened
    receiver.close()
    stores.close()
    catalog.close()


def mutated(chance: random.Random, frame: bytes) -> bytes:
    """Some bytes changed, left out or repeated."""
    found = bytearray(frame)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(found))
        match chance.randrange(4):
            case 0:
                found[at] = chance.randrange(256)
            case 1:
                found[at] ^= 1 << chance.randrange(8)
            case 2:
                del found[at : at + chance.randint(1, 40)]
            case _:
                found[at:at] = found[at : at + chance.randint(1, 40)]
        if not found:
            return b"\0"
    return bytes(found)


@pytest.mark.soak
def test_law_5_mutated_frames_get_documented_answers(client: httpx.Client) -> None:
    chance = random.Random(12)
    seen: list[Decoded] = []
    answers: dict[int, int] = {}
    with decoding_processes(OPTIONS, seen.append):
        for number in range(1, SCALE.mutated_frames + 1):
            syntax = chance.choice(sorted(SEEDS))
            dataset = image(
                PixelData=items(mutated(chance, SEEDS[syntax])),
                **header(noise(20, 20, 1, 12), 12),
            )
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", "1.2.3"
            dataset.SOPInstanceUID = f"1.2.3.{number}"
            file = as_file(dataset, syntax).getvalue()
            client.post("/api/v1/objects", content=file, headers={"Content-Type": "application/dicom"})
            place = f"/dicomweb/studies/1.2/series/1.2.3/instances/1.2.3.{number}"
            if number % 3:
                answer = client.get(f"{place}/rendered")
            else:
                answer = client.get(f"{place}/frames/1", headers={"Accept": "application/octet-stream"})
            answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
            if answer.status_code != 200:
                assert answer.json()["type"] == "urn:kinote:problem:no-picture", answer.text
    assert set(answers) == {200, 406}
    assert {each.outcome for each in seen} >= {"decoded", "damaged"}
    assert np.mean([each.outcome == "unavailable" for each in seen]) == 0
