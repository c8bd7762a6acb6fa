"""The announcement of a server to commands: its address, and a secret that proves its identity.

It is `server.json` in the data directory, readable by its owner only. A killed server leaves it behind, and another
process may then listen on its port. So a command sends nothing before the process there has proved that it knows
the secret. The proof is an HMAC (RFC 2104) of a challenge and of the address. It cannot be obtained from another
server, because that one proves its own address.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

_FILE = "server.json"

#: The length of a secret and of a challenge, in bytes.
_LENGTH = 32


class NoAnnouncementError(RuntimeError):
    """There is an announcement that cannot be used. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A server: its address, the id of its process, and its secret."""

    url: str
    pid: int
    secret: str

    def proof(self, challenge: str) -> str:
        """Return the answer to a challenge, which only a process that knows the secret can compute."""
        said = f"kinote server\n{self.url}\n{challenge}".encode()
        return hmac.new(bytes.fromhex(self.secret), said, hashlib.sha256).hexdigest()

    @property
    def owner_proof(self) -> str:
        """What shows the server that a command may read the secret, so that it belongs to the directory's owner.

        To be sent only where the server has proved who it is. Another start of the server has another secret.
        """
        said = f"kinote owner\n{self.url}".encode()
        return hmac.new(bytes.fromhex(self.secret), said, hashlib.sha256).hexdigest()

    def is_of_owner(self, proof: str) -> bool:
        """Return whether a command has shown that it may read the secret."""
        return hmac.compare_digest(proof.encode("utf-8", "replace"), self.owner_proof.encode())

    def is_proved_by(self, proof: str, challenge: str) -> bool:
        return hmac.compare_digest(proof.encode(), self.proof(challenge).encode())


def new_challenge() -> str:
    """Return a challenge that was never used before."""
    return secrets.token_hex(_LENGTH)


def announce(directory: Path, url: str) -> Announcement:
    """Announce the server of this process, with a new secret."""
    announcement = Announcement(url, os.getpid(), secrets.token_hex(_LENGTH))
    temporary = directory / f"server.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    # Created with its final mode, so that nobody but the owner could ever read it.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(announcement), file)
    temporary.replace(directory / _FILE)
    return announcement


def withdraw(directory: Path, of: Announcement | None = None) -> None:
    """Remove the announcement of this server, or one whose server is not running any more."""
    if of is None or _read(directory).get("secret") == of.secret:
        (directory / _FILE).unlink(missing_ok=True)


def is_announced(directory: Path) -> bool:
    """Return whether a server has announced itself there."""
    return (directory / _FILE).exists()


def announced(directory: Path) -> Announcement | None:
    """Return the announcement of the server that has a data directory open; None if there is none.

    Raises `NoAnnouncementError`.
    """
    try:
        found = _read(directory)
    except PermissionError:
        raise NoAnnouncementError(
            f"{directory / _FILE} may be read by its owner only, and without it the server cannot be trusted. Run the "
            "command as the user who runs the server."
        ) from None
    if not found:
        return None
    try:
        announcement = Announcement(str(found["url"]), int(str(found["pid"])), str(found["secret"]))
        if len(bytes.fromhex(announcement.secret)) != _LENGTH:
            raise ValueError("no secret of ours")
    except (KeyError, TypeError, ValueError):
        raise NoAnnouncementError(
            f"{directory / _FILE} does not say how the server proves who it is: it was changed, or the server is an "
            "older version. Restart the server."
        ) from None
    return announcement


def _read(directory: Path) -> dict[str, object]:
    try:
        found = json.loads((directory / _FILE).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError:
        return {"damaged": True}
    return found if isinstance(found, dict) else {"damaged": True}
