"""The one rule that tells whether two instances belong to different patients (docs/terms.md, *patient*)."""

from __future__ import annotations

from typing import Any, overload

from sqlalchemy import ColumnElement


@overload
def are_different(first: tuple[str, str], second: tuple[str, str]) -> bool: ...


@overload
def are_different(
    first: tuple[ColumnElement[str], ColumnElement[str]],
    second: tuple[ColumnElement[str], ColumnElement[str]],
) -> ColumnElement[bool]: ...


def are_different(first: tuple[Any, Any], second: tuple[Any, Any]) -> Any:
    """Return whether two patients, each given as Patient ID and issuer, are certainly different persons.

    They are if both have a Patient ID, both IDs have the same issuer, and the IDs differ. A patient without an ID,
    or with an ID of another issuer, may be the same person. Merges must be applied before.

    Parameters
    ----------
    first, second
        Patient ID and issuer in their normal form, empty if absent; or the columns that hold these.

    Returns
    -------
    bool or ColumnElement[bool]
        The answer for values; the condition for columns.
    """
    (first_id, first_issuer), (second_id, second_issuer) = first, second
    both_have_one = (first_id != "") & (second_id != "")
    return both_have_one & (first_issuer == second_issuer) & (first_id != second_id)
