"""Speaking with an OpenID provider: where it is, its keys, codes for tokens, and tokens for newer ones."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from kinote.security.openid.attempt import Attempt
from kinote.security.openid.checking import (
    check_access,
    check_identity,
    check_issuer,
    check_times,
    roles_in,
    verified,
)
from kinote.security.openid.errors import ProviderRefusedError, ProviderUnreachableError, TokenRefusedError
from kinote.security.openid.options import OpenIdOptions
from kinote.security.roles import RoleName
from kinote.telemetry.clock import Clock

#: Seconds after which what the provider says of itself, and its keys, are asked for again.
_METADATA_LASTS, _KEYS_LAST = 3600.0, 600.0

#: How often keys are asked for at most, so that tokens that somebody made up do not become requests to the provider.
_FETCHES, _FETCHES_WITHIN = 5, 60.0

#: Seconds after a failure for which the provider is not asked for its metadata again.
_PAUSE = 2.0

_TIMEOUT = httpx.Timeout(5.0)

_LONGEST_ANSWER = 1_000_000

#: Errors of the token endpoint that say that the client is wrong, and not what it asks for (RFC 6749 5.2).
_OF_CLIENT = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"})


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a provider says of itself (OpenID Connect Discovery 3)."""

    authorization: str
    token: str
    keys: str
    end_session: str
    names_issuer: bool
    secret_in_body: bool


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is, as the provider says. `roles` are those here; None if it says nothing of any."""

    subject: str
    login: str
    family_name: str
    given_name: str
    roles: frozenset[RoleName] | None


@dataclass(frozen=True, slots=True)
class Granted:
    """What a provider gave: who it is, until when (seconds since 1970), and the tokens to go on with; may be empty."""

    person: Person
    expires: float
    refresh_token: str
    id_token: str


class Provider:
    """An OpenID provider. May be used from any thread, and waits for the network."""

    def __init__(
        self,
        options: OpenIdOptions,
        clock: Clock,
        *,
        transport: httpx.BaseTransport | None = None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self._clock = clock
        self._transport = transport
        self._steady = steady
        self._opened: httpx.Client | None = None
        self._asking = threading.Lock()
        self._metadata: tuple[Metadata, float] | None = None
        self._failed: tuple[str, float] | None = None
        self._keys: tuple[list[Mapping[str, Any]], float] | None = None
        self._fetched: deque[float] = deque(maxlen=_FETCHES)

    def address(self, attempt: Attempt, redirect_uri: str) -> str:
        """Return where somebody signs in. Raises `ProviderUnreachableError`."""
        metadata = self.metadata()
        return _with(
            metadata.authorization,
            response_type="code",
            client_id=self.options.client_id,
            redirect_uri=redirect_uri,
            scope=" ".join(self.options.scopes),
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=attempt.challenge(),
            code_challenge_method="S256",
        )

    def check_origin(self, issuer: str | None) -> None:
        """Raise `TokenRefusedError` if an answer came from another provider (mix-up, RFC 9207)."""
        if issuer is None and not self.metadata().names_issuer:
            return
        if issuer != self.options.issuer:
            raise TokenRefusedError("The answer is of another provider.")

    def exchange(self, code: str, attempt: Attempt, redirect_uri: str) -> Granted:
        """Return what a code stands for.

        Raises `ProviderUnreachableError`, `ProviderRefusedError` and `TokenRefusedError`.
        """
        answer = self._token(
            grant_type="authorization_code",
            code=code,
            redirect_uri=redirect_uri,
            code_verifier=attempt.verifier,
        )
        id_token = _text(answer, "id_token")
        if not id_token:
            raise TokenRefusedError("The provider gave no ID token: the client needs the scope openid.")
        return self._granted(answer, id_token, nonce=attempt.nonce, subject=None)

    def refresh(self, refresh_token: str, id_token: str, subject: str) -> Granted:
        """Return newer tokens of the same person. Raises as `exchange`."""
        answer = self._token(grant_type="refresh_token", refresh_token=refresh_token)
        # A provider may leave out what has not changed (OpenID Connect Core 12.2).
        granted = self._granted(answer, _text(answer, "id_token"), nonce=None, subject=subject)
        return Granted(
            granted.person,
            granted.expires,
            granted.refresh_token or refresh_token,
            granted.id_token or id_token,
        )

    def access(self, token: str) -> tuple[Person, float]:
        """Return who has an access token for us, and until when. Raises as `exchange`."""
        header, claims = verified(token, self.keys)
        check_issuer(claims, self.options.issuer)
        expires = check_times(claims, self._now())
        check_access(header, claims, self.options.audience)
        return self._person(claims, roles_in(claims, self.options.client_id)), expires

    def end_address(self, id_token: str, onward: str) -> str:
        """Return where somebody signs out at the provider too; empty if it has no such place, or cannot be reached."""
        try:
            metadata = self.metadata()
        except ProviderUnreachableError:
            return ""
        if not metadata.end_session or not id_token:
            return ""
        return _with(
            metadata.end_session,
            id_token_hint=id_token,
            client_id=self.options.client_id,
            post_logout_redirect_uri=onward,
        )

    def metadata(self) -> Metadata:
        """Return what the provider says of itself. Raises `ProviderUnreachableError`."""
        with self._asking:
            return self._known_metadata()

    def keys(self, identifier: str | None, is_again: bool) -> Sequence[Mapping[str, Any]]:
        """Return the provider's keys; newer ones if the key of an identifier is not among them, or they are old."""
        with self._asking:
            known, until = self._keys or ([], 0.0)
            is_known = any(key.get("kid") == identifier for key in known)
            wanted = not known or until <= self._steady() or (is_again and not is_known)
            if not wanted or not self._may_fetch():
                return known
            try:
                found = self._asked("GET", self._known_metadata().keys).get("keys")
            except ProviderUnreachableError:
                # Those that are known stay of use for as long as the provider is down.
                if known:
                    return known
                raise
            keys: list[Mapping[str, Any]] = (
                [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
            )
            self._keys = keys, self._steady() + _KEYS_LAST
            return keys

    def _may_fetch(self) -> bool:
        now = self._steady()
        if len(self._fetched) == _FETCHES and self._fetched[0] > now - _FETCHES_WITHIN:
            return False
        self._fetched.append(now)
        return True

    def _known_metadata(self) -> Metadata:
        now = self._steady()
        if self._metadata is not None and self._metadata[1] > now:
            return self._metadata[0]
        if self._failed is not None and self._failed[1] > now:
            raise ProviderUnreachableError(self._failed[0])
        try:
            found = self._read_metadata()
        except ProviderUnreachableError as error:
            if self._metadata is not None:
                return self._metadata[0]
            self._failed = error.what, self._steady() + _PAUSE
            raise
        self._metadata, self._failed = (found, now + _METADATA_LASTS), None
        return found

    def _read_metadata(self) -> Metadata:
        issuer = self.options.issuer
        said = self._asked("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if said.get("issuer") != issuer:
            raise ProviderUnreachableError(f"it calls itself {str(said.get('issuer'))[:200]!r}")
        addresses = {}
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"):
            addresses[name] = address = _text(said, name)
            if (address or name != "end_session_endpoint") and not is_safe(address):
                raise ProviderUnreachableError(f"its {name} is no address by https")
        methods = said.get("token_endpoint_auth_methods_supported")
        return Metadata(
            addresses["authorization_endpoint"],
            addresses["token_endpoint"],
            addresses["jwks_uri"],
            addresses["end_session_endpoint"],
            said.get("authorization_response_iss_parameter_supported") is True,
            isinstance(methods, list) and "client_secret_basic" not in methods,
        )

    def _token(self, **fields: str) -> dict[str, Any]:
        metadata = self.metadata()
        headers = {}
        secret = self.options.client_secret
        if not secret or metadata.secret_in_body:
            fields["client_id"] = self.options.client_id
            if secret:
                fields["client_secret"] = secret
        else:
            # RFC 6749 2.3.1: both are form-encoded first.
            pair = f"{quote(self.options.client_id, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return self._asked("POST", metadata.token, fields, headers)

    def _granted(
        self, answer: Mapping[str, Any], id_token: str, *, nonce: str | None, subject: str | None
    ) -> Granted:
        access_token = _text(answer, "access_token")
        claims: dict[str, Any] = {}
        expires: list[float] = []
        roles: set[str] | None = None
        if id_token:
            header, claims = verified(id_token, self.keys)
            check_issuer(claims, self.options.issuer)
            check_identity(
                claims, self.options.client_id, nonce=nonce, access_token=access_token, header=header
            )
            expires.append(check_times(claims, self._now()))
            roles = roles_in(claims, self.options.client_id)
        known = subject or str(claims.get("sub", ""))
        if id_token and claims.get("sub") != known:
            raise TokenRefusedError("It is of another person.")
        # Keycloak has roles in access tokens only. One that is no JWT, or of something else, says nothing.
        try:
            _, of_access = verified(access_token, self.keys)
            check_issuer(of_access, self.options.issuer)
            check_times(of_access, self._now())
        except TokenRefusedError:
            of_access = {}
        if of_access.get("sub") == known:
            more = roles_in(of_access, self.options.client_id)
            roles = roles if more is None else (roles or set()) | more
        lasts = answer.get("expires_in")
        if isinstance(lasts, int) and not isinstance(lasts, bool) and 0 < lasts < 10**9:
            expires.append(self._now() + lasts)
        person = self._person({**of_access, **claims, "sub": known}, roles)
        # With neither an ID token nor a time, it is asked again soon.
        return Granted(
            person, min(expires, default=self._now() + 60.0), _text(answer, "refresh_token"), id_token
        )

    def _person(self, claims: Mapping[str, Any], roles: set[str] | None) -> Person:
        subject = _text(claims, "sub")
        if not subject or len(subject) > 255 or not subject.isprintable():
            raise TokenRefusedError("It does not say whose it is.")
        mapped = self.options.roles
        return Person(
            subject,
            _text(claims, "preferred_username") or subject,
            _text(claims, "family_name") or _text(claims, "name"),
            _text(claims, "given_name") if _text(claims, "family_name") else "",
            None if roles is None else frozenset(mapped[each] for each in roles if each in mapped),
        )

    def _asked(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        try:
            with self._client().stream(
                method, url, data=fields, headers={"Accept": "application/json", **(headers or {})}
            ) as response:
                body = bytearray()
                for part in response.iter_bytes():
                    body += part
                    if len(body) > _LONGEST_ANSWER:
                        raise ProviderUnreachableError("its answer is too long")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ProviderUnreachableError(
                f"{urlsplit(url).netloc}: {type(error).__name__} {error}"
            ) from error
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if response.status_code in (400, 401) and isinstance(found, dict) and "error" in found:
            said = f"{_text(found, 'error')}: {_text(found, 'error_description')}"[:300]
            if found["error"] in _OF_CLIENT:
                raise ProviderUnreachableError(
                    f"it does not accept this client ({said}); compare openid_client_id and openid_client_secret"
                )
            raise ProviderRefusedError(f"The provider says {said}")
        if response.status_code != 200 or not isinstance(found, dict):
            raise ProviderUnreachableError(
                f"{urlsplit(url).netloc} answers {response.status_code}, and no JSON object"
            )
        return found

    def _client(self) -> httpx.Client:
        if self._opened is None:
            context = ssl.create_default_context()
            if self.options.authorities is not None:
                context.load_verify_locations(self.options.authorities)
            # A redirect of the provider is not followed: it would take secrets elsewhere.
            self._opened = httpx.Client(
                transport=self._transport,
                verify=context,
                timeout=_TIMEOUT,
                follow_redirects=False,
                trust_env=False,
            )
        return self._opened

    def _now(self) -> float:
        return self._clock().timestamp()


def is_safe(address: str) -> bool:
    """Return whether secrets may go to an address: by https, or on this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.fragment or parts.username is not None or not address.isascii() or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1"))


def _with(address: str, **parameters: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(parameters)}"


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
