"""Signing in by an OpenID provider, and what an attacker would try."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import select

from kinote.catalog.schema.tables import sign_in_session, user_account
from kinote.security.openid.attempt import safe_path
from kinote.security.sign_in.users import change_user
from kinote.web.requests.identified import COOKIE
from kinote.web.rooms import Rooms
from tests.web.openid_provider import (
    ISSUER,
    OpenIdSigning,
    new_key,
    signed_by_public_key,
    signing_by_provider,
)

RHEA = {"login": "rhea", "name": "Reader^Rhea", "roles": ["author"]}


@pytest.fixture
def signed(rooms: Rooms) -> Iterator[OpenIdSigning]:
    with signing_by_provider(rooms) as opened:
        yield opened


def refused(signed: OpenIdSigning, answer: Any, reason: str) -> None:
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/?sign-in={reason}"
    assert COOKIE not in answer.cookies
    entry = signed.entries(event="sign-in")[0]
    assert entry["outcome"] == "failure" and entry["detail"]["reason"].startswith(reason)


def test_somebody_signs_in_and_out(signed: OpenIdSigning) -> None:
    address, cookies = signed.leave("/notes?patient=P1")
    assert (
        f"state={json.loads(base64.urlsafe_b64decode(cookies['Cookie'].partition('=')[2]))['state']}"
        in address
    )
    answer = signed.come_back(signed.provider.authorize(address), cookies)
    assert answer.headers["Location"] == "/notes?patient=P1"
    session = next(each for each in answer.headers.get_list("Set-Cookie") if each.startswith(COOKIE))
    assert "HttpOnly" in session and "SameSite=strict" in session
    headers = {"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}
    assert signed.who(headers) == RHEA
    assert signed.ask("GET", "/api/v1/session", headers).json()["provider"] == {"name": "Hospital"}
    ended = signed.ask("DELETE", "/api/v1/session", headers).json()
    assert ended["ended"] == 1
    assert ended["continue_at"].startswith(f"{ISSUER}/protocol/openid-connect/logout?id_token_hint=ey")
    assert signed.who(headers) is None
    assert [(each["event"], each["outcome"]) for each in signed.entries(actor="rhea")] == [
        ("sign-out", "success"),
        ("sign-in", "success"),
    ]


def test_no_token_of_the_provider_is_stored_in_the_clear(signed: OpenIdSigning) -> None:
    signed.by_provider()
    with signed.rooms.catalog.read() as connection:
        (kept,) = connection.execute(select(sign_in_session.c.provider_tokens)).scalars()
    assert kept and "eyJ" not in kept
    assert not any(
        token in base64.b64decode(kept).decode("latin-1") for token in signed.provider.refresh_tokens
    )


def test_a_user_is_known_by_its_subject_and_never_by_a_name(signed: OpenIdSigning) -> None:
    signed.by_provider()
    signed.provider.person["preferred_username"] = "renamed"
    assert signed.who(signed.by_provider())["login"] == "rhea"
    # Whoever calls himself like a user of ours, or another's, does not get at that user.
    signed.provider.subject, signed.provider.person = "other", {"preferred_username": "administrator"}
    assert signed.who(signed.by_provider()) == {
        "login": "administrator@login.example",
        "name": "",
        "roles": ["author"],
    }
    signed.provider.subject, signed.provider.person = "third", {"preferred_username": "\u202e<Ü>^"}
    assert signed.who(signed.by_provider())["login"].startswith("user-")


def test_nobody_signs_in_without_a_role_or_if_disabled(signed: OpenIdSigning) -> None:
    signed.provider.roles = ["nurse", "administrator"]
    address, cookies = signed.leave()
    refused(signed, signed.come_back(signed.provider.authorize(address), cookies), "no-role")
    with signed.rooms.catalog.read() as connection:
        logins = set(connection.execute(select(user_account.c.login)).scalars())
        assert "rhea" not in logins
    signed.provider.roles = ["viewer", "radiologist"]
    signed.by_provider()
    with signed.rooms.catalog.read() as connection:
        key = connection.execute(select(user_account.c.id).where(user_account.c.login == "rhea")).scalar_one()
    signed.rooms.catalog.write(
        lambda transaction: change_user(transaction, key, signed.clock(), is_enabled=False)
    )
    address, cookies = signed.leave()
    refused(signed, signed.come_back(signed.provider.authorize(address), cookies), "not-allowed")


def test_short_tokens_are_renewed_without_anybody_noticing(signed: OpenIdSigning) -> None:
    headers = signed.by_provider()
    for _ in range(3):
        signed.clock.move(seconds=250)
        signed.steady += 250
        assert signed.who(headers) == RHEA
        # As long as they are valid nobody waits; what was renewed is seen a moment later.
        signed.rooms.openid.sessions.renew(headers["Cookie"].partition("=")[2]).result(60)  # type: ignore[union-attr]
    assert len(signed.provider.refresh_tokens) == 1
    # Back from lunch: who asks waits for newer ones.
    signed.clock.move(seconds=3600)
    assert signed.who(headers) == RHEA
    signed.provider.roles = ["viewer"]
    signed.clock.move(seconds=301)
    assert signed.who(headers)["roles"] == ["reader"]


def test_a_session_ends_when_the_provider_says_so(signed: OpenIdSigning) -> None:
    headers = signed.by_provider()
    signed.provider.refresh_tokens.clear()
    signed.clock.move(seconds=301)
    assert signed.who(headers) is None
    entry = signed.entries(event="sign-in")[0]
    assert entry["outcome"] == "success"
    with signed.rooms.catalog.read() as connection:
        assert connection.execute(select(sign_in_session.c.id)).first() is None


def test_a_session_ends_with_the_last_role(signed: OpenIdSigning) -> None:
    headers = signed.by_provider()
    signed.provider.roles = []
    signed.clock.move(seconds=301)
    assert signed.who(headers) is None
    signed.provider.roles = ["viewer"]
    assert signed.who(headers) is None


def test_while_the_provider_is_down(signed: OpenIdSigning) -> None:
    headers = signed.by_provider()
    signed.provider.is_down = True
    signed.clock.move(minutes=8)
    assert signed.who(headers) == RHEA, "It goes on for a while."
    signed.clock.move(minutes=8)
    assert signed.who(headers) is None
    assert signed.who(signed.session("author"))["login"] == "author", "Users of our own sign in."
    signed.provider.is_down = False
    signed.clock.move(minutes=1)
    assert signed.who(headers) == RHEA, "Nothing is lost once it is back."


def test_the_provider_is_down_from_the_beginning(rooms: Rooms) -> None:
    with signing_by_provider(rooms) as signed:
        signed.provider.is_down = True
        answer = signed.ask("GET", "/api/v1/session/openid")
        assert answer.headers["Location"] == "/?sign-in=unreachable"
        assert signed.who(signed.session("author"))["login"] == "author"


def test_keys_are_rotated(signed: OpenIdSigning) -> None:
    headers = signed.by_provider()
    signed.provider.keys = signed.provider.published = [new_key("2", RSAKey)]
    signed.clock.move(seconds=301)
    assert signed.who(headers) == RHEA
    assert signed.who(signed.by_provider()) == RHEA


def test_attack_unknown_keys_do_not_become_requests_to_the_provider(signed: OpenIdSigning) -> None:
    before = len(signed.provider.asked)
    for number in range(30):
        made_up = signed.provider.token(
            signed.provider.claims(typ="Bearer", aud="kinote-api"), key=new_key(f"x{number}")
        )
        assert signed.ask("GET", "/api/v1/studies", {"Authorization": f"Bearer {made_up}"}).status_code == 401
    assert len(signed.provider.asked) - before <= 6


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"iss": "https://evil.example"}, id="another issuer"),
        pytest.param({"aud": "another"}, id="another client"),
        pytest.param({"aud": ["kinote", "another"], "azp": "another"}, id="asked for by another"),
        pytest.param({"aud": ["kinote", "another"], "azp": None}, id="for several, and nobody has asked"),
        pytest.param({"nonce": "planted"}, id="of another attempt"),
        pytest.param({"nonce": None}, id="of no attempt"),
        pytest.param({"exp": 1_700_000_000}, id="expired"),
        pytest.param({"exp": None}, id="for ever"),
        pytest.param({"exp": "tomorrow"}, id="until a text"),
        pytest.param({"exp": 1e300}, id="beyond the calendar"),
        pytest.param({"iat": 99_999_999_999}, id="of the future"),
        pytest.param({"sub": ""}, id="of nobody"),
        pytest.param({"at_hash": "AAAA"}, id="with another access token"),
    ],
)
def test_attack_an_id_token_that_is_not_for_us(signed: OpenIdSigning, changed: dict[str, Any]) -> None:
    signed.provider.id_claims = changed
    address, cookies = signed.leave()
    refused(signed, signed.come_back(signed.provider.authorize(address), cookies), "refused")


def test_clocks_may_differ_a_little(signed: OpenIdSigning) -> None:
    now = int(signed.clock().timestamp())
    signed.provider.id_claims = {"iat": now + 50, "nbf": now + 50, "exp": now - 30}
    signed.by_provider()


def test_attack_a_code_that_was_stolen(signed: OpenIdSigning) -> None:
    """Somebody else's code is of no use in one's own browser, whichever state is beside it."""
    address, _ = signed.leave()
    stolen = signed.provider.authorize(address)
    own_address, cookies = signed.leave()
    own = signed.provider.authorize(own_address)
    refused(signed, signed.come_back(stolen, cookies), "expired")
    refused(signed, signed.come_back(stolen | {"state": own["state"]}, cookies), "refused")


def test_attack_an_answer_is_planted_or_replayed(signed: OpenIdSigning) -> None:
    address, cookies = signed.leave()
    given = signed.provider.authorize(address)
    refused(signed, signed.come_back(given, {}), "expired")
    refused(signed, signed.come_back(given | {"state": "other"}, cookies), "expired")
    refused(signed, signed.come_back(given, {"Cookie": "kinote_openid=e30="}), "expired")
    assert COOKIE in signed.come_back(given, cookies).cookies
    refused(signed, signed.come_back(given, cookies), "expired")


@pytest.mark.parametrize("issuer", [None, "https://evil.example"], ids=["none", "another"])
def test_attack_mix_up(signed: OpenIdSigning, issuer: str | None) -> None:
    address, cookies = signed.leave()
    given = signed.provider.authorize(address)
    del given["iss"]
    refused(signed, signed.come_back(given | ({"iss": issuer} if issuer else {}), cookies), "refused")
    assert "token" not in signed.provider.asked, "The code goes nowhere."


def test_the_person_refuses_at_the_provider(signed: OpenIdSigning) -> None:
    address, cookies = signed.leave()
    given = signed.provider.authorize(address)
    back = {"error": "access_denied", "state": given["state"], "iss": ISSUER}
    refused(signed, signed.come_back(back, cookies), "refused")


@pytest.mark.parametrize(
    "onward",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=y",
        "/\t/evil.example",
        "/api/v1/session/openid",
        "/" + "a" * 3000,
        "",
        "evil",
    ],
)
def test_attack_open_redirect(onward: str) -> None:
    assert safe_path(onward) == "/"
    assert safe_path("/studies/1.2.3?note=7#x") == "/studies/1.2.3?note=7#x"


def test_attack_open_redirect_in_a_cookie(signed: OpenIdSigning) -> None:
    address, cookies = signed.leave()
    attempt = json.loads(base64.urlsafe_b64decode(cookies["Cookie"].partition("=")[2]))
    attempt["onward"] = "//evil.example"
    planted = base64.urlsafe_b64encode(json.dumps(attempt).encode()).decode()
    answer = signed.come_back(signed.provider.authorize(address), {"Cookie": f"kinote_openid={planted}"})
    assert answer.headers["Location"] == "/"


def bearer(signed: OpenIdSigning, token: str) -> int:
    return signed.ask("GET", "/api/v1/studies", {"Authorization": f"Bearer {token}"}).status_code


def test_a_program_uses_an_access_token(signed: OpenIdSigning) -> None:
    token = signed.provider.access_token(aud=["account", "kinote-api"])
    assert bearer(signed, token) == 200
    who = signed.ask("GET", "/api/v1/session", {"Authorization": f"Bearer {token}"}).json()
    assert who["user"] == RHEA
    forbidden = signed.ask("GET", "/api/v1/users", {"Authorization": f"Bearer {token}"})
    assert forbidden.status_code == 403
    signed.clock.move(seconds=400)
    signed.rooms.sign_in.forget()  # type: ignore[union-attr]
    assert bearer(signed, token) == 401


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"aud": "account"}, id="another audience"),
        pytest.param({"iss": "https://evil.example"}, id="another issuer"),
        pytest.param({"typ": "ID"}, id="an ID token"),
        pytest.param({"typ": "Refresh"}, id="a refresh token"),
        pytest.param({"realm_access": {"roles": []}}, id="no role"),
        pytest.param({"realm_access": "administrator"}, id="roles of no form"),
        pytest.param({"nbf": 99_999_999_999}, id="of the future"),
    ],
)
def test_attack_a_token_that_is_none_for_the_api(signed: OpenIdSigning, changed: dict[str, Any]) -> None:
    assert bearer(signed, signed.provider.access_token(**{"aud": "kinote-api", **changed})) == 401


def test_attack_signatures_that_are_none(signed: OpenIdSigning) -> None:
    provider = signed.provider
    provider.keys = provider.published = [new_key("1", RSAKey)]
    claims = json.loads(
        base64.urlsafe_b64decode(provider.access_token(aud="kinote-api").split(".")[1] + "==").decode()
    )
    assert bearer(signed, provider.token(claims)) == 200
    # A public key, taken for a shared secret.
    assert bearer(signed, signed_by_public_key(claims, provider.keys[0])) == 401
    # None at all, with and without an empty signature.
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "none", "kid": "1"}, claims)
    ]
    for unsigned in (f"{parts[0]}.{parts[1]}.", f"{parts[0]}.{parts[1]}.AA"):
        assert bearer(signed, unsigned) == 401
    # A key that the token brings along.
    own = new_key("1", RSAKey)
    brought = provider.token(claims, key=own, header={"jwk": own.as_dict(private=False)})
    assert bearer(signed, brought) == 401
    # A key that the provider has withdrawn: within ten minutes.
    withdrawn = provider.token(claims)
    provider.keys = provider.published = [new_key("2", RSAKey)]
    signed.steady += 601
    signed.rooms.sign_in.forget()  # type: ignore[union-attr]
    assert bearer(signed, withdrawn) == 401


def test_a_provider_that_is_none(rooms: Rooms) -> None:
    for changed in (
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://login.example/token"},
        {"jwks_uri": None},
    ):
        with signing_by_provider(rooms) as signed:
            signed.provider.said |= changed
            answer = signed.ask("GET", "/api/v1/session/openid")
            assert answer.headers["Location"] == "/?sign-in=unreachable", changed
            rooms.catalog.write(lambda transaction: transaction.execute(user_account.delete()))
