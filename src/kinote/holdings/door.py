"""The only way to an instance's bytes.

An instance is looked up in the live view at the moment it is opened. Where its bytes are then (docs/terms.md,
*residence*) decides what is done. The bytes are compared with their digest on the way out, so what leaves is what was
received. An instance whose bytes differ is marked as damaged, and they do not leave.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import BinaryIO, cast

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.instances.overlays import overlay_with_uid
from kinote.catalog.instances.received_values import todays_uids
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import instance, instance_pieces, series, study
from kinote.catalog.sql.statements import FindOne
from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.overlay.changes import NOT_LAID_OVER, Overlay
from kinote.holdings.checking import (
    WHOLE,
    CheckedFile,
    Difference,
    DiffersError,
    is_there,
    look_through,
    open_stored,
    whole,
)
from kinote.holdings.damage import mark_damaged
from kinote.holdings.live_objects import (
    IN_READING_ORDER,
    LiveObject,
    Selection,
    live_objects,
    selected,
)
from kinote.holdings.newer_digests import replace_digest
from kinote.holdings.stored import Stored, stored_bytes
from kinote.holdings.unavailable import (
    BytesDamagedError,
    BytesElsewhereError,
    BytesGoneError,
    BytesNotMadeError,
    BytesUnavailableError,
    NotCorrectableError,
    NotLiveError,
    StoreUnreachableError,
)
from kinote.lifecycle.held import HeldCopy
from kinote.security.actors import Actor
from kinote.storage.digests import BLAKE3, UnknownAlgorithmError, root_of
from kinote.storage.stores import Stores
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: How often a row is looked up that changes while its bytes are being opened.
_LOOKS = 3

_PIECES = FindOne(select(instance_pieces.c.digests).where(instance_pieces.c.instance == bindparam("id")))

_LIVE_BYTES = FindOne(stored_bytes(live_instance).where(live_instance.c.id == bindparam("id")))

_HELD_BYTES = FindOne(
    stored_bytes(instance).where(instance.c.id == bindparam("id"), instance.c.standing == "held")
)

_COPY_BYTES = FindOne(
    stored_bytes(instance).where(
        instance.c.id == bindparam("id"),
        instance.c.is_current,
        (instance.c.standing == "live") | (instance.c.standing == "withdrawn"),
    )
)

#: Gives the bytes of an instance that are not made yet, by its UID, and keeps nothing. Raises `BytesNotMadeError`.
Looker = Callable[[Connection, str], bytes]

#: Gives the data set of an instance whose bytes are not made yet. Raises `BytesUnavailableError` where it cannot.
Provider = Callable[[Stored], DataSet]

#: Brings the bytes of an instance back from another system, and returns when they are here. Raises
#: `BytesUnavailableError` where it cannot.
Recall = Callable[[Stored], None]


class Door:
    """Finds live objects and opens their bytes.

    `make` gives bytes that are derivable, and keeps them, because they leave; `look` gives them to whoever only says
    what is in them. `recall` brings those back that another system has. `store_is_there` says whether a
    store itself can be reached: a missing object says nothing where it cannot. `used` is told the key of an instance
    whose bytes go out, and for whom. Without `writes` the index stays as it is.
    """

    def __init__(
        self,
        catalog: Catalog,
        stores: Stores,
        *,
        clock: Clock,
        make: Provider | None = None,
        look: Looker | None = None,
        recall: Recall | None = None,
        store_is_there: Callable[[int], bool] = lambda store: True,
        used: Callable[[int, Actor], object] = lambda instance, by: None,
        writes: bool = True,
    ) -> None:
        self._catalog = catalog
        self._stores = stores
        self._clock = clock
        self._make = make
        self._look = look
        self._recall = recall
        self._store_is_there = store_is_there
        self._used = used
        self._writes = writes

    def find(
        self,
        connection: Connection,
        study_instance_uid: str,
        series_instance_uid: str | None = None,
        sop_instance_uid: str | None = None,
    ) -> list[LiveObject]:
        """The live objects of a study, a series of it, or one instance, in the order people read them."""
        query = live_objects().where(study.c.study_instance_uid == study_instance_uid)
        if series_instance_uid is not None:
            query = query.where(series.c.series_instance_uid == series_instance_uid)
        if sop_instance_uid is not None:
            query = query.where(live_instance.c.sop_instance_uid == sop_instance_uid)
        query = query.order_by(*IN_READING_ORDER)
        return [LiveObject(*row) for row in connection.execute(query)]

    def find_instance(self, connection: Connection, sop_instance_uid: str) -> LiveObject | None:
        """The live object with a SOP Instance UID, wherever it lies."""
        query = live_objects().where(live_instance.c.sop_instance_uid == sop_instance_uid)
        row = connection.execute(query).one_or_none()
        return LiveObject(*row) if row else None

    def select(self, wanted: Selection) -> list[LiveObject]:
        """The live objects of a selection, study by study in the order people read them."""
        return selected(self._catalog, wanted)

    def can_open(self, found: LiveObject) -> bool:
        """Whether the bytes of an object can be had, by what the index said of them when it was found."""
        return (
            found.residence == "local"
            or (found.residence == "derivable" and self._make is not None)
            or (found.residence == "remote" and self._recall is not None)
        )

    def open(self, wanted: LiveObject, by: Actor) -> DataSet:
        """The data set of an object that was found before, as a file of its own that whoever asked closes; for whom.

        It is as it was received: what goes out passes `kinote.delivery.outgoing`. What leaves is what is live now.
        Raises `NotLiveError` if it no longer is, and `BytesUnavailableError`, each reason by a class of its own, where
        its bytes cannot be had.
        """
        opened, _ = self._open(_LIVE_BYTES, wanted.id, wanted.sop_instance_uid)
        self._used(wanted.id, by)
        return opened

    def derived(self, connection: Connection, sop_instance_uid: str) -> bytes | None:
        """The bytes of a key object that are not made yet, of which nothing is kept; None where they cannot be made."""
        if self._look is None:
            return None
        try:
            return self._look(connection, sop_instance_uid)
        except BytesNotMadeError:
            return None

    def open_with_overlay(
        self, wanted: LiveObject, by: Actor, *, leaves: bool = True
    ) -> tuple[DataSet, Overlay | None]:
        """The same with what is to be laid over it on its way out, None if nothing is.

        Where nothing `leaves`, because it is only said what is in the object, bytes that are made for that are not
        kept.

        An object that has another SOP Instance UID by now is not the one that was wanted: `NotLiveError`. Raises
        `NotCorrectableError` where what is to be laid over it cannot be read.
        """
        opened, has_overlay = self._open(_LIVE_BYTES, wanted.id, wanted.sop_instance_uid, leaves=leaves)
        self._used(wanted.id, by)
        if not has_overlay:
            return opened, None
        try:
            with self._catalog.read() as connection:
                uid, overlay = overlay_with_uid(connection, wanted.id)
            # They are of one moment; the look at the bytes was before.
            if uid != wanted.sop_instance_uid:
                raise NotLiveError(wanted.sop_instance_uid)
        except NotLiveError:
            opened.file.close()
            raise
        except NOT_LAID_OVER as error:
            opened.file.close()
            log.warning("Corrections of %s are unreadable", wanted.sop_instance_uid, exc_info=True)
            raise NotCorrectableError(wanted.sop_instance_uid, error) from error
        except BaseException:
            opened.file.close()
            raise
        return opened, overlay

    def todays_uids(self, uids: Collection[str]) -> Mapping[str, str]:
        """Of UIDs, as they were received, those that are others today."""
        with self._catalog.read() as connection:
            return todays_uids(connection, uids)

    def open_held(self, wanted: HeldCopy) -> DataSet:
        """A held copy as it was received, for the administrator: this is no use of its study."""
        opened, _ = self._open(_HELD_BYTES, wanted.id, wanted.sop_instance_uid)
        return opened

    def open_copy(self, key: int, sop_instance_uid: str) -> DataSet:
        """The current instance under a UID as it was received, withdrawn or not, to be compared with what arrives.

        Nothing of it goes out, and this is no use of its study. Raises as `open` does.
        """
        # Nobody waits for an archive to compare what arrives.
        opened, _ = self._open(_COPY_BYTES, key, sop_instance_uid, leaves=False, recalls=False)
        return opened

    def _open(
        self, query: FindOne, key: int, uid: str, *, leaves: bool = True, recalls: bool = True
    ) -> tuple[DataSet, bool]:
        """The data set, and whether there is an overlay: both by one look at the index."""
        for _ in range(_LOOKS):
            found = self._catalog.find_latest(query, id=key)
            if found is None:
                raise NotLiveError(uid)
            stored = Stored(*found)
            if stored.sop_instance_uid != uid:
                raise NotLiveError(uid)
            match stored.residence:
                case "local":
                    try:
                        opened = self._local(stored)
                    except BytesDamagedError:
                        self._heal(stored, recalls=recalls)
                        continue
                    if opened is not None:
                        return opened, stored.has_overlay
                case "derivable":
                    if not leaves and self._look is not None:
                        return self._looked_at(uid), stored.has_overlay
                    if self._make is None:
                        raise BytesNotMadeError(uid)
                    return self._make(stored), stored.has_overlay
                case "remote":
                    if self._recall is None or not recalls:
                        raise BytesElsewhereError(uid)
                    self._recall(stored)
                case "damaged":
                    self._heal(stored, recalls=recalls)
                case _:
                    raise BytesGoneError(uid)
        raise StoreUnreachableError(uid, "What the index says of them changes all the time")

    def _heal(self, stored: Stored, *, recalls: bool) -> None:
        """Have an archive heal an object, whose bytes here are not those that were received."""
        uid = stored.sop_instance_uid
        if self._recall is None or not (recalls and self._writes):
            raise BytesDamagedError(uid)
        try:
            self._recall(stored)
        except BytesUnavailableError as error:
            raise BytesDamagedError(uid) from error

    def _looked_at(self, uid: str) -> DataSet:
        assert self._look is not None
        with self._catalog.read() as connection:
            dataset = self._look(connection, uid)
        return DataSet(io.BytesIO(dataset), len(dataset))

    def _local(self, stored: Stored) -> DataSet | None:
        """The bytes of a stored object, compared; None where its row has changed since it was looked up."""
        uid = stored.sop_instance_uid
        try:
            return self._compared(stored)
        except DiffersError as error:
            self._require_change(stored, error.difference)
            return None
        except UnknownAlgorithmError as error:
            raise StoreUnreachableError(uid, f"{error}: a newer Kinote has stored it") from error
        except BytesUnavailableError:
            raise
        except OSError as error:
            raise StoreUnreachableError(uid, error) from error

    def _compared(self, stored: Stored) -> DataSet:
        file = open_stored(self._stores, stored)
        try:
            if stored.size <= WHOLE or stored.file_key is None:
                with file:
                    return DataSet(io.BytesIO(whole(file, stored)), stored.size)
            pieces = self._pieces(file, stored)
            checked = CheckedFile(
                file,
                stored,
                pieces,
                refuse=lambda difference: self._refusal(stored, difference),
                fail=partial(StoreUnreachableError, stored.sop_instance_uid),
            )
        except BaseException:
            file.close()
            raise
        return DataSet(cast(BinaryIO, checked), stored.size)

    def _pieces(self, file: BinaryIO, stored: Stored) -> bytes:
        """The digests of an object's pieces: those that are kept, else taken now, once it has been compared whole."""
        kept = self._catalog.find_latest(_PIECES, id=stored.id)
        if kept is not None and stored.digest_algorithm == BLAKE3 and root_of(kept[0]) == stored.digest:
            return bytes(kept[0])
        found = look_through(file, stored)
        if self._writes:
            self._catalog.submit(lambda transaction: replace_digest(transaction, stored, found))
        return found.pieces

    def _require_change(self, stored: Stored, difference: Difference) -> None:
        """Mark an object as damaged. Raises the error for it, unless its row has changed since it was looked up."""
        uid = stored.sop_instance_uid
        if difference == "missing" and not self._store_is_there(stored.store):
            raise StoreUnreachableError(uid, "The folder of the store is not the store: its mark is missing")
        if difference == "missing" and stored.file_key is not None and is_there(self._stores, stored):
            # The store was away for a moment, and is back.
            return
        if self._marked(stored, difference):
            raise BytesDamagedError(uid)

    def _refusal(self, stored: Stored, difference: Difference) -> Exception:
        """The error for bytes that were found to differ after others of the object had gone out."""
        self._marked(stored, difference)
        return BytesDamagedError(stored.sop_instance_uid)

    def _marked(self, stored: Stored, difference: Difference) -> bool:
        if not self._writes:
            return True
        try:
            return mark_damaged(self._catalog, stored, difference, self._clock())
        except (SQLAlchemyError, CommitInDoubtError, CatalogClosedError):
            # The index does not take it now; the bytes differ all the same.
            log.exception(
                "A damaged object could not be marked", extra={"sop_instance_uid": stored.sop_instance_uid}
            )
            return True
