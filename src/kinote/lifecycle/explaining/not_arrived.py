"""Causes before an object is here: it was never offered, it was refused, or another system still has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from kinote.catalog.schema.tables import instance, refused_arrival, told_availability
from kinote.lifecycle.explaining.asked import SHOWN, Asked, Cause, Found, cause_of, with_uid


def never_offered(connection: Connection, asked: Asked, found: Found) -> Iterator[Cause]:
    """Tell what was never offered."""
    if found.studies or _refusals(connection, asked)[0]:
        return
    if _may_have_been_refused(connection, asked):
        yield Cause(
            "NEVER_OFFERED",
            "Kinote has not been offered this in the last 90 days, or has refused it before it could tell what it was: "
            "of refused objects at most the UID is known, and of many from one sender only the number.",
            "See the refused arrivals (`GET /api/v1/arrivals/refused`) of the sender at that time, and the log of the "
            "sender.",
        )
        return
    yield Cause(
        "NEVER_OFFERED",
        "Kinote has never been offered this, or not in the last 90 days.",
        "See in the log of the sender whether it was sent, to which host, port and AE title. `kinote echo` shows "
        "whether the sender can be reached, `kinote peers list` whether it is known and may store.",
    )


def refused(connection: Connection, asked: Asked, found: Found) -> Iterator[Cause]:
    """Tell what was offered and not taken."""
    count, rows = _refusals(connection, asked)
    if not count:
        return
    last = rows[0]
    how = "broken off" if last.kind == "aborted" else f"refused with status {last.status:04X}H"
    yield Cause(
        "REFUSED",
        f"{count} objects were offered and not taken. The last, from {last.sender or 'an unnamed sender'} at "
        f"{last.happened_at}, was {how}: {last.comment}",
        "Remove the cause that the sentence names, and send them again.",
        count,
        tuple(dict.fromkeys(row.sop_instance_uid for row in rows if row.sop_instance_uid)),
    )


def _may_have_been_refused(connection: Connection, asked: Asked) -> bool:
    """Return whether there are refused arrivals in the time that may be what was asked for."""
    wanted = _in_time(asked)
    if asked.instance or asked.sender:
        # Others have a row that names them.
        wanted.append(or_(refused_arrival.c.count > 1, refused_arrival.c.sop_instance_uid == ""))
    return connection.execute(select(refused_arrival.c.id).where(*wanted).limit(1)).first() is not None


def _in_time(asked: Asked) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if asked.since:
        wanted.append(refused_arrival.c.happened_at >= asked.since)
    if asked.until:
        wanted.append(refused_arrival.c.happened_at <= asked.until)
    return wanted


def _refusals(connection: Connection, asked: Asked) -> tuple[int, Sequence[Any]]:
    wanted = _in_time(asked)
    if asked.instance:
        wanted.append(refused_arrival.c.sop_instance_uid == asked.instance)
    elif asked.sender:
        wanted.append(refused_arrival.c.sender == asked.sender)
    else:
        # A refused object has told its UID at most.
        return 0, ()
    rows = connection.execute(
        select(refused_arrival).where(*wanted).order_by(refused_arrival.c.id.desc()).limit(SHOWN)
    ).all()
    if not rows:
        return 0, ()
    count = connection.execute(select(func.sum(refused_arrival.c.count)).where(*wanted)).scalar_one()
    return int(count or 0), rows


def at_a_peer(connection: Connection, asked: Asked, found: Found) -> Iterator[Cause]:
    """Look for what a peer has told of (PS3.4 Annex R), and has not arrived here."""
    about = []
    studies = {*found.study_uids, asked.study} - {""}
    if asked.instance:
        about.append(told_availability.c.sop_instance_uid == asked.instance)
    elif studies:
        about.append(told_availability.c.study_instance_uid.in_(sorted(studies)))
    if about:
        is_here = exists(select(instance.c.id).where(with_uid(told_availability.c.sop_instance_uid)))
        query = (
            select(told_availability.c.sop_instance_uid)
            .where(*about, told_availability.c.availability != "UNAVAILABLE", ~is_here)
            .distinct()
        )
        yield from cause_of(
            connection,
            query,
            "AT_A_PEER",
            "{} objects have not arrived here, and a peer says that it has them.",
            "`kinote explain UID` says which peer. Have it send them, or see why it has not.",
        )
