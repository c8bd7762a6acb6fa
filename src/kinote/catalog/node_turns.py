"""Work in the background that one node at a time does, and how far it has come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.nodes import living_nodes
from kinote.catalog.schema.tables import node_turn
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects


@dataclass(slots=True)
class NodeTurn:
    """The work of this name is this node's. It goes on at `position`; `ended_at` is the end of the last round."""

    name: str
    node: str
    position: str = ""
    counted: dict[str, int] = field(default_factory=dict)
    begun_at: str = ""
    ended_at: str = ""


def found_turn(connection: Connection, name: str) -> NodeTurn | None:
    """Return how far some work has come; None if it was never begun."""
    row = connection.execute(select(node_turn).where(node_turn.c.name == name)).one_or_none()
    if row is None:
        return None
    return NodeTurn(row.name, row.node, row.position, json.loads(row.counted), row.begun_at, row.ended_at)


def take_turn(transaction: Connection, name: str, node: str, now: datetime) -> NodeTurn | None:
    """Assign some work to a node. None if another living node has it."""
    # If two nodes try at once, the second sees the first.
    dialects.lock_names(transaction, [f"kinote {name}"])
    found = found_turn(transaction, name)
    if found is None:
        transaction.execute(node_turn.insert(), {"name": name, "node": node, "begun_at": timestamp(now)})
        return NodeTurn(name, node, begun_at=timestamp(now))
    if found.node not in ("", node) and found.node in {each.id for each in living_nodes(transaction, now)}:
        return None
    transaction.execute(node_turn.update().where(node_turn.c.name == name).values(node=node))
    found.node = node
    return found


def keep_turn(transaction: Connection, turn: NodeTurn, *, node_after: str) -> bool:
    """Write how far some work has come, and its node from now on; return False if another node has taken it."""
    values: Mapping[str, str] = {
        "node": node_after,
        "position": turn.position,
        "counted": json.dumps(turn.counted),
        "begun_at": turn.begun_at,
        "ended_at": turn.ended_at,
    }
    changed = transaction.execute(
        node_turn.update()
        .where(node_turn.c.name == turn.name, node_turn.c.node == turn.node)
        .values(**values)
    )
    return changed.rowcount == 1
