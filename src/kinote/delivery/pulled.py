"""What a station gets of whole studies that it retrieves by C-MOVE or C-GET, if its destination limits that.

By PS3.4 C.4.2.2.1 it would get everything. Administrators can choose this deviation for each peer.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from kinote.catalog.known_systems import destination_rows
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import series, study
from kinote.delivery.orders.manifest import sources
from kinote.delivery.orders.ordering import Selected
from kinote.holdings.live_objects import LiveObject
from kinote.peers.destination import Content, Policy, WithoutNotes, destination_of


def limit_of(connection: Connection, peer: int) -> Policy | None:
    """Return the policy that limits what a peer pulls; None if there is none. It also applies while nothing is sent
    there.
    """
    in_use = map(destination_of, destination_rows.destinations_in_use(connection))
    return next(
        (each.policy for each in in_use if each.peer == peer and each.policy.pulled is not Content.ALL), None
    )


def pulled(connection: Connection, peer: int, objects: Sequence[LiveObject]) -> list[LiveObject]:
    """Return the part of the objects of whole studies that a peer gets, in order."""
    policy = limit_of(connection, peer)
    if policy is None:
        return list(objects)
    kept: set[int] = set()
    whole: set[str] = set()
    for uid in {each.study_instance_uid for each in objects}:
        keys = _keys(connection, uid, policy.pulled)
        kept |= keys
        if not keys and policy.pulled_without_notes is WithoutNotes.ALL:
            whole.add(uid)
    return [each for each in objects if each.id in kept or each.study_instance_uid in whole]


def _keys(connection: Connection, study_instance_uid: str, content: Content) -> set[int]:
    of_study = (
        select(live_instance.c.id)
        .join(series, series.c.id == live_instance.c.series)
        .join(study, study.c.id == live_instance.c.study)
    )
    return {
        key
        for source in sources(Selected(studies=(study_instance_uid,)), content)
        for key in connection.execute(of_study.where(source.condition)).scalars()
    }
