"""Messages by mail: SMTP (RFC 5321), with STARTTLS (RFC 3207) or TLS from the start (RFC 8314)."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime

from kinote.alerting.channels import MAIL, MailOptions, NotSentError, RefusedError
from kinote.alerting.deadline import IN_ALL, Deadline, deadline, tls_context
from kinote.alerting.messages import Message

#: The code of a greeting (RFC 5321 4.3.1).
_READY = 220


class Mail:
    """Sends messages as mails, one to all receivers."""

    name = MAIL

    def __init__(
        self, options: MailOptions, clock: Callable[[], datetime], *, seconds: float = IN_ALL
    ) -> None:
        self._options = options
        self._clock = clock
        self._seconds = seconds

    def send(self, message: Message) -> str:
        """Send a mail. Raises `NotSentError` and `RefusedError`, as by the code of the answer (RFC 5321 4.2.1)."""
        receivers = self._options.receivers
        try:
            with deadline(self._seconds) as limit:
                try:
                    refused = self._deliver(limit, message)
                except (OSError, smtplib.SMTPServerDisconnected) as error:
                    if limit.is_over:
                        raise NotSentError(self._said(f"it took longer than {self._seconds:g} s")) from error
                    raise
        except smtplib.SMTPNotSupportedError as error:
            raise RefusedError(self._said(error)) from error
        except smtplib.SMTPResponseException as error:
            raise _by_code(error.smtp_code, self._said(_answer(error.smtp_code, error.smtp_error))) from error
        except smtplib.SMTPRecipientsRefused as error:
            code = min(each for each, _ in error.recipients.values())
            raise _by_code(code, self._said(_refusals(error.recipients))) from error
        except (OSError, ssl.SSLError, smtplib.SMTPException) as error:
            raise NotSentError(self._said(error)) from error
        taken = f"The mail server took it for {len(receivers) - len(refused)} of {len(receivers)} receivers."
        return f"{taken} {_refusals(refused)}." if refused else taken

    def _deliver(self, limit: Deadline, message: Message) -> dict[str, tuple[int, bytes]]:
        session = _Session(self._options, limit)
        try:
            session.begin()
            refused = session.send_message(
                self._mail(message), self._options.sender, list(self._options.receivers)
            )
            # The mail is accepted, whatever the answer to this.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                session.quit()
            return refused
        finally:
            session.close()

    def _mail(self, message: Message) -> EmailMessage:
        made = EmailMessage(policy=SMTP_POLICY)
        made["Subject"] = message.title
        made["From"] = self._options.sender
        made["To"] = ", ".join(self._options.receivers)
        made["Date"] = format_datetime(self._clock())
        made["Message-ID"] = (
            f"<{message.delivery.replace(':', '.')}@{self._options.sender.rsplit('@', 1)[-1]}>"
        )
        # No absence notes in response (RFC 3834).
        made["Auto-Submitted"] = "auto-generated"
        made.set_content(message.text)
        return made

    def _said(self, what: object) -> str:
        sentence = str(what).strip().rstrip(".") or type(what).__name__
        return f"The mail server {self._options.host}:{self._options.port} did not take the mail: {sentence}."


class _Session(smtplib.SMTP):
    """A session with a mail server that is ready for a mail."""

    def __init__(self, options: MailOptions, limit: Deadline) -> None:
        # The default, the full name of this host, would need DNS.
        super().__init__(local_hostname=socket.gethostname() or "localhost")
        self._options = options
        self._limit = limit
        self._context = None if options.security == "none" else tls_context(options.authorities)

    def begin(self) -> None:
        """Connect, begin TLS and log in, as far as the options say so."""
        code, said = self.connect(self._options.host, self._options.port)
        if code != _READY:
            raise smtplib.SMTPConnectError(code, said)
        # The name that STARTTLS compares with the certificate.
        self._host = self._options.host
        if self._options.security == "starttls":
            self.starttls(context=self._context)
        if self._options.user:
            self.login(self._options.user, self._options.password)

    def _get_socket(self, host: str, port: int, timeout: object) -> socket.socket:
        opened = self._limit.connect(host, port)
        if self._options.security == "tls" and self._context is not None:
            return self._context.wrap_socket(opened, server_hostname=host)
        return opened


def _by_code(code: int, sentence: str) -> NotSentError | RefusedError:
    return RefusedError(sentence) if code >= 500 else NotSentError(sentence)


def _refusals(refused: dict[str, tuple[int, bytes]]) -> str:
    first = sorted(refused.items())[:3]
    return "; ".join(f"it refused {receiver} ({_answer(code, said)})" for receiver, (code, said) in first)


def _answer(code: int, said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(text.split())[:300]}"
