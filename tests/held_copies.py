"""Held copies in tests of something else."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from kinote.lifecycle.copies.choices import Choice
from kinote.lifecycle.held import HeldSelection
from kinote.notes.copies.deciding import Decision, decide
from kinote.security.actors import Actor


def discard(transaction: Connection, key: int, by: Actor, now: datetime) -> Decision:
    """Keep the first copy, and discard a held one."""
    selected = HeldSelection(held=(key,))
    return decide(transaction, selected, Choice.KEEP_FIRST, text="Sent twice", by=by, now=now)
