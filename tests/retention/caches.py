"""Random caches and rules, and how a cache is put into an index."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from kinote.catalog.schema.tables import (
    hold,
    last_use,
    patient,
    retention_unit,
    retention_unit_archive,
    study,
)
from kinote.catalog.schema.timestamps import timestamp
from kinote.retention.rules.compiled import joined
from kinote.retention.rules.rule import Action, Conditions, Measure, Rule, Share
from kinote.retention.rules.unit import Part, Unit

NOW = datetime(2026, 11, 24, 5, 31, tzinfo=UTC)

#: The archive whose commitments count since a time, and one whose do not.
ARCHIVE, OTHER = 7, 8
SINCE = timestamp(NOW - timedelta(days=180))
USABLE = {ARCHIVE: SINCE}

DAYS = (0, 1, 30, 400)

_moments = st.sampled_from([timestamp(NOW - timedelta(days=days, hours=1)) for days in DAYS])
_dates = st.sampled_from(["", *((NOW - timedelta(days=days)).strftime("%Y%m%d") for days in DAYS)])


def _some(*values: str) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(values), max_size=2)


@st.composite
def units(draw: st.DrawFn) -> list[Unit]:
    """The units of up to six studies, as an index may have them."""
    found = []
    for key in range(1, draw(st.integers(0, 6)) + 1):
        whose = draw(st.sampled_from([("P1", "HIS"), ("P1", ""), ("P%", "HIS")]))
        titles = draw(_some("DCM:113000", "DCM:113004"))
        on_hold = draw(st.booleans())
        study_date = draw(_dates)
        parts = draw(st.sampled_from([[Part.REST], [Part.KEY_IMAGES], [Part.KEY_IMAGES, Part.REST]]))
        found += [
            Unit(
                study=key,
                part=part,
                bytes=draw(st.integers(1, 100)),
                objects=draw(st.integers(1, 5)),
                study_instance_uid=f"1.{key}",
                patient_id=whose[0],
                issuer=whose[1],
                study_date=study_date,
                received_at=draw(_moments),
                used_at=draw(st.one_of(st.just(""), _moments)),
                sent_at=draw(st.one_of(st.just(""), _moments)),
                modalities=draw(_some("CT", "MR", "C")),
                classes=draw(_some("1.2.840.1", "1.2.840.10")),
                callers=draw(_some("CT_1", "CTX1", "ct_1")),
                titles=titles,
                is_safe=draw(st.booleans()),
                on_hold=on_hold,
            )
            for part in parts
        ]
    return found


def _list(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sampled_from([(), (), *((value,) for value in values), values[:2]])


_days = st.sampled_from([None, None, *DAYS])

conditions = st.builds(
    Conditions,
    part=st.sampled_from([None, None, *Part]),
    titles=_list("DCM:113000", "DCM:113004"),
    sop_classes=_list("1.2.840.1", "1.2.840.10"),
    modalities=_list("CT", "C", "MR"),
    calling_ae_titles=_list("CT_1", "ct_1"),
    patients=st.sampled_from([(), (), (("P1", "HIS"),), (("P%", "HIS"), ("P1", ""))]),
    studies=_list("1.1", "1.2"),
    has_notes=st.sampled_from([None, None, True, False]),
    study_older_than_days=_days,
    study_younger_than_days=_days,
    not_used_for_days=_days,
    sent_within_days=_days,
)


@st.composite
def rule_lists(draw: st.DrawFn) -> tuple[Rule, ...]:
    """Up to four rules."""
    made = []
    for number in range(draw(st.integers(0, 4))):
        action = draw(st.sampled_from(list(Action)))
        share = None
        if action is Action.KEEP and draw(st.booleans()):
            share = Share(
                draw(st.sampled_from([1.0, 10.0, 50.0, 100.0])), draw(st.sampled_from(list(Measure)))
            )
        days = draw(st.sampled_from(DAYS)) if action is Action.KEEP_UNTIL else None
        made.append(Rule(f"rule {number}", action, draw(conditions), days, share))
    return tuple(made)


def put(transaction: Connection, cache: list[Unit]) -> None:
    """Let the index have this cache and no other."""
    for table in (retention_unit, retention_unit_archive, last_use, hold, study):
        transaction.execute(table.delete())
    whose: Any = transaction.execute(
        insert(patient).returning(patient.c.id), {"patient_id": "", "issuer": ""}
    ).scalar_one()
    for each in {unit.study: unit for unit in cache}.values():
        transaction.execute(
            study.insert(),
            {
                "id": each.study,
                "study_instance_uid": each.study_instance_uid,
                "patient": whose,
                "patient_id": each.patient_id,
                "issuer_of_patient_id": each.issuer,
                "study_date": each.study_date,
                "attributes": "{}",
                "received_at": each.received_at,
            },
        )
        if each.on_hold:
            row = {"token": str(each.study), "kind": "legal", "level": "study", "reason": "x"}
            placed = {"study_instance_uid": each.study_instance_uid, "placed_at": timestamp(NOW)}
            transaction.execute(hold.insert(), {**row, **placed})
    for each in cache:
        place = {"study": each.study, "part": str(each.part)}
        transaction.execute(
            retention_unit.insert(),
            {
                **place,
                "bytes": each.bytes,
                "objects": each.objects,
                "received_at": each.received_at,
                "sent_at": each.sent_at,
                "modalities": joined(each.modalities),
                "classes": joined(each.classes),
                "callers": joined(each.callers),
                "titles": joined(each.titles),
            },
        )
        # The word of another archive, an old commitment, and one to a part of it only do not count.
        transaction.execute(
            retention_unit_archive.insert(),
            [
                {**place, "archive": OTHER, "objects": each.objects, "oldest_at": timestamp(NOW)},
                {
                    **place,
                    "archive": ARCHIVE,
                    "objects": each.objects if each.is_safe or each.study % 2 else each.objects - 1,
                    "oldest_at": timestamp(NOW) if each.is_safe or not each.study % 2 else "2020",
                },
            ],
        )
        if each.used_at:
            used = [("person", each.used_at), ("system", timestamp(NOW - timedelta(days=5000)))]
            transaction.execute(
                last_use.insert(), [{**place, "used_by": by, "hour": hour} for by, hour in used]
            )
