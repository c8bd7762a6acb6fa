"""Who gets a word at all: by address, before anything is asked."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from kinote.dimse import invoking
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import DimseError
from kinote.dimse.invoking import VERIFICATION
from tests.dimse.ends import nothing_left
from tests.peers.known import known
from tests.scp.face import OPTIONS, face


@pytest.mark.parametrize(
    ("hosts", "unknown_callers", "is_closed"),
    [
        ({"CT": "10.1.2.3"}, False, True),
        ({"CT": "10.1.2.3", "TESTER": "127.0.0.1"}, False, False),
        ({"CT": "10.1.2.3", "TESTER": None}, False, False),
        ({"CT": "10.1.2.3"}, True, False),
        ({}, True, False),
        ({}, False, True),
    ],
)
def test_only_addresses_of_peers_get_a_word_where_only_peers_may_call(
    tmp_path: Path, hosts: dict[str, str | None], unknown_callers: bool, is_closed: bool
) -> None:
    options = replace(OPTIONS, unknown_callers=unknown_callers)
    peers = [known(ApplicationEntity(title, host, None)) for title, host in hosts.items()]
    with nothing_left(), face(tmp_path / "data", options, *peers) as product:
        if not is_closed:
            with product.called(VERIFICATION) as association:
                assert invoking.echo(association).status == 0
            return
        with socket.create_connection((product.host, product.port)) as sock:
            sock.settimeout(60)
            assert sock.recv(1) == b""
        with pytest.raises(DimseError), product.called(VERIFICATION):
            pass
