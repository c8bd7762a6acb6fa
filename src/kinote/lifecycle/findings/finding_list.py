"""Live objects with findings, for the administrator's list."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import finding, key_object, study

#: The slightest first.
SEVERITIES = ("info", "warning", "error")


def found_objects(
    connection: Connection, severity: str, *, before: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Return a page of objects with findings of at least this severity, and where the next page begins."""
    severities = SEVERITIES[SEVERITIES.index(severity) :]
    query = (
        select(finding.c.instance)
        .join(live_instance, live_instance.c.id == finding.c.instance)
        .where(finding.c.severity.in_(severities))
        .distinct()
    )
    if before is not None:
        query = query.where(finding.c.instance < before)
    keys = list(connection.execute(query.order_by(finding.c.instance.desc()).limit(limit + 1)).scalars())
    following = keys[limit - 1] if len(keys) > limit else None
    keys = keys[:limit]
    objects: dict[int, dict[str, Any]] = {}
    for row in connection.execute(
        select(
            live_instance.c.id,
            live_instance.c.sop_instance_uid,
            study.c.study_instance_uid,
            key_object.c.registration,
        )
        .join(study, study.c.id == live_instance.c.study)
        .outerjoin(key_object, key_object.c.instance == live_instance.c.id)
        .where(live_instance.c.id.in_(keys))
        .order_by(live_instance.c.id.desc())
    ):
        objects[row.id] = {
            "sop_instance_uid": row.sop_instance_uid,
            "study_instance_uid": row.study_instance_uid,
            "registration": row.registration,
            "findings": [],
        }
    for row in connection.execute(select(finding).where(finding.c.instance.in_(keys)).order_by(finding.c.id)):
        objects[row.instance]["findings"].append(
            {"code": row.code, "severity": row.severity, "place": row.place, "text": row.text}
        )
    return list(objects.values()), following
