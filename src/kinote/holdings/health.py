"""What is wrong with index and bytes, for health checks, metrics and people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.damage import Damaged, damaged_now
from kinote.holdings.opening.recovery import Recovered
from kinote.holdings.scrubbing.progress import ScrubProgress
from kinote.storage.quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that needs a person: a stable code, and a sentence that says what to do."""

    code: str
    text: str
    #: The number of things concerned, if a much greater number is to be a new alert; else 0.
    number: int = 0
    #: The thing concerned, if there is one alert for each; never a patient's name.
    subject: str = ""


#: The server writes into a folder that nobody will look for.
MOVED_AWAY = Alert(
    "DATA_DIRECTORY_MOVED",
    "The data directory was moved, replaced or opened by another server while this one runs. Stop this server, bring "
    "the directory back to where it was, and start it again.",
)


#: Images have taken all the room that they may.
DISK_FULL = Alert(
    "DISK_FULL",
    "The disk of the stored images is full, except for what is reserved for notes: no image is taken. Free some space.",
)


def index_not_written(reason: object) -> Alert:
    """Return the alert that the last change to the index could not be written."""
    return Alert("INDEX_NOT_WRITTEN", f"The last change to the index could not be written. {reason}")


def index_damaged(faults: Sequence[str]) -> Alert:
    """Return the alert that pages of the index are damaged."""
    return Alert(
        "INDEX_DAMAGED",
        f"Pages of the index are damaged ({'; '.join(faults[:3])}). Stop the server and put back a copy of the data "
        "directory.",
    )


@dataclass(frozen=True, slots=True)
class HoldingsHealth:
    """`quarantined`: files that wait for a person. `unknown`: files that recovery did not touch. `damaged`: instances
    whose bytes are not the ones received. `scrub`: progress of the slow scrub; None where there is none.
    """

    quarantined: int = 0
    unknown: int = 0
    damaged: Damaged = field(default_factory=Damaged)
    store_is_there: bool = True
    scrub: ScrubProgress | None = None
    directory_is_in_place: bool = True
    #: Folders of other systems that are read in place. We cannot tell whether they are durable.
    read_in_place: tuple[str, ...] = ()
    #: Alerts of other parts, listed with these.
    others: tuple[Alert, ...] = ()

    @property
    def alerts(self) -> list[Alert]:
        found = list(self.others)
        if not self.directory_is_in_place:
            found.append(MOVED_AWAY)
        if not self.store_is_there:
            found.append(
                Alert(
                    "STORE_UNREACHABLE",
                    "The folder of the store is not there, or its mark is missing: no stored image can be read. See "
                    "that its volume is mounted.",
                )
            )
        if self.damaged.count:
            some = ", ".join(self.damaged.some)
            more = " and others" if self.damaged.count > len(self.damaged.some) else ""
            found.append(
                Alert(
                    "OBJECTS_DAMAGED",
                    f"The stored bytes of {self.damaged.count} objects are not what was received: {some}{more}. They "
                    "are not sent. Send these objects to Kinote again from where they came, which heals them, and see "
                    "to the disk.",
                    self.damaged.count,
                )
            )
        if self.scrub and self.scrub.behind_since:
            found.append(
                Alert(
                    "SCRUB_BEHIND",
                    f"Since {self.scrub.behind_since:%Y-%m-%d} only {self.scrub.fraction:.0%} of all stored bytes have "
                    "been read and compared: it would take more than twice the time that is set. See that the server "
                    "is up for long enough and that the disk is not too busy, or raise the setting scrub_days.",
                )
            )
        if self.unknown:
            found.append(
                Alert(
                    "FILES_UNKNOWN_TO_INDEX",
                    f"The index does not know {self.unknown} files of the store, more than a crash can leave. It may "
                    "be an older copy: bring back the newest index. If there is no newer one, run `kinote doctor "
                    "--repair`, which sets these files aside, and import those that are missing.",
                )
            )
        if self.quarantined:
            found.append(
                Alert(
                    "QUARANTINE_NOT_EMPTY",
                    f"{self.quarantined} files lie in the quarantine, and no object has them: beside each stands "
                    "why. Import those that are wanted, and remove them from there.",
                )
            )
        return found


def health(
    catalog: Catalog,
    quarantine: Quarantine,
    recovered: Recovered,
    store_is_there: Callable[[], bool],
    scrub: Callable[[Connection], ScrubProgress] | None = None,
    directory_is_in_place: Callable[[], bool] = lambda: True,
) -> HoldingsHealth:
    """Return the current health."""
    with catalog.read() as connection:
        damaged = damaged_now(connection)
        progress = scrub(connection) if scrub is not None else None
    return HoldingsHealth(
        quarantine.count(), recovered.unknown, damaged, store_is_there(), progress, directory_is_in_place()
    )
