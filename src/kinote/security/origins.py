"""Origins: the interface through which an object arrived, and who sent it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kinote.security.actors import Actor


class Interface(StrEnum):
    """The interfaces through which objects arrive. The values are stored and never change."""

    C_STORE = "C-STORE"
    STOW = "STOW-RS"
    API = "API"
    IMPORT = "import"
    DEMO = "demo"
    #: Created here: the KOS of a note or a rejection.
    KINOTE = "kinote"


@dataclass(frozen=True, slots=True)
class Origin:
    """The interface through which an object arrived, and the actor who sent it or had it created."""

    interface: Interface
    actor: Actor

    def columns(self) -> dict[str, str]:
        """Return the origin as columns of an instance's row. `Actor.stored` is the inverse for the actor."""
        return {"received_from": str(self.interface), **self.actor.columns("brought_by")}


def shown_origin(received_from: str, name: str, address: str) -> str:
    """Describe where an instance came from, e.g. `C-STORE CT_SCANNER`. Takes columns of its row.

    Rows of earlier versions have neither name nor address: their `received_from` contains the whole description.
    """
    return f"{received_from} {name or address}".rstrip()
