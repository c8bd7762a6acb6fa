"""The channels by which alerts reach people, and what comes of sending."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from typing import Literal, Protocol

from kinote.alerting.messages import Message
from kinote.holdings.alerts import Severity

#: How a connection to a mail server is protected: TLS asked for after the greeting, TLS from the first byte, or not.
MailSecurity = Literal["starttls", "tls", "none"]

#: The channel of mails. That of a webhook is `webhook` and its name.
MAIL = "mail"


class NotSentError(RuntimeError):
    """A message was not taken now, but may be later. The message says why."""


class RefusedError(RuntimeError):
    """A message is not taken, and another attempt would not help before somebody changes something."""


@dataclass(frozen=True, slots=True)
class MailOptions:
    """How mails are sent, and to whom. `authorities` is a file of certificates that are trusted, too."""

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
    """Where messages are posted, and the secret by which they are signed."""

    name: str
    url: str
    secret: str = field(repr=False)
    authorities: Path | None = None


@dataclass(frozen=True, slots=True)
class AlertOptions:
    """By which channels alerts reach people, and how often.

    `pause` is the least time between two messages of a channel, in which what is new is gathered. A condition that
    comes and goes is told of once in `repeat`. `digest_at` is the time of the day, in the server's time zone, of a mail
    about all alerts. `address` is where the viewer is, for links; `server` is what messages call this server.
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
    """A way to people."""

    @property
    def name(self) -> str: ...

    def send(self, message: Message) -> str:
        """Send a message, and return in a sentence what came of it. Raises `NotSentError` and `RefusedError`."""
        ...
