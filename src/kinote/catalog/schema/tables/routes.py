"""Routes: rules by which objects are delivered, the studies that they wait for, and what became of them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, false, text, true

from kinote.catalog.schema.columns import Key, Matched, key, matched, metadata, to

#: What partial indexes are of. Queries say it in the same words.
_IN_USE = text("ended_at IS NULL")

#: A rule by which objects are delivered, managed by people or by the settings.
route = Table(
    "route",
    metadata,
    key(),
    Column("name", Matched, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("is_enabled", Boolean, nullable=False, server_default=true()),
    # One in training only records what it would order.
    Column("is_training", Boolean, nullable=False, server_default=false()),
    to("destination", "destination.id", nullable=False),
    # 'all', 'key images' or 'notes'.
    Column("content", Text, nullable=False),
    # 0 to 9; the smaller goes first.
    Column("priority", Integer, nullable=False),
    # When it acts, and under which conditions, as a JSON object.
    Column("definition", Text, nullable=False),
    Column("origin", Text, nullable=False, server_default="people"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("added_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("ended_at", Text),
    # Why it could not act the last time, and since when; empty if it could.
    Column("failure", Text, nullable=False, server_default=""),
    matched("failed_at"),
    Index("route_by_name", "name", unique=True, sqlite_where=_IN_USE, postgresql_where=_IN_USE),
    Index("route_by_destination", "destination"),
)

#: A study that a route waits for until it has been quiet. The row goes when the route has acted.
route_wait = Table(
    "route_wait",
    metadata,
    Column("route", Key, ForeignKey("route.id"), primary_key=True),
    Column("study_instance_uid", Matched, primary_key=True),
    # When it acts: once the study has been quiet, and at the latest some time after its first object.
    Column("due_at", Matched, nullable=False),
    Column("at_latest", Matched, nullable=False),
    Index("route_wait_due", "due_at"),
    sqlite_with_rowid=False,
)

#: What a route ordered, would have ordered in training, or could not order.
route_result = Table(
    "route_result",
    metadata,
    key(),
    to("route", "route.id", nullable=False),
    matched("at"),
    # What it acted on, and the study and note of that.
    Column("trigger", Text, nullable=False),
    matched("study_instance_uid"),
    Column("note", Key),
    # 'ordered', 'would order', 'left out' (all of it) or 'failed'.
    Column("outcome", Matched, nullable=False),
    # How many objects, and the first of the deliveries that they are in.
    Column("objects", Integer, nullable=False, server_default="0"),
    Column("delivery", Key),
    Column("said", Text, nullable=False, server_default=""),
    Index("route_result_by_route", "route", "id"),
    Index("route_result_by_outcome", "route", "outcome"),
    Index("route_result_by_time", "at"),
)

#: Objects that routes have ordered for a destination, with the last delivery of each.
routed_object = Table(
    "routed_object",
    metadata,
    Column("destination", Key, ForeignKey("destination.id"), primary_key=True),
    Column("instance", Key, primary_key=True),
    Column("delivery", Key, nullable=False),
    sqlite_with_rowid=False,
)
