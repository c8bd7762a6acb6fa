"""Writes the acts that are older than the journal: at its first start, and after its files were lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog import journal
from kinote.catalog.facts import fact, write_fact
from kinote.catalog.journal import Kind, RareAct
from kinote.catalog.schema.tables import (
    copy_decision,
    decided_copy,
    hold,
    index_fact,
    instance,
    journal_entry,
    purge,
    withdrawal,
    withdrawal_target,
)
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.copies.choices import Way
from kinote.lifecycle.copies.decided import record_into_use
from kinote.lifecycle.holds.acts import record_again
from kinote.security.actors import KINOTE, Actor
from kinote.storage.journal_files import journal_files

log = logging.getLogger(__name__)

#: The fact that the journal has all withdrawals that are older than it.
_BEGUN = "journal begun"

#: The kind of an entry in the index whose act was written to the journal again because its file was lost.
WRITTEN_AGAIN = "written again"

#: The number of acts older than the journal that are written in one transaction.
_TOGETHER = 100

#: The number of rows read at once.
_PAGE = 500


def begin(catalog: Catalog, folder: Path, now: datetime) -> None:
    """Write the acts that are older than the journal: at the first start, and after its files were lost."""
    with catalog.read() as connection:
        has_begun = fact(connection, _BEGUN) is not None
        has_entries = connection.execute(select(journal_entry.c.id).limit(1)).first() is not None
    if has_begun and (journal_files(folder) or not has_entries):
        return
    if has_begun:
        log.error(
            "The files of the journal of rare acts were not there; they are written again from the index"
        )
    # Until all is written, the journal has not begun. After a kill in between, it begins again.
    catalog.write(_begin_anew)
    acts = chain(_earlier_acts(catalog), _earlier_decisions(catalog), _earlier_holds(catalog))
    while some := list(islice(acts, _TOGETHER)):
        catalog.write(partial(_all, some))
    catalog.write(partial(note_begun, now=now))


def _all(acts: Iterable[Callable[[Connection], None]], transaction: Connection) -> None:
    for act in acts:
        act(transaction)


def _begin_anew(transaction: Connection) -> None:
    transaction.execute(index_fact.delete().where(index_fact.c.name == _BEGUN))
    # The old entries stay known. If the files come back, none of them is taken for an act that this index lacks.
    transaction.execute(journal_entry.update().values(kind=WRITTEN_AGAIN))


def note_begun(transaction: Connection, now: datetime) -> None:
    """Note that the journal has everything that this index has."""
    write_fact(transaction, _BEGUN, now.isoformat())


def _earlier_acts(catalog: Catalog) -> Iterator[Callable[[Connection], None]]:
    after = 0
    while True:
        with catalog.read() as connection:
            row = connection.execute(
                select(withdrawal).where(withdrawal.c.id > after).order_by(withdrawal.c.id).limit(1)
            ).first()
            if row is None:
                break
            targets = connection.execute(
                select(withdrawal_target).where(withdrawal_target.c.withdrawal == row.id)
            ).all()
        after = row.id
        yield lambda transaction, row=row, targets=targets: _record_earlier(transaction, row, targets)  # type: ignore[misc]
    after = 0
    while True:
        with catalog.read() as connection:
            buried = connection.execute(tombstones(after)).all()
        if not buried:
            return
        after = buried[-1].id
        for moment, rows in groupby(buried, key=lambda each: each.purged_at):
            act = RareAct(
                Kind.PURGED,
                datetime.fromisoformat(moment),
                KINOTE,
                of := {each.sop_instance_uid: each for each in rows},
                of_uids={
                    "digests": {uid: each.digest for uid, each in of.items()},
                    "because": {uid: each.withdrawal for uid, each in of.items()},
                },
            )
            yield lambda transaction, act=act: journal.record(transaction, act)  # type: ignore[misc]


def _earlier_decisions(catalog: Catalog) -> Iterator[Callable[[Connection], None]]:
    after = 0
    while True:
        with catalog.read() as connection:
            row = connection.execute(
                select(copy_decision).where(copy_decision.c.id > after).order_by(copy_decision.c.id).limit(1)
            ).first()
            if row is None:
                return
            became: dict[str, list[list[str]]] = {}
            for each in connection.execute(
                select(decided_copy)
                .where(decided_copy.c.decision == row.id)
                .order_by(decided_copy.c.instance)
            ):
                if each.way != Way.DISCARDED:
                    became.setdefault(each.sop_instance_uid, []).append([each.way, each.new_sop_instance_uid])
        after = row.id
        if became:
            yield partial(
                record_into_use,
                choice=row.choice,
                decision=row.id,
                became=became,
                text=row.reason_text,
                by=Actor.stored(row.who_kind, row.who_name, row.who_address) or KINOTE,
                at=datetime.fromisoformat(row.made_at),
            )


def _earlier_holds(catalog: Catalog) -> Iterator[Callable[[Connection], None]]:
    with catalog.read() as connection:
        keys = list(connection.execute(select(hold.c.id).order_by(hold.c.id)).scalars())
    for key in keys:
        yield partial(record_again, key=key)


def tombstones(after: int) -> Any:
    return (
        select(
            instance.c.id,
            instance.c.sop_instance_uid,
            instance.c.digest,
            purge.c.withdrawal,
            purge.c.purged_at,
        )
        .join(instance, instance.c.id == purge.c.instance)
        .where(purge.c.purged_at != "", purge.c.instance > after)
        .order_by(purge.c.instance)
        .limit(_PAGE)
    )


def _record_earlier(transaction: Connection, row: Any, targets: Iterable[Any]) -> None:
    """Write a withdrawal as it is now: accepted, with the instances it spares, and undone if it was."""
    targets = list(targets)
    made_at = datetime.fromisoformat(row.made_at)
    by = Actor.stored(row.who_kind, row.who, row.who_address) or KINOTE
    journal.record(
        transaction,
        RareAct(
            Kind.WITHDRAWN,
            made_at,
            by,
            [each.sop_instance_uid for each in targets],
            row.id,
            {
                "act": row.act,
                "reason": [row.reason_scheme, row.reason_value, row.reason_meaning],
                "text": row.reason_text,
                "rejection_note": row.rejection_note_uid,
                "closes_at": row.closes_at,
                "is_closed": row.closed_at is not None,
                "effect": row.effect,
                "received": bool(row.received),
                "of_key_objects": bool(row.of_key_objects),
            },
            {
                "spared": {each.sop_instance_uid: each.spared for each in targets if each.spared},
                "copies": {
                    each.sop_instance_uid: each.instance for each in targets if each.instance is not None
                },
            },
        ),
    )
    if row.undone_at is not None:
        undone_by = Actor.stored(row.undone_by_kind, row.undone_by, row.undone_by_address) or KINOTE
        undone_at = datetime.fromisoformat(row.undone_at)
        journal.record(transaction, RareAct(Kind.UNDONE, undone_at, undone_by, withdrawal=row.id))
