"""Recall: when somebody reads an instance whose bytes are at an archive, they are fetched.

The returned data set is stored only if it equals the original byte for byte. It takes the ordinary way by which an
object that arrives again heals a row without bytes (`kinote.intake.healing`). If it differs, it is not used, and the
archive's commitments are suspended. One recall serves all who wait for it. Each waits no longer than the archive's
policy says. The recall itself continues, so that a later reader finds the bytes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Connection, select

from kinote.catalog.instances.received_values import received_values
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import location, series, study
from kinote.catalog.sql.guards import hold
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.archives.fetching import Fetched, NotFetchedError, Wanted, fetch
from kinote.dicom.comparing.content import NotComparableError, difference, differing
from kinote.dicom.comparing.opened import TO_COMPARE, OpenedDataSet
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.data_set_file import DataSet
from kinote.dimse.errors import DimseError
from kinote.dimse.transport.tls import TlsOptions
from kinote.holdings.stored import Stored
from kinote.holdings.unavailable import BytesElsewhereError, RecallFailedError
from kinote.intake.expected import BareDataSet
from kinote.intake.upload import Upload
from kinote.lifecycle.archives.evidence import Archive, Evidence, Proof, archives_in_use
from kinote.lifecycle.archives.promises import prove
from kinote.lifecycle.guards import IS_GIVEN_BACK
from kinote.peers.known import PeersInUse
from kinote.peers.peer import Endpoint, EndpointKind
from kinote.security.actors import Actor, ActorKind
from kinote.security.origins import Interface, Origin
from kinote.storage.digests import digesting
from kinote.telemetry.clock import Clock
from kinote.telemetry.registry import REGISTRY

log = logging.getLogger(__name__)

#: The most simultaneous recalls from one archive.
_AT_ONCE = 4

_RECALLS = Counter("kinote_recalls", "Recalls from an archive, by outcome.", ["outcome"], registry=REGISTRY)

_ENDING = "The server is ending. Try again."

_CHUNK = 256 * 1024

#: Begins to receive an object.
Open = Callable[[Origin, BareDataSet], Upload]


@dataclass(frozen=True, slots=True)
class _Sought:
    """An instance to recall: what its bytes must be, and where they are."""

    key: int
    wanted: Wanted
    digest: str
    digest_algorithm: str
    archives: tuple[tuple[Archive, Endpoint], ...]


class Recaller:
    """Recalls objects. `title` is our AE title. Thread-safe."""

    def __init__(
        self,
        catalog: Catalog,
        open_upload: Open,
        clock: Clock,
        peers: PeersInUse,
        *,
        title: str,
        tls: TlsOptions,
    ) -> None:
        self._catalog = catalog
        self._open = open_upload
        self._clock = clock
        self._peers = peers
        self._title = title
        self._tls = tls
        self._lock = threading.Lock()
        self._under_way: dict[int, Future[str]] = {}
        # Separate for each archive, so that one that stalls delays no other.
        self._workers: dict[int, ThreadPoolExecutor] = {}
        self._is_closed = False

    def close(self) -> None:
        """Start no more recalls, and wait for those under way."""
        with self._lock:
            self._is_closed = True
            workers = list(self._workers.values())
        for each in workers:
            each.shutdown(cancel_futures=True)

    def __call__(self, stored: Stored) -> None:
        """Recall the bytes of an instance, and return when they are here.

        Raises `BytesElsewhereError` if no archive has them, and `RecallFailedError`.
        """
        uid = stored.sop_instance_uid
        with self._catalog.read() as connection:
            sought = self._sought(connection, stored.id)
        if sought is None or not sought.archives:
            raise BytesElsewhereError(uid)
        seconds = max(archive.policy.recall_seconds for archive, _ in sought.archives)
        under_way = self._begun(sought)
        try:
            fault = under_way.result(seconds)
        except CancelledError:
            raise RecallFailedError(uid, _ENDING) from None
        except FutureTimeoutError:
            raise RecallFailedError(uid, f"They did not come within {seconds} seconds. Try again.") from None
        if fault:
            raise RecallFailedError(uid, fault)

    def _begun(self, sought: _Sought) -> Future[str]:
        """Return the recall of an instance that is under way, or start one."""
        first = sought.archives[0][0].peer
        with self._lock:
            if self._is_closed:
                raise RecallFailedError(sought.wanted.sop_instance_uid, _ENDING)
            under_way = self._under_way.get(sought.key)
            if under_way is None:
                workers = self._workers.get(first)
                if workers is None:
                    workers = self._workers[first] = ThreadPoolExecutor(_AT_ONCE, f"recall-{first}")
                under_way = self._under_way[sought.key] = workers.submit(self._recall, sought)
            return under_way

    def _recall(self, sought: _Sought) -> str:
        """Ask one archive after another. Return why the bytes are not here; "" if they are."""
        faults = []
        try:
            for archive, endpoint in sought.archives:
                try:
                    self._recall_from(archive, endpoint, sought)
                    _RECALLS.labels("here").inc()
                    return ""
                except (NotFetchedError, DimseError, OSError) as error:
                    faults.append(f"{archive.name}: {str(error).rstrip('.')}.")
                    log.warning(
                        "An object could not be recalled",
                        extra={
                            "archive": archive.name,
                            "sop_instance_uid": sought.wanted.sop_instance_uid,
                            "reason": str(error),
                        },
                    )
            _RECALLS.labels("failed").inc()
            return " ".join(faults)
        except Exception:
            _RECALLS.labels("failed").inc()
            log.exception("A recall failed")
            return "The recall failed; see the server's log."
        finally:
            with self._lock:
                self._under_way.pop(sought.key, None)

    def _recall_from(self, archive: Archive, endpoint: Endpoint, sought: _Sought) -> None:
        fetched = self._fetched(archive, endpoint, sought.wanted)
        with fetched.file:
            if not _is_the_same(fetched, sought):
                report = {
                    "sentence": "It has given back other bytes than it was sent.",
                    "sop_instance_uid": sought.wanted.sop_instance_uid,
                    "identical": False,
                }
                self._catalog.write(
                    lambda transaction: prove(transaction, archive.peer, Proof.REFUSED, report, self._clock())
                )
                raise NotFetchedError("What it gives back is not what it was sent, and is not used")
            self._file(archive, fetched, sought.wanted)

    def _fetched(self, archive: Archive, endpoint: Endpoint, wanted: Wanted) -> Fetched:
        return fetch(
            endpoint.entity,
            wanted,
            title=self._title,
            tls=self._tls,
            seconds=float(archive.policy.recall_seconds),
        )

    def _file(self, archive: Archive, fetched: Fetched, wanted: Wanted) -> None:
        """Pass the object to intake, which gives the bytes to its row."""
        origin = Origin(Interface.C_STORE, Actor(ActorKind.PEER, archive.name, ""))
        upload = self._open(
            origin, BareDataSet(wanted.sop_class_uid, wanted.sop_instance_uid, wanted.transfer_syntax_uid)
        )
        try:
            while chunk := fetched.file.read(_CHUNK):
                upload.write(chunk)
        except BaseException:
            upload.abandon()
            raise
        outcome = upload.finish(sync_here=True).result()
        if not outcome.succeeded:
            raise NotFetchedError(f"What came back could not be stored: {outcome.reason}")

    # --- the proof ------------------------------------------------------------------------------------

    def prove(self, peer_id: int, key: int, opened: Callable[[], DataSet]) -> dict[str, Any]:
        """Fetch an instance that is here from an archive, and compare. The report says what the archive changes.

        An archive that returns other bytes may not be used for eviction: without the original bytes, nothing here could
        tell whether what it returns is the object. `opened` opens the bytes that are here. Raises `NotFetchedError`.
        """
        with self._catalog.read() as connection:
            sought = self._sought(connection, key)
        found = next(
            ((archive, at) for archive, at in (sought.archives if sought else ()) if archive.peer == peer_id),
            None,
        )
        if sought is None or found is None:
            raise NotFetchedError("The archive has not acknowledged this instance, or its peer is disabled")
        archive, endpoint = found
        try:
            fetched = self._fetched(archive, endpoint, sought.wanted)
        except DimseError as error:
            raise NotFetchedError(str(error)) from error
        with fetched.file:
            report: dict[str, Any] = {"sop_instance_uid": sought.wanted.sop_instance_uid}
            if _is_the_same(fetched, sought):
                report |= {"identical": True, "sentence": "It gives back the bytes that it was sent."}
            else:
                report |= {"identical": False, **_what_differs(opened(), fetched, sought.wanted)}
        proof = Proof.PROVED if report["identical"] else Proof.REFUSED
        self._catalog.write(lambda transaction: prove(transaction, peer_id, proof, report, self._clock()))
        return report

    def provable(self, connection: Connection, peer_id: int) -> tuple[int, str] | None:
        """Return the latest instance that is here and committed to by an archive: key and UID."""
        row = connection.execute(
            select(live_instance.c.id, live_instance.c.sop_instance_uid)
            .join(location, location.c.instance == live_instance.c.id)
            .where(
                location.c.archive == peer_id,
                location.c.evidence == str(Evidence.COMMITTED),
                live_instance.c.residence == "local",
                live_instance.c.file_key.is_not(None),
            )
            .order_by(location.c.at.desc())
            .limit(1)
        ).one_or_none()
        return None if row is None else (row.id, row.sop_instance_uid)

    def _sought(self, connection: Connection, key: int) -> _Sought | None:
        row = connection.execute(
            select(
                live_instance,
                series.c.series_instance_uid,
                study.c.study_instance_uid,
            )
            .join(series, series.c.id == live_instance.c.series)
            .join(study, study.c.id == live_instance.c.study)
            .where(live_instance.c.id == key)
        ).one_or_none()
        if row is None:
            return None
        holding = {
            each.archive: each.evidence
            for each in connection.execute(
                select(location.c.archive, location.c.evidence).where(
                    # Without a digest: what the archive may have changed. It is compared when it comes.
                    location.c.instance == key,
                    location.c.digest.in_([row.digest, ""]),
                )
            )
        }
        known = {peer.id: peer for peer in self._peers.known.by_name.values() if peer.is_enabled}
        archives = []
        for archive in archives_in_use(connection):
            peer = known.get(archive.peer)
            endpoint = peer.endpoint(EndpointKind.DIMSE) if peer is not None else None
            if archive.peer in holding and endpoint is not None:
                archives.append((archive, endpoint))
        # The archives that committed first come first.
        archives.sort(key=lambda each: holding[each[0].peer] != Evidence.COMMITTED)
        wanted = Wanted(
            _as_received(connection, "study", row.study, "StudyInstanceUID", row.study_instance_uid),
            _as_received(connection, "series", row.series, "SeriesInstanceUID", row.series_instance_uid),
            _as_received(connection, "instance", row.id, "SOPInstanceUID", row.sop_instance_uid),
            row.sop_class_uid,
            row.transfer_syntax_uid,
            row.size or 0,
        )
        return _Sought(key, wanted, row.digest or "", row.digest_algorithm, tuple(archives))


def _as_received(connection: Connection, level: Any, key: int, attribute: str, today: str) -> str:
    """Return the UID under which it was sent: archives are sent what was received."""
    values = received_values(connection, level, [key]).get(key, [])
    return next((each.value for each in values if each.attribute == attribute), today)


def _is_the_same(fetched: Fetched, sought: _Sought) -> bool:
    """Return whether the data set equals the received one byte for byte. Its file is then at the beginning again."""
    if fetched.size != sought.wanted.size or fetched.transfer_syntax_uid != sought.wanted.transfer_syntax_uid:
        return False
    digest = digesting(sought.digest_algorithm)
    while chunk := fetched.file.read(_CHUNK):
        digest.update(chunk)
    fetched.file.seek(0)
    return hold(IS_GIVEN_BACK, digest.finish().root, sought)


def _what_differs(here: DataSet, fetched: Fetched, wanted: Wanted) -> dict[str, Any]:
    """Return how a returned data set differs from the one that is here."""
    fetched.file.seek(0)
    try:
        one = OpenedDataSet(here, wanted.transfer_syntax_uid, TO_COMPARE)
        with one.file:
            other = OpenedDataSet(
                DataSet(fetched.file, fetched.size), fetched.transfer_syntax_uid, TO_COMPARE
            )
            changed = differing(one, other, set(one.root) | set(other.root))
            first = difference(one, other, lambda mine, theirs: "has other frames")
    except (DicomError, NotComparableError, OSError) as error:
        return {"sentence": f"What it gives back cannot be compared: {error}.", "attributes": []}
    named = [f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in changed[:100]]
    if not named and not first:
        return {"sentence": "It gives back the same content in other bytes.", "attributes": []}
    said = first or "The encoding differs"
    return {
        "sentence": f"It does not give back what it was sent: {said}. {len(changed)} attributes differ.",
        "attributes": named,
    }
