"""Sessions of people who signed in by a provider: begun, renewed here before their tokens expire, and ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import sign_in_session
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.security.actors import Actor, ActorKind
from kinote.security.audit.entry import AuditEvent, Entry
from kinote.security.audit.trail import AuditTrail
from kinote.security.openid.accounts import account_of, with_roles
from kinote.security.openid.errors import (
    NoRoleError,
    NotAllowedInError,
    ProviderRefusedError,
    ProviderUnreachableError,
    TokenRefusedError,
)
from kinote.security.openid.provider import Granted, Provider
from kinote.security.openid.sealing import seal, unseal
from kinote.security.sign_in.sessions import begin_session, digest_of_secret
from kinote.security.sign_in.users import User, find_user
from kinote.telemetry.clock import Clock

log = structlog.get_logger("kinote.openid")

#: Before tokens expire they are renewed; so long before at most, and half of their time for short ones.
_BEFORE = timedelta(seconds=60)

#: How long a session goes on after its tokens have expired, if the provider cannot be reached.
GRACE = timedelta(minutes=10)

#: How long one server has for asking, before another one may; and the pause after the provider did not answer.
_CLAIM, _PAUSE = timedelta(seconds=20), timedelta(seconds=15)

#: Seconds between two looks whether another server has renewed a session, and for which it is waited for.
_LOOK, _PATIENCE = 0.2, 10.0


class ProviderSessions:
    """Begins and renews sessions. May be used from any thread.

    `renewed` is called whenever users or sessions were changed: whoever was known is looked up again.
    """

    def __init__(
        self, catalog: Catalog, provider: Provider, clock: Clock, trail: AuditTrail | None, lasts: timedelta
    ) -> None:
        self.provider = provider
        self.lasts = lasts
        self.renewed: Callable[[], None] = lambda: None
        self._catalog = catalog
        self._clock = clock
        self._trail = trail
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="kinote-openid")
        self._changing = threading.Lock()
        self._going_on: dict[str, Future[None]] = {}

    def begin(self, transaction: Connection, granted: Granted, address: str) -> tuple[User, str, str]:
        """Begin a session; return its user, its token, and when it expires. Raises as `account_of`."""
        now = self._clock()
        user = with_roles(account_of(transaction, self.provider.options.issuer, granted.person, now))
        # Without a refresh token nobody can see whether the provider still knows the person.
        lasts = self.lasts if granted.refresh_token else min(self.lasts, _moment(granted.expires) - now)
        token, expires_at = begin_session(transaction, user.id, address, now, lasts)
        self._keep(transaction, token, granted)
        return user, token, expires_at

    def end_address(self, token: str, onward: str) -> str:
        """Return where the user of a session signs out at the provider too; empty if there is no such place.

        Waits for the provider if nothing is known of it.
        """
        query = select(sign_in_session.c.provider_tokens).where(
            sign_in_session.c.digest == digest_of_secret(token)
        )
        with self._catalog.read() as connection:
            sealed = connection.execute(query).scalar()
        if not sealed:
            return ""
        kept = unseal(token, sealed)
        return self.provider.end_address(kept.get("id_token", ""), onward)

    def renew(self, token: str) -> Future[None]:
        """Renew a session. Whoever asks while that goes on waits for the same answer."""
        digest = digest_of_secret(token)
        with self._changing:
            found = self._going_on.get(digest)
            if found is None:
                found = self._going_on[digest] = self._threads.submit(self._renew, token, digest)
        return found

    def _renew(self, token: str, digest: str) -> None:
        try:
            until = time.monotonic() + _PATIENCE
            while (sealed := self._catalog.write(lambda transaction: self._claim(transaction, digest))) == "":
                # Another server is asking.
                if time.monotonic() > until:
                    return
                time.sleep(_LOOK)
            if sealed is not None:
                self._ask(token, digest, unseal(token, sealed))
        finally:
            with self._changing:
                self._going_on.pop(digest, None)
            self.renewed()

    def _claim(self, transaction: Connection, digest: str) -> str | None:
        """Return the sealed tokens for whoever may ask now; None if nobody needs to, empty if another server does."""
        columns = sign_in_session.c
        row = transaction.execute(
            select(columns.provider_tokens, columns.renew_at, columns.renewing_until)
            .where(columns.digest == digest)
            .with_for_update()
        ).first()
        now = self._clock()
        if row is None or not row.provider_tokens or row.renew_at > timestamp(now):
            return None
        if row.renewing_until > timestamp(now):
            return ""
        transaction.execute(
            sign_in_session.update().where(columns.digest == digest),
            {"renewing_until": timestamp(now + _CLAIM)},
        )
        return str(row.provider_tokens)

    def _ask(self, token: str, digest: str, kept: dict[str, str]) -> None:
        try:
            granted = self.provider.refresh(
                kept.get("refresh_token", ""), kept.get("id_token", ""), kept.get("subject", "")
            )
        except ProviderUnreachableError as error:
            log.warning("sessions cannot be renewed", problem=str(error))
            later = self._clock() + _PAUSE
            self._catalog.write(
                lambda transaction: self._update(
                    transaction, digest, renew_at=timestamp(later), renewing_until=""
                )
            )
            return
        except (ProviderRefusedError, TokenRefusedError) as error:
            reason = str(error)
            self._catalog.write(lambda transaction: self._end(transaction, digest, reason))
            return

        def work(transaction: Connection) -> None:
            row = transaction.execute(
                select(sign_in_session.c.account).where(sign_in_session.c.digest == digest).with_for_update()
            ).first()
            if row is None:
                return
            try:
                with_roles(
                    account_of(transaction, self.provider.options.issuer, granted.person, self._clock())
                )
            except (NoRoleError, NotAllowedInError) as error:
                self._end(transaction, digest, str(error))
                return
            self._keep(transaction, token, granted)

        self._catalog.write(work)

    def _keep(self, transaction: Connection, token: str, granted: Granted) -> None:
        now, expires = self._clock(), _moment(granted.expires)
        kept = {
            "refresh_token": granted.refresh_token,
            "id_token": granted.id_token,
            "subject": granted.person.subject,
        }
        self._update(
            transaction,
            digest_of_secret(token),
            provider_tokens=seal(token, kept),
            fresh_until=timestamp(expires),
            renew_at=timestamp(expires - min(_BEFORE, (expires - now) / 2)) if granted.refresh_token else "",
            renewing_until="",
        )

    def _update(self, transaction: Connection, digest: str, **values: str) -> None:
        transaction.execute(sign_in_session.update().where(sign_in_session.c.digest == digest), values)

    def _end(self, transaction: Connection, digest: str, reason: str) -> None:
        account = transaction.execute(
            sign_in_session.delete()
            .where(sign_in_session.c.digest == digest)
            .returning(sign_in_session.c.account)
        ).scalar()
        log.info("the OpenID provider has ended a session", problem=reason)
        if account is not None and self._trail is not None:
            actor = Actor(ActorKind.PERSON, find_user(transaction, account).login, "")
            entry = Entry(AuditEvent.SIGN_OUT, actor, detail={"sessions": 1, "reason": reason[:200]})
            self._trail.write(transaction, [entry], self._clock())


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
