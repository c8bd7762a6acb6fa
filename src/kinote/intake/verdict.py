"""The verdict of a comparison with the first copy under a UID."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Proposed:
    """An attribute of patient, study or order in which a copy differs: its keyword, and both values as text."""

    attribute: str
    known: str
    said: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison with the first copy, a row with this digest, has found.

    `difference` is a clause that says where they differ, or why that is not known if not `is_compared`; "" if they are
    the same. `is_open` means that the comparison was over its budget: one with a larger budget may settle it.
    `proposes` has all differences, if these are in attributes of patient, study and order alone.
    """

    first: int
    digest: str | None
    difference: str
    is_compared: bool = True
    is_open: bool = False
    proposes: tuple[Proposed, ...] = ()

    @property
    def is_same(self) -> bool:
        return self.is_compared and not self.difference

    def why_held(self, standing: str) -> str:
        """Return why a copy is held beside a current one of this standing."""
        begins = f"An instance with this SOP Instance UID is {standing}"
        if self.is_compared:
            return f"{begins} with other content: {self.difference}."
        return f"{begins}. Whether this copy is the same is not known: {self.difference}."


def why_held_uncompared(standing: str) -> str:
    """Return why a copy is held that was not compared with the current one of this standing."""
    return f"An instance with this SOP Instance UID is {standing} with other bytes, which were not compared."


def why_held_until_compared(standing: str) -> str:
    """Return why a copy is held that is compared in the background with the current one of this standing."""
    return (
        f"An instance with this SOP Instance UID is {standing} with other bytes. Whether this copy is the same is not "
        "known: many are being compared, and it is compared in the background."
    )
