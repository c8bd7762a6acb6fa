"""TLS for programs that do not speak it: what hospitals do with stunnel."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def tunnel(
    port: int, *, entrance: ssl.SSLContext | None = None, way_out: ssl.SSLContext | None = None
) -> Iterator[int]:
    """A port on loopback from which all goes on to `port`: TLS at the entrance, on the way out, or neither."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(64 * 1024):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(
                "127.0.0.1", port, ssl=way_out, server_hostname="127.0.0.1" if way_out else None
            )
        except OSError:
            writer.close()
            return
        await asyncio.gather(carry(reader, back), carry(there, writer))

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=entrance))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(_ended(loop, server))
        loop.close()


async def _ended(loop: asyncio.AbstractEventLoop, server: asyncio.Server) -> None:
    server.close()
    carrying = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in carrying:
        task.cancel()
    await asyncio.gather(*carrying, return_exceptions=True)
