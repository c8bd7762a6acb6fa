"""One entry of the audit trail as an audit message (PS3.15 A.5.1). An entry concerns one patient, and so does its
message."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from kinote.security.audit.entry import AuditEvent
from kinote.security.audit_messages.codes import (
    APPLICATION,
    DESTINATION,
    EVENTS,
    OTHER,
    OUTCOMES,
    PATIENT_NUMBER,
    SOP_CLASS_UID,
    SOURCE,
    STUDY_INSTANCE_UID,
    URI,
    AuditedEvent,
    Code,
)

#: What a character of XML cannot be (XML 1.0, 2.2), and lone surrogates.
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

#: Study Root Query/Retrieve Information Model - FIND: what C-FIND and QIDO-RS search.
_QUERIED = "1.2.840.10008.5.1.4.1.2.2.1"

#: Events in which somebody gives objects to Kinote, or gets some from it.
_COMES, _GOES = AuditEvent.STORED, AuditEvent.DELIVERED


@dataclass(frozen=True, slots=True)
class AuditSource:
    """Who reports: the ID of this Kinote, its site (may be empty), the name of the host, and the process."""

    id: str
    site: str
    host: str
    process: int


def audit_message(row: Any, source: AuditSource) -> bytes:
    """Return the message of a row of `audit_entry`: XML in UTF-8, in one line."""
    known = row.event in set(AuditEvent)
    event = AuditEvent(row.event) if known else None
    identified = EVENTS[event] if event is not None else OTHER
    detail: Mapping[str, str | int] = json.loads(row.detail)
    message = Element("AuditMessage")
    _identify(message, row, _as_done(event, identified, detail))
    _participants(message, row, event, source, detail)
    reporting = SubElement(message, "AuditSourceIdentification", {"AuditSourceID": _text(source.id)})
    if source.site:
        reporting.set("AuditEnterpriseSiteID", _text(source.site))
    # An application server (A.5.1.2.1).
    SubElement(reporting, "AuditSourceTypeCode", {"csd-code": "4"})
    _objects(message, row, event, detail)
    encoded: bytes = ElementTree.tostring(message, encoding="UTF-8", xml_declaration=True)
    # The declaration is followed by a line feed, and syslog servers take each line for a message, or escape it.
    return encoded.replace(b"?>\n", b"?>", 1)


def _as_done(
    event: AuditEvent | None, identified: AuditedEvent, detail: Mapping[str, str | int]
) -> AuditedEvent:
    """Return the event with its action: a revised note is updated, and a new one created."""
    if event is AuditEvent.MARKED and detail.get("method") == "PUT":
        return identified._replace(action="U")
    return identified


def _identify(message: Element, row: Any, identified: AuditedEvent) -> None:
    attributes = {
        "EventActionCode": identified.action,
        "EventDateTime": row.at,
        "EventOutcomeIndicator": OUTCOMES.get(row.outcome, "8"),
    }
    identification = SubElement(message, "EventIdentification", attributes)
    _coded(identification, "EventID", identified.event)
    if identified.type is not None:
        _coded(identification, "EventTypeCode", identified.type)


def _participants(
    message: Element, row: Any, event: AuditEvent | None, source: AuditSource, detail: Mapping[str, str | int]
) -> None:
    """Add who did it, and Kinote; where something goes to another system, that one too."""
    is_own = row.by_kind == "server"
    if not is_own:
        attributes = {"UserID": _text(row.by_name or row.by_address or "unknown"), "UserIsRequestor": "true"}
        by_peer = str(detail.get("peer", ""))
        if row.by_kind == "peer":
            attributes["AlternativeUserID"] = f"AETITLES={_text(row.by_name)}"
        elif by_peer:
            attributes["AlternativeUserID"] = f"AETITLES={_text(by_peer)}"
        doing = SubElement(message, "ActiveParticipant", attributes)
        if row.by_address:
            doing.set("NetworkAccessPointID", _text(row.by_address))
            doing.set("NetworkAccessPointTypeCode", "2" if _is_address(row.by_address) else "1")
        if event is _COMES:
            _coded(doing, "RoleIDCode", SOURCE)
    attributes = {
        "UserID": _text(source.id),
        "AlternativeUserID": str(source.process),
        "UserIsRequestor": "true" if is_own else "false",
        "NetworkAccessPointID": _text(source.host),
        "NetworkAccessPointTypeCode": "2" if _is_address(source.host) else "1",
    }
    kinote = SubElement(message, "ActiveParticipant", attributes)
    _coded(
        kinote, "RoleIDCode", DESTINATION if event is _COMES else SOURCE if event is _GOES else APPLICATION
    )
    destination = detail.get("destination")
    if event is _GOES and destination:
        attributes = {"UserID": _text(str(destination)), "UserIsRequestor": "false"}
        _coded(SubElement(message, "ActiveParticipant", attributes), "RoleIDCode", DESTINATION)


def _objects(message: Element, row: Any, event: AuditEvent | None, detail: Mapping[str, str | int]) -> None:
    """Add what it was done with: the study and its patient, what was searched for, or what else is named."""
    pairs = {**({"subject": row.subject} if row.subject else {}), **detail}
    if event is AuditEvent.QUERY:
        asked = str(detail.get("query", ""))
        query = _object(message, _QUERIED, SOP_CLASS_UID, "2", "3")
        SubElement(query, "ParticipantObjectQuery").text = _base64(asked)
        _details(query, pairs)
    elif row.study_instance_uid:
        study = _object(message, row.study_instance_uid, STUDY_INSTANCE_UID, "2", "3")
        SubElement(study, "ParticipantObjectName").text = "study"
        _details(study, pairs)
    elif event in (AuditEvent.TRAIL_READ, AuditEvent.TRAIL_REMOVED):
        trail = _object(message, "/api/v1/audit", URI, "2", "13")
        SubElement(trail, "ParticipantObjectName").text = "Security Audit Log"
        _details(trail, pairs)
    elif pairs:
        named = str(detail.get("path") or row.subject or detail.get("service") or row.event)
        other = _object(message, named, URI, "2", "13")
        SubElement(other, "ParticipantObjectName").text = _text(row.subject or row.event)
        _details(other, pairs)
    if row.patient_id:
        patient = _object(message, row.patient_id, PATIENT_NUMBER, "1", "1")
        SubElement(patient, "ParticipantObjectName").text = "patient"


def _object(message: Element, key: str, kind: Code, type_code: str, role: str) -> Element:
    attributes = {
        "ParticipantObjectID": _text(key),
        "ParticipantObjectTypeCode": type_code,
        "ParticipantObjectTypeCodeRole": role,
    }
    found = SubElement(message, "ParticipantObjectIdentification", attributes)
    _coded(found, "ParticipantObjectIDTypeCode", kind)
    return found


def _details(found: Element, pairs: Mapping[str, str | int]) -> None:
    for name, value in sorted(pairs.items()):
        attributes = {"type": _text(name), "value": _base64(str(value))}
        SubElement(found, "ParticipantObjectDetail", attributes)


def _coded(parent: Element, name: str, code: Code) -> None:
    attributes = {"csd-code": code.value, "codeSystemName": code.scheme, "originalText": code.meaning}
    SubElement(parent, name, attributes)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")


def _text(text: str) -> str:
    return _NO_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
