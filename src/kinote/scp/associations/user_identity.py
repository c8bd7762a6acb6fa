"""Users of DICOM systems, by the user identity of an association (PS3.7 D.3.3.7).

Name and passcode are those of a user here, and are verified as at the sign-in page. A name alone proves nothing and is
only recorded. Kerberos tickets and SAML assertions are not accepted, because they cannot be verified here.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections.abc import Callable

from kinote.dimse.associations.acceptor import Caller
from kinote.dimse.associations.negotiation import USER_NOT_ACCEPTED, USER_NOT_ACCEPTED_NOW
from kinote.dimse.protocol.pdu import AssociateReject, AssociateRequest
from kinote.dimse.protocol.user_information import IdentityType, UserIdentity
from kinote.scp.associations.named_user import NamedUser
from kinote.scp.options import UserIdentities
from kinote.security.actors import Actor, ActorKind
from kinote.security.audit.entry import AuditEvent, Entry
from kinote.security.audit.trail import AuditTrail
from kinote.security.sign_in.identifying import SignIn, WrongPasswordError
from kinote.security.sign_in.slowing_down import SlowDownError

log = logging.getLogger(__name__)

#: The number of passcodes verified at once (each takes 64 MB of memory), and the seconds that others wait for a turn.
_AT_ONCE, _PATIENCE = 2, 10.0

#: The most characters of a name, and of a passcode.
_LONGEST_NAME, _LONGEST_PASSCODE = 64, 256


class Users:
    """Determines the user of an association. Thread-safe."""

    def __init__(
        self, handling: UserIdentities, sign_in: SignIn | None, trail: Callable[[], AuditTrail | None]
    ) -> None:
        self._handling = handling
        self._sign_in = sign_in
        self._trail = trail
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def identify(self, request: AssociateRequest, caller: Caller) -> NamedUser | AssociateReject | None:
        """Return the user of an association, None if none is given, or the rejection.

        The rejection is the same whatever is wrong, and whether or not the user exists.
        """
        if self._handling is UserIdentities.IGNORED:
            return None
        identity = request.user_information.identity
        if identity is None:
            return self._unproved(None, caller, "names no user")
        if identity.type == IdentityType.USERNAME:
            name = _text(identity.primary, _LONGEST_NAME) or ""
            return self._unproved(NamedUser(name), caller, "proves no user")
        if identity.type == IdentityType.USERNAME_AND_PASSCODE:
            return self._by_passcode(identity, caller)
        return _rejected(caller, f"names a user in a form ({identity.type}) that is not accepted")

    def _unproved(
        self, user: NamedUser | None, caller: Caller, what: str
    ) -> NamedUser | AssociateReject | None:
        if self._handling is UserIdentities.REQUIRED:
            return _rejected(caller, what)
        return user

    def _by_passcode(self, identity: UserIdentity, caller: Caller) -> NamedUser | AssociateReject:
        if not caller.is_secure and not _is_here(caller.host):
            return _rejected(caller, "sends a passcode without TLS")
        login, passcode = _text(identity.primary, _LONGEST_NAME), _text(identity.secondary, _LONGEST_PASSCODE)
        if self._sign_in is None or login is None or passcode is None:
            return _rejected(caller, "names no user who could be here")
        if not self._turns.acquire(timeout=_PATIENCE):
            return USER_NOT_ACCEPTED_NOW
        try:
            user = self._sign_in.check(login, passcode, caller.host).user
        except WrongPasswordError:
            self._failed(login, caller, reason="wrong login or password")
            return _rejected(caller, "names no user with that passcode")
        except SlowDownError:
            self._failed(login, caller, reason="too many attempts")
            return USER_NOT_ACCEPTED_NOW
        finally:
            self._turns.release()
        return NamedUser(user.login, user.rights, is_verified=True)

    def _failed(self, login: str, caller: Caller, reason: str) -> None:
        trail = self._trail()
        if trail is not None:
            actor = Actor(ActorKind.PERSON, login.strip().lower(), caller.host)
            detail = {"service": "association", "reason": reason}
            trail.note(Entry(AuditEvent.SIGN_IN, actor, "failure", detail=detail))


def _rejected(caller: Caller, why: str) -> AssociateReject:
    # Neither name nor passcode is logged: people confuse the fields.
    log.warning(
        "The user identity of an association is not accepted: the peer %s", why, extra={"host": caller.host}
    )
    return USER_NOT_ACCEPTED


def _text(value: bytes, longest: int) -> str | None:
    """Return a field as text (PS3.7 D.3.3.7.1: UTF-8); None if no user here can have it."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if 0 < len(text) <= longest else None


def _is_here(host: str) -> bool:
    """Return whether a connection comes from this machine, so that nobody else can read it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
