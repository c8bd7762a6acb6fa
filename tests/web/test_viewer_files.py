"""The viewer's addresses: what no file can be called, and what is a service's and not the viewer's."""

from __future__ import annotations

import httpx
import pytest

from kinote.web.rooms import Rooms


@pytest.fixture
def built(rooms: Rooms, client: httpx.Client) -> httpx.Client:
    """A server with a viewer."""
    rooms.options.viewer.mkdir()
    (rooms.options.viewer / "index.html").write_text("<!doctype html>the viewer", encoding="utf-8")
    return client


@pytest.mark.parametrize("path", ["/", "/studies/1.2.3", "/" + "a" * 5000, "/a%00b", "/%F0%9F%9A%80"])
def test_an_address_that_is_no_file_is_the_viewers_page(built: httpx.Client, path: str) -> None:
    response = built.get(path)
    assert (response.status_code, response.text) == (200, "<!doctype html>the viewer")


@pytest.mark.parametrize("path", ["/dicomweb", "/dicomweb/", "/api", "/api/v1", "/fhir", "/..%2Fsecret"])
def test_an_address_of_a_service_is_not_the_viewers(built: httpx.Client, path: str) -> None:
    assert built.get(path).status_code == 404
