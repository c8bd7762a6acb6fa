"""Durable jobs with their history and queues, and an index of the instances whose bytes are to be made.

New tables; no row of the others is touched. The index is made by reading all instances once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

from kinote.catalog.sql import dialects

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _text(name: str, default: str | None = None, *, matched: bool = False) -> sa.Column[str]:
    kind = MATCHED if matched else sa.Text()
    return sa.Column(name, kind, server_default=default, nullable=False)


def _number(name: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=default, nullable=False)


def _index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )


def upgrade() -> None:
    _make_jobs()
    op.create_table(
        "job_event",
        sa.Column("id", KEY, nullable=False),
        sa.Column("job", KEY, nullable=False),
        _text("happened_at", matched=True),
        _text("event"),
        _text("from_state"),
        _text("to_state"),
        _number("attempt"),
        _text("actor", ""),
        _text("reason", ""),
        sa.ForeignKeyConstraint(["job"], ["job.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("job_event_by_job", "job_event", ["job", "id"])
    op.create_index("job_event_by_time", "job_event", ["happened_at", "id"])
    op.create_table(
        "job_queue",
        sa.Column("kind", MATCHED, nullable=False),
        _text("state"),
        sa.Column("drains_to", KEY),
        _text("actor"),
        _text("reason"),
        _text("changed_at"),
        sa.CheckConstraint(
            "state IN ('running', 'accepting', 'draining', 'halted')", name="job_queue_state_is_known"
        ),
        sa.CheckConstraint(
            "(state = 'draining') = (drains_to IS NOT NULL)", name="job_queue_drains_to_something"
        ),
        sa.CheckConstraint("reason <> '' AND actor <> ''", name="job_queue_is_set_by_somebody"),
        sa.PrimaryKeyConstraint("kind"),
    )
    op.create_table(
        "job_failed_object",
        sa.Column("kind", MATCHED, nullable=False),
        sa.Column("instance", KEY, nullable=False),
        sa.Column("job", KEY, nullable=False),
        _number("may_be_tried_again"),
        _number("version", "0"),
        _text("reason"),
        _text("failed_at"),
        sa.PrimaryKeyConstraint("kind", "instance"),
        sqlite_with_rowid=False,
    )
    op.create_index("job_failed_object_by_job", "job_failed_object", ["job", "instance"])
    _index("instance_derivable", "instance", ["id"], "residence = 'derivable'")


def _make_jobs() -> None:
    op.create_table(
        "job",
        sa.Column("id", KEY, nullable=False),
        _text("kind", matched=True),
        _text("destination", "", matched=True),
        _text("natural_key", "", matched=True),
        _number("priority"),
        _text("state", matched=True),
        _text("payload"),
        _text("progress", "{}"),
        _number("attempt", "0"),
        _number("attempts"),
        _number("attempts_allowed"),
        _text("made_at"),
        _text("changed_at", matched=True),
        sa.Column("until_at", MATCHED),
        sa.Column("ended_at", MATCHED),
        sa.Column("worker", MATCHED),
        _text("reason", ""),
        _text("actor", ""),
        sa.CheckConstraint(
            "state IN ('queued', 'leased', 'waiting', 'retry', 'suspended', 'done', 'dead', 'cancelled')",
            name="job_state_is_known",
        ),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name="job_priority_is_known"),
        sa.CheckConstraint(
            "(state IN ('leased', 'waiting', 'retry', 'suspended')) = (until_at IS NOT NULL)",
            name="job_timed_states_have_a_time",
        ),
        sa.CheckConstraint(
            "(state IN ('done', 'dead', 'cancelled')) = (ended_at IS NOT NULL)",
            name="job_ended_states_have_an_end",
        ),
        sa.CheckConstraint("(state = 'leased') = (worker IS NOT NULL)", name="job_lease_has_a_worker"),
        sa.CheckConstraint(
            "state NOT IN ('leased', 'retry', 'done') OR attempt > 0",
            name="job_was_attempted_where_it_says_so",
        ),
        sa.CheckConstraint(
            "state NOT IN ('waiting', 'retry', 'suspended', 'dead', 'cancelled') OR reason <> ''",
            name="job_states_have_a_reason",
        ),
        sa.CheckConstraint(
            "state NOT IN ('suspended', 'cancelled') OR actor <> ''", name="job_decided_by_somebody"
        ),
        sa.CheckConstraint("attempts > 0 AND attempts_allowed >= attempts", name="job_has_attempts"),
        sa.CheckConstraint("attempt <= attempts_allowed", name="job_attempts_are_bounded"),
        sa.PrimaryKeyConstraint("id"),
    )
    line = ["kind", "destination", "priority", "changed_at", "id"]
    _index("job_queued", "job", line, "state = 'queued'")
    _index("job_leased", "job", ["kind", "destination"], "state = 'leased'")
    _index("job_timed", "job", ["until_at", "id"], "until_at IS NOT NULL")
    _index(
        "job_by_natural_key",
        "job",
        ["kind", "natural_key"],
        "natural_key <> '' AND ended_at IS NULL",
        unique=True,
    )
    op.create_index("job_by_state", "job", ["state", "kind", "id"])
    _index("job_by_destination", "job", ["destination", "id"], "destination <> ''")
    dialects.never_use_keys_again(op.get_bind(), "job")
    _index("job_ended", "job", ["ended_at", "id"], "state IN ('done', 'cancelled')")
