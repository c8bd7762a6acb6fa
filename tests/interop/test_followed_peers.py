"""Two Kinotes of which one follows the other, and then each the other: notes arrive, and nothing travels in circles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.interop.test_two_servers import NOTES, make, store, withdraw
from tests.running_server import RunningServer
from tests.web.objects import as_file, image

#: Seconds that anything may take on a machine that is busy with other things.
LIMIT = 60


@contextmanager
def kinote(folder: Path, *options: str) -> Iterator[httpx.Client]:
    folder.mkdir(exist_ok=True)
    (folder / "kinote.toml").write_text("undo_seconds = 0\n")
    server = RunningServer(folder / "data", *options)
    try:
        with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
            yield client
    finally:
        server.stop()


def follow(at: httpx.Client, name: str, url: str) -> None:
    endpoint = {"kind": "dicomweb", "url": f"{url.rstrip('/')}/dicomweb"}
    added = at.post("/api/v1/peers", json={"name": name, "rights": ["reject"], "endpoints": [endpoint]})
    assert added.status_code == 201, added.text
    followed = at.post("/api/v1/migrations/followed", json={"peer": name, "kinote": True})
    assert followed.status_code == 201, followed.text


def texts(client: httpx.Client) -> set[str]:
    found = client.get(NOTES)
    return {each["description"] for each in found.json()["items"]} if found.status_code == 200 else set()


def await_that(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


def changes(client: httpx.Client) -> list[Any]:
    return list(client.get("/api/v1/changes", params={"limit": 1000}).json()["items"])


@pytest.mark.timeout(300)
def test_notes_and_withdrawals_follow_and_come_to_rest(tmp_path: Path) -> None:
    with kinote(tmp_path / "b") as there:
        with kinote(tmp_path / "a") as here:
            port = str(here.base_url.port)
            assert store(here, [as_file(image(1)), as_file(image(2))]).status_code == 200
            follow(there, "A", str(here.base_url))
            first = make(here, str(image(1).SOPInstanceUID), "One").json()
            await_that(lambda: texts(there) == {"One"})
            # The note alone is there, and not its images.
            assert there.get("/dicomweb/instances", params={"Modality": "CT"}).json() == []
            # A withdrawal at A withdraws at B: its rejection note comes from a peer that may reject.
            assert withdraw(here, first).status_code == 200
            await_that(lambda: not texts(there))
        # An outage: it is said, and harms nothing.
        await_that(lambda: bool(followed(there)["problem"]))
        assert there.get("/readyz").status_code == 200
        with kinote(tmp_path / "a", "--http-port", port) as here:
            make(here, str(image(1).SOPInstanceUID), "Two")
            make(here, str(image(2).SOPInstanceUID), "Three")
            await_that(lambda: texts(there) == {"Two", "Three"})
            await_that(lambda: not followed(there)["problem"])
            # Each follows the other: nothing travels in circles.
            before = texts(here)
            follow(here, "B", str(there.base_url))
            await_that(lambda: bool(followed(here)["answered_at"]) and not waiting(here, there))
            at_rest = changes(here), changes(there)
            time.sleep(4)
            assert (changes(here), changes(there)) == at_rest
            assert texts(here) == texts(there) == before
            assert not here.get("/api/v1/held").json()["items"]
            assert not there.get("/api/v1/held").json()["items"]


def followed(client: httpx.Client) -> dict[str, Any]:
    (found,) = client.get("/api/v1/migrations/followed").json()["items"]
    return dict(found)


def waiting(*clients: httpx.Client) -> int:
    return sum(followed(each)["studies_waiting"] for each in clients)
