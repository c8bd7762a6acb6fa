"""How alerts reach people, as the settings say it."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest

from kinote.alerting.channels import AlertOptions
from kinote.settings.reading import SettingsError, read_settings

MAIL = (
    'smtp_host = "mail.example"\nsmtp_sender = "kinote@example.org"\nalert_mail_to = ["pacs@example.org"]\n'
)
HOOK = '[[alert_webhooks]]\nname = "chat"\nurl = "https://chat.example/x"\nsecret = "geheim-geheim-geheim"\n'


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def options(text: str) -> AlertOptions:
    Path("kinote.toml").write_text(text)
    return read_settings().alert_options()


def test_without_settings_alerts_reach_nobody() -> None:
    found = options("")
    assert (found.mail, found.webhooks, found.digest_at) == (None, (), None)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_a_mail_server_has_its_usual_port(security: str, port: int) -> None:
    mail = options(f'{MAIL}smtp_security = "{security}"\n').mail
    assert mail is not None
    assert (mail.host, mail.port, mail.receivers) == ("mail.example", port, ("pacs@example.org",))
    assert getattr(options(f"{MAIL}smtp_port = 2525\n").mail, "port", None) == 2525


def test_times_and_addresses_are_read() -> None:
    found = options(
        f'{MAIL}alert_digest_at = "06:30"\nalert_pause_minutes = 2\nviewer_address = "https://a.example/k/"\n{HOOK}'
    )
    assert (found.digest_at, found.pause) == (time(6, 30), timedelta(minutes=2))
    assert found.address == "https://a.example/k"
    assert [each.name for each in found.webhooks] == ["chat"]
    assert "geheim" not in repr(found)
    assert "geheim" not in repr(read_settings())


@pytest.mark.parametrize(
    ("text", "name", "what"),
    [
        ('alert_mail_to = ["a@b.example"]', "alert_mail_to", "smtp_host"),
        ('alert_mail_to = ["a@b.example"]\nsmtp_host = "m.example"', "alert_mail_to", "smtp_sender"),
        (f'{MAIL}smtp_user = "u"\nsmtp_security = "none"', "smtp_security", "unprotected"),
        ('alert_digest_at = "07:00"', "alert_digest_at", "alert_mail_to"),
        (HOOK + HOOK, "alert_webhooks", "twice"),
        (HOOK.replace("https://", "ftp://"), "alert_webhooks", "https://"),
        (HOOK.replace("chat.example", "user:geheim@chat.example"), "alert_webhooks", "without user"),
        (HOOK.replace("geheim-geheim-geheim", "geheim"), "alert_webhooks", "16 characters"),
        (HOOK.replace("secret", "password"), "alert_webhooks", "no part"),
    ],
)
def test_what_does_not_go_together_is_refused(text: str, name: str, what: str) -> None:
    with pytest.raises(SettingsError) as refused:
        options(text)
    assert str(refused.value).startswith(name)
    assert what in str(refused.value)
    assert "geheim@" not in str(refused.value)
    assert "'geheim'" not in str(refused.value)


def test_a_password_may_cross_this_machine_as_it_is() -> None:
    local = MAIL.replace("mail.example", "127.0.0.1")
    mail = options(f'{local}smtp_user = "u"\nsmtp_password = "p"\nsmtp_security = "none"').mail
    assert mail is not None
    assert (mail.user, mail.password) == ("u", "p")
