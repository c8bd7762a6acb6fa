"""QIDO-RS (PS3.18 10.6): queries by study, series and instance, answered from the index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from kinote.catalog.columns.attribute_lines import line
from kinote.catalog.instances.headers import Derived
from kinote.catalog.queries.answers import Answer
from kinote.catalog.queries.matching import ALL, PAGE, Query, ignored_keys, pages, search
from kinote.catalog.queries.matching_keys import Level, TagPath, UnknownAttributeError, path_of
from kinote.catalog.queries.removed import asks_for_removed
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.value_representations import implicit_vr
from kinote.lifecycle.withdrawals.reasons import reasons_for_removal
from kinote.security.rights import Right
from kinote.web.bodies.response_body import iterated
from kinote.web.bodies.warning_header import warning
from kinote.web.dicomweb.addresses import Addresses
from kinote.web.dicomweb.retrieving.metadata import json_media_type, with_absolute_bulk
from kinote.web.problems import BadRequestError
from kinote.web.requests.actor import actor_of
from kinote.web.rooms import rooms_of

#: Responses up to this size, in bytes, are produced at once.
_AT_ONCE = 1024 * 1024

#: Parameters with a meaning of their own (PS3.18 8.3.4). All others are matching keys.
_OWN = frozenset({"includefield", "limit", "offset", "fuzzymatching", "accept", "charset"})


async def search_studies(request: Request) -> Response:
    """Serve `GET /studies`."""
    return await _search(request, Level.STUDY)


async def search_series(request: Request) -> Response:
    """Serve `GET /series` and `/studies/{study}/series`."""
    return await _search(request, Level.SERIES)


async def search_instances(request: Request) -> Response:
    """Serve `GET /instances`, of all, of a study, or of a series."""
    return await _search(request, Level.INSTANCE)


async def _search(request: Request, level: Level) -> Response:
    media_type = json_media_type(request)
    query, unknown = _query(request, level)
    query = _permitted(request, query)
    unknown += [".".join(f"{tag:08X}" for tag in path) for path in ignored_keys(query)]
    headers = {"Cache-Control": "private, no-store"}
    if unknown:
        headers["Warning"] = warning(f"Ignored, as not supported: {', '.join(unknown)}")
    rooms = rooms_of(request)
    long = _is_long(query)
    return await iterated(
        _array(_matches(rooms.catalog, query, rooms.door.derived), Addresses(request)),
        rooms.threads.streams if long else rooms.threads.reads,
        media_type=media_type,
        headers=headers,
        at_once=_AT_ONCE,
        holding=rooms.threads.long_reads if long else None,
    )


def _query(request: Request, level: Level) -> tuple[Query, list[str]]:
    """Return the query, and the unknown parameters."""
    parameters = request.query_params
    include, unknown = _include(parameters)
    keys: dict[TagPath, str] = {}
    for name in parameters:
        if name in _OWN:
            continue
        try:
            path = path_of(name)
        except UnknownAttributeError:
            unknown.append(name)
            continue
        keys[path] = "\\".join(parameters.getlist(name))
    query = Query(
        level=level,
        study_instance_uid=request.path_params.get("study"),
        series_instance_uid=request.path_params.get("series"),
        keys=keys,
        include=include,
        limit=_whole(parameters, "limit"),
        offset=_whole(parameters, "offset") or 0,
        fuzzy=_truth(parameters, "fuzzymatching"),
    )
    return query, unknown


def _permitted(request: Request, query: Query) -> Query:
    """Return the query that its actor may make. Raises `NotAllowedError` for removed objects without the right to
    them.
    """
    if not asks_for_removed(query.keys):
        return query
    rooms_of(request).policy.require(actor_of(request), Right.EXAMINE)
    return replace(query, removed=reasons_for_removal)


def _include(parameters: QueryParams) -> tuple[frozenset[TagPath], list[str]]:
    names = [
        name.strip()
        for value in parameters.getlist("includefield")
        for name in value.split(",")
        if name.strip()
    ]
    if "all" in names:
        return ALL, []
    paths = set()
    unknown = []
    for name in names:
        try:
            paths.add(path_of(name))
        except UnknownAttributeError:
            unknown.append(f"includefield={name}")
    return frozenset(paths), unknown


def _whole(parameters: QueryParams, name: str) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadRequestError(f"{name}: {text!r} is no whole number.")
    return int(text)


def _truth(parameters: QueryParams, name: str) -> bool:
    text = parameters.get(name, "false").lower()
    if text not in ("true", "false"):
        raise BadRequestError(f"{name}: {text!r} is neither true nor false.")
    return text == "true"


def _is_long(query: Query) -> bool:
    return query.limit is None or query.limit > PAGE


def _matches(catalog: Catalog, query: Query, derived: Derived) -> Iterator[Answer]:
    """Yield all matches, from one connection and so from one snapshot of the index."""
    with catalog.read() as connection:
        for page in (
            pages(connection, query, derived) if _is_long(query) else [search(connection, query, derived)]
        ):
            yield from page


def _array(matches: Iterator[Answer], addresses: Addresses) -> Iterator[bytes]:
    opening = b"["
    for match in matches:
        yield opening
        yield _json(match, addresses)
        opening = b",\n"
    yield b"[]" if opening == b"[" else b"]"


def _json(match: Answer, addresses: Addresses) -> bytes:
    study, series, instance = match.study_instance_uid, match.series_instance_uid, match.sop_instance_uid
    match = _without_empty(match)
    if series is None:
        return match.json(addresses.study(study)).encode()
    if instance is None:
        return match.json(addresses.series(study, series)).encode()
    body = match.json(addresses.instance(study, series, instance)).encode()
    return with_absolute_bulk(body, addresses.bulk_data(study, series, instance))


#: Attributes that must have a value if present (Type 1 and 1C in PS3.3, and what Kinote adds), as lines without one.
#: Clients rely on it: OHIF shows no study at all if one has an empty Modalities in Study.
_NEVER_EMPTY = frozenset(
    line(tag, implicit_vr(tag))
    for tag in (
        tags.SOP_CLASS_UID,
        tags.SOP_INSTANCE_UID,
        tags.MODALITY,
        tags.MODALITIES_IN_STUDY,
        tags.SOP_CLASSES_IN_STUDY,
        tags.INSTANCE_AVAILABILITY,
        tags.STUDY_INSTANCE_UID,
        tags.SERIES_INSTANCE_UID,
        tags.NUMBER_OF_FRAMES,
        tags.ROWS,
        tags.COLUMNS,
        tags.BITS_ALLOCATED,
    )
)


def _without_empty(match: Answer) -> Answer:
    """Remove attributes without a value that must have one if present."""
    if _NEVER_EMPTY.isdisjoint(match.lines):
        return match
    return replace(match, lines=tuple([each for each in match.lines if each not in _NEVER_EMPTY]))
