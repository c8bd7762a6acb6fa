"""Key objects of a study that somebody opens, read again before the sweep of all comes to them.

After an upgrade the sweep may take an hour (`registering_jobs`). Whoever opens a study meanwhile sees what the current
reader understands.
"""

from __future__ import annotations

import logging
import time

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import key_object, study
from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.holdings.door import Door
from kinote.jobs.failed_objects import failed_by_version
from kinote.keyobject import reader
from kinote.notes.registrar.reading_again import read_again, read_by_older_readers
from kinote.notes.registrar.registering_jobs import REGISTER_AGAIN
from kinote.security.actors import KINOTE
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: Seconds that whoever opens a study may have to wait. What is left then is left to the sweep.
_SECONDS = 1.0


def read_first(catalog: Catalog, door: Door, study_instance_uid: str, clock: Clock) -> int:
    """Read key objects of a study again that an older reader read; returns how many.

    Costs a few looks at an index where there are none in the store. What cannot be read is left to the sweep, which
    notes the reason.
    """
    with catalog.read() as connection:
        if not read_by_older_readers(connection, after=0, limit=1):
            return 0
        wanted = _of_study(connection, study_instance_uid)
    until = time.monotonic() + _SECONDS
    done = 0
    for uid in wanted:
        if time.monotonic() > until:
            break
        try:
            read_again(catalog, door, uid, by=KINOTE, now=clock())
            done += 1
        except (SQLAlchemyError, CommitInDoubtError, CatalogClosedError):
            # The index does not take it now: the study is shown as it is.
            log.warning("Key objects of an opened study could not be read again", exc_info=True)
            break
        except Exception as error:
            # Whatever is wrong with one is its own (law 5).
            log.info(
                "A key object of an opened study is left to the sweep",
                extra={"sop_instance_uid": uid, "reason": str(error)},
            )
    return done


def number_left(connection: Connection) -> int:
    """Return how many key objects an older reader has read, those among them that could not be read again."""
    query = select(func.count()).where(
        key_object.c.made_from.is_(None), key_object.c.reader_version < reader.VERSION
    )
    return int(connection.execute(query).scalar_one())


def _of_study(connection: Connection, study_instance_uid: str) -> list[str]:
    rows = connection.execute(
        select(live_instance.c.id, live_instance.c.sop_instance_uid)
        .join(study, study.c.id == live_instance.c.study)
        .join(key_object, key_object.c.instance == live_instance.c.id)
        .where(
            study.c.study_instance_uid == study_instance_uid,
            live_instance.c.sop_class_uid == KEY_OBJECT_SELECTION,
            key_object.c.made_from.is_(None),
            key_object.c.reader_version < reader.VERSION,
        )
        .order_by(live_instance.c.id)
    ).all()
    tried = failed_by_version(connection, REGISTER_AGAIN.name, [row.id for row in rows], reader.VERSION)
    return [row.sop_instance_uid for row in rows if row.id not in tried]
