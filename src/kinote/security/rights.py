"""The table of rights: which right each HTTP request, DICOM service and command requires.

Everything that an interface offers has a row here. Without a row, `right_of_request` and its siblings raise
`UnlistedError` when the server starts. `tests/security` walks all interfaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Right(StrEnum):
    """A right of an actor. Roles of users are sets of rights (`kinote.security.roles`)."""

    CONNECT = "connect"
    READ = "read"
    STORE = "store"
    MARK = "mark"
    WITHDRAW = "withdraw"
    WITHDRAW_OTHERS = "withdraw-others"
    REJECT = "reject"
    CORRECT = "correct"
    RELEASE = "release"
    HOLD = "hold"
    RETAIN = "retain"
    DELIVER = "deliver"
    EXAMINE = "examine"
    OBSERVE = "observe"
    OPERATE = "operate"
    ADMINISTER = "administer"
    AUDIT = "audit"


#: Descriptions of the rights, which complete the sentence "This requires the right …: to …".
MEANINGS: Mapping[Right, str] = {
    Right.CONNECT: "reach Kinote, and read what contains no patient data",
    Right.READ: "query and retrieve live studies and notes",
    Right.STORE: "store objects",
    Right.MARK: "make and revise notes",
    Right.WITHDRAW: "withdraw notes of one's own, and undo one's own withdrawals",
    Right.WITHDRAW_OTHERS: "withdraw notes of others and any objects, and undo any withdrawal",
    Right.REJECT: "withdraw objects by sending a rejection note",
    Right.CORRECT: "correct patients, studies and orders by sending messages",
    Right.RELEASE: "decide about held copies",
    Right.HOLD: "place holds on studies, patients and notes, and end them",
    Right.RETAIN: "set the rules by which bytes leave the cache, and evict by them",
    Right.DELIVER: "have objects sent to another system",
    Right.EXAMINE: "see what is not live: held copies, withdrawals, findings, accounts",
    Right.OBSERVE: "see how the server is doing: readiness and metrics",
    Right.OPERATE: "run the server and look after its store",
    Right.ADMINISTER: "manage users, their roles and API tokens",
    Right.AUDIT: "read the audit trail",
}


class Role(StrEnum):
    """The role of the entity that invokes a DICOM operation (PS3.7 D.3.3.4)."""

    SCU = "SCU"
    SCP = "SCP"


class Service(NamedTuple):
    """A DICOM operation that peers invoke: service class (PS3.4), DIMSE message (PS3.7 9 and 10), and their role.

    The service class is `any` for messages that are allowed in every presentation context.
    """

    service_class: str
    message: str
    role: Role


class UnlistedError(LookupError):
    """Something that an interface offers has no row in the table of rights. The message names it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} has no right: add a row to kinote.security.rights")


_STUDY = "/dicomweb/studies/{study}"
_SERIES = f"{_STUDY}/series/{{series}}"
_INSTANCE = f"{_SERIES}/instances/{{instance}}"
_FRAMES = f"{_INSTANCE}/frames/{{frames}}"

#: Requests by method and path. HEAD requires the right of GET; every other method of a path `OTHER_METHODS`.
REQUESTS: dict[tuple[str, str], Right] = {
    ("GET", "/dicomweb/studies"): Right.READ,
    ("POST", "/dicomweb/studies"): Right.STORE,
    ("GET", "/dicomweb/series"): Right.READ,
    ("GET", "/dicomweb/instances"): Right.READ,
    ("GET", _STUDY): Right.READ,
    ("POST", _STUDY): Right.STORE,
    ("GET", f"{_STUDY}/series"): Right.READ,
    ("GET", f"{_STUDY}/instances"): Right.READ,
    ("GET", f"{_STUDY}/metadata"): Right.READ,
    ("GET", f"{_STUDY}/thumbnail"): Right.READ,
    ("GET", _SERIES): Right.READ,
    ("GET", f"{_SERIES}/instances"): Right.READ,
    ("GET", f"{_SERIES}/metadata"): Right.READ,
    ("GET", f"{_SERIES}/thumbnail"): Right.READ,
    ("GET", _INSTANCE): Right.READ,
    ("GET", f"{_INSTANCE}/metadata"): Right.READ,
    ("GET", f"{_INSTANCE}/bulkdata/{{path:path}}"): Right.READ,
    ("GET", f"{_INSTANCE}/rendered"): Right.READ,
    ("GET", f"{_INSTANCE}/thumbnail"): Right.READ,
    ("GET", _FRAMES): Right.READ,
    ("GET", f"{_FRAMES}/rendered"): Right.READ,
    ("GET", f"{_STUDY}/rendered"): Right.READ,
    ("GET", f"{_SERIES}/rendered"): Right.READ,
    ("POST", "/dicomweb/commitment-requests/{transaction}"): Right.STORE,
    ("GET", "/dicomweb/commitment-requests/{transaction}"): Right.STORE,
    ("OPTIONS", "/dicomweb"): Right.CONNECT,
    ("OPTIONS", "/dicomweb/{path:path}"): Right.CONNECT,
    ("GET", f"{_FRAMES}/thumbnail"): Right.READ,
    ("GET", "/api/v1/titles"): Right.CONNECT,
    ("GET", "/api/v1/acts"): Right.CONNECT,
    ("GET", "/api/v1/identity"): Right.CONNECT,
    ("GET", "/api/v1/openapi.json"): Right.CONNECT,
    ("GET", "/api/v1/studies"): Right.READ,
    ("GET", "/api/v1/studies/{study}"): Right.READ,
    ("GET", "/api/v1/studies/{study}/account"): Right.EXAMINE,
    ("GET", "/api/v1/studies/{study}/rendered"): Right.READ,
    ("GET", "/api/v1/studies/{study}/notes"): Right.READ,
    ("POST", "/api/v1/studies/{study}/notes"): Right.MARK,
    ("GET", "/api/v1/notes"): Right.READ,
    ("POST", "/api/v1/migrations/notes"): Right.OPERATE,
    ("GET", "/api/v1/migrations/waiting"): Right.EXAMINE,
    ("GET", "/api/v1/migrations/duplicates"): Right.EXAMINE,
    ("POST", "/api/v1/migrations/key-objects"): Right.OPERATE,
    ("GET", "/api/v1/migrations/fetches"): Right.EXAMINE,
    ("POST", "/api/v1/migrations/fetches"): Right.OPERATE,
    ("GET", "/api/v1/migrations/fetches/{fetch_id}/missing"): Right.EXAMINE,
    ("GET", "/api/v1/migrations/followed"): Right.EXAMINE,
    ("POST", "/api/v1/migrations/followed"): Right.OPERATE,
    ("DELETE", "/api/v1/migrations/followed/{followed_id}"): Right.OPERATE,
    ("GET", "/api/v1/migrations/sweep"): Right.EXAMINE,
    ("GET", "/api/v1/migrations/scans"): Right.EXAMINE,
    ("POST", "/api/v1/migrations/scans"): Right.OPERATE,
    ("GET", "/api/v1/migrations/folders"): Right.EXAMINE,
    ("GET", "/api/v1/notes/{note_id}"): Right.READ,
    ("PUT", "/api/v1/notes/{note_id}"): Right.MARK,
    ("DELETE", "/api/v1/notes/{note_id}"): Right.WITHDRAW,
    ("GET", "/api/v1/notes/{note_id}/versions"): Right.READ,
    ("GET", "/api/v1/notes/{note_id}/rendered"): Right.READ,
    ("GET", "/api/v1/instances/{sop}/notes"): Right.READ,
    ("GET", "/api/v1/instances/{sop}/explain"): Right.EXAMINE,
    ("GET", "/api/v1/instances/to-register"): Right.EXAMINE,
    ("POST", "/api/v1/instances/{sop}/register"): Right.OPERATE,
    ("GET", "/api/v1/findings"): Right.EXAMINE,
    ("GET", "/api/v1/withdrawals"): Right.EXAMINE,
    ("POST", "/api/v1/withdrawals"): Right.WITHDRAW_OTHERS,
    ("GET", "/api/v1/withdrawals/summary"): Right.EXAMINE,
    ("GET", "/api/v1/withdrawals/{withdrawal_id}"): Right.EXAMINE,
    ("GET", "/api/v1/withdrawal-requests"): Right.EXAMINE,
    ("GET", "/api/v1/withdrawal-requests/{request_id}"): Right.EXAMINE,
    ("POST", "/api/v1/withdrawal-requests/{request_id}"): Right.WITHDRAW_OTHERS,
    ("DELETE", "/api/v1/withdrawals/{withdrawal_id}"): Right.WITHDRAW,
    ("POST", "/api/v1/withdrawals/{withdrawal_id}/issue-again"): Right.WITHDRAW,
    ("POST", "/api/v1/objects"): Right.STORE,
    ("POST", "/api/v1/handed-out"): Right.DELIVER,
    ("POST", "/api/v1/exports"): Right.DELIVER,
    ("POST", "/api/v1/exports/plan"): Right.DELIVER,
    ("GET", "/api/v1/routes"): Right.OBSERVE,
    ("POST", "/api/v1/routes"): Right.OPERATE,
    ("GET", "/api/v1/routes/{route_id}"): Right.OBSERVE,
    ("PUT", "/api/v1/routes/{route_id}"): Right.OPERATE,
    ("DELETE", "/api/v1/routes/{route_id}"): Right.OPERATE,
    ("GET", "/api/v1/routes/{route_id}/results"): Right.EXAMINE,
    ("GET", "/api/v1/routes/{route_id}/dry-run"): Right.EXAMINE,
    ("GET", "/api/v1/deliveries"): Right.DELIVER,
    ("POST", "/api/v1/deliveries"): Right.DELIVER,
    ("POST", "/api/v1/deliveries/acts"): Right.OPERATE,
    ("GET", "/api/v1/deliveries/{delivery_id}"): Right.DELIVER,
    ("GET", "/api/v1/deliveries/{delivery_id}/objects"): Right.DELIVER,
    ("POST", "/api/v1/deliveries/{delivery_id}/cancel"): Right.DELIVER,
    ("POST", "/api/v1/deliveries/{delivery_id}/retry"): Right.DELIVER,
    ("POST", "/api/v1/deliveries/{delivery_id}/priority"): Right.DELIVER,
    ("POST", "/api/v1/deliveries/{delivery_id}/acknowledge"): Right.DELIVER,
    ("GET", "/api/v1/notices"): Right.EXAMINE,
    ("POST", "/api/v1/notices/told"): Right.DELIVER,
    ("POST", "/api/v1/scrub"): Right.OPERATE,
    ("GET", "/api/v1/laws"): Right.EXAMINE,
    ("GET", "/api/v1/journal"): Right.EXAMINE,
    ("GET", "/api/v1/backups"): Right.OBSERVE,
    ("POST", "/api/v1/backups"): Right.OPERATE,
    ("GET", "/api/v1/backups/{backup_id}"): Right.OBSERVE,
    ("GET", "/api/v1/explain"): Right.EXAMINE,
    ("GET", "/api/v1/arrivals/refused"): Right.EXAMINE,
    ("GET", "/api/v1/alerts"): Right.OBSERVE,
    ("POST", "/api/v1/alerts/{alert_id}/acknowledge"): Right.OPERATE,
    ("POST", "/api/v1/alerts/{alert_id}/snooze"): Right.OPERATE,
    ("POST", "/api/v1/alerts/{alert_id}/own"): Right.OPERATE,
    ("POST", "/api/v1/alerts/test"): Right.OPERATE,
    ("GET", "/api/v1/purges"): Right.EXAMINE,
    ("GET", "/api/v1/purges/failures"): Right.EXAMINE,
    ("GET", "/api/v1/purges/plan"): Right.EXAMINE,
    ("POST", "/api/v1/purges/retry"): Right.OPERATE,
    ("GET", "/api/v1/retention"): Right.OBSERVE,
    ("GET", "/api/v1/retention/rules"): Right.EXAMINE,
    ("PUT", "/api/v1/retention/rules"): Right.RETAIN,
    ("GET", "/api/v1/retention/plans"): Right.EXAMINE,
    ("POST", "/api/v1/retention/plans"): Right.EXAMINE,
    ("GET", "/api/v1/retention/plans/{plan_id}"): Right.EXAMINE,
    ("POST", "/api/v1/retention/plans/{plan_id}/evict"): Right.RETAIN,
    ("GET", "/api/v1/retention/evictions"): Right.EXAMINE,
    ("GET", "/api/v1/retention/holds"): Right.EXAMINE,
    ("POST", "/api/v1/retention/holds"): Right.HOLD,
    ("GET", "/api/v1/retention/holds/{hold_id}"): Right.EXAMINE,
    ("DELETE", "/api/v1/retention/holds/{hold_id}"): Right.HOLD,
    ("GET", "/api/v1/held"): Right.EXAMINE,
    ("GET", "/api/v1/held/{held_id}/file"): Right.EXAMINE,
    ("GET", "/api/v1/held/{held_id}/comparison"): Right.EXAMINE,
    ("GET", "/api/v1/held/{held_id}/rendered"): Right.EXAMINE,
    ("GET", "/api/v1/held/{held_id}/first/rendered"): Right.EXAMINE,
    ("GET", "/api/v1/held/decisions"): Right.EXAMINE,
    ("GET", "/api/v1/held/decisions/{decision_id}"): Right.EXAMINE,
    ("GET", "/api/v1/proposed-corrections"): Right.EXAMINE,
    ("POST", "/api/v1/proposed-corrections/{correction_id}"): Right.RELEASE,
    ("POST", "/api/v1/held"): Right.RELEASE,
    ("POST", "/api/v1/held/{held_id}"): Right.RELEASE,
    ("GET", "/api/v1/rejections"): Right.EXAMINE,
    ("GET", "/api/v1/rejections/{rejection_id}"): Right.EXAMINE,
    ("POST", "/api/v1/rejections/{rejection_id}"): Right.REJECT,
    ("GET", "/api/v1/changes"): Right.READ,
    ("GET", "/api/v1/jobs"): Right.OBSERVE,
    ("GET", "/api/v1/jobs/{job_id}"): Right.EXAMINE,
    ("POST", "/api/v1/jobs/acts"): Right.OPERATE,
    ("POST", "/api/v1/jobs/{job_id}/retry"): Right.OPERATE,
    ("POST", "/api/v1/jobs/{job_id}/cancel"): Right.OPERATE,
    ("GET", "/api/v1/queues"): Right.OBSERVE,
    ("PUT", "/api/v1/queues/{kind}"): Right.OPERATE,
    ("POST", "/api/v1/findings/register"): Right.OPERATE,
    ("GET", "/api/v1/peers"): Right.OBSERVE,
    ("POST", "/api/v1/peers"): Right.OPERATE,
    ("GET", "/api/v1/peers/{peer_id}"): Right.OBSERVE,
    ("PUT", "/api/v1/peers/{peer_id}"): Right.OPERATE,
    ("DELETE", "/api/v1/peers/{peer_id}"): Right.OPERATE,
    ("POST", "/api/v1/peers/{peer_id}/echo"): Right.OPERATE,
    ("GET", "/api/v1/destinations"): Right.OBSERVE,
    ("POST", "/api/v1/destinations"): Right.OPERATE,
    ("GET", "/api/v1/destinations/{destination_id}"): Right.OBSERVE,
    ("PUT", "/api/v1/destinations/{destination_id}"): Right.OPERATE,
    ("DELETE", "/api/v1/destinations/{destination_id}"): Right.OPERATE,
    ("POST", "/api/v1/destinations/{destination_id}/test"): Right.OPERATE,
    ("GET", "/api/v1/archives"): Right.OBSERVE,
    ("GET", "/api/v1/archives/{peer_id}"): Right.OBSERVE,
    ("PUT", "/api/v1/archives/{peer_id}"): Right.OPERATE,
    ("DELETE", "/api/v1/archives/{peer_id}"): Right.OPERATE,
    ("GET", "/api/v1/archives/{peer_id}/requests"): Right.EXAMINE,
    ("POST", "/api/v1/archives/{peer_id}/commit"): Right.OPERATE,
    ("POST", "/api/v1/archives/{peer_id}/resume"): Right.OPERATE,
    ("POST", "/api/v1/archives/{peer_id}/recall"): Right.OPERATE,
    ("POST", "/api/v1/archives/{peer_id}/evict"): Right.OPERATE,
    ("GET", "/api/v1/commitments"): Right.EXAMINE,
    ("GET", "/api/v1/commitments/{commitment_id}"): Right.EXAMINE,
    ("GET", "/api/v1/session"): Right.CONNECT,
    ("POST", "/api/v1/session"): Right.CONNECT,
    ("DELETE", "/api/v1/session"): Right.CONNECT,
    ("PUT", "/api/v1/session/password"): Right.CONNECT,
    ("GET", "/api/v1/session/openid"): Right.CONNECT,
    ("GET", "/api/v1/session/openid/callback"): Right.CONNECT,
    ("GET", "/api/v1/users"): Right.ADMINISTER,
    ("POST", "/api/v1/users"): Right.ADMINISTER,
    ("PUT", "/api/v1/users/{user_id}"): Right.ADMINISTER,
    ("PUT", "/api/v1/users/{user_id}/password"): Right.ADMINISTER,
    ("GET", "/api/v1/tokens"): Right.ADMINISTER,
    ("POST", "/api/v1/tokens"): Right.ADMINISTER,
    ("DELETE", "/api/v1/tokens/{token_id}"): Right.ADMINISTER,
    ("GET", "/api/v1/audit"): Right.AUDIT,
    ("GET", "/api/v1/audit/check"): Right.AUDIT,
    ("GET", "/healthz"): Right.CONNECT,
    ("GET", "/readyz"): Right.OBSERVE,
    ("GET", "/metrics"): Right.OBSERVE,
    ("GET", "/{path:path}"): Right.CONNECT,
}

#: For methods that a path does not support, including OPTIONS. The response lists the supported ones.
OTHER_METHODS = Right.CONNECT

#: DICOM operations that peers invoke.
SERVICES: dict[Service, Right] = {
    Service("Verification", "C-ECHO", Role.SCU): Right.CONNECT,
    Service("Storage", "C-STORE", Role.SCU): Right.STORE,
    Service("Query/Retrieve", "C-FIND", Role.SCU): Right.READ,
    Service("Query/Retrieve", "C-MOVE", Role.SCU): Right.DELIVER,
    Service("Query/Retrieve", "C-GET", Role.SCU): Right.READ,
    # Storage Commitment Push Model (PS3.4 Annex J): who stores asks for it.
    Service("1.2.840.10008.1.20.1", "N-ACTION", Role.SCU): Right.STORE,
    # A result is taken from the archive that was asked alone.
    Service("1.2.840.10008.1.20.1", "N-EVENT-REPORT", Role.SCP): Right.CONNECT,
    # Instance Availability Notification: what a known peer says that it has. It changes nothing that others see.
    Service("1.2.840.10008.5.1.4.33", "N-CREATE", Role.SCU): Right.STORE,
    # Ends an operation of the same association, which has its own right.
    Service("any", "C-CANCEL", Role.SCU): Right.CONNECT,
    # Always answered with a failure.
    Service("any", "unrecognized", Role.SCU): Right.CONNECT,
}

#: Commands by the words typed after `kinote`. The requests that a command sends need their own rights too.
COMMANDS: dict[str, Right] = {
    "serve": Right.OPERATE,
    "demo": Right.OPERATE,
    "import": Right.STORE,
    "check": Right.CONNECT,
    "conformance": Right.CONNECT,
    "echo": Right.CONNECT,
    "find": Right.READ,
    "send": Right.DELIVER,
    "export": Right.DELIVER,
    "deliver": Right.DELIVER,
    "routes list": Right.OBSERVE,
    "routes show": Right.OBSERVE,
    "routes add": Right.OPERATE,
    "routes change": Right.OPERATE,
    "routes remove": Right.OPERATE,
    "routes results": Right.EXAMINE,
    "routes dry-run": Right.EXAMINE,
    "deliveries list": Right.DELIVER,
    "deliveries show": Right.DELIVER,
    "deliveries cancel": Right.DELIVER,
    "deliveries retry": Right.DELIVER,
    "deliveries priority": Right.DELIVER,
    "deliveries acknowledge": Right.DELIVER,
    "notices list": Right.EXAMINE,
    "notices told": Right.DELIVER,
    "doctor": Right.OPERATE,
    "backup": Right.OPERATE,
    "restore": Right.OPERATE,
    "adopted list": Right.EXAMINE,
    "adopted accept": Right.WITHDRAW,
    "explain": Right.EXAMINE,
    "account": Right.EXAMINE,
    "notes import": Right.OPERATE,
    "notes waiting": Right.EXAMINE,
    "notes duplicates": Right.EXAMINE,
    "notes materialise": Right.OPERATE,
    "migrate scan": Right.OPERATE,
    "migrate collect": Right.CONNECT,
    "migrate fetch": Right.OPERATE,
    "migrate follow": Right.OPERATE,
    "migrate unfollow": Right.OPERATE,
    "migrate followed": Right.EXAMINE,
    "withdraw": Right.WITHDRAW_OTHERS,
    "withdrawals list": Right.EXAMINE,
    "withdrawals show": Right.EXAMINE,
    "withdrawals undo": Right.WITHDRAW,
    "withdrawals issue-again": Right.WITHDRAW,
    "withdrawals waiting": Right.EXAMINE,
    "withdrawals confirm": Right.WITHDRAW_OTHERS,
    "withdrawals refuse": Right.WITHDRAW_OTHERS,
    "held list": Right.EXAMINE,
    "held compare": Right.EXAMINE,
    "held decide": Right.RELEASE,
    "alerts list": Right.OBSERVE,
    "alerts acknowledge": Right.OPERATE,
    "alerts snooze": Right.OPERATE,
    "alerts own": Right.OPERATE,
    "alerts test": Right.OPERATE,
    "purges plan": Right.EXAMINE,
    "purges list": Right.EXAMINE,
    "purges failures": Right.EXAMINE,
    "purges retry": Right.OPERATE,
    "retention status": Right.OBSERVE,
    "retention rules": Right.EXAMINE,
    "retention save-rules": Right.RETAIN,
    "retention plan": Right.EXAMINE,
    "retention evict": Right.RETAIN,
    "retention evictions": Right.EXAMINE,
    "retention holds": Right.EXAMINE,
    "retention hold": Right.HOLD,
    "retention release": Right.HOLD,
    "jobs list": Right.OBSERVE,
    "jobs show": Right.OBSERVE,
    "jobs retry": Right.OPERATE,
    "jobs cancel": Right.OPERATE,
    "jobs pause": Right.OPERATE,
    "jobs resume": Right.OPERATE,
    "rejections list": Right.EXAMINE,
    "rejections accept": Right.REJECT,
    "rejections refuse": Right.REJECT,
    "peers list": Right.OBSERVE,
    "peers show": Right.OBSERVE,
    "peers add": Right.OPERATE,
    "peers change": Right.OPERATE,
    "peers remove": Right.OPERATE,
    "peers echo": Right.OPERATE,
    "destinations list": Right.OBSERVE,
    "destinations show": Right.OBSERVE,
    "destinations add": Right.OPERATE,
    "destinations change": Right.OPERATE,
    "destinations remove": Right.OPERATE,
    "destinations test": Right.OPERATE,
    "archives list": Right.OBSERVE,
    "archives show": Right.EXAMINE,
    "archives set": Right.OPERATE,
    "archives end": Right.OPERATE,
    "archives commit": Right.OPERATE,
    "archives resume": Right.OPERATE,
    "archives recall": Right.OPERATE,
    "archives evict": Right.OPERATE,
    "users add": Right.ADMINISTER,
    "users list": Right.ADMINISTER,
    "users disable": Right.ADMINISTER,
    "users enable": Right.ADMINISTER,
    "users password": Right.ADMINISTER,
    "users roles": Right.ADMINISTER,
    "tokens add": Right.ADMINISTER,
    "tokens list": Right.ADMINISTER,
    "tokens revoke": Right.ADMINISTER,
    "audit": Right.AUDIT,
}


def right_of_request(method: str, path: str) -> Right:
    """Return the right that a request requires. `path` is that of its route.

    Raises `UnlistedError` if the table has no row for it.
    """
    try:
        return REQUESTS["GET" if method == "HEAD" else method, path]
    except KeyError:
        raise UnlistedError(f"{method} {path}") from None


def right_of_service(service: Service) -> Right:
    """Return the right that a DICOM operation requires. Raises `UnlistedError` if it has no row."""
    try:
        return SERVICES[service]
    except KeyError:
        raise UnlistedError(f"{service.message} of {service.service_class} by an {service.role}") from None


def right_of_command(typed: str) -> Right:
    """Return the right that a command requires. `typed` contains the words after `kinote`.

    Raises `UnlistedError` if the table has no row for it.
    """
    try:
        return COMMANDS[typed]
    except KeyError:
        raise UnlistedError(f"kinote {typed}") from None
