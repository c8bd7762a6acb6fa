"""Peers of a running server, played by pynetdicom, that lie about what they take, commit to and give back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.dimse_primitives import C_STORE

from kinote.delivery.commitment.data_sets import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from tests.delivery.lying_peer import SYNTAXES, Peer

GET = "1.2.840.10008.5.1.4.1.2.2.3"

#: The reason "no such object instance" (PS3.3 C.14.1.1).
_NOT_THERE = 0x0112

#: No wait of a peer is longer than this, in seconds.
LONGEST = 120


@dataclass
class LyingPeer(Peer):
    """A peer that also ends an association in the middle of an object, stalls, and answers what it was not asked."""

    #: Ends the association once, after so many PDUs with data: by A-ABORT, or without a word.
    ends_after: int = 0
    ends_without_a_word: bool = False
    #: Whether the first object gets the answer of another one first.
    mixes_up: bool = False
    stalls: bool = False
    may_answer: threading.Event = field(default_factory=threading.Event)
    is_stalling: threading.Event = field(default_factory=threading.Event)
    pdus: int = 0

    def store(self, event: evt.Event) -> int:
        if self.mixes_up:
            self.mixes_up = False
            _answer_another(event)
        if self.stalls:
            self.is_stalling.set()
            self.may_answer.wait(LONGEST)
        return super().store(event)

    def received(self, event: evt.Event) -> None:
        if not self.ends_after or type(event.pdu).__name__ != "P_DATA_TF":
            return
        self.pdus += 1
        if self.pdus == self.ends_after:
            if self.ends_without_a_word:
                event.assoc.dul.socket.close()  # type: ignore[union-attr]
            else:
                # Not in the thread of the upper layer, which the abort waits for.
                threading.Thread(target=event.assoc.abort, daemon=True).start()

    def handlers(self) -> list[Any]:
        return [*super().handlers(), (evt.EVT_PDU_RECV, self.received)]


def _answer_another(event: evt.Event) -> None:
    """Answer a C-STORE with a Message ID that was never used."""
    request = event.request
    assert isinstance(request, C_STORE)
    answer = C_STORE()
    answer.MessageIDBeingRespondedTo = (request.MessageID or 0) + 1
    answer.AffectedSOPClassUID = request.AffectedSOPClassUID
    answer.AffectedSOPInstanceUID = request.AffectedSOPInstanceUID
    answer.Status = 0
    event.assoc.dimse.send_msg(answer, event.context.context_id)


#: Those that it says it has, of those that were named.
Commits = Callable[[Sequence[tuple[str, str]]], Sequence[tuple[str, str]]]


@dataclass
class LyingArchive(LyingPeer):
    """A peer that also commits to what it has been sent, and gives it back by C-GET.

    `server` is the port of the server that it tells on associations of its own.
    """

    title: str = "ARCHIVE"
    server: int = 0
    #: Which of the references it commits to, and which it says that it does not have; others it leaves out.
    commits: Commits = lambda references: references
    fails: Commits = lambda references: ()
    tells_before_response: bool = False
    tells: int = 1
    #: What it gives back.
    changes: Callable[[Dataset], Dataset] = lambda given: given
    kept: dict[str, Dataset] = field(default_factory=dict)
    #: The last of our requests.
    asked: Dataset = field(default_factory=Dataset)
    #: The statuses of the answers to its events.
    answers: list[int] = field(default_factory=list)

    def store(self, event: evt.Event) -> int:
        status = super().store(event)
        dataset = event.dataset
        self.kept[str(dataset.SOPInstanceUID)] = dataset
        return status

    def act(self, event: evt.Event) -> tuple[int, None]:
        self.asked = event.action_information
        result = self._result(self.asked)
        if self.tells_before_response:
            self._report(event.assoc, result)
        for _ in range(self.tells - self.tells_before_response):
            threading.Thread(target=partial(self._call, result), daemon=True).start()
        return 0x0000, None

    def tell_again(self) -> None:
        """Report once more on the last request, as the script says now."""
        self._call(self._result(self.asked))

    def _result(self, asked: Dataset) -> Dataset:
        references = [
            (str(each.ReferencedSOPClassUID), str(each.ReferencedSOPInstanceUID))
            for each in asked.ReferencedSOPSequence
        ]
        failed = self.fails(references)
        result = Dataset()
        result.TransactionUID = asked.TransactionUID
        result.ReferencedSOPSequence = [_item(*each) for each in self.commits(references)]
        if failed:
            result.FailedSOPSequence = [_item(*each, FailureReason=_NOT_THERE) for each in failed]
        return result

    def _report(self, association: Any, result: Dataset) -> None:
        event_type = 2 if "FailedSOPSequence" in result else 1
        answer, _ = association.send_n_event_report(
            result, event_type, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
        )
        with self.lock:
            self.answers.append(int(answer.Status) if "Status" in answer else -1)

    def _call(self, result: Dataset) -> None:
        entity = AE(self.title)
        entity.add_requested_context(STORAGE_COMMITMENT, SYNTAXES)
        role = build_role(STORAGE_COMMITMENT, scp_role=True)
        association = entity.associate("127.0.0.1", self.server, ae_title="KINOTE", ext_neg=[role])
        assert association.is_established
        self._report(association, result)
        association.release()

    def get(self, event: evt.Event) -> Iterator[Any]:
        found = self.kept.get(str(event.identifier.SOPInstanceUID))
        yield 0 if found is None else 1
        if found is not None:
            given = self.changes(deepcopy(found))
            given.file_meta = FileMetaDataset()
            given.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            yield 0xFF00, given

    def handlers(self) -> list[Any]:
        return [*super().handlers(), (evt.EVT_N_ACTION, self.act), (evt.EVT_C_GET, self.get)]

    def support(self, entity: AE) -> None:
        super().support(entity)
        entity.add_supported_context(STORAGE_COMMITMENT, SYNTAXES)
        entity.add_supported_context(GET, SYNTAXES)
        for uid in self.classes:
            entity.add_supported_context(uid, list(self.syntaxes), scu_role=True, scp_role=True)


def _item(sop_class: str, uid: str, **more: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    for name, value in more.items():
        setattr(item, name, value)
    return item
