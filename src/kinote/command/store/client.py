"""The REST API as commands use it: of a running server, or of the application in this process."""

from __future__ import annotations

import io
import json
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import httpx

from kinote.command.user import user
from kinote.intake.outcome import OUT_OF_RESOURCES, Outcome
from kinote.security.actors import ACTOR_HEADER, COMMAND, OWNER_SCHEME

_CHUNK = 256 * 1024

#: The bytes of a download kept in memory. A larger one becomes a file.
_IN_MEMORY = 16 * 1024 * 1024

#: Errors of a connection after it was established.
_BROKEN = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


class ServerError(RuntimeError):
    """The server refused, or could not be reached. The message is for the user."""


class Client:
    """A Kinote server, at an address through a transport.

    `owner_proof` shows the server, which has proved itself before, that the command is run by its owner.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport, owner_proof: str = "") -> None:
        self.url = url
        shown = {"Authorization": f"{OWNER_SCHEME} {owner_proof}"} if owner_proof else {}
        self._http = httpx.Client(
            base_url=url,
            transport=transport,
            timeout=httpx.Timeout(600, connect=10),
            trust_env=False,
            headers={"User-Agent": COMMAND, ACTOR_HEADER: quote(user(), safe=""), **shown},
        )

    def sign_in(self, login: str, password: str) -> None:
        """Be a person from now on, and not the owner of the data directory any more. Raises `ServerError`."""
        self._http.headers.pop("Authorization", None)
        self.post("/api/v1/session", {"login": login, "password": password})

    def sign_out(self) -> None:
        """End what `sign_in` has begun."""
        self._request("DELETE", "/api/v1/session")

    def get(self, path: str) -> Any:
        """Return the JSON of an API resource; None if it does not exist."""
        response = self._request("GET", path)
        if response.status_code == 404:
            return None
        if response.is_error:
            raise ServerError(_problem(response))
        return response.json()

    def download(self, path: str, media_type: str) -> BinaryIO | None:
        """Download a resource to a temporary file, positioned at its beginning; None if it does not exist."""
        file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - whoever asked for it closes it
        try:
            with self._http.stream("GET", path, headers={"Accept": media_type}) as response:
                if response.is_error:
                    response.read()
                    file.close()
                    if response.status_code == 404:
                        return None
                    raise ServerError(_problem(response))
                for chunk in response.iter_bytes(_CHUNK):
                    file.write(chunk)
        except httpx.HTTPError as error:
            file.close()
            raise ServerError(f"The server at {self.url} cannot be reached: {error}") from error
        file.seek(0)
        return cast(BinaryIO, file)

    def post(self, path: str, body: object = None) -> Any:
        """Post to an API resource, with a JSON body if given. Return the JSON of the response."""
        return self.act("POST", path, body)

    def put(self, path: str, body: object) -> Any:
        """Put an API resource. Return the JSON of the response."""
        return self.act("PUT", path, body)

    def act(self, method: str, path: str, body: object = None, *, version: int | None = None) -> Any:
        """Change an API resource, of which `version` was seen. Return the JSON of the response.

        If the connection breaks, the outcome is unknown. The request is then repeated once with the same key, under
        which the server performs it only once.
        """
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        sent = {} if body is None else {"json": body}
        try:
            response = self._request(method, path, headers=headers, **sent)
        except ServerError as error:
            if not isinstance(error.__cause__, _BROKEN):
                raise
            response = self._request(method, path, headers=headers, **sent)
        if response.is_error:
            raise ServerError(_problem(response))
        return response.json()

    def lines(self, path: str, body: Iterator[bytes], media_type: str) -> Iterator[Any]:
        """Send a body while it is produced. Yield the JSON Lines of the response while they arrive."""
        try:
            with self._http.stream(
                "POST", path, content=body, headers={"Content-Type": media_type}
            ) as response:
                if response.is_error:
                    response.read()
                    raise ServerError(_problem(response))
                for line in response.iter_lines():
                    yield json.loads(line)
        except httpx.HTTPError as error:
            raise ServerError(f"The server at {self.url} cannot be reached: {error}") from error

    @contextmanager
    def made(self, path: str, body: object, media_type: str) -> Iterator[BinaryIO]:
        """Send a body and open the response as a file that is read once, while it arrives.

        Reading raises `OSError` if the response ends early.
        """
        try:
            with self._http.stream("POST", path, json=body, headers={"Accept": media_type}) as response:
                if response.is_error:
                    response.read()
                    raise ServerError(_problem(response))
                yield cast(BinaryIO, io.BufferedReader(_Streamed(response.iter_bytes(_CHUNK)), _CHUNK))
        except httpx.HTTPError as error:
            raise ServerError(f"The server at {self.url} cannot be reached: {error}") from error

    def store(self, file: BinaryIO) -> Future[Outcome]:
        """Send one object. The returned future is already done, because the caller closes its file."""
        response = self._request(
            "POST", "/api/v1/objects", content=_chunks(file), headers={"Content-Type": "application/dicom"}
        )
        future: Future[Outcome] = Future()
        if response.is_error:
            status = OUT_OF_RESOURCES if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE else 0
            future.set_result(Outcome("refused", reason=_problem(response), status=status))
        else:
            found = response.json()
            future.set_result(Outcome(**{**found, "findings": tuple(found["findings"])}))
        return future

    def close(self) -> None:
        self._http.close()

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise ServerError(f"The server at {self.url} cannot be reached: {error}") from error


class _Streamed(io.RawIOBase):
    """A response as a file that is read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            self._left = self._left or next(self._chunks, b"")
        except httpx.HTTPError as error:
            raise OSError(f"the server's answer ended early: {error}") from error
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _problem(response: httpx.Response) -> str:
    try:
        problem = response.json()
    except ValueError:
        return f"The server answered {response.status_code}."
    return str(problem.get("detail") or problem.get("title"))
