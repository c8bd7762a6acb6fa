"""The bytes of key objects whose rows came first (residence `derivable`): made when they are first needed, then kept.

All that they depend on was fixed with their row (law 11). So whoever makes them gets the same, and of two who make them
at once the first keeps them.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    DERIVABLE,
    finding,
    instance,
    instance_bytes,
    instance_pieces,
    study,
)
from kinote.catalog.sql.guards import hold
from kinote.catalog.sql.statements import insert_new
from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.dicom.files.data_set_file import DataSet
from kinote.holdings.stored import Stored
from kinote.holdings.unavailable import BytesNotMadeError
from kinote.keyobject.findings import found
from kinote.lifecycle.guards import CAN_BE_MADE
from kinote.notes.creator.create import dataset_of
from kinote.storage.digests import digest_of

log = logging.getLogger(__name__)

_NOT_MADE = "NOT_MADE"


_REPLACED = "The document as which the note was exported has just arrived in its place. Ask again."


class CannotBeMadeError(ValueError):
    """What the rows of a key object say gives no document, or another one than was promised; the message says why."""


class KeyObjectMaker:
    """Makes bytes at the moment they are asked for; keeps them where it `writes`.

    What cannot be made is remembered with the reason, for the account of its study.
    """

    def __init__(self, catalog: Catalog, *, writes: bool = True) -> None:
        self._catalog = catalog
        self._writes = writes

    def __call__(self, stored: Stored) -> DataSet:
        """Return the data set of a derivable key object, for the door. Raises `BytesNotMadeError`."""
        try:
            with self._catalog.read() as connection:
                dataset = derived(connection, stored.sop_instance_uid)
            if self._writes:
                self._keep(stored, dataset)
        except CannotBeMadeError as error:
            self._remember(stored, str(error))
            raise BytesNotMadeError(stored.sop_instance_uid, str(error)) from error
        return DataSet(io.BytesIO(dataset), len(dataset))

    def _keep(self, stored: Stored, dataset: bytes) -> None:
        """Keep bytes. They are those that the row promises, and go out even if the index does not take them now."""
        try:
            is_kept = self._catalog.write(lambda transaction: keep(transaction, stored.id, dataset))
            if not is_kept and not self._is_still_there(stored):
                raise CannotBeMadeError(_REPLACED)
        except (SQLAlchemyError, CommitInDoubtError, CatalogClosedError):
            log.exception(
                "The bytes of a key object were made and could not be kept; they are made again when needed",
                extra={"sop_instance_uid": stored.sop_instance_uid},
            )

    def _is_still_there(self, stored: Stored) -> bool:
        """Return whether a row still is; otherwise the document as which its note was exported has replaced it."""
        with self._catalog.read() as connection:
            return (
                connection.execute(select(instance.c.id).where(instance.c.id == stored.id)).first()
                is not None
            )

    def look(self, connection: Connection, sop_instance_uid: str) -> bytes:
        """Return the bytes of a derivable key object, only to be read: nothing is kept.

        Raises `BytesNotMadeError`.
        """
        try:
            return derived(connection, sop_instance_uid)
        except CannotBeMadeError as error:
            raise BytesNotMadeError(sop_instance_uid, str(error)) from error

    def _remember(self, stored: Stored, reason: str) -> None:
        """Note why a key object cannot be made. The client hears of it even if the index does not take that."""
        if not self._writes:
            return
        try:
            self._catalog.write(lambda transaction: tell_not_made(transaction, stored.id, reason))
        except (SQLAlchemyError, CommitInDoubtError, CatalogClosedError):
            log.exception(
                "Why a key object cannot be made could not be noted",
                extra={"sop_instance_uid": stored.sop_instance_uid},
            )


def derived(connection: Connection, sop_instance_uid: str) -> bytes:
    """Return the bytes of a key object, made from its rows, which are those that its row promises.

    Raises `CannotBeMadeError`.
    """
    try:
        dataset = dataset_of(connection, sop_instance_uid)
    except SQLAlchemyError:
        # It is the index that fails, and not this key object.
        raise
    except (LookupError, ValueError) as error:
        raise CannotBeMadeError(str(error)) from error
    except Exception as error:
        # Whatever else the writer raises is the matter of this one alone (law 5).
        raise CannotBeMadeError(f"{type(error).__name__}: {error}") from error
    row = connection.execute(
        select(instance.c.digest, instance.c.digest_algorithm).where(
            instance.c.sop_instance_uid == sop_instance_uid, instance.c.is_current
        )
    ).one()
    _compare(row, dataset)
    return dataset


def _compare(row: Any, dataset: bytes) -> None:
    """Raise `CannotBeMadeError` where a row promises other bytes."""
    if row.digest is not None and row.digest != digest_of(dataset, row.digest_algorithm).root:
        raise CannotBeMadeError("The bytes that its note gives now are not those that its row promises.")


def keep(transaction: Connection, key: int, dataset: bytes) -> bool:
    """Keep the bytes of an instance that has none yet; False where somebody else has kept them before.

    Raises `CannotBeMadeError` where its row promises others.
    """
    row = transaction.execute(
        select(instance.c.residence, instance.c.digest, instance.c.digest_algorithm)
        .where(instance.c.id == key)
        .with_for_update()
    ).one_or_none()
    if row is None or not hold(CAN_BE_MADE, row):
        return False
    _compare(row, dataset)
    digest = digest_of(dataset)
    insert_new(transaction, instance_bytes, [{"instance": key, "dataset": dataset}], unique=["instance"])
    if digest.pieces:
        insert_new(
            transaction, instance_pieces, [{"instance": key, "digests": digest.pieces}], unique=["instance"]
        )
    transaction.execute(
        instance.update()
        .where(instance.c.id == key)
        .values(
            residence="local",
            digest=digest.root,
            digest_algorithm=digest.algorithm,
            size=len(dataset),
            file_key=None,
            dataset_offset=0,
        )
    )
    _forget_not_made(transaction, key)
    return True


def tell_not_made(transaction: Connection, key: int, reason: str) -> None:
    """Write the finding that the bytes of an instance cannot be made, in place of the one before; none if it has some.

    So its study shows it, with the reason.
    """
    row = transaction.execute(
        select(instance.c.residence).where(instance.c.id == key).with_for_update()
    ).one_or_none()
    if row is None or not hold(CAN_BE_MADE, row):
        return
    _forget_not_made(transaction, key)
    each = found(_NOT_MADE, "", reason)
    values = {"code": each.code, "severity": each.severity, "place": each.place, "text": each.text}
    transaction.execute(finding.insert(), {"instance": key, **values})


def _forget_not_made(transaction: Connection, key: int) -> None:
    transaction.execute(finding.delete().where(finding.c.instance == key, finding.c.code == _NOT_MADE))


@dataclass(frozen=True, slots=True)
class MadeSome:
    """How many key objects were made, why others could not be, by UID, and the key to go on after if more are left."""

    made: int
    failed: dict[str, str]
    next: int | None


def make_some(catalog: Catalog, *, after: int, limit: int, study_instance_uid: str = "") -> MadeSome:
    """Make the next key objects whose bytes are not made yet, of all studies or of one, each by itself."""
    with catalog.read() as connection:
        page = to_be_made(connection, after=after, limit=limit, study_instance_uid=study_instance_uid)
    made = 0
    failed: dict[str, str] = {}
    for key, uid in page:
        try:
            with catalog.read() as connection:
                dataset = derived(connection, uid)
            made += catalog.write(partial(keep, key=key, dataset=dataset))
        except CannotBeMadeError as error:
            failed[uid] = str(error)
            catalog.write(partial(tell_not_made, key=key, reason=str(error)))
    return MadeSome(made, failed, page[-1][0] if len(page) == limit else None)


def to_be_made(
    connection: Connection, *, after: int, limit: int, study_instance_uid: str = ""
) -> list[tuple[int, str]]:
    """Live instances whose bytes are not made yet, of all studies or of one: keys after a key, with their UIDs."""
    query = select(live_instance.c.id, live_instance.c.sop_instance_uid).where(
        live_instance.c.residence == DERIVABLE, live_instance.c.id > after
    )
    if study_instance_uid:
        query = query.join(study, study.c.id == live_instance.c.study).where(
            study.c.study_instance_uid == study_instance_uid
        )
    return [
        (row.id, row.sop_instance_uid)
        for row in connection.execute(query.order_by(live_instance.c.id).limit(limit))
    ]
