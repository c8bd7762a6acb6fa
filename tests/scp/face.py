"""The DICOM face of a product in this process, and what calls it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.delivery.ledger import Ledger
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.operations.offered import NOTHING, Offered
from kinote.holdings.door import Door
from kinote.intake.packets.taking_on import Channels
from kinote.intake.receiver import Receiver
from kinote.peers.known import PeersInUse
from kinote.peers.peer import Peer
from kinote.scp.associations import serving
from kinote.scp.commitment.asked import CommitmentProvider
from kinote.scp.options import ScpOptions
from kinote.scp.receiving.messages import Beginning
from kinote.scp.receiving.processes import ReceiverProcesses
from kinote.scp.rooms import Rooms
from kinote.scp.server import DicomServer
from kinote.security import rights
from kinote.security.policy import Policy
from kinote.security.rights import Right
from kinote.storage.local import local_stores
from tests.actors import OPEN
from tests.clock import clock
from tests.databases import new_sqlite_index

#: Options of a face for tests: a free port.
OPTIONS = ScpOptions(port=0)


#: How many receiver processes there are where a test runs with and without.
PROCESSES = (0, 1)

#: Seconds that receiver processes may take to get ready on a busy machine.
START_LIMIT = 60


class Face:
    """A product with its DICOM face. `rooms.options` are those it was opened with."""

    def __init__(
        self,
        rooms: Rooms,
        server: DicomServer,
        receivers: ReceiverProcesses | None = None,
        folder: Path = Path(),
    ) -> None:
        self.folder = folder
        self.rooms = rooms
        self.server = server
        self._receivers = receivers
        self.host, self.port = server.addresses[0]

    @property
    def receivers(self) -> ReceiverProcesses:
        assert self._receivers is not None
        return self._receivers

    def entity(self, title: str) -> ApplicationEntity:
        """The face as others call it."""
        return ApplicationEntity(title, self.host, self.port)

    @contextmanager
    def called(
        self,
        *contexts: str | tuple[str, Sequence[str]],
        title: str = "TESTER",
        called: str = "",
        storing: frozenset[str] = frozenset(),
    ) -> Iterator[Association]:
        """An association with it; a context is a SOP class, in explicit little endian unless more is said."""
        proposed = [
            (each, (EXPLICIT_VR_LITTLE_ENDIAN,)) if isinstance(each, str) else (each[0], tuple(each[1]))
            for each in contexts
        ]
        with association(
            self.entity(called or self.rooms.options.titles[0]), title, Proposal(proposed, storing)
        ) as opened:
            yield opened


@contextmanager
def face(
    folder: Path,
    options: ScpOptions = OPTIONS,
    *peers: Peer,
    processes: int = 0,
    program: Sequence[str] = (),
    normalized: Offered = NOTHING,
    policy: Policy = OPEN,
    record: list[Ledger] | None = None,
    commits: bool = False,
) -> Iterator[Face]:
    """A new product on a folder, its DICOM face open; `peers` are known to it.

    With so many receiver `processes`, which are ready unless it is said by what `program` they are begun. The
    `normalized` services are offered, or storage commitment as the product offers it if it `commits`. The ledger of
    what is handed out comes into the list `record`.
    """
    folder.mkdir(exist_ok=True)
    # What the product does not offer has no rights in its table.
    offered = serving.services({}, normalized) - serving.services({}) - set(rights.SERVICES)
    with (
        patch.dict(rights.SERVICES, dict.fromkeys(offered, Right.OPERATE)),
        _opened(folder, options, peers, processes, program, normalized, policy, record, commits) as opened,
    ):
        yield opened


@contextmanager
def _opened(
    folder: Path,
    options: ScpOptions,
    peers: Sequence[Peer],
    processes: int,
    program: Sequence[str],
    normalized: Offered,
    policy: Policy,
    record: list[Ledger] | None,
    commits: bool,
) -> Iterator[Face]:
    index = folder / "kinote.sqlite"
    # A later face may have the folder of an earlier one.
    url = f"sqlite:///{index}" if index.exists() else new_sqlite_index(index)
    catalog = Catalog(CatalogOptions(url))
    stores = local_stores(folder)
    receiver = Receiver(catalog, stores, clock=clock)
    known = PeersInUse.only(*peers)
    if commits:
        normalized = Offered([CommitmentProvider(catalog, clock, known).offer()])
    rooms = Rooms(
        catalog,
        receiver,
        Door(catalog, stores, clock=clock),
        options,
        policy,
        known,
        normalized,
    )
    if record is not None:
        record.append(Ledger(catalog, clock))
        rooms = replace(rooms, record_for=record[0].record_for)
    receivers = None
    if processes:
        beginning = Beginning(stores.large, options.limits.largest_object, options.limits.largest_pdu)
        receivers = ReceiverProcesses(processes, Channels(receiver), beginning, clock, program=program)
    server = DicomServer(rooms, receivers)
    try:
        if receivers is not None and not program:
            assert receivers.wait_until_ready(START_LIMIT)
        yield Face(rooms, server, receivers, folder)
    finally:
        server.close()
        receiver.close()
        stores.close()
        catalog.close()
