"""Every route, asked for by everybody: without the right each is refused alike, and it is in the audit trail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kinote.security import rights
from kinote.security.policy import Policy
from kinote.security.rights import Right
from kinote.security.roles import ROLES, RoleName
from kinote.web.requests.permitted import PermittedAPIRoute, PermittedRoute
from kinote.web.rooms import Rooms
from tests.web.signed_in import OWNER_PROOF, Signing, signing
from tests.web.test_rights import asked_for, filled


@pytest.fixture
def signed(rooms: Rooms) -> Iterator[Signing]:
    with signing(rooms) as opened:
        yield opened


def every_request(signed: Signing) -> list[tuple[str, str, Right]]:
    """Every method of every route, with its right; first those of the smaller interfaces: a breach shows early."""
    return [
        (method, path, rights.right_of_request(method, path))
        for method, path in sorted(
            asked_for(signed.rooms), key=lambda each: (each[1].startswith("/api/"), each)
        )
    ]


def hold_everybody_has_the_rights_of_the_role_and_no_other(signed: Signing) -> None:
    callers = {role: signed.token(role) for role in RoleName}
    refused: set[tuple[str, str]] = set()
    for method, path, right in every_request(signed):
        if path.startswith("/api/v1/session"):
            # Whoever it is may sign in and out; what else there is to say has tests of its own.
            continue
        nobody = signed.ask(method, filled(path))
        if right is Right.CONNECT:
            assert nobody.status_code not in (401, 403), f"{method} {path}"
        else:
            assert nobody.status_code == 401, f"{method} {path} of nobody: {nobody.status_code}"
            assert nobody.headers["WWW-Authenticate"] == 'Bearer realm="Kinote"'
        for role, headers in callers.items():
            answer = signed.ask(method, filled(path), headers)
            if right in ROLES[role]:
                assert answer.status_code not in (401,), f"{method} {path} of {role}"
                # An act may take another right besides, of what is somebody else's.
                assert answer.status_code != 403 or right is Right.WITHDRAW, f"{method} {path} of {role}"
            else:
                assert answer.status_code == 403, f"{method} {path} of {role}: {answer.status_code}"
                refused.add((method, path))
    recorded = {
        (each["detail"]["method"], each["detail"]["path"]) for each in signed.entries(event="refused")
    }
    assert recorded >= refused


def test_everybody_has_the_rights_of_the_role_and_no_other(signed: Signing) -> None:
    hold_everybody_has_the_rights_of_the_role_and_no_other(signed)


@pytest.mark.parametrize("route", [PermittedRoute, PermittedAPIRoute])
def test_breach_a_route_that_looks_at_no_right_is_noticed(
    signed: Signing, monkeypatch: pytest.MonkeyPatch, route: type
) -> None:
    monkeypatch.setattr(route, "begin", lambda self, scope: None)
    with pytest.raises(AssertionError):
        hold_everybody_has_the_rights_of_the_role_and_no_other(signed)


def test_breach_a_policy_that_lets_everybody_in_is_noticed(
    signed: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Policy, "allowed", lambda self, actor, right: True)
    with pytest.raises(AssertionError):
        hold_everybody_has_the_rights_of_the_role_and_no_other(signed)


PLACES = (
    ("GET", "/api/v1/notes/{}"),
    ("PUT", "/api/v1/notes/{}"),
    ("GET", "/api/v1/studies/{}"),
    ("GET", "/dicomweb/studies/{}/metadata"),
    ("GET", "/api/v1/instances/{}/explain"),
    ("DELETE", "/api/v1/withdrawals/{}"),
    ("GET", "/api/v1/jobs/{}"),
    ("PUT", "/api/v1/users/{}"),
)


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_a_refusal_is_the_same_for_what_is_there_and_what_is_not(
    signed: Signing, method: str, path: str
) -> None:
    # The user 1 is there; whatever else is asked for, is refused before anybody looks.
    for headers in (None, signed.token(RoleName.SYSTEM, Right.CONNECT)):
        answers = [signed.ask(method, path.format(name), headers, json={}) for name in ("1", "99", "x")]
        assert len({(answer.status_code, answer.text) for answer in answers}) == 1
        assert answers[0].status_code == (401 if headers is None else 403)


def test_the_owner_of_the_data_directory_may_do_everything(signed: Signing) -> None:
    for proof, status in ((OWNER_PROOF, 200), ("0e" * 32, 401), ("", 401)):
        headers = {
            "Authorization": f"Kinote-Owner {proof}",
            "User-Agent": "kinote-command",
            "Kinote-Actor": "ann",
        }
        assert signed.ask("GET", "/api/v1/users", headers).status_code == status
    answer = signed.ask("GET", "/api/v1/audit", {"Authorization": f"Kinote-Owner {OWNER_PROOF}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "authorization",
    ["Basic cm9vdDpyb290", "Bearer", "Bearer  ", "Bearer kinote_nothing", "x"],
)
def test_what_is_no_token_of_ours_signs_nobody_in(signed: Signing, authorization: str) -> None:
    assert signed.ask("GET", "/api/v1/notes", {"Authorization": authorization}).status_code == 401
