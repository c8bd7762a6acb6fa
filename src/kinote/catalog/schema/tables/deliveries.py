"""Deliveries: what was asked to be sent where, and for each the objects of its manifest with what became of them.

The table `delivery` is the ledger: what each receiver was given at all, in whatever way. A delivery writes its own
progress and the ledger in one transaction, so that they agree.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text

from kinote.catalog.schema.columns import Key, Matched, actor, key, matched, metadata, to

#: Deliveries that have not ended, and those of them that have not begun. Queries repeat these literally.
UNDER_WAY = "ended_at = ''"
NOT_BEGUN = "state = 'waiting'"

#: Deliveries that a person must look at, repeated literally from their index.
TO_LOOK_AT = "looked_at_at = '' AND state = 'failed'"

#: What was asked to be sent to a destination.
outgoing_delivery = Table(
    "outgoing_delivery",
    metadata,
    key(),
    to("destination", "destination.id", nullable=False),
    *actor("ordered_by"),
    # What asked for it: empty for a person, else the kind and the key of a row, such as 'route 12'.
    matched("cause"),
    # Why, for whoever looks later.
    Column("reason", Text, nullable=False, server_default=""),
    # 'all', 'key images' or 'notes', and the selection as a JSON object.
    Column("content", Text, nullable=False),
    Column("selection", Text, nullable=False),
    # Of destination, content, selection and cause: what is asked for again before it has begun is one delivery.
    matched("fingerprint"),
    # 0 to 9; the smaller goes first.
    Column("priority", Integer, nullable=False),
    # 'waiting', 'listing', 'sending', 'checking', 'done', 'failed' or 'cancelled'.
    Column("state", Matched, nullable=False),
    Column("ordered_at", Text, nullable=False),
    Column("begun_at", Text, nullable=False, server_default=""),
    # When something became of one of its objects last.
    Column("moved_at", Matched, nullable=False, server_default=""),
    matched("ended_at"),
    # Its manifest has no instance with a greater key: what comes later goes with another delivery.
    Column("horizon", Key),
    # Up to which object of its manifest (rank, instance) a worker may have sent what has no outcome yet. NULL where
    # all that was sent is written.
    Column("in_hand_rank", Integer),
    Column("in_hand_instance", Key),
    # How many objects its manifest has, and how many of them stand how.
    Column("manifest", Integer, nullable=False, server_default="0"),
    Column("acknowledged", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("refused", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),
    # NULL until it is known.
    Column("committed", Integer),
    Column("found", Integer),
    # 'agrees', 'differs' or 'unverified'; empty until it is known. And why.
    matched("verdict"),
    Column("said", Text, nullable=False, server_default=""),
    # When a person took note of its failure.
    matched("looked_at_at"),
    Index("outgoing_delivery_by_state", "state", "id"),
    Index("outgoing_delivery_by_destination", "destination", "state", "id"),
    Index(
        "outgoing_delivery_by_fingerprint",
        "fingerprint",
        sqlite_where=text(NOT_BEGUN),
        postgresql_where=text(NOT_BEGUN),
    ),
    Index(
        "outgoing_delivery_under_way", "id", sqlite_where=text(UNDER_WAY), postgresql_where=text(UNDER_WAY)
    ),
    Index("outgoing_delivery_by_cause", "cause", "id"),
    Index(
        "outgoing_delivery_to_look_at", "id", sqlite_where=text(TO_LOOK_AT), postgresql_where=text(TO_LOOK_AT)
    ),
)

#: The manifest of a delivery, and its progress. Rows are written while the manifest is made, and none after that.
delivery_object = Table(
    "delivery_object",
    metadata,
    Column("delivery", Key, ForeignKey("outgoing_delivery.id"), primary_key=True),
    # Images go first (0), then presentation states (1), then key objects (2).
    Column("rank", Integer, primary_key=True),
    # The key of the instance, whose row may go meanwhile.
    Column("instance", Key, primary_key=True),
    matched("sop_instance_uid"),
    # 'waiting', 'acknowledged', 'failed' (may be tried again), 'unknown' (no answer came), 'refused' or 'skipped'.
    Column("state", Matched, nullable=False),
    # What the receiver answered, or why the object was not sent.
    Column("answer", Text, nullable=False, server_default=""),
    # Whether a query found it at the destination, and whether the destination has committed to it; NULL until asked.
    Column("found", Integer),
    Column("committed", Integer),
    Column("changed_at", Text, nullable=False, server_default=""),
    Index("delivery_object_by_state", "delivery", "state", "rank", "instance"),
    Index("delivery_object_by_uid", "sop_instance_uid", "delivery"),
    sqlite_with_rowid=False,
)
