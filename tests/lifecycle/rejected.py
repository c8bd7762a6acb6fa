"""What tests of received rejection notes work with: peers with and without the right, notes, and what there is then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from kinote.catalog import changes
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import finding, instance, withdrawal, withdrawal_target
from kinote.catalog.transactions.catalog import Catalog
from kinote.intake.filing import file_arrivals
from kinote.intake.outcome import Outcome
from kinote.keyobject.codes import Code
from kinote.keyobject.titles import (
    DATA_RETENTION_POLICY_EXPIRED,
    INCORRECT_MODALITY_WORKLIST_ENTRY,
    REJECTED_FOR_PATIENT_SAFETY_REASONS,
    REJECTED_FOR_QUALITY_REASONS,
)
from kinote.lifecycle import counts
from kinote.lifecycle.acts import LaterCopies
from kinote.lifecycle.rejection.rules import DEFAULT_TITLE_RULES, RejectionRules
from kinote.notes import belonging
from kinote.security.actors import Actor, ActorKind
from tests.notes.sample_studies import NOW, arrival, dataset, key_object, object_of

QUALITY, SAFETY = REJECTED_FOR_QUALITY_REASONS, REJECTED_FOR_PATIENT_SAFETY_REASONS
WORKLIST, EXPIRED = INCORRECT_MODALITY_WORKLIST_ENTRY, DATA_RETENTION_POLICY_EXPIRED
TITLES = (QUALITY, SAFETY, WORKLIST, EXPIRED)

#: A peer that is named for rejections, and one that is not.
ARCHIVE = Actor(ActorKind.PEER, "ARCHIVE", "10.1.1.1")
STRANGER = Actor(ActorKind.PEER, "STRANGER", "10.1.1.2")

RULES = RejectionRules(may_reject=lambda actor: actor.name == ARCHIVE.name)


def with_title(title: Code, **options: Any) -> RejectionRules:
    """The rules with another one for a title."""
    return replace(
        RULES, titles={**DEFAULT_TITLE_RULES, title: replace(DEFAULT_TITLE_RULES[title], **options)}
    )


def later_copies(title: Code, wanted: LaterCopies) -> RejectionRules:
    return with_title(title, later_copies=wanted)


def image(uid: str, **attributes: Any) -> bytes:
    return dataset(object_of(uid, **attributes))


def rejection(uid: str, *rejected: Any, title: Code = QUALITY, **options: Any) -> bytes:
    """A rejection note; its UID begins with those of its series and study."""
    return key_object(uid, *rejected, title=title, description="Blurred", **options)


def receive(
    catalog: Catalog,
    *datasets: bytes,
    by: Actor = ARCHIVE,
    rules: RejectionRules = RULES,
    now: datetime = NOW,
) -> list[Outcome]:
    """Let data sets in as intake does, in one group."""
    arrivals = [arrival(each, now) for each in datasets]
    for each in arrivals:
        each.entry.instance_row.update(by.columns("brought_by"))
    filed = catalog.write(lambda transaction: file_arrivals(transaction, arrivals, now, rules=rules))
    return [one.outcome for one in filed]


def live(catalog: Catalog) -> list[str]:
    """The live UIDs; the caches of the view agree with it."""
    with catalog.read() as connection:
        assert counts.differences(connection) == []
        assert belonging.differences(connection) == []
        return sorted(connection.execute(select(live_instance.c.sop_instance_uid)).scalars())


def standings(catalog: Catalog) -> dict[str, str]:
    with catalog.read() as connection:
        query = select(instance.c.sop_instance_uid, instance.c.standing).where(instance.c.is_current)
        return {uid: standing for uid, standing in connection.execute(query)}


def findings(catalog: Catalog) -> list[tuple[str, str, str]]:
    """The findings about rejections: of which note, code and sentence."""
    with catalog.read() as connection:
        query = (
            select(instance.c.sop_instance_uid, finding.c.code, finding.c.text)
            .join(finding, finding.c.instance == instance.c.id)
            .where(finding.c.code.startswith("REJECTION_"))
        )
        return sorted((row[0], row[1], row[2]) for row in connection.execute(query))


def withdrawals(catalog: Catalog) -> list[tuple[str, str, str, tuple[tuple[str, str], ...]]]:
    """Those by received notes: note, act, effect, and the targets, each with why it is spared."""
    with catalog.read() as connection:
        found = []
        for row in connection.execute(select(withdrawal).where(withdrawal.c.received)).all():
            targets = connection.execute(
                select(withdrawal_target.c.sop_instance_uid, withdrawal_target.c.spared)
                .where(withdrawal_target.c.withdrawal == row.id)
                .order_by(withdrawal_target.c.sop_instance_uid)
            ).all()
            found.append(
                (row.rejection_note_uid, row.act, row.effect, tuple((uid, why) for uid, why in targets))
            )
        return sorted(found)


def end_state(catalog: Catalog) -> tuple[Any, ...]:
    """Everything that must not depend on the order of arrival."""
    return live(catalog), standings(catalog), findings(catalog), withdrawals(catalog)


def told(catalog: Catalog) -> Sequence[changes.Change]:
    with catalog.read() as connection:
        return [one.change for one in changes.since(connection, changes.BEGINNING, 10_000)]
