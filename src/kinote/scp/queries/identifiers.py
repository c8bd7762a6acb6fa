"""The identifier of a query or retrieval (PS3.4 C.4.1.1.3.1): its level, its keys, and the attributes to return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kinote.catalog.queries.matching_keys import TagPath
from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.value_representations import implicit_vr
from kinote.dicom.elements.dataset import DataSet, scan
from kinote.dicom.elements.errors import DicomError, TooDeepError, TooLargeError
from kinote.dicom.elements.limits import Limits
from kinote.dicom.json.to_elements import Wanted
from kinote.dimse.information_models import QueryLevel
from kinote.scp.queries.identifier_error import IdentifierError, Refusal

#: Limits for an identifier. Real ones have some KB; the largest are lists of thousands of UIDs.
LIMITS = Limits(
    depth=8,
    elements=20_000,
    root_elements=5_000,
    header_bytes=2 * 1024 * 1024,
    bulk_binary=1 << 62,
    bulk_text=1 << 62,
    inflated_bytes=2 * 1024 * 1024,
    inflation_ratio=1,
)

#: The most values in all lists, and in one text: databases accept no more in a condition.
_MOST_VALUES = 10_000
#: The most alternatives of texts, which may have wildcards, and the most characters of each of their keys.
_MOST_TEXTS, _LONGEST_TEXT = 200, 1024

#: VRs of which long lists are looked up by equality.
_PLAIN = frozenset({"UI", "IS", "US"})

#: Elements of an identifier that are not keys.
_NO_KEYS = frozenset(
    {
        tags.SPECIFIC_CHARACTER_SET,
        tags.QUERY_RETRIEVE_LEVEL,
        tags.QUERY_RETRIEVE_VIEW,
        tags.RETRIEVE_AE_TITLE,
        tags.DATA_SET_TRAILING_PADDING,
    }
)


@dataclass(frozen=True, slots=True)
class Identifier:
    """The content of a request: the level, keys with a value by their path, and all attributes requested.

    `character_set` holds the terms of its Specific Character Set. `representations` holds the VRs of the outermost
    attributes, as sent or from the dictionary.
    """

    level: QueryLevel
    keys: Mapping[TagPath, str] = field(default_factory=dict)
    wanted: Wanted = field(default_factory=dict)
    character_set: tuple[str, ...] = ()
    representations: Mapping[int, str] = field(default_factory=dict)


def read_identifier(data: bytes, transfer_syntax_uid: str) -> Identifier:
    """Read the data set of a request. Raises only `IdentifierError`."""
    try:
        dataset = scan(data, transfer_syntax_uid, LIMITS)
    except (TooLargeError, TooDeepError) as error:
        raise IdentifierError(Refusal.OUT_OF_RESOURCES, str(error), error.path[::2][-1:]) from error
    except DicomError as error:
        raise IdentifierError(Refusal.UNABLE_TO_PROCESS, str(error), error.path[::2][-1:]) from error
    level = _level(dataset)
    keys: dict[TagPath, str] = {}
    wanted = _attributes(dataset, (), keys)
    _check_size(keys)
    return Identifier(
        level,
        keys,
        wanted,
        dataset.character_set.terms if tags.SPECIFIC_CHARACTER_SET in dataset else (),
        {tag: dataset.vr(tag) or "UN" for tag in wanted},
    )


def _level(dataset: DataSet) -> QueryLevel:
    written = (dataset.text(tags.QUERY_RETRIEVE_LEVEL) or "").strip().upper()
    try:
        return QueryLevel[written]
    except KeyError:
        what = f"is {written[:16]!r}, not" if written else "is missing; give"
        raise IdentifierError(
            Refusal.DOES_NOT_MATCH_SOP_CLASS,
            f"(0008,0052) {what} PATIENT, STUDY, SERIES or IMAGE",
            (tags.QUERY_RETRIEVE_LEVEL,),
        ) from None


def _attributes(dataset: DataSet, path: TagPath, keys: dict[TagPath, str]) -> dict[int, Wanted | None]:
    """Return the attributes that a level requests. Those with a value are added to `keys`."""
    wanted: dict[int, Wanted | None] = {}
    for tag in _named(dataset):
        if dataset.vr(tag) == "SQ":
            wanted[tag] = _item(dataset, (*path, tag), keys)
            continue
        wanted[tag] = None
        value = dataset.text(tag)
        if value and value.strip():
            keys[(*path, tag)] = value
    return wanted


def _named(dataset: DataSet) -> Iterator[int]:
    for tag in dataset:
        # Excluded: group lengths (retired), elements of commands and files, and those that describe the data set.
        if tag & 0xFFFF and tag >> 16 > 0x0002 and tag not in _NO_KEYS:
            yield tag


def _item(dataset: DataSet, path: TagPath, keys: dict[TagPath, str]) -> Wanted | None:
    """Return what a sequence requests of its items (C.2.2.2.6): everything, if it is empty or its item is empty."""
    items = dataset.items(path[-1])
    if len(items) > 1:
        raise IdentifierError(
            Refusal.DOES_NOT_MATCH_SOP_CLASS,
            f"({path[-1] >> 16:04X},{path[-1] & 0xFFFF:04X}) has {len(items)} items; a key has one",
            (path[-1],),
        )
    return (_attributes(items[0], path, keys) or None) if items else None


def _check_size(keys: Mapping[TagPath, str]) -> None:
    """Refuse keys that would make a condition too large for a database."""
    total = 0
    for path, value in keys.items():
        separators = value.count("\\") + value.count(",")
        total += separators + 1
        is_plain = implicit_vr(path[-1]) in _PLAIN
        if total <= _MOST_VALUES and (is_plain or (separators < _MOST_TEXTS and len(value) <= _LONGEST_TEXT)):
            continue
        raise IdentifierError(
            Refusal.OUT_OF_RESOURCES,
            f"({path[-1] >> 16:04X},{path[-1] & 0xFFFF:04X}) is too long; ask in several queries",
            (path[-1],),
        )
