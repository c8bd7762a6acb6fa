"""Settings about how alerts reach people: mail, webhooks, the daily digest."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from kinote.alerting.channels import AlertOptions, MailOptions, MailSecurity, WebhookOptions
from kinote.holdings.alerts import Severity
from kinote.settings.values import host_name, is_loopback, listed, none_if_empty, peer_name, tables

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


def _host_or_none(name: str) -> str:
    return host_name(name) if name else ""


def _address_or_none(text: str) -> str:
    return mail_address(text) if text else ""


class AlertSettings(BaseSettings):
    """The settings about alerts."""

    smtp_host: Annotated[str, AfterValidator(_host_or_none)] = Field(
        "", description="The mail server by which alerts are mailed; empty for no mails."
    )
    smtp_port: Annotated[Annotated[int, Field(ge=1, le=65535)] | None, BeforeValidator(none_if_empty)] = (
        Field(None, description="Its port; empty for the usual one of smtp_security.")
    )
    smtp_security: MailSecurity = Field(
        "starttls", description="How the connection to it is protected: starttls, tls or none."
    )
    smtp_user: str = Field("", description="The user to log in as; empty for no login.")
    smtp_password: SecretStr = Field(SecretStr(""), description="The password of this user.")
    smtp_sender: Annotated[str, AfterValidator(_address_or_none)] = Field(
        "", description="The address from which mails come."
    )
    alert_mail_to: Annotated[
        tuple[Annotated[str, AfterValidator(mail_address)], ...], NoDecode, BeforeValidator(listed)
    ] = Field((), max_length=100, description="The addresses to which alerts are mailed.")
    alert_webhooks: Annotated[tuple[WebhookSettings, ...], NoDecode, BeforeValidator(tables)] = Field(
        (), description="The webhooks to which alerts are posted."
    )
    alert_severity: Severity = Field(
        "warning", description="The least severity of alerts that are mailed and posted at once."
    )
    alert_pause_minutes: int = Field(
        5, ge=1, le=1440, description="Minutes between two messages about alerts, at least."
    )
    alert_repeat_minutes: int = Field(
        60, ge=1, le=10_080, description="Minutes in which a condition that comes and goes is told of once."
    )
    alert_digest_at: Annotated[time | None, BeforeValidator(time_of_day)] = Field(
        None, description="The time of the day at which a mail about all alerts is sent; empty for none."
    )
    viewer_address: Annotated[str, AfterValidator(page_address)] = Field(
        "", description="The address of the viewer for links in messages; empty for no links."
    )

    def contradictions_of_alerts(self) -> Iterator[tuple[str, str]]:
        """Return contradictions: which setting to change, and what is wrong."""
        if self.alert_mail_to and not self.smtp_host:
            yield "alert_mail_to", "Nobody would send these mails: set smtp_host too."
        if self.alert_mail_to and not self.smtp_sender:
            yield "alert_mail_to", "Mails need a sender: set smtp_sender too."
        if self.smtp_user and self.smtp_security == "none" and not is_loopback(self.smtp_host):
            yield "smtp_security", "The password would cross the network unprotected: use starttls or tls."
        if self.alert_digest_at is not None and not self.alert_mail_to:
            yield "alert_digest_at", "The digest is a mail: set alert_mail_to too."
        names = [each.name for each in self.alert_webhooks]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield "alert_webhooks", f"The name {name!r} is there twice; each names one webhook."

    def channels(self, authorities: Path | None) -> AlertOptions:
        """Return by which channels alerts reach people. `authorities` has the certificates that prove a server."""
        return AlertOptions(
            mail=self._mail(authorities),
            webhooks=tuple(_webhooks(self.alert_webhooks, authorities)),
            severity=self.alert_severity,
            pause=timedelta(minutes=self.alert_pause_minutes),
            repeat=timedelta(minutes=self.alert_repeat_minutes),
            digest_at=self.alert_digest_at,
            address=self.viewer_address,
            server=socket.gethostname() or "localhost",
        )

    def _mail(self, authorities: Path | None) -> MailOptions | None:
        if not self.alert_mail_to:
            return None
        return MailOptions(
            host=self.smtp_host,
            port=self.smtp_port or PORTS[self.smtp_security],
            security=self.smtp_security,
            sender=self.smtp_sender,
            receivers=self.alert_mail_to,
            user=self.smtp_user,
            password=self.smtp_password.get_secret_value(),
            authorities=authorities,
        )


def _webhooks(wanted: Sequence[WebhookSettings], authorities: Path | None) -> Iterator[WebhookOptions]:
    for each in wanted:
        yield WebhookOptions(each.name, each.url, each.secret.get_secret_value(), authorities)
