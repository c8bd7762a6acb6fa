"""File descriptors: shared out at the start, and a server that has too few goes on."""

from __future__ import annotations

import contextlib
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from kinote.command.serving.descriptors import PER_ASSOCIATION, PER_HTTP_CONNECTION, SPARE, Wanted, budget
from kinote.dimse import invoking
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.invoking import VERIFICATION
from kinote.scp.options import ScpLimits
from kinote.web.connections.limits import ConnectionLimits
from tests.dimse.ends import IMPLICIT, eventually
from tests.running_server import RunningServer
from tests.web.objects import as_file, image

WANTED = Wanted(associations=200, unassociated=128, http_connections=1000, database=72, storage=128)

#: Limit, and who gets how many where 40 are in use: associations, connections without one, HTTP connections.
SHARES = [
    (1_048_576, (200, 128, 1000), False),
    (3032, (200, 128, 1000), False),
    (3031, (200, 128, 999), True),
    (1024, (90, 90, 180), True),
    (400, (12, 12, 24), True),
    (256, (8, 8, 8), True),
    (64, (8, 8, 8), True),
]


@pytest.mark.parametrize(("limit", "shares", "is_short"), SHARES)
def test_shares(limit: int, shares: tuple[int, int, int], is_short: bool) -> None:
    found = budget(limit, 40, WANTED)
    assert (found.associations, found.unassociated, found.http_connections) == shares
    assert found.is_short is is_short
    if limit >= 400:
        taken = (
            40 + SPARE + WANTED.database + WANTED.storage
            + found.associations * PER_ASSOCIATION + found.unassociated
            + found.http_connections * PER_HTTP_CONNECTION
        )  # fmt: skip
        assert taken <= limit


def test_where_there_are_fewer_one_address_does_not_get_all_of_them() -> None:
    web = ConnectionLimits(connections=1000, connections_per_address=500)
    assert web.within(1000) == web
    assert web.within(180).connections_per_address == 90
    assert web.within(1).connections_per_address == 1
    # Whoever lets one address have all of them has said so.
    assert (
        ConnectionLimits(connections=10, connections_per_address=10).within(10).connections_per_address == 10
    )
    dicom = ScpLimits(associations=200, associations_per_host=50, unassociated=128, unassociated_per_host=64)
    assert dicom.within(200, 128) == dicom
    few = dicom.within(90, 12)
    assert (few.associations_per_host, few.unassociated_per_host) == (45, 6)


def limited(data: Path, descriptors: int) -> RunningServer:
    """A server that gets so many descriptors."""
    program = ("sh", "-c", f'ulimit -n {descriptors}; exec "$0" "$@"', sys.executable, "-m", "kinote")
    return RunningServer(data, program=program)


def echo(port: int) -> int:
    peer = ApplicationEntity("KINOTE", "127.0.0.1", port)
    with association(peer, "TESTER", Proposal([(VERIFICATION, (IMPLICIT,))])) as opened:
        return invoking.echo(opened).status


def test_a_server_that_runs_out_of_descriptors_goes_on(tmp_path: Path) -> None:
    server = limited(tmp_path / "data", 100)
    try:
        assert "too few file descriptors" in server.log()
        (dicom,) = server.dicom_ports()
        http = httpx.URL(server.url).port
        assert http is not None
        with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
            client.get("/healthz").raise_for_status()
            with ExitStack() as stack:
                for _ in range(200):
                    for port in (http, dicom):
                        # It may be reset at once.
                        with contextlib.suppress(ConnectionError):
                            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                assert httpx.get(f"{server.url}/healthz", trust_env=False, timeout=60).status_code == 200
                assert echo(dicom) == 0
            eventually(lambda: echo(dicom) == 0, "DICOM is not served any more")
            stored = client.post(
                "/api/v1/objects", content=as_file(image(1)), headers={"Content-Type": "application/dicom"}
            )
            assert stored.json()["kind"] == "stored"
    finally:
        server.stop()
