"""Storage commitment in both roles, and the archives that hold instances for us (PS3.4 Annex J).

`location` (`tables.peers`) is the evidence itself, one row for each instance and archive.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from kinote.catalog.schema.columns import Key, Matched, actor, key, matched, metadata, to

#: Results that the requestor has not been told. Queries repeat it literally.
UNTOLD = "state <> 'told'"

#: Requests of ours whose result may still come. Queries repeat it literally.
OPEN = "state IN ('made', 'asked', 'in doubt')"

#: Requests for storage commitment by others, and what was answered.
commitment_given = Table(
    "commitment_given",
    metadata,
    key(),
    matched("transaction_uid"),
    *actor("asked_by"),
    # The AE title by which we were called: the result comes from the same one (PS3.4 J.3.3).
    Column("called_title", Text, nullable=False, server_default=""),
    # 'dimse' or 'dicomweb'.
    Column("way", Text, nullable=False),
    # A digest of the references: the same request again gets the same result.
    Column("request_digest", Text, nullable=False),
    # JSON, compressed with zlib: lists of class and UID, of failures also the reason.
    Column("result", LargeBinary, nullable=False),
    Column("committed_count", Integer, nullable=False),
    Column("failed_count", Integer, nullable=False),
    Column("made_at", Matched, nullable=False),
    # 'owed', 'told' or 'undeliverable'. A requestor by DICOMweb fetches its result.
    Column("state", Text, nullable=False),
    Column("told_at", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # Why the last attempt to tell the requestor failed.
    Column("fault", Text, nullable=False, server_default=""),
    UniqueConstraint("transaction_uid", "asked_by_name", "way", name="commitment_given_by_transaction"),
    Index("commitment_given_by_sender", "asked_by_name", "id"),
    Index("commitment_given_by_time", "made_at"),
    Index(
        "commitment_given_untold",
        "id",
        sqlite_where=text(UNTOLD),
        postgresql_where=text(UNTOLD),
    ),
)

#: Peers that hold objects for us: one row for each that is an archive or has been one.
archive = Table(
    "archive",
    metadata,
    Column("peer", Key, ForeignKey("peer.id"), primary_key=True),
    # How it commits and gives back, as a JSON object (`kinote.peers.archive_policy`).
    Column("policy", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("added_at", Text, nullable=False),
    # Set where it is no archive any more.
    Column("ended_at", Text),
    # Since when its promises are not relied upon, and why; '' if they are.
    matched("suspended_at"),
    Column("suspended_because", Text, nullable=False, server_default=""),
    Column("resumed_at", Text, nullable=False, server_default=""),
    *actor("resumed_by"),
    # 'proved' or 'refused' by its first recall; '' before it. With what it changes, as JSON.
    matched("proof"),
    Column("proof_at", Text, nullable=False, server_default=""),
    Column("proof_report", Text, nullable=False, server_default="{}"),
)

#: Our requests for storage commitment.
commitment_asked = Table(
    "commitment_asked",
    metadata,
    key(),
    to("archive", "peer.id", nullable=False),
    matched("transaction_uid"),
    # A `kinote.lifecycle.archives.request_states.State`.
    Column("state", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    # After this moment no result is waited for.
    Column("due_at", Matched, nullable=False),
    Column("answered_at", Text, nullable=False, server_default=""),
    # Whether the result came after `due_at`, before the response to the N-ACTION, or how often again.
    Column("is_late", Boolean, nullable=False, server_default=false()),
    Column("is_early", Boolean, nullable=False, server_default=false()),
    Column("repeated", Integer, nullable=False, server_default="0"),
    Column("fault", Text, nullable=False, server_default=""),
    UniqueConstraint("transaction_uid", name="commitment_asked_by_transaction"),
    Index("commitment_asked_by_archive", "archive", "id"),
    Index("commitment_asked_open", "due_at", sqlite_where=text(OPEN), postgresql_where=text(OPEN)),
)

#: The instances of these requests.
commitment_asked_instance = Table(
    "commitment_asked_instance",
    metadata,
    Column("request", Key, ForeignKey("commitment_asked.id"), primary_key=True),
    Column("instance", Key, ForeignKey("instance.id"), primary_key=True),
    matched("sop_class_uid"),
    matched("sop_instance_uid"),
    # The digest of the bytes that the archive had acknowledged when it was asked.
    Column("digest", Text, nullable=False),
    # 'asked', 'committed', 'failed', or 'omitted' by the result.
    Column("state", Text, nullable=False),
    # Failure Reason (0008,1197); NULL if there is none.
    Column("reason", Integer),
    Index("commitment_asked_instance_by_instance", "instance"),
    sqlite_with_rowid=False,
)
