"""TLS: who lets whom in, what is said when it fails, and that PDUs come in time through it."""

from __future__ import annotations

import dataclasses
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kinote.dimse.errors import ConnectionLostError, SilenceError
from kinote.dimse.protocol.pdu import (
    P_DATA_TF,
    RELEASE_RQ,
    DataTransfer,
    PresentationData,
    ReleaseRequest,
    encode,
)
from kinote.dimse.transport.connection import Connection
from kinote.dimse.transport.tls import TlsError, TlsFileError, TlsOptions, TlsProfile, wrap
from tests.dimse.certificates import Authority, Identity, options

PATIENCE = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Identity:
    return authority.issue("ours")


@pytest.fixture(scope="module")
def theirs(authority: Authority) -> Identity:
    return authority.issue("theirs")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Authority:
    (folder / "other").mkdir()
    return Authority(folder / "other", "stranger")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


def shaken(
    pool: ThreadPoolExecutor,
    client: ssl.SSLContext,
    server: ssl.SSLContext,
    host: str | None = "127.0.0.1",
) -> tuple[Future[ssl.SSLSocket], Future[ssl.SSLSocket]]:
    """Both ends of a handshake, client and server."""
    calling, called = connected()
    return (
        pool.submit(wrap, calling, client, PATIENCE, server_side=False, host=host),
        pool.submit(wrap, called, server, PATIENCE, server_side=True),
    )


@pytest.fixture
def ends(
    pool: ThreadPoolExecutor, authority: Authority, ours: Identity
) -> Iterator[tuple[ssl.SSLSocket, Connection]]:
    """A peer's TLS socket, and our end, which is the server's."""
    client, server = shaken(pool, options(None, authority).client_context(), options(ours).server_context())
    with client.result() as peer:
        connection = Connection(server.result(), largest_data=16 * 1024)
        yield peer, connection
        connection.close()


# --- handshakes -------------------------------------------------------------------------------------


def test_both_sides_show_their_certificates(
    pool: ThreadPoolExecutor, authority: Authority, ours: Identity, theirs: Identity
) -> None:
    client, server = shaken(
        pool,
        options(theirs, authority).client_context(),
        options(ours, authority, required=True).server_context(),
    )
    with client.result() as calling, server.result() as called:
        assert calling.version() == called.version() == "TLSv1.3"
        for end in (calling, called):
            shown = end.getpeercert() or {}
            assert shown["subject"] == ((("commonName", "ours" if end is calling else "theirs"),),)
        assert calling.compression() is None


@pytest.mark.parametrize("profile", TlsProfile)
@pytest.mark.parametrize("key", [("EC", "ec_paramgen_curve:P-256"), ("RSA", "rsa_keygen_bits:2048")])
def test_only_authenticated_encryption_with_fresh_keys_is_offered(
    authority: Authority, profile: TlsProfile, key: tuple[str, str]
) -> None:
    own = authority.issue(f"own-{key[0]}", algorithm=key)
    both = dataclasses.replace(options(own, authority), profile=profile)
    for context in (both.client_context(), both.server_context()):
        suites = context.get_ciphers()
        assert {suite["protocol"] for suite in suites} == {"TLSv1.2", "TLSv1.3"}
        assert all(suite["aead"] for suite in suites)
        kinds = {suite["kea"] for suite in suites if suite["protocol"] == "TLSv1.2"}
        assert kinds <= {"kx-ecdhe", "kx-dhe"}
        assert ("kx-dhe" in kinds) == (profile is TlsProfile.NON_DOWNGRADING)
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_COMPRESSION
        assert context.options & ssl.OP_NO_RENEGOTIATION


#: The contexts of client and server that do not come together.
Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
Case = Callable[[Authority, Authority, Identity, Identity], Contexts]


def _unknown_server(known: Authority, stranger: Authority, ours: Identity, _: Identity) -> Contexts:
    return options(None, stranger).client_context(), options(ours).server_context()


def _expired(known: Authority, _: Authority, __: Identity, ___: Identity) -> Contexts:
    own = known.issue("expired", days=-1)
    return options(None, known).client_context(), options(own).server_context()


def _other_name(known: Authority, _: Authority, __: Identity, ___: Identity) -> Contexts:
    own = known.issue("elsewhere", host="DNS:pacs.example")
    return options(None, known).client_context(), options(own).server_context()


def _for_clients_only(known: Authority, _: Authority, __: Identity, ___: Identity) -> Contexts:
    own = known.issue("client-only", usage="clientAuth")
    return options(None, known).client_context(), options(own).server_context()


def _no_suite(known: Authority, _: Authority, ours: Identity, __: Identity) -> Contexts:
    client = options(None, known).client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
    return client, options(ours).server_context()


def _old_version(known: Authority, _: Authority, ours: Identity, __: Identity) -> Contexts:
    client = options(None, known).client_context()
    with pytest.warns(DeprecationWarning):
        client.minimum_version = ssl.TLSVersion.TLSv1_1
        client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("DEFAULT:@SECLEVEL=0")
    return client, options(ours).server_context()


def _no_certificate(known: Authority, _: Authority, ours: Identity, __: Identity) -> Contexts:
    client = options(None, known).client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    return client, options(ours, known, required=True).server_context()


def _unknown_client(known: Authority, stranger: Authority, ours: Identity, __: Identity) -> Contexts:
    client = options(stranger.issue("unknown"), known).client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    return client, options(ours, known, required=True).server_context()


@pytest.mark.parametrize(
    ("case", "client_says", "server_says"),
    [
        (
            _unknown_server,
            "unknown authority",
            "refuses our certificate: it does not know its authority",
        ),
        (_expired, "its certificate has expired", "refuses our certificate: it has expired"),
        (_other_name, "certificate is for another address", "refuses our certificate"),
        (_for_clients_only, "not meant for this side", "refuses our certificate"),
        (_no_suite, "no cipher suite in common", "no cipher suite in common"),
        (_old_version, "neither TLS 1.2 nor TLS 1.3", "neither TLS 1.2 nor TLS 1.3"),
        (_no_certificate, "or it wants a certificate", "it has sent no certificate"),
        (
            _unknown_client,
            "refuses our certificate: it does not know its authority",
            "unknown authority",
        ),
    ],
)
def test_a_failed_handshake_says_on_both_sides_what_failed(
    pool: ThreadPoolExecutor,
    authority: Authority,
    stranger: Authority,
    ours: Identity,
    theirs: Identity,
    case: Case,
    client_says: str,
    server_says: str,
) -> None:
    client, server = shaken(pool, *case(authority, stranger, ours, theirs))
    with pytest.raises(TlsError) as of_client:
        client.result()
    with pytest.raises(TlsError) as of_server:
        server.result()
    assert str(of_client.value).startswith("TLS with the peer that we called failed: ")
    assert str(of_server.value).startswith("TLS with the peer that called us failed: ")
    assert client_says in str(of_client.value)
    assert server_says in str(of_server.value)


def test_a_client_without_certificate_is_told_by_tls_1_3_when_it_reads(
    pool: ThreadPoolExecutor, authority: Authority, ours: Identity
) -> None:
    client, server = shaken(
        pool,
        options(None, authority).client_context(),
        options(ours, authority, required=True).server_context(),
    )
    with pytest.raises(TlsError, match="it has sent no certificate"):
        server.result()
    connection = Connection(client.result(), largest_data=0)
    with pytest.raises(ConnectionLostError, match="requires a certificate, and we have none"):
        connection.receive(PATIENCE)
    connection.close()


def test_the_name_in_a_certificate_need_not_be_checked(
    pool: ThreadPoolExecutor, authority: Authority, stranger: Authority
) -> None:
    own = authority.issue("named", host="DNS:pacs.example")
    server_context = options(own).server_context()
    client, server = shaken(pool, options(None, authority).client_context(check_name=False), server_context)
    client.result().close()
    server.result().close()
    # Whose it is, is checked nevertheless.
    client, server = shaken(pool, options(None, stranger).client_context(check_name=False), server_context)
    with pytest.raises(TlsError, match="unknown authority"):
        client.result()
    assert server.exception()


def test_a_single_peer_s_certificate_can_be_believed(pool: ThreadPoolExecutor, ours: Identity) -> None:
    client, server = shaken(
        pool, TlsOptions(authorities=ours.certificate).client_context(), options(ours).server_context()
    )
    client.result().close()
    server.result().close()


@pytest.mark.parametrize(
    "first", [b"\x01\0\0\0\0\xce\0\1\0\0KINOTE          ", b"GET / HTTP/1.1\r\n\r\n", bytes(100)]
)
def test_a_peer_that_speaks_no_tls(ours: Identity, first: bytes) -> None:
    peer, called = connected()
    with peer:
        peer.sendall(first)
        with pytest.raises(TlsError, match=r"called us .*does not speak TLS"):
            wrap(called, options(ours).server_context(), PATIENCE, server_side=True)
    calling, peer = connected()
    with peer:
        peer.sendall(b"\x07\0\0\0\0\4\0\0\2\0")
        with pytest.raises(TlsError, match=r"we called .*does not speak TLS"):
            wrap(calling, options(ours).client_context(check_name=False), PATIENCE, server_side=False)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"])
def test_a_peer_that_is_silent_or_goes_away(ours: Identity, sent: bytes) -> None:
    context = options(ours).server_context()
    peer, called = connected()
    with peer:
        peer.sendall(sent)
        with pytest.raises(TlsError, match="it is silent"):
            wrap(called, context, 0.05, server_side=True)
        assert called.fileno() == -1
    peer, called = connected()
    peer.sendall(sent)
    peer.close()
    with pytest.raises(TlsError, match="it has closed the connection"):
        wrap(called, context, PATIENCE, server_side=True)


# --- files ------------------------------------------------------------------------------------------


def file_fault(tls: TlsOptions) -> str:
    with pytest.raises(TlsFileError) as caught:
        tls.server_context()
    return str(caught.value)


def of(name: str, file: Path) -> dict[str, Any]:
    return {name: file}


def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, authority: Authority, ours: Identity, theirs: Identity
) -> None:
    good = options(ours, authority, required=True)
    missing, other, broken, locked = (tmp_path / name for name in ("missing", "text", "broken", "locked"))
    other.write_text("text")
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    subprocess.run(
        ["openssl", "pkey", "-in", ours.key, "-out", locked, "-aes256", "-passout", "pass:geheim"], check=True
    )
    for name in ("certificate", "key", "authorities"):
        assert f"{missing} cannot be read: No such file" in file_fault(
            dataclasses.replace(good, **of(name, missing))
        )
        assert f"{tmp_path} cannot be read: Is a directory" in file_fault(
            dataclasses.replace(good, **of(name, tmp_path))
        )
        assert f"{other} contains no " in file_fault(dataclasses.replace(good, **of(name, other)))
    for name in ("certificate", "authorities"):
        assert str(broken) in file_fault(dataclasses.replace(good, **of(name, broken)))
    assert f"{theirs.key} is not the private key" in file_fault(dataclasses.replace(good, key=theirs.key))
    assert f"{locked} has a password" in file_fault(dataclasses.replace(good, key=locked))
    assert "tls_certificate" in file_fault(TlsOptions())
    assert "tls_authorities" in file_fault(dataclasses.replace(good, authorities=None))


def test_a_key_that_is_too_weak_is_refused(authority: Authority) -> None:
    weak = authority.issue("weak", algorithm=("RSA", "rsa_keygen_bits:1024"))
    assert "too weak" in file_fault(options(weak))


def test_certificate_and_key_may_lie_in_one_file(tmp_path: Path, ours: Identity) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(ours.certificate.read_bytes() + ours.key.read_bytes())
    assert TlsOptions(certificate=both).server_context().get_ca_certs() == []


# --- PDUs -------------------------------------------------------------------------------------------


def data_pdu(size: int) -> bytes:
    return encode(DataTransfer((PresentationData(1, False, True, bytes(size)),)))


@pytest.mark.parametrize("sent", [b"", b"\x05\0\0", b"\x05\0\0\0\0\4\0"])
def test_silence_ends(ends: tuple[ssl.SSLSocket, Connection], sent: bytes) -> None:
    peer, connection = ends
    peer.sendall(sent)
    with pytest.raises(SilenceError):
        connection.receive(0.05)
    peer.sendall(encode(ReleaseRequest())[len(sent) :])
    assert connection.receive(None)[0] == RELEASE_RQ


def test_waiting_ends_with_time_with_what_comes_and_with_the_connection(
    ends: tuple[ssl.SSLSocket, Connection], pool: ThreadPoolExecutor
) -> None:
    """What TLS itself says, as after the handshake, is nothing that comes."""
    peer, connection = ends
    assert not connection.wait(0.05)
    for part in (b"\5", encode(ReleaseRequest())[1:]):
        sending = pool.submit(peer.sendall, part)
        assert connection.wait(60)
        sending.result()
    assert connection.receive(20)[0] == RELEASE_RQ
    stopping = pool.submit(connection.stop_reading)
    assert connection.wait(60)
    stopping.result()


def test_a_record_that_is_not_finished_is_silence(
    pool: ThreadPoolExecutor, authority: Authority, ours: Identity
) -> None:
    calling, called = connected()
    context, incoming, outgoing = options(None, authority).client_context(), ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    server = pool.submit(wrap, called, options(ours).server_context(), PATIENCE, server_side=True)
    while True:
        try:
            peer.do_handshake()
            break
        except ssl.SSLWantReadError:
            calling.sendall(outgoing.read())
            incoming.write(calling.recv(100_000))
    calling.sendall(outgoing.read())
    connection = Connection(server.result(), largest_data=0)
    peer.write(encode(ReleaseRequest()))
    record = outgoing.read()
    calling.sendall(record[:-1])
    with pytest.raises(SilenceError):
        connection.receive(0.05)
    assert not connection.has_more()
    assert not connection.wait(0.01)
    calling.sendall(record[-1:])
    assert connection.receive(PATIENCE)[0] == RELEASE_RQ
    calling.close()
    connection.close()


def test_large_messages_pass_both_ways_at_the_same_time(
    ends: tuple[ssl.SSLSocket, Connection], pool: ThreadPoolExecutor
) -> None:
    peer, connection = ends
    pdu = data_pdu(900_000)

    def echo() -> None:
        # A peer that reads all of it before it answers would be none that we write to while it writes.
        for _ in range(8):
            left = len(pdu)
            while left:
                chunk = peer.recv(min(left, 10_000))
                left -= len(chunk)
                peer.sendall(chunk)

    def send() -> None:
        for _ in range(8):
            connection.send(pdu[:12], memoryview(pdu)[12:])

    echoing, sending = pool.submit(echo), pool.submit(send)
    for _ in range(8):
        kind, data = connection.receive(PATIENCE)
        assert (kind, len(data)) == (P_DATA_TF, len(pdu) - 6)
    sending.result(PATIENCE)
    echoing.result(PATIENCE)
    assert connection.received == connection.sent == 8 * len(pdu)


def test_bytes_that_tls_holds_back_are_not_missed(ends: tuple[ssl.SSLSocket, Connection]) -> None:
    peer, connection = ends
    # One record holds several PDUs, which come out of the socket at once.
    peer.sendall(encode(ReleaseRequest()) * 1600)
    for left in reversed(range(1600)):
        assert connection.receive(PATIENCE)[0] == RELEASE_RQ
        assert connection.has_more() == bool(left)


def test_looking_for_more_leaves_what_was_received(ends: tuple[ssl.SSLSocket, Connection]) -> None:
    peer, connection = ends
    peer.sendall(data_pdu(200_000))
    _, data = connection.receive(PATIENCE)
    before = bytes(data)
    for _ in range(3):
        peer.sendall(data_pdu(30_000).replace(b"\0\0\0\0\0\0\0\0", b"12345678"))
        while not connection.has_more():
            pass
    assert bytes(data) == before


def test_the_end_by_the_peer_is_told(ends: tuple[ssl.SSLSocket, Connection]) -> None:
    peer, connection = ends
    assert not connection.has_more()
    peer.close()
    while not connection.has_more():
        pass
    with pytest.raises(ConnectionLostError, match="has closed"):
        connection.receive(PATIENCE)
    assert connection.has_more()


def test_our_end_is_told_as_the_end_and_not_as_a_cut(ends: tuple[ssl.SSLSocket, Connection]) -> None:
    peer, connection = ends
    connection.send(encode(ReleaseRequest()))
    connection.close()
    # Otherwise `ssl` takes a cut for an end.
    vars(peer)["suppress_ragged_eofs"] = False
    assert peer.recv(100) == encode(ReleaseRequest())
    assert peer.recv(100) == b""


def test_a_receive_is_ended_by_another_thread_and_sending_goes_on(
    ends: tuple[ssl.SSLSocket, Connection], pool: ThreadPoolExecutor
) -> None:
    peer, connection = ends
    started = threading.Event()

    def receive() -> None:
        started.set()
        connection.receive(None)

    receiving = pool.submit(receive)
    started.wait(PATIENCE)
    connection.stop_reading()
    with pytest.raises(ConnectionLostError):
        receiving.result(PATIENCE)
    connection.send(encode(ReleaseRequest()))
    assert peer.recv(100) == encode(ReleaseRequest())


def test_with_the_openssl_client(ours: Identity, authority: Authority, theirs: Identity) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = ["openssl", "s_client", "-quiet", "-verify_return_error", "-tls1_2", "-no_ign_eof"]
        command += ["-connect", f"127.0.0.1:{port}", "-CAfile", str(authority.certificate)]
        command += ["-cert", str(theirs.certificate), "-key", str(theirs.key)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as client:
            assert client.stdin is not None and client.stdout is not None
            context = options(ours, authority, required=True).server_context()
            called = wrap(server.accept()[0], context, PATIENCE, server_side=True)
            assert called.version() == "TLSv1.2"
            connection = Connection(called, largest_data=0)
            client.stdin.write(encode(ReleaseRequest()))
            client.stdin.flush()
            assert connection.receive(PATIENCE)[0] == RELEASE_RQ
            connection.send(b"answer")
            assert client.stdout.read(6) == b"answer"
            client.stdin.close()
            with pytest.raises(ConnectionLostError):
                connection.receive(PATIENCE)
            connection.close()
