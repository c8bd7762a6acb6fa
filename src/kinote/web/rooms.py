"""What the HTTP face stands on: the rooms below, its options, and its worker threads."""

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
from kinote.holdings.journal import Difference
from kinote.holdings.law_check import Breach
from kinote.holdings.scrubbing.scrub import Scrubbed
from kinote.intake.receiver import Receiver
from kinote.jobs.kinds import JobKind
from kinote.lifecycle.purging.delays import PurgeDelays
from kinote.lifecycle.rejection.rules import DEFAULT_RULES, RejectionRules
from kinote.migration.fetching.fetch import Fetches
from kinote.migration.fetching.named_sources import NamedSources
from kinote.migration.folders.scan import FolderScans
from kinote.peers.accepting import Accepted
from kinote.peers.known import PeersInUse
from kinote.peers.peer import Endpoint
from kinote.peers.probing import Answer
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
    """Options of the HTTP face.

    `allowed_hosts` are host names, beside the loopback ones, under which it may be reached;
    `allowed_origins` origins (`https://host:port`) of other pages that may change things through it.
    `hosts_needed` says that DICOM callers are let in by their addresses, so that a peer that calls needs a host.
    `max_json_bytes` bounds the bodies of the REST API, `max_parts` the parts of one STOW-RS request.
    `requests_per_client` are answered at once.
    `undo_window` is that of the acts that have one: for so long withdrawals can be undone before others are told.
    `second_person` says that somebody else confirms withdrawals of whole series and studies for good.
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

    Short reads, streamed answers, answers for which frames are decoded (`decoded`, and `pictures`), incoming bodies and
    calls of other systems each have their own share, so that slow clients or systems of one kind do not keep the others
    from the index.
    """

    reads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    streams: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    long_reads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    uploads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(16))
    pictures: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    decoded: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    calls: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    #: Each comparison of a password takes 64 MB of memory.
    passwords: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    #: What waits for the OpenID provider.
    provider: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms the HTTP face stands on."""

    catalog: Catalog
    receiver: Receiver
    door: Door
    options: WebOptions = WebOptions()
    clock: Clock = field(kw_only=True)
    policy: Policy = field(kw_only=True)
    #: What is wrong with index and bytes, as it is now.
    health: Callable[[], HoldingsHealth] = HoldingsHealth
    #: Reads and compares what follows a key; and the key to go on after, if there is more.
    scrub: Callable[[int], tuple[Scrubbed, int | None]] = lambda position: (Scrubbed(), None)
    #: Looks at the instances that follow a key, against the laws; and the key to go on after, if there is more.
    check_laws: Callable[[int], tuple[int, list[Breach], int | None]] = lambda position: (0, [], None)
    #: Where the journal and the index disagree.
    compare_journal: Callable[[], list[Difference]] = list
    #: Makes backups; None where none are made.
    backups: Backups | None = None
    #: Told which study somebody opens, before its notes are read.
    study_opened: Callable[[str], object] = lambda study: None
    #: Scans folders of other systems; None where none are scanned.
    scans: FolderScans | None = None
    #: Finds other systems, and fetches from them; None where nothing is fetched.
    fetching: tuple[NamedSources, Fetches] | None = None
    #: The volume of the cache.
    volume: Callable[[], Volume] = lambda: Volume(0, 0)
    #: How long the bytes of what is withdrawn stay.
    purge_delays: PurgeDelays = field(default_factory=PurgeDelays)
    #: The kinds of jobs that this server does.
    job_kinds: Sequence[JobKind] = ()
    #: The proof that this is the announced server, by the challenge; None where none is announced.
    prove: Callable[[str], str | None] = lambda challenge: None
    #: The systems that are known, and whether one of this name answers at an endpoint.
    peers: PeersInUse = field(default_factory=PeersInUse)
    #: Records what peers are given.
    record_for: RecordFor = without_ledger
    #: Writes down what peers were given until now: before an act that goes by it.
    write_ledger: Callable[[], None] = lambda: None
    #: Brings bytes back from archives; None where nothing is recalled.
    recaller: Recaller | None = None
    #: Removes the files of what was evicted; returns how many there were.
    remove_evicted: Callable[[], int] = lambda: 0
    probe: Callable[[str, Endpoint], Answer] = lambda name, endpoint: Answer(False, "Nobody is called.", 0)
    #: What the entity at a DIMSE endpoint accepts. Raises `DimseError`.
    accepted_by: Callable[[Endpoint], Accepted] = lambda endpoint: Accepted((), (), "", False, False)
    #: Sends a test message by each channel of alerts; and what came of each.
    test_alerts: Callable[[], list[dict[str, object]]] = list
    #: What rejection notes of others may do.
    rejections: RejectionRules = DEFAULT_RULES
    #: How people sign in; None where nobody does, and everybody may do everything.
    sign_in: SignIn | None = None
    #: The OpenID provider by which people sign in too; None where there is none.
    openid: OpenId | None = None
    #: Whether this is the proof of a command that it may read the secret of the data directory.
    is_owner: Callable[[str], bool] = lambda proof: False
    #: The audit trail; None where none is written.
    trail: AuditTrail | None = None
    threads: Threads = field(default_factory=Threads)
    streams: EventStreams = field(default_factory=EventStreams)

    def clock_in(self, days: float) -> datetime:
        """This moment, so many days later."""
        return self.clock() + timedelta(days=days)

    async def read(self, work: Callable[[], Result]) -> Result:
        """Run a short piece of reading in a thread."""
        return await to_thread.run_sync(work, limiter=self.threads.reads)


def rooms_of(request: Request) -> Rooms:
    """The rooms of the application that serves a request."""
    rooms: Rooms = request.app.state.rooms
    return rooms
