"""What falls due while no server runs is told before the next one can be asked anything."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from kinote.app import open_application
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import rejection_note
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.acts import QUALITY
from kinote.notes.acts.rejection import reject
from kinote.settings.model import Settings
from tests.actors import ROE
from tests.notes.sample_studies import IMAGE, NOW, fill

SETTINGS = {"http_port": 0, "dicom_port": 0, "scrub_days": 0, "job_workers": 0}


def is_told(catalog: Catalog) -> bool:
    with catalog.read() as connection:
        (note,) = connection.execute(select(rejection_note.c.sop_instance_uid)).scalars()
        found = connection.execute(
            select(live_instance.c.id).where(live_instance.c.sop_instance_uid == note)
        ).first()
    return found is not None


def test_law_4_a_window_that_fell_due_meanwhile_is_closed_at_the_start(tmp_path: Path) -> None:
    settings = Settings.model_validate({**SETTINGS, "data": tmp_path / "data"})
    now = NOW

    def clock() -> datetime:
        return now

    with open_application(settings, "serve", clock) as application:
        fill(application.catalog)
        application.catalog.write(
            lambda tx: reject(
                tx, [IMAGE], act=QUALITY, text="", by=ROE, now=now, undo_window=timedelta(minutes=10)
            )
        )
        assert not is_told(application.catalog)
    now += timedelta(minutes=9)
    with open_application(settings, "serve", clock) as application:
        assert not is_told(application.catalog)
    now += timedelta(minutes=1)
    with open_application(settings, "look", clock) as application:
        assert not is_told(application.catalog), "who only looks changes nothing"
    with open_application(settings, "serve", clock) as application:
        assert is_told(application.catalog)
