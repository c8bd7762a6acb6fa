"""Addresses of the resources of the studies service (PS3.18 10.1), as the client reaches them."""

from __future__ import annotations

from starlette.requests import Request

ROOT = "/dicomweb"


class Addresses:
    """Makes absolute addresses under the host that the request named."""

    def __init__(self, request: Request) -> None:
        self.service = str(request.base_url).rstrip("/")
        if not self.service.endswith(ROOT):
            self.service += ROOT

    def study(self, study: str) -> str:
        return f"{self.service}/studies/{study}"

    def series(self, study: str, series: str) -> str:
        return f"{self.study(study)}/series/{series}"

    def instance(self, study: str, series: str, instance: str) -> str:
        return f"{self.series(study, series)}/instances/{instance}"

    def bulk_data(self, study: str, series: str, instance: str) -> str:
        """What a relative BulkDataURI (`/7FE00010`) is appended to."""
        return f"{self.instance(study, series, instance)}/bulkdata"
