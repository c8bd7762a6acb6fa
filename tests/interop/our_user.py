"""What Kinote's own user of the services asks of a peer, and what it gets."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from kinote.dicom.dictionary import transfer_syntaxes
from kinote.dimse import invoking, statuses
from kinote.dimse.associations.negotiation import Context
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.commands import CGetResponse, CMoveResponse, CStoreRequest, CStoreResponse
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.information_models import STUDY_ROOT
from kinote.dimse.transport.tls import NO_CERTIFICATES, TlsOptions
from tests.interop.test_every_copy import received

OURS = "OURS"

#: Queries go in the syntax in which the identifiers below are.
_EXPLICIT = (transfer_syntaxes.EXPLICIT_VR_LITTLE_ENDIAN,)


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to ask, and with which certificate."""

    entity: ApplicationEntity
    tls: TlsOptions = NO_CERTIFICATES

    def echo(self) -> int:
        """The status of C-ECHO."""
        proposal = Proposal([(invoking.VERIFICATION, _EXPLICIT)])
        with association(self.entity, OURS, proposal, tls=self.tls) as opened:
            return invoking.echo(opened).status

    def store(self, files: Sequence[bytes]) -> list[int]:
        """The statuses of C-STORE, each file in the transfer syntax that it is in."""
        objects = [(dcmread(io.BytesIO(file), stop_before_pixels=True), file) for file in files]
        contexts = {(str(head.SOPClassUID), str(head.file_meta.TransferSyntaxUID)) for head, _ in objects}
        proposal = Proposal([(uid, (syntax,)) for uid, syntax in sorted(contexts)])
        found = []
        with association(self.entity, OURS, proposal, tls=self.tls) as opened:
            for head, file in objects:
                context = next(
                    each
                    for each in opened.contexts.values()
                    if (each.abstract_syntax, each.transfer_syntax)
                    == (head.SOPClassUID, head.file_meta.TransferSyntaxUID)
                )
                uid, data_set = received(file)
                found.append(invoking.store(opened, context, uid, data_set).status)
        return found

    def find(self, level: str, **keys: str) -> list[Dataset]:
        """The matches of a C-FIND that has succeeded."""
        proposal = Proposal([(STUDY_ROOT.find, _EXPLICIT)])
        with association(self.entity, OURS, proposal, tls=self.tls) as opened:
            *matches, (last, nothing) = invoking.find(opened, STUDY_ROOT.find, identifier(level, **keys))
        assert (last.status, nothing) == (statuses.SUCCESS, b"")
        assert all(statuses.is_pending(answer.status) for answer, _ in matches)
        return [read_dataset(io.BytesIO(found), False, True) for _, found in matches]

    def move(self, destination: str, level: str, **keys: str) -> CMoveResponse:
        """The last answer to a C-MOVE."""
        proposal = Proposal([(STUDY_ROOT.move, _EXPLICIT)])
        with association(self.entity, OURS, proposal, tls=self.tls) as opened:
            *_, last = invoking.move(opened, STUDY_ROOT.move, destination, identifier(level, **keys))
        return last

    def get(
        self, storing: Sequence[tuple[str, str]], level: str, **keys: str
    ) -> tuple[CGetResponse, dict[str, tuple[str, bytes]]]:
        """The last answer to a C-GET, and by UID what came: its transfer syntax and its data set.

        `storing` has pairs of a class and a transfer syntax that are taken.
        """
        proposal = Proposal(
            [(STUDY_ROOT.get, _EXPLICIT), *((uid, (syntax,)) for uid, syntax in storing)],
            storing=frozenset(uid for uid, _ in storing),
        )
        came: dict[str, tuple[str, bytes]] = {}

        def take(context: Context, request: CStoreRequest, pieces: Iterator[memoryview]) -> CStoreResponse:
            data_set = b"".join(map(bytes, pieces))
            came[request.affected_sop_instance_uid] = (context.transfer_syntax, data_set)
            return CStoreResponse(
                message_id_being_responded_to=request.message_id,
                affected_sop_class_uid=request.affected_sop_class_uid,
                affected_sop_instance_uid=request.affected_sop_instance_uid,
                status=statuses.SUCCESS,
            )

        with association(self.entity, OURS, proposal, tls=self.tls) as opened:
            *_, last = invoking.get(opened, STUDY_ROOT.get, identifier(level, **keys), take)
        return last, came


def identifier(level: str, **keys: str) -> bytes:
    """A request's identifier in explicit VR."""
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    for name, value in keys.items():
        setattr(dataset, name, value)
    encoded = io.BytesIO()
    dcmwrite(encoded, dataset, implicit_vr=False, little_endian=True, enforce_file_format=False)
    return encoded.getvalue()
