"""Sessions of browsers, and what an attacker would try with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydicom import Dataset
from sqlalchemy import select

from kinote.catalog.schema.tables import sign_in_session
from kinote.security.rights import Right
from kinote.security.roles import RoleName
from kinote.security.sign_in.users import change_user
from kinote.web.application import create_application
from kinote.web.requests.identified import COOKIE, SECURE_COOKIE
from kinote.web.rooms import Rooms
from tests.actors import ORIGIN
from tests.clock import clock
from tests.web.conftest import running
from tests.web.objects import STUDY, as_file, image
from tests.web.signed_in import CHEAP, PASSWORD, Signing, signing


@pytest.fixture
def signed(rooms: Rooms) -> Iterator[Signing]:
    with signing(rooms) as opened:
        yield opened


def who(signed: Signing, headers: dict[str, str]) -> Any:
    user = signed.ask("GET", "/api/v1/session", headers).json()["user"]
    return None if user is None else user["login"]


def test_a_session_begins_and_ends(signed: Signing) -> None:
    answer = signed.sign_in("Author")
    assert answer.json()["user"] == {"login": "author", "name": "author^Name", "roles": ["author"]}
    cookie = answer.headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=3600"):
        assert part in cookie
    assert "Secure" not in cookie and "Domain" not in cookie
    headers = {"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}
    assert who(signed, headers) == "author"
    ended = signed.ask("DELETE", "/api/v1/session", headers)
    assert ended.json() == {"ended": 1}
    assert "Max-Age=0" in ended.headers["Set-Cookie"]
    assert who(signed, headers) is None
    assert signed.ask("DELETE", "/api/v1/session", headers).json() == {"ended": 0}
    assert [each["event"] for each in signed.entries(actor="author")] == ["sign-out", "sign-in"]


def test_sign_out_everywhere(signed: Signing) -> None:
    first, second, other = signed.session("author"), signed.session("author"), signed.session("reader")
    assert signed.ask("DELETE", "/api/v1/session?everywhere=true", first).json() == {"ended": 2}
    assert who(signed, second) is None
    assert who(signed, other) == "reader"


def test_the_cookie_is_secure_by_tls(signed: Signing) -> None:
    answer = signed.ask(
        "POST", "https://localhost/api/v1/session", json={"login": "author", "password": PASSWORD}
    )
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{SECURE_COOKIE}=") and "Secure" in cookie
    token = cookie.partition("=")[2].partition(";")[0]
    # The cookie of the one is none of the other.
    assert who(signed, {"Cookie": f"{COOKIE}={token}"}) == "author"
    by_tls = signed.ask("GET", "https://localhost/api/v1/session", {"Cookie": f"{COOKIE}={token}"})
    assert by_tls.json()["user"] is None


def test_attack_session_fixation(signed: Signing) -> None:
    """A token that somebody else knows is never made one of a session, and an earlier session ends."""
    planted = {"Cookie": f"{COOKIE}=known-to-an-attacker"}
    answer = signed.sign_in("author", headers=planted)
    assert answer.cookies[COOKIE] != "known-to-an-attacker"
    assert who(signed, planted) is None
    attacker = signed.session("reader")
    victim = signed.sign_in("author", headers=attacker)
    assert victim.cookies[COOKIE] not in attacker["Cookie"]
    assert who(signed, attacker) is None


def test_attack_a_second_cookie_of_the_name(signed: Signing) -> None:
    headers = signed.session("author")
    for cookies in (f"{COOKIE}=x; {headers['Cookie']}", f"{headers['Cookie']}; {COOKIE}=x"):
        assert who(signed, {"Cookie": cookies}) is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/session", {"login": "author", "password": PASSWORD}),
        ("DELETE", "/api/v1/session", None),
        ("POST", "/api/v1/users", {"login": "evil", "roles": ["administrator"], "password": PASSWORD}),
        ("POST", f"/api/v1/studies/{STUDY}/notes", {}),
    ],
)
def test_attack_another_origin_changes_nothing(signed: Signing, method: str, path: str, body: Any) -> None:
    headers = {**signed.session("administrator"), "Origin": "https://evil.example"}
    answer = signed.ask(method, path, headers, json=body)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:kinote:problem:foreign-origin")


def test_attack_a_form_of_another_page_cannot_sign_in(signed: Signing) -> None:
    """What a form can send without scripts is no JSON (login CSRF)."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = signed.ask(
            "POST",
            "/api/v1/session",
            {"Content-Type": kind},
            content=f'{{"login":"author","password":"{PASSWORD}"}}',
        )
        assert answer.status_code in (400, 422), kind
        assert "Set-Cookie" not in answer.headers


def test_attack_enumeration_answers_are_the_same(signed: Signing) -> None:
    answers = [
        signed.sign_in(login, "not the password") for login in ("author", "nobody", "x" * 200, "\u0001")
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    heads = [{name for name in answer.headers if name != "date"} for answer in answers]
    assert all(head == heads[0] for head in heads)


def test_attack_guessing_is_slowed_down_for_known_and_unknown_alike(signed: Signing) -> None:
    for login in ("author", "nobody"):
        answers = [signed.sign_in(login, f"guess number {number}") for number in range(8)]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [401] * 6 + [429] * 2, login
        assert int(answers[-1].headers["Retry-After"]) >= 1
    # Not even the right password is looked at.
    assert signed.sign_in("author").status_code == 429
    assert signed.sign_in("reader").status_code == 201
    failures = signed.entries(event="sign-in", actor="nobody")
    assert {each["outcome"] for each in failures} == {"failure"}


@pytest.mark.parametrize(
    "login", ["a\r\n2026-11-30 root signed in", "\x1b[2J", "a\u2028b", "'; DROP TABLE user_account; --"]
)
def test_attack_log_injection(signed: Signing, login: str, capsys: pytest.CaptureFixture[str]) -> None:
    signed.sign_in(login, "not the password")
    (entry,) = signed.entries(event="sign-in")
    assert entry["by"]["name"].isprintable()
    logged = capsys.readouterr()
    assert "root signed in" not in logged.out + logged.err


def test_attack_headers_name_nobody(signed: Signing) -> None:
    """Whoever has not signed in is nobody, and whoever has is nobody else, whatever headers say."""
    for headers in (
        {"Kinote-Actor": "administrator"},
        {"User-Agent": "kinote-command", "Kinote-Actor": "root"},
        {"X-Forwarded-User": "administrator"},
        {"X-Remote-User": "administrator"},
    ):
        assert signed.ask("GET", "/api/v1/notes", headers).status_code == 401
        together = {**signed.session("reader"), **headers}
        assert who(signed, together) == "reader"
        assert signed.ask("GET", "/api/v1/users", together).status_code == 403


def test_one_s_own_password_is_changed_with_the_one_until_now(signed: Signing) -> None:
    first, second = signed.session("author"), signed.session("author")
    change = {"current": "not the password", "new": "quite another password"}
    assert signed.ask("PUT", "/api/v1/session/password", first, json=change).status_code == 401
    change["current"] = PASSWORD
    assert signed.ask("PUT", "/api/v1/session/password", None, json=change).status_code == 401
    by_token = signed.token(RoleName.AUTHOR)
    assert signed.ask("PUT", "/api/v1/session/password", by_token, json=change).status_code == 403
    weak = {**change, "new": "short"}
    answer = signed.ask("PUT", "/api/v1/session/password", first, json=weak)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "password")
    answer = signed.ask("PUT", "/api/v1/session/password", first, json=change)
    assert answer.status_code == 200
    assert who(signed, {"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}) == "author"
    assert who(signed, first) is None and who(signed, second) is None
    assert signed.sign_in("author").status_code == 401
    assert signed.sign_in("author", "quite another password").status_code == 201


@pytest.mark.parametrize("change", [{"encoded": "$argon2id$another"}, {"is_enabled": False}], ids=str)
@pytest.mark.parametrize("is_signed_in", [False, True])
def test_no_session_begins_with_a_password_that_was_reset_while_it_was_compared(
    signed: Signing, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], is_signed_in: bool
) -> None:
    before = signed.session("author")
    compare = CHEAP.is_right

    def compared(encoded: str | None, password: str) -> bool:
        is_right = compare(encoded, password)
        key = signed.users[RoleName.AUTHOR].id
        signed.rooms.catalog.write(lambda transaction: change_user(transaction, key, clock(), **change))
        return is_right

    monkeypatch.setattr(CHEAP, "is_right", compared)
    if is_signed_in:
        body = {"current": PASSWORD, "new": "quite another password"}
        answer = signed.ask("PUT", "/api/v1/session/password", before, json=body)
    else:
        answer = signed.sign_in("author")
    assert answer.status_code == 401
    with signed.rooms.catalog.read() as connection:
        assert connection.execute(select(sign_in_session)).all() == []


def test_a_session_that_was_made_up_is_not_ended(signed: Signing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed.rooms.catalog, "submit", lambda *_, **__: pytest.fail("it is written"))
    answer = signed.ask("DELETE", "/api/v1/session", {"Cookie": f"{COOKIE}=made-up"})
    assert answer.json() == {"ended": 0}


def test_users_are_added_and_changed_and_it_holds_at_once(signed: Signing) -> None:
    root = signed.session("administrator")
    body = {"login": "New.User", "name": "New^User", "roles": ["reader"], "password": PASSWORD}
    added = signed.ask("POST", "/api/v1/users", root, json=body)
    assert (added.status_code, added.json()["login"]) == (201, "new.user")
    assert "password" not in added.json()
    again = signed.ask("POST", "/api/v1/users", root, json=body)
    assert (again.status_code, again.json()["errors"][0]["field"]) == (422, "login")
    headers = signed.session("new.user")
    assert signed.ask("GET", "/api/v1/notes", headers).status_code == 200
    path = added.headers["Location"]
    changed = {"name": "New^User", "roles": ["system"], "enabled": True}
    assert signed.ask("PUT", path, root, json=changed).status_code == 200
    assert "store" in signed.ask("GET", "/api/v1/session", headers).json()["rights"]
    signed.ask("PUT", path, root, json={**changed, "enabled": False})
    assert signed.ask("GET", "/api/v1/notes", headers).status_code == 401
    assert [each["event"] for each in signed.entries(event="users changed")] == ["users changed"] * 3
    assert PASSWORD not in str(signed.entries())


def test_a_token_is_shown_once_and_revoked_at_once(signed: Signing) -> None:
    root = signed.session("administrator")
    body = {"user": "author", "name": "ai", "scopes": ["read"], "days": 1}
    made = signed.ask("POST", "/api/v1/tokens", {**root, "Idempotency-Key": "one"}, json=body)
    assert made.status_code == 201 and made.headers["Cache-Control"] == "no-store"
    token = made.json()["token"]
    listed = signed.ask("GET", "/api/v1/tokens", root)
    assert token not in listed.text
    headers = {"Authorization": f"Bearer {token}"}
    assert signed.ask("GET", "/api/v1/notes", headers).status_code == 200
    assert signed.ask("GET", "/api/v1/acts", {**headers}).status_code == 200
    revoked = signed.ask("DELETE", made.headers["Location"], root)
    assert revoked.json()["revoked_at"]
    assert signed.ask("GET", "/api/v1/notes", headers).status_code == 401


def stored(rooms: Rooms, *datasets: Dataset) -> None:
    for dataset in datasets:
        upload = rooms.receiver.open(ORIGIN)
        upload.write(as_file(dataset))
        upload.finish().result(60)


def make(signed: Signing, headers: dict[str, str], **more: Any) -> httpx.Response:
    body = {
        "title": {"scheme": "DCM", "value": "113000"},
        "references": [{"sop_instance_uid": str(image(1).SOPInstanceUID)}],
        **more,
    }
    return signed.ask("POST", f"/api/v1/studies/{STUDY}/notes", headers, json=body)


def test_the_author_is_who_has_signed_in(signed: Signing) -> None:
    stored(signed.rooms, image(1))
    claimed = {"author": {"name": "Other^Somebody", "login": "other"}}
    note = make(signed, {**signed.session("author"), "Kinote-Actor": "Third"}, **claimed).json()
    assert note["author"] == {
        "kind": "person",
        "name": "author^Name",
        "login": "author",
        "verified": True,
    }
    uid = note["key_objects"][0]["sop_instance_uid"]
    found = signed.ask("GET", f"/dicomweb/studies/{STUDY}/metadata", signed.session("author")).json()
    (key_object,) = (each for each in found if each["00080018"]["Value"] == [uid])
    assert "author^Name" in str(key_object["0040A730"])
    entry = signed.entries(event="marked")[0]
    assert (entry["by"]["name"], entry["study_instance_uid"], entry["subject"]) == (
        "author",
        STUDY,
        f"/api/v1/notes/{note['id']}",
    )


def test_others_notes_are_withdrawn_by_who_may(signed: Signing) -> None:
    stored(signed.rooms, image(1))
    other = signed.add("colleague", RoleName.AUTHOR)
    assert Right.WITHDRAW_OTHERS not in other.rights
    own, theirs = (make(signed, signed.session(login)).json()["id"] for login in ("author", "colleague"))
    author = signed.session("author")
    refusals = [signed.ask("DELETE", f"/api/v1/notes/{note}", author) for note in (theirs, 9999)]
    assert {(each.status_code, each.text) for each in refusals} == {(403, refusals[0].text)}
    withdrawn = signed.ask("DELETE", f"/api/v1/notes/{own}", author)
    assert withdrawn.status_code == 200
    key = withdrawn.json()["withdrawal"]["id"]
    colleague = signed.session("colleague")
    undone = [signed.ask("DELETE", f"/api/v1/withdrawals/{number}", colleague) for number in (key, 9999)]
    assert {(each.status_code, each.text) for each in undone} == {(403, undone[0].text)}
    assert signed.ask("DELETE", f"/api/v1/notes/{theirs}", signed.session("administrator")).status_code == 200
    # Nor does anybody issue again what others have withdrawn.
    again = [issued_again(signed, number, colleague) for number in (key, 9999)]
    assert {(each.status_code, each.text) for each in again} == {(403, again[0].text)}
    assert issued_again(signed, key, author).status_code != 403
    events = [each["event"] for each in signed.entries() if each["outcome"] == "success"]
    assert events.count("withdrawn") == 2


def issued_again(signed: Signing, number: int, headers: dict[str, str]) -> httpx.Response:
    return signed.ask(
        "POST", f"/api/v1/withdrawals/{number}/issue-again", headers, json={"text": "It was right"}
    )


def test_what_is_issued_again_is_recorded_with_its_study(signed: Signing) -> None:
    stored(signed.rooms, image(1))
    administrator = signed.session("administrator")
    asked = {"act": "wrong patient", "text": "Mixed up", "studies": [STUDY]}
    key = signed.ask("POST", "/api/v1/withdrawals", administrator, json=asked).json()["id"]
    assert issued_again(signed, key, administrator).status_code == 201
    (entry,) = signed.entries(event="restored")
    assert (entry["study_instance_uid"], entry["by"]["name"]) == (STUDY, "administrator")


def test_a_path_with_nul_does_not_stop_the_trail(signed: Signing) -> None:
    assert signed.ask("GET", "/dicomweb/studies/%00").status_code == 401
    assert signed.ask("GET", "/dicomweb/studies/%00", signed.session("reader")).status_code >= 400
    assert [each["study_instance_uid"] for each in signed.entries(event="refused")] == [None]


def test_who_looked_at_a_patient_is_listed_for_who_may_read_the_trail(signed: Signing) -> None:
    stored(signed.rooms, image(1))
    reader = signed.session("reader")
    for _ in range(3):
        assert signed.ask("GET", f"/dicomweb/studies/{STUDY}/metadata", reader).status_code == 200
    signed.ask("GET", "/dicomweb/studies?PatientName=Secret", reader)
    signed.trail.flush()
    officer = signed.session("privacy-officer")
    patient = str(image(1).PatientID)
    found = signed.ask("GET", f"/api/v1/audit?patient={patient}", officer).json()["items"]
    assert [(each["event"], each["by"]["name"], each["study_instance_uid"]) for each in found] == [
        ("read", "reader", STUDY)
    ]
    queries = signed.ask("GET", "/api/v1/audit?actor=reader&event=query", officer).json()["items"]
    assert queries[0]["detail"] == {"path": "/dicomweb/studies", "query": "PatientName=Secret"}
    assert signed.ask("GET", "/api/v1/audit", signed.session("administrator")).status_code == 403
    assert signed.ask("GET", "/api/v1/audit?since=nonsense", officer).status_code == 422
    # Who reads the trail is in it.
    assert signed.entries(event="trail read")[0]["by"]["name"] == "privacy-officer"
    assert signed.ask("GET", "/api/v1/audit/check", officer).json()["faults"] == []


def test_without_sign_in_everything_is_as_before(rooms: Rooms) -> None:
    from tests.laws.product import Client

    client = Client(rooms)
    found = client.get("/api/v1/session").json()
    assert (found["authentication"], found["user"], set(found["rights"])) == ("none", None, set(Right))
    assert client.post("/api/v1/session", json={"login": "a", "password": "b"}).status_code == 409
    client.close()


@pytest.mark.parametrize("ends", ["sign-out", "disabled", "other role"])
def test_an_event_stream_ends_with_the_right_to_it(rooms: Rooms, ends: str) -> None:
    with signing(rooms) as signed:
        headers = signed.session("reader")
        with (
            running(create_application(signed.rooms)) as address,
            httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False) as client,
            httpx.Client(base_url=address, timeout=60, trust_env=False) as root,
            client.stream("GET", "/api/v1/changes", headers={"Accept": "text/event-stream"}) as stream,
        ):
            lines = stream.iter_lines()
            assert next(lines) == ": nothing new"
            done = threading.Event()

            def read_to_end() -> None:
                for _ in lines:
                    pass
                done.set()

            reading = threading.Thread(target=read_to_end, daemon=True)
            reading.start()
            if ends == "sign-out":
                assert root.delete("/api/v1/session", headers=headers).json() == {"ended": 1}
            else:
                body = {"name": "", "roles": ["privacy officer"], "enabled": ends != "disabled"}
                path = f"/api/v1/users/{signed.users[RoleName.READER].id}"
                admin = signed.token(RoleName.ADMINISTRATOR)
                assert root.put(path, json=body, headers=admin).status_code == 200
            assert done.wait(60), "the stream goes on"
