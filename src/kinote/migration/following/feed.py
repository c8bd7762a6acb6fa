"""The part about notes of the change feed of another Kinote (`GET /api/v1/changes`)."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from kinote.catalog.changes import Position
from kinote.dicom.values.uids import is_tolerable
from kinote.migration.fetching.source import SourceError
from kinote.migration.fetching.web_source import WebSource

_PAGE = 500

#: The kinds of change about notes, their documents and rejections. Arrivals of images are not requested.
_TELLING = ("note ", "rejection note ", "instance withdrawn", "instance restored")


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Studies with changes to notes, the position after these, and whether there is more."""

    studies: frozenset[str]
    position: str
    has_more: bool


def read_feed(source: WebSource, position: str) -> FeedPage:
    """Read a page of the feed after a position, or from its beginning. Raises `SourceError`.

    A feed that was reset by a restore is read from its beginning.
    """
    code, said = source.json(
        f"{source.beside}api/v1/changes", {"since": position, "limit": str(_PAGE)}, "application/json"
    )
    if code == HTTPStatus.GONE and position:
        return FeedPage(frozenset(), "", has_more=True)
    items = said.get("items") if isinstance(said, dict) else None
    if code != HTTPStatus.OK or not isinstance(items, list):
        raise SourceError(f"The change feed is answered with status {code}")
    studies = set()
    for each in items[:_PAGE]:
        if not isinstance(each, dict):
            raise SourceError("The change feed has something that is no change")
        kind, uid = str(each.get("kind")), each.get("study_instance_uid")
        position = _position(each.get("position"))
        if kind.startswith(_TELLING) and isinstance(uid, str) and is_tolerable(uid):
            studies.add(uid)
    return FeedPage(frozenset(studies), position, has_more=bool(items) and bool(said.get("next")))


def _position(written: object) -> str:
    try:
        return str(Position.parse(str(written)))
    except ValueError as error:
        raise SourceError(f"The change feed has a change without a position: {error}") from error
