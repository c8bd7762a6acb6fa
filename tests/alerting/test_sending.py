"""Mails and webhooks reach real receivers, and a receiver that hangs, refuses or redirects is told apart."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kinote.alerting.channels import MailOptions, MailSecurity, NotSentError, RefusedError, WebhookOptions
from kinote.alerting.mail import Mail
from kinote.alerting.messages import Message, trial
from kinote.alerting.webhook import DELIVERY, EVENT, SIGNATURE, Webhook, signature
from tests.alerting.receivers import Hook, free_port, mail_server, never_done, web_server
from tests.clock import clock
from tests.dimse.certificates import Authority

MESSAGE = trial("pacs", clock())
SECRET = "0123456789abcdef"

#: Seconds after which a server that hangs is given up.
SOON = 0.2


def options(port: int, security: MailSecurity = "none", **more: object) -> MailOptions:
    made = MailOptions(
        "127.0.0.1", port, security, "kinote@example.org", ("pacs@example.org", "it@example.org")
    )
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def identity(authority: Authority) -> ssl.SSLContext:
    issued = authority.issue("receiver")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    return context


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_mail_comes_by_each_kind_of_connection(
    security: MailSecurity, identity: ssl.SSLContext, authority: Authority
) -> None:
    with mail_server(security, None if security == "none" else identity) as box:
        said = Mail(options(box.port, security, authorities=authority.certificate), clock).send(MESSAGE)
    assert said == "The mail server took it for 2 of 2 receivers."
    (mail,) = box.mails
    assert (mail["Subject"], mail["To"]) == (MESSAGE.title, "pacs@example.org, it@example.org")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "This is a test message" in mail.get_content()
    assert box.was_protected == [security != "none"]


def test_a_login_is_only_made_after_tls(identity: ssl.SSLContext, authority: Authority) -> None:
    with mail_server("starttls", identity, password="geheim") as box:
        asked = options(box.port, "starttls", authorities=authority.certificate, user="kinote")
        Mail(replace(asked, password="geheim"), clock).send(MESSAGE)
        with pytest.raises(RefusedError, match="535"):
            Mail(replace(asked, password="wrong"), clock).send(MESSAGE)
    assert set(box.logins) == {("kinote", "geheim"), ("kinote", "wrong")}
    assert len(box.mails) == 1
    with mail_server() as plain, pytest.raises(RefusedError, match="STARTTLS"):
        Mail(replace(asked, port=plain.port, password="geheim"), clock).send(MESSAGE)
    assert plain.logins == []


def test_a_mail_server_must_prove_who_it_is(identity: ssl.SSLContext) -> None:
    with mail_server("tls", identity) as box, pytest.raises(NotSentError, match="certificate"):
        Mail(options(box.port, "tls"), clock).send(MESSAGE)
    assert box.mails == []


@pytest.mark.parametrize(
    ("answer", "error"), [("451 later", NotSentError), ("554 no", RefusedError), ("421 busy", NotSentError)]
)
def test_what_may_pass_is_told_from_what_does_not(answer: str, error: type[Exception]) -> None:
    with mail_server() as box:
        box.answers.append(answer)
        with pytest.raises(error, match=answer):
            Mail(options(box.port), clock).send(MESSAGE)


def test_a_receiver_who_is_refused_keeps_the_mail_from_no_other() -> None:
    with mail_server() as box:
        box.refused = frozenset({"it@example.org"})
        said = Mail(options(box.port), clock).send(MESSAGE)
        assert said == (
            "The mail server took it for 1 of 2 receivers. it refused it@example.org (550 no such person)."
        )
        assert box.receivers == [["pacs@example.org"]]
        box.refused = frozenset({"it@example.org", "pacs@example.org"})
        with pytest.raises(RefusedError, match="no such person"):
            Mail(options(box.port), clock).send(MESSAGE)


@pytest.mark.parametrize("security", ["none", "tls"])
@pytest.mark.parametrize("drip", [b"", b"2"], ids=["silent", "dripping"])
def test_a_mail_server_that_hangs_is_given_up(security: MailSecurity, drip: bytes) -> None:
    with never_done(drip) as port, pytest.raises(NotSentError, match=r"longer than 0\.2 s|record layer|SSL"):
        Mail(options(port, security), clock, seconds=SOON).send(MESSAGE)
    with pytest.raises(NotSentError, match="refused"):
        Mail(options(free_port(), security), clock).send(MESSAGE)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with web_server() as server:
        yield server


def webhook(url: str, authorities: Path | None = None) -> Webhook:
    return Webhook(WebhookOptions("chat", url, SECRET, authorities), "pacs", clock, seconds=SOON * 50)


def test_a_webhook_is_posted_json_and_a_signature(hook: Hook) -> None:
    assert webhook(hook.url).send(MESSAGE) == "The webhook chat at 127.0.0.1 took it (200)."
    (posted,) = hook.posted
    assert posted.path == "/hook?key=geheim"
    assert (posted.headers[EVENT], posted.headers[DELIVERY]) == ("test", MESSAGE.delivery)
    moment = int(posted.headers[SIGNATURE].split(",")[0].removeprefix("t="))
    assert posted.headers[SIGNATURE] == signature(SECRET, moment, posted.body)
    assert posted.headers[SIGNATURE] != signature("another secret!!", moment, posted.body)
    assert json.loads(posted.body)["server"] == "pacs"


def test_a_signature_can_be_computed_by_others() -> None:
    # printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef
    assert signature(SECRET, 1700000000, b"{}") == f"t=1700000000,v1={OF_OPENSSL}"


OF_OPENSSL = "e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e"


def test_a_webhook_by_tls_must_prove_who_it_is(identity: ssl.SSLContext, authority: Authority) -> None:
    with web_server(identity) as hook:
        url = hook.url.replace("http:", "https:")
        webhook(url, authority.certificate).send(MESSAGE)
        with pytest.raises(NotSentError, match="certificate"):
            webhook(url).send(MESSAGE)
    assert len(hook.posted) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, RefusedError),
        (307, RefusedError),
        (400, RefusedError),
        (404, RefusedError),
        (408, NotSentError),
        (429, NotSentError),
        (500, NotSentError),
        (503, NotSentError),
    ],
)
def test_answers_of_a_webhook(hook: Hook, status: int, error: type[Exception]) -> None:
    hook.statuses.append(status)
    with web_server() as other:
        hook.location = other.url
        with pytest.raises(error, match=str(status)) as raised:
            webhook(hook.url).send(MESSAGE)
        assert other.posted == [], "no redirection is followed"
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize("drip", [b"", b"H"], ids=["silent", "dripping"])
def test_a_webhook_that_hangs_is_given_up(drip: bytes) -> None:
    with never_done(drip) as port, pytest.raises(NotSentError, match=r"longer than 0\.2 s"):
        Webhook(
            WebhookOptions("chat", f"http://127.0.0.1:{port}/", SECRET), "pacs", clock, seconds=SOON
        ).send(MESSAGE)


def test_no_line_of_a_message_becomes_a_field_of_the_mail() -> None:
    long = Message("alerts", "x", "Überlang " * 40, ("Zeile\r\nBcc: all@example.org",) * 3)
    with mail_server() as box:
        Mail(options(box.port), clock).send(long)
    (mail,) = box.mails
    assert mail["Subject"].strip() == long.title.strip()
    assert mail["Bcc"] is None
