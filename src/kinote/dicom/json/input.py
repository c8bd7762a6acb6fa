"""Data sets from DICOM JSON (PS3.18 annex F), as STOW-RS takes them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from kinote.dicom.elements.errors import MalformedError, TooDeepError

_DEEPEST = 100


class UnknownBulkError(LookupError):
    """A BulkDataURI for which no bytes came."""


def data_sets_from_json(text: bytes) -> list[Mapping[str, Any]]:
    """The objects of an `application/dicom+json` body: an array of them, or one."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"The body is no JSON: {error}", 0) from error
    objects = body if isinstance(body, list) else [body]
    if not all(isinstance(one, dict) for one in objects):
        raise MalformedError("The body is no array of DICOM JSON objects", 0)
    return objects


def from_json(attributes: Mapping[str, Any], bulk: Callable[[str], bytes]) -> bytes:
    """The data set of a DICOM JSON object in Explicit VR Little Endian, its text in UTF-8.

    `bulk` gives the bytes of a BulkDataURI or raises `UnknownBulkError`. Raises `MalformedError` naming
    what is no DICOM JSON, and `TooDeepError`.
    """
    _check_depth(attributes)
    try:
        dataset = Dataset.from_json(dict(attributes), lambda tag, vr, uri: bulk(uri))
        dataset.SpecificCharacterSet = "ISO_IR 192"
        buffer = io.BytesIO()
        pydicom.dcmwrite(
            buffer,
            dataset,
            implicit_vr=False,
            little_endian=True,
            force_encoding=True,
            enforce_file_format=False,
        )
    except UnknownBulkError as error:
        raise MalformedError(f"No bytes came for the bulk value {error}", 0) from error
    except Exception as error:
        # pydicom raises whatever the wrong type of a value happens to cause.
        raise MalformedError(f"The object is no DICOM JSON: {type(error).__name__}: {error}", 0) from error
    return buffer.getvalue()


def _check_depth(attributes: Mapping[str, Any]) -> None:
    below: list[Any] = [attributes]
    for _ in range(_DEEPEST):
        below = [
            item
            for level in below
            if isinstance(level, dict)
            for attribute in level.values()
            if isinstance(attribute, dict) and isinstance(attribute.get("Value"), list)
            for item in attribute["Value"]
            if isinstance(item, dict)
        ]
        if not below:
            return
    raise TooDeepError(f"Sequences are nested deeper than {_DEEPEST} levels", 0)
