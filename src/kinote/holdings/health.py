"""What is wrong with index and bytes, for health checks, metrics and people."""

from __future__ import annotations

from dataclasses import dataclass

from kinote.holdings.recovery import Recovered
from kinote.storage.quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person must look at: a stable code, and a sentence that says what to do."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class HoldingsHealth:
    """`quarantined` files wait for a person; `unknown` files recovery did not dare to touch."""

    quarantined: int = 0
    unknown: int = 0

    @property
    def alerts(self) -> list[Alert]:
        found = []
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
                    f"{self.quarantined} files lie in the quarantine: recovery found them and no object has them. "
                    "Import those that are wanted, and remove them from there.",
                )
            )
        return found


def health(quarantine: Quarantine, recovered: Recovered) -> HoldingsHealth:
    """How it is now."""
    return HoldingsHealth(quarantine.count(), recovered.unknown)
