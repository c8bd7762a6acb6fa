"""The counters of studies and series: caches of the live view, updated in the transaction that changes it (law 1)."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, func, select

from kinote.catalog.instances.remembered import forget_rows
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import series, study
from kinote.catalog.sql import statements


def add(transaction: Connection, deltas: Mapping[tuple[int, int], int]) -> None:
    """Add to the live counts of (study, series) keys.

    Series come first, then studies, each in key order, so that two writers cannot deadlock.
    """
    changed = {key: delta for key, delta in deltas.items() if delta}
    if not changed:
        return
    by_series: dict[int, int] = {}
    by_study: dict[int, int] = {}
    for (study_id, series_id), delta in changed.items():
        by_series[series_id] = by_series.get(series_id, 0) + delta
        by_study[study_id] = by_study.get(study_id, 0) + delta
    if min(changed.values()) < 0:
        forget_rows(transaction)
    appeared: dict[int, int] = {}
    for row in _add_to_series(
        transaction, [{"key": key, "delta": by_series[key]} for key in sorted(by_series)]
    ):
        before = row.instance_count - by_series[row.id]
        appeared[row.study] = appeared.get(row.study, 0) + (row.instance_count > 0) - (before > 0)
    _add_to_studies(
        transaction,
        [{"key": key, "delta": by_study[key], "appeared": appeared.get(key, 0)} for key in sorted(by_study)],
    )


def add_series_of_one(transaction: Connection, studies: Mapping[int, int]) -> None:
    """Count new series of one live instance each, by study key. These series were inserted with their own count."""
    _add_to_studies(
        transaction,
        [{"key": key, "delta": studies[key], "appeared": studies[key]} for key in sorted(studies)],
    )


_add_to_series = statements.ChangeEach(
    series.update()
    .where(series.c.id == bindparam("key"))
    .values(instance_count=series.c.instance_count + bindparam("delta")),
    look_up=statements.LookUp(select(series.c.id, series.c.study, series.c.instance_count), series.c.id),
    by="key",
)

#: Studies count series incrementally, as they gain or lose their last live instance: a study may have thousands of
#: series, one for each note.
_add_to_studies = statements.ForEach(
    study.update()
    .where(study.c.id == bindparam("key"))
    .values(
        instance_count=study.c.instance_count + bindparam("delta"),
        series_count=study.c.series_count + bindparam("appeared"),
    )
)


def differences(connection: Connection) -> list[str]:
    """Return one sentence for each stored counter that differs from the live view; empty if all agree."""
    found = []
    live = select(live_instance.c.series, func.count().label("instances")).group_by(live_instance.c.series)
    counted = {row.series: row.instances for row in connection.execute(live)}
    studies: dict[int, tuple[int, int]] = {}
    for key, study_id, stored in connection.execute(
        select(series.c.id, series.c.study, series.c.instance_count)
    ):
        true = counted.get(key, 0)
        if stored != true:
            found.append(f"series {key} says {stored} instances, the live view has {true}")
        instances, with_any = studies.get(study_id, (0, 0))
        studies[study_id] = (instances + true, with_any + (true > 0))
    for key, instances, with_any in connection.execute(
        select(study.c.id, study.c.instance_count, study.c.series_count)
    ):
        true_instances, true_series = studies.get(key, (0, 0))
        if (instances, with_any) != (true_instances, true_series):
            found.append(
                f"study {key} says {instances} instances in {with_any} series, "
                f"the live view has {true_instances} in {true_series}"
            )
    return found
