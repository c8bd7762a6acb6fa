"""Every route says what caches may do with its answer: nobody but the user keeps it, or nobody at all."""

from __future__ import annotations

import re

import httpx

from kinote.web.application import Rooms, create_application
from kinote.web.requests.permitted import routes_of
from tests.web.objects import INSTANCE, SERIES, STUDY, as_file, image

#: What stands in paths. The rest is 1: numbers of rows, frames and jobs.
NAMES = {"study": STUDY, "series": SERIES, "instance": INSTANCE, "sop": INSTANCE, "path": "", "kind": "x"}

#: What is a stream, and goes on.
ENDLESS = {"/api/v1/changes"}


def test_no_route_lets_shared_caches_keep_its_answer(rooms: Rooms, client: httpx.Client) -> None:
    client.post("/api/v1/objects", content=as_file(image()), headers={"Content-Type": "application/dicom"})
    asked = set()
    for _, method, path in routes_of(create_application(rooms)):
        if method == "HEAD" or path in ENDLESS or (method, path) in asked:
            continue
        asked.add((method, path))
        address = re.sub(r"{([a-z_]+)(?::\w+)?}", lambda found: NAMES.get(found[1], "1"), path)
        method = "GET" if method == "any method" else method
        answer = client.request(method, address)
        said = answer.headers.get("cache-control", "")
        if address.startswith("/assets/"):
            continue
        assert said.startswith(("private", "no-store", "no-cache")), (method, address, said)
        if answer.is_error:
            assert "no-store" in said or "no-cache" in said, (method, address, said)
    assert len(asked) > 80
