"""`ETag` and `If-Match`: versions of what people change, so that nobody overwrites what they have not seen."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header

from kinote.web.problems import StaleVersionError, VersionRequiredError

IfMatch = Annotated[str | None, Header(description='The version last seen, e.g. `"2"`.')]

_VERSION = re.compile(r'"(\d{1,9})"')


def expected_version(if_match: str | None) -> int | None:
    """Return the version that If-Match names; None without the header or for `*`, which means any.

    A tag that is not ours is stale.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    found = _VERSION.fullmatch(if_match.strip())
    if found is None:
        raise StaleVersionError(f'If-Match: {if_match} names no version; it is a number in quotes, e.g. "2".')
    return int(found[1])


def required_version(if_match: str | None) -> int:
    """Return the version that If-Match names. Raises `VersionRequiredError` if it names none."""
    expected = expected_version(if_match)
    if expected is None:
        raise VersionRequiredError('Send If-Match with the version you have seen, e.g. If-Match: "2".')
    return expected
