"""A destination that does as its script says: it takes, refuses, stalls, aborts, lies about what it has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from kinote.peers.peer import Endpoint
from tests.catalog.archive import CT, KOS, MR
from tests.notes.sample_studies import STATE, ULTRASOUND
from tests.peers.wanted import dimse

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]

#: What it answers for the object with a UID: a status, or "abort".
Script = Callable[[str, int], int | str]


@dataclass
class Peer:
    """What it was given, in order; and what it says it has."""

    script: Script = lambda uid, number: 0
    #: UIDs that it takes, and says it does not have.
    forgets: frozenset[str] = frozenset()
    #: Its classes; those that are left out it does not take.
    classes: tuple[str, ...] = (CT, MR, KOS, STATE, ULTRASOUND)
    syntaxes: tuple[str, ...] = tuple(SYNTAXES)
    answers_queries: bool = True
    #: Called with each object that it has begun to take.
    taking: Callable[[str], None] = lambda uid: None
    given: list[str] = field(default_factory=list)
    has: dict[str, Any] = field(default_factory=dict)
    associations: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def store(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)  # type: ignore[union-attr]
        with self.lock:
            self.given.append(uid)
            number = len(self.given)
        self.taking(uid)
        answer = self.script(uid, number)
        if answer == "abort":
            event.assoc.abort()
            return 0
        assert isinstance(answer, int)
        if answer == 0 or 0xB000 <= answer < 0xC000:
            dataset = event.dataset
            self.has[uid] = (
                str(dataset.StudyInstanceUID),
                str(dataset.SeriesInstanceUID),
                str(dataset.SOPClassUID),
            )
        return answer

    def find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        for uid, (study, series, _) in sorted(self.has.items()):
            if uid in self.forgets or (study, series) != (asked.StudyInstanceUID, asked.SeriesInstanceUID):
                continue
            match = Dataset()
            match.QueryRetrieveLevel = "IMAGE"
            match.StudyInstanceUID, match.SeriesInstanceUID, match.SOPInstanceUID = study, series, uid
            yield 0xFF00, match

    def established(self, _event: evt.Event) -> None:
        self.associations += 1

    def handlers(self) -> list[Any]:
        return [
            (evt.EVT_C_STORE, self.store),
            (evt.EVT_C_FIND, self.find),
            (evt.EVT_ESTABLISHED, self.established),
        ]

    def support(self, entity: AE) -> None:
        """Say what it accepts."""
        for uid in self.classes:
            entity.add_supported_context(uid, list(self.syntaxes))
        if self.answers_queries:
            entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind, SYNTAXES)
        entity.add_supported_context("1.2.840.10008.1.1", SYNTAXES)


@contextmanager
def listening(peer: Peer, title: str = "ARCHIVE") -> Iterator[Endpoint]:
    """Let it listen, and give its endpoint."""
    entity = AE(title)
    entity.network_timeout = entity.dimse_timeout = 20
    peer.support(entity)
    server: Any = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=peer.handlers())
    try:
        yield dimse(title, *server.socket.getsockname())
    finally:
        server.shutdown()
