"""A real server for tests of the HTTP face, on a port of its own, watched for anything that blocks its loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
import uvicorn
from blockbuster import blockbuster_ctx
from fastapi import FastAPI

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.holdings.door import Door
from kinote.intake.receiver import Receiver
from kinote.storage.local import local_stores
from kinote.web.application import Rooms, WebOptions, create_application
from kinote.web.connections.doorkeeper import Doorkeeper
from kinote.web.connections.handshake import protocol_of
from kinote.web.metrics import observe_outcome
from tests.actors import OPEN
from tests.clock import clock
from tests.databases import new_sqlite_index
from tests.demo_data import copied

Result = TypeVar("Result")


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    """The rooms of one Kinote, empty."""
    with opened_rooms(tmp_path, new_sqlite_index(tmp_path / "index.db")) as opened:
        yield opened


@pytest.fixture
def demo_rooms(demo_data: Path, tmp_path: Path) -> Iterator[Rooms]:
    """The rooms of one Kinote that has the demo."""
    data = copied(demo_data, tmp_path / "data")
    with opened_rooms(tmp_path, f"sqlite:///{data / 'kinote.sqlite'}") as opened:
        yield opened


@contextmanager
def opened_rooms(folder: Path, index: str) -> Iterator[Rooms]:
    """The rooms of one Kinote, with its files in a folder and its index at an address."""
    stores = local_stores(folder / "data")
    catalog = Catalog(CatalogOptions(index))
    receiver = Receiver(catalog, stores, clock=clock, observe=observe_outcome)
    yield Rooms(
        catalog,
        receiver,
        Door(catalog, stores, clock=clock),
        WebOptions(viewer=folder / "viewer"),
        clock=clock,
        policy=OPEN,
    )
    receiver.close()
    stores.close()
    catalog.close()


@pytest.fixture
def address(rooms: Rooms) -> Iterator[str]:
    """The address of a running server."""
    with blockbuster_ctx("kinote"), running(create_application(rooms)) as server:
        yield server


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    """A client of the running server."""
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        yield client


class running:  # noqa: N801 - read as a word: `with running(application) as address`
    """A server in a thread, for as long as the block lasts."""

    def __init__(
        self,
        application: FastAPI,
        doorkeeper: Doorkeeper | None = None,
        proxies: Sequence[str] = (),
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.doorkeeper = doorkeeper or Doorkeeper()
        config = uvicorn.Config(
            application,
            log_level="warning",
            lifespan="off",
            loop="uvloop",
            http=protocol_of(self.doorkeeper, context),
            ws="none",
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
        )
        self._server = uvicorn.Server(config)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="http-server"
        )

    def __enter__(self) -> str:
        self._thread.start()
        return self.url

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)

    @property
    def is_up(self) -> bool:
        return self._server.started

    def in_loop(self, work: Callable[[], Result]) -> Result:
        """What is done in the server's event loop."""

        async def done() -> Result:
            return work()

        loop = self._server.servers[0].get_loop()
        return asyncio.run_coroutine_threadsafe(done(), loop).result(60)

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
