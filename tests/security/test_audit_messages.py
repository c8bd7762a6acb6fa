"""Audit messages (PS3.15 A.5): made of every entry, valid by the schema, and each sent once, whatever happens."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import audit_chunk, audit_entry
from kinote.catalog.transactions.catalog import Catalog
from kinote.dimse.transport.tls import TlsOptions
from kinote.security.actors import KINOTE, Actor, ActorKind, IdentifiedActor
from kinote.security.audit.entry import AuditEvent, Concerned, Entry
from kinote.security.audit.keeping import remove_old
from kinote.security.audit.trail import AuditTrail
from kinote.security.audit_messages import sending
from kinote.security.audit_messages.message import AuditSource, audit_message
from kinote.security.audit_messages.sending import AuditSending
from kinote.security.audit_messages.syslog import SyslogError, SyslogOptions, framed
from tests.security.audit_schema import faults

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SOURCE = AuditSource("kinote-1", "Hospital", "archive.example", 4711)
OPTIONS = SyslogOptions("127.0.0.1", 6514, TlsOptions())
PERSON = Actor(ActorKind.PERSON, "rhea", "10.1.2.3")
HOSTILE = '</AuditMessage><x a="&#0;">\ud800\x00\x1b]0;\n<![CDATA[ \u202e ]]> %n$(id) ' + "é" * 300


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Taking:
    """A syslog server that takes groups, or loses some after it has read them."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.is_away = False
        self.forgets_to_say = 0

    def __call__(self, group: Sequence[bytes], options: SyslogOptions) -> None:
        if self.is_away:
            raise SyslogError("it is away")
        self.taken += group
        if self.forgets_to_say:
            self.forgets_to_say -= 1
            raise SyslogError("it took them, and did not say so")

    def subjects(self) -> list[int]:
        """The numbers of the notes that the messages are about, in order."""
        found = []
        for each in self.taken:
            root = ElementTree.fromstring(each[each.index(b"<?xml") :])
            details = {
                one.get("type"): base64.b64decode(one.get("value", "")).decode()
                for one in root.iter("ParticipantObjectDetail")
            }
            found.append(int(details["subject"].removeprefix("note ")))
        return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trail(catalog: Catalog, clock: Clock) -> Iterator[AuditTrail]:
    opened = AuditTrail(catalog, clock)
    yield opened
    opened.close()


def written(catalog: Catalog, trail: AuditTrail, *entries: Entry) -> list[Any]:
    """The rows of entries."""
    catalog.write(lambda transaction: trail.write(transaction, entries, NOW))
    with catalog.read() as connection:
        return list(connection.execute(select(audit_entry).order_by(audit_entry.c.id)).all())[-len(entries) :]


def marked(*numbers: int) -> list[Entry]:
    return [Entry(AuditEvent.MARKED, PERSON, concerned=Concerned(subject=f"note {each}")) for each in numbers]


def entries() -> list[Entry]:
    """Entries of every event, by everybody, with and without everything."""
    actors = (
        PERSON,
        Actor(ActorKind.PEER, "CT1", "10.1.2.4"),
        KINOTE,
        IdentifiedActor(ActorKind.PEER, "", "::1"),
    )
    concerned = (
        Concerned(),
        Concerned(study="1.2.3"),
        Concerned(subject="withdrawal 7"),
        Concerned(study=HOSTILE.translate({0xD800: None, 0: None}), subject=HOSTILE),
    )
    details: tuple[dict[str, str | int], ...] = (
        {},
        {"service": "C-FIND", "query": "PatientName=Doe^Jane", "peer": "STATION", "number": 3},
        {"destination": "ARCHIVE", "reason": HOSTILE, "path": HOSTILE},
    )
    found = []
    for event in AuditEvent:
        for actor in actors:
            for about in concerned:
                found += [Entry(event, actor, "success", about, detail) for detail in details]
        found.append(Entry(event, replace(PERSON, name=HOSTILE), "failure", Concerned(), {}))
        found.append(Entry(event, PERSON, "refused", Concerned(study="1.2.3"), {}))
    return found


def test_the_message_of_every_entry_is_valid(catalog: Catalog, trail: AuditTrail) -> None:
    made = entries()
    for row in written(catalog, trail, *made):
        message = audit_message(row, SOURCE)
        assert faults(message) == []
        assert b"\n" not in message
        assert b"\x00" not in message
        assert len(message) < 32_768


def test_a_message_says_who_did_what_when_with_whose_study(catalog: Catalog, trail: AuditTrail) -> None:
    entry = Entry(
        AuditEvent.QUERY, PERSON, detail={"service": "C-FIND", "query": "PatientID=4711", "peer": "STATION"}
    )
    read = Entry(AuditEvent.READ, PERSON, concerned=Concerned(study="1.2.3"))
    query_row, read_row = written(catalog, trail, entry, read)
    query = ElementTree.fromstring(audit_message(query_row, SOURCE))
    asked = query.findtext(".//ParticipantObjectQuery") or ""
    assert base64.b64decode(asked) == b"PatientID=4711"
    doing, kinote = query.findall("ActiveParticipant")
    assert doing.attrib == {
        "UserID": "rhea",
        "UserIsRequestor": "true",
        "AlternativeUserID": "AETITLES=STATION",
        "NetworkAccessPointID": "10.1.2.3",
        "NetworkAccessPointTypeCode": "2",
    }
    assert (kinote.get("UserID"), kinote.get("UserIsRequestor")) == ("kinote-1", "false")
    seen = ElementTree.fromstring(audit_message(read_row, SOURCE))
    event = seen.find("EventIdentification")
    assert event is not None
    assert event.attrib == {
        "EventActionCode": "R",
        "EventDateTime": "2026-11-30T12:00:00.000000+00:00",
        "EventOutcomeIndicator": "0",
    }
    assert [each.get("ParticipantObjectID") for each in seen.iter("ParticipantObjectIdentification")] == [
        "1.2.3"
    ]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (b"EventOutcomeIndicator", b"Outcome"),
        (b'EventOutcomeIndicator="0"', b'EventOutcomeIndicator="1"'),
        (b"<ActiveParticipant", b"<Participant"),
        (b'AuditSourceID="kinote-1"', b""),
        (b' originalText="Login"', b""),
        (b'EventDateTime="2026-11-30T12:00:00.000000+00:00"', b'EventDateTime="2026-11-30T12:00:00"'),
        (b'UserIsRequestor="true"', b'UserIsRequestor="yes"'),
    ],
    ids=["missing", "another value", "unknown", "source", "meaning", "time", "boolean"],
)
def test_breach_a_message_that_is_not_valid_is_noticed(
    catalog: Catalog, trail: AuditTrail, wrong: bytes, right: bytes
) -> None:
    (row,) = written(catalog, trail, Entry(AuditEvent.SIGN_IN, PERSON))
    message = audit_message(row, SOURCE)
    assert wrong in message
    changed = message.replace(wrong, right)
    if b"<Participant" in changed:
        changed = changed.replace(b"</ActiveParticipant", b"</Participant")
    assert faults(changed) != []


def test_a_syslog_message_has_its_length_priority_and_id(catalog: Catalog, trail: AuditTrail) -> None:
    (row,) = written(catalog, trail, Entry(AuditEvent.SIGN_IN, PERSON))
    whole = framed(audit_message(row, SOURCE), row.at, replace(SOURCE, host="a b\nc"))
    length, _, rest = whole.partition(b" ")
    assert int(length) == len(rest)
    head = b"<85>1 2026-11-30T12:00:00.000000+00:00 abc kinote 4711 DICOM+RFC3881 - \xef\xbb\xbf<?xml"
    assert rest.startswith(head)


def test_every_entry_is_sent_once_in_order_while_the_server_comes_and_goes(
    catalog: Catalog, trail: AuditTrail, clock: Clock
) -> None:
    server = Taking()
    sender = AuditSending(catalog, clock, OPTIONS, SOURCE, send=server)
    written(catalog, trail, *marked(1, 2, 3))
    # What is not sealed yet has no place in the order.
    sender.step("a")
    assert server.subjects() == []
    trail.seal()
    sender.step("a")
    assert server.subjects() == [1, 2, 3]
    server.is_away = True
    written(catalog, trail, *marked(4, 5))
    trail.seal()
    sender.step("a")
    assert (server.subjects(), sender.trouble()) == ([1, 2, 3], None)
    clock.now += timedelta(minutes=6)
    assert sender.trouble() is not None
    # Another process goes on where this one was.
    server.is_away = False
    AuditSending(catalog, clock, OPTIONS, SOURCE, send=server).step("a")
    assert server.subjects() == [1, 2, 3, 4, 5]
    sender.step("a")
    assert server.subjects() == [1, 2, 3, 4, 5]


def test_after_a_fault_no_more_than_one_group_comes_twice(
    catalog: Catalog, trail: AuditTrail, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending.entries_after, "__defaults__", (2,))
    server = Taking()
    sender = AuditSending(catalog, clock, OPTIONS, SOURCE, send=server)
    written(catalog, trail, *marked(1, 2, 3, 4, 5))
    trail.seal()
    server.forgets_to_say = 1
    sender.step("a")
    sender.step("a")
    assert server.subjects() == [1, 2, 1, 2, 3, 4, 5]


def test_what_was_not_sent_is_kept_whatever_the_rule_says(
    catalog: Catalog, trail: AuditTrail, clock: Clock
) -> None:
    server = Taking()
    sender = AuditSending(catalog, clock, OPTIONS, SOURCE, send=server)
    later = NOW + timedelta(days=400)

    def left() -> int:
        catalog.write(lambda tx: remove_old(tx, later, later, keep_from=sending.unsent_from(tx)))
        with catalog.read() as connection:
            kept = select(audit_chunk.c.id).where(audit_chunk.c.removed_at == "")
            return len(connection.execute(kept).all())

    for number in (1, 2):
        written(catalog, trail, *marked(number))
        trail.seal()
    assert left() == 2
    sender.step("a")
    # The last chunk may not be all of it yet.
    assert left() == 1
    assert server.subjects() == [1, 2]


def test_a_follower_that_ends_leaves_its_turn(catalog: Catalog, trail: AuditTrail, clock: Clock) -> None:
    server = Taking()
    sender = AuditSending(catalog, clock, OPTIONS, SOURCE, send=server)
    written(catalog, trail, *marked(1))
    trail.seal()
    sender.step("a")
    sender.close("a")
    written(catalog, trail, *marked(2))
    trail.seal()
    sender.step("a")
    assert server.subjects() == [1]
    AuditSending(catalog, clock, OPTIONS, SOURCE, send=server).step("b")
    assert server.subjects() == [1, 2]
