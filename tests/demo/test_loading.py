"""Loading the demo into an open application."""

from __future__ import annotations

from pathlib import Path

from kinote.app import open_application
from kinote.demo import identity
from kinote.demo.loading import load_demo
from kinote.demo.notes import DEMO_NOTES
from kinote.notes.lists.queries import notes_of_study
from kinote.settings.model import Settings


def test_loaded_twice_it_is_there_once(tmp_path: Path) -> None:
    with open_application(Settings.model_validate({"data": tmp_path / "data"})) as application:
        for _ in range(2):
            load_demo(application.catalog, application.receiver, application.clock)
        with application.catalog.read() as connection:
            for study in (identity.CHEST_CT, identity.RADIOGRAPH, identity.HEAD_MR, identity.LIVER_US):
                notes = notes_of_study(connection, study.uid)
                wanted = {note.description for note in DEMO_NOTES if note.study_instance_uid == study.uid}
                assert {note.description for note in notes} == wanted
                assert len(notes) == len(wanted)
                assert {reference.status for note in notes for reference in note.references} == {"resolved"}
            # The note that compares is seen from the earlier examination, too.
            assert len(notes_of_study(connection, identity.EARLIER_CHEST_CT.uid)) == 1
