"""The application in the command's own process: what commands ask where no server runs."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI


@contextmanager
def answered_here(application: FastAPI) -> Iterator[httpx.BaseTransport]:
    """HTTP to an application that a thread of this process serves until the block ends.

    By a socket in a folder that only this user can enter. Bodies are streamed both ways, as with any server.
    """
    config = uvicorn.Config(
        application, lifespan="off", log_config=None, access_log=False, loop="uvloop", http="httptools"
    )
    server = uvicorn.Server(config)
    with (
        tempfile.TemporaryDirectory(prefix="kinote-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
    ):
        path = Path(folder, "http")
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
        thread.start()
        try:
            with httpx.HTTPTransport(uds=str(path)) as transport:
                yield transport
        finally:
            server.should_exit = True
            thread.join()
