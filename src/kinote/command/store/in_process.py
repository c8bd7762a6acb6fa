"""The application in the command's own process, for commands when no server is running."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI

#: Seconds for responses under way when the command has ended.
_GRACE = 5


@contextmanager
def answered_here(application: FastAPI) -> Iterator[httpx.BaseTransport]:
    """Serve an application in a thread of this process until the block ends. Yield an HTTP transport to it.

    The socket is in a folder that only this user can enter. Bodies are streamed both ways, as with any server.
    """
    config = uvicorn.Config(
        application,
        lifespan="off",
        log_config=None,
        access_log=False,
        loop="uvloop",
        http="httptools",
        timeout_graceful_shutdown=_GRACE,
    )
    server = uvicorn.Server(config)
    with _private_address() as path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
        thread.start()
        try:
            with httpx.HTTPTransport(uds=path) as transport:
                yield transport
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _private_address() -> Iterator[str]:
    """Yield an address in a folder that only this user can enter."""
    with tempfile.TemporaryDirectory(prefix="kinote-") as folder:
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # A short path: an address has at most 107 bytes (unix(7)).
            yield f"/proc/self/fd/{descriptor}/http"
        finally:
            os.close(descriptor)
