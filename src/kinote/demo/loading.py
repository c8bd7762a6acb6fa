"""Loading the demo: imports its studies and makes its notes in the same way as for real ones."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, exists, select

from kinote.catalog.schema.tables import note
from kinote.catalog.transactions.catalog import Catalog
from kinote.demo import studies
from kinote.demo.notes import DemoNote
from kinote.intake.importing import import_sources, local_sink
from kinote.intake.receiver import Receiver
from kinote.media.sources import sources
from kinote.notes.acts.make import make
from kinote.notes.acts.request import NoteRequest, RequestedReference
from kinote.notes.author import Author
from kinote.security.actors import KINOTE, Actor, ActorKind
from kinote.security.origins import Interface, Origin
from kinote.telemetry.clock import Clock


class DemoError(RuntimeError):
    """The demo could not be loaded. The message names the refused file and the reason."""


def load_demo(catalog: Catalog, receiver: Receiver, clock: Clock) -> None:
    """Import the demo studies and make their notes. Does nothing if the demo is already loaded.

    Raises `DemoError` if a file is refused.
    """
    if _is_loaded(catalog):
        return
    with tempfile.TemporaryDirectory(prefix="kinote-demo-") as folder:
        demo = studies.build(Path(folder))
        for imported in import_sources(
            sources(demo.files), local_sink(receiver, Origin(Interface.DEMO, KINOTE))
        ):
            if imported.outcome.kind not in ("stored", "known"):
                raise DemoError(
                    f"{imported.name} of the demo was refused: {imported.outcome.reason} "
                    "Use a separate data directory for the demo with --data."
                )
    catalog.write(partial(_make_notes, notes=demo.notes, clock=clock))


def _is_loaded(catalog: Catalog) -> bool:
    """Return whether the notes exist. All of them are made in one transaction, after everything else."""
    with catalog.read() as connection:
        return bool(connection.scalar(select(exists().where(note.c.origin == "authored"))))


def _make_notes(transaction: Connection, *, notes: tuple[DemoNote, ...], clock: Clock) -> None:
    for demo_note in notes:
        make(
            transaction,
            [_request(demo_note)],
            study_instance_uid=demo_note.study_instance_uid,
            by=Actor(ActorKind.PERSON, demo_note.author_name, ""),
            now=clock(),
        )


def _request(demo_note: DemoNote) -> NoteRequest:
    return NoteRequest(
        title=demo_note.title,
        modifiers=demo_note.modifiers,
        description=demo_note.description,
        language=demo_note.language,
        author=Author("person", demo_note.author_name, demo_note.author_login),
        references=tuple(
            RequestedReference(
                reference.sop_instance_uid,
                frames=reference.frames,
                presentation_state_uid=reference.presentation_state_uid,
            )
            for reference in demo_note.references
        ),
    )
