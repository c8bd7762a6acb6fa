"""A withdrawal that was asked for, as JSON."""

from __future__ import annotations

from typing import Any

from kinote.lifecycle.second_person.requests import WithdrawalRequest
from kinote.security.actors import Actor


def request_as_json(one: WithdrawalRequest) -> dict[str, Any]:
    """Return it as lists have it."""
    return {
        "id": one.id,
        "state": str(one.state),
        "act": one.act,
        "text": one.text,
        "instances": one.instances,
        "asked": dict(one.asked),
        "asked_by": actor_as_json(one.asked_by),
        "asked_at": one.asked_at,
        "expires_at": one.expires_at,
        "decided_by": actor_as_json(one.decided_by),
        "decided_at": one.decided_at,
        "decided_because": one.decided_because,
        "withdrawal": one.withdrawal,
    }


def actor_as_json(actor: Actor | None) -> dict[str, str] | None:
    """Return an actor; null where none is recorded."""
    if actor is None:
        return None
    return {"kind": str(actor.kind), "name": actor.name, "address": actor.address}
