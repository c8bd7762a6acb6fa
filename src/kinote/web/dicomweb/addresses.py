"""Addresses of the resources of the studies service (PS3.18 10.1), as the client reaches them."""

from __future__ import annotations

from starlette.requests import Request

from kinote.holdings.live_objects import LiveObject
from kinote.web.requests.guard import is_loopback

ROOT = "/dicomweb"


class Addresses:
    """Makes absolute addresses under the host that the request named."""

    def __init__(self, request: Request) -> None:
        url = request.base_url
        server = request.scope.get("server")
        if url.port is None and server and server[1] and is_loopback(url.hostname or ""):
            # Some clients (dicomweb-client) omit the port in Host. There is no proxy between us and a client on this
            # machine, so it is the port we listen on.
            url = url.replace(port=server[1])
        self.service = f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}{ROOT}"

    def study(self, study: str) -> str:
        return f"{self.service}/studies/{study}"

    def series(self, study: str, series: str) -> str:
        return f"{self.study(study)}/series/{series}"

    def instance(self, study: str, series: str, instance: str) -> str:
        return f"{self.series(study, series)}/instances/{instance}"

    def of(self, item: LiveObject) -> str:
        """Return the address of an object."""
        return self.instance(item.study_instance_uid, item.series_instance_uid, item.sop_instance_uid)

    def bulk_data(self, study: str, series: str, instance: str) -> str:
        """Return the base address of a relative BulkDataURI (`/7FE00010`)."""
        return f"{self.instance(study, series, instance)}/bulkdata"
