"""Running the faces of an open house until somebody stops it."""

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

from kinote.app import House, HouseError, dicom_server, sign_in, watch_alerts, web_application
from kinote.command import descriptors
from kinote.command.descriptors import Budget, Wanted, budget, raise_limit
from kinote.dimse.tls import TlsFileError, TlsOptions
from kinote.scp.server import DicomServer
from kinote.security.sign_in.users import has_user
from kinote.settings.model import Settings
from kinote.settings.values import is_wildcard
from kinote.web.application import end_event_streams
from kinote.web.connections.doorkeeper import Doorkeeper
from kinote.web.connections.handshake import protocol_of
from kinote.web.connections.proxies import TrustedProxies

#: Seconds that requests under way may take when the server is stopped; event streams end at once.
_GRACE = 30

#: File descriptors of an SQLite index: each of its connections has the file, its log and the index of that.
_OF_SQLITE = 3 * 24

#: File descriptors of the stores: packs that are open, and objects that are read, compared or sent meanwhile.
_OF_STORAGE = 128


class PortTakenError(RuntimeError):
    """The address cannot be listened on."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server is reached: by HTTP, and by DICOM as `TITLE@host:port` where it listens for that."""

    url: str
    dicom: tuple[str, ...]


def serve(house: House, settings: Settings, announce: Callable[[Addresses], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` gets the addresses once requests are accepted."""
    # When it has shut down, uvicorn raises the signal that stopped it once more: then the house is to be
    # closed by whoever opened it, not left as by a crash.
    _see_that_somebody_can_sign_in(house, settings)
    # Before anything listens: a certificate that cannot be used ends the start.
    tls = _tls(settings)
    told = Event()
    signal.signal(signal.SIGTERM, partial(_leave, told))
    listener = _listener(settings.http_host, settings.http_port)
    scheme = "http" if tls is None else "https"
    url = f"{scheme}://{_address(_reached_at(settings.http_host), listener.getsockname()[1])}"
    shares = _descriptors(settings)
    descriptors.tell(shares)
    dicom = dicom_server(house, settings, shares.associations, shares.unassociated)
    try:
        title = settings.ae_titles[0]
        house.directory.announce(url)
        announce(Addresses(url, tuple(f"{title}@{_address(*address)}" for address in dicom.addresses)))
        doorkeeper = _doorkeeper(settings, shares.http_connections)
        _serve_http(house, settings, listener, told, dicom, doorkeeper, tls)
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


def _see_that_somebody_can_sign_in(house: House, settings: Settings) -> None:
    # By a provider somebody may become a user whom nobody knows yet.
    if settings.authentication == "none" or settings.openid_issuer:
        return
    with house.catalog.read() as connection:
        if has_user(connection):
            return
    raise HouseError(
        "Nobody could sign in: authentication is on, and there is no user. Add the first one with "
        f"`kinote users add LOGIN --role administrator --data {settings.data}`, which asks for a password."
    )


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """TLS of the HTTP interface. Raises `HouseError` for files that cannot be used."""
    if settings.http_certificate is None:
        return None
    try:
        return TlsOptions(settings.http_certificate, settings.http_key).server_context()
    except TlsFileError as error:
        raise HouseError(str(error)) from error


def _serve_http(
    house: House,
    settings: Settings,
    listener: socket.socket,
    told: Event,
    dicom: DicomServer,
    doorkeeper: Doorkeeper,
    tls: ssl.SSLContext | None,
) -> None:
    application = web_application(house, settings, dicom.alerts, sign_in=sign_in(house, settings))
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        loop="uvloop",
        http=protocol_of(doorkeeper, tls),
        ws="none",
        # X-Forwarded-For says whose address is recorded and counted where a trusted proxy has written it.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    server = _Server(config, told, lambda: end_event_streams(application))
    # All that was loaded until now stays to the end: the garbage collector need not go through it again.
    gc.collect()
    gc.freeze()
    watch = watch_alerts(house, settings, dicom.alerts)
    try:
        server.run(sockets=[listener])
    finally:
        watch.close()


class _Server(uvicorn.Server):
    """Ends the streams that would never end by themselves before it waits for requests under way.

    It ends at once if it was `told` to end before it began to listen to signals itself.
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
    """Where commands on this machine reach a server that listens at a host."""
    if not is_wildcard(host):
        return host
    return "::1" if ":" in host else "127.0.0.1"


def _leave(told: Event, _number: int, _frame: FrameType | None) -> None:
    # An exception alone can be lost: one that is raised while an object is being finalised is only printed.
    told.set()
    raise SystemExit(0)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sees that this is TCP and turns Nagle's algorithm off for us.
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
