"""Large bodies pass through in bounded memory, in both directions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.running_server import RunningServer
from tests.scale import SCALE
from tests.web.objects import INSTANCE, INSTANCES, as_file, image

_MB = 1024 * 1024

#: Bytes of pixel data of the large object.
_SIZE = SCALE.big_object

#: What the server may grow by, at any size, in bytes.
_GROWTH = 150 * _MB


def _large_object() -> tuple[bytes, int]:
    """The file up to its pixel data, whose length says that `_SIZE` bytes follow."""
    frames = _SIZE // (512 * 512 * 2)
    head = as_file(image(1, rows=512, columns=512, NumberOfFrames=frames, PixelData=b"\0\0"))
    return head[:-6] + _SIZE.to_bytes(4, "little"), frames


def _pieces(head: bytes) -> Iterator[bytes]:
    yield b"--b\r\nContent-Type: application/dicom\r\n\r\n" + head
    for number in range(_SIZE // _MB):
        yield number.to_bytes(2, "little") * (_MB // 2)
    yield b"\r\n--b--\r\n"


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_memory_does_not_grow_with_the_object(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    try:
        with httpx.Client(base_url=server.url, timeout=300, trust_env=False) as client:
            client.get("/dicomweb/studies").raise_for_status()
            before = server.resident_memory()
            head, frames = _large_object()
            response = client.post(
                "/dicomweb/studies",
                content=_pieces(head),
                headers={"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'},
            )
            assert response.status_code == 200, response.text
            assert server.resident_memory() - before < _GROWTH
            sent = hashlib.sha256()
            for number in range(_SIZE // _MB):
                sent.update(number.to_bytes(2, "little") * (_MB // 2))
            got = hashlib.sha256()
            address = f"{INSTANCES}/{INSTANCE}/bulkdata/7FE00010"
            with client.stream("GET", address, headers={"Accept": "application/octet-stream"}) as answer:
                for piece in answer.iter_bytes():
                    got.update(piece)
            assert got.hexdigest() == sent.hexdigest()
            last = client.get(
                f"{INSTANCES}/{INSTANCE}/frames/{frames}", headers={"Accept": "application/octet-stream"}
            )
            assert last.content == (_SIZE // _MB - 1).to_bytes(2, "little") * (512 * 512)
            assert server.resident_memory() - before < _GROWTH
    finally:
        server.kill()


def test_a_slow_reader_leaves_the_server_to_others(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    try:
        with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
            large = as_file(image(1, rows=2048, columns=2048))
            client.post(
                "/dicomweb/studies", content=large, headers={"Content-Type": "application/dicom"}
            ).raise_for_status()
            slow = []
            for _ in range(20):
                request = client.build_request("GET", f"{INSTANCES}/{INSTANCE}?accept=application/dicom")
                slow.append(client.send(request, stream=True))
            assert len(client.get("/dicomweb/studies").json()) == 1
            for response in slow:
                assert len(response.read()) >= len(large) - 512
    finally:
        server.kill()
