"""What entries of the audit trail are called in audit messages (PS3.15 A.5.3, PS3.16 CID 400 to 403)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kinote.security.audit.entry import AuditEvent


class Code(NamedTuple):
    """A coded value: code, coding scheme, meaning."""

    value: str
    scheme: str
    meaning: str


class AuditedEvent(NamedTuple):
    """The identification of an event: its ID, its type, and what is done: create, read, update, delete or execute."""

    event: Code
    type: Code | None
    action: str


def _dcm(value: str, meaning: str) -> Code:
    return Code(value, "DCM", meaning)


_INSTANCES_ACCESSED = _dcm("110103", "DICOM Instances Accessed")
_INSTANCES_TRANSFERRED = _dcm("110104", "DICOM Instances Transferred")
_SECURITY_ALERT = _dcm("110113", "Security Alert")
_USER_AUTHENTICATION = _dcm("110114", "User Authentication")

#: What DICOM has no type for: an own code, as CID 403 allows.
_TRAIL_REMOVED = Code("trail-removed", "99KINOTE", "Audit Trail Removed By Its Rule")

EVENTS: Mapping[AuditEvent, AuditedEvent] = {
    AuditEvent.SIGN_IN: AuditedEvent(_USER_AUTHENTICATION, _dcm("110122", "Login"), "E"),
    AuditEvent.SIGN_OUT: AuditedEvent(_USER_AUTHENTICATION, _dcm("110123", "Logout"), "E"),
    AuditEvent.REFUSED: AuditedEvent(_SECURITY_ALERT, _dcm("110132", "Use of Restricted Function"), "E"),
    AuditEvent.READ: AuditedEvent(_INSTANCES_ACCESSED, None, "R"),
    AuditEvent.QUERY: AuditedEvent(_dcm("110112", "Query"), None, "E"),
    AuditEvent.STORED: AuditedEvent(_INSTANCES_TRANSFERRED, None, "C"),
    AuditEvent.MARKED: AuditedEvent(_INSTANCES_ACCESSED, None, "C"),
    # Of a part of a study, or of all: the trail does not tell, and a part is what is certain.
    AuditEvent.WITHDRAWN: AuditedEvent(_INSTANCES_ACCESSED, None, "D"),
    AuditEvent.RESTORED: AuditedEvent(_INSTANCES_ACCESSED, None, "U"),
    AuditEvent.DECIDED: AuditedEvent(_INSTANCES_ACCESSED, None, "U"),
    AuditEvent.DELIVERED: AuditedEvent(_INSTANCES_TRANSFERRED, None, "R"),
    AuditEvent.PURGED: AuditedEvent(_INSTANCES_ACCESSED, None, "D"),
    AuditEvent.CONFIGURED: AuditedEvent(_SECURITY_ALERT, _dcm("110131", "Software Configuration"), "E"),
    AuditEvent.USERS_CHANGED: AuditedEvent(
        _SECURITY_ALERT, _dcm("110137", "User Security Attributes Changed"), "E"
    ),
    AuditEvent.TRAIL_READ: AuditedEvent(_dcm("110101", "Audit Log Used"), None, "R"),
    AuditEvent.TRAIL_REMOVED: AuditedEvent(_SECURITY_ALERT, _TRAIL_REMOVED, "E"),
}

#: An event of a later version, whose entry is still worth sending.
OTHER = AuditedEvent(_SECURITY_ALERT, Code("other", "99KINOTE", "Other Event"), "E")

#: Nominal success, minor failure, serious failure (A.5.1).
OUTCOMES: Mapping[str, str] = {"success": "0", "refused": "4", "failure": "8"}

#: Roles of participants (CID 402) where objects go from one system to another.
SOURCE, DESTINATION = _dcm("110153", "Source Role ID"), _dcm("110152", "Destination Role ID")
APPLICATION = _dcm("110150", "Application")

#: What identifies an object of a message (CID 404, and A.5.1.2.4).
STUDY_INSTANCE_UID = _dcm("110180", "Study Instance UID")
SOP_CLASS_UID = _dcm("110181", "SOP Class UID")
PATIENT_NUMBER = Code("2", "RFC-3881", "Patient Number")
URI = Code("12", "RFC-3881", "URI")
