"""When deliveries go out to a destination: its hours, and its planned downtime."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, time

from kinote.peers.destination import Policy
from kinote.peers.refusals import Fault

_HOURS = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)")


def held_because(policy: Policy, now: datetime) -> str:
    """Return why nothing goes out now, as a sentence; empty if something does. `now` has a time zone."""
    begins, ends = _moment(policy.downtime_from), _moment(policy.downtime_until)
    if begins is not None and ends is not None and begins <= now < ends:
        why = f": {policy.downtime_why.rstrip('.')}" if policy.downtime_why else ""
        return f"The destination has a planned downtime until {policy.downtime_until}{why}."
    hours = _hours(policy.hours)
    if hours is not None and not _is_within(now.astimezone().time(), *hours):
        return f"Deliveries to this destination go out from {policy.hours.replace('-', ' to ')}."
    return ""


def faults_of_times(policy: Policy) -> Iterator[Fault]:
    """Return what is wrong with the hours and the downtime of a policy."""
    if policy.hours and _hours(policy.hours) is None:
        yield Fault("policy.hours", "Two different times of the day as HH:MM-HH:MM, or nothing for any time.")
    moments = {}
    for name in ("downtime_from", "downtime_until"):
        written = getattr(policy, name)
        moments[name] = _moment(written)
        if written and moments[name] is None:
            yield Fault(f"policy.{name}", "A moment with its offset, such as 2026-12-24T18:00:00+01:00.")
    if bool(policy.downtime_from) != bool(policy.downtime_until):
        missing = "downtime_until" if policy.downtime_from else "downtime_from"
        yield Fault(f"policy.{missing}", "A downtime has a begin and an end: give both, or neither.")
    begins, ends = moments["downtime_from"], moments["downtime_until"]
    if begins is not None and ends is not None and begins >= ends:
        yield Fault("policy.downtime_until", "A downtime ends after it begins.")
    if policy.downtime_why and not policy.downtime_from:
        yield Fault("policy.downtime_why", "There is no downtime: give downtime_from and downtime_until.")


def _moment(written: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _hours(written: str) -> tuple[time, time] | None:
    found = _HOURS.fullmatch(written)
    if found is None:
        return None
    try:
        begins, ends = (time.fromisoformat(each) for each in found.groups())
    except ValueError:
        return None
    return (begins, ends) if begins != ends else None


def _is_within(now: time, begins: time, ends: time) -> bool:
    """Return whether a time of the day is in hours, which may go over midnight."""
    return begins <= now < ends if begins < ends else now >= begins or now < ends
