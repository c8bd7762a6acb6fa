"""Sealing what is stored of a provider's tokens: only the cookie of the session opens it."""

from __future__ import annotations

import base64
import hashlib
import json
import os

_NONCE = 12


def seal(session_token: str, texts: dict[str, str]) -> str:
    """Return texts encrypted and authenticated (AES-256-GCM) by a key that is made of a session's token."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE)
    sealed = AESGCM(_key(session_token)).encrypt(nonce, json.dumps(texts).encode(), None)
    return base64.b64encode(nonce + sealed).decode()


def unseal(session_token: str, sealed: str) -> dict[str, str]:
    """Return the texts; none at all if they were not sealed with this token."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        given = base64.b64decode(sealed, validate=True)
        opened = AESGCM(_key(session_token)).decrypt(given[:_NONCE], given[_NONCE:], None)
    except (InvalidTag, ValueError):
        return {}
    found: dict[str, str] = json.loads(opened)
    return found


def _key(session_token: str) -> bytes:
    # The token has 256 bits of its own. What is stored of it is another digest.
    return hashlib.sha256(
        b"Kinote tokens of the provider\0" + session_token.encode("utf-8", "replace")
    ).digest()
