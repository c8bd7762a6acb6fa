"""A small object on its way into a store."""

from __future__ import annotations


class IncomingSmall:
    """A small object being received. It stays in memory until its group is settled."""

    waits_for_disk = False

    def __init__(self, store: int) -> None:
        self.store = store
        self.key: str | None = None
        self.content = bytearray()

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self.content += chunk

    def finish(self) -> None:
        """Do nothing: its data become durable with its group."""

    def read_back(self, offset: int, limit: int) -> bytes:
        return bytes(self.content[offset : offset + limit])

    def abandon(self) -> None:
        self.content = bytearray()
