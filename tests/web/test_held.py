"""Held copies: listed and decided by series, by study, and in bulk."""

from __future__ import annotations

import httpx
import pytest

from kinote.web.rooms import Rooms
from tests.actors import ORIGIN
from tests.intake.objects import image


@pytest.fixture
def copies(client: httpx.Client, rooms: Rooms) -> None:
    """Three copies are held, in two studies; the first has two series."""
    places = (("1.2.3", "1.2.3.4"), ("1.2.3", "1.2.3.5"), ("1.2.9", "1.2.9.1"))
    for number, (study, series) in enumerate(places, 1):
        for comments in ("first", "other"):
            upload = rooms.receiver.open(ORIGIN)
            upload.write(
                image(number, StudyInstanceUID=study, SeriesInstanceUID=series, PatientComments=comments)
            )
            upload.finish().result(30)


def listed(client: httpx.Client, **parameters: str) -> list[str]:
    items = client.get("/api/v1/held", params=parameters).json()["items"]
    return [item["sop_instance_uid"] for item in items]


@pytest.mark.usefixtures("copies")
@pytest.mark.parametrize(
    ("which", "decided", "left"),
    [
        ({"series": ["1.2.3.5"]}, 1, ["1.2.3.4.1", "1.2.3.4.3"]),
        ({"studies": ["1.2.3"]}, 2, ["1.2.3.4.3"]),
        ({"studies": ["1.2.9"], "instances": ["1.2.3.4.1"]}, 2, ["1.2.3.4.2"]),
        ({"studies": ["1.2.77"]}, 0, ["1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"]),
        ({"all": True}, 3, []),
    ],
    ids=str,
)
def test_many_are_decided_at_once(
    client: httpx.Client, which: dict[str, object], decided: int, left: list[str]
) -> None:
    answer = client.post("/api/v1/held", json={"decision": "discard", **which})
    assert answer.json() == {"decision": "discard", "decided": decided, "left": False}
    assert listed(client) == left


@pytest.mark.usefixtures("copies")
def test_they_are_listed_by_study_and_series(client: httpx.Client) -> None:
    assert listed(client, study="1.2.3") == ["1.2.3.4.1", "1.2.3.4.2"]
    assert listed(client, series="1.2.9.1") == ["1.2.3.4.3"]
    assert listed(client, study="1.2.4") == []


@pytest.mark.parametrize("which", [{}, {"all": True, "studies": ["1.2.3"]}, {"studies": []}], ids=str)
def test_a_decision_says_about_what(client: httpx.Client, which: dict[str, object]) -> None:
    assert client.post("/api/v1/held", json={"decision": "discard", **which}).status_code == 422
