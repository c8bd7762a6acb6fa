"""Messages by webhook: a POST of JSON, signed by HMAC-SHA256 (RFC 2104) with a shared secret."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from kinote.alerting.channels import NotSentError, RefusedError, WebhookOptions
from kinote.alerting.deadline import IN_ALL, Deadline, deadline, tls_context
from kinote.alerting.messages import Message

#: Temporary failures (RFC 9110 15.5.9, RFC 8470, RFC 6585), besides 500 and above.
_MAY_PASS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})

#: The most bytes read of a response: its content does not matter.
_READ = 1024

SIGNATURE, DELIVERY, EVENT = "Kinote-Signature", "Kinote-Delivery", "Kinote-Event"


def signature(secret: str, moment: int, body: bytes) -> str:
    """Return the signature of a body sent at a time, in seconds since 1970."""
    digest = hmac.new(secret.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


class Webhook:
    """Posts messages to an address."""

    def __init__(
        self, options: WebhookOptions, server: str, clock: Callable[[], datetime], *, seconds: float = IN_ALL
    ) -> None:
        self._options = options
        self._server = server
        self._clock = clock
        self._seconds = seconds

    @property
    def name(self) -> str:
        """Its name among the channels."""
        return f"webhook {self._options.name}"

    def send(self, message: Message) -> str:
        """Post a message. No redirection is followed. Raises `NotSentError` and `RefusedError`."""
        now = self._clock()
        body = message.body(self._server, now)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Kinote",
            "Connection": "close",
            SIGNATURE: signature(self._options.secret, int(now.timestamp()), body),
            DELIVERY: message.delivery,
            EVENT: message.event,
        }
        try:
            with deadline(self._seconds) as limit:
                status = self._post(limit, body, headers)
        except (OSError, ssl.SSLError, http.client.HTTPException) as error:
            if limit.is_over:
                raise NotSentError(f"{self._where} took longer than {self._seconds:g} s.") from error
            said = str(error).rstrip(".") or type(error).__name__
            raise NotSentError(f"{self._where} could not be reached: {said}.") from error
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return f"{self._where} took it ({status})."
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise RefusedError(
                f"{self._where} answered {status}, a redirection, which is not followed. Set the address that it has "
                "now."
            )
        if status in _MAY_PASS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise NotSentError(f"{self._where} answered {status}.")
        raise RefusedError(f"{self._where} refused it ({status}).")

    def _post(self, limit: Deadline, body: bytes, headers: dict[str, str]) -> int:
        parts = urlsplit(self._options.url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        # Opened here and not by the library, so that the deadline applies.
        connection = http.client.HTTPConnection(parts.netloc)
        opened = limit.connect(host, port)
        try:
            if parts.scheme == "https":
                opened = tls_context(self._options.authorities).wrap_socket(opened, server_hostname=host)
            connection.sock = opened
            path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read(_READ)
            return answer.status
        finally:
            connection.close()
            opened.close()

    @property
    def _where(self) -> str:
        # Paths and queries of webhooks are often secret.
        return f"The webhook {self._options.name} at {urlsplit(self._options.url).hostname}"
