"""A provider that a test scripts, without network; and an application that people sign in to by it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters, RSAKey

from kinote.security.openid.options import OpenIdOptions
from kinote.security.openid.provider import Provider
from kinote.security.openid.room import OpenId
from kinote.security.roles import RoleName
from kinote.web.requests.identified import COOKIE
from kinote.web.rooms import Rooms
from tests.web.signed_in import Signing

ISSUER = "https://login.example/realms/hospital"
CLIENT = "kinote"

OPTIONS = OpenIdOptions(
    ISSUER,
    CLIENT,
    "its secret: %&",
    "Hospital",
    {"radiologist": RoleName.AUTHOR, "viewer": RoleName.READER, "it": RoleName.ADMINISTRATOR},
    audience="kinote-api",
)


class MovedClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


class ScriptedProvider:
    """What a provider like Keycloak answers. A test changes what it says."""

    def __init__(self, clock: MovedClock) -> None:
        self.clock = clock
        self.is_down = False
        self.keys = [new_key("1")]
        self.published = list(self.keys)
        self.said: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/protocol/openid-connect/auth",
            "token_endpoint": f"{ISSUER}/protocol/openid-connect/token",
            "jwks_uri": f"{ISSUER}/protocol/openid-connect/certs",
            "end_session_endpoint": f"{ISSUER}/protocol/openid-connect/logout",
            "authorization_response_iss_parameter_supported": True,
        }
        self.subject = "7f3a"
        self.person: dict[str, Any] = {
            "preferred_username": "Rhea",
            "family_name": "Reader",
            "given_name": "Rhea",
        }
        self.roles = ["radiologist"]
        #: What an ID token has otherwise.
        self.id_claims: dict[str, Any] = {}
        self.lasts = 300
        #: Codes with the request that they belong to, and refresh tokens that are good.
        self.codes: dict[str, dict[str, str]] = {}
        self.refresh_tokens: set[str] = set()
        self.asked: list[str] = []

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def authorize(self, address: str) -> dict[str, str]:
        """Somebody signs in at an address; return the parameters with which the browser comes back."""
        request = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(self.said["authorization_endpoint"])
        assert (request["client_id"], request["response_type"]) == (CLIENT, "code")
        assert request["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self.codes[code] = request
        return {"code": code, "state": request["state"], "iss": ISSUER}

    def token(self, claims: dict[str, Any], *, key: Any = None, header: dict[str, Any] | None = None) -> str:
        key = key or self.keys[-1]
        algorithm = "ES256" if key.key_type == "EC" else "RS256"
        first = {"alg": algorithm, "kid": key.kid, **(header or {})}
        return jwt.encode(
            {name: value for name, value in first.items() if value is not None},
            {name: value for name, value in claims.items() if value is not None},
            key,
            algorithms=[first["alg"]],
        )

    def claims(self, **more: Any) -> dict[str, Any]:
        now = int(self.clock().timestamp())
        return {"iss": ISSUER, "sub": self.subject, "iat": now, "exp": now + self.lasts, **more}

    def access_token(self, **more: Any) -> str:
        return self.token(
            self.claims(
                typ="Bearer",
                azp=CLIENT,
                aud="account",
                realm_access={"roles": self.roles},
                resource_access={CLIENT: {"roles": []}, "account": {"roles": ["it"]}},
                **self.person,
            )
            | more
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.rpartition("/")[2]
        self.asked.append(path)
        if self.is_down:
            raise httpx.ConnectError("refused", request=request)
        if path == "openid-configuration":
            return httpx.Response(200, json=self.said)
        if path == "certs":
            return httpx.Response(200, json={"keys": [key.as_dict(private=False) for key in self.published]})
        assert path == "token", path
        wanted = base64.b64encode(b"kinote:its%20secret%3A%20%25%26").decode()
        if request.headers.get("Authorization") != f"Basic {wanted}":
            return httpx.Response(401, json={"error": "invalid_client"})
        return self._granted(dict(parse_qsl(request.content.decode())))

    def _granted(self, fields: dict[str, str]) -> httpx.Response:
        nonce = None
        if fields["grant_type"] == "authorization_code":
            begun = self.codes.pop(fields["code"], None)
            digest = hashlib.sha256(fields["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if (
                begun is None
                or begun["code_challenge"] != challenge
                or begun["redirect_uri"] != fields["redirect_uri"]
            ):
                return httpx.Response(
                    400, json={"error": "invalid_grant", "error_description": "no such code"}
                )
            nonce = begun["nonce"]
        elif fields["refresh_token"] in self.refresh_tokens:
            self.refresh_tokens.remove(fields["refresh_token"])
        else:
            return httpx.Response(400, json={"error": "invalid_grant", "error_description": "not active"})
        self.refresh_tokens.add(refresh := secrets.token_urlsafe())
        claims = self.claims(aud=CLIENT, azp=CLIENT, nonce=nonce, typ="ID", **self.person) | self.id_claims
        return httpx.Response(
            200,
            content=json.dumps(
                {
                    "access_token": self.access_token(),
                    "id_token": self.token(claims),
                    "refresh_token": refresh,
                    "expires_in": self.lasts,
                    "token_type": "Bearer",
                }
            ),
        )


def new_key(name: str, kind: type[RSAKey] | type[ECKey] = ECKey) -> Any:
    parameters: KeyParameters = {"kid": name, "use": "sig"}
    if kind is ECKey:
        return ECKey.generate_key("P-256", parameters=parameters)
    return RSAKey.generate_key(2048, parameters=parameters)


def signed_by_public_key(claims: dict[str, Any], key: Any) -> str:
    """A token whose shared secret is the text of a public key, as a careless library would accept it."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": key.kid}, claims)
    ]
    signed = hmac.digest(key.as_pem(private=False), b".".join(parts), "sha256")
    return b".".join([*parts, base64.urlsafe_b64encode(signed).rstrip(b"=")]).decode()


class OpenIdSigning(Signing):
    """An application at which people sign in by the scripted provider, too."""

    def __init__(self, rooms: Rooms) -> None:
        self.clock = MovedClock()
        self.provider = ScriptedProvider(self.clock)
        self.steady = 1000.0
        asked = Provider(OPTIONS, self.clock, transport=self.provider.transport(), steady=lambda: self.steady)
        openid = OpenId.of(asked, rooms.catalog, self.clock, None, timedelta(hours=10))
        super().__init__(replace(rooms, clock=self.clock, openid=openid))

    def leave(self, onward: str = "/") -> tuple[str, dict[str, str]]:
        """A browser goes to the provider: the address there, and the cookies that it has then."""
        answer = self.ask("GET", "/api/v1/session/openid", params={"next": onward})
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"], {"Cookie": f"kinote_openid={answer.cookies['kinote_openid']}"}

    def come_back(self, given: dict[str, str], cookies: dict[str, str]) -> httpx.Response:
        return self.ask("GET", "/api/v1/session/openid/callback", cookies, params=given)

    def by_provider(self) -> dict[str, str]:
        """The headers of a browser in which somebody has signed in by the provider."""
        address, cookies = self.leave()
        answer = self.come_back(self.provider.authorize(address), cookies)
        assert answer.headers["Location"] == "/", answer.headers
        return {"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}

    def who(self, headers: dict[str, str]) -> Any:
        return self.ask("GET", "/api/v1/session", headers).json()["user"]


@contextmanager
def signing_by_provider(rooms: Rooms) -> Iterator[OpenIdSigning]:
    opened = OpenIdSigning(rooms)
    try:
        yield opened
    finally:
        opened.client.close()
