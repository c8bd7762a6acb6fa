"""The only access to an instance's bytes.

An instance is looked up in the live view at the moment it is opened. Its residence (docs/terms.md) decides how its
bytes are found. The bytes are compared with their digest on the way out, so what leaves is what was received. If they
differ, the instance is marked as damaged and nothing leaves.
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

#: How often a row is looked up again if it changes while its bytes are being opened.
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

#: Makes the bytes of an instance that have not been made yet, by its UID, without keeping them. Raises
#: `BytesNotMadeError`.
Looker = Callable[[Connection, str], bytes]

#: Makes the data set of an instance whose bytes have not been made yet. Raises `BytesUnavailableError`.
Provider = Callable[[Stored], DataSet]

#: Recalls the bytes of an instance from another system, and returns once they are here. Raises `BytesUnavailableError`.
Recall = Callable[[Stored], None]


class Door:
    """Finds live objects and opens their bytes.

    `make` makes derivable bytes and keeps them, because they are sent out. `look` makes them only to be read. `recall`
    fetches bytes that only another system has. `store_is_there` tells whether a store can be reached: if not, a missing
    file proves nothing. `used` receives the key of each instance whose bytes go out, and the actor. Without `writes`,
    the index is not changed.
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
        """Return the live objects of a study, a series or one instance, in the order people read them."""
        query = live_objects().where(study.c.study_instance_uid == study_instance_uid)
        if series_instance_uid is not None:
            query = query.where(series.c.series_instance_uid == series_instance_uid)
        if sop_instance_uid is not None:
            query = query.where(live_instance.c.sop_instance_uid == sop_instance_uid)
        query = query.order_by(*IN_READING_ORDER)
        return [LiveObject(*row) for row in connection.execute(query)]

    def find_instance(self, connection: Connection, sop_instance_uid: str) -> LiveObject | None:
        """Return the live object with a SOP Instance UID, in whichever study it is."""
        query = live_objects().where(live_instance.c.sop_instance_uid == sop_instance_uid)
        row = connection.execute(query).one_or_none()
        return LiveObject(*row) if row else None

    def select(self, wanted: Selection) -> list[LiveObject]:
        """Return the live objects of a selection, study by study in the order people read them."""
        return selected(self._catalog, wanted)

    def can_open(self, found: LiveObject) -> bool:
        """Return whether an object's bytes are available, according to the index at the time it was found."""
        return (
            found.residence == "local"
            or (found.residence == "derivable" and self._make is not None)
            or (found.residence == "remote" and self._recall is not None)
        )

    def open(self, wanted: LiveObject, by: Actor) -> DataSet:
        """Open the data set of an object found before; the caller closes it. `by` is whom it is for.

        The bytes are as received: whatever goes out passes through `kinote.delivery.outgoing`. Raises `NotLiveError` if
        the object is no longer live, and a subclass of `BytesUnavailableError` for each reason why its bytes are not
        available.
        """
        opened, _ = self._open(_LIVE_BYTES, wanted.id, wanted.sop_instance_uid)
        self._used(wanted.id, by)
        return opened

    def derived(self, connection: Connection, sop_instance_uid: str) -> bytes | None:
        """Make the bytes of a derivable key object without keeping them. Return None if they cannot be made."""
        if self._look is None:
            return None
        try:
            return self._look(connection, sop_instance_uid)
        except BytesNotMadeError:
            return None

    def open_with_overlay(
        self, wanted: LiveObject, by: Actor, *, leaves: bool = True
    ) -> tuple[DataSet, Overlay | None]:
        """Open an object as `open` does, with the overlay to apply on its way out; None if there is none.

        Unless the object `leaves`, derivable bytes are made only to be read, and not kept.

        Raises `NotLiveError` also if the object has got another SOP Instance UID, and `NotCorrectableError` if its
        overlay cannot be read.
        """
        opened, has_overlay = self._open(_LIVE_BYTES, wanted.id, wanted.sop_instance_uid, leaves=leaves)
        self._used(wanted.id, by)
        if not has_overlay:
            return opened, None
        try:
            with self._catalog.read() as connection:
                uid, overlay = overlay_with_uid(connection, wanted.id)
            # Row and overlay are of the same moment; the bytes were looked at before.
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
        """Return the current UIDs of received UIDs that have changed."""
        with self._catalog.read() as connection:
            return todays_uids(connection, uids)

    def open_held(self, wanted: HeldCopy) -> DataSet:
        """Open a held copy as received, for the administrator. This does not count as a use of its study."""
        opened, _ = self._open(_HELD_BYTES, wanted.id, wanted.sop_instance_uid)
        return opened

    def open_copy(self, key: int, sop_instance_uid: str) -> DataSet:
        """Open the current instance of a UID as received, withdrawn or not, to compare it with an arriving one.

        Nothing of it goes out, and it does not count as a use of its study. Raises as `open` does.
        """
        # Comparing an arriving object does not justify a recall from an archive.
        opened, _ = self._open(_COPY_BYTES, key, sop_instance_uid, leaves=False, recalls=False)
        return opened

    def _open(
        self, query: FindOne, key: int, uid: str, *, leaves: bool = True, recalls: bool = True
    ) -> tuple[DataSet, bool]:
        """Open the data set, and return whether it has an overlay. Both come from one query."""
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
        """Have an archive replace the bytes of an object that is damaged here."""
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
        """Open the bytes of a stored object, compared. Return None if its row has changed since it was looked up."""
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
        """Return the digests of an object's pieces: the stored ones, or new ones once it has been compared as a
        whole.
        """
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
            # The store was unreachable for a moment and is back.
            return
        if self._marked(stored, difference):
            raise BytesDamagedError(uid)

    def _refusal(self, stored: Stored, difference: Difference) -> Exception:
        """Return the error for bytes that turned out to differ after the first bytes had gone out."""
        self._marked(stored, difference)
        return BytesDamagedError(stored.sop_instance_uid)

    def _marked(self, stored: Stored, difference: Difference) -> bool:
        if not self._writes:
            return True
        try:
            return mark_damaged(self._catalog, stored, difference, self._clock())
        except (SQLAlchemyError, CommitInDoubtError, CatalogClosedError):
            # The index does not accept writes now. The bytes differ all the same.
            log.exception(
                "A damaged object could not be marked", extra={"sop_instance_uid": stored.sop_instance_uid}
            )
            return True
