"""Checking the tokens of a provider: signature, issuer, audience and times.

See OpenID Connect Core 3.1.3.7 and RFC 9068 4.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kinote.security.openid.errors import TokenRefusedError

#: The algorithms of signatures that are accepted, whatever a token says: none without a key, and none whose key the
#: provider would share. A public key is never taken for a shared one.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")

#: Seconds by which the clocks here and there may differ.
LEEWAY = 60.0

#: Characters of a token at most.
_LONGEST = 32_768

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

#: Keys by an identifier, None for any; asked again with `True` where those known do not fit.
Keys = Callable[[str | None, bool], Sequence[Mapping[str, Any]]]


def is_compact(token: str) -> bool:
    """Return whether a token has the form of a signed JWT."""
    return len(token) <= _LONGEST and _COMPACT.fullmatch(token) is not None


def verified(token: str, keys: Keys) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the claims of a token that one of the keys has signed. Raises `TokenRefusedError`."""
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    if not is_compact(token):
        raise TokenRefusedError("It is no signed token.")
    header = _object(token.partition(".")[0])
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise TokenRefusedError("Its algorithm is not accepted.")
    if "crit" in header:
        raise TokenRefusedError("It has extensions that are not understood.")
    identifier = header.get("kid")
    if identifier is not None and not isinstance(identifier, str):
        raise TokenRefusedError("Its key identifier is no text.")
    kind: type[RSAKey] | type[ECKey] = ECKey if algorithm.startswith("ES") else RSAKey
    for is_again in (False, True):
        for key in _fitting(keys(identifier, is_again), identifier, algorithm):
            try:
                # Only the public part of a key is of use here, and only its own algorithm.
                content = jws.deserialize_compact(token, kind.import_key(dict(key)), algorithms=[algorithm])
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            return header, _claims(content.payload)
        if identifier is None:
            break
    raise TokenRefusedError("No key of the provider has signed it.")


def check_times(claims: Mapping[str, Any], now: float) -> float:
    """Return when a token expires. Raises `TokenRefusedError` if it has, or is not valid yet."""
    expires = _moment(claims, "exp")
    if expires is None:
        raise TokenRefusedError("It never expires.")
    if expires + LEEWAY <= now:
        raise TokenRefusedError(
            "It has expired. If it was made just now, compare the clocks here and of the provider."
        )
    for name in ("nbf", "iat"):
        begins = _moment(claims, name)
        if begins is not None and begins - LEEWAY > now:
            raise TokenRefusedError("It is from the future: compare the clocks here and of the provider.")
    return expires


def check_issuer(claims: Mapping[str, Any], issuer: str) -> None:
    """Raise `TokenRefusedError` unless a token is of the issuer."""
    if claims.get("iss") != issuer:
        raise TokenRefusedError("It is of another issuer.")


def audiences(claims: Mapping[str, Any]) -> list[str]:
    """Return whom a token is for."""
    given = claims.get("aud")
    found = given if isinstance(given, list) else [given]
    return [each for each in found if isinstance(each, str)]


def check_identity(
    claims: Mapping[str, Any],
    client_id: str,
    *,
    nonce: str | None,
    access_token: str,
    header: Mapping[str, Any],
) -> None:
    """Raise `TokenRefusedError` unless an ID token was made for this client, and this attempt to sign in.

    `nonce` is None after a refresh, where a provider need not repeat it.
    """
    whom = audiences(claims)
    if client_id not in whom:
        raise TokenRefusedError("It is for another client.")
    # A token for several clients says which one has asked for it.
    if (len(whom) > 1 or "azp" in claims) and claims.get("azp") != client_id:
        raise TokenRefusedError("Another client has asked for it.")
    if _moment(claims, "iat") is None:
        raise TokenRefusedError("It does not say when it was made.")
    if nonce is not None and not _same(claims.get("nonce"), nonce):
        raise TokenRefusedError("It belongs to another attempt to sign in.")
    if "at_hash" in claims and not _same(claims["at_hash"], _half_hash(access_token, str(header["alg"]))):
        raise TokenRefusedError("It belongs to another access token.")


def check_access(header: Mapping[str, Any], claims: Mapping[str, Any], audience: str) -> None:
    """Raise `TokenRefusedError` unless this is an access token for us: an ID token or a refresh token is none.

    Access tokens have the type of RFC 9068 or, from Keycloak, a claim `typ`.
    """
    of_header = str(header.get("typ", "")).lower().removeprefix("application/")
    if of_header != "at+jwt" and claims.get("typ") != "Bearer":
        raise TokenRefusedError("It is no access token.")
    if audience not in audiences(claims):
        raise TokenRefusedError("It is for another audience.")


def roles_in(claims: Mapping[str, Any], client_id: str) -> set[str] | None:
    """Return the roles in a token as Keycloak gives them: of the realm and of the client; None if it says nothing."""
    found: set[str] | None = None
    client = claims.get("resource_access")
    for access in (claims.get("realm_access"), client.get(client_id) if isinstance(client, dict) else None):
        roles = access.get("roles") if isinstance(access, dict) else None
        if isinstance(roles, list):
            found = (found or set()) | {each for each in roles if isinstance(each, str)}
    return found


def _fitting(
    keys: Iterable[Mapping[str, Any]], identifier: str | None, algorithm: str
) -> list[Mapping[str, Any]]:
    kind = "EC" if algorithm.startswith("ES") else "RSA"
    return [
        key
        for key in keys
        if key.get("kty") == kind
        and (identifier is None or key.get("kid") == identifier)
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
    ]


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise TokenRefusedError("It is no signed token.")
    return found


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise TokenRefusedError("It has no claims.")
    return found


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    given = claims.get(name)
    if given is None:
        return None
    # Beyond the year 9999 there is no moment that could be stored.
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < 253_402_300_000:
        raise TokenRefusedError(f"Its {name} is no moment.")
    return float(given)


def _half_hash(access_token: str, algorithm: str) -> str:
    digest = hashlib.new(f"sha{algorithm[2:]}", access_token.encode("ascii", "replace")).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _same(given: object, wanted: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), wanted.encode())
