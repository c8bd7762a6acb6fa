"""Retention: holds, which keep bytes from being removed; what is in the cache; rules, and plans of what would go."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text

from kinote.catalog.schema.columns import Key, Matched, actor, key, matched, metadata, to

#: Holds that nobody has ended, repeated literally from their indexes.
HOLD_IS_OPEN = "ended_at = ''"

_OPEN = text(HOLD_IS_OPEN)

#: Holds on a study, a patient or a note (`kinote.lifecycle.holds`). They name what they keep by what it is called
#: everywhere, so that objects that come later join them.
hold = Table(
    "hold",
    metadata,
    key(),
    # What the journal calls it: an index that is made again may give it another key.
    matched("token"),
    # 'legal', 'research' or 'teaching'.
    matched("kind"),
    # 'study', 'patient' or 'note': which of the following columns names what is kept.
    matched("level"),
    matched("study_instance_uid"),
    matched("patient_id"),
    matched("issuer"),
    # No reference: a hold outlives the note.
    Column("note", Key),
    Column("reason", Text, nullable=False),
    matched("placed_at"),
    *actor("placed_by"),
    # When it ends by itself; empty if never.
    matched("until"),
    # When a person ended it, who and why; empty until then.
    matched("ended_at"),
    *actor("ended_by"),
    Column("ended_because", Text, nullable=False, server_default=""),
    Index("hold_by_token", "token", unique=True),
    Index("hold_of_study", "study_instance_uid", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("hold_of_patient", "patient_id", "issuer", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("hold_of_note", "note", sqlite_where=_OPEN, postgresql_where=_OPEN),
)

#: What a study has in the cache, in two units: the images that notes flag with their presentation states ('flagged'),
#: and all others ('rest'). Counted from the rows of instances (`kinote.retention.units`), so that no plan walks over
#: these.
retention_unit = Table(
    "retention_unit",
    metadata,
    Column("study", Key, ForeignKey("study.id"), primary_key=True),
    Column("part", Matched, primary_key=True),
    # Live images whose bytes are in a store here.
    Column("bytes", BigInteger, nullable=False),
    Column("objects", BigInteger, nullable=False),
    # When the last of them came.
    matched("received_at"),
    # When one of them was last handed out to another system; empty if never.
    matched("sent_at"),
    # What they have among them, each between line ends: Modality, SOP Class UID, calling AE title; and the titles of
    # the notes that flag them, or, of the rest, of those of the study, as `DCM:113000`.
    *(
        Column(name, Text, nullable=False, server_default="")
        for name in ("modalities", "classes", "callers", "titles")
    ),
    matched("counted_at"),
    Index("retention_unit_by_count", "counted_at", "study"),
    sqlite_with_rowid=False,
)

#: How much of a unit each archive has committed to, and when it committed to the oldest of it.
retention_unit_archive = Table(
    "retention_unit_archive",
    metadata,
    Column("study", Key, primary_key=True),
    Column("part", Matched, primary_key=True),
    Column("archive", Key, primary_key=True),
    Column("objects", BigInteger, nullable=False),
    Column("oldest_at", Matched, nullable=False),
    sqlite_with_rowid=False,
)

#: What arrived in each hour, for the forecast.
retention_hour = Table(
    "retention_hour",
    metadata,
    Column("hour", Matched, primary_key=True),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("objects", BigInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

#: The versions of the rules, the last one in force. None is ever changed: plans name the one by which they were made.
retention_rules = Table(
    "retention_rules",
    metadata,
    key(),
    # Rules, bounds and mode as JSON (`kinote.retention.rules`).
    Column("rules", Text, nullable=False),
    matched("saved_at"),
    *actor("saved_by"),
)

#: Plans: what would go, and by which rule. Immutable.
retention_plan = Table(
    "retention_plan",
    metadata,
    key(),
    to("rules", "retention_rules.id", nullable=True),
    matched("made_at"),
    *actor("made_by"),
    # How much was to be freed, and what it frees.
    Column("wanted", BigInteger, nullable=False),
    Column("frees", BigInteger, nullable=False),
    Column("objects", BigInteger, nullable=False),
)

#: The instances of a plan, in the order in which they go.
retention_plan_item = Table(
    "retention_plan_item",
    metadata,
    Column("plan", Key, ForeignKey("retention_plan.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("instance", Key, nullable=False),
    matched("sop_instance_uid"),
    Column("bytes", BigInteger, nullable=False),
    # The name of the rule; empty for what no rule matches.
    Column("rule", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: What was evicted by a plan, and what was not, and why: the ledger of evictions. Never changed, but for `recalled_at`.
retention_eviction = Table(
    "retention_eviction",
    metadata,
    key(),
    to("plan", "retention_plan.id", nullable=False),
    Column("instance", Key, nullable=False),
    matched("sop_instance_uid"),
    Column("bytes", BigInteger, nullable=False),
    # The name of the rule; empty for what no rule matches.
    Column("rule", Text, nullable=False),
    matched("at"),
    *actor("by"),
    # 'evicted' or 'kept'; and why it was kept, though the plan had it.
    Column("outcome", Matched, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    # When its bytes came back for the first time; empty if they have not.
    matched("recalled_at"),
    Index("retention_eviction_by_plan", "plan", "id"),
    Index("retention_eviction_by_instance", "instance"),
    Index("retention_eviction_by_time", "at", "rule"),
)
