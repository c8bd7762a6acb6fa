"""The DICOM services that Kinote provides and those that it uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pydicom._uid_dict import UID_dictionary

from kinote.conformance.markdown import uid_name
from kinote.delivery.availability.notification import INSTANCE_AVAILABILITY_NOTIFICATION
from kinote.delivery.commitment.data_sets import STORAGE_COMMITMENT, SYNTAXES
from kinote.delivery.outgoing import TARGETS
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse.information_models import MODELS, PATIENT_ROOT, STUDY_ROOT
from kinote.dimse.invoking import VERIFICATION
from kinote.scp.associations.offered import NATIVE, is_stored
from kinote.security.rights import SERVICES, Role

#: Services for SOP classes that another table lists, and messages that belong to no class.
_COMPOSITE = frozenset({"Verification", "Storage", "Query/Retrieve", "any"})


@dataclass(frozen=True, slots=True)
class Operation:
    """A SOP class, the DIMSE message that is exchanged for it, and our role.

    `module` is the module that opens the association; empty if the peer does. `syntaxes` are the transfer syntaxes in
    the order of preference; empty if they are those of the objects.
    """

    service_class: str
    sop_class_uid: str
    message: str
    role: Role
    syntaxes: tuple[str, ...]
    module: str = ""


_LITTLE = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)

#: What Kinote requests from others. For storage, the SOP classes are those of `stored_classes`.
USED = (
    Operation("Verification", VERIFICATION, "C-ECHO", Role.SCU, _LITTLE, "kinote.peers.reaching.calling"),
    Operation("Storage", "", "C-STORE", Role.SCU, TARGETS, "kinote.delivery.transmit"),
    Operation("Storage", "", "C-STORE", Role.SCU, TARGETS, "kinote.scp.retrieving.move"),
    Operation(
        "Query/Retrieve", PATIENT_ROOT.find, "C-FIND", Role.SCU, _LITTLE, "kinote.peers.reaching.querying"
    ),
    Operation(
        "Query/Retrieve", STUDY_ROOT.find, "C-FIND", Role.SCU, _LITTLE, "kinote.peers.reaching.querying"
    ),
    Operation(
        "Instance Availability Notification",
        INSTANCE_AVAILABILITY_NOTIFICATION,
        "N-CREATE",
        Role.SCU,
        _LITTLE,
        "kinote.delivery.availability.telling",
    ),
    Operation(
        uid_name(STORAGE_COMMITMENT),
        STORAGE_COMMITMENT,
        "N-ACTION",
        Role.SCU,
        SYNTAXES,
        "kinote.delivery.archives.asking",
    ),
    Operation(
        uid_name(STORAGE_COMMITMENT),
        STORAGE_COMMITMENT,
        "N-EVENT-REPORT",
        Role.SCP,
        SYNTAXES,
        "kinote.delivery.commitment.telling",
    ),
    Operation(
        "Query/Retrieve",
        STUDY_ROOT.get,
        "C-GET",
        Role.SCU,
        (IMPLICIT_VR_LITTLE_ENDIAN,),
        "kinote.delivery.archives.fetching",
    ),
    Operation(
        "Query/Retrieve", STUDY_ROOT.get, "C-GET", Role.SCU, _LITTLE, "kinote.migration.fetching.dimse_source"
    ),
    Operation(
        "Query/Retrieve",
        STUDY_ROOT.move,
        "C-MOVE",
        Role.SCU,
        _LITTLE,
        "kinote.migration.fetching.dimse_source",
    ),
)


def provided() -> Iterator[Operation]:
    """Return what peers may request from Kinote, according to the table of rights: a service without a row is not
    served.

    Storage has one row without a SOP class. A normalized service has the UID of its class.
    """
    yield Operation("Verification", VERIFICATION, "C-ECHO", Role.SCP, NATIVE)
    yield Operation("Storage", "", "C-STORE", Role.SCP, ())
    for service in SERVICES:
        if service.service_class == "Query/Retrieve":
            for model in MODELS:
                uid = {"C-FIND": model.find, "C-MOVE": model.move, "C-GET": model.get}[service.message]
                yield Operation("Query/Retrieve", uid, service.message, Role.SCP, NATIVE)
        elif service.service_class not in _COMPOSITE:
            ours = Role.SCP if service.role is Role.SCU else Role.SCU
            uid = service.service_class
            syntaxes = SYNTAXES if uid == STORAGE_COMMITMENT else NATIVE
            yield Operation(uid_name(uid), uid, service.message, ours, syntaxes)


@lru_cache(maxsize=1)
def stored_classes() -> tuple[str, ...]:
    """Return the storage SOP classes of PS3.6 that are accepted, in the order of their names."""
    found = [
        uid
        for uid, (_, kind, *_rest) in UID_dictionary.items()
        if kind == "SOP Class" and is_stored(uid, private=False)
    ]
    return tuple(sorted(found, key=uid_name))
