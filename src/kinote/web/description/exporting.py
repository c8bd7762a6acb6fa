"""The shapes of the responses about exports. As in `shapes`, they are only used for the description."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class MissingObject(BaseModel):
    """An object that should be included and cannot be: its note (0: none), and the reason."""

    sop_instance_uid: str
    reason: str
    note: int


class ExportPlan(BaseModel):
    """What an export would contain, and what is missing."""

    objects: int
    bytes: int
    studies: list[str]
    notes: list[int]
    missing: list[MissingObject]
    missing_count: int


#: The shape of each response, by method and path.
EXPORTING: dict[tuple[str, str], Any] = {("post", "/api/v1/exports/plan"): ExportPlan}
