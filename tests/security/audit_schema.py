"""The rules of the schema of audit messages (PS3.15 A.5.1, RELAX NG), written out: what is where, and how often.

`faults` says what in a message is against them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

Check = Callable[[str], bool]


def _any(value: str) -> bool:
    return True


def _one_of(*values: str) -> Check:
    return lambda value: value in values


def _numbers(most: int) -> Check:
    return _one_of(*(str(each) for each in range(1, most + 1)))


def _date_time(value: str) -> bool:
    return "T" in value and datetime.fromisoformat(value).tzinfo is not None


def _base64(value: str) -> bool:
    try:
        base64.b64decode("".join(value.split()), validate=True)
    except binascii.Error:
        return False
    return True


_boolean = _one_of("true", "false", "1", "0")


def _integer(value: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]+", value.strip()) is not None


@dataclass(frozen=True)
class Rule:
    """An element: its attributes (those with `?` may be missing), and its children in order, with how often: one, `?`,
    `*` or `+`. Several names in one place, with `|`, are a choice. `text` checks what stands between the tags."""

    attributes: Mapping[str, Check] = field(default_factory=dict)
    children: tuple[tuple[str, str], ...] = ()
    text: Check | None = None


_CODED = {"csd-code": _any, "codeSystemName": _any, "displayName?": _any, "originalText": _any}
_code = Rule(_CODED)

RULES: Mapping[str, Rule] = {
    "AuditMessage": Rule(
        children=(
            ("EventIdentification", "1"),
            ("ActiveParticipant", "+"),
            ("AuditSourceIdentification", "1"),
            ("ParticipantObjectIdentification", "*"),
        )
    ),
    "EventIdentification": Rule(
        {
            "EventActionCode?": _one_of("C", "R", "U", "D", "E"),
            "EventDateTime": _date_time,
            "EventOutcomeIndicator": _one_of("0", "4", "8", "12"),
        },
        (("EventID", "1"), ("EventTypeCode", "*"), ("EventOutcomeDescription", "?")),
    ),
    "EventID": _code,
    "EventTypeCode": _code,
    "EventOutcomeDescription": Rule(text=_any),
    "ActiveParticipant": Rule(
        {
            "UserID": _any,
            "AlternativeUserID?": _any,
            "UserName?": _any,
            "UserIsRequestor": _boolean,
            "NetworkAccessPointID?": _any,
            "NetworkAccessPointTypeCode?": _numbers(5),
        },
        (("RoleIDCode", "*"), ("MediaIdentifier", "?")),
    ),
    "RoleIDCode": _code,
    "MediaIdentifier": Rule(children=(("MediaType", "1"),)),
    "MediaType": _code,
    "AuditSourceIdentification": Rule(
        {"AuditEnterpriseSiteID?": _any, "AuditSourceID": _any}, (("AuditSourceTypeCode", "*"),)
    ),
    # A digit by itself, or a code of a scheme.
    "AuditSourceTypeCode": Rule(
        {"csd-code": _any, "codeSystemName?": _any, "displayName?": _any, "originalText?": _any}
    ),
    "ParticipantObjectIdentification": Rule(
        {
            "ParticipantObjectID": _any,
            "ParticipantObjectTypeCode?": _numbers(4),
            "ParticipantObjectTypeCodeRole?": _numbers(26),
            "ParticipantObjectDataLifeCycle?": _numbers(15),
            "ParticipantObjectSensitivity?": _any,
        },
        (
            ("ParticipantObjectIDTypeCode", "1"),
            ("ParticipantObjectName|ParticipantObjectQuery", "1"),
            ("ParticipantObjectDetail", "*"),
            ("ParticipantObjectDescription", "*"),
        ),
    ),
    "ParticipantObjectIDTypeCode": _code,
    "ParticipantObjectName": Rule(text=_any),
    "ParticipantObjectQuery": Rule(text=_base64),
    "ParticipantObjectDetail": Rule({"type": _any, "value": _base64}),
    "ParticipantObjectDescription": Rule(
        children=(
            ("MPPS", "*"),
            ("Accession", "*"),
            ("SOPClass", "*"),
            ("ParticipantObjectContainsStudy", "?"),
            ("Encrypted", "?"),
            ("Anonymized", "?"),
        )
    ),
    "MPPS": Rule({"UID": _any}),
    "Accession": Rule({"Number": _any}),
    "SOPClass": Rule({"UID?": _any, "NumberOfInstances": _integer}, (("Instance", "*"),)),
    "Instance": Rule({"UID": _any}),
    "ParticipantObjectContainsStudy": Rule(children=(("StudyIDs", "*"),)),
    "StudyIDs": Rule({"UID": _any}),
    "Encrypted": Rule(text=_boolean),
    "Anonymized": Rule(text=_boolean),
}


def faults(message: bytes) -> list[str]:
    """Return what in a message is against the schema."""
    root = ElementTree.fromstring(message)
    if root.tag != "AuditMessage":
        return [f"the message is a {root.tag}"]
    return list(_faults(root))


def _faults(element: Element) -> Iterator[str]:
    rule = RULES.get(element.tag)
    if rule is None:
        yield f"there is no {element.tag}"
        return
    yield from _faults_of_attributes(element, rule)
    text = element.text or ""
    if rule.text is None and text.strip():
        yield f"{element.tag} has text"
    elif rule.text is not None and not rule.text(text):
        yield f"{element.tag} says {text!r}"
    yield from _faults_of_children(element, rule)
    for child in element:
        if (child.tail or "").strip():
            yield f"{element.tag} has text"
        yield from _faults(child)


def _faults_of_attributes(element: Element, rule: Rule) -> Iterator[str]:
    allowed = {name.rstrip("?"): check for name, check in rule.attributes.items()}
    needed = {name for name in rule.attributes if not name.endswith("?")}
    for name in needed - set(element.attrib):
        yield f"{element.tag} lacks {name}"
    for name, value in element.attrib.items():
        if name not in allowed:
            yield f"{element.tag} has {name}"
        elif not allowed[name](value):
            yield f"{name} of {element.tag} is {value!r}"


def _faults_of_children(element: Element, rule: Rule) -> Iterator[str]:
    left = [child.tag for child in element]
    for names, often in rule.children:
        number = 0
        while left and left[0] in names.split("|"):
            left.pop(0)
            number += 1
        if (often in "1+" and number == 0) or (often in "1?" and number > 1):
            yield f"{element.tag} has {number} {names}"
    if left:
        yield f"{element.tag} has {left[0]} there"
