"""Times in parameters of the REST API."""

from __future__ import annotations

from kinote.catalog.schema.timestamps import asked_timestamp
from kinote.web.problems import FieldError, RefusedContentError


def moment_of(parameter: str, written: str) -> str:
    """Return a time in the form of columns; empty if none is given. Raises `RefusedContentError` if it is invalid."""
    if not written:
        return ""
    try:
        return asked_timestamp(written)
    except ValueError:
        message = "is no moment in ISO 8601."
        raise RefusedContentError(
            f"{parameter}: {message}", errors=[FieldError(parameter, message)]
        ) from None
