"""What requests leave in the audit trail names whom they concern, and every act leaves something."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from kinote.lifecycle.copies.proposed_corrections import ProposingCopy, propose
from kinote.security.audit.entry import AuditEvent, Concerned, event_of_request
from kinote.security.rights import REQUESTS
from kinote.web.application import create_application
from kinote.web.requests.permitted import routes_of
from kinote.web.requests.recording import NOTED, concerned_by
from kinote.web.rooms import Rooms
from tests.clock import clock
from tests.lifecycle.rejected import STRANGER, rejection
from tests.lifecycle.rejected import image as image_of
from tests.lifecycle.rejected import receive as receive_from
from tests.migration.tables import row
from tests.notes.sample_studies import FIRST, IMAGE
from tests.web.objects import STUDY
from tests.web.signed_in import Signing, signing
from tests.web.test_held import receive

WHY = "It was so"


@pytest.fixture
def signed(rooms: Rooms) -> Iterator[Signing]:
    with signing(rooms) as opened:
        yield opened


@pytest.fixture
def root(signed: Signing) -> dict[str, str]:
    return signed.session("administrator")


def studies(signed: Signing, event: AuditEvent) -> list[tuple[Any, ...]]:
    """The studies and outcomes of the entries of an event, the first entry first."""
    return [
        (each["study_instance_uid"], each["outcome"]) for each in reversed(signed.entries(event=str(event)))
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method, path)
        for (method, path), right in sorted(REQUESTS.items())
        if "{" in path and event_of_request(method, path, right) is not None
    ],
)
def test_every_recorded_request_says_what_its_path_names(method: str, path: str) -> None:
    names = re.findall(r"\{(\w+)(?::\w+)?\}", path)
    assert concerned_by(dict.fromkeys(names, "7")) != Concerned(), f"{method} {path}"


#: How an endpoint writes: by the act that it is asked for, or by a function of `kinote.web.requests.recording`.
WRITTEN = re.compile(
    r"\bAskedAct\b|\brecord_change\(|\brecord_begun\(|\brecorder\(|\brecord_session\(|\b_record\("
)


def unwritten(rooms: Rooms) -> list[str]:
    """Requests that change something and leave no entry."""
    return [
        f"{method} {path}"
        for route, method, path in routes_of(create_application(rooms))
        if method not in ("GET", "HEAD", "OPTIONS")
        and event_of_request(method, path, REQUESTS[method, path]) not in NOTED
        and not WRITTEN.search(inspect.getsource(route.endpoint))
    ]


def test_every_request_that_changes_something_leaves_an_entry(rooms: Rooms) -> None:
    assert unwritten(rooms) == []


def test_breach_an_act_without_an_entry_is_noticed(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.web.test_recording.NOTED", frozenset())
    assert "POST /api/v1/objects" in unwritten(rooms)


@pytest.mark.parametrize("what", ["file", "rendered", "first/rendered", "comparison"])
def test_whoever_looks_at_a_held_copy_has_looked_at_its_study(
    signed: Signing, root: dict[str, str], what: str
) -> None:
    receive(signed.rooms, 1)
    receive(signed.rooms, 1, PatientComments="other")
    (held,) = signed.ask("GET", "/api/v1/held", root).json()["items"]
    answer = signed.ask("GET", f"/api/v1/held/{held['id']}/{what}", root)
    assert answer.status_code == 200, answer.text
    assert studies(signed, AuditEvent.READ) == [(STUDY, "success")]
    assert signed.entries(event="read")[0]["patient_id"]


@pytest.mark.parametrize("is_one", [True, False])
def test_a_decision_about_held_copies_names_their_studies(
    signed: Signing, root: dict[str, str], is_one: bool
) -> None:
    for number, study in ((1, "1.2.3"), (3, "1.2.9")):
        for comments in ("first", "other"):
            receive(signed.rooms, number, StudyInstanceUID=study, PatientComments=comments)
    (first, _) = signed.ask("GET", "/api/v1/held", root).json()["items"]
    body = {"decision": "keep first", "text": WHY}
    if is_one:
        answer = signed.ask("POST", f"/api/v1/held/{first['id']}", root, json=body)
    else:
        answer = signed.ask("POST", "/api/v1/held", root, json={**body, "all": True})
    assert answer.status_code == 200, answer.text
    concerned = ["1.2.3"] if is_one else ["1.2.3", "1.2.9"]
    assert studies(signed, AuditEvent.DECIDED) == [(each, "success") for each in concerned]
    assert signed.entries(event="decided")[0]["detail"]["text"] == WHY


@pytest.mark.parametrize("decision", ["accept", "refuse"])
def test_a_decision_about_a_rejection_names_its_study(
    signed: Signing, root: dict[str, str], decision: str
) -> None:
    receive_from(signed.rooms.catalog, image_of(IMAGE), rejection("1.2.1.80.1", IMAGE), by=STRANGER)
    (waiting,) = signed.ask("GET", "/api/v1/rejections", root).json()["items"]
    body = {"decision": decision, "reason": WHY}
    assert signed.ask("POST", f"/api/v1/rejections/{waiting['id']}", root, json=body).status_code == 200
    assert studies(signed, AuditEvent.DECIDED) == [(FIRST, "success")]


def test_a_dismissed_correction_names_its_study(signed: Signing, root: dict[str, str]) -> None:
    copy = ProposingCopy("1.2.3", "1.2.3.4.1", "d", b"", "DIMSE", {}, {"AccessionNumber": ("A1", "A2")})
    signed.rooms.catalog.write(lambda transaction: propose(transaction, [copy], now=clock()))
    (found,) = signed.ask("GET", "/api/v1/proposed-corrections", root).json()["items"]
    body = {"decision": "dismiss", "text": WHY}
    path = f"/api/v1/proposed-corrections/{found['id']}"
    assert signed.ask("POST", path, root, json=body).status_code == 200
    assert studies(signed, AuditEvent.DECIDED) == [("1.2.3", "success")]


def test_what_was_handed_out_names_its_studies(signed: Signing, root: dict[str, str]) -> None:
    receive(signed.rooms, 1)
    objects = [{"sop_instance_uid": "1.2.3.4.1", "state": "given"}]
    body = {"to": "OTHER@192.0.2.9:104", "objects": objects}
    assert signed.ask("POST", "/api/v1/handed-out", root, json=body).status_code == 200
    assert studies(signed, AuditEvent.DELIVERED) == [(STUDY, "success")]
    assert signed.entries(event="delivered")[0]["detail"]["to"] == body["to"]


def test_notes_of_another_system_leave_an_entry_for_each_batch(
    signed: Signing, root: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinote.migration.importing.BATCH", 2)
    table = "".join(json.dumps(row(f"N{number}", IMAGE)) + "\n" for number in range(3))
    headers = {**root, "Content-Type": "application/x-ndjson"}
    for query in ("?dry_run=true", "?source=old"):
        answer = signed.ask("POST", f"/api/v1/migrations/notes{query}", headers, content=table)
        assert answer.status_code == 200, answer.text
    entries = signed.entries(event="marked")
    counted = [sum(number for number in each["detail"].values() if type(number) is int) for each in entries]
    assert sorted(counted) == [1, 2]
    assert {each["detail"]["source"] for each in entries} == {"old"}
    assert (
        signed.ask("POST", "/api/v1/migrations/key-objects", root, json={"study": STUDY}).status_code == 200
    )
    assert signed.entries(event="marked")[0]["detail"]["study"] == STUDY
