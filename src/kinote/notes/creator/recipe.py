"""Everything that the bytes of a KOS made here depend on besides its note version, stored with its row (law 11)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from kinote.keyobject.codes import Code
from kinote.keyobject.model import DocumentContext, InstanceReference, RequestReference
from kinote.keyobject.writer import WRITER_VERSION

_NAMES = tuple(field.name for field in fields(DocumentContext))
_REQUEST_NAMES = tuple(field.name for field in fields(RequestReference))
_PROCEDURE_CODE = "requested_procedure_code"


def made_from_text(context: DocumentContext, states: Sequence[InstanceReference]) -> str:
    """Return the header and the presentation states of a document as JSON, without empty fields."""
    envelope: dict[str, object] = {
        name: value for name in _NAMES if (value := getattr(context, name)) not in ("", ())
    }
    if context.requests:
        envelope["requests"] = [_request_values(request) for request in context.requests]
    if context.identical_documents:
        envelope["identical_documents"] = [_listed(other) for other in context.identical_documents]
    made_from: dict[str, object] = {"writer": WRITER_VERSION, "context": envelope}
    if states:
        made_from["presentation_states"] = [_listed(state) for state in states]
    return json.dumps(made_from, ensure_ascii=False, separators=(",", ":"))


def writer_version(stored: str) -> int:
    """Return the version of the writer that makes the bytes (`kinote.keyobject.writer.encoder`)."""
    version: int = json.loads(stored)["writer"]
    return version


def made_from(stored: str) -> tuple[DocumentContext, dict[str, InstanceReference]]:
    """Undo `made_from_text`; the presentation states are by UID."""
    parsed: dict[str, Any] = json.loads(stored)
    envelope = parsed["context"]
    envelope["requests"] = tuple(map(_request, envelope.get("requests", ())))
    envelope["identical_documents"] = tuple(
        InstanceReference(*item) for item in envelope.get("identical_documents", ())
    )
    states = [InstanceReference(*item) for item in parsed.get("presentation_states", ())]
    return DocumentContext(**envelope), {state.sop_instance_uid: state for state in states}


def _request_values(request: RequestReference) -> dict[str, object]:
    values = {name: value for name in _REQUEST_NAMES if (value := getattr(request, name))}
    if request.requested_procedure_code:
        values[_PROCEDURE_CODE] = request.requested_procedure_code.texts
    return values


def _request(values: dict[str, Any]) -> RequestReference:
    code = values.pop(_PROCEDURE_CODE, None)
    return RequestReference(**values, requested_procedure_code=Code(*code) if code else None)


def _listed(reference: InstanceReference) -> tuple[str, str, str, str]:
    return (
        reference.study_instance_uid,
        reference.series_instance_uid,
        reference.sop_class_uid,
        reference.sop_instance_uid,
    )
