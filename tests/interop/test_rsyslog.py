"""Audit messages reach rsyslog by TLS; while it is away they wait, and none is lost or comes twice."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.dimse.transport.tls import TlsOptions
from kinote.security.actors import Actor, ActorKind
from kinote.security.audit.entry import AuditEvent, Concerned, Entry
from kinote.security.audit.trail import AuditTrail
from kinote.security.audit_messages.message import AuditSource
from kinote.security.audit_messages.sending import AuditSending
from kinote.security.audit_messages.syslog import SyslogError, SyslogOptions, send_group
from tests.clock import clock
from tests.dimse.certificates import Authority, Identity
from tests.interop.peers import peer
from tests.security.audit_schema import faults

PERSON = Actor(ActorKind.PERSON, "rhea", "10.1.2.3")
LIMIT = 60.0

_CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off"
       defaultNetstreamDriverCAFile="{authority}" defaultNetstreamDriverCertFile="{certificate}"
       defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
template(name="whole" type="string" string="%rawmsg%\\n")
input(type="imtcp" port="{port}" address="127.0.0.1")
action(type="omfile" file="{taken}" template="whole")
"""


class Rsyslog:
    """Debian's rsyslog, which lets in clients with a certificate of the authority."""

    def __init__(self, folder: Path, authority: Authority, own: Identity) -> None:
        self.taken = folder / "taken.log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._folder = folder
        self._configuration = folder / "rsyslog.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                folder=folder,
                authority=authority.certificate,
                certificate=own.certificate,
                key=own.key,
                port=self.port,
                taken=self.taken,
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
        self._process = subprocess.Popen(
            [program, "-n", "-f", self._configuration, "-i", self._folder / "pid"],
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "said.log").open("ab"),
        )
        until = time.monotonic() + LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < until, (self._folder / "said.log").read_text()
                time.sleep(0.1)

    def stop(self, *, at_once: bool = False) -> None:
        if self._process is not None:
            if at_once:
                self._process.kill()
            else:
                self._process.terminate()
            self._process.wait(LIMIT)
            self._process = None

    def messages(self, number: int) -> list[bytes]:
        """The messages that it has written down, once there are so many."""
        until = time.monotonic() + LIMIT
        while True:
            lines = self.taken.read_bytes().splitlines() if self.taken.exists() else []
            if len(lines) >= number or time.monotonic() > until:
                return lines
            time.sleep(0.1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Rsyslog, Authority]]:
    peer("rsyslogd")
    authority = Authority(tmp_path)
    rsyslog = Rsyslog(tmp_path, authority, authority.issue("logs"))
    rsyslog.start()
    yield rsyslog, authority
    rsyslog.stop()


def test_messages_reach_rsyslog_and_wait_while_it_is_away(
    server: tuple[Rsyslog, Authority], tmp_path: Path
) -> None:
    rsyslog, authority = server
    ours = authority.issue("kinote")
    tls = TlsOptions(ours.certificate, ours.key, authority.certificate)
    catalog = Catalog(CatalogOptions(url=f"sqlite:///{tmp_path / 'index.sqlite'}"))
    trail = AuditTrail(catalog, clock)
    sender = AuditSending(
        catalog,
        lambda: datetime.now(UTC),
        SyslogOptions("127.0.0.1", rsyslog.port, tls),
        AuditSource("kinote-1", "", "archive.example", 4711),
    )

    def happened(first: int, last: int) -> None:
        entries = [
            Entry(
                AuditEvent.MARKED,
                PERSON,
                concerned=Concerned(subject=f"note {number:05}"),
                detail={"n": number},
            )
            for number in range(first, last)
        ]
        catalog.write(lambda tx: trail.write(tx, entries, clock()))
        trail.seal()

    happened(0, 700)
    sender.step("a")
    assert len(rsyslog.messages(700)) == 700
    # It is killed, and what happens meanwhile waits.
    rsyslog.stop(at_once=True)
    happened(700, 900)
    assert sender.step("a") > 5
    happened(900, 1000)
    rsyslog.start()
    sender.step("a")
    found = rsyslog.messages(1000)
    names = [each.split(b'ParticipantObjectID="note ')[1][:5].decode() for each in found]
    assert names == [f"{number:05}" for number in range(1000)]
    for each in found[::100]:
        head, mark, xml = each.partition(b"\xef\xbb\xbf")
        assert (head.startswith(b"<85>1 "), b" DICOM+RFC3881 - " in head, bool(mark)) == (True, True, True)
        assert faults(xml) == []
    catalog.close()


def test_who_is_not_trusted_gets_and_takes_nothing(server: tuple[Rsyslog, Authority], tmp_path: Path) -> None:
    rsyslog, authority = server
    folder = tmp_path / "other"
    folder.mkdir()
    stranger = Authority(folder, "stranger")
    ours, theirs = authority.issue("kinote"), stranger.issue("theirs")
    for tls in (
        # We do not know who it is.
        TlsOptions(ours.certificate, ours.key, stranger.certificate),
        # It does not know who we are.
        TlsOptions(theirs.certificate, theirs.key, authority.certificate),
    ):
        with pytest.raises(SyslogError, match="did not take"):
            send_group([b"6 <85>1 "], SyslogOptions("127.0.0.1", rsyslog.port, tls))
    assert not rsyslog.taken.exists()
