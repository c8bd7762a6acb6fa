"""Durable jobs: what is to be done, what happened to each, and the state of their queues.

Only `kinote.jobs` reads and writes these tables. Nothing that decides about visibility or deletion does (law 2).
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text, text

from kinote.catalog.schema.columns import Key, Matched, key, matched, metadata, to

STATES = ("queued", "leased", "waiting", "retry", "suspended", "done", "dead", "cancelled")

#: States in which something happens by itself at `until_at`, and those in which a job has ended.
TIMED = ("leased", "waiting", "retry", "suspended")
ENDED = ("done", "dead", "cancelled")

QUEUE_STATES = ("running", "accepting", "draining", "halted")

job = Table(
    "job",
    metadata,
    key(),
    Column("kind", Matched, nullable=False),
    # The system it is about; of each, only so many jobs run at once. Empty for none.
    matched("destination"),
    # What it is about: no two jobs of a kind that have not ended have the same. Empty for none.
    matched("natural_key"),
    # 0 to 9; the smaller goes first.
    Column("priority", Integer, nullable=False),
    Column("state", Matched, nullable=False),
    # What its handler is told, and how far it has come, as JSON objects.
    Column("payload", Text, nullable=False),
    Column("progress", Text, nullable=False, server_default="{}"),
    # How often it has been leased: the fencing token of whoever has it.
    Column("attempt", Integer, nullable=False, server_default="0"),
    # How many attempts a round has, and the attempt with which this round ends.
    Column("attempts", Integer, nullable=False),
    Column("attempts_allowed", Integer, nullable=False),
    Column("made_at", Text, nullable=False),
    # When it came into its state.
    Column("changed_at", Matched, nullable=False),
    # When its lease or suspension ends, it is due again, or has waited too long.
    Column("until_at", Matched),
    Column("ended_at", Matched),
    # Who has the lease.
    Column("worker", Matched),
    # Why it is in its state, and by whom where a person or an act has decided that.
    Column("reason", Text, nullable=False, server_default=""),
    Column("actor", Text, nullable=False, server_default=""),
    CheckConstraint(f"state IN {STATES}", name="job_state_is_known"),
    CheckConstraint("priority BETWEEN 0 AND 9", name="job_priority_is_known"),
    CheckConstraint(f"(state IN {TIMED}) = (until_at IS NOT NULL)", name="job_timed_states_have_a_time"),
    CheckConstraint(f"(state IN {ENDED}) = (ended_at IS NOT NULL)", name="job_ended_states_have_an_end"),
    CheckConstraint("(state = 'leased') = (worker IS NOT NULL)", name="job_lease_has_a_worker"),
    CheckConstraint(
        "state NOT IN ('leased', 'retry', 'done') OR attempt > 0", name="job_was_attempted_where_it_says_so"
    ),
    CheckConstraint(
        "state NOT IN ('waiting', 'retry', 'suspended', 'dead', 'cancelled') OR reason <> ''",
        name="job_states_have_a_reason",
    ),
    CheckConstraint("state NOT IN ('suspended', 'cancelled') OR actor <> ''", name="job_decided_by_somebody"),
    CheckConstraint("attempts > 0 AND attempts_allowed >= attempts", name="job_has_attempts"),
    CheckConstraint("attempt <= attempts_allowed", name="job_attempts_are_bounded"),
    # The line of each kind and destination, in its order.
    Index(
        "job_queued",
        "kind",
        "destination",
        "priority",
        "changed_at",
        "id",
        sqlite_where=text("state = 'queued'"),
        postgresql_where=text("state = 'queued'"),
    ),
    Index(
        "job_leased",
        "kind",
        "destination",
        sqlite_where=text("state = 'leased'"),
        postgresql_where=text("state = 'leased'"),
    ),
    Index(
        "job_timed",
        "until_at",
        "id",
        sqlite_where=text("until_at IS NOT NULL"),
        postgresql_where=text("until_at IS NOT NULL"),
    ),
    Index(
        "job_by_natural_key",
        "kind",
        "natural_key",
        unique=True,
        sqlite_where=text("natural_key <> '' AND ended_at IS NULL"),
        postgresql_where=text("natural_key <> '' AND ended_at IS NULL"),
    ),
    Index("job_by_state", "state", "kind", "id"),
    Index(
        "job_by_destination",
        "destination",
        "id",
        sqlite_where=text("destination <> ''"),
        postgresql_where=text("destination <> ''"),
    ),
    # What is forgotten some time after its end; the dead are not.
    Index(
        "job_ended",
        "ended_at",
        "id",
        sqlite_where=text("state IN ('done', 'cancelled')"),
        postgresql_where=text("state IN ('done', 'cancelled')"),
    ),
)

#: What happened to jobs, a row for each transition, for some time.
job_event = Table(
    "job_event",
    metadata,
    key(),
    to("job", "job.id", nullable=False),
    Column("happened_at", Matched, nullable=False),
    Column("event", Text, nullable=False),
    # Empty where it was made.
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("actor", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Index("job_event_by_job", "job", "id"),
    Index("job_event_by_time", "happened_at", "id"),
)

#: Queues that are not simply running, each of one kind of job.
job_queue = Table(
    "job_queue",
    metadata,
    Column("kind", Matched, primary_key=True),
    Column("state", Text, nullable=False),
    # Of a draining queue: the last job that is still done.
    Column("drains_to", Key),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    CheckConstraint(f"state IN {QUEUE_STATES}", name="job_queue_state_is_known"),
    CheckConstraint("(state = 'draining') = (drains_to IS NOT NULL)", name="job_queue_drains_to_something"),
    CheckConstraint("reason <> '' AND actor <> ''", name="job_queue_is_set_by_somebody"),
)

#: Objects that jobs of a kind could not do, each until one can. What else a kind knows of its objects is in tables of
#: its own.
job_failed_object = Table(
    "job_failed_object",
    metadata,
    Column("kind", Matched, primary_key=True),
    # The key of an instance, whose row may go meanwhile.
    Column("instance", Key, primary_key=True),
    # The job that tried it last.
    Column("job", Key, nullable=False),
    # Whether it is of use to try it again without anything having changed.
    Column("may_be_tried_again", Integer, nullable=False),
    # By what it was tried, where a later one may do better: the version of the reader or the writer.
    Column("version", Integer, nullable=False, server_default="0"),
    Column("reason", Text, nullable=False),
    Column("failed_at", Text, nullable=False),
    Index("job_failed_object_by_job", "job", "instance"),
    sqlite_with_rowid=False,
)
