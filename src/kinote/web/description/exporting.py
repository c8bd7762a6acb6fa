"""The shapes of the answers about exports. As in `shapes`, only the description is made of them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class MissingObject(BaseModel):
    """An object that should go along and cannot: of which note (0: of none), and why."""

    sop_instance_uid: str
    reason: str
    note: int


class ExportPlan(BaseModel):
    """What an export would bring, and what is missing."""

    objects: int
    bytes: int
    studies: list[str]
    notes: list[int]
    missing: list[MissingObject]
    missing_count: int


#: The shape of each answer, by method and path.
EXPORTING: dict[tuple[str, str], Any] = {("post", "/api/v1/exports/plan"): ExportPlan}
