"""Every interface answers the same before and after the bytes of a key object are made, and only leaving makes them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from blockbuster import blockbuster_ctx
from sqlalchemy import select

from kinote.catalog.schema.tables import instance
from kinote.catalog.schema.tables import study as study_table
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse.information_models import STUDY_ROOT
from kinote.holdings.door import Door
from kinote.intake.receiver import Receiver
from kinote.keyobject import writer
from kinote.notes.creator.making import KeyObjectMaker
from kinote.scp.queries.find import find
from kinote.scp.queries.query_options import QueryOptions
from kinote.storage.local import local_stores
from kinote.web.application import Rooms, WebOptions, create_application
from tests.actors import OPEN
from tests.clock import clock
from tests.migration.tables import imported, kept_bytes, residences, row
from tests.notes.sample_studies import (
    FIRST,
    FRAMES,
    IMAGE,
    KEY_OBJECT,
    SECOND,
    SECOND_IMAGE,
    ULTRASOUND,
    dataset,
    object_of,
    read,
    receive,
)
from tests.notes.test_law_11_made_again import hold_law_11
from tests.scp.requests import decoded, encoded, request
from tests.web.conftest import running
from tests.web.test_retrieve import ANY, parts

#: What C-FIND is asked for of a key object.
ASKED = (
    "SOPClassUID",
    "ConceptNameCodeSequence",
    "CurrentRequestedProcedureEvidenceSequence",
    "ContentSequence",
    "ReferencedRequestSequence",
    "ContentDate",
    "InstanceNumber",
    "Manufacturer",
    "SeriesDescription",
)


@pytest.fixture
def stocked(catalog: Catalog) -> Catalog:
    """Images of two studies, with their bytes."""
    receive(
        catalog,
        dataset(object_of(IMAGE)),
        dataset(object_of(FRAMES, ULTRASOUND, NumberOfFrames=10, Modality="US")),
        dataset(object_of(SECOND_IMAGE)),
    )
    return catalog


@pytest.fixture
def rooms(stocked: Catalog, tmp_path: Path) -> Iterator[Rooms]:
    stores = local_stores(tmp_path / "data")
    maker = KeyObjectMaker(stocked)
    door = Door(stocked, stores, clock=clock, make=maker, look=maker.look)
    receiver = Receiver(stocked, stores, clock=clock)
    yield Rooms(stocked, receiver, door, WebOptions(viewer=tmp_path), clock=clock, policy=OPEN)
    receiver.close()
    stores.close()


@pytest.fixture
def client(rooms: Rooms) -> Iterator[httpx.Client]:
    with (
        blockbuster_ctx("kinote"),
        running(create_application(rooms)) as address,
        httpx.Client(base_url=address, timeout=60) as opened,
    ):
        yield opened


def migrate(catalog: Catalog) -> list[str]:
    """Two notes, one of them in two studies; the paths of their key objects under /dicomweb."""
    results = imported(
        catalog,
        [
            row("1", IMAGE),
            row("1", SECOND_IMAGE),
            row("2", FRAMES, sop_class_uid=ULTRASOUND, frames="3;7", description="右肺", title="113002"),
        ],
    )
    return [each.sop_instance_uid for result in results for each in read(catalog, result.note).key_objects]


def answers(client: httpx.Client, rooms: Rooms, key_objects: list[str]) -> dict[str, Any]:
    """What everything says that can be asked."""
    paths = [
        "/dicomweb/studies?includefield=all",
        "/dicomweb/series?includefield=all",
        "/dicomweb/instances?includefield=all",
        "/dicomweb/instances?ContentSequence=&Modality=KO&includefield=ContentTemplateSequence",
        "/api/v1/studies",
        "/api/v1/notes?origin=migrated",
        "/api/v1/changes",
        f"/api/v1/instances/{IMAGE}/notes",
    ]
    for study in (FIRST, SECOND):
        paths += [
            f"/dicomweb/studies/{study}/metadata",
            f"/dicomweb/studies/{study}/instances?includefield=all",
            f"/api/v1/studies/{study}",
            f"/api/v1/studies/{study}/notes",
            f"/api/v1/studies/{study}/account",
        ]
    listed = client.get("/dicomweb/instances?Modality=KO").json()
    for uid in key_objects:
        (found,) = [each for each in listed if each["00080018"]["Value"] == [uid]]
        place = f"/dicomweb/studies/{found['0020000D']['Value'][0]}/series/{found['0020000E']['Value'][0]}"
        paths += [
            f"{place}/metadata",
            f"{place}/instances/{uid}/metadata",
            f"{place}/instances/{uid}/rendered",
        ]
    said: dict[str, Any] = {}
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        is_json = "json" in answer.headers["content-type"]
        said[path] = answer.json() if is_json else answer.text, answer.headers.get("etag")
        if path.endswith("/account"):
            # It says where the bytes are, which is the one thing that differs.
            del said[path][0]["by_residence"]
    identifier = encoded(request("IMAGE", Modality="KO", **dict.fromkeys(ASKED)), EXPLICIT_VR_LITTLE_ENDIAN)
    matched = find(
        rooms.catalog,
        identifier,
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        model=STUDY_ROOT,
        options=QueryOptions(relational=True),
        retrieve_ae_title="KINOTE",
        derived=rooms.door.derived,
    )
    said["C-FIND"] = [decoded(each, EXPLICIT_VR_LITTLE_ENDIAN).to_json_dict() for each in matched.identifiers]
    assert len(said["C-FIND"]) == len(key_objects)
    assert all("0040A730" in each for each in said["C-FIND"])
    return said


def retrieved(client: httpx.Client) -> list[list[bytes]]:
    """The key objects as several clients get them at once, by WADO-RS."""

    def get(study: str) -> list[bytes]:
        answer = client.get(f"/dicomweb/studies/{study}", headers={"Accept": ANY})
        assert answer.status_code in (200, 206)
        return sorted(part for _, part in parts(answer) if KEY_OBJECT.encode() in part)

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(get, [FIRST] * 4))


def test_law_11_nothing_is_answered_otherwise_and_only_leaving_makes_bytes(
    stocked: Catalog, rooms: Rooms, client: httpx.Client
) -> None:
    key_objects = migrate(stocked)
    before = answers(client, rooms, key_objects)
    assert kept_bytes(stocked) == 0
    assert residences(stocked) == ["derivable"] * 3
    first, *others = retrieved(client)
    assert len(first) == 2
    assert all(each == first for each in others)
    assert sorted(residences(stocked)) == ["derivable", "local", "local"]
    client.get(f"/dicomweb/studies/{SECOND}", headers={"Accept": ANY})
    assert residences(stocked) == ["local"] * 3
    assert answers(client, rooms, key_objects) == before
    hold_law_11(stocked)


def test_breach_of_law_11_bytes_that_are_kept_for_who_only_looks_are_noticed(
    stocked: Catalog, rooms: Rooms, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_objects = migrate(stocked)
    monkeypatch.setattr(rooms.door, "_look", None)
    client.get(f"/dicomweb/studies/{FIRST}/metadata")
    assert kept_bytes(stocked) == 2
    assert len(key_objects) == 3


def test_breach_of_law_11_answers_without_what_is_not_made_yet_are_noticed(
    filled_sqlite: Catalog, tmp_path: Path
) -> None:
    migrate(filled_sqlite)
    stores = local_stores(tmp_path / "data")
    maker = KeyObjectMaker(filled_sqlite)
    found = []
    for look in (maker.look, None):
        door = Door(filled_sqlite, stores, clock=clock, make=maker, look=look)
        identifier = encoded(request("IMAGE", Modality="KO", ContentSequence=None), EXPLICIT_VR_LITTLE_ENDIAN)
        matched = find(
            filled_sqlite,
            identifier,
            transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
            model=STUDY_ROOT,
            options=QueryOptions(relational=True),
            retrieve_ae_title="KINOTE",
            derived=door.derived,
        )
        found.append(
            [decoded(each, EXPLICIT_VR_LITTLE_ENDIAN).ContentSequence for each in matched.identifiers]
        )
    stores.close()
    assert all(found[0]) and not any(found[1])


def test_law_5_what_cannot_be_made_is_left_out_and_its_account_says_why(
    stocked: Catalog, rooms: Rooms, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(stocked)
    spoilt, other = key_objects_of(stocked, FIRST)
    encode = writer.encode

    def fails(document: Any) -> bytes:
        if document.context.sop_instance_uid == spoilt:
            raise RecursionError("too deep")
        return encode(document)

    monkeypatch.setattr(writer, "encode", fails)
    answer = client.get(f"/dicomweb/studies/{FIRST}", headers={"Accept": ANY})
    assert answer.status_code == 206
    went = [part for _, part in parts(answer) if KEY_OBJECT.encode() in part]
    assert len(went) == 1 and other.encode() in went[0]
    # The images, and the other key object.
    assert len(parts(answer)) == 3
    told = client.get(f"/api/v1/studies/{FIRST}/account").json()["not_made"]
    assert [(each["sop_instance_uid"], each["reason"]) for each in told] == [
        (spoilt, "Its bytes cannot be made from its note: RecursionError: too deep.")
    ]
    monkeypatch.undo()
    assert client.get(f"/dicomweb/studies/{FIRST}", headers={"Accept": ANY}).status_code == 200
    assert client.get(f"/api/v1/studies/{FIRST}/account").json()["not_made"] == []
    hold_law_11(stocked)


def key_objects_of(catalog: Catalog, study: str) -> list[str]:
    """The key objects of a study, in the order in which their rows were made."""
    query = (
        select(instance.c.sop_instance_uid)
        .join(study_table, study_table.c.id == instance.c.study)
        .where(study_table.c.study_instance_uid == study, instance.c.sop_class_uid == KEY_OBJECT)
        .order_by(instance.c.id)
    )
    with catalog.read() as connection:
        return list(connection.execute(query).scalars())
