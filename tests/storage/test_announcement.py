"""How a server is announced to commands, and how it proves that it is the one."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from kinote.storage.directory.announcement import (
    NoAnnouncementError,
    announce,
    announced,
    new_challenge,
    withdraw,
)

URL = "http://127.0.0.1:8080"


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = announce(tmp_path, URL)
    finally:
        os.umask(before)
    assert (tmp_path / "server.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["server.json"]
    assert announced(tmp_path) == made


def test_each_server_has_a_secret_of_its_own(tmp_path: Path) -> None:
    assert announce(tmp_path, URL).secret != announce(tmp_path, URL).secret


def test_a_proof_is_good_for_one_server_at_one_address_and_one_challenge(tmp_path: Path) -> None:
    server = announce(tmp_path, URL)
    challenge = new_challenge()
    proof = server.proof(challenge)
    assert server.is_proved_by(proof, challenge)
    assert not server.is_proved_by(proof, new_challenge())
    assert not server.is_proved_by("", challenge)
    assert not server.is_proved_by("é", challenge)
    assert not replace(server, url="http://127.0.0.1:8081").is_proved_by(proof, challenge)
    assert not announce(tmp_path, URL).is_proved_by(proof, challenge)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        json.dumps({"url": URL, "pid": 1}),
        json.dumps({"url": URL, "pid": 1, "secret": "no hexadecimal"}),
        json.dumps({"url": URL, "pid": [], "secret": "00"}),
        json.dumps({"url": URL, "pid": 1, "secret": ""}),
    ],
)
def test_one_that_cannot_be_used_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "server.json").write_text(content)
    with pytest.raises(NoAnnouncementError, match="Restart the server"):
        announced(tmp_path)


def test_a_server_withdraws_its_own_only(tmp_path: Path) -> None:
    first = announce(tmp_path, URL)
    second = announce(tmp_path, URL)
    withdraw(tmp_path, first)
    assert announced(tmp_path) == second
    withdraw(tmp_path, second)
    assert announced(tmp_path) is None
    withdraw(tmp_path, second)
