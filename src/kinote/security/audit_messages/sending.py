"""Following the audit trail: every entry is sent once it is sealed, in the order of the chain.

The trail itself is the spool: entries that were not sent stay, however long the syslog server is away, even those that
are older than the rule of keeping. One node at a time sends. Where it has come is a row, written after each group.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Connection, select, tuple_

from kinote.catalog.node_turns import NodeTurn, found_turn, keep_turn, take_turn
from kinote.catalog.schema.tables import audit_entry
from kinote.catalog.transactions.catalog import Catalog
from kinote.security.audit_messages.message import AuditSource, audit_message
from kinote.security.audit_messages.syslog import SyslogError, SyslogOptions, framed, send_group
from kinote.telemetry.clock import Clock
from kinote.telemetry.registry import REGISTRY

log = logging.getLogger(__name__)

#: The name of this work among those that one node at a time does.
TURN = "audit-messages"

#: Messages of one group, which may come twice after a fault.
MOST = 500

#: Seconds between two looks, and after a group that was not taken.
_EVERY, _AFTER_FAILURE = 5.0, 20.0

#: For how long nothing may be taken before people are told.
_TOLD_AFTER = timedelta(minutes=5)

_SENT = Counter(
    "kinote_audit_messages_sent",
    "Audit messages that a syslog server has taken.",
    registry=REGISTRY,
)


class AuditSending:
    """Sends the entries of the audit trail as audit messages. `ending` is set when the server ends."""

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        options: SyslogOptions,
        source: AuditSource,
        *,
        send: Callable[[Sequence[bytes], SyslogOptions], None] = send_group,
    ) -> None:
        self.ending = threading.Event()
        self._catalog = catalog
        self._clock = clock
        self._options = options
        self._source = source
        self._send = send
        self._failing_since: datetime | None = None
        self._why = ""

    def trouble(self) -> str | None:
        """Return what is wrong, if the syslog server has taken nothing for some minutes."""
        since = self._failing_since
        return self._why if since is not None and self._clock() - since >= _TOLD_AFTER else None

    def step(self, node: str) -> float:
        """Send what is there, if this node has the turn; return the seconds until the next look."""
        turn = self._catalog.write(lambda tx: take_turn(tx, TURN, node, self._clock()))
        while turn is not None and not self.ending.is_set():
            position = position_of(turn)
            with self._catalog.read() as connection:
                rows = entries_after(connection, position)
            if not rows:
                break
            group = [framed(audit_message(row, self._source), row.at, self._source) for row in rows]
            try:
                self._send(group, self._options)
            except SyslogError as error:
                self._failed(str(error))
                return _AFTER_FAILURE
            self._succeeded(len(rows))
            turn.position = f"{rows[-1].chunk}:{rows[-1].id}"
            if not self._keep(turn, node):
                break
        return _EVERY

    def close(self, node: str) -> None:
        """Leave the turn to others."""
        self.ending.set()
        turn = self._catalog.write(lambda tx: take_turn(tx, TURN, node, self._clock()))
        if turn is not None:
            self._keep(turn, "")

    def _keep(self, turn: NodeTurn, node_after: str) -> bool:
        return self._catalog.write(lambda tx: keep_turn(tx, turn, node_after=node_after))

    def _failed(self, why: str) -> None:
        if self._failing_since is None:
            self._failing_since = self._clock()
            log.warning("%s They wait until it does.", why)
        self._why = why

    def _succeeded(self, number: int) -> None:
        if self._failing_since is not None:
            log.info("Audit messages are taken again")
        self._failing_since, self._why = None, ""
        _SENT.inc(number)


def position_of(turn: NodeTurn) -> tuple[int, int]:
    """Return the chunk and the number of the last entry that was sent; zeros for none."""
    chunk, _, entry = turn.position.partition(":")
    return (int(chunk), int(entry)) if chunk else (0, 0)


def entries_after(connection: Connection, position: tuple[int, int], limit: int = MOST) -> Sequence[Any]:
    """Return the entries that follow one in the order of the chain."""
    order = tuple_(audit_entry.c.chunk, audit_entry.c.id)
    query = select(audit_entry).where(audit_entry.c.chunk >= position[0], order > position)
    return connection.execute(query.order_by(audit_entry.c.chunk, audit_entry.c.id).limit(limit)).all()


def unsent_from(connection: Connection) -> int:
    """Return the first chunk of which entries may not have been sent."""
    turn = found_turn(connection, TURN)
    return 0 if turn is None else position_of(turn)[0]
