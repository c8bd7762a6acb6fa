"""Associations on which either end asks: normalized services on both, and a log of what was asked."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from kinote.dimse.associations.acceptor import Acceptor, Caller, Listening
from kinote.dimse.associations.admission import Refused
from kinote.dimse.associations.association import Association, Message
from kinote.dimse.associations.negotiation import Acceptance, Service, answer_to
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.command_sets.normalized import NormalizedRequest
from kinote.dimse.commands import CEchoRequest, CEchoResponse
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import DimseError
from kinote.dimse.invoking import VERIFICATION
from kinote.dimse.operations import both_ways
from kinote.dimse.operations.offered import NOTHING, Answered, Asked, Offer, Offered
from kinote.dimse.operations.refusals import NORMALIZED
from kinote.dimse.protocol.pdu import AssociateReject, AssociateRequest
from kinote.dimse.protocol.user_information import RoleSelection
from kinote.dimse.transport.endpoint import Patience
from tests.dimse.ends import CALM, CT, first_proposed, nothing_left

#: Storage Commitment Push Model and its well-known instance; Instance Availability Notification; Modality Performed
#: Procedure Step; Basic Film Session.
COMMITMENT, COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
IAN = "1.2.840.10008.5.1.4.33"
STEP = "1.2.840.10008.3.1.2.3.3"
FILM_SESSION = "1.2.840.10008.5.1.1.1"

EXPLICIT = "1.2.840.10008.1.2.1"
CLASSES = (COMMITMENT, IAN, STEP, FILM_SESSION)


@dataclass
class Log:
    """Handlers that answer as they are told, and what they were asked."""

    answers: Callable[[Asked], Answered] = lambda asked: Answered()
    asked: list[Asked] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Answered:
        self.asked.append(asked)
        return self.answers(asked)

    def offered(self, *classes: str) -> Offered:
        """All commands of these classes, of all of the above without any."""
        return Offered(Offer(uid, command, self) for uid in classes or CLASSES for command in NORMALIZED)

    @property
    def requests(self) -> list[NormalizedRequest]:
        return [each.request for each in self.asked]


def service_of(abstract_syntax: str) -> Service | None:
    """All classes in all roles."""
    if abstract_syntax in (*CLASSES, VERIFICATION, CT):
        return Service(first_proposed, requestor_may_be_scp=True)
    return None


@dataclass
class Provider:
    """The user of an acceptor. C-ECHO is answered, and followed by what `then` does with the association."""

    offered: Offered = NOTHING
    then: Callable[[Association], None] | None = None
    negotiating: Callable[[AssociateRequest], Acceptance | AssociateReject] | None = None
    ended: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def negotiate(self, request: AssociateRequest, caller: Caller) -> Acceptance | AssociateReject:
        return self.negotiating(request) if self.negotiating else answer_to(request, service_of)

    def serve(self, association: Association, caller: Caller) -> None:
        association.perform = self.perform
        try:
            while (message := association.receive()) is not None:
                both_ways.perform(association, message)
                both_ways.follow_up(association)
        except DimseError as error:
            self.ended.append(str(error))
        else:
            self.ended.append("released")

    def perform(self, association: Association, message: Message) -> None:
        command = message.command
        if not isinstance(command, CEchoRequest):
            self.offered.perform(association, message)
            return
        answer = CEchoResponse(message_id_being_responded_to=command.message_id, status=0)
        association.send(message.context, answer)
        if (then := self.then) is not None:
            association.under_way.follow_ups.append(lambda: then(association))

    def failed(self, caller: Caller, why: str) -> None:
        self.failures.append(why)

    def refused(self, caller: Caller, why: Refused) -> None:
        self.failures.append(why.value)


@contextmanager
def providing(provider: Provider, *, patience: Patience = CALM) -> Iterator[ApplicationEntity]:
    with nothing_left():
        acceptor = Acceptor([Listening("127.0.0.1", 0)], provider, patience=patience)
        try:
            yield ApplicationEntity("PROVIDER", *acceptor.addresses[0])
        finally:
            acceptor.close()
    assert not provider.failures


#: We may be both in each class.
BOTH = tuple(RoleSelection(uid, scu=True, scp=True) for uid in (*CLASSES, CT))


@contextmanager
def using(
    peer: ApplicationEntity,
    offered: Offered = NOTHING,
    *,
    roles: tuple[RoleSelection, ...] = BOTH,
    patience: Patience = CALM,
) -> Iterator[Association]:
    proposal = Proposal([(uid, (EXPLICIT,)) for uid in (VERIFICATION, *CLASSES, CT)], roles=roles)
    with association(peer, "USER", proposal, offered=offered, patience=patience) as opened:
        yield opened


def encoded(dataset: Dataset, *, implicit: bool = False) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    return buffer.getvalue()


def decoded(data: bytes, *, implicit: bool = False) -> Dataset:
    return read_dataset(io.BytesIO(data), implicit, True)


def references(transaction: str, *objects: tuple[str, str]) -> Dataset:
    """The Action Information of a request for commitment (PS3.4 Table J.3-1)."""
    wanted = Dataset()
    wanted.TransactionUID = transaction
    wanted.ReferencedSOPSequence = []
    for class_uid, instance_uid in objects:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = class_uid, instance_uid
        wanted.ReferencedSOPSequence.append(item)
    return wanted
