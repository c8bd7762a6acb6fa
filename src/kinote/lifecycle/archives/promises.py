"""Archives as people manage them, and whether their promises are relied upon (law 9)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from kinote.catalog.known_systems import peer_rows
from kinote.catalog.known_systems.archive_rows import objects_are_only_at
from kinote.catalog.schema.tables import archive, endpoint, instance, location, peer, series, study
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.lifecycle.archives.evidence import Archive, Evidence, Proof, archives_in_use
from kinote.peers.archive_policy import ArchivePolicy, CommitmentBy, RecallBy, faults_of_archive
from kinote.peers.peer import EndpointKind
from kinote.peers.refusals import Fault, PeerNotFoundError, PeerVersionError, RefusedPeerError
from kinote.security.actors import Actor

log = logging.getLogger(__name__)


class ArchiveNotFoundError(PeerNotFoundError):
    """The peer is no archive."""


class ArchiveNeededError(ValueError):
    """Objects are at an archive whose bytes are not here."""


def archive_of(connection: Connection, peer_id: int) -> Archive:
    """Return the archive that a peer is. Raises `ArchiveNotFoundError`."""
    found = next((each for each in archives_in_use(connection) if each.peer == peer_id), None)
    if found is None:
        raise ArchiveNotFoundError(f"The peer number {peer_id} is no archive.")
    return found


def set_archive(
    transaction: Connection,
    peer_id: int,
    policy: ArchivePolicy,
    now: datetime,
    *,
    expected_version: int | None,
    by: Actor,
) -> Archive:
    """Make a peer an archive, or change how it is used.

    Raises `PeerNotFoundError`, `PeerVersionError` for another version than was seen, and `RefusedPeerError`.
    """
    peer_rows.begin_change(transaction)
    row = transaction.execute(select(peer.c.name, peer.c.ended_at).where(peer.c.id == peer_id)).one_or_none()
    if row is None or row.ended_at is not None:
        raise PeerNotFoundError(f"There is no peer number {peer_id}.")
    faults = [Fault(*each) for each in faults_of_archive(policy)]
    faults += _faults_of_endpoints(transaction, peer_id, policy)
    if faults:
        raise RefusedPeerError(faults)
    known = transaction.execute(select(archive).where(archive.c.peer == peer_id)).one_or_none()
    written = json.dumps(asdict(policy))
    if known is None:
        transaction.execute(archive.insert().values(peer=peer_id, policy=written, added_at=timestamp(now)))
    else:
        if expected_version not in (None, known.version):
            raise PeerVersionError(
                f"The archive {row.name!r} has the version {known.version} now, not {expected_version}. Read it "
                "again and repeat the change."
            )
        transaction.execute(
            archive.update()
            .where(archive.c.peer == peer_id)
            .values(policy=written, version=known.version + 1, ended_at=None)
        )
    log.info("An archive was set", extra={"archive": row.name, **by.columns("by")})
    return archive_of(transaction, peer_id)


def end_archive(transaction: Connection, peer_id: int, now: datetime, *, by: Actor) -> Archive:
    """Let a peer be no archive any more. Its evidence stays, and does not count.

    Raises `ArchiveNotFoundError`, and `ArchiveNeededError` while objects are at archives and this is one of theirs.
    """
    found = archive_of(transaction, peer_id)
    if objects_are_only_at(transaction, peer_id):
        raise ArchiveNeededError(
            f"Objects were evicted on the word of the archive {found.name!r}, and are there. It stays an archive."
        )
    transaction.execute(archive.update().where(archive.c.peer == peer_id).values(ended_at=timestamp(now)))
    log.info("An archive was ended", extra={"archive": found.name, **by.columns("by")})
    return found


def _faults_of_endpoints(transaction: Connection, peer_id: int, policy: ArchivePolicy) -> list[Fault]:
    """Return what the peer would need an endpoint for that it does not have."""
    kinds = set(
        transaction.execute(
            select(endpoint.c.kind).where(endpoint.c.peer == peer_id, endpoint.c.ended_at.is_(None))
        ).scalars()
    )
    needed = [
        ("policy.commitment", policy.commitment is CommitmentBy.DIMSE, EndpointKind.DIMSE),
        ("policy.commitment", policy.commitment is CommitmentBy.DICOMWEB, EndpointKind.DICOMWEB),
        ("policy.recall", policy.recall is RecallBy.C_GET, EndpointKind.DIMSE),
    ]
    return [
        Fault(field, f"The peer has no endpoint of the kind {kind}.")
        for field, is_needed, kind in needed
        if is_needed and str(kind) not in kinds
    ]


def suspend(transaction: Connection, peer_id: int, because: str, now: datetime) -> None:
    """Rely on the archive's promises no longer, until a person says otherwise. The first reason stays."""
    suspended = transaction.execute(
        archive.update()
        .where(archive.c.peer == peer_id, archive.c.suspended_at == "")
        .values(suspended_at=timestamp(now), suspended_because=because)
    )
    if suspended.rowcount:
        log.error("The promises of an archive are suspended: %s", because, extra={"archive": peer_id})


def resume(transaction: Connection, peer_id: int, now: datetime, *, by: Actor) -> Archive:
    """Rely on the archive's promises again, as a person has decided. Raises `ArchiveNotFoundError`.

    An archive whose first recall was refused has to prove another one.
    """
    found = archive_of(transaction, peer_id)
    transaction.execute(
        archive.update()
        .where(archive.c.peer == peer_id)
        .values(
            suspended_at="",
            suspended_because="",
            resumed_at=timestamp(now),
            **by.columns("resumed_by"),
            proof=str(Proof.NONE if found.proof is Proof.REFUSED else found.proof),
        )
    )
    log.info("The promises of an archive count again", extra={"archive": found.name, **by.columns("by")})
    return archive_of(transaction, peer_id)


def prove(
    transaction: Connection, peer_id: int, proof: Proof, report: Mapping[str, Any], now: datetime
) -> None:
    """Note what a recall has shown. A recall that is refused counts at any time, one that proves only if none did."""
    if proof is Proof.REFUSED:
        suspend(transaction, peer_id, str(report.get("sentence", "A recall has failed.")), now)
    condition = archive.c.peer == peer_id
    if proof is Proof.PROVED:
        condition &= archive.c.proof == str(Proof.NONE)
    transaction.execute(
        archive.update()
        .where(condition)
        .values(
            proof=str(proof), proof_at=timestamp(now), proof_report=json.dumps(report, ensure_ascii=False)
        )
    )


def acknowledged(
    transaction: Connection, peer_id: int, instances: Sequence[tuple[int, str]], now: datetime
) -> int:
    """Note that an archive has acknowledged these instances, each with the digest of the bytes that it was sent.

    Only for bytes that were sent as they are stored, neither corrected nor re-encoded. Evidence that is stronger and
    about the same bytes stays. Does nothing for a peer that is no archive. Returns the number of instances noted.
    """
    if not any(each.peer == peer_id for each in archives_in_use(transaction)):
        return 0
    keys = [key for key, _ in instances]
    digests = {
        row.id: row.digest
        for row in transaction.execute(
            select(instance.c.id, instance.c.digest).where(instance.c.id.in_(keys))
        )
    }
    known = {
        row.instance: row
        for row in transaction.execute(
            select(location).where(location.c.archive == peer_id, location.c.instance.in_(keys))
        )
    }
    noted = 0
    for key, digest in instances:
        # What has other bytes by now is another object.
        if not digest or digests.get(key) != digest:
            continue
        noted += 1
        row = known.get(key)
        values = {"evidence": str(Evidence.ACKNOWLEDGED), "at": timestamp(now), "digest": digest}
        if row is None:
            statements.insert_rows(transaction, location, [{"instance": key, "archive": peer_id, **values}])
        elif row.digest != digest or row.evidence != Evidence.COMMITTED:
            transaction.execute(
                location.update()
                .where(location.c.archive == peer_id, location.c.instance == key)
                .values(values)
            )
    return noted


def acknowledged_as_stored(
    transaction: Connection, peer_id: int, instances: Sequence[int], now: datetime
) -> int:
    """Note that a peer has acknowledged instances in the transfer syntax in which they are stored, if it is an archive.

    What is corrected on its way out is left out: it is other bytes that were sent. Returns the number noted.
    """
    if not instances or not any(each.peer == peer_id for each in archives_in_use(transaction)):
        return 0
    rows = transaction.execute(
        select(instance.c.id, instance.c.digest)
        .join(series, series.c.id == instance.c.series)
        .join(study, study.c.id == instance.c.study)
        .where(
            instance.c.id.in_(instances),
            instance.c.overlay == 0,
            series.c.overlay == 0,
            study.c.overlay == 0,
        )
    )
    return acknowledged(transaction, peer_id, [(row.id, row.digest) for row in rows], now)


def counts(connection: Connection, peer_id: int, renew_before: datetime) -> dict[str, Any]:
    """Return how many instances an archive has acknowledged and committed to, and its oldest evidence."""
    rows = connection.execute(
        select(location.c.evidence, func.count(), func.min(location.c.at))
        .where(location.c.archive == peer_id)
        .group_by(location.c.evidence)
    ).all()
    by_evidence = {row[0]: (int(row[1]), row[2]) for row in rows}
    aged = connection.execute(
        select(func.count()).where(
            location.c.archive == peer_id,
            location.c.evidence == str(Evidence.COMMITTED),
            location.c.at < timestamp(renew_before),
        )
    ).scalar_one()
    committed, oldest = by_evidence.get(Evidence.COMMITTED, (0, None))
    return {
        "acknowledged": by_evidence.get(Evidence.ACKNOWLEDGED, (0, None))[0],
        "committed": committed,
        "too_old": int(aged),
        "oldest": oldest,
    }
