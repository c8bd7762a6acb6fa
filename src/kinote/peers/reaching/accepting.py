"""What a peer accepts, as it says when it is proposed: storage classes, transfer syntaxes, queries, commitment."""

from __future__ import annotations

from dataclasses import dataclass

from kinote.dicom.dictionary.sop_classes import storage_classes
from kinote.dicom.dictionary.transfer_syntaxes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    known_syntaxes,
)
from kinote.dimse.information_models import STUDY_ROOT
from kinote.peers.reaching.calling import Caller, accepted

#: Storage Commitment Push Model (PS3.4 J.3).
_COMMITMENT = "1.2.840.10008.1.20.1"

#: The class for which transfer syntaxes are proposed, if the peer takes it: CT images come in most of them.
_CT = "1.2.840.10008.5.1.4.1.1.2"

_LITTLE = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The UIDs of the storage classes that a peer accepts uncompressed, and of the transfer syntaxes for one of them.

    `queries` and `commitment` tell whether it answers C-FIND at study root, and requests for storage commitment.
    """

    classes: tuple[str, ...]
    transfer_syntaxes: tuple[str, ...]
    syntaxes_of: str
    queries: bool
    commitment: bool


def accepted_by(call: Caller) -> Accepted:
    """Propose everything, class by class, and then each transfer syntax by itself. Raises `DimseError`."""
    services = (STUDY_ROOT.find, _COMMITMENT)
    found = {uid for uid, _ in accepted(call, [(uid, _LITTLE) for uid in (*services, *storage_classes())])}
    classes = tuple(uid for uid in storage_classes() if uid in found)
    shown = _CT if _CT in found else next(iter(classes), "")
    syntaxes = accepted(call, [(shown, (syntax,)) for syntax in known_syntaxes()]) if shown else []
    return Accepted(
        classes,
        tuple(syntax for _, syntax in syntaxes),
        shown,
        queries=STUDY_ROOT.find in found,
        commitment=_COMMITMENT in found,
    )
