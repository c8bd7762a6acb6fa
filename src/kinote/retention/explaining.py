"""Explains whether retention keeps an instance or may evict it, and by which rule."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import retention_eviction
from kinote.holdings.removing.evicting import takes_room
from kinote.lifecycle.archives.evidence import archives_keeping
from kinote.retention.planning.looking_again import deciding_rules, reasons_to_stay
from kinote.retention.rules.sets import current_rules


def retention_sentences(connection: Connection, sop_instance_uid: str, now: datetime) -> list[str]:
    """Return whether the bytes of a live instance stay in the cache, and why; nothing for other instances."""
    of = live_instance.c.sop_instance_uid == sop_instance_uid
    key = connection.execute(select(live_instance.c.id).where(of)).scalar_one_or_none()
    if key is None:
        return []
    if connection.execute(select(live_instance.c.id).where(of, *takes_room(live_instance))).first() is None:
        return _evicted(connection, key) or ["It takes no room in the cache: retention never evicts it."]
    stored = current_rules(connection)
    rule = deciding_rules(connection, [key], stored, now).get(key)
    by = f"the rule {rule!r} decides about it" if rule else "no rule matches it"
    if not archives_keeping(connection, [key], now):
        return [f"Its bytes stay in the cache: no archive that is relied upon has committed to them; {by}."]
    kept = reasons_to_stay(connection, [key], stored, planned_by=stored.id, now=now).get(key)
    if kept:
        return [f"Its bytes stay in the cache. {kept}"]
    share = next((each.share for each in stored.rules.rules if each.name == rule), None)
    beyond = ", as far as it is beyond the share that the rule keeps" if share is not None else ""
    return [f"It may be evicted when room is needed{beyond}: an archive has committed to it, and {by}."]


def _evicted(connection: Connection, key: int) -> list[str]:
    row = connection.execute(
        select(retention_eviction)
        .where(
            retention_eviction.c.instance == key,
            retention_eviction.c.outcome == "evicted",
            retention_eviction.c.recalled_at == "",
        )
        .order_by(retention_eviction.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return []
    by = f"by the rule {row.rule!r}" if row.rule else "by no rule: none matched it"
    return [
        f"Its bytes were evicted at {row.at} by the plan {row.plan}, {by}. They are recalled when it is read."
    ]
