"""Settings about how alerts reach people: mail, webhooks, the daily digest."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from datetime import time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from kinote.alerting.channels import AlertOptions, MailOptions, MailSecurity, WebhookOptions
from kinote.settings.values import is_loopback, peer_name

if TYPE_CHECKING:
    from kinote.settings.model import Settings

#: The usual port of each kind of connection to a mail server (RFC 8314 7.3, RFC 5321 4.5.4.2).
PORTS: dict[MailSecurity, int] = {"starttls": 587, "tls": 465, "none": 25}

#: An address without quoting and comments, in ASCII: what may stand in the fields of a mail as it is.
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?"
)

_SHORTEST_SECRET = 16


def mail_address(text: str) -> str:
    """Check an address of a mail."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("no address")
    return text


def time_of_day(value: object) -> object:
    """Parse a time of the day, such as 07:00; empty is none."""
    if not isinstance(value, str):
        return value
    if not value:
        return None
    if not re.fullmatch(r"[0-2]\d:[0-5]\d", value):
        raise ValueError("no time")
    return time.fromisoformat(value)


def web_address(text: str) -> str:
    """Check the address of a web page or service."""
    parts = urlsplit(text)
    # Whether the port is one is seen when it is read.
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("no address")
    if parts.username is not None or parts.fragment or not text.isascii() or set(text) & set(" \t\r\n"):
        raise ValueError("no address")
    return text


def page_address(text: str) -> str:
    """Check the address of the viewer, and return it without a slash at its end."""
    return web_address(text).rstrip("/") if text else ""


def _secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < _SHORTEST_SECRET:
        raise ValueError("too short")
    return value


class WebhookSettings(BaseModel):
    """Where alerts are posted to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(peer_name)]
    url: Annotated[str, AfterValidator(web_address)] = Field(max_length=2000)
    secret: Annotated[SecretStr, AfterValidator(_secret)]


def contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    """Return contradictions: which setting to change, and what is wrong."""
    if settings.alert_mail_to and not settings.smtp_host:
        yield "alert_mail_to", "Nobody would send these mails: set smtp_host too."
    if settings.alert_mail_to and not settings.smtp_sender:
        yield "alert_mail_to", "Mails need a sender: set smtp_sender too."
    if settings.smtp_user and settings.smtp_security == "none" and not is_loopback(settings.smtp_host):
        yield "smtp_security", "The password would cross the network unprotected: use starttls or tls."
    if settings.alert_digest_at is not None and not settings.alert_mail_to:
        yield "alert_digest_at", "The digest is a mail: set alert_mail_to too."
    names = [each.name for each in settings.alert_webhooks]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield "alert_webhooks", f"The name {name!r} is there twice; each names one webhook."


def alert_options(settings: Settings) -> AlertOptions:
    """Return by which channels alerts reach people."""
    return AlertOptions(
        mail=_mail(settings),
        webhooks=tuple(_webhooks(settings.alert_webhooks, settings.tls_authorities)),
        severity=settings.alert_severity,
        pause=timedelta(minutes=settings.alert_pause_minutes),
        repeat=timedelta(minutes=settings.alert_repeat_minutes),
        digest_at=settings.alert_digest_at,
        address=settings.viewer_address,
        server=socket.gethostname() or "localhost",
    )


def _mail(settings: Settings) -> MailOptions | None:
    if not settings.alert_mail_to:
        return None
    return MailOptions(
        host=settings.smtp_host,
        port=settings.smtp_port or PORTS[settings.smtp_security],
        security=settings.smtp_security,
        sender=settings.smtp_sender,
        receivers=settings.alert_mail_to,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value(),
        authorities=settings.tls_authorities,
    )


def _webhooks(wanted: Sequence[WebhookSettings], authorities: Path | None) -> Iterator[WebhookOptions]:
    for each in wanted:
        yield WebhookOptions(each.name, each.url, each.secret.get_secret_value(), authorities)
