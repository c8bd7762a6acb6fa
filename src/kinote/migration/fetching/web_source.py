"""A system that is queried by QIDO-RS, and from which objects are fetched by WADO-RS (PS3.18 section 10)."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from kinote.dicom.values.uids import is_tolerable
from kinote.intake.expected import InStudy
from kinote.migration.fetching.source import (
    MOST_FOUND,
    MOST_STUDIES,
    ListedSeries,
    NotThereError,
    SourceError,
    Taking,
    Wanted,
    counted,
)

#: The number of matches requested at once.
_PAGE = 500

#: Seconds for a connection, and between two pieces of a response.
_TIMEOUT = httpx.Timeout(60, connect=10)

_CHUNK = 256 * 1024

#: The size limits of a page of matches, and of the head of a part, in bytes.
_LONGEST_PAGE = 64 * 1024 * 1024

#: The least bytes a second of a response, after these seconds.
_SLOWEST = 10_000
_AT_FIRST = 60.0

#: The stored objects, in whatever transfer syntax.
_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)


@cache
def _authorities() -> ssl.SSLContext:
    """Return the trusted certificates: read once, since that is slow."""
    return httpx.create_ssl_context(trust_env=False)


class WebSource:
    """A system that is queried by DICOMweb, by the base URL of its studies service.

    `authorization` is the header that is sent, to this system only.
    """

    def __init__(self, url: str, authorization: str = "") -> None:
        self._url = url.rstrip("/").removesuffix("/studies")
        #: As shown to people: accounts and reasons must not contain passwords.
        self._shown = without_password(self._url)
        self._http = httpx.Client(
            timeout=_TIMEOUT, follow_redirects=False, trust_env=False, verify=_authorities()
        )
        if authorization:
            self._http.headers["Authorization"] = authorization

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def studies(self) -> list[str]:
        return sorted(set(self._uids("studies", "0020000D", MOST_STUDIES)))

    def series(self, study_instance_uid: str, modality: str) -> list[ListedSeries]:
        found = self._matches(
            f"studies/{quote(study_instance_uid)}/series", {"Modality": modality}, MOST_FOUND
        )
        return [
            ListedSeries(study_instance_uid, uid)
            for match in found
            if is_tolerable(uid := _value(match, "0020000E")) and _value(match, "00080060") in ("", modality)
        ]

    def instances(self, series: ListedSeries) -> list[str]:
        return sorted(set(self._uids(f"{_path(series)}/instances", "00080018", MOST_FOUND)))

    def fetch(self, wanted: Wanted, taking: Taking, attempt: int = 0) -> None:
        for uid in wanted.instances:
            try:
                with self._http.stream(
                    "GET",
                    f"{self._url}/{_path(wanted.series)}/instances/{quote(uid)}",
                    headers={"Accept": _ACCEPT},
                ) as response:
                    if response.status_code == httpx.codes.OK:
                        self._take(response, taking, InStudy(wanted.series.study_instance_uid, uid))
                    else:
                        taking.problem = f"{self._shown} answers WADO-RS with status {response.status_code}"
            except httpx.HTTPError as error:
                raise SourceError(f"{self._shown} cannot be reached: {error}") from error

    def _take(self, response: httpx.Response, taking: Taking, expected: InStudy) -> None:
        said = response.headers.get("content-type", "")
        boundary = _BOUNDARY.search(said)
        if not said.lower().startswith("multipart/related") or boundary is None:
            taking.problem = f"{self._shown} answers WADO-RS with {said or 'no media type'}"
            return
        upload = None
        try:
            for piece in one_part(_in_time(response), boundary[1].encode()):
                upload = upload or taking.receiver.open(taking.origin, expected)
                upload.write(piece)
        except BaseException:
            if upload is not None:
                upload.break_off("The answer ended before the object was whole.")
            raise
        if upload is None:
            taking.problem = f"{self._shown} answers WADO-RS without an object"
        else:
            assert expected.sop_instance_uid is not None
            taking.add(expected.sop_instance_uid, upload.finish())

    def _uids(self, path: str, tag: str, most: int) -> Iterator[str]:
        for match in self._matches(path, {}, most):
            if is_tolerable(uid := _value(match, tag)):
                yield uid

    def _matches(self, path: str, keys: Mapping[str, str], most: int) -> Iterator[Any]:
        return counted(self._pages(path, keys), most)

    def _pages(self, path: str, keys: Mapping[str, str]) -> Iterator[Any]:
        """Yield all matches, page by page, until a page brings nothing new."""
        offset = 0
        seen: set[int] = set()
        while True:
            page = self._page(path, {**keys, "limit": str(_PAGE), "offset": str(offset)})
            new = [match for match in page if hash(repr(match)) not in seen]
            seen.update(hash(repr(match)) for match in new)
            yield from new
            # A system without paging returns the same page again.
            if len(page) < _PAGE or not new:
                return
            offset += len(page)

    def _page(self, path: str, keys: Mapping[str, str]) -> list[Any]:
        code, found = self.json(f"{self._url}/{path}", keys, "application/dicom+json")
        if code == httpx.codes.NO_CONTENT:
            return []
        if code != httpx.codes.OK or not isinstance(found, list):
            error = NotThereError if code == httpx.codes.NOT_FOUND else SourceError
            raise error(f"{self._shown} answers QIDO-RS with status {code}")
        return [match for match in found if isinstance(match, dict)]

    @property
    def beside(self) -> str:
        """The URL next to the DICOMweb service `…/dicomweb`, ending in `/`; empty if the service has another name."""
        base, slash, name = self._url.rpartition("/")
        return f"{base}/" if slash and name == "dicomweb" else ""

    def json(self, url: str, keys: Mapping[str, str], media_type: str) -> tuple[int, Any]:
        """Request JSON from this system. Return the status, and the content if it is JSON. Raises `SourceError`."""
        body = bytearray()
        try:
            with self._http.stream(
                "GET",
                url,
                params=dict(keys),
                headers={"Accept": media_type},
            ) as answer:
                for piece in _in_time(answer):
                    body += piece
                    if len(body) > _LONGEST_PAGE:
                        raise SourceError(f"{self._shown} answers with more than {_LONGEST_PAGE} bytes")
        except httpx.HTTPError as error:
            raise SourceError(f"{self._shown} cannot be reached: {error}") from error
        try:
            return answer.status_code, json.loads(body) if answer.status_code == httpx.codes.OK else None
        except (ValueError, RecursionError):
            return answer.status_code, None


def _in_time(response: httpx.Response) -> Iterator[bytes]:
    """Yield the pieces of a response as long as they arrive quickly enough. Raises `SourceError`."""
    began, came = time.monotonic(), 0
    for piece in response.iter_bytes(_CHUNK):
        came += len(piece)
        if (time.monotonic() - began - _AT_FIRST) * _SLOWEST > came:
            raise SourceError("The answer comes too slowly")
        yield piece


def without_password(url: str) -> str:
    """Return a URL without the user and password that it may have. Raises `ValueError`."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def one_part(pieces: Iterator[bytes], boundary: bytes) -> Iterator[bytes]:
    """Yield the content of the first part of a multipart body (RFC 2046 5.1). Memory is bounded by a piece."""
    end = b"\r\n--" + boundary
    head = b""
    for piece in pieces:
        head += piece
        if b"\r\n\r\n" in head:
            break
        if len(head) > _CHUNK * 2:
            return
    else:
        return
    kept = head.partition(b"\r\n\r\n")[2]
    while True:
        at = kept.find(end)
        if at >= 0:
            if kept[:at]:
                yield kept[:at]
            return
        out, kept = kept[: -len(end)], kept[-len(end) :]
        if out:
            yield out
        piece = next(pieces, b"")
        if not piece:
            # Without the end of the part, the object is incomplete.
            raise SourceError("The answer to WADO-RS ends before its object does")
        kept += piece


def _path(series: ListedSeries) -> str:
    return f"studies/{quote(series.study_instance_uid)}/series/{quote(series.series_instance_uid)}"


def _value(match: Mapping[str, Any], tag: str) -> str:
    element = match.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]) if isinstance(values, list) and values else ""
