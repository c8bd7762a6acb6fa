"""The packages, options and worker threads that the HTTP interface uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

from kinote.backup.running import Backups
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.archives.recall import Recaller
from kinote.delivery.ledger import RecordFor, without_ledger
from kinote.holdings.door import Door
from kinote.holdings.health import HoldingsHealth
from kinote.holdings.journal.comparing import Difference
from kinote.holdings.law_check import Breach
from kinote.holdings.scrubbing.scrub import Scrubbed
from kinote.intake.receiver import Receiver
from kinote.jobs.kinds import JobKind
from kinote.lifecycle.purging.delays import PurgeDelays
from kinote.lifecycle.rejection.rules import DEFAULT_RULES, RejectionRules
from kinote.migration.fetching.fetch import Fetches
from kinote.migration.fetching.named_sources import NamedSources
from kinote.migration.folders.scan import FolderScans
from kinote.peers.known import PeersInUse
from kinote.peers.peer import Endpoint
from kinote.peers.reaching.accepting import Accepted
from kinote.peers.reaching.probing import Answer
from kinote.retention.headroom import Volume
from kinote.security.audit.trail import AuditTrail
from kinote.security.openid.room import OpenId
from kinote.security.policy import Policy
from kinote.security.sign_in.identifying import SignIn
from kinote.telemetry.clock import Clock
from kinote.web.connections.limits import DEFAULT_LIMITS
from kinote.web.event_streams import EventStreams

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Options of the HTTP interface.

    `allowed_hosts` are host names, apart from loopback names, by which it may be reached. `allowed_origins` are origins
    (`https://host:port`) of other pages that may make changes. `hosts_needed` says that DICOM callers are recognized by
    address, so that a peer that calls needs a host. `max_json_bytes` limits the bodies of the REST API, `max_parts` the
    parts of a STOW-RS request. `requests_per_client` are answered at once. `undo_window` is how long certain
    withdrawals can be undone before others are told. `second_person` says that
    another person confirms withdrawals of whole series and studies for good.
    """

    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    hosts_needed: bool = False
    max_json_bytes: int = 16 * 1024 * 1024
    max_parts: int = 100_000
    requests_per_client: int = DEFAULT_LIMITS.requests_per_client
    undo_window: timedelta = timedelta(0)
    second_person: bool = False
    viewer: Path = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class Threads:
    """How many threads may do what at once.

    Short reads, streamed responses, responses with decoded frames (`decoded` and `pictures`), incoming bodies and calls
    of other systems have separate limits, so that slow clients or systems of one kind do not block the others.
    """

    reads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    streams: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    long_reads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    uploads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(16))
    pictures: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    decoded: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    calls: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    #: Each password comparison takes 64 MB of memory.
    passwords: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    #: For requests to the OpenID provider.
    provider: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))


@dataclass(frozen=True, slots=True)
class Rooms:
    """The packages and functions that the HTTP interface uses."""

    catalog: Catalog
    receiver: Receiver
    door: Door
    options: WebOptions = WebOptions()
    clock: Clock = field(kw_only=True)
    policy: Policy = field(kw_only=True)
    #: Returns the current health of index and bytes.
    health: Callable[[], HoldingsHealth] = HoldingsHealth
    #: Reads and compares the objects that follow a key; returns the key to continue after, if there are more.
    scrub: Callable[[int], tuple[Scrubbed, int | None]] = lambda position: (Scrubbed(), None)
    #: Checks the instances that follow a key against the laws; returns the key to continue after, if there are more.
    check_laws: Callable[[int], tuple[int, list[Breach], int | None]] = lambda position: (0, [], None)
    #: Returns where the journal and the index disagree.
    compare_journal: Callable[[], list[Difference]] = list
    #: Makes backups; None where none are made.
    backups: Backups | None = None
    #: Called with each study that is opened, before its notes are read.
    study_opened: Callable[[str], object] = lambda study: None
    #: Scans folders of other systems; None where none are scanned.
    scans: FolderScans | None = None
    #: Finds other systems, and fetches from them; None where nothing is fetched.
    fetching: tuple[NamedSources, Fetches] | None = None
    #: The volume of the cache.
    volume: Callable[[], Volume] = lambda: Volume(0, 0)
    #: How long the bytes of withdrawn instances are kept.
    purge_delays: PurgeDelays = field(default_factory=PurgeDelays)
    #: The kinds of jobs that this server performs.
    job_kinds: Sequence[JobKind] = ()
    #: Returns the proof that this is the announced server, for a challenge; None where none is announced.
    prove: Callable[[str], str | None] = lambda challenge: None
    #: The known systems, and whether one of this name responds at an endpoint.
    peers: PeersInUse = field(default_factory=PeersInUse)
    #: Records what peers are sent.
    record_for: RecordFor = without_ledger
    #: Writes the pending records of what peers were sent, before an act that depends on them.
    write_ledger: Callable[[], None] = lambda: None
    #: Recalls bytes from archives; None where nothing is recalled.
    recaller: Recaller | None = None
    #: Removes the files of evicted instances; returns how many there were.
    remove_evicted: Callable[[], int] = lambda: 0
    probe: Callable[[str, Endpoint], Answer] = lambda name, endpoint: Answer(False, "Nobody is called.", 0)
    #: Returns what the entity at a DIMSE endpoint accepts. Raises `DimseError`.
    accepted_by: Callable[[Endpoint], Accepted] = lambda endpoint: Accepted((), (), "", False, False)
    #: Sends a test message by each channel of alerts; returns the outcome of each.
    test_alerts: Callable[[], list[dict[str, object]]] = list
    #: Returns what rejection notes of others may do.
    rejections: RejectionRules = DEFAULT_RULES
    #: How people sign in; None where nobody needs to, and everybody has all rights.
    sign_in: SignIn | None = None
    #: The OpenID provider by which people can also sign in; None where there is none.
    openid: OpenId | None = None
    #: Whether a proof shows that a command can read the secret of the data directory.
    is_owner: Callable[[str], bool] = lambda proof: False
    #: The audit trail; None where there is none.
    trail: AuditTrail | None = None
    threads: Threads = field(default_factory=Threads)
    streams: EventStreams = field(default_factory=EventStreams)

    def clock_in(self, days: float) -> datetime:
        """Return the time this many days from now."""
        return self.clock() + timedelta(days=days)

    async def read(self, work: Callable[[], Result]) -> Result:
        """Run a short read in a thread."""
        return await to_thread.run_sync(work, limiter=self.threads.reads)


def rooms_of(request: Request) -> Rooms:
    """Return the rooms of the application that serves a request."""
    rooms: Rooms = request.app.state.rooms
    return rooms
