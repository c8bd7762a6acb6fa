"""The account of a study is the same on every interface: QIDO-RS, C-FIND, what C-MOVE and C-GET send, the live view."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import study
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse.information_models import STUDY_ROOT
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.scp.queries.find import find
from kinote.scp.queries.query_options import QueryOptions
from kinote.web.application import Rooms
from tests.actors import ROE
from tests.clock import clock
from tests.scp.requests import decoded, encoded, request
from tests.web.conftest import address, client, demo_rooms

__all__ = ["address", "client", "demo_rooms"]


@pytest.fixture
def rooms(demo_rooms: Rooms) -> Rooms:
    return demo_rooms


def test_law_1_the_account_is_the_same_on_every_interface(rooms: Rooms, client: httpx.Client) -> None:
    studies = [item["study_instance_uid"] for item in client.get("/api/v1/studies").json()["items"]]
    assert studies
    _agree(rooms, client, studies)
    # The first image of each study, which notes may flag.
    uids = [_live(rooms, study)[0] for study in studies]
    rooms.catalog.write(lambda tx: withdraw(tx, uids, act=QUALITY, text="", by=ROE, now=clock()))
    _agree(rooms, client, studies)
    for uid, one in zip(uids, studies, strict=True):
        account = client.get(f"/api/v1/studies/{one}/account").json()
        assert account["by_standing"]["withdrawn"]["sop_instance_uids"] == [uid]


def _agree(rooms: Rooms, client: httpx.Client, studies: list[str]) -> None:
    for one in studies:
        account = client.get(f"/api/v1/studies/{one}/account").json()
        ought = sorted(account["by_standing"].get("live", {"sop_instance_uids": []})["sop_instance_uids"])
        assert account["counts_agree"]
        assert account["stored_instance_count"] == len(ought)
        assert _live(rooms, one) == ought
        assert _by_web(client, one) == ought
        assert _by_network(rooms, one) == ought
        assert _retrieved(rooms, one) == ought


def _live(rooms: Rooms, uid: str) -> list[str]:
    query = (
        select(live_instance.c.sop_instance_uid)
        .join(study, study.c.id == live_instance.c.study)
        .where(study.c.study_instance_uid == uid)
    )
    with rooms.catalog.read() as connection:
        return sorted(connection.execute(query).scalars())


def _by_web(client: httpx.Client, uid: str) -> list[str]:
    found: list[dict[str, Any]] = client.get(f"/dicomweb/studies/{uid}/instances").json()
    return sorted(each["00080018"]["Value"][0] for each in found)


def _by_network(rooms: Rooms, uid: str) -> list[str]:
    asked = request("IMAGE", StudyInstanceUID=uid, SOPInstanceUID="")
    answers = find(
        rooms.catalog,
        encoded(asked, EXPLICIT_VR_LITTLE_ENDIAN),
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        model=STUDY_ROOT,
        options=QueryOptions(relational=True, combined=True),
        retrieve_ae_title="KINOTE",
    )
    return sorted(
        str(decoded(each, EXPLICIT_VR_LITTLE_ENDIAN).SOPInstanceUID) for each in answers.identifiers
    )


def _retrieved(rooms: Rooms, uid: str) -> list[str]:
    """What C-MOVE and C-GET send."""
    with rooms.catalog.read() as connection:
        return sorted(each.sop_instance_uid for each in rooms.door.find(connection, uid))
