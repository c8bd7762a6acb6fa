"""Origins: by which interface an object came, and from whom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kinote.security.actors import Actor


class Interface(StrEnum):
    """The ways in, as they are stored: a name that has been stored never changes."""

    C_STORE = "C-STORE"
    STOW = "STOW-RS"
    API = "API"
    IMPORT = "import"
    DEMO = "demo"
    #: Made here: the KOS of a note or of a rejection.
    KINOTE = "kinote"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an object came from: the interface, and the actor who sent it or had it made."""

    interface: Interface
    actor: Actor

    def columns(self) -> dict[str, str]:
        """The origin as columns of an instance's row; `Actor.stored` gives the actor back."""
        return {"received_from": str(self.interface), **self.actor.columns("brought_by")}


def shown_origin(received_from: str, name: str, address: str) -> str:
    """Where an instance came from in a few words, e.g. `C-STORE CT_SCANNER`, of columns of its row.

    Rows of earlier versions have neither name nor address: their `received_from` says it all.
    """
    return f"{received_from} {name or address}".rstrip()
