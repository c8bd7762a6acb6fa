"""The response to a store request (PS3.18 10.5.3, Annex I): the outcome for each instance, and the status."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from kinote.intake.outcome import OUT_OF_RESOURCES, Outcome
from kinote.web.dicomweb.addresses import Addresses

_Json = dict[str, Any]


def store_status(outcomes: Sequence[Outcome]) -> int:
    """Return the status for the whole request (PS3.18 Table 10.5.3-1).

    If nothing was stored: 503 for lack of space, 400 if no instance could be identified, else 409.
    """
    stored = [outcome for outcome in outcomes if outcome.succeeded]
    if len(stored) == len(outcomes) and not any(outcome.warning for outcome in outcomes):
        return HTTPStatus.OK
    if stored:
        return HTTPStatus.ACCEPTED
    if all(outcome.status == OUT_OF_RESOURCES for outcome in outcomes):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if not any(outcome.sop_instance_uid for outcome in outcomes):
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.CONFLICT


def store_response(outcomes: Sequence[Outcome], addresses: Addresses) -> _Json:
    """Return the store response module (PS3.18 Table I.1-1) in DICOM JSON."""
    stored = [_referenced(outcome, addresses) for outcome in outcomes if outcome.succeeded]
    refused = [outcome for outcome in outcomes if not outcome.succeeded]
    failed = [
        _named(outcome) | {"00081197": _us(outcome.status)} for outcome in refused if outcome.sop_instance_uid
    ]
    # Instances that could not be identified (PS3.18 I.1, Other Failures Sequence).
    unnamed = [{"00081197": _us(outcome.status)} for outcome in refused if not outcome.sop_instance_uid]
    response: _Json = {}
    studies = {outcome.study_instance_uid for outcome in outcomes if outcome.succeeded}
    if len(studies) == 1:
        response["00081190"] = _ur(addresses.study(studies.pop()))
    for tag, items in (("00081198", failed), ("00081199", stored), ("0008119A", unnamed)):
        if items:
            response[tag] = {"vr": "SQ", "Value": items}
    return response


def refusals(outcomes: Sequence[Outcome]) -> str:
    """Return the distinct reasons for refusals in one line, for the Warning header; empty if there are none."""
    reasons = dict.fromkeys(outcome.reason for outcome in outcomes if not outcome.succeeded)
    return "; ".join(list(reasons)[:5])


def _referenced(outcome: Outcome, addresses: Addresses) -> _Json:
    item = _named(outcome) | {
        "00081190": _ur(
            addresses.instance(
                outcome.study_instance_uid, outcome.series_instance_uid, outcome.sop_instance_uid
            )
        )
    }
    return item | {"00081196": _us(outcome.warning)} if outcome.warning else item


def _named(outcome: Outcome) -> _Json:
    return {
        "00081150": {"vr": "UI", "Value": [outcome.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [outcome.sop_instance_uid]},
    }


def _us(value: int) -> _Json:
    return {"vr": "US", "Value": [value]}


def _ur(value: str) -> _Json:
    return {"vr": "UR", "Value": [value]}
