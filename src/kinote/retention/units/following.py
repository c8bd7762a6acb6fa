"""Updates the counts of units: after each change in the feed, and for all studies in rounds."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, bindparam, literal_column, select

from kinote.catalog import changes
from kinote.catalog.changes import FeedBegunAnewError, Kind, Position, RecordedChange
from kinote.catalog.facts import fact, write_fact
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import location, retention_hour, study
from kinote.catalog.sql import dialects, statements
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.archives.evidence import Evidence, archives_in_use
from kinote.retention.evictions import note_recalled
from kinote.retention.units.counting import CountedStudies, count, study_keys, write_counts
from kinote.storage.read_in_place import FIRST_IN_PLACE
from kinote.telemetry.clock import Clock

#: Facts: up to where the feed has been read; and the last study of the round, with the end of the last complete round.
_POSITION, _ROUND = "retention position", "retention round"

#: The fact that says up to when the commitments of each archive have been seen.
_COMMITMENTS = "retention commitments"

_LOCK = "kinote retention units"

#: The number of changes read, and of studies counted, at once.
_PAGE, _STUDIES = 500, 20

#: The number of studies whose counts are written in one transaction.
_WRITTEN = 50

#: Seconds between two looks if nothing has happened, and between slices of a round after the first.
_LOOK_EVERY, _PACE = 5.0, 1.0

#: Seconds of counting before a plan is made, if not everything has been counted.
_A_WHILE = 20.0


@dataclass(frozen=True, slots=True)
class Round:
    """The progress of counting all studies: the last key of this round, and whether there was a complete one."""

    after: int = 0
    was_whole: bool = False

    @classmethod
    def read(cls, connection: Connection) -> Round:
        """Return the progress."""
        found = fact(connection, _ROUND)
        if found is None:
            return cls()
        after, whole = found.split()
        return cls(int(after), whole == "whole")

    def write(self, transaction: Connection) -> None:
        """Store the progress."""
        write_fact(transaction, _ROUND, f"{self.after} {'whole' if self.was_whole else 'first'}")


class UnitCounter:
    """Counts the units of a store. Several servers may do this at once."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    def step(self) -> float:
        """Count a little. Return the seconds until the next step.

        While objects arrive, each look finds something new. Their studies are counted again only once in a while,
        because a count takes as long as its study is large.
        """
        followed = self._follow()
        if followed >= _PAGE or self._follow_commitments():
            return 0.0
        return _LOOK_EVERY if followed else self._go_round()

    def catch_up(self) -> bool:
        """Count everything that the feed reports. Return whether every study has been counted once."""
        while self._follow() or self._follow_commitments():
            pass
        with self._catalog.read() as connection:
            return Round.read(connection).was_whole

    def count_for_a_while(self) -> bool:
        """Count for some seconds, before a plan. Return whether every study has been counted once."""
        end = time.monotonic() + _A_WHILE
        while not self.catch_up():
            if time.monotonic() >= end:
                return False
            self._go_round()
        return True

    def _follow(self) -> int:
        """Count the studies of a page of the feed. Return how many changes were read, or 1 at the very beginning."""
        with self._catalog.read() as connection:
            position = _position(connection)
            page = _page(connection, position)
            if page == []:
                return 0
            # What was there before is counted in a round.
            end = page[-1].position if page else changes.end(connection)
            page = page or []
            uids = {each.change.study_instance_uid for each in page} - {""}
            counted = self._count(connection, study_keys(connection, uids))
            arrived = _arrived(connection, page)
            recalled = _recalled(connection, page)

        def finish(transaction: Connection) -> None:
            _add_arrived(transaction, arrived)
            note_recalled(transaction, recalled)
            write_fact(transaction, _POSITION, str(end))
            if not page:
                Round().write(transaction)

        self._write(counted, lambda transaction: _position(transaction) == position, finish)
        return len(page) or 1

    def _follow_commitments(self) -> bool:
        """Count the studies again to which archives have committed something. Return whether there may be more."""
        with self._catalog.read() as connection:
            position = _position(connection)
            seen: dict[str, str] = json.loads(fact(connection, _COMMITMENTS) or "{}")
            instances: list[int] = []
            goes_on = dict(seen)
            for each in archives_in_use(connection):
                name = str(each.peer)
                committed = select(location.c.instance, location.c.at).where(
                    location.c.archive == each.peer, location.c.evidence == str(Evidence.COMMITTED)
                )
                later = committed.where(location.c.at > seen.get(name, ""))
                query = later.order_by(location.c.at).limit(_PAGE)
                rows = connection.execute(query).all()
                if len(rows) == _PAGE:
                    # Everything in one result of storage commitment has the same time.
                    same = committed.where(location.c.at == rows[-1].at)
                    instances += connection.execute(same).scalars()
                instances += [row.instance for row in rows]
                if rows:
                    goes_on[name] = rows[-1].at
            if goes_on == seen:
                return False
            keys = sorted({row.study for row in _STUDIES_OF(connection, instances)})
            counted = self._count(connection, keys)

        def is_next(transaction: Connection) -> bool:
            # Newer counts that somebody has made meanwhile are not overwritten.
            known = json.loads(fact(transaction, _COMMITMENTS) or "{}") == seen
            return known and _position(transaction) == position

        self._write(
            counted,
            is_next,
            lambda transaction: write_fact(transaction, _COMMITMENTS, json.dumps(goes_on)),
        )
        return True

    def _count(self, connection: Connection, keys: Sequence[int]) -> list[CountedStudies]:
        """Count these studies, in parts of which each is written at once."""
        now = self._clock()
        return [
            count(connection, keys[start : start + _WRITTEN], now) for start in range(0, len(keys), _WRITTEN)
        ]

    def _write(
        self,
        counted: Sequence[CountedStudies],
        is_next: Callable[[Connection], bool],
        finish: Callable[[Connection], None],
    ) -> None:
        """Write counts part by part, as long as nobody has made newer ones, and `finish` together with the last part.

        If this ends in between, all parts are counted and written again.
        """

        def write(part: CountedStudies | None, is_last: bool, transaction: Connection) -> bool:
            dialects.lock_names(transaction, [_LOCK])
            if not is_next(transaction):
                return False
            if part is not None:
                write_counts(transaction, part)
            if is_last:
                finish(transaction)
            return True

        for number, part in enumerate(counted or [None], start=1):
            is_last = number >= len(counted)
            if not self._catalog.submit(partial(write, part, is_last), background=True).result():
                return

    def _go_round(self) -> float:
        with self._catalog.read() as connection:
            position, at = _position(connection), Round.read(connection)
            keys = list(
                connection.execute(
                    select(study.c.id).where(study.c.id > at.after).order_by(study.c.id).limit(_STUDIES)
                ).scalars()
            )
            counted = count(connection, keys, self._clock())
        is_through = len(keys) < _STUDIES
        goes_on = Round(0, True) if is_through else Round(keys[-1], at.was_whole)

        def write(transaction: Connection) -> None:
            dialects.lock_names(transaction, [_LOCK])
            if Round.read(transaction) == at and _position(transaction) == position:
                write_counts(transaction, counted)
                goes_on.write(transaction)

        self._catalog.submit(write, background=True).result()
        if is_through:
            return _LOOK_EVERY
        return _PACE if at.was_whole else 0.02


def _position(connection: Connection) -> Position | None:
    found = fact(connection, _POSITION)
    return None if found is None else Position.parse(found)


def _page(connection: Connection, position: Position | None) -> list[RecordedChange] | None:
    """Return the next changes; None if reading cannot continue: at first, and after a restore."""
    if position is None:
        return None
    try:
        return changes.since(connection, position, _PAGE)
    except FeedBegunAnewError:
        return None


def _arrived(connection: Connection, page: list[RecordedChange]) -> list[dict[str, object]]:
    """Return what arrived in each hour, of images that are in a store here."""
    uids = [each.change.sop_instance_uid for each in page if each.change.kind == Kind.INSTANCE_STORED]
    size: Counter[str] = Counter()
    objects: Counter[str] = Counter()
    for row in _SIZES(connection, uids):
        hour = f"{row.received_at[:13]}:00:00.000000+00:00"
        size[hour] += row.size or 0
        objects[hour] += 1
    return [{"of": hour, "more_bytes": size[hour], "more_objects": objects[hour]} for hour in sorted(objects)]


def _recalled(connection: Connection, page: list[RecordedChange]) -> list[tuple[int, str]]:
    """Return the instances whose bytes have returned, and when: by a recall, or because they were sent again."""
    back = {
        each.change.sop_instance_uid: each.made_at
        for each in page
        if each.change.kind == Kind.INSTANCE_HEALED
    }
    return [(row.id, back[row.sop_instance_uid]) for row in _KEYS(connection, back)]


def _add_arrived(transaction: Connection, arrived: list[dict[str, object]]) -> None:
    statements.insert_new(
        transaction, retention_hour, [{"hour": each["of"]} for each in arrived], unique=["hour"]
    )
    _ADD(transaction, arrived)


_SIZES = statements.LookUp(
    select(live_instance.c.size, live_instance.c.received_at).where(
        live_instance.c.file_key.is_not(None), live_instance.c.store <= literal_column(str(FIRST_IN_PLACE))
    ),
    live_instance.c.sop_instance_uid,
)

_KEYS = statements.LookUp(
    select(live_instance.c.id, live_instance.c.sop_instance_uid), live_instance.c.sop_instance_uid
)

_STUDIES_OF = statements.LookUp(select(live_instance.c.study), live_instance.c.id)

_ADD = statements.ForEach(
    retention_hour.update()
    .where(retention_hour.c.hour == bindparam("of"))
    .values(
        bytes=retention_hour.c.bytes + bindparam("more_bytes"),
        objects=retention_hour.c.objects + bindparam("more_objects"),
    )
)
