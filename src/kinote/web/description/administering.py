"""The shapes of responses about holds, backups, the journal and alerts, and of what was removed.

As in `shapes`, they are only used for the description.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from kinote.holdings.journal.comparing import Difference
from kinote.lifecycle.holds.lists import Kept
from kinote.security.actors import Actor
from kinote.web.description.looking_after import Alert
from kinote.web.description.shapes import Page


class HeldPatient(BaseModel):
    """A patient that a hold is on."""

    patient_id: str
    issuer: str


class Hold(BaseModel):
    """A hold: its object, reason, start and end."""

    id: int
    kind: Literal["legal", "research", "teaching"]
    on: str
    study: str | None
    patient: HeldPatient | None
    note: int | None
    reason: str
    placed_at: str
    placed_by: str | None
    until: str | None
    in_force: bool
    ended_at: str | None
    ended_by: str | None
    ended_because: str | None


class WholeHold(Hold):
    """A hold with what it keeps now."""

    keeps: Kept


class Backup(BaseModel):
    """A backup, and its progress."""

    id: int
    state: Literal["running", "good", "failed"]
    begun_at: str
    ended_at: str | None
    asked_by: str | None
    folder: str | None
    reason: str | None
    step: str | None
    done: int
    total: int
    bytes: int
    log_bytes: int


class Backups(Page[Backup]):
    """A page of backups, with the last one that was made whole."""

    last_good: Backup | None
    warning: str | None


class OpenAlerts(BaseModel):
    """How many alerts are open, by their state."""

    new: int
    acknowledged: int
    snoozed: int


class Alerts(Page[Alert]):
    """A page of alerts, and how many are open."""

    numbers: OpenAlerts


class TestMessage(BaseModel):
    """The outcome of a test message by one channel."""

    channel: str
    sent: bool
    sentence: str


class RemovedCount(BaseModel):
    """The withdrawals of an act by somebody, and the instances that they named."""

    act: str
    sentence: str
    by: Actor | None
    withdrawals: int
    instances: int


ADMINISTERING: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/retention/holds"): Page[Hold],
    ("post", "/api/v1/retention/holds"): WholeHold,
    ("get", "/api/v1/retention/holds/{hold_id}"): WholeHold,
    ("delete", "/api/v1/retention/holds/{hold_id}"): WholeHold,
    ("get", "/api/v1/backups"): Backups,
    ("get", "/api/v1/backups/{backup_id}"): Backup,
    ("post", "/api/v1/backups"): Backup,
    ("get", "/api/v1/journal"): Page[Difference],
    ("get", "/api/v1/alerts"): Alerts,
    ("post", "/api/v1/alerts/test"): Page[TestMessage],
    ("post", "/api/v1/alerts/{alert_id}/own"): Alert,
    ("get", "/api/v1/withdrawals/summary"): Page[RemovedCount],
}
