"""An attempt to sign in by a provider: what the browser keeps between leaving and coming back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Self

#: Seconds for which somebody may be at the provider.
LASTS = 600

_LONGEST = 2_000

#: Used attempts that are remembered at most; the provider takes no code twice either.
_MOST = 10_000

#: A path here, and nothing that a browser would take for another site's address.
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")


@dataclass(frozen=True, slots=True)
class Attempt:
    """Secrets of one attempt, and the page to go on with.

    The cookie that carries it ties the answer of the provider to this browser: by the state (RFC 6749 10.12), the nonce
    in the ID token, and the verifier of the code (PKCE, RFC 7636). A code that was stolen is of no use without it.
    """

    state: str
    nonce: str
    verifier: str
    onward: str

    @classmethod
    def new(cls, onward: str) -> Self:
        """Begin an attempt that goes on with a page."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, safe_path(onward))

    @classmethod
    def read(cls, written: str) -> Self | None:
        """Return the attempt in a cookie; None if there is none."""
        try:
            found = json.loads(base64.urlsafe_b64decode(written.encode("ascii")))
            attempt = cls(**found)
        except (ValueError, TypeError, RecursionError):
            return None
        if not all(isinstance(each, str) and each for each in asdict(attempt).values()):
            return None
        # Whoever can write cookies must not send people elsewhere.
        return cls(attempt.state, attempt.nonce, attempt.verifier, safe_path(attempt.onward))

    def written(self) -> str:
        """Return it for a cookie."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()

    def challenge(self) -> str:
        """Return what the provider gets to know of the verifier: its SHA-256."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def is_of(self, state: str) -> bool:
        """Return whether an answer has the state of this attempt."""
        return hmac.compare_digest(self.state.encode(), state.encode("utf-8", "replace"))


def safe_path(path: str) -> str:
    """Return a path of a page here as it is, and `/` for anything else: never another site's address."""
    if len(path) > _LONGEST or not _PATH.fullmatch(path) or path.startswith("/api/"):
        return "/"
    return path


class UsedAttempts:
    """The attempts that were answered: none is answered twice. May be used from any thread."""

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._until: OrderedDict[str, float] = OrderedDict()
        self._changing = threading.Lock()

    def use(self, attempt: Attempt) -> bool:
        """Return whether an attempt is answered for the first time."""
        now = self._steady()
        with self._changing:
            while self._until and (len(self._until) >= _MOST or next(iter(self._until.values())) <= now):
                self._until.popitem(last=False)
            if attempt.state in self._until:
                return False
            self._until[attempt.state] = now + LASTS
            return True
