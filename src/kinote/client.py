"""Talking to a running Kinote: what commands do when a server has the data directory open."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, BinaryIO

import httpx

from kinote.intake.importing import Sink
from kinote.intake.outcome import Outcome

_CHUNK = 256 * 1024

#: Requests at once: enough for the server to commit in groups.
_PARALLEL = 8


class ServerError(RuntimeError):
    """The running server refused, or could not be reached; the message is for the user."""


class Client:
    """One running server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=httpx.Timeout(600, connect=10), trust_env=False)

    def get(self, path: str) -> Any:
        """The JSON of an API resource, None if there is no such thing."""
        response = self._request("GET", path)
        if response.status_code == 404:
            return None
        if response.is_error:
            raise ServerError(_problem(response))
        return response.json()

    @contextmanager
    def sink(self) -> Iterator[Sink]:
        """Send objects to the server, several at a time."""
        with ThreadPoolExecutor(_PARALLEL) as pool:

            def take(file: BinaryIO) -> Future[Outcome]:
                # The caller closes its file when this returns, so the bytes are sent before.
                future: Future[Outcome] = Future()
                future.set_result(self._store(file))
                return future

            del pool
            yield take

    def close(self) -> None:
        self._http.close()

    def _store(self, file: BinaryIO) -> Outcome:
        def chunks() -> Iterator[bytes]:
            while chunk := file.read(_CHUNK):
                yield chunk

        response = self._request(
            "POST",
            "/api/v1/objects",
            content=chunks(),
            headers={"Content-Type": "application/dicom", "Accept": "application/json"},
        )
        if response.is_error:
            return Outcome("refused", reason=_problem(response))
        found = response.json()
        return Outcome(**{**found, "findings": tuple(found["findings"])})

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise ServerError(f"The server at {self.url} cannot be reached: {error}") from error


def _problem(response: httpx.Response) -> str:
    try:
        problem = response.json()
        return str(problem.get("detail") or problem.get("title"))
    except ValueError:
        return f"The server answered {response.status_code}."
