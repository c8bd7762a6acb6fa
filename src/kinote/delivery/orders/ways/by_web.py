"""DICOMweb: STOW-RS to send (PS3.18 section 10.5), QIDO-RS to query (section 10.6).

The outcome of each object is read from the sequences of the response, by UID. The HTTP status counts only without them.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from kinote.decoding.errors import DecodingUnavailableError
from kinote.delivery.ledger import Record
from kinote.delivery.orders.ways.calling import Calling
from kinote.delivery.orders.ways.finders import NotQueryableError
from kinote.delivery.outgoing import TARGETS, Sendable, TranscodingError, data_set
from kinote.delivery.sending import Sent
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.dimse import statuses
from kinote.holdings.unavailable import NotLiveError
from kinote.lifecycle.owed.receivers import State
from kinote.peers.destination import Policy
from kinote.peers.peer import Endpoint

#: The most objects in one request, and the size in bytes after which no more are added.
_TOGETHER, _ENOUGH = 20, 16 * 1024 * 1024

#: The bytes sent at once, and the most bytes read of a response.
_CHUNK, _LONGEST_ANSWER = 256 * 1024, 16 * 1024 * 1024

#: Seconds to connect, and for each read and write.
_TIMES = httpx.Timeout(60.0, connect=10.0)

#: The instances on one page of QIDO-RS.
_PAGE = 1000

#: Referenced and Failed SOP Sequence; in their items UID, Warning Reason and Failure Reason (PS3.3 C.12.1).
_REFERENCED, _FAILED = "00081199", "00081198"
_UID, _WARNING, _REASON = "00081155", "00081196", "00081197"
_SOP_INSTANCE_UID = "00080018"

#: The server does not respond now, or not to us: everything waits.
_NOT_NOW = frozenset({401, 403, 407, 429, 502, 503, 504})

_JSON = {"Accept": "application/dicom+json"}


class NoListError(ValueError):
    """A response does not give the outcome of each object."""


def client(endpoint: Endpoint, calling: Calling, peer: str) -> httpx.Client:
    """Return an HTTP client for an endpoint of a peer. Raises `OSError` if our certificates cannot be read."""
    url = endpoint.url or ""
    verify: Any = (
        calling.tls.client_context(check_name=endpoint.check_name) if url.startswith("https:") else True
    )
    headers = dict(_JSON)
    authorization = calling.authorization(peer)
    if authorization:
        headers["Authorization"] = authorization
    return httpx.Client(trust_env=False, verify=verify, headers=headers, timeout=_TIMES)


class ByStow:
    """STOW-RS, on as many connections as the policy says."""

    way = "STOW-RS"

    def __init__(self, endpoint: Endpoint, policy: Policy, calling: Calling, peer: str) -> None:
        self._endpoint = endpoint
        self._policy = policy
        self._calling = calling
        self._peer = peer
        self._url = f"{(endpoint.url or '').rstrip('/')}/studies"

    def send(self, objects: Sequence[Sendable], record: Record) -> Generator[Sent, None, None]:
        results: queue.SimpleQueue[Sent] = queue.SimpleQueue()
        waiting = iter(objects)
        taking = threading.Lock()
        stopped = threading.Event()

        def take() -> Sendable | None:
            with taking:
                return None if stopped.is_set() else next(waiting, None)

        def work() -> None:
            try:
                with client(self._endpoint, self._calling, self._peer) as opened:
                    _Stow(opened, self._url, self._policy, record, results.put, stopped).run(take)
            except Exception as error:  # whatever it is: the outcome of each object is awaited
                stopped.set()
                failure.append(str(error) or type(error).__name__)

        failure: list[str] = []
        count = min(self._policy.associations, max(1, len(objects)))
        threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        told: set[str] = set()
        try:
            while len(told) < len(objects):
                try:
                    sent = results.get(timeout=0.5)
                except queue.Empty:
                    if any(thread.is_alive() for thread in threads) or not results.empty():
                        continue
                    break
                told.add(sent.sop_instance_uid)
                yield sent
        finally:
            stopped.set()
        for thread in threads:
            thread.join()
        reason = failure[0] if failure else "The destination does not answer."
        for each in objects:
            if each.sop_instance_uid not in told:
                yield Sent("failed", each.sop_instance_uid, reason, statuses.PROCESSING_FAILURE, False)


@dataclass(slots=True)
class _Part:
    """An object of a request, open."""

    wanted: Sendable
    syntax: str
    opened: DataSet
    head: bytes = field(default=b"")

    @property
    def size(self) -> int:
        return len(self.head) + self.opened.size


class _UnavailableError(Exception):
    """The destination accepts nothing now."""


class _Stow:
    """The requests of one connection."""

    def __init__(
        self,
        opened: httpx.Client,
        url: str,
        policy: Policy,
        record: Record,
        tell: Callable[[Sent], None],
        stopped: threading.Event,
    ) -> None:
        self._client = opened
        self._url = url
        self._policy = policy
        self._record = record
        self._tell = tell
        self._stopped = stopped

    def run(self, take: Callable[[], Sendable | None]) -> None:
        """Send the waiting objects. Raises `_UnavailableError` if the destination accepts nothing now."""
        batch: list[Sendable] = []
        parts: list[_Part] = []
        while (wanted := take()) is not None:
            part = self._opened(wanted)
            if part is None:
                continue
            parts.append(part)
            batch.append(wanted)
            if len(parts) >= _TOGETHER or sum(each.size for each in parts) >= _ENOUGH:
                self._post(parts)
                batch, parts = [], []
        if parts:
            self._post(parts)

    def _opened(self, wanted: Sendable) -> _Part | None:
        """Open an object in a permitted transfer syntax. An object that cannot be sent is reported."""
        uid = wanted.sop_instance_uid
        allowed = self._policy.transfer_syntaxes
        syntax = wanted.transfer_syntax_uid
        if allowed and syntax not in allowed:
            syntax = next((each for each in TARGETS if each in allowed), "")
            if not syntax:
                said = "The destination takes none of the transfer syntaxes in which the object can be sent."
                self._tell(Sent("failed", uid, said, statuses.SOP_CLASS_NOT_SUPPORTED))
                return None
        try:
            if syntax != wanted.transfer_syntax_uid:
                wanted.before_other_bytes()
            opened = data_set(wanted, wanted.open(), syntax)
        except NotLiveError as error:
            self._tell(Sent("gone", uid, str(error)))
            return None
        except (TranscodingError, DecodingUnavailableError, OSError) as error:
            is_final = isinstance(error, TranscodingError)
            self._tell(Sent("failed", uid, str(error), statuses.PROCESSING_FAILURE, is_final=is_final))
            return None
        return _Part(wanted, syntax, opened, file_meta_bytes(wanted.sop_class_uid, uid, syntax))

    def _post(self, parts: Sequence[_Part]) -> None:
        """Send objects in one request; one by one if that fails as a whole."""
        try:
            found = self._answers(parts)
        except (NoListError, httpx.HTTPError, OSError) as error:
            if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                raise _UnavailableError(f"{self._url} cannot be reached: {error}") from error
            if len(parts) == 1:
                self._fail(parts[0].wanted, error)
                return
            for each in parts:
                if self._stopped.is_set():
                    return
                part = self._opened(each.wanted)
                if part is not None:
                    self._post([part])
            return
        finally:
            for each in parts:
                each.opened.file.close()
        for each in parts:
            is_as_stored = each.syntax == each.wanted.transfer_syntax_uid
            self._settle(each.wanted.sop_instance_uid, found, is_as_stored=is_as_stored)

    def _settle(self, uid: str, found: Mapping[str, int], *, is_as_stored: bool) -> None:
        status = found.get(uid)
        if status is None:
            said = "The answer does not name it: the destination may have it."
            self._record(uid, State.UNKNOWN, said)
            self._tell(Sent("failed", uid, said, statuses.PROCESSING_FAILURE))
        elif status == statuses.SUCCESS or statuses.is_warning(status):
            self._record(uid, State.GIVEN, f"{status:04X}H")
            if status:
                self._tell(Sent("warning", uid, f"Stored with the warning {status:04X}H.", status))
            else:
                self._tell(Sent("completed", uid, is_as_stored=is_as_stored))
        else:
            said = f"The destination says {status:04X}H."
            self._record(uid, State.FAILED, said)
            self._tell(Sent("failed", uid, said, status))

    def _fail(self, wanted: Sendable, error: Exception) -> None:
        uid = wanted.sop_instance_uid
        is_refused = isinstance(error, NoListError)
        self._record(uid, State.FAILED if is_refused else State.UNKNOWN, str(error))
        status = statuses.PROCESSING_FAILURE
        if isinstance(error, _RefusedError):
            status = _CANNOT_UNDERSTAND
        self._tell(Sent("failed", uid, str(error) or type(error).__name__, status))

    def _answers(self, parts: Sequence[_Part]) -> Mapping[str, int]:
        """Send a request. Return the status of each object named in the response. Raises `NoListError` and others."""
        boundary = uuid4().hex
        opening = f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        closing = f"\r\n--{boundary}--\r\n".encode()
        length = sum(len(opening) + each.size for each in parts) + len(closing)

        def body() -> Iterator[bytes]:
            for each in parts:
                yield opening + each.head
                while chunk := each.opened.file.read(_CHUNK):
                    yield chunk
            yield closing

        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Content-Length": str(length),
        }
        with self._client.stream("POST", self._url, headers=headers, content=body()) as answer:
            if answer.status_code in _NOT_NOW:
                raise _UnavailableError(f"The destination answers with HTTP status {answer.status_code}.")
            content = _bounded(answer)
            status = answer.status_code
        return _statuses(status, content, [each.wanted.sop_instance_uid for each in parts])


class _RefusedError(NoListError):
    """The destination refuses the request, and would refuse it again."""


#: Error: Cannot understand (PS3.4 B.2.3).
_CANNOT_UNDERSTAND = 0xC000


def _bounded(answer: httpx.Response) -> bytes:
    found = bytearray()
    for chunk in answer.iter_bytes():
        found += chunk
        if len(found) > _LONGEST_ANSWER:
            raise NoListError("The answer of the destination is too long.")
    return bytes(found)


def _statuses(http_status: int, content: bytes, sent: Sequence[str]) -> Mapping[str, int]:
    """Return the status of each object. Raises `NoListError` if neither lists nor HTTP status give it."""
    named: dict[str, int] = {}
    try:
        answered = json.loads(content)
        if isinstance(answered, list):
            answered = answered[0] if answered else {}
        for item in _items(answered, _REFERENCED):
            named[_value(item, _UID)] = int(_value(item, _WARNING) or 0)
        for item in _items(answered, _FAILED):
            named[_value(item, _UID)] = int(_value(item, _REASON) or statuses.PROCESSING_FAILURE)
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
        named = {}
    if named:
        return named
    if http_status == 200:
        # Everything was stored (PS3.18 Table 10.5.3-1).
        return dict.fromkeys(sent, statuses.SUCCESS)
    said = (
        f"The destination answers with HTTP status {http_status}, and does not say what became of the object."
    )
    raise _RefusedError(said) if 400 <= http_status < 500 else NoListError(said)


def _items(answered: Any, tag: str) -> Sequence[Any]:
    found: Sequence[Any] = answered.get(tag, {}).get("Value", [])
    return found


def _value(item: Any, tag: str) -> Any:
    found = item.get(tag, {}).get("Value", [])
    return found[0] if found else ""


class ByQido:
    """QIDO-RS, series by series."""

    def __init__(self, endpoint: Endpoint, calling: Calling, peer: str) -> None:
        self._endpoint = endpoint
        self._calling = calling
        self._peer = peer

    def instances(self, study: str, series: str) -> Iterator[str]:
        base = (self._endpoint.url or "").rstrip("/")
        url = f"{base}/studies/{quote(study)}/series/{quote(series)}/instances"
        seen: set[str] = set()
        with client(self._endpoint, self._calling, self._peer) as opened:
            while True:
                page = self._page(opened, url, len(seen))
                new = [uid for uid in page if uid not in seen]
                # A destination that ignores `offset` returns the same page again.
                if not new:
                    return
                seen.update(new)
                yield from new
                if len(page) < _PAGE:
                    return

    def _page(self, opened: httpx.Client, url: str, offset: int) -> list[str]:
        try:
            with opened.stream("GET", url, params={"limit": _PAGE, "offset": offset}) as answer:
                if answer.status_code in (204, 404):
                    return []
                if answer.status_code in _NOT_NOW - {401, 403, 407} or answer.status_code >= 500:
                    raise ConnectionError(f"The destination answers with HTTP status {answer.status_code}.")
                if answer.status_code != 200:
                    raise NotQueryableError(
                        f"The destination answers a query with HTTP status {answer.status_code}."
                    )
                content = _bounded(answer)
            return [str(_value(each, _SOP_INSTANCE_UID)) for each in json.loads(content)]
        except httpx.HTTPError as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        except (NoListError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise NotQueryableError(f"The answer to a query cannot be understood: {error}") from error
