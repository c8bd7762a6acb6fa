"""Testing whether a peer answers at an endpoint."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import httpx

from kinote.dimse.errors import DimseError
from kinote.dimse.transport.tls import TlsOptions
from kinote.peers.peer import Endpoint, EndpointKind
from kinote.peers.reaching import calling

#: Time limit for an HTTP request and its response, in seconds.
_WEB_SECONDS = 15.0

#: Time limit for opening a TCP connection, in seconds.
_CONNECTING = 10.0

#: Time limit for checking a folder, in seconds.
_FOLDER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a test: whether the peer answers, a sentence about it, and the time taken in milliseconds."""

    answers: bool
    sentence: str
    milliseconds: int


def probe(name: str, endpoint: Endpoint, title: str, tls: TlsOptions) -> Answer:
    """Test an endpoint: with a C-ECHO, a DICOMweb search for one study, an MLLP connection, or a look at the folder.

    `name` is the peer's name and `title` our AE title. Failures are reported in the result, not raised.
    """
    begun = time.monotonic()
    answers, outcome = _PROBES[endpoint.kind](endpoint, title, tls)
    milliseconds = round((time.monotonic() - begun) * 1000)
    place = f"{name} at {endpoint.address}"
    return Answer(
        answers, f"{place} {outcome}" + (f", in {milliseconds} ms." if answers else "."), milliseconds
    )


def _dimse(endpoint: Endpoint, title: str, tls: TlsOptions) -> tuple[bool, str]:
    try:
        status = calling.echo(calling.Caller(endpoint.entity, title, tls))
    except DimseError as error:
        return False, f"does not answer: {error}"
    return (True, "answers") if status == 0 else (False, f"answers with status {status:04X}H")


def _dicomweb(endpoint: Endpoint, _title: str, tls: TlsOptions) -> tuple[bool, str]:
    try:
        status = asyncio.run(_search(endpoint, tls))
    except TimeoutError:
        return False, f"does not answer within {_WEB_SECONDS:.0f} seconds"
    except (httpx.HTTPError, httpx.InvalidURL, DimseError, OSError, ValueError) as error:
        return False, f"cannot be reached: {str(error) or type(error).__name__}".rstrip(".")
    if status in (200, 204):
        return True, "answers"
    if status in (401, 403):
        return False, f"answers with HTTP status {status}: it requires a login"
    return False, f"answers with HTTP status {status}: check that the URL is the base of its studies service"


async def _search(endpoint: Endpoint, tls: TlsOptions) -> int:
    """Search for one study and return the HTTP status, without reading the body."""
    url = f"{(endpoint.url or '').rstrip('/')}/studies"
    verify = tls.client_context(check_name=True) if url.startswith("https:") else True
    async with (
        asyncio.timeout(_WEB_SECONDS),
        httpx.AsyncClient(trust_env=False, verify=verify) as client,
        client.stream(
            "GET", url, params={"limit": 1}, headers={"Accept": "application/dicom+json"}
        ) as response,
    ):
        return response.status_code


def _mllp(endpoint: Endpoint, _title: str, _tls: TlsOptions) -> tuple[bool, str]:
    try:
        with socket.create_connection((endpoint.host or "", endpoint.port or 0), timeout=_CONNECTING):
            return True, "accepts connections"
    except (OSError, UnicodeError) as error:
        # `UnicodeError` is raised for an impossible host name.
        return False, f"cannot be reached: {getattr(error, 'strerror', None) or error}"


#: Checks of folders in progress, at most one for each. A check cannot be ended if the folder's file server is gone.
_looks: dict[str, Future[tuple[bool, str]]] = {}
_looks_lock = threading.Lock()


def _folder(endpoint: Endpoint, _title: str, _tls: TlsOptions) -> tuple[bool, str]:
    path = endpoint.path or ""
    try:
        return _look_at(path).result(timeout=_FOLDER_SECONDS)
    except TimeoutError:
        return (
            False,
            f"does not answer within {_FOLDER_SECONDS:g} seconds: check the file server it is mounted from",
        )
    except (OSError, RuntimeError) as error:
        return False, f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _look_at(path: str) -> Future[tuple[bool, str]]:
    """Check a folder in a daemon thread, or join the check in progress. Raises `RuntimeError` without a thread."""
    with _looks_lock:
        found = _looks.get(path)
        if found is None:
            found = Future()
            threading.Thread(target=_look, args=(path, found), name="folder", daemon=True).start()
            _looks[path] = found
        return found


def _look(path: str, found: Future[tuple[bool, str]]) -> None:
    try:
        found.set_result(_state_of_folder(path))
    except Exception as error:
        found.set_exception(error)
    finally:
        with _looks_lock:
            del _looks[path]


def _state_of_folder(path: str) -> tuple[bool, str]:
    try:
        is_folder = stat.S_ISDIR(Path(path).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_folder = False
    if not is_folder:
        return False, "is not a folder on this server"
    if not os.access(path, os.W_OK | os.X_OK):
        return False, "is a folder that this server may not write to"
    return True, "is a folder that this server may write to"


_PROBES = {
    EndpointKind.DIMSE: _dimse,
    EndpointKind.DICOMWEB: _dicomweb,
    EndpointKind.MLLP: _mllp,
    EndpointKind.FOLDER: _folder,
}
