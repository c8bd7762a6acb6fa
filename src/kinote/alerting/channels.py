"""The channels by which alerts reach people, and the outcomes of sending."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from typing import Literal, Protocol

from kinote.alerting.messages import Message
from kinote.holdings.alerts import Severity

#: How a connection to a mail server is protected: by TLS after the greeting, by TLS from the first byte, or not.
MailSecurity = Literal["starttls", "tls", "none"]

#: The channel of mails. That of a webhook is `webhook` and its name.
MAIL = "mail"


class NotSentError(RuntimeError):
    """A message was not accepted now, but may be later. The message says why."""


class RefusedError(RuntimeError):
    """A message was refused, and another attempt would not help before somebody changes something."""


@dataclass(frozen=True, slots=True)
class MailOptions:
    """How mails are sent, and to whom. `authorities` is a file of additional trusted certificates."""

    host: str
    port: int
    security: MailSecurity
    sender: str
    receivers: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)
    authorities: Path | None = None


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Where messages are posted, and the secret that signs them."""

    name: str
    url: str
    secret: str = field(repr=False)
    authorities: Path | None = None


@dataclass(frozen=True, slots=True)
class AlertOptions:
    """The channels of alerts, and how often they are used.

    `pause` is the least time between two messages of a channel; new alerts are collected meanwhile. A condition that
    comes and goes is reported once in `repeat`. `digest_at` is the time of the day, in the server's time zone, of a
    mail about all alerts. `address` is that of the viewer, for links. `server` is the name of this server in messages.
    """

    mail: MailOptions | None = None
    webhooks: tuple[WebhookOptions, ...] = ()
    severity: Severity = "warning"
    pause: timedelta = timedelta(minutes=5)
    repeat: timedelta = timedelta(hours=1)
    digest_at: time | None = None
    address: str = ""
    server: str = "localhost"


class Channel(Protocol):
    """A way to reach people."""

    @property
    def name(self) -> str: ...

    def send(self, message: Message) -> str:
        """Send a message. Return the outcome as a sentence. Raises `NotSentError` and `RefusedError`."""
        ...
