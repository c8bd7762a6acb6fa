"""What may be set, in which places, and what is said about what may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kinote.settings.model import Settings
from kinote.settings.reading import SettingsError, read_settings


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KINOTE_")]:
        monkeypatch.delenv(name)


def refused(**given: object) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(**given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        ("a.b", ("a.b",)),
        ("a.b, c.d", ("a.b", "c.d")),
        (" a.b ,, ", ("a.b",)),
        ('["a.b", "c.d"]', ("a.b", "c.d")),
        ("", ()),
        ("[]", ()),
    ],
)
def test_a_list_is_written_with_commas_or_as_json(
    monkeypatch: pytest.MonkeyPatch, value: str, hosts: tuple[str, ...]
) -> None:
    monkeypatch.setenv("KINOTE_ALLOWED_HOSTS", value)
    assert read_settings().allowed_hosts == hosts


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("kinote.toml").write_text('http_port = 1\nlog_json = true\nallowed_hosts = ["a.b"]\n')
    monkeypatch.setenv("KINOTE_HTTP_PORT", "2")
    assert read_settings().http_port == 2
    settings = read_settings(http_port=3)
    assert (settings.http_port, settings.log_json, settings.allowed_hosts) == (3, True, ("a.b",))


#: A value that each setting refuses, and a part of what is said to be allowed.
WRONG = {
    "data": ("", "path"),
    "database": ("mysql://reader:geheim@db/x", "postgresql://"),
    "database_connections": ("5", "6 to 1000"),
    "scrub_days": ("-1", "0 to 3650"),
    "purge_after": ("-1", "number of days"),
    "authorization_folder": ("/etc/hostname", "path of a folder"),
    "backup_folder": ("/etc/hostname", "path of a folder"),
    "backup_hours": ("-1", "0 to 8760"),
    "backup_keep": ("0", "1 to 1000"),
    "backup_images": ("perhaps", "true or false"),
    "reconcile_days": ("-1", "0 to 3650"),
    "job_workers": ("33", "0 to 32"),
    "delivery_workers": ("65", "0 to 64"),
    "job_days": ("0", "1 to 3650"),
    "availability_quiet_seconds": ("0", "1 to 86400"),
    "follow_minutes": ("10081", "0 to 10080"),
    "undo_seconds": ("604801", "0 to 604800"),
    "make_key_objects": ("perhaps", "true or false"),
    "http_host": ("0.0.0.0", "loopback"),
    "http_certificate": (".", "PEM file"),
    "http_key": (".", "PEM file"),
    "second_person": ("perhaps", "true or false"),
    "authentication": ("basic", "none or local"),
    "audit_syslog_host": ("logs.example:6514", "without port"),
    "audit_syslog_port": ("0", "1 to 65535"),
    "audit_source": (" ", "1 to 64"),
    "audit_site": ("a" * 65, "at most 64"),
    "openid_issuer": ("http://login.example", "https://HOST/PATH"),
    "openid_client_id": ("a" * 201, "at most 200"),
    "openid_name": ("a" * 65, "1 to 64"),
    "openid_roles": ("radiologist=doctor", "PROVIDER=ROLE"),
    "openid_audience": ("a" * 201, "at most 200"),
    "session_hours": ("0", "0.1 to 168"),
    "audit": ("perhaps", "true or false"),
    "audit_days": ("0", "1 to 36500"),
    "trusted_proxies": ("proxy.example", "IP addresses or networks"),
    "http_connections": ("7", "8 to 100000"),
    "http_connections_per_address": ("0", "1 to 100000"),
    "http_requests_per_client": ("0", "1 to 100000"),
    "http_stalled_seconds": ("0", "1 to 3600"),
    "decoding_processes": ("0", "1 to"),
    "memory": ("63", "64"),
    "http_slowest_upload": ("-1", "0 to"),
    "dicom_associations": ("0", "1 to 10000"),
    "dicom_associations_per_host": ("0", "1 to 10000"),
    "http_port": ("99999", "0 to 65535"),
    "allowed_hosts": ("https://a.b/", "host names"),
    "allowed_origins": ("a.b", "https://HOST"),
    "log_level": ("loud", "info"),
    "log_json": ("perhaps", "true or false"),
    "ae_titles": ("SEVENTEEN LETTERS", "1 to 16 characters"),
    "any_called_title": ("perhaps", "true or false"),
    "dicom_host": ("pacs.example", "IP address"),
    "dicom_port": ("99999", "0 to 65535"),
    "dicom_tls_port": ("-1", "0 to 65535"),
    "tls_certificate": (".", "PEM file"),
    "tls_key": (".", "PEM file"),
    "tls_authorities": (".", "PEM file"),
    "tls_client_certificates": ("perhaps", "true or false"),
    "entities": ("CT1", "[[entities]]"),
    "destinations": ("Archive", "[[destinations]]"),
    "routes": ("OR", "[[routes]]"),
    "rejections": ("113001", "[[rejections]]"),
    "refused_copies": ("C123", "[[refused_copies]]"),
    "unknown_callers": ("perhaps", "true or false"),
    "private_classes": ("perhaps", "true or false"),
    "user_identity": ("sometimes", "ignored"),
    "intake_processes": ("17", "0 to 16"),
    "smtp_host": ("mail.example:25", "without port"),
    "smtp_port": ("0", "1 to 65535"),
    "smtp_security": ("ssl", "starttls, tls, none"),
    "smtp_sender": ("Kinote <kinote@example.org>", "mail address"),
    "alert_mail_to": ("nobody", "mail addresses"),
    "alert_webhooks": ("https://geheim.example/", "[[alert_webhooks]]"),
    "alert_severity": ("fatal", "warning, error"),
    "alert_pause_minutes": ("0", "1 to 1440"),
    "alert_repeat_minutes": ("0", "1 to 10080"),
    "alert_digest_at": ("7 o'clock", "07:00"),
    "viewer_address": ("kinote.example", "https://HOST"),
}

#: Those that take any text.
ANYTHING = {"smtp_user", "smtp_password", "openid_client_secret", "openid_scopes"}

#: Options that are not called as their settings.
OPTIONS = {"ae_titles": "--ae-title"}


def test_there_is_a_wrong_value_of_every_setting() -> None:
    assert set(WRONG) == set(Settings.model_fields) - ANYTHING


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused_is_told_with_its_place_and_what_is_allowed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, allowed = WRONG[name]
    Path("kinote.toml").write_text(f'{name} = "{value}"\n')
    by_file = refused()
    assert by_file.startswith(f"{name} in {Path('kinote.toml').absolute()}: ")
    monkeypatch.setenv(f"KINOTE_{name}".upper(), value)
    by_variable = refused()
    assert by_variable.startswith(f"KINOTE_{name.upper()} in the environment: ")
    by_option = refused(**{name: value})
    assert by_option.startswith(f"{OPTIONS.get(name) or '--' + name.replace('_', '-')}: ")
    for message in (by_file, by_variable, by_option):
        assert allowed in message
        assert "\n" not in message
        assert "geheim" not in message


@pytest.mark.parametrize(
    "database",
    [
        "nothing at all",
        "postgres://kinote:geheim@db/kinote",
        "postgresql://kinote:geheim@db:port/kinote",
        "sqlite:///x",
        "://",
    ],
)
def test_an_address_that_is_no_database_s_is_refused(database: str) -> None:
    message = refused(database=database)
    assert message.startswith("--database: ")
    assert "postgresql://" in message
    assert "geheim" not in message


def test_every_fault_is_told_on_a_line_of_its_own() -> None:
    Path("kinote.toml").write_text('http_port = -1\nlog_json = "x"\n')
    assert [line.split(" in ")[0] for line in refused().splitlines()] == ["http_port", "log_json"]


def test_a_name_that_is_no_setting_is_refused_and_the_settings_are_named() -> None:
    Path("kinote.toml").write_text("htp_port = 1\n")
    message = refused()
    assert message.startswith(f"htp_port in {Path('kinote.toml').absolute()}: ")
    assert "Did you mean http_port?" in message
    Path("kinote.toml").write_text("[xyzzy]\na = 1\n")
    assert all(name in refused() for name in Settings.model_fields)


@pytest.mark.parametrize("content", [b"http_port = \n", b'data = "\xff"\n', b"\xff\xfe", b"= 1"])
def test_a_file_that_is_no_toml_is_named(content: bytes) -> None:
    Path("kinote.toml").write_bytes(content)
    message = refused()
    assert message.startswith(f"{Path('kinote.toml').absolute()} is no valid TOML: ")
    assert "\n" not in message


def test_json_that_is_none_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINOTE_ALLOWED_HOSTS", '["a.b"')
    assert refused().startswith("KINOTE_ALLOWED_HOSTS in the environment: ")


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "*",
        "ftp://a.b",
        "https://",
        "https://a.b/path",
        "https://a.b?x",
        "https://x@a.b",
        "https://a.b:x",
    ],
)
def test_what_no_browser_calls_an_origin_is_refused(origin: str) -> None:
    assert repr(origin) in refused(allowed_origins=[origin])


@pytest.mark.parametrize(
    ("written", "said_by_browsers"),
    [
        ("https://a.b", "https://a.b"),
        ("HTTPS://A.B/", "https://a.b"),
        ("https://a.b:443", "https://a.b"),
        ("http://a.b:80", "http://a.b"),
        ("http://a.b:443", "http://a.b:443"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_kept_as_browsers_say_it(written: str, said_by_browsers: str) -> None:
    assert read_settings(allowed_origins=written).allowed_origins == (said_by_browsers,)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ("authentication", "http_certificate", "trusted_proxies")),
        ({"authentication": "local"}, ("http_certificate", "trusted_proxies")),
        ({"http_certificate": "k.pem"}, ("authentication",)),
        ({"trusted_proxies": "10.0.0.1"}, ("authentication",)),
    ],
    ids=["neither", "signed in, in the clear", "by TLS without sign-in", "by a proxy without sign-in"],
)
def test_http_beyond_loopback_says_what_it_needs(given: dict[str, str], missing: tuple[str, ...]) -> None:
    message = refused(http_host="0.0.0.0", **given)
    assert message.startswith("--http-host: ")
    assert all(name in message for name in missing)


@pytest.mark.parametrize("given", [{"http_certificate": "k.pem"}, {"trusted_proxies": "10.0.0.1"}], ids=str)
def test_http_beyond_loopback_with_sign_in_and_encryption(given: dict[str, str]) -> None:
    settings = read_settings(http_host="10.1.2.1", authentication="local", **given)
    assert settings.only_by_proxy() is ("trusted_proxies" in given)
    assert settings.http_hosts() == ("10.1.2.1",)
    assert settings.writes_audit()


def test_another_file_is_read_and_must_be_there(tmp_path: Path) -> None:
    Path("kinote.toml").write_text("http_port = 1\n")
    other = tmp_path / "other.toml"
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(other)
    other.write_text("http_port = 2\n")
    assert read_settings(other).http_port == 2
    other.write_text("htp_port = 2\n")
    with pytest.raises(SettingsError, match=f"htp_port in {other}"):
        read_settings(other)
