"""The application in the command's own process: what commands ask where no server runs."""

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

#: Seconds that answers under way may take when the command has ended.
_GRACE = 5


@contextmanager
def answered_here(application: FastAPI) -> Iterator[httpx.BaseTransport]:
    """HTTP to an application that a thread of this process serves until the block ends.

    By a socket in a folder that only this user can enter. Bodies are streamed both ways, as with any server.
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
    """An address in a folder that only this user can enter."""
    with tempfile.TemporaryDirectory(prefix="kinote-") as folder:
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Short, however long the path is: an address has 107 bytes at most (unix(7)).
            yield f"/proc/self/fd/{descriptor}/http"
        finally:
            os.close(descriptor)
