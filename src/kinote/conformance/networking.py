"""Section 3 of the statement: how Kinote behaves on the DICOM network (PS3.2 N.4)."""

from __future__ import annotations

from collections.abc import Iterable

from kinote.catalog.columns.attributes import PATIENT_ATTRIBUTES, SERIES_ATTRIBUTES, STUDY_ATTRIBUTES
from kinote.catalog.queries.matching_keys import MATCHED, Level
from kinote.conformance.markdown import Section, attribute, table, transfer_syntax_names, uid_name, yes
from kinote.conformance.services import USED, Operation, provided, stored_classes
from kinote.conformance.statuses import ANSWERED, RECEIVED
from kinote.decoding.frame_decoder import can_decode
from kinote.dicom.dictionary import transfer_syntaxes
from kinote.dicom.values import uids
from kinote.dimse.information_models import MODELS
from kinote.scp.associations.offered import NATIVE
from kinote.scp.options import ScpOptions
from kinote.scp.queries.query_options import granted

#: The meaning of each byte of the service class application information (PS3.4 Table C.5-1), with our answer below.
_EXTENDED = (
    "Relational queries",
    "Date-time matching",
    "Fuzzy semantic matching of person names",
    "Timezone query adjustment",
    "Enhanced multi-frame image conversion",
    "Empty value matching",
    "Multiple value matching",
)


def networking() -> Section:
    """Return the section about the DICOM network."""
    return Section(
        "Networking",
        (),
        (
            Section("Implementation model", (_MODEL,)),
            Section("Association policies", (_policies(),)),
            Section("Services that Kinote provides", (_operations(provided()),)),
            Section("Services that Kinote uses", (_operations(USED),)),
            Section("Statuses that Kinote answers", (_STATUS_NOTE, _answered())),
            Section("Statuses that Kinote receives", (table(("message", "status", "behavior"), RECEIVED),)),
            Section("Storage", (_STORAGE,)),
            Section("Query", (_QUERY, _extended(), _keys())),
            Section("Retrieval", (_RETRIEVAL,)),
            Section("Network interfaces", (_INTERFACES,)),
            Section("Configuration", (_configuration(),)),
        ),
    )


def classes() -> str:
    """Return the table of storage SOP classes."""
    rows = ((uid_name(uid), f"`{uid}`") for uid in stored_classes())
    return table(("SOP class", "UID"), rows)


def syntaxes() -> str:
    """Return the table of transfer syntaxes of stored objects."""
    rows = []
    for uid, name in transfer_syntax_names().items():
        syntax = transfer_syntaxes.lookup(uid)
        rows.append((name, f"`{uid}`", yes(can_decode(syntax))))
    return table(("transfer syntax", "UID", "frames are decoded"), rows)


def _operations(operations: Iterable[Operation]) -> str:
    rows = {
        (
            each.service_class,
            uid_name(each.sop_class_uid) if each.sop_class_uid else "the storage SOP classes of annex A",
            f"`{each.sop_class_uid}`" if each.sop_class_uid else "",
            each.message,
            str(each.role),
            _written_syntaxes(each),
        ): None
        for each in operations
    }
    return table(
        ("service", "SOP class", "UID", "message", "role", "transfer syntaxes, the best first"), rows
    )


def _written_syntaxes(operation: Operation) -> str:
    names = ", ".join(uid_name(uid) for uid in operation.syntaxes)
    if operation.sop_class_uid:
        return names
    return f"as stored, {names}" if names else "as proposed (annex B)"


def _answered() -> str:
    return table(
        ("message", "status", "meaning"),
        (
            (message, f"`{status:04X}`", meaning)
            for message, rows in ANSWERED.items()
            for status, meaning in rows
        ),
    )


def _extended() -> str:
    agreed = granted(bytes([1] * len(_EXTENDED)))
    return table(
        ("extended negotiation of C-FIND (PS3.4 C.5.1.1)", "granted"),
        ((name, yes(bool(ours))) for name, ours in zip(_EXTENDED, agreed, strict=True)),
    )


def _keys() -> str:
    returned = {
        Level.STUDY: {(tag,) for tag in STUDY_ATTRIBUTES},
        Level.SERIES: {(tag,) for tag in SERIES_ATTRIBUTES},
    }
    paths = [
        *MATCHED,
        *(path for level in returned.values() for path in sorted(level) if path not in MATCHED),
    ]
    rows = []
    for path in paths:
        found = MATCHED.get(path)
        level = found.level if found else next(each for each, known in returned.items() if path in known)
        said = "patient, study" if path in {(tag,) for tag in PATIENT_ATTRIBUTES} else level.name.lower()
        rows.append((attribute(path), said, yes(found is not None)))
    return table(("attribute", "level", "matched"), rows)


def _policies() -> str:
    options = ScpOptions()
    limits = options.limits
    return table(
        ("matter", "value"),
        (
            ("Application context", "`1.2.840.10008.3.1.1.1`"),
            ("Implementation class UID", f"`{uids.IMPLEMENTATION_CLASS_UID}`"),
            ("Implementation version name", f"`{uids.IMPLEMENTATION_VERSION_NAME}`"),
            ("Largest PDU that is taken, in bytes", f"{limits.largest_pdu}"),
            ("Associations at once; from one host", f"{limits.associations}; {limits.associations_per_host}"),
            ("Asynchronous operations", "a window of 1 in both directions; none is proposed"),
            ("Role selection", "answered; proposed where we need the role (PS3.7 D.3.3.4)"),
            (
                "User identity (PS3.7 D.3.3.7)",
                f"{options.user_identity} by default; by setting, names and passcodes; no other form",
            ),
            (
                "Association without a message",
                f"aborted after {limits.idle_seconds:g} seconds; within a message after {limits.message_seconds:g}",
            ),
            ("ARTIM timer (PS3.8 9.1.4)", f"{limits.artim_seconds:g} seconds"),
            (
                "Rejections",
                "as in [DICOM](dicom.md#who-may-call); congestion and local limit as transient",
            ),
            (
                "Transfer syntax of a context with several",
                "storage: the first proposed, big endian only if there is no other; other services: "
                + ", ".join(uid_name(uid) for uid in NATIVE),
            ),
        ),
    )


def _configuration() -> str:
    options = ScpOptions()
    rows = (
        ("`ae_titles`", ", ".join(options.titles), "AE titles; the first is used for calling"),
        ("`dicom_port`", str(options.port), "TCP port"),
        ("`dicom_tls_port`", "none", "TCP port for TLS"),
        (
            "`any_called_title`",
            yes(options.any_called_title),
            "associations that call another AE title are taken",
        ),
        (
            "`unknown_callers`",
            yes(options.unknown_callers),
            "systems that are no peers may ask for everything",
        ),
        ("`private_classes`", yes(options.private_classes), "objects of private SOP classes are taken"),
    )
    said = (
        "Peers have AE titles, hosts, services and rights; they are managed by [REST](http.md#peers), the "
        "[command line](commands.md#kinote-peers-add) and the settings. [Settings](settings.md) has all parameters."
    )
    return f"{said}\n\n{table(('setting', 'default', 'meaning'), rows)}"


_MODEL = (
    "Kinote is one application entity with one or several AE titles. It has an HTTP interface (section 4) beside "
    "the DICOM network. What it receives is durable and in the index before it is acknowledged; every answer to "
    "queries and retrievals, by both interfaces, is made from the same view of the index. Kinote opens "
    "associations to send objects (C-MOVE, and deliveries that people or [routes](routing.md) order), to ask for "
    "commitment and to recall objects, to tell of the availability of instances, and when a person asks to test or "
    "to query a peer."
)

_STATUS_NOTE = (
    "A failure has an Error Comment. After a failure the association goes on; [DICOM](dicom.md#both-directions) "
    "says which violations of the protocol abort it. The status for rejected copies can be set for each sender."
)

_STORAGE = (
    "Kinote is a storage SCP of level 2 (full; PS3.4 B.4.1): all attributes are kept, private ones too, and the "
    "bytes of the data set stay as they were received. Nothing is coerced at storage. Objects with another "
    "content under a known SOP Instance UID are kept beside the first until a person decides. Digital signatures "
    "are kept as they are and not checked (level 3 of PS3.4 B.4.1.1).\n\n"
    "**Persistence.** An acknowledged object stays until people withdraw it, a rejection note withdraws it, or a "
    "rule of the site does; what is withdrawn is purged after the time that the site has set (never, by default)."
    " A UID that was purged is remembered.\n\n"
    "**Sent objects** are those received. Where patient, study or order were corrected, the corrected values are "
    "laid over the data set as it goes out (PS3.4 B.4.1.3 and C.4.2.2.2: coercion at retrieval), with Original "
    "Attributes Sequence."
)

_QUERY = (
    f"Kinote is a query SCP of the models {', '.join(model.name for model in MODELS)}. Without relational "
    "queries, the unique keys of the levels above are needed, with the exceptions in "
    "[DICOM](dicom.md#finding-notes). Retrieve AE Title and Instance Availability are in every answer. Wildcards,"
    " lists of UIDs, ranges and universal matching are those of PS3.4 C.2.2.2; [HTTP](http.md#matching-keys) has "
    "details. As an SCU, Kinote asks what a person types into `kinote find`, and proposes relational queries, "
    "date-time matching, fuzzy names and time zones."
)

_RETRIEVAL = (
    "C-MOVE goes to peers that are known and enabled, on a new association with the storage SOP classes and "
    "transfer syntaxes of the objects; C-GET uses the caller's. Objects go out in the transfer syntax in which "
    "they are stored; where the receiver does not accept that, frames that can be decoded are sent as little "
    "endian (annex B). Relational retrieval is granted. A failed sub-operation does not end the retrieval. Failed"
    " SOP Instance UID List is sent."
)

_INTERFACES = (
    "TCP/IP, with IPv4 and IPv6 as the operating system provides them. DICOM upper layer by TCP (PS3.8 9), with "
    "TLS on a port of its own (section 7)."
)
