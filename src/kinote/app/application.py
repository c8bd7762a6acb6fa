"""An open application, and why one cannot be opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kinote.backup.running import Backups
from kinote.catalog.nodes import ForeignHostError
from kinote.catalog.schema.migrations import ForeignSchemaError
from kinote.catalog.schema.soundness import Soundness
from kinote.catalog.sql import dialects
from kinote.catalog.sql.dialects import WrongEncodingError, shown
from kinote.catalog.sql.unavailable import IndexDamagedError, IndexFullError
from kinote.catalog.transactions.catalog import Catalog, NoConnectionError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.delivery.archives.recall import Recaller
from kinote.delivery.ledger import Ledger
from kinote.holdings.door import Door
from kinote.holdings.opening.installation import NotTogetherError
from kinote.holdings.opening.recovery import Others, Recovered
from kinote.holdings.reconciling.unowned import Unowned
from kinote.intake.receiver import Receiver
from kinote.peers.known import PeersInUse
from kinote.security.audit.trail import AuditTrail
from kinote.security.audit_messages.sending import AuditSending
from kinote.storage.directory.data_directory import DataDirectory
from kinote.storage.directory.marks import UnreadableMarkError
from kinote.storage.directory.presence import Presence
from kinote.storage.stores import Stores
from kinote.storage.volume import RoomLeft
from kinote.telemetry.clock import Clock


class ApplicationError(RuntimeError):
    """The application cannot be opened. The message says what is in the way and what to do."""


#: The purposes of opening. `serve`: recovery sets aside what the last server left unfinished. `work`: commands that
#: make changes. `look`: nothing is written.
Purpose = Literal["serve", "work", "look"]


@dataclass(frozen=True, slots=True)
class Application:
    """The open packages of one Kinote."""

    directory: DataDirectory
    catalog: Catalog
    stores: Stores
    receiver: Receiver
    door: Door
    clock: Clock
    #: Returns whether a store can be reached, by its id.
    store_is_there: Callable[[int], bool]
    #: This process among those that have the data directory open; None for one that only reads.
    presence: Presence | None
    #: The known systems.
    peers: PeersInUse
    #: What other systems are sent.
    ledger: Ledger
    #: The result of start-up recovery; empty unless opened to serve.
    recovered: Recovered
    #: The state of the pages of the index.
    soundness: Soundness
    #: The bytes without a row that the reconciler of this server has found.
    unowned: Unowned
    #: Whether the volume of the data directory has room.
    room: RoomLeft
    #: Makes the backups.
    backups: Backups
    #: The audit trail; None if there is none.
    trail: AuditTrail | None = None
    #: Sends the audit trail as audit messages; None if there is no receiver.
    audit_sending: AuditSending | None = None
    #: Recalls bytes from archives; None if nothing is recalled.
    recaller: Recaller | None = None
    #: The id of this server among the nodes; empty for a command.
    node: str = ""

    @property
    def others(self) -> Others:
        """The other processes that have the data directory open, for recovery."""
        return self.presence.others if self.presence is not None else dict


@contextmanager
def telling_of_folder(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or path.absolute()
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        reason = f"{place} is no folder" if in_the_way else f"{place}: {error.strerror}"
        raise ApplicationError(
            f"The data directory {path.absolute()} cannot be used: {reason}. "
            "Let Kinote write there, or choose another one with --data."
        ) from error


@contextmanager
def telling_of_index(url: str) -> Iterator[None]:
    try:
        yield
    except (
        NotTogetherError,
        UnreadableMarkError,
        ForeignHostError,
        NoConnectionError,
        WrongEncodingError,
        IndexFullError,
        IndexDamagedError,
    ) as error:
        raise ApplicationError(str(error)) from error
    except (SQLAlchemyError, ImportError, ForeignSchemaError, CommitInDoubtError) as error:
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            name = address.database
            remedy = "Put back a copy of the data directory, or choose another one with --data."
        else:
            name = shown(address)
            remedy = "See that the database is there, and that the setting database says how to reach it."
        if isinstance(error, DBAPIError) and dialects.is_out_of_connections(error):
            remedy = (
                "It lets nobody else in. Lower the setting database_connections of the servers that use it, "
                "or raise its max_connections."
            )
        raise ApplicationError(f"The index {name} cannot be used: {_reason(error)} {remedy}") from error


def _reason(error: Exception) -> str:
    """Return the message of a database or its driver as one sentence, without SQL and the driver's hints."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig else error
    first_line, *_ = str(said).splitlines() or [type(said).__name__]
    return first_line.rstrip(".") + "."
