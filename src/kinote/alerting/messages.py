"""Messages about alerts: fixed texts, times, numbers and names of staff; never of objects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from kinote.alerting.meanings import meaning_of
from kinote.catalog.schema.timestamps import timestamp

#: The most alerts listed in a message. Others are only counted.
MOST_LISTED = 100

_OR_MORE = " or more"


@dataclass(frozen=True, slots=True)
class Said:
    """An alert in a message. `times` is how often it has come since it was last reported."""

    alert: int
    code: str
    severity: str
    since: str
    number: str = ""
    cleared_at: str = ""
    state: str = ""
    times: int = 1

    @property
    def line(self) -> str:
        """A sentence for people."""
        meaning = meaning_of(self.code)
        number = f" There are {self.number}." if self.number else ""
        return f"{meaning.sentence}{number}"

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        meaning = meaning_of(self.code)
        return {
            "id": self.alert,
            "code": self.code,
            "severity": self.severity,
            "since": self.since,
            "cleared_at": self.cleared_at or None,
            "number": self.number or None,
            "times": self.times,
            "meaning": meaning.sentence,
            "remedy": meaning.remedy,
        }


def said_of(row: Any, *, state: str = "", times: int = 1) -> Said:
    """Return the message's part about a row of the table of alerts, without its sentence, which may name objects."""
    return Said(
        row.id,
        row.code,
        row.severity,
        row.since,
        row.subject if row.subject.endswith(_OR_MORE) else "",
        row.cleared_at,
        state,
        times,
    )


@dataclass(frozen=True, slots=True)
class Message:
    """A message. `delivery` is the same if it is sent again, so that receivers can recognize it."""

    event: Literal["alerts", "digest", "test"]
    delivery: str
    title: str
    lines: tuple[str, ...]
    content: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text for people."""
        return "\n".join((*self.lines, ""))

    def body(self, server: str, now: datetime) -> bytes:
        """Return the body for programs, in JSON."""
        said = {
            "event": self.event,
            "delivery": self.delivery,
            "server": server,
            "sent_at": timestamp(now),
            "title": self.title,
            **self.content,
        }
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def news(
    new: Sequence[Said],
    cleared: Sequence[Said],
    number_open: int,
    *,
    delivery: str,
    server: str,
    address: str,
) -> Message:
    """Return the message about alerts that are new and those that have ended."""
    parts = []
    if new:
        errors = sum(each.severity == "error" for each in new)
        parts.append(f"{_alerts(len(new))}{f', {errors} of them errors' if 0 < errors < len(new) else ''}")
    if cleared:
        parts.append(f"{len(cleared)} cleared")
    lines: list[str] = []
    for each in new[:MOST_LISTED]:
        lines += _lines(each)
    lines += _further(new)
    if cleared:
        lines += ["Cleared:", ""]
        lines += [
            f"- {each.line} ({each.code}, until {_moment(each.cleared_at)})" for each in cleared[:MOST_LISTED]
        ]
        lines += ["", *_further(cleared)]
    lines += _end(number_open, address)
    content = {
        "new": [each.as_json() for each in new[:MOST_LISTED]],
        "cleared": [each.as_json() for each in cleared[:MOST_LISTED]],
        "open": number_open,
        "address": f"{address}/alerts" if address else None,
    }
    return Message("alerts", delivery, f"Kinote on {server}: {', '.join(parts)}", tuple(lines), content)


def digest(
    open_now: Sequence[Said], cleared: Sequence[Said], *, delivery: str, server: str, address: str
) -> Message:
    """Return the daily message: all open alerts, and those that have ended since yesterday."""
    title = _alerts(len(open_now), "open") if open_now else "no alert is open"
    lines = []
    if open_now:
        for each in open_now[:MOST_LISTED]:
            lines += _lines(each)
        lines += _further(open_now)
    else:
        lines += ["No alert is open.", ""]
    if cleared:
        lines += ["Cleared in the last 24 hours:", ""]
        lines += [
            f"- {each.line} ({each.code}{f', {each.times} times' if each.times > 1 else ''})"
            for each in cleared[:MOST_LISTED]
        ]
        lines += ["", *_further(cleared)]
    lines += _end(len(open_now), address)
    content = {
        "open": [each.as_json() for each in open_now[:MOST_LISTED]],
        "cleared": [each.as_json() for each in cleared[:MOST_LISTED]],
    }
    return Message("digest", delivery, f"Kinote on {server}, daily: {title}", tuple(lines), content)


def trial(server: str, now: datetime) -> Message:
    """Return a test message."""
    lines = (
        "This is a test message of Kinote. Somebody has asked for it to see that alerts come by this way.",
        "Nothing is wrong.",
    )
    return Message("test", f"test-{timestamp(now)}", f"Kinote on {server}: test message", lines)


def delivery_id(channel: str, parts: Sequence[str]) -> str:
    """Return an identifier of a message that depends on its content."""
    return hashlib.sha256("\n".join((channel, *parts)).encode()).hexdigest()[:32]


def _lines(each: Said) -> list[str]:
    again = f", has come {each.times} times since the last message" if each.times > 1 else ""
    state = f", {each.state}" if each.state else ""
    return [
        f"{each.severity.upper()}: {each.line}",
        f"  What to do: {meaning_of(each.code).remedy}",
        f"  {each.code}, since {_moment(each.since)}{again}{state}",
        "",
    ]


def _further(said: Sequence[Said]) -> list[str]:
    return [f"And {len(said) - MOST_LISTED} more.", ""] if len(said) > MOST_LISTED else []


def _end(number_open: int, address: str) -> list[str]:
    where = f"{address}/alerts" if address else "Kinote, under Alerts, or `kinote alerts list`"
    return [
        f"Open now: {number_open}. See {where}.",
        "Messages of Kinote never name a patient. What an alert is about is said in Kinote only.",
    ]


def _alerts(count: int, kind: str = "new") -> str:
    return f"1 {kind} alert" if count == 1 else f"{count} {kind} alerts"


def _moment(stored: str) -> str:
    return f"{stored[:16].replace('T', ' ')} UTC"
