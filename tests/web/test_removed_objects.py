"""Queries for what is removed from operational use: by QIDO-RS and by C-FIND, only for those who may see it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse.information_models import STUDY_ROOT
from kinote.scp.queries.find import find
from kinote.scp.queries.identifier_error import IdentifierError, Refusal
from kinote.scp.queries.query_options import QueryOptions
from kinote.security.roles import RoleName
from kinote.web.application import Rooms
from tests.scp.requests import decoded, encoded, request
from tests.web.objects import INSTANCE, SERIES, STUDY, as_file, image, multipart
from tests.web.signed_in import signing

ASKED = "RemovedFromOperationalUse"
REMOVED, REASON = "00080405", "00080406"


def stored(client: httpx.Client) -> None:
    """Two series of two images and one; an image of the first is withdrawn for quality, the second for safety."""
    other = image(3, SeriesInstanceUID="1.2.3.5", SOPInstanceUID="1.2.3.5.1")
    body, headers = multipart([as_file(image(1)), as_file(image(2)), as_file(other)])
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    withdraw(client, act="quality", instances=[INSTANCE])
    withdraw(client, act="safety", text="wrong side", series=["1.2.3.5"])


def withdraw(client: httpx.Client, **body: Any) -> None:
    answer = client.post("/api/v1/withdrawals", json=body)
    assert answer.status_code == 201, answer.text


def found(client: httpx.Client, resource: str, **keys: str) -> list[dict[str, Any]]:
    answer = client.get(f"/dicomweb/{resource}", params=keys)
    assert answer.status_code == 200, answer.text
    assert "Warning" not in answer.headers
    matches: list[dict[str, Any]] = answer.json()
    return matches


def reasons(match: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["00080100"]["Value"][0], item["00080102"]["Value"][0]) for item in match[REASON]["Value"]]


def by_uid(matches: list[dict[str, Any]], tag: str) -> dict[str, dict[str, Any]]:
    return {each[tag]["Value"][0]: each for each in matches}


def test_removed_instances_are_found_with_their_reason_and_nothing_live(client: httpx.Client) -> None:
    stored(client)
    matches = by_uid(found(client, f"studies/{STUDY}/instances", **{ASKED: "Y"}), "00080018")
    assert {uid: reasons(each) for uid, each in matches.items()} == {
        INSTANCE: [("113001", "DCM")],
        "1.2.3.5.1": [("113037", "DCM")],
    }
    assert all(each[REMOVED]["Value"] == ["Y"] for each in matches.values())
    assert all(each["00080056"]["Value"] == ["UNAVAILABLE"] for each in matches.values())
    # Other keys narrow it down, at every level, and all that page through it find the same.
    assert len(found(client, "instances", **{ASKED: "Y"}, Modality="CT", limit="1")) == 1
    assert len(found(client, "instances", **{ASKED: "Y"}, SeriesInstanceUID="1.2.3.5", limit="900")) == 1
    assert found(client, "instances", **{ASKED: "Y"}, SOPInstanceUID="9.9") == []


def test_a_series_or_study_is_removed_when_nothing_in_it_is_live(client: httpx.Client) -> None:
    stored(client)
    (match,) = found(client, "series", **{ASKED: "Y"})
    assert (match["0020000E"]["Value"], reasons(match)) == (["1.2.3.5"], [("113037", "DCM")])
    assert found(client, "studies", **{ASKED: "Y"}) == []
    withdraw(client, act="quality", series=[SERIES])
    for keys in ({}, {"ModalitiesInStudy": "CT"}, {"Modality": "CT"}, {"SOPInstanceUID": INSTANCE}):
        (match,) = found(client, "studies", **{ASKED: "Y"}, **keys)
        assert reasons(match) == [("113001", "DCM"), ("113037", "DCM")]


def test_what_is_live_says_so_only_where_it_is_asked(client: httpx.Client) -> None:
    stored(client)
    for keys in ({ASKED: "N"}, {"includefield": ASKED}):
        (match,) = found(client, "instances", SeriesInstanceUID=SERIES, **keys)
        assert (match["00080018"]["Value"], match[REMOVED]["Value"]) == ([f"{SERIES}.2"], ["N"])
    (match,) = found(client, "instances", SeriesInstanceUID=SERIES)
    assert REMOVED not in match
    assert client.get("/dicomweb/studies", params={ASKED: "maybe"}).status_code == 400


def test_law_1_removed_objects_are_not_shown_without_the_right_to_examine(rooms: Rooms) -> None:
    with signing(rooms) as signed:
        for role, status in ((RoleName.READER, 403), (RoleName.ADMINISTRATOR, 200)):
            answer = signed.ask("GET", f"/dicomweb/instances?{ASKED}=Y", signed.token(role))
            assert answer.status_code == status, (role, answer.text)


def asked_by_network(rooms: Rooms, level: str, *, may_examine: bool, value: str = "Y") -> list[Any]:
    asked = request(level, StudyInstanceUID=STUDY, RemovedFromOperationalUse=value)
    asked.ReasonForRemovalCodeSequence = []
    if level != "STUDY":
        asked.SeriesInstanceUID = ""
    if level == "IMAGE":
        asked.SOPInstanceUID = ""
    answers = find(
        rooms.catalog,
        encoded(asked, EXPLICIT_VR_LITTLE_ENDIAN),
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        model=STUDY_ROOT,
        options=QueryOptions(relational=True),
        retrieve_ae_title="KINOTE",
        may_examine=may_examine,
    )
    assert answers.status == 0xFF00
    return [decoded(each, EXPLICIT_VR_LITTLE_ENDIAN) for each in answers.identifiers]


def test_a_peer_that_may_examine_finds_removed_objects(rooms: Rooms, client: httpx.Client) -> None:
    stored(client)
    matches = {each.SOPInstanceUID: each for each in asked_by_network(rooms, "IMAGE", may_examine=True)}
    assert set(matches) == {INSTANCE, "1.2.3.5.1"}
    assert matches[INSTANCE].RemovedFromOperationalUse == "Y"
    (reason,) = matches[INSTANCE].ReasonForRemovalCodeSequence
    assert (reason.CodeValue, reason.CodingSchemeDesignator) == ("113001", "DCM")
    (series,) = asked_by_network(rooms, "SERIES", may_examine=True)
    assert series.SeriesInstanceUID == "1.2.3.5"
    live = {
        each.SOPInstanceUID: each for each in asked_by_network(rooms, "IMAGE", may_examine=False, value="")
    }
    assert live.keys().isdisjoint(matches)
    assert live[f"{SERIES}.2"].RemovedFromOperationalUse == "N"


@pytest.mark.parametrize(
    ("value", "may_examine", "status"),
    [("Y", False, Refusal.UNABLE_TO_PROCESS), ("maybe", True, Refusal.DOES_NOT_MATCH_SOP_CLASS)],
)
def test_law_1_a_peer_that_may_not_examine_is_refused(
    rooms: Rooms, value: str, may_examine: bool, status: Refusal
) -> None:
    with pytest.raises(IdentifierError) as raised:
        asked_by_network(rooms, "IMAGE", may_examine=may_examine, value=value)
    assert raised.value.status is status
