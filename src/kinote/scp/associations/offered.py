"""What is offered to which caller: the associations and SOP classes that are accepted (PS3.8 7.1.1, PS3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from pydicom._uid_dict import UID_dictionary

from kinote.delivery.commitment.data_sets import STORAGE_COMMITMENT, SYNTAXES
from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dimse.associations.acceptor import Caller
from kinote.dimse.associations.negotiation import (
    CALLED_TITLE_NOT_RECOGNIZED,
    CALLING_TITLE_NOT_RECOGNIZED,
    TRANSIENT,
    Acceptance,
    Service,
    answer_to,
    first_of,
)
from kinote.dimse.information_models import MODEL_OF
from kinote.dimse.invoking import VERIFICATION
from kinote.dimse.operations.offered import NOTHING, Offered
from kinote.dimse.protocol.pdu import AssociateReject, AssociateRequest
from kinote.peers.entities import ALL_SERVICES, ServiceName
from kinote.peers.known import PeersInUse
from kinote.scp.options import ScpOptions
from kinote.scp.queries.query_options import granted

#: Transfer syntaxes for data sets of requests and responses, the preferred first.
NATIVE = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
)

#: Calling AE title not recognized, transient (PS3.8 Table 9-21).
_NOT_FOUND_OUT = AssociateReject(TRANSIENT, 1, 3)

#: All standard SOP classes are below the first root (PS3.5 9), and most storage classes below the second.
_STANDARD = "1.2.840.10008."
_STANDARD_STORAGE = "1.2.840.10008.5.1.4.1.1."


def answer(
    request: AssociateRequest,
    caller: Caller,
    options: ScpOptions,
    peers: PeersInUse,
    normalized: Offered = NOTHING,
) -> Acceptance | AssociateReject:
    """Return whether an association is accepted, and which of its proposals."""
    if not options.any_called_title and request.called_ae_title not in options.titles:
        return CALLED_TITLE_NOT_RECOGNIZED
    services = allowed_services(request.calling_ae_title, caller, options, peers)
    if isinstance(services, AssociateReject):
        return services
    return answer_to(request, lambda uid: service_for(uid, services, options, normalized))


def allowed_services(
    title: str, caller: Caller, options: ScpOptions, peers: PeersInUse
) -> frozenset[ServiceName] | AssociateReject:
    """Return what a caller may ask for, or a rejection.

    The rejection is transient if the name of the caller's host cannot be resolved now, so that it is unknown whether
    the caller is the peer.
    """
    peer = peers.known.callers.get(title)
    if peer is None:
        return ALL_SERVICES if options.unknown_callers else CALLING_TITLE_NOT_RECOGNIZED
    if not peer.is_enabled or (options.hosts_needed and not (peer.hosts or peer.certificates)):
        return CALLING_TITLE_NOT_RECOGNIZED
    if peer.certificates and not (caller.certificate and caller.certificate.is_one_of(peer.certificates)):
        return CALLING_TITLE_NOT_RECOGNIZED
    if not peer.hosts:
        return peer.services
    is_there = peers.names.is_at(peer.hosts, caller.host)
    if is_there:
        return peer.services
    return _NOT_FOUND_OUT if is_there is None else CALLING_TITLE_NOT_RECOGNIZED


def service_for(
    abstract_syntax: str,
    services: frozenset[ServiceName],
    options: ScpOptions,
    normalized: Offered = NOTHING,
) -> Service | None:
    """Return how a SOP class is served to a caller with these rights.

    A caller that may store may ask for storage commitment. Every admitted caller may report its results. Other
    normalized services have no right of their own yet: they need the right to everything.
    """
    if abstract_syntax == STORAGE_COMMITMENT:
        offered = normalized.service(abstract_syntax, first_of(SYNTAXES))
        if offered is None or ServiceName.STORE in services:
            return offered
        return replace(offered, requestor_may_be_scu=False) if offered.requestor_may_be_scp else None
    if abstract_syntax in normalized.sop_classes:
        return normalized.service(abstract_syntax, first_of(NATIVE)) if services >= ALL_SERVICES else None
    if abstract_syntax == VERIFICATION:
        return Service(first_of(NATIVE)) if ServiceName.ECHO in services else None
    model = MODEL_OF.get(abstract_syntax)
    if model is not None:
        if abstract_syntax == model.find:
            return Service(first_of(NATIVE), extended=granted) if ServiceName.FIND in services else None
        wanted = ServiceName.MOVE if abstract_syntax == model.move else ServiceName.GET
        return Service(first_of(NATIVE), extended=relational) if wanted in services else None
    if is_stored(abstract_syntax, private=options.private_classes):
        may_store, may_get = ServiceName.STORE in services, ServiceName.GET in services
        if may_store or may_get:
            return Service(as_sent, requestor_may_be_scu=may_store, requestor_may_be_scp=may_get)
    return None


def relational(application_information: bytes) -> bytes:
    """Grant relational retrievals. Enhanced images are sent unconverted (PS3.4 C.5.2.1)."""
    return application_information[:1]


@lru_cache(maxsize=4096)
def is_stored(sop_class_uid: str, *, private: bool) -> bool:
    """Return whether objects of a class are accepted: all storage classes (PS3.4 B.5), future ones, and private
    ones.
    """
    if not sop_class_uid.startswith(_STANDARD):
        return private
    known = UID_dictionary.get(sop_class_uid)
    if known is None:
        return sop_class_uid.startswith(_STANDARD_STORAGE)
    name, kind = known[0], known[1]
    return kind == "SOP Class" and "Storage" in name and "Commitment" not in name and "Directory" not in name


def as_sent(proposed: Sequence[str]) -> str | None:
    """Return the transfer syntax that the sender names first; big endian, which is rarely wanted, only if there is no
    other.
    """
    return next((uid for uid in proposed if uid != EXPLICIT_VR_BIG_ENDIAN), None) or next(
        iter(proposed), None
    )
