"""Translates a C-FIND identifier into a query of the index (PS3.4 C.4.1.2, C.4.1.3)."""

from __future__ import annotations

from kinote.catalog.columns.attributes import PATIENT_ATTRIBUTES, SERIES_ATTRIBUTES, STUDY_ATTRIBUTES
from kinote.catalog.queries.conditions import InvalidKeyError
from kinote.catalog.queries.matching import Query, ignored_keys
from kinote.catalog.queries.matching_keys import Level
from kinote.catalog.queries.patients import PATIENT_COUNTS
from kinote.catalog.queries.removed import asks_for_removed
from kinote.dicom.dictionary import tags
from kinote.dimse.information_models import InformationModel, QueryLevel
from kinote.lifecycle.withdrawals.reasons import reasons_for_removal
from kinote.scp.queries.identifier_error import IdentifierError, Refusal
from kinote.scp.queries.identifiers import Identifier
from kinote.scp.queries.query_options import QueryOptions

#: Attributes kept only for studies, or only for series: no instance header has them.
_OF_STUDIES = (
    tags.MODALITIES_IN_STUDY,
    tags.SOP_CLASSES_IN_STUDY,
    tags.NUMBER_OF_STUDY_RELATED_SERIES,
    tags.NUMBER_OF_STUDY_RELATED_INSTANCES,
)
_OF_SERIES = (tags.NUMBER_OF_SERIES_RELATED_INSTANCES,)
_OF_ANY = (
    tags.INSTANCE_AVAILABILITY,
    tags.REMOVED_FROM_OPERATIONAL_USE,
    tags.REASON_FOR_REMOVAL_CODE_SEQUENCE,
)
_IN_NO_HEADER = frozenset({*_OF_STUDIES, *_OF_SERIES, *PATIENT_COUNTS, tags.RETRIEVE_URL})

#: The attributes that answers above the instance level can have.
_SUPPORTED = {
    QueryLevel.PATIENT: frozenset({*PATIENT_ATTRIBUTES, *PATIENT_COUNTS}),
    QueryLevel.STUDY: frozenset({*STUDY_ATTRIBUTES, *_OF_STUDIES, *_OF_ANY}),
    QueryLevel.SERIES: frozenset({*STUDY_ATTRIBUTES, *SERIES_ATTRIBUTES, *_OF_SERIES, *_OF_ANY}),
}

#: The level of the index that answers each level. Patients are answered through their studies.
_LEVELS = {
    QueryLevel.PATIENT: Level.STUDY,
    QueryLevel.STUDY: Level.STUDY,
    QueryLevel.SERIES: Level.SERIES,
    QueryLevel.IMAGE: Level.INSTANCE,
}


def query_of(
    identifier: Identifier, model: InformationModel, options: QueryOptions, *, may_examine: bool = False
) -> Query:
    """Return the query for all matches. Withdrawn instances are found only for callers with `may_examine`.

    Raises `IdentifierError` if the identifier does not fit the model, or is not permitted.
    """
    check_level(identifier, model)
    removed = identifier.level is not QueryLevel.PATIENT and _asks_for_removed(identifier)
    if removed and not may_examine:
        why = "Removed objects: not without the right 'examine'"
        raise IdentifierError(Refusal.UNABLE_TO_PROCESS, why, (tags.REMOVED_FROM_OPERATIONAL_USE,))
    if not options.relational:
        _check_keys_above(identifier, model)
    return Query(
        level=_LEVELS[identifier.level],
        keys=identifier.keys,
        include=frozenset((tag,) for tag in identifier.wanted),
        limit=None,
        fuzzy=options.fuzzy,
        combined=options.combined,
        removed=reasons_for_removal if removed else None,
    )


def _asks_for_removed(identifier: Identifier) -> bool:
    try:
        return asks_for_removed(identifier.keys)
    except InvalidKeyError as error:
        raise IdentifierError(Refusal.DOES_NOT_MATCH_SOP_CLASS, str(error), (error.path[-1],)) from error


def check_level(identifier: Identifier, model: InformationModel) -> None:
    """Refuse a level that the information model does not have."""
    if identifier.level not in model.levels:
        known = ", ".join(level.name for level in model.levels)
        raise IdentifierError(
            Refusal.DOES_NOT_MATCH_SOP_CLASS,
            f"(0008,0052) {identifier.level.name}: {model.name} has {known}",
            (tags.QUERY_RETRIEVE_LEVEL,),
        )


def _check_keys_above(identifier: Identifier, model: InformationModel) -> None:
    """Require the unique keys of the levels above in queries that are not relational (C.4.1.2.1).

    An SCU shows the answers under the patient, study or series at which its user is. If it sends an empty key, as for a
    patient without an ID, it would show other patients' data there. This is refused.

    Accepted without the key above:

    - A UID of the level itself, or of one in between: it is unambiguous.
    - Studies without a patient, by date or name: this is common usage.
    - A key within a sequence: only key objects have these, to find notes by title or text.
    - A list or pattern above: each answer states where it belongs.
    - Other keys of other levels: they narrow down the result.
    """
    given = [path for path, value in identifier.keys.items() if value.strip(" *")]
    if any(len(path) > 1 for path in given):
        return
    for level in reversed((*model.above(identifier.level), identifier.level)):
        named = identifier.keys.get((level.unique_key,), "").strip(" *")
        if named and level is not QueryLevel.PATIENT:
            return
        if level is QueryLevel.PATIENT and given:
            return
        if not named and level < identifier.level:
            tag = level.unique_key
            raise IdentifierError(
                Refusal.DOES_NOT_MATCH_SOP_CLASS,
                f"({tag >> 16:04X},{tag & 0xFFFF:04X}) of {level.name} level is needed for {identifier.level.name}",
                (tag,),
            )


def supports(level: QueryLevel, tag: int) -> bool:
    """Return whether answers of a level can have the attribute (C.2.2.1.3: supported for existence).

    For an instance, the header is available, including private attributes that it holds.
    """
    known = _SUPPORTED.get(level)
    return tag not in _IN_NO_HEADER if known is None else tag in known


def is_fully_supported(identifier: Identifier, query: Query) -> bool:
    """Return whether all keys are supported for existence, and those with a value for matching (C.4.1.1.4)."""
    return not ignored_keys(query) and all(supports(identifier.level, tag) for tag in identifier.wanted)
