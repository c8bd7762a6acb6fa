"""Runs the interfaces of an open store until it is stopped."""

from __future__ import annotations

import gc
import signal
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Event
from types import FrameType

import uvicorn

from kinote.app import Application, ApplicationError, dicom_server, sign_in, watch_alerts, web_application
from kinote.command.serving import descriptors
from kinote.command.serving.descriptors import Budget, Wanted, budget, raise_limit
from kinote.dimse.transport.tls import TlsFileError, TlsOptions
from kinote.scp.server import DicomServer
from kinote.security.sign_in.users import has_user
from kinote.settings.model import Settings
from kinote.settings.values import is_wildcard
from kinote.web.application import end_event_streams
from kinote.web.connections.doorkeeper import Doorkeeper
from kinote.web.connections.handshake import protocol_of
from kinote.web.connections.proxies import TrustedProxies

#: Seconds for requests under way when the server is stopped. Event streams end at once.
_GRACE = 30

#: The descriptors of a connection to an SQLite index: the file, its log and the index of the log.
_OF_SQLITE = 3 * 24

#: The descriptors of the stores: open packs, and objects being read, compared or sent.
_OF_STORAGE = 128


class PortTakenError(RuntimeError):
    """The address is not available for listening."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of a server: by HTTP, and by DICOM as `TITLE@host:port` if it listens for that."""

    url: str
    dicom: tuple[str, ...]


def serve(application: Application, settings: Settings, announce: Callable[[Addresses], None]) -> None:
    """Serve until SIGINT or SIGTERM. `announce` gets the addresses once requests are accepted."""
    # After its shutdown, uvicorn raises the signal again. The store must then be closed regularly by the caller, not
    # left as after a crash.
    _see_that_somebody_can_sign_in(application, settings)
    # Before anything listens: an unusable certificate ends the start.
    tls = _tls(settings)
    told = Event()
    signal.signal(signal.SIGTERM, partial(_leave, told))
    listener = _listener(settings.http_host, settings.http_port)
    scheme = "http" if tls is None else "https"
    url = f"{scheme}://{_address(_reached_at(settings.http_host), listener.getsockname()[1])}"
    shares = _descriptors(settings)
    descriptors.tell(shares)
    dicom = dicom_server(application, settings, shares.associations, shares.unassociated)
    try:
        title = settings.ae_titles[0]
        application.directory.announce(url)
        announce(Addresses(url, tuple(f"{title}@{_address(*address)}" for address in dicom.addresses)))
        doorkeeper = _doorkeeper(settings, shares.http_connections)
        _serve_http(application, settings, listener, told, dicom, doorkeeper, tls)
    finally:
        dicom.close()


def _descriptors(settings: Settings) -> Budget:
    limits = settings.scp_options().limits
    wanted = Wanted(
        associations=limits.associations,
        unassociated=limits.unassociated,
        http_connections=settings.http_connections,
        database=settings.database_connections if settings.database else _OF_SQLITE,
        storage=_OF_STORAGE,
    )
    return budget(raise_limit(), descriptors.in_use(), wanted)


def _doorkeeper(settings: Settings, connections: int) -> Doorkeeper:
    limits = settings.connection_limits().within(connections)
    return Doorkeeper(
        limits,
        is_proxy=TrustedProxies(settings.trusted_proxies).has,
        only_by_proxy=settings.only_by_proxy(),
    )


def _see_that_somebody_can_sign_in(application: Application, settings: Settings) -> None:
    # Through a provider, users may sign in who are not known yet.
    if settings.authentication == "none" or settings.openid_issuer:
        return
    with application.catalog.read() as connection:
        if has_user(connection):
            return
    raise ApplicationError(
        "Nobody could sign in: authentication is on, and there is no user. Add the first one with "
        f"`kinote users add LOGIN --role administrator --data {settings.data}`, which asks for a password."
    )


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS context of the HTTP interface. Raises `ApplicationError` for unusable files."""
    if settings.http_certificate is None:
        return None
    try:
        return TlsOptions(settings.http_certificate, settings.http_key).server_context()
    except TlsFileError as error:
        raise ApplicationError(str(error)) from error


def _serve_http(
    application: Application,
    settings: Settings,
    listener: socket.socket,
    told: Event,
    dicom: DicomServer,
    doorkeeper: Doorkeeper,
    tls: ssl.SSLContext | None,
) -> None:
    http_interface = web_application(
        application, settings, dicom.alerts, sign_in=sign_in(application, settings)
    )
    config = uvicorn.Config(
        http_interface,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        loop="uvloop",
        http=protocol_of(doorkeeper, tls),
        ws="none",
        # X-Forwarded-For gives the address to record and to count, if a trusted proxy has written it.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    server = _Server(config, told, lambda: end_event_streams(http_interface))
    # What has been loaded stays to the end, so the garbage collector can skip it.
    gc.collect()
    gc.freeze()
    watch = watch_alerts(application, settings, dicom.alerts)
    try:
        server.run(sockets=[listener])
    finally:
        watch.close()


class _Server(uvicorn.Server):
    """Ends endless streams before it waits for requests under way.

    It ends at once if it was `told` to end before it had installed its signal handlers.
    """

    def __init__(self, config: uvicorn.Config, told: Event, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._told = told
        self._end_streams = end_streams

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.should_exit = self.should_exit or self._told.is_set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reached_at(host: str) -> str:
    """Return the address by which commands on this machine reach a server that listens at a host."""
    if not is_wildcard(host):
        return host
    return "::1" if ":" in host else "127.0.0.1"


def _leave(told: Event, _number: int, _frame: FrameType | None) -> None:
    # An exception alone can be lost: one raised while an object is being finalized is only printed.
    told.set()
    raise SystemExit(0)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio recognizes TCP and turns Nagle's algorithm off.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTakenError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another port with --http-port."
        ) from error
    listener.listen(512)
    return listener
